//! Workspaces with their latest build, resources, agents and apps (`codersdk.Workspace`), as in
//! `GET /workspaces` and `GET /users/{user}/workspace/{name}`.

use super::job::ProvisionerJob;
use super::text::{Text, null_as_default};
use crate::time::Timestamp;
use serde::Deserialize;

/// A page of `GET /workspaces`.
#[derive(Clone, Debug, Deserialize)]
pub struct WorkspaceList<'a> {
    /// The page.
    #[serde(borrow, deserialize_with = "null_as_default")]
    pub workspaces: Vec<Workspace<'a>>,
    /// How many the query finds, on all pages.
    pub count: u64,
}

/// A workspace.
#[derive(Clone, Debug, Deserialize)]
pub struct Workspace<'a> {
    /// UUID.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// When it was made.
    pub created_at: Timestamp,
    /// UUID of the owner.
    #[serde(borrow)]
    pub owner_id: Text<'a>,
    /// The owner's user name.
    #[serde(borrow)]
    pub owner_name: Text<'a>,
    /// Name of the organization.
    #[serde(borrow)]
    pub organization_name: Text<'a>,
    /// UUID of the template.
    #[serde(borrow)]
    pub template_id: Text<'a>,
    /// Name of the template.
    #[serde(borrow)]
    pub template_name: Text<'a>,
    /// The newest build, in whatever state.
    #[serde(borrow)]
    pub latest_build: Build<'a>,
    /// What an app (an AI agent, say) last said about its work.
    #[serde(borrow, default)]
    pub latest_app_status: Option<AppStatus<'a>>,
    /// The latest build's version is not the template's active one.
    #[serde(default)]
    pub outdated: bool,
    /// Unique among the owner's workspaces, whatever the organization.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Cron with time zone: `CRON_TZ=Europe/Berlin 30 9 * * 1-5`.
    #[serde(borrow, default)]
    pub autostart_schedule: Option<Text<'a>>,
    /// Stops by itself that long after a start, in milliseconds.
    #[serde(default)]
    pub ttl_ms: Option<i64>,
    /// Moves while somebody is connected.
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
    /// When a dormant workspace will be deleted.
    #[serde(default)]
    pub deleting_at: Option<Timestamp>,
    /// Since when it is dormant.
    #[serde(default)]
    pub dormant_at: Option<Timestamp>,
    /// Coder's summary of its agents.
    #[serde(default)]
    pub health: WorkspaceHealth,
    /// `always` or `never`.
    #[serde(borrow, default)]
    pub automatic_updates: Text<'a>,
    /// The next start by schedule.
    #[serde(default)]
    pub next_start_at: Option<Timestamp>,
    /// Belongs to Coder's system user until somebody claims it.
    #[serde(default)]
    pub is_prebuild: bool,
}

/// Coder's summary of a workspace's agents.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct WorkspaceHealth {
    /// No agent (sub-agents aside) fails.
    pub healthy: bool,
}

/// A workspace build.
#[derive(Clone, Debug, Deserialize)]
pub struct Build<'a> {
    /// UUID.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// UUID of the version that it builds.
    #[serde(borrow)]
    pub template_version_id: Text<'a>,
    /// That version's name.
    #[serde(borrow, default)]
    pub template_version_name: Text<'a>,
    /// Counts from 1 within the workspace.
    pub build_number: i64,
    /// `start`, `stop` or `delete`.
    #[serde(borrow)]
    pub transition: Text<'a>,
    /// Who asked for it.
    #[serde(borrow, default)]
    pub initiator_name: Text<'a>,
    /// The job that carries it out.
    #[serde(borrow)]
    pub job: ProvisionerJob<'a>,
    /// `initiator`, `autostart`, `autostop`, `dormancy`, …
    #[serde(borrow, default)]
    pub reason: Text<'a>,
    /// What it made.
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub resources: Vec<Resource<'a>>,
    /// When the workspace will stop by itself.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    /// `pending`, `starting`, `running`, `stopping`, `stopped`, `failed`, `canceling`, `canceled`, `deleting`
    /// or `deleted`: Coder's reading of transition and job together.
    #[serde(borrow)]
    pub status: Text<'a>,
}

impl Build<'_> {
    /// All agents, those of containers (with a parent) included.
    pub fn agents(&self) -> impl Iterator<Item = &Agent<'_>> {
        self.resources.iter().flat_map(|resource| &resource.agents)
    }
}

/// A resource that a build made; only its agents matter here.
#[derive(Clone, Debug, Deserialize)]
pub struct Resource<'a> {
    /// The agents that run in it.
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub agents: Vec<Agent<'a>>,
}

/// An agent. Its `updated_at` and `last_connected_at` are heartbeats (every 15 s) and not read.
#[derive(Clone, Debug, Deserialize)]
pub struct Agent<'a> {
    /// UUID.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// UUID of the agent that made this one (a development container's).
    #[serde(borrow, default)]
    pub parent_id: Option<Text<'a>>,
    /// When the build made it.
    pub created_at: Timestamp,
    /// When it first called.
    #[serde(default)]
    pub first_connected_at: Option<Timestamp>,
    /// When it was last lost; stays after it has come back.
    #[serde(default)]
    pub disconnected_at: Option<Timestamp>,
    /// When its start scripts began.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When they ended.
    #[serde(default)]
    pub ready_at: Option<Timestamp>,
    /// `connecting`, `connected`, `disconnected` or `timeout`.
    #[serde(borrow)]
    pub status: Text<'a>,
    /// `created`, `starting`, `start_timeout`, `start_error`, `ready`, `shutting_down`, …
    #[serde(borrow, default)]
    pub lifecycle_state: Text<'a>,
    /// Unique in the workspace.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// `amd64`, …; empty until it has called.
    #[serde(borrow, default)]
    pub architecture: Text<'a>,
    /// `linux`, …; empty until it has called.
    #[serde(borrow, default)]
    pub operating_system: Text<'a>,
    /// Empty until it has called.
    #[serde(borrow, default)]
    pub version: Text<'a>,
    /// Its apps.
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub apps: Vec<App<'a>>,
    /// Coder's judgement.
    #[serde(borrow, default)]
    pub health: AgentHealth<'a>,
}

impl Agent<'_> {
    /// When it came to its present state, as far as Coder tells without heartbeats.
    pub fn since(&self) -> Timestamp {
        let moments = [self.first_connected_at, self.disconnected_at, self.started_at, self.ready_at];
        moments.into_iter().flatten().fold(self.created_at, Ord::max)
    }
}

/// Coder's judgement of an agent.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct AgentHealth<'a> {
    /// Also true for one that is still connecting.
    pub healthy: bool,
    /// Why not.
    #[serde(borrow, default)]
    pub reason: Text<'a>,
}

/// An app that an agent serves.
#[derive(Clone, Debug, Deserialize)]
pub struct App<'a> {
    /// Unique in the agent.
    #[serde(borrow)]
    pub slug: Text<'a>,
    /// For people; may be empty.
    #[serde(borrow, default)]
    pub display_name: Text<'a>,
    /// `disabled` (no check), `initializing`, `healthy` or `unhealthy`.
    #[serde(borrow, default)]
    pub health: Text<'a>,
}

/// What an app said about its work.
#[derive(Clone, Debug, Deserialize)]
pub struct AppStatus<'a> {
    /// When it said so.
    pub created_at: Timestamp,
    /// `working`, `idle`, `complete` or `failure`.
    #[serde(borrow, default)]
    pub state: Text<'a>,
    /// For people.
    #[serde(borrow, default)]
    pub message: Text<'a>,
    /// What it is about: a pull request, a file.
    #[serde(borrow, default)]
    pub uri: Text<'a>,
}

/// One of `GET /workspacebuilds/{id}/parameters`; their order changes between calls.
#[derive(Clone, Debug, Deserialize)]
pub struct BuildParameter<'a> {
    /// Unique in the build.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// The text form of the value, also for numbers and lists.
    #[serde(borrow)]
    pub value: Text<'a>,
}
