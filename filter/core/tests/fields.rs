//! What the tables of fields say (`api/v1alpha1/fields.rs`), the code does: manifests are read with these fields and no others, and what is left out
//! is cleared or kept.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may fail loudly"
)]

use coder_kube_core::api::v1alpha1::fields::{Absent, Field, METADATA, TEMPLATE, Update, WORKSPACE};
use coder_kube_core::api::v1alpha1::{CoderTemplateManifest, CoderWorkspaceManifest};
use coder_kube_core::coder::requests::Values;
use coder_kube_core::coder::{self, TemplateSettings, Workspace};
use coder_kube_core::convert::template_change;
use coder_kube_core::convert::workspace_change::{Changed, change};
use coder_kube_core::json::{Read, read_strictly};
use coder_kube_core::kube::manifest::ManifestMeta;
use std::collections::BTreeSet;

/// The fields of a table right below `prefix`.
fn below<'a>(table: &'a [Field], prefix: &'a str) -> impl Iterator<Item = (&'static str, &'a Field)> {
    table.iter().filter_map(move |field| {
        let rest = field.path.strip_prefix(prefix)?;
        (!rest.contains('.')).then_some((rest, field))
    })
}

/// All of the table's fields are known to who reads them, and another is not.
fn check<T: Default + Read<'static>>(table: &[Field], prefix: &str) {
    let mut text = String::from("{");
    for (name, _) in below(table, prefix) {
        text += &format!("\"{name}\":null,");
    }
    text += "\"somethingElse\":null}";
    let text: &'static str = text.leak();
    let found = read_strictly(text.as_bytes(), &mut T::default()).unwrap();
    let found: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(found, ["somethingElse"], "{text}");
}

#[test]
fn manifests_have_the_fields_of_the_tables() {
    check::<ManifestMeta>(METADATA, "metadata.");
    check::<CoderWorkspaceManifest>(WORKSPACE, "spec.");
    check::<CoderTemplateManifest<'_>>(TEMPLATE, "spec.");
}

/// A workspace as coderd answered, with a value in everything that can be cleared.
fn workspace() -> String {
    let recorded = include_str!("../src/convert/recorded/workspaces.json");
    let mut recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
    let mut workspace = recorded["workspaces"][0].take();
    workspace["ttl_ms"] = 3_600_000.into();
    workspace["autostart_schedule"] = "30 9 * * 1-5".into();
    workspace["automatic_updates"] = "always".into();
    workspace.to_string()
}

#[test]
fn what_a_workspace_leaves_out_is_cleared_or_kept() {
    let current = workspace();
    let current: Workspace<'_> = coder::parse(current.as_bytes()).unwrap();
    let mut values = Values::default();
    values.push("cpu", "4");
    let changes = change(&current, &values, &CoderWorkspaceManifest::default(), true).unwrap();
    assert_eq!(changes.build, None);
    let cleared: BTreeSet<&str> = changes.settings.iter().map(Changed::field).collect();
    let said = WORKSPACE.iter().filter(|field| matches!(field.update, Update::Changes(_, Absent::Cleared)));
    assert_eq!(cleared, said.map(|field| field.path).collect());
}

#[test]
fn what_a_template_leaves_out_is_cleared_or_kept() {
    let current = r#"{"display_name":"x","description":"x","icon":"x","deprecation_message":"x","default_ttl_ms":1,"activity_bump_ms":1,
        "allow_user_cancel_workspace_jobs":true,"require_active_version":true,"allow_user_autostart":true,"allow_user_autostop":true}"#;
    let current: TemplateSettings<'_> = coder::parse(current.as_bytes()).unwrap();
    let nothing = CoderTemplateManifest::default();
    let changed = template_change::settings(&current, &nothing).unwrap();
    let cleared: BTreeSet<&str> = template_change::not_kept(&changed, &current).into_iter().collect();
    let said = TEMPLATE.iter().filter(|field| matches!(field.update, Update::Changes(_, Absent::Cleared)));
    assert_eq!(cleared, said.map(|field| field.path).collect());
}
