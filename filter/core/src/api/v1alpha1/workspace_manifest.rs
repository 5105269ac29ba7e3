//! The spec of a `CoderWorkspace` as it is read: what a client wrote, nothing filled in. Absent and `null` are the same.

use crate::json::object;

/// See `CoderWorkspaceSpec`, field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of `CoderWorkspaceSpec`, which explains them")]
pub struct CoderWorkspaceManifest {
    pub organization: Option<String>,
    pub template_name: Option<String>,
    pub template_version_id: Option<String>,
    pub template_version_preset: Option<String>,
    pub running: Option<bool>,
    pub ttl_millis: Option<i64>,
    pub autostart_schedule: Option<String>,
    pub automatic_updates: Option<String>,
    pub dormant: Option<bool>,
    pub parameters: Option<Vec<ManifestParameter>>,
}

object!(CoderWorkspaceManifest {} {
    organization, template_name as "templateName", template_version_id as "templateVersionID",
    template_version_preset as "templateVersionPreset", running, ttl_millis as "ttlMillis",
    autostart_schedule as "autostartSchedule", automatic_updates as "automaticUpdates", dormant, parameters
});

/// One of `spec.parameters`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "see `Parameter`")]
pub struct ManifestParameter {
    pub name: String,
    pub value: String,
}

object!(ManifestParameter { name, value } {});
