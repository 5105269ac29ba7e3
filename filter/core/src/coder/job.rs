//! Provisioner jobs (`codersdk.ProvisionerJob`): inside builds and versions, and listed by organization.

use super::text::Text;
use crate::json::{self, Fields, Raw, object};
use crate::time::Timestamp;
use std::borrow::Cow;

/// A job of Coder's provisioner daemons: a workspace build or the import of a template version.
#[derive(Clone, Debug, Default)]
pub struct ProvisionerJob<'a> {
    /// UUID.
    pub id: Text<'a>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When a daemon took it.
    pub started_at: Option<Timestamp>,
    /// When it ended, in whichever way.
    pub completed_at: Option<Timestamp>,
    /// When somebody asked for its cancellation.
    pub canceled_at: Option<Timestamp>,
    /// What went wrong; empty unless `failed`.
    pub error: Text<'a>,
    /// `REQUIRED_TEMPLATE_VARIABLES`, `INSUFFICIENT_QUOTA`, …; mostly empty.
    pub error_code: Text<'a>,
    /// `pending`, `running`, `succeeded`, `canceling`, `canceled`, `failed` or `unknown`.
    pub status: Text<'a>,
    /// The uploaded archive that it works on.
    pub file_id: Text<'a>,
    /// Which daemons may take it, as JSON; lists have no use for them. See [`ProvisionerJob::tags`].
    tags: Raw<'a>,
    /// What it works for.
    pub input: JobInput<'a>,
    /// `template_version_import`, `workspace_build` or `template_version_dry_run`.
    pub kind: Text<'a>,
    /// What it is about; only where jobs are listed.
    pub metadata: JobMetadata<'a>,
}

object!(
    ProvisionerJob<'a>
    { id, created_at, status }
    { started_at, completed_at, canceled_at, error, error_code, file_id, tags, input, kind as "type", metadata }
);

/// What a job works for: one of the two.
#[derive(Clone, Debug, Default)]
pub struct JobInput<'a> {
    /// The version that is imported.
    pub template_version_id: Option<Text<'a>>,
    /// The build that is carried out.
    pub workspace_build_id: Option<Text<'a>>,
}

object!(JobInput<'a> {} { template_version_id, workspace_build_id });

/// What a job is about, by names.
#[derive(Clone, Debug, Default)]
pub struct JobMetadata<'a> {
    /// Name of the version that is imported or built.
    pub template_version_name: Text<'a>,
    /// The version's template; a UUID of zeros where none has taken it.
    pub template_id: Text<'a>,
    /// The workspace that is built; none for an import.
    pub workspace_id: Option<Text<'a>>,
}

object!(JobMetadata<'a> {} { template_version_name, template_id, workspace_id });

impl JobMetadata<'_> {
    /// Whether a template has taken the version; Coder writes a UUID of zeros where none has.
    pub fn has_template(&self) -> bool {
        self.template_id.bytes().any(|c| !matches!(c, b'0' | b'-'))
    }
}

impl<'a> ProvisionerJob<'a> {
    /// Which daemons may take it, sorted by key, as Go writes maps; `scope` and `owner` are always among them.
    pub fn tags(&self) -> Vec<(Cow<'a, str>, Text<'a>)> {
        json::read::<Fields<_, _>>(self.tags.0.as_bytes()).unwrap_or_default().0
    }

    /// Whether it imports a version.
    pub fn is_import(&self) -> bool {
        self.kind.as_str() == "template_version_import"
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
