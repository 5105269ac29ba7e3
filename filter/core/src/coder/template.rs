//! Templates (`codersdk.Template`) and their versions (`codersdk.TemplateVersion`).

use super::job::ProvisionerJob;
use super::text::Text;
use crate::json::object;
use crate::time::Timestamp;

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
    /// Its import.
    pub job: ProvisionerJob<'a>,
}

object!(TemplateVersion<'a> { id, created_at, name, job } { template_id, message });
