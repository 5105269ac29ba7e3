//! Coder's JSON of one object, as it is kept, and what is shown of it.
//!
//! A workspace is kept as Coder has sent it, a template with the job of its import beside it; so whatever form a watcher wants is made as for a list.

use super::bytes::{Packer, Unpacker};
use super::subject::Kind;
use crate::api::v1alpha1::{CoderTemplate, CoderWorkspace};
use crate::coder::{self, ProvisionerJob, Template, Workspace};
use crate::config::ControlPlane;
use crate::convert::resource_version::{newest_of_template, newest_of_workspace};
use crate::convert::selectable::{
    TEMPLATE_FIELDS, WORKSPACE_FIELDS, template_field, template_matches, workspace_field, workspace_matches,
};
use crate::convert::{self, Import};
use crate::kube::negotiation::Form;
use crate::kube::object_writer::{Object, content_hash};
use crate::kube::selectors::{FieldSelector, LabelSelector};
use crate::kube::status::Status;
use crate::kube::watch_event::{EventType, append_event};
use crate::time::Millis;

/// How a template's import stands, in what is kept.
const UNKNOWN: u64 = 0;
const SUCCEEDED: u64 = 1;
const JOB: u64 = 2;

/// What is kept of a template, with the JSON of the job of its import where there is one.
pub fn pack_template(json: &str, import: Import<'_>, job: &str) -> Vec<u8> {
    let import = match import {
        Import::Unknown => UNKNOWN,
        Import::Succeeded => SUCCEEDED,
        Import::Job(_) => JOB,
    };
    Packer::default().number(import).text(json).text(job).0
}

/// An object as it is shown, of either kind.
pub trait Shown {
    /// Coder's id.
    fn id(&self) -> &str;
    /// Its name.
    fn name(&self) -> &str;
    /// The newest moment that Coder stamped on it.
    fn newest(&self) -> Millis;
    /// Hash of what lists show of it.
    fn hash(&self) -> Option<u64>;
    /// Whether it is selected.
    fn matches(&self, labels: &LabelSelector, fields: &FieldSelector) -> bool;
    /// What selectors can ask for.
    fn facts(&self) -> Facts;
    /// Appends an event about it.
    fn append(
        &self,
        out: &mut Vec<u8>,
        event_type: EventType,
        form: Form,
        version: u64,
        now: Millis,
        columns: bool,
    ) -> Result<(), Status>;
    /// Whether it is on the way to a state that Coder will not announce by a job: its agents are coming up.
    fn is_settling(&self) -> bool;
}

/// Labels and fields of an object, kept apart from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    labels: Vec<(String, String)>,
    fields: Vec<(&'static str, String)>,
}

impl Facts {
    /// Whether it is selected.
    pub(super) fn matches(&self, labels: &LabelSelector, fields: &FieldSelector) -> bool {
        labels
            .matches(&|key| self.labels.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str()))
            && fields.matches(&|field| {
                self.fields.iter().find(|(name, _)| *name == field).map(|(_, value)| value.as_str())
            })
    }
}

struct Of<T> {
    object: T,
    newest: Millis,
    facts: fn(&T, &'static str) -> Option<String>,
    fields: &'static [&'static str],
    matches: fn(&T, &LabelSelector, &FieldSelector) -> bool,
    is_settling: bool,
}

impl<T: Object> Shown for Of<T> {
    fn id(&self) -> &str {
        &self.object.metadata().uid
    }

    fn name(&self) -> &str {
        &self.object.metadata().name
    }

    fn newest(&self) -> Millis {
        self.newest
    }

    fn hash(&self) -> Option<u64> {
        content_hash(&self.object, &mut Vec::with_capacity(4096)).ok()
    }

    fn matches(&self, labels: &LabelSelector, fields: &FieldSelector) -> bool {
        (self.matches)(&self.object, labels, fields)
    }

    fn facts(&self) -> Facts {
        let labels = self.object.metadata().labels.0.iter();
        let fields = self.fields.iter();
        Facts {
            labels: labels.map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            fields: fields.filter_map(|field| Some((*field, (self.facts)(&self.object, field)?))).collect(),
        }
    }

    fn append(
        &self,
        out: &mut Vec<u8>,
        event_type: EventType,
        form: Form,
        version: u64,
        now: Millis,
        columns: bool,
    ) -> Result<(), Status> {
        append_event(out, event_type, form, &self.object, version, now, columns)
    }

    fn is_settling(&self) -> bool {
        self.is_settling
    }
}

/// Shows what is kept of an object. `None` when it cannot be shown: Coder's names do not follow its own rule, or this is nothing that Coder sends.
pub fn view<T>(
    plane: &ControlPlane,
    kind: Kind,
    parts: &[u8],
    then: impl FnOnce(&dyn Shown) -> T,
) -> Option<T> {
    match kind {
        Kind::Workspaces => {
            let workspace: Workspace<'_> = coder::parse(parts).ok()?;
            let object = convert::workspace(&workspace, &plane.namespace, &plane.dashboard_url)?;
            Some(then(&Of::<CoderWorkspace<'_>> {
                newest: newest_of_workspace(&workspace),
                is_settling: is_settling(&workspace),
                object,
                facts: |object, field| workspace_field(object, field).map(str::to_owned),
                fields: WORKSPACE_FIELDS,
                matches: workspace_matches,
            }))
        }
        Kind::Templates => {
            let mut parts = Unpacker(parts);
            let import = parts.number()?;
            let template: Template<'_> = coder::parse(parts.bytes()?).ok()?;
            let job: Option<ProvisionerJob<'_>> = match import {
                JOB => Some(coder::parse(parts.bytes()?).ok()?),
                _ => None,
            };
            let import = match &job {
                Some(job) => Import::Job(job),
                None if import == SUCCEEDED => Import::Succeeded,
                None => Import::Unknown,
            };
            let object = convert::template(&template, &plane.namespace, import)?;
            Some(then(&Of::<CoderTemplate<'_>> {
                newest: newest_of_template(&template, import),
                is_settling: false,
                object,
                facts: |object, field| template_field(object, field).map(str::to_owned),
                fields: TEMPLATE_FIELDS,
                matches: template_matches,
            }))
        }
    }
}

/// A start has come out well, and not all of its agents have.
fn is_settling(workspace: &Workspace<'_>) -> bool {
    let build = &workspace.latest_build;
    build.transition.as_str() == "start"
        && build.job.status.as_str() == "succeeded"
        && build.agents().any(|agent| {
            agent.status.as_str() == "connecting"
                || matches!(agent.lifecycle_state.as_str(), "created" | "starting")
        })
}
