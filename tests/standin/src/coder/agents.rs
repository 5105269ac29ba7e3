//! Workspace agents. No machine runs here, so an agent stays `connecting` until somebody plays it: by the few calls real
//! agents make over HTTP (`/workspaceagents/me/…` with the agent's token), or by `PATCH /standin/agents/{id}`, which sets
//! what a real agent tells over its own protocol.

use axum::Router;
use axum::extract::{FromRequestParts, Path, RawQuery, State as Shared};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{get, patch, post};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::App;
use super::agent::{Agent, AppStatus, LogLine, Told};
use super::auth::{Actor, token};
use super::builds::upgrade_required;
use super::reply::{Answer, Failure, Json, created, ok};
use super::state::State;
use crate::clock::Instant;
use crate::query::{pairs, value};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaceagents/{agent}", get(read))
        .route("/workspaceagents/{agent}/logs", get(logs))
        .route("/workspaceagents/me/logs", patch(append_logs))
        .route("/workspaceagents/me/log-source", post(add_source))
        .route("/workspaceagents/me/app-status", patch(set_app_status))
}

async fn read(Shared(app): Shared<App>, actor: Actor, Path(agent): Path<String>) -> Answer {
    let state = app.state();
    ok(state.agent(actor, &agent)?.json(&state))
}

async fn logs(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(agent): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let state = app.state();
    let agent = state.agent(actor, &agent)?;
    let query = pairs(query.as_deref());
    let after: i64 = match value(&query, "after").filter(|after| !after.is_empty()).map(str::parse) {
        None => 0,
        Some(Ok(after)) if after >= 0 => after,
        Some(_) => {
            let message = "Query param \"after\" must be an integer greater than or equal to zero.";
            return Err(Failure::bad_request(message)
                .field("after", "Must be an integer greater than or equal to zero"));
        }
    };
    if value(&query, "follow").is_some() {
        return upgrade_required();
    }
    let lines = agent.logs.iter().filter(|line| line.id > after).map(|line| {
        json!({
            "id": line.id,
            "created_at": line.created_at,
            "output": line.output,
            "level": line.level,
            "source_id": line.source,
        })
    });
    ok(lines.collect())
}

/// The agent whose token a request carries; of several with one token the newest.
struct Me(Uuid);

impl FromRequestParts<App> for Me {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let token = token(parts).unwrap_or_default();
        let state = app.state();
        let agent = state.agents.iter().rev().find(|agent| agent.token == token);
        agent.map(|agent| Self(agent.id)).ok_or_else(|| {
            Failure::new(StatusCode::UNAUTHORIZED, "Workspace agent not authorized.")
                .detail("The agent cannot authenticate until the workspace provision job has been completed. If the job is no longer running, this agent is invalid.")
        })
    }
}

#[derive(Deserialize)]
struct Lines {
    #[serde(default)]
    log_source_id: Option<Uuid>,
    #[serde(default)]
    logs: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    created_at: String,
    output: String,
    #[serde(default)]
    level: String,
}

async fn append_logs(Shared(app): Shared<App>, Me(agent): Me, Json(body): Json<Lines>) -> Answer {
    if body.logs.is_empty() {
        return Err(Failure::bad_request("No logs provided."));
    }
    let mut state = app.state();
    for line in body.logs {
        state.last_log += 1;
        let line = LogLine {
            id: state.last_log,
            created_at: line.created_at,
            output: line.output,
            level: if line.level.is_empty() { "info".into() } else { line.level },
            source: body.log_source_id.unwrap_or_default(),
        };
        state.agents.of_mut(agent).logs.push(line);
    }
    ok(Value::Null)
}

#[derive(Deserialize)]
struct Source {
    id: Uuid,
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    icon: String,
}

async fn add_source(Shared(app): Shared<App>, Me(agent): Me, Json(body): Json<Source>) -> Answer {
    let source = json!({
        "workspace_agent_id": agent,
        "id": body.id,
        "created_at": Instant::now(),
        "display_name": body.display_name,
        "icon": body.icon,
    });
    app.state().agents.of_mut(agent).sources.push(source.clone());
    created(source)
}

#[derive(Deserialize)]
struct SetAppStatus {
    app_slug: String,
    state: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    uri: String,
}

async fn set_app_status(Shared(app): Shared<App>, Me(agent): Me, Json(body): Json<SetAppStatus>) -> Answer {
    let mut state = app.state();
    let app = state.agents.of_mut(agent).app(&body.app_slug).ok_or_else(|| {
        Failure::bad_request("Failed to get workspace app.")
            .detail(format!("No app found with slug {:?}", body.app_slug))
    })?;
    if body.message.len() > 160 {
        let text = "Message must be less than 160 characters.";
        return Err(Failure::bad_request("Message is too long.").detail(text).field("message", text));
    }
    if !["complete", "failure", "working", "idle"].contains(&body.state.as_str()) {
        return Err(Failure::bad_request("Invalid state provided.")
            .detail(format!("invalid state: {:?}", body.state))
            .field("state", "State must be one of: complete, failure, working."));
    }
    app.statuses.push(AppStatus {
        created_at: Instant::now(),
        id: Uuid::new_v4(),
        agent,
        app: app.id,
        state: body.state,
        message: body.message,
        uri: body.uri,
    });
    ok(Value::Null)
}

impl State {
    fn agent(&self, actor: Actor, text: &str) -> Result<&Agent, Failure> {
        let id = super::reply::path_id(text)?;
        let visible = |agent: &&Agent| match self.jobs.of(agent.job).input {
            super::jobs::Input::Build(build) => {
                actor.reads(self.workspaces.of(self.builds.of(build).workspace))
            }
            super::jobs::Input::Import(_) => actor.manages_templates(),
        };
        self.agents.get(id).filter(visible).ok_or_else(|| {
            let message = "Agent doesn't exist with that id, or you do not have access to it.";
            Failure::new(StatusCode::NOT_FOUND, message)
        })
    }

    /// Sets what a real agent would tell; false when there is no such agent.
    pub(crate) fn tell_agent(&mut self, agent: &str, told: Told) -> bool {
        let Some(agent) = Uuid::parse_str(agent).ok().and_then(|id| self.agents.get_mut(id)) else {
            return false;
        };
        agent.tell(told, Instant::now());
        true
    }
}
