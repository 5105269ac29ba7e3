//! `CoderTemplate`.

use crate::kube::meta::{Condition, ObjectMeta, StringMap};
use crate::time::Timestamp;
use serde::Serialize;
use std::borrow::Cow;

/// CoderTemplate is a template in Coder: the description of workspaces. Its name is `<organization>.<template>`.
/// Nothing of it is stored in Kubernetes: it is read from Coder whenever it is asked for, and a change is made in Coder
/// before it is answered. New files are answered as soon as Coder has begun to import them; the conditions show how that ends.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoderTemplate<'a> {
    /// Standard object's metadata. The uid is Coder's id of the template. The labels `coder.com/organization` and
    /// `coder.com/template` are computed. Labels, annotations, owner references and finalizers that are set here are not kept; a
    /// warning says so.
    pub metadata: ObjectMeta<'a>,
    /// What the template should be.
    pub spec: CoderTemplateSpec<'a>,
    /// What Coder says about the template. Read-only.
    pub status: CoderTemplateStatus<'a>,
}

/// CoderTemplateSpec is what a template should be.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoderTemplateSpec<'a> {
    /// Name of the Coder organization that the template belongs to, which is the first part of the object's name. Immutable.
    pub organization: Cow<'a, str>,
    /// Id of the active version, which new builds take. A template can be created from an existing version, one that belongs to no
    /// template yet, by naming it here instead of giving files. Immutable for clients afterwards: new files change it.
    #[serde(rename = "versionID")]
    pub version_id: Cow<'a, str>,
    /// Name of the template for people, at most 64 characters. Leaving it out of an update clears it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub display_name: Cow<'a, str>,
    /// What the template is for, less than 128 characters when it is created. Leaving it out of an update clears it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub description: Cow<'a, str>,
    /// Path or address of an icon, such as `/icon/docker.png`. Leaving it out of an update clears it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub icon: Cow<'a, str>,
    /// The files of the template, by path: relative, with slashes and no `..` among them. At most 2000, and 4 MB as an archive. Text
    /// only: binary files of a template are not shown, and stay when the others are changed. A new template needs them, or
    /// `versionID`. Changing them makes a new version, which becomes the active one when its import has succeeded; they are
    /// replaced as a whole, and left out of an update they stay. Shown when one template is read and left out of lists and watches.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "std::collections::BTreeMap<String, String>", extend("x-kubernetes-map-type" = "atomic"))
    )]
    pub files: Option<StringMap<'a>>,
    /// What runs the files. Defaults to terraform. Changing it makes a new version; left out of an update, it stays.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub provisioner: Cow<'a, str>,
    /// Which provisioner daemons may run the files, by tag. Changing them makes a new version; left out of an update, they stay.
    /// Shown when one template is read and left out of lists and watches.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "std::collections::BTreeMap<String, String>", extend("x-kubernetes-map-type" = "granular"))
    )]
    pub tags: Option<StringMap<'a>>,
    /// Values of the template's variables. Write-only: they are handed to Coder with a new version, which takes over the values
    /// of those that are left out, and never shown. Changing them
    /// alone cannot be told from not changing them: it makes no new version, and a warning says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))
    )]
    pub variables: Option<Vec<Variable<'a>>>,
    /// Why the template should no longer be used, and what to take instead. A template with such a message is deprecated: its
    /// workspaces go on and new ones are refused. Leaving it out of an update clears it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub deprecation_message: Cow<'a, str>,
    /// New workspaces stop by themselves that many milliseconds after a start; 0, the default, means never. Left out of an
    /// update, it stays.
    #[serde(rename = "defaultTTLMillis")]
    pub default_ttl_millis: i64,
    /// How many milliseconds activity in a workspace puts off its stop; 0 means not at all. Defaults to an hour (3600000); left out of
    /// an update, it stays.
    pub activity_bump_millis: i64,
    /// Whether users may cancel builds of their workspaces. Defaults to false; left out of an update, it stays.
    pub allow_user_cancel_workspace_jobs: bool,
    /// Whether workspaces must be built with the active version. Defaults to false; left out of an update, it stays. Coder keeps it
    /// only with a licence for it.
    pub require_active_version: bool,
    /// Without effect, accepted for manifests that still have it; a warning says so. Never shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
}

/// Variable is the value of one variable of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Variable<'a> {
    /// Name of the variable, as the files declare it.
    pub name: Cow<'a, str>,
    /// Value as text.
    pub value: Cow<'a, str>,
}

/// CoderTemplateStatus is what Coder says about a template.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoderTemplateStatus<'a> {
    /// Coder's id of the template.
    pub id: Cow<'a, str>,
    /// Name of the organization.
    pub organization_name: Cow<'a, str>,
    /// Id of the version that new builds take.
    #[serde(rename = "activeVersionID")]
    pub active_version_id: Cow<'a, str>,
    /// Name of the version that new builds take. Shown when one template is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_version_name: Option<Cow<'a, str>>,
    /// The newest version, active or not. Shown when one template is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_version: Option<LatestVersion<'a>>,
    /// Whether the template is deprecated: its workspaces go on and new ones are refused.
    pub deprecated: bool,
    /// When the template's settings last changed.
    pub updated_at: Timestamp,
    /// How many users had a workspace of this template in use of late. Absent while Coder is counting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_user_count: Option<i64>,
    /// Without meaning, never set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_shutdown: Option<Timestamp>,
    /// Ready: the version that was asked for is imported and active. Importing: it is still being imported. ImportSucceeded: how that ended. Lists
    /// of many speak of the active version.
    #[cfg_attr(
        feature = "schema",
        schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))
    )]
    pub conditions: [Condition<'a>; 3],
}

/// LatestVersion is the newest version of a template.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LatestVersion<'a> {
    /// Coder's id of the version.
    pub id: Cow<'a, str>,
    /// Name of the version, unique in its template.
    pub name: Cow<'a, str>,
    /// State of its import: pending, running, succeeded, canceling, canceled or failed.
    pub status: Cow<'a, str>,
    /// What went wrong.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub error: Cow<'a, str>,
    /// When the version was made.
    pub created_at: Timestamp,
}
