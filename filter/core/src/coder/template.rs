//! Templates (`codersdk.Template`) and their versions (`codersdk.TemplateVersion`).

use super::job::ProvisionerJob;
use super::text::Text;
use crate::time::Timestamp;
use serde::Deserialize;

/// A template, as in `GET /templates`. It says which version is active and nothing about that version's import.
#[derive(Clone, Debug, Deserialize)]
pub struct Template<'a> {
    /// UUID.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Moves with its settings, not with a promotion.
    pub updated_at: Timestamp,
    /// Name of the organization.
    #[serde(borrow)]
    pub organization_name: Text<'a>,
    /// Unique in the organization.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// For people; may be empty.
    #[serde(borrow, default)]
    pub display_name: Text<'a>,
    /// `terraform` (or `echo`, on servers that test).
    #[serde(borrow, default)]
    pub provisioner: Text<'a>,
    /// UUID of the version that new builds take.
    #[serde(borrow)]
    pub active_version_id: Text<'a>,
    /// Distinct users of late; −1 while Coder still counts.
    #[serde(default)]
    pub active_user_count: i64,
    /// For people; may be empty.
    #[serde(borrow, default)]
    pub description: Text<'a>,
    /// New workspaces are refused.
    #[serde(default)]
    pub deprecated: bool,
    /// Why, and what to take instead.
    #[serde(borrow, default)]
    pub deprecation_message: Text<'a>,
    /// Path or URL.
    #[serde(borrow, default)]
    pub icon: Text<'a>,
    /// Workspaces stop after that many milliseconds; 0 is never.
    #[serde(default)]
    pub default_ttl_ms: i64,
    /// How much activity prolongs, in milliseconds.
    #[serde(default)]
    pub activity_bump_ms: i64,
    /// Users may cancel their builds.
    #[serde(default)]
    pub allow_user_cancel_workspace_jobs: bool,
    /// Workspaces are built with the active version only.
    #[serde(default)]
    pub require_active_version: bool,
}

/// A version of a template, as in `GET /templateversions/{id}`.
#[derive(Clone, Debug, Deserialize)]
pub struct TemplateVersion<'a> {
    /// UUID.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// UUID; absent until a template takes the version.
    #[serde(borrow, default)]
    pub template_id: Option<Text<'a>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Unique in the template, at most 64 characters.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// What its author says about it.
    #[serde(borrow, default)]
    pub message: Text<'a>,
    /// Its import.
    #[serde(borrow)]
    pub job: ProvisionerJob<'a>,
}
