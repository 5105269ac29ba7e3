//! Templates (`codersdk.Template`) and their versions (`codersdk.TemplateVersion`).

use super::job::ProvisionerJob;
use super::text::Text;
use crate::json::object;
use crate::time::Timestamp;
use serde::{Serialize, Serializer};

/// A template, as in `GET /templates`. It says which version is active and nothing about that version's import.
#[derive(Clone, Debug, Default)]
pub struct Template<'a> {
    /// UUID.
    pub id: Text<'a>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Moves with its settings, not with a promotion.
    pub updated_at: Timestamp,
    /// Name of the organization.
    pub organization_name: Text<'a>,
    /// Unique in the organization.
    pub name: Text<'a>,
    /// For people; may be empty.
    pub display_name: Text<'a>,
    /// `terraform` (or `echo`, on servers that test).
    pub provisioner: Text<'a>,
    /// UUID of the version that new builds take.
    pub active_version_id: Text<'a>,
    /// Distinct users of late; −1 while Coder still counts.
    pub active_user_count: i64,
    /// For people; may be empty.
    pub description: Text<'a>,
    /// New workspaces are refused.
    pub deprecated: bool,
    /// Why, and what to take instead.
    pub deprecation_message: Text<'a>,
    /// Path or URL.
    pub icon: Text<'a>,
    /// Workspaces stop after that many milliseconds; 0 is never.
    pub default_ttl_ms: i64,
    /// How much activity prolongs, in milliseconds.
    pub activity_bump_ms: i64,
    /// Users may cancel their builds.
    pub allow_user_cancel_workspace_jobs: bool,
    /// Workspaces are built with the active version only.
    pub require_active_version: bool,
}

object!(
    Template<'a>
    { id, created_at, updated_at, organization_name, name, active_version_id }
    {
        display_name, provisioner, active_user_count, description, deprecated, deprecation_message, icon,
        default_ttl_ms, activity_bump_ms, allow_user_cancel_workspace_jobs, require_active_version
    }
);

/// A version of a template, as in `GET /templateversions/{id}`.
#[derive(Clone, Debug, Default)]
pub struct TemplateVersion<'a> {
    /// UUID.
    pub id: Text<'a>,
    /// UUID; absent until a template takes the version.
    pub template_id: Option<Text<'a>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Unique in the template, at most 64 characters.
    pub name: Text<'a>,
    /// What its author says about it.
    pub message: Text<'a>,
    /// UUID of the organization.
    pub organization_id: Text<'a>,
    /// It is out of use: nothing can be made of it.
    pub archived: bool,
    /// Its import.
    pub job: ProvisionerJob<'a>,
}

object!(TemplateVersion<'a> { id, created_at, name, job } { template_id, message, organization_id, archived });

impl TemplateVersion<'_> {
    /// Whether a template has taken it; Coder writes a UUID of zeros where none has.
    pub fn has_template(&self) -> bool {
        self.template_id.as_deref().is_some_and(|id| id.bytes().any(|c| !matches!(c, b'0' | b'-')))
    }
}

/// What `PATCH /templates/{id}` resets where it is absent, read from the template so that it can be sent back, and texts that it keeps where
/// they are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TemplateSettings<'a> {
    /// For people; may be empty.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub display_name: Option<Text<'a>>,
    /// For people; may be empty.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub description: Option<Text<'a>>,
    /// Path or URL.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub icon: Option<Text<'a>>,
    /// Why it should no longer be used; empty when it may.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub deprecation_message: Option<Text<'a>>,
    /// Workspaces stop after that many milliseconds; 0 is never.
    pub default_ttl_ms: i64,
    /// How much activity prolongs, in milliseconds.
    pub activity_bump_ms: i64,
    /// Users may set a schedule.
    pub allow_user_autostart: bool,
    /// Users may set a time to live.
    pub allow_user_autostop: bool,
    /// Users may cancel their builds.
    pub allow_user_cancel_workspace_jobs: bool,
    /// Failed workspaces stop after that many milliseconds; 0 is never.
    pub failure_ttl_ms: i64,
    /// Unused workspaces are made dormant after that many milliseconds; 0 is never.
    pub time_til_dormant_ms: i64,
    /// Dormant workspaces are deleted after that many milliseconds; 0 is never.
    pub time_til_dormant_autodelete_ms: i64,
    /// Workspaces are built with the active version only.
    pub require_active_version: bool,
}

object!(
    TemplateSettings<'a>
    { allow_user_autostart, allow_user_autostop }
    {
        display_name, description, icon, deprecation_message, default_ttl_ms, activity_bump_ms, allow_user_cancel_workspace_jobs,
        failure_ttl_ms, time_til_dormant_ms, time_til_dormant_autodelete_ms, require_active_version
    }
);

fn text<S: Serializer>(text: &Option<Text<'_>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text.as_deref().unwrap_or_default())
}

/// An organization, as in `GET /organizations/{org}`.
#[derive(Clone, Debug, Default)]
pub struct Organization<'a> {
    /// UUID.
    pub id: Text<'a>,
    /// Unique in Coder.
    pub name: Text<'a>,
}

object!(Organization<'a> { id, name } {});

/// Coder's answer to an upload.
#[derive(Clone, Debug, Default)]
pub struct Upload<'a> {
    /// UUID; the same for the same bytes.
    pub hash: Text<'a>,
}

object!(Upload<'a> { hash } {});
