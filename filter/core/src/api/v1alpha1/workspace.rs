//! `CoderWorkspace`.

use crate::kube::meta::{Condition, ObjectMeta};
use crate::time::Timestamp;
use core::fmt;
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// CoderWorkspace is a workspace in Coder: a development environment that a template describes and a user owns.
/// Its name is `<organization>.<user>.<workspace>`. Nothing of it is stored in Kubernetes: it is read from Coder
/// whenever it is asked for, and a change is made in Coder before it is answered. What takes a build (start, stop,
/// another version, other parameters, deletion) is answered as soon as Coder has queued it; the conditions show how it ends.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoderWorkspace<'a> {
    /// Standard object's metadata. The uid is Coder's id of the workspace, the generation its latest build's number.
    /// The labels `coder.com/organization`, `coder.com/owner` and `coder.com/template` are computed. Labels, annotations,
    /// owner references and finalizers that are set here are not kept; a warning says so.
    pub metadata: ObjectMeta<'a>,
    /// What the workspace should be.
    pub spec: CoderWorkspaceSpec<'a>,
    /// What Coder says about the workspace. Read-only.
    pub status: CoderWorkspaceStatus<'a>,
}

/// CoderWorkspaceSpec is what a workspace should be.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoderWorkspaceSpec<'a> {
    /// Name of the Coder organization that the workspace belongs to, which is the first part of the object's name. Immutable.
    pub organization: Cow<'a, str>,
    /// Name of the template, in the same organization, that the workspace is made from. Immutable.
    pub template_name: Cow<'a, str>,
    /// Id of the version of the template that the latest build used: a UUID. A new workspace takes this version; without it, the
    /// template's active one. Changing it makes a build with that version, in the direction that `running` asks for, so that a
    /// stopped workspace stays stopped. Left out of an update, the version stays.
    #[serde(rename = "templateVersionID", skip_serializing_if = "Option::is_none")]
    pub template_version_id: Option<Cow<'a, str>>,
    /// Name of a preset of the template version, which supplies parameters; parameters that are given as well must not
    /// contradict it. Only read when the workspace is created: later it has no effect, and a warning says so. Never shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_version_preset: Option<Cow<'a, str>>,
    /// Whether the workspace should run. Left out, a new workspace runs and an existing one stays as it is. Changing it starts or
    /// stops the workspace. Coder starts every new workspace: one that is created with false is stopped as soon as it has
    /// been started. After a start that failed it reads false, so that it can be asked for again.
    pub running: bool,
    /// The workspace stops by itself that many milliseconds after it was started: whole minutes, from one minute
    /// (60000) to thirty days (2592000000). Left out, a new workspace takes the template's default; null, or leaving it out of an
    /// update, clears it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_millis: Option<i64>,
    /// When the workspace starts by itself: five cron fields, after a time zone or in UTC, such as
    /// `CRON_TZ=Europe/Berlin 30 9 * * 1-5`. Day of month and month must be `*`. null, or leaving it out of an update, clears it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autostart_schedule: Option<Cow<'a, str>>,
    /// Whether a start takes the template's active version (`always`) or the version that the workspace had (`never`, which a new
    /// workspace has by default). Left out of an update, it stays.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["always", "never"])))]
    pub automatic_updates: Cow<'a, str>,
    /// Whether the workspace is dormant: stopped, locked, and perhaps deleted some time later, as its template says. A new
    /// workspace must not be, nor one that shall run: set `running` to false as well. Left out of an update, it stays.
    pub dormant: bool,
    /// Values of the template's parameters, sorted by name. A new workspace takes the preset's values and the template's
    /// defaults for those that it does not name. Changing values makes one build, in the direction that `running` asks for; parameters
    /// that a change does not name keep their values. Names that the template version does not have, names given twice and
    /// values that it does not allow are errors, and so is another value for one that the template does not let change. Shown when one workspace is read and left out of lists and watches.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))
    )]
    pub parameters: Option<Vec<Parameter<'a>>>,
}

/// Parameter is the value of one template parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Parameter<'a> {
    /// Name of the parameter, as the template declares it.
    pub name: Cow<'a, str>,
    /// Value as text, also for numbers, booleans and lists.
    pub value: Cow<'a, str>,
}

/// CoderWorkspaceStatus is what Coder says about a workspace.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoderWorkspaceStatus<'a> {
    /// Coder's id of the workspace.
    pub id: Cow<'a, str>,
    /// User name of the owner.
    pub owner_name: Cow<'a, str>,
    /// Coder's id of the owner.
    #[serde(rename = "ownerID")]
    pub owner_id: Cow<'a, str>,
    /// Name of the organization.
    pub organization_name: Cow<'a, str>,
    /// Name of the template.
    pub template_name: Cow<'a, str>,
    /// Coder's id of the latest build.
    #[serde(rename = "latestBuildID")]
    pub latest_build_id: Cow<'a, str>,
    /// State of the latest build: pending, starting, running, stopping, stopped, failed, canceling, canceled, deleting
    /// or deleted.
    pub latest_build_status: Cow<'a, str>,
    /// The latest build.
    pub latest_build: LatestBuild<'a>,
    /// When the workspace will stop by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_shutdown: Option<Timestamp>,
    /// When the workspace will next start by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_start_at: Option<Timestamp>,
    /// When somebody last used the workspace, rounded down to ten minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// Since when the workspace is dormant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dormant_at: Option<Timestamp>,
    /// When Coder will delete the dormant workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleting_at: Option<Timestamp>,
    /// Whether the template has another active version than the latest build used.
    pub outdated: bool,
    /// Whether Coder finds no agent failing. An agent that is still connecting does not count as failing.
    pub healthy: bool,
    /// Whether this is a prebuilt workspace that nobody has claimed yet.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub is_prebuild: bool,
    /// The agents of the latest build.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub agents: Vec<Agent<'a>>,
    /// What an app of the workspace last said about its work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_status: Option<AppStatus<'a>>,
    /// Address of the workspace in Coder's dashboard.
    pub url: DashboardUrl<'a>,
    /// Number of the last build that has finished.
    pub observed_generation: i64,
    /// Ready: as asked, that is stopped, or running with every agent connected and healthy. Progressing: a build is
    /// under way. BuildSucceeded: how the latest build ended. Dormant. Outdated.
    #[cfg_attr(
        feature = "schema",
        schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))
    )]
    pub conditions: [Condition<'a>; 5],
}

/// LatestBuild is the newest build of a workspace.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LatestBuild<'a> {
    /// Coder's id of the build.
    pub id: Cow<'a, str>,
    /// Number of the build, counted from 1 in its workspace.
    pub number: i64,
    /// What the build does: start, stop or delete.
    pub transition: Cow<'a, str>,
    /// State of the build: pending, starting, running, stopping, stopped, failed, canceling, canceled, deleting or deleted.
    pub status: Cow<'a, str>,
    /// Why there was a build: initiator, autostart, autostop, dormancy, dashboard, cli and others.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: Cow<'a, str>,
    /// User name of whoever asked for the build.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub initiator_name: Cow<'a, str>,
    /// Name of the template version that was built.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub template_version_name: Cow<'a, str>,
    /// When the build was asked for.
    pub created_at: Timestamp,
    /// When a provisioner began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the build ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// What went wrong.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub error: Cow<'a, str>,
    /// Coder's code for what went wrong, such as INSUFFICIENT_QUOTA. Mostly empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub error_code: Cow<'a, str>,
}

/// Agent is a process in the workspace that Coder talks to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Agent<'a> {
    /// Name of the agent, as the template declares it.
    pub name: Cow<'a, str>,
    /// Coder's id of the agent.
    pub id: Cow<'a, str>,
    /// Connection: connecting, connected, disconnected or timeout.
    pub status: Cow<'a, str>,
    /// Start and stop scripts: created, starting, start_timeout, start_error, ready, shutting_down, shutdown_timeout,
    /// shutdown_error or off.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub lifecycle_state: Cow<'a, str>,
    /// Operating system, once the agent has connected.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub operating_system: Cow<'a, str>,
    /// Processor architecture, once the agent has connected.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub architecture: Cow<'a, str>,
    /// Version of the agent, once it has connected.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub version: Cow<'a, str>,
    /// The apps that the agent serves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-list-type" = "atomic")))]
    pub apps: Vec<App<'a>>,
    /// Whether Coder finds nothing wrong with the agent.
    pub healthy: bool,
    /// What Coder finds wrong with the agent.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub reason: Cow<'a, str>,
}

/// App is something that an agent serves: an editor, a terminal, a web page.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct App<'a> {
    /// Identifier of the app within its agent.
    pub slug: Cow<'a, str>,
    /// Name of the app for people.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub display_name: Cow<'a, str>,
    /// State of the app's health check: disabled, initializing, healthy or unhealthy.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub health: Cow<'a, str>,
}

/// AppStatus is what an app, such as an AI agent, last said about its work.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AppStatus<'a> {
    /// State of the work: working, idle, complete or failure.
    pub state: Cow<'a, str>,
    /// What the app says about it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub message: Cow<'a, str>,
    /// What the work is about, such as a pull request.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub uri: Cow<'a, str>,
    /// When the app said so.
    pub updated_at: Timestamp,
}

/// `<dashboard>/@<owner>/<workspace>`, put together while it is written.
#[derive(Clone, Copy, Debug)]
pub struct DashboardUrl<'a> {
    /// Where people reach Coder, without a slash at the end.
    pub dashboard: &'a str,
    /// The owner's user name.
    pub owner: &'a str,
    /// The workspace's name.
    pub workspace: &'a str,
}

impl fmt::Display for DashboardUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [self.dashboard, "/@", self.owner, "/", self.workspace] {
            f.write_str(part)?;
        }
        Ok(())
    }
}

impl Serialize for DashboardUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for DashboardUrl<'_> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "DashboardUrl".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}
