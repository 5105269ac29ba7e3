//! The spec of a `CoderTemplate` as clients write it: everything may be absent. What becomes of each field is said in `fields`.
//!
//! Borrows from the document: files are long.

use crate::json::{Fields, object};
use std::borrow::Cow;

/// See [`super::CoderTemplateSpec`].
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the fields are those of the spec")]
pub struct CoderTemplateManifest<'a> {
    pub organization: Option<Cow<'a, str>>,
    pub version_id: Option<Cow<'a, str>>,
    pub display_name: Option<Cow<'a, str>>,
    pub description: Option<Cow<'a, str>>,
    pub icon: Option<Cow<'a, str>>,
    pub files: Option<Fields<Cow<'a, str>, Cow<'a, str>>>,
    pub provisioner: Option<Cow<'a, str>>,
    pub tags: Option<Fields<Cow<'a, str>, Cow<'a, str>>>,
    pub variables: Option<Vec<ManifestVariable<'a>>>,
    pub deprecation_message: Option<Cow<'a, str>>,
    pub default_ttl_millis: Option<i64>,
    pub activity_bump_millis: Option<i64>,
    pub allow_user_cancel_workspace_jobs: Option<bool>,
    pub require_active_version: Option<bool>,
    pub running: Option<bool>,
}

object!(CoderTemplateManifest<'a> {} {
    organization, version_id as "versionID", display_name as "displayName", description, icon, files, provisioner, tags, variables,
    deprecation_message as "deprecationMessage", default_ttl_millis as "defaultTTLMillis", activity_bump_millis as "activityBumpMillis",
    allow_user_cancel_workspace_jobs as "allowUserCancelWorkspaceJobs", require_active_version as "requireActiveVersion", running
});

/// See [`super::Variable`]. Not to be printed: values may be secrets.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the fields are those of the spec")]
pub struct ManifestVariable<'a> {
    pub name: Cow<'a, str>,
    pub value: Cow<'a, str>,
}

object!(ManifestVariable<'a> { name, value } {});
