//! What can be said of a workspace's spec without asking Coder: every field by itself, all complaints at once.

use super::schedule;
use crate::api::v1alpha1::CoderWorkspaceManifest;
use crate::coder::Workspace;
use crate::json::Names;
use crate::kube::status::Cause;
use crate::names::{NameError, WorkspaceName, is_reserved};

/// Coder's least time until a workspace stops by itself, in milliseconds.
const TTL_MIN: i64 = 60_000;
/// Coder's longest, thirty days.
const TTL_MAX: i64 = 2_592_000_000;

/// What is wrong with the fields, whatever the workspace is; of settings that it may have got from its template [`check_settings`] says so.
pub fn check(spec: &CoderWorkspaceManifest) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Some(id) = spec.template_version_id.as_deref().filter(|id| !is_uuid(id)) {
        causes.push(Cause::invalid("spec.templateVersionID", id, "must be a UUID"));
    }
    if spec.template_version_preset.as_deref() == Some("") {
        causes.push(Cause::invalid("spec.templateVersionPreset", "", "must not be empty"));
    }
    if let Some(updates) = spec.automatic_updates.as_deref()
        && !matches!(updates, "always" | "never")
    {
        causes.push(Cause::not_supported("spec.automaticUpdates", updates, &["always", "never"]));
    }
    let mut names = Names::default();
    for parameter in spec.parameters.iter().flatten() {
        let field = parameter_field(&parameter.name);
        if parameter.name.is_empty() {
            causes.push(Cause::required(&field, "a parameter must have a name"));
        } else if !names.insert(&parameter.name) {
            causes.push(Cause::duplicate(&field, &parameter.name));
        } else if parameter.name.contains('\0') || parameter.value.contains('\0') {
            causes.push(Cause::invalid(&field, &parameter.value, "must not contain NUL"));
        }
    }
    causes
}

/// What is wrong with settings that are to change. Coder gives a new workspace those of its template, which may be beyond what it takes for the workspace
/// itself: left as they are they are in nobody's way.
pub fn check_settings(spec: &CoderWorkspaceManifest, current: Option<&Workspace<'_>>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Some(ttl) = spec.ttl_millis
        && current.and_then(|current| current.ttl_ms) != Some(ttl)
        && (!(TTL_MIN..=TTL_MAX).contains(&ttl) || ttl.checked_rem(TTL_MIN) != Some(0))
    {
        let why =
            "must be whole minutes in milliseconds, from 60000 (one minute) to 2592000000 (30 days), or null";
        causes.push(Cause::invalid_literal("spec.ttlMillis", ttl, why));
    }
    if let Some(text) = spec.autostart_schedule.as_deref().filter(|text| !text.is_empty())
        && current.and_then(|current| current.autostart_schedule.as_deref()) != Some(text)
        && let Err(why) = schedule::check(text)
    {
        causes.push(Cause::invalid("spec.autostartSchedule", text, &why));
    }
    causes
}

/// What is wrong with the spec of a workspace that is to be made under this name; what holds for every spec is [`check`]'s and [`check_settings`]'s.
pub fn check_new(name: &WorkspaceName, spec: &CoderWorkspaceManifest) -> Vec<Cause> {
    let mut causes = Vec::new();
    if is_reserved(&name.workspace) {
        causes.push(Cause::invalid(
            "metadata.name",
            &name.to_string(),
            "Coder reserves this name of a workspace",
        ));
    }
    match spec.organization.as_deref() {
        None | Some("") => causes.push(Cause::required("spec.organization", "")),
        Some(organization) if organization.eq_ignore_ascii_case(&name.organization) => {}
        Some(organization) => {
            causes.push(Cause::invalid(
                "spec.organization",
                organization,
                "must be the first part of metadata.name",
            ));
        }
    }
    match spec.template_name.as_deref() {
        None | Some("") => causes.push(Cause::required("spec.templateName", "")),
        Some(template) => match crate::names::segment(template) {
            Ok(()) | Err(NameError::UpperCase) => {}
            Err(why) => causes.push(Cause::invalid("spec.templateName", template, &why.to_string())),
        },
    }
    if spec.dormant == Some(true) {
        causes.push(Cause::invalid_literal("spec.dormant", true, "a new workspace cannot be dormant"));
    }
    causes
}

/// Path of a parameter.
pub fn parameter_field(name: &str) -> String {
    format!("spec.parameters[{name}]")
}

/// Whether this is a UUID as Coder writes it, in whichever case.
pub(super) fn is_uuid(text: &str) -> bool {
    let mut groups = text.split('-');
    let lengths = [8, 4, 4, 4, 12];
    lengths.into_iter().all(|length| {
        groups
            .next()
            .is_some_and(|group| group.len() == length && group.bytes().all(|c| c.is_ascii_hexdigit()))
    }) && groups.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn found(causes: &[Cause]) -> String {
        causes.iter().map(|cause| format!("{}: {}\n", cause.field, cause.message)).collect()
    }

    #[track_caller]
    fn check(spec: &str, expect: &[&str]) {
        let manifest = json::read(spec.as_bytes()).unwrap();
        let mut causes = super::check(&manifest);
        causes.extend(check_settings(&manifest, None));
        let found = found(&causes);
        assert_eq!(causes.len(), expect.len(), "{spec}: {found}");
        for (line, expect) in found.lines().zip(expect) {
            assert!(line.starts_with(expect), "{spec}: {found}");
        }
    }

    #[test]
    fn fields() {
        check("{}", &[]);
        check(r#"{"ttlMillis":null,"parameters":null,"autostartSchedule":""}"#, &[]);
        check(r#"{"templateVersionID":"0123abcd-0123-0123-0123-0123456789AB"}"#, &[]);
        for id in [
            "",
            "x",
            "0123abcd012301230123-0123456789ab",
            "0123abcd-0123-0123-0123-0123456789ag",
            "0123abcd-0123-0123-0123-0123456789ab-",
        ] {
            check(&format!(r#"{{"templateVersionID":"{id}"}}"#), &["spec.templateVersionID: Invalid value"]);
        }
        check(r#"{"templateVersionPreset":""}"#, &["spec.templateVersionPreset: Invalid value"]);
        check(
            r#"{"automaticUpdates":"Always"}"#,
            &[r#"spec.automaticUpdates: Unsupported value: "Always": supported values: "always", "never""#],
        );
        check(
            r#"{"autostartSchedule":"@daily"}"#,
            &[r#"spec.autostartSchedule: Invalid value: "@daily": must be five"#],
        );
    }

    #[test]
    fn times() {
        for (ttl, fits) in [
            (60_000, true),
            (2_592_000_000, true),
            (120_000, true),
            (0, false),
            (-60_000, false),
            (59_999, false),
            (90_000, false),
            (2_592_060_000, false),
            (i64::MIN, false),
        ] {
            let spec = format!(r#"{{"ttlMillis":{ttl}}}"#);
            let expect = format!("spec.ttlMillis: Invalid value: {ttl}: ");
            check(
                &spec,
                if fits { &[] } else { std::slice::from_ref(&expect) }
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .as_slice(),
            );
        }
    }

    #[test]
    fn parameters() {
        check(r#"{"parameters":[{"name":"a","value":""},{"name":"b","value":"1"}]}"#, &[]);
        check(
            r#"{"parameters":[{"name":"a","value":"1"},{"name":"a","value":"1"},{"name":"","value":"1"},{"name":"c","value":"\u0000"}]}"#,
            &[
                r#"spec.parameters[a]: Duplicate value: "a""#,
                "spec.parameters[]: Required value",
                "spec.parameters[c]: Invalid value",
            ],
        );
    }

    #[test]
    fn all_at_once() {
        check(
            r#"{"templateVersionID":"x","ttlMillis":1,"autostartSchedule":"x","automaticUpdates":"x","parameters":[{"name":"","value":""}]}"#,
            &[
                "spec.templateVersionID",
                "spec.automaticUpdates",
                "spec.parameters[]",
                "spec.ttlMillis",
                "spec.autostartSchedule",
            ],
        );
    }

    #[track_caller]
    fn check_new(name: &str, spec: &str, expect: &[&str]) {
        let causes =
            super::check_new(&WorkspaceName::parse(name).unwrap(), &json::read(spec.as_bytes()).unwrap());
        let found = found(&causes);
        assert_eq!(causes.len(), expect.len(), "{spec}: {found}");
        for (line, expect) in found.lines().zip(expect) {
            assert!(line.starts_with(expect), "{spec}: {found}");
        }
    }

    #[test]
    fn new_ones() {
        check_new("coder.alice.w", r#"{"organization":"Coder","templateName":"dev"}"#, &[]);
        check_new(
            "coder.alice.w",
            "{}",
            &["spec.organization: Required value", "spec.templateName: Required value"],
        );
        check_new(
            "coder.alice.new",
            r#"{"organization":"other","templateName":"a.b","dormant":true}"#,
            &[
                "metadata.name: Invalid value",
                "spec.organization: Invalid value",
                "spec.templateName: Invalid value",
                "spec.dormant: Invalid value",
            ],
        );
    }
}
