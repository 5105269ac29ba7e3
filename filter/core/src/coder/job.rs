//! Provisioner jobs (`codersdk.ProvisionerJob`): inside builds and versions, and listed by organization.

use super::text::Text;
use crate::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A job of Coder's provisioner daemons: a workspace build or the import of a template version.
#[derive(Clone, Debug, Deserialize)]
pub struct ProvisionerJob<'a> {
    /// UUID.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When a daemon took it.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended, in whichever way.
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
    /// When somebody asked for its cancellation.
    #[serde(default)]
    pub canceled_at: Option<Timestamp>,
    /// What went wrong; empty unless `failed`.
    #[serde(borrow, default)]
    pub error: Text<'a>,
    /// `REQUIRED_TEMPLATE_VARIABLES`, `INSUFFICIENT_QUOTA`, …; mostly empty.
    #[serde(borrow, default)]
    pub error_code: Text<'a>,
    /// `pending`, `running`, `succeeded`, `canceling`, `canceled`, `failed` or `unknown`.
    #[serde(borrow)]
    pub status: Text<'a>,
    /// The uploaded archive that it works on.
    #[serde(borrow, default)]
    pub file_id: Text<'a>,
    /// Which daemons may take it, as JSON; lists have no use for them. See [`ProvisionerJob::tags`].
    #[serde(borrow, default)]
    tags: Option<&'a RawValue>,
    /// What it works for.
    #[serde(borrow, default)]
    pub input: JobInput<'a>,
    /// `template_version_import`, `workspace_build` or `template_version_dry_run`.
    #[serde(rename = "type", borrow, default)]
    pub kind: Text<'a>,
}

/// What a job works for: one of the two.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct JobInput<'a> {
    /// The version that is imported.
    #[serde(borrow, default)]
    pub template_version_id: Option<Text<'a>>,
    /// The build that is carried out.
    #[serde(borrow, default)]
    pub workspace_build_id: Option<Text<'a>>,
}

impl<'a> ProvisionerJob<'a> {
    /// Which daemons may take it; `scope` and `owner` are always among them.
    pub fn tags(&self) -> BTreeMap<Text<'a>, Text<'a>> {
        self.tags.and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default()
    }

    /// Whether nothing will change any more.
    pub fn is_finished(&self) -> bool {
        matches!(self.status.as_str(), "succeeded" | "canceled" | "failed")
    }

    /// When it came to its present state, as far as Coder tells.
    pub fn since(&self) -> Timestamp {
        self.completed_at.or(self.canceled_at).or(self.started_at).unwrap_or(self.created_at)
    }
}
