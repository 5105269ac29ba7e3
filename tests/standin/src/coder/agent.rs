//! An agent as a record: what is known of it, how healthy that makes it, and how coderd shows it.

use echo_archive::proto;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::jobs::Input;
use super::state::State;
use crate::clock::Instant;

/// An agent of a build, or of an import that found it.
pub(crate) struct Agent {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) order: i64,
    resource: Uuid,
    pub(super) job: Uuid,
    created_at: Instant,
    updated_at: Instant,
    operating_system: String,
    architecture: String,
    pub(super) token: String,
    connection_timeout_seconds: i32,
    apps: Vec<WorkspaceApp>,
    told: Option<String>,
    lifecycle_state: String,
    version: String,
    first_connected_at: Option<Instant>,
    last_connected_at: Option<Instant>,
    disconnected_at: Option<Instant>,
    started_at: Option<Instant>,
    ready_at: Option<Instant>,
    pub(super) sources: Vec<Value>,
    pub(super) logs: Vec<LogLine>,
}

/// An app of an agent.
pub(super) struct WorkspaceApp {
    pub(super) id: Uuid,
    pub(super) statuses: Vec<AppStatus>,
    content: proto::App,
    health: String,
}

/// What an app says about its work.
pub(super) struct AppStatus {
    pub(super) created_at: Instant,
    pub(super) id: Uuid,
    pub(super) agent: Uuid,
    pub(super) app: Uuid,
    pub(super) state: String,
    pub(super) message: String,
    pub(super) uri: String,
}

/// A line an agent logged.
pub(super) struct LogLine {
    pub(super) id: i64,
    /// As the agent wrote it.
    pub(super) created_at: String,
    pub(super) output: String,
    pub(super) level: String,
    pub(super) source: Uuid,
}

/// What `PATCH /standin/agents/{id}` tells; what is absent stays.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Told {
    /// `connecting`, `connected`, `disconnected`, `timeout`.
    status: Option<String>,
    /// `created`, `starting`, `ready`, `start_error`, `shutting_down`, `off`, …
    lifecycle_state: Option<String>,
    version: Option<String>,
    operating_system: Option<String>,
    architecture: Option<String>,
    /// Health by app: `disabled`, `initializing`, `healthy`, `unhealthy`.
    apps: std::collections::BTreeMap<String, String>,
}

impl Agent {
    pub(super) fn new(agent: proto::Agent, resource: Uuid, job: Uuid, now: Instant) -> Self {
        let app = |content: proto::App| WorkspaceApp {
            id: Uuid::parse_str(&content.id).unwrap_or_else(|_| Uuid::new_v4()),
            health: if content.healthcheck.is_some() { "initializing" } else { "disabled" }.into(),
            content,
            statuses: Vec::new(),
        };
        Self {
            id: Uuid::new_v4(),
            name: agent.name,
            order: agent.order,
            resource,
            job,
            created_at: now,
            updated_at: now,
            operating_system: agent.operating_system,
            architecture: agent.architecture,
            token: agent.token,
            connection_timeout_seconds: agent.connection_timeout_seconds,
            apps: agent.apps.into_iter().map(app).collect(),
            told: None,
            lifecycle_state: "created".into(),
            version: String::new(),
            first_connected_at: None,
            last_connected_at: None,
            disconnected_at: None,
            started_at: None,
            ready_at: None,
            sources: Vec::new(),
            logs: Vec::new(),
        }
    }

    /// The app of this name.
    pub(super) fn app(&mut self, slug: &str) -> Option<&mut WorkspaceApp> {
        self.apps.iter_mut().find(|app| app.content.slug == slug)
    }

    /// Takes what a real agent would tell.
    pub(super) fn tell(&mut self, told: Told, now: Instant) {
        self.updated_at = now;
        match told.status.as_deref() {
            Some("connected") => {
                self.first_connected_at.get_or_insert(now);
                self.last_connected_at = Some(now);
                self.disconnected_at = None;
            }
            Some("disconnected") => self.disconnected_at = Some(now),
            _ => {}
        }
        match told.lifecycle_state.as_deref() {
            Some("starting") => self.started_at = Some(now),
            Some("ready" | "start_error" | "start_timeout") => {
                self.started_at.get_or_insert(now);
                self.ready_at = Some(now);
            }
            _ => {}
        }
        self.told = told.status.or(self.told.take());
        for (field, value) in [
            (&mut self.lifecycle_state, told.lifecycle_state),
            (&mut self.version, told.version),
            (&mut self.operating_system, told.operating_system),
            (&mut self.architecture, told.architecture),
        ] {
            if let Some(value) = value {
                *field = value;
            }
        }
        for (slug, health) in told.apps {
            if let Some(app) = self.app(&slug) {
                app.health = health;
            }
        }
    }

    /// `codersdk.WorkspaceAgentStatus`.
    pub(super) fn status(&self) -> &str {
        if let Some(told) = &self.told {
            return told;
        }
        let timeout = i64::from(self.connection_timeout_seconds) * 1000;
        if timeout > 0 && Instant::now().ms_since(self.created_at) > timeout {
            "timeout"
        } else {
            "connecting"
        }
    }

    /// Why it is unhealthy, when it is.
    pub(super) fn unhealthy(&self) -> Option<&'static str> {
        match (self.status(), self.lifecycle_state.as_str()) {
            (status, "off") if status != "connected" => Some("agent is not running"),
            ("timeout", _) => Some("agent is taking too long to connect"),
            ("disconnected", _) => Some("agent has lost connection"),
            (_, "start_error") => Some("agent startup script exited with an error"),
            (_, "shutting_down" | "shutdown_timeout" | "shutdown_error" | "off") => {
                Some("agent is shutting down")
            }
            _ => None,
        }
    }

    /// Everything its apps have said.
    pub(super) fn app_statuses(&self) -> impl Iterator<Item = &AppStatus> {
        self.apps.iter().flat_map(|app| &app.statuses)
    }

    /// `codersdk.WorkspaceAgent`.
    pub(super) fn json(&self, state: &State) -> Value {
        let workspace = match state.jobs.of(self.job).input {
            Input::Build(build) => state.builds.of(build).workspace,
            Input::Import(_) => Uuid::nil(),
        };
        let mut health = json!({"healthy": true});
        if let Some(reason) = self.unhealthy() {
            health = json!({"healthy": false, "reason": reason});
        }
        let mut object = json!({
            "id": self.id,
            "parent_id": null,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "status": self.status(),
            "lifecycle_state": self.lifecycle_state,
            "name": self.name,
            "resource_id": self.resource,
            "architecture": self.architecture,
            "environment_variables": null,
            "operating_system": self.operating_system,
            "logs_length": self.logs.iter().map(|line| line.output.len()).sum::<usize>(),
            "logs_overflowed": false,
            "version": self.version,
            "api_version": if self.version.is_empty() { "" } else { "2.0" },
            "apps": self.apps.iter().map(|app| app.json(workspace)).collect::<Vec<_>>(),
            "connection_timeout_seconds": self.connection_timeout_seconds,
            "troubleshooting_url": "https://coder.com/docs/admin/templates/troubleshooting",
            "subsystems": [],
            "health": health,
            "display_apps": [],
            "log_sources": self.sources,
            "scripts": [],
            "startup_script_behavior": "non-blocking",
        });
        for (name, instant) in [
            ("first_connected_at", self.first_connected_at),
            ("last_connected_at", self.last_connected_at),
            ("disconnected_at", self.disconnected_at),
            ("started_at", self.started_at),
            ("ready_at", self.ready_at),
        ] {
            if let Some(instant) = instant {
                object[name] = json!(instant);
            }
        }
        object
    }
}

impl WorkspaceApp {
    /// `codersdk.WorkspaceApp`.
    fn json(&self, workspace: Uuid) -> Value {
        let content = &self.content;
        let check = content.healthcheck.clone().unwrap_or_default();
        let mut object = Map::new();
        object.insert("id".into(), json!(self.id));
        for (name, text) in [
            ("url", &content.url),
            ("display_name", &content.display_name),
            ("command", &content.command),
            ("icon", &content.icon),
        ] {
            if !text.is_empty() {
                object.insert(name.into(), json!(text));
            }
        }
        object.insert("external".into(), json!(content.external));
        object.insert("slug".into(), json!(content.slug));
        object.insert("subdomain".into(), json!(content.subdomain));
        object.insert("sharing_level".into(), json!("owner"));
        let check = json!({"url": check.url, "interval": check.interval, "threshold": check.threshold});
        object.insert("healthcheck".into(), check);
        object.insert("health".into(), json!(self.health));
        object.insert("hidden".into(), json!(content.hidden));
        object.insert("open_in".into(), json!("slim-window"));
        let statuses: Vec<Value> = self.statuses.iter().rev().map(|status| status.json(workspace)).collect();
        object.insert("statuses".into(), json!(statuses));
        Value::Object(object)
    }
}

impl AppStatus {
    /// `codersdk.WorkspaceAppStatus`.
    pub(super) fn json(&self, workspace: Uuid) -> Value {
        json!({
            "id": self.id,
            "created_at": self.created_at,
            "workspace_id": workspace,
            "agent_id": self.agent,
            "app_id": self.app,
            "state": self.state,
            "message": self.message,
            "uri": self.uri,
            "icon": "",
            "needs_user_attention": false,
        })
    }
}
