//! Workspaces with their latest build, resources, agents and apps (`codersdk.Workspace`), as in
//! `GET /workspaces` and `GET /users/{user}/workspace/{name}`.

use super::job::ProvisionerJob;
use super::text::Text;
use crate::json::object;
use crate::time::Timestamp;
use serde::Serialize;

/// A page of `GET /workspaces`.
#[derive(Clone, Debug, Default)]
pub struct WorkspaceList<'a> {
    /// The page.
    pub workspaces: Vec<Workspace<'a>>,
    /// How many the query finds, on all pages.
    pub count: u64,
}

object!(WorkspaceList<'a> { count } { workspaces });

/// A workspace.
#[derive(Clone, Debug, Default)]
pub struct Workspace<'a> {
    /// UUID.
    pub id: Text<'a>,
    /// When it was made.
    pub created_at: Timestamp,
    /// UUID of the owner.
    pub owner_id: Text<'a>,
    /// The owner's user name.
    pub owner_name: Text<'a>,
    /// Name of the organization.
    pub organization_name: Text<'a>,
    /// UUID of the template.
    pub template_id: Text<'a>,
    /// Name of the template.
    pub template_name: Text<'a>,
    /// UUID of the version that the template gives to new workspaces.
    pub template_active_version_id: Text<'a>,
    /// Whether a start must take that version.
    pub template_require_active_version: bool,
    /// The newest build, in whatever state.
    pub latest_build: Build<'a>,
    /// What an app (an AI agent, say) last said about its work.
    pub latest_app_status: Option<AppStatus<'a>>,
    /// The latest build's version is not the template's active one.
    pub outdated: bool,
    /// Unique among the owner's workspaces, whatever the organization.
    pub name: Text<'a>,
    /// Cron with time zone: `CRON_TZ=Europe/Berlin 30 9 * * 1-5`.
    pub autostart_schedule: Option<Text<'a>>,
    /// Stops by itself that long after a start, in milliseconds.
    pub ttl_ms: Option<i64>,
    /// Moves while somebody is connected.
    pub last_used_at: Option<Timestamp>,
    /// When a dormant workspace will be deleted.
    pub deleting_at: Option<Timestamp>,
    /// Since when it is dormant.
    pub dormant_at: Option<Timestamp>,
    /// Coder's summary of its agents.
    pub health: WorkspaceHealth,
    /// `always` or `never`.
    pub automatic_updates: Text<'a>,
    /// The next start by schedule.
    pub next_start_at: Option<Timestamp>,
    /// Belongs to Coder's system user until somebody claims it.
    pub is_prebuild: bool,
}

object!(
    Workspace<'a>
    {
        id, created_at, owner_id, owner_name, organization_name, template_id, template_name, latest_build,
        name
    }
    {
        template_active_version_id, template_require_active_version, latest_app_status, outdated, autostart_schedule, ttl_ms, last_used_at, deleting_at, dormant_at,
        health, automatic_updates, next_start_at, is_prebuild
    }
);

/// Coder's summary of a workspace's agents.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkspaceHealth {
    /// No agent (sub-agents aside) fails.
    pub healthy: bool,
}

object!(WorkspaceHealth { healthy } {});

/// A workspace build.
#[derive(Clone, Debug, Default)]
pub struct Build<'a> {
    /// UUID.
    pub id: Text<'a>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// UUID of the version that it builds.
    pub template_version_id: Text<'a>,
    /// That version's name.
    pub template_version_name: Text<'a>,
    /// Counts from 1 within the workspace.
    pub build_number: i64,
    /// `start`, `stop` or `delete`.
    pub transition: Text<'a>,
    /// Who asked for it.
    pub initiator_name: Text<'a>,
    /// The job that carries it out.
    pub job: ProvisionerJob<'a>,
    /// `initiator`, `autostart`, `autostop`, `dormancy`, …
    pub reason: Text<'a>,
    /// What it made.
    pub resources: Vec<Resource<'a>>,
    /// When the workspace will stop by itself.
    pub deadline: Option<Timestamp>,
    /// `pending`, `starting`, `running`, `stopping`, `stopped`, `failed`, `canceling`, `canceled`, `deleting`
    /// or `deleted`: Coder's reading of transition and job together.
    pub status: Text<'a>,
}

object!(
    Build<'a>
    { id, created_at, template_version_id, build_number, transition, job, status }
    { template_version_name, initiator_name, reason, resources, deadline }
);

impl Build<'_> {
    /// Whether no other build can begin.
    pub fn is_active(&self) -> bool {
        matches!(self.job.status.as_str(), "pending" | "running" | "canceling")
    }

    /// All agents, those of containers (with a parent) included.
    pub fn agents(&self) -> impl Iterator<Item = &Agent<'_>> {
        self.resources.iter().flat_map(|resource| &resource.agents)
    }
}

/// A resource that a build made; only its agents matter here.
#[derive(Clone, Debug, Default)]
pub struct Resource<'a> {
    /// The agents that run in it.
    pub agents: Vec<Agent<'a>>,
}

object!(Resource<'a> {} { agents });

/// An agent. Its `updated_at` and `last_connected_at` are heartbeats (every 15 s) and not read.
#[derive(Clone, Debug, Default)]
pub struct Agent<'a> {
    /// UUID.
    pub id: Text<'a>,
    /// UUID of the agent that made this one (a development container's).
    pub parent_id: Option<Text<'a>>,
    /// When the build made it.
    pub created_at: Timestamp,
    /// When it first called.
    pub first_connected_at: Option<Timestamp>,
    /// When it was last lost; stays after it has come back.
    pub disconnected_at: Option<Timestamp>,
    /// When its start scripts began.
    pub started_at: Option<Timestamp>,
    /// When they ended.
    pub ready_at: Option<Timestamp>,
    /// `connecting`, `connected`, `disconnected` or `timeout`.
    pub status: Text<'a>,
    /// `created`, `starting`, `start_timeout`, `start_error`, `ready`, `shutting_down`, …
    pub lifecycle_state: Text<'a>,
    /// Unique in the workspace.
    pub name: Text<'a>,
    /// `amd64`, …; empty until it has called.
    pub architecture: Text<'a>,
    /// `linux`, …; empty until it has called.
    pub operating_system: Text<'a>,
    /// Empty until it has called.
    pub version: Text<'a>,
    /// Its apps.
    pub apps: Vec<App<'a>>,
    /// Coder's judgement.
    pub health: AgentHealth<'a>,
}

object!(
    Agent<'a>
    { id, created_at, status, name }
    {
        parent_id, first_connected_at, disconnected_at, started_at, ready_at, lifecycle_state, architecture,
        operating_system, version, apps, health
    }
);

impl Agent<'_> {
    /// When it came to its present state, as far as Coder tells without heartbeats.
    pub fn since(&self) -> Timestamp {
        let moments = [self.first_connected_at, self.disconnected_at, self.started_at, self.ready_at];
        moments.into_iter().flatten().fold(self.created_at, Ord::max)
    }
}

/// Coder's judgement of an agent.
#[derive(Clone, Debug, Default)]
pub struct AgentHealth<'a> {
    /// Also true for one that is still connecting.
    pub healthy: bool,
    /// Why not.
    pub reason: Text<'a>,
}

object!(AgentHealth<'a> { healthy } { reason });

/// An app that an agent serves.
#[derive(Clone, Debug, Default)]
pub struct App<'a> {
    /// Unique in the agent.
    pub slug: Text<'a>,
    /// For people; may be empty.
    pub display_name: Text<'a>,
    /// `disabled` (no check), `initializing`, `healthy` or `unhealthy`.
    pub health: Text<'a>,
}

object!(App<'a> { slug } { display_name, health });

/// What an app said about its work.
#[derive(Clone, Debug, Default)]
pub struct AppStatus<'a> {
    /// When it said so.
    pub created_at: Timestamp,
    /// `working`, `idle`, `complete` or `failure`.
    pub state: Text<'a>,
    /// For people.
    pub message: Text<'a>,
    /// What it is about: a pull request, a file.
    pub uri: Text<'a>,
}

object!(AppStatus<'a> { created_at } { state, message, uri });

/// One of `GET /workspacebuilds/{id}/parameters`; their order changes between calls. New ones are sent in the same form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BuildParameter {
    /// Unique in the build.
    pub name: String,
    /// The text form of the value, also for numbers and lists.
    pub value: String,
}

object!(BuildParameter { name, value } {});
