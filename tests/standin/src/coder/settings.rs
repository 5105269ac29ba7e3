//! What can be set on a workspace without a build: time to live, autostart, automatic updates, dormancy, favourites.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::routing::put;
use serde::Deserialize;
use uuid::Uuid;

use super::App;
use super::auth::Actor;
use super::names::is_name;
use super::reply::{Answer, Failure, Json, no_content, not_modified, nullable, ok};
use super::state::{State, Transition};
use super::workspaces::{schedule, ttl, workspace_json};
use crate::clock::Instant;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{workspace}/ttl", put(set_ttl))
        .route("/workspaces/{workspace}/autostart", put(set_autostart))
        .route("/workspaces/{workspace}/autoupdates", put(set_automatic_updates))
        .route("/workspaces/{workspace}/dormant", put(set_dormant))
        .route("/workspaces/{workspace}/favorite", put(favor).delete(unfavor))
}

#[derive(Deserialize)]
pub(super) struct Rename {
    #[serde(default)]
    name: String,
}

/// `PATCH /workspaces/{workspace}`: a rename, which needs a server option that is on here. Moves no time stamp.
pub(super) async fn rename(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(workspace): Path<String>,
    Json(body): Json<Rename>,
) -> Answer {
    let mut state = app.state();
    let id = state.own(actor, &workspace)?;
    if !is_name(&body.name) {
        return Err(Failure::validation().tag("name", "username", &body.name));
    }
    let workspace = state.workspaces.of(id);
    if body.name == workspace.name {
        return no_content();
    }
    if state.workspace_of(workspace.owner, &body.name, false).is_some_and(|other| other.id != id) {
        return Err(Failure::taken(format!("Workspace {:?} already exists.", body.name)));
    }
    state.workspaces.of_mut(id).name = body.name;
    no_content()
}

#[derive(Deserialize)]
struct Ttl {
    ttl_ms: Option<i64>,
}

async fn set_ttl(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(workspace): Path<String>,
    Json(body): Json<Ttl>,
) -> Answer {
    let mut state = app.state();
    let id = state.own(actor, &workspace)?;
    let failure = || Failure::bad_request("Error updating workspace time until shutdown.");
    let template = state.templates.of(state.workspaces.of(id).template);
    if !template.settings.allow_user_autostop {
        let detail = "Custom autostop TTL is not allowed for workspaces using this template.";
        return Err(failure().field("ttl_ms", detail));
    }
    let ttl_ms = ttl(body.ttl_ms, 0).map_err(|error| failure().field("ttl_ms", error))?;
    let workspace = state.workspaces.of_mut(id);
    workspace.ttl_ms = ttl_ms;
    let build = *workspace.builds.last().expect("a workspace is made with its first build");
    let build = state.builds.of_mut(build);
    if ttl_ms.is_none() && build.transition == Transition::Start {
        build.deadline = None;
        build.updated_at = Instant::now();
    }
    no_content()
}

#[derive(Deserialize)]
struct Autostart {
    schedule: Option<String>,
}

async fn set_autostart(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(workspace): Path<String>,
    Json(body): Json<Autostart>,
) -> Answer {
    let mut state = app.state();
    let id = state.own(actor, &workspace)?;
    let (text, next) = schedule(body.schedule.as_deref(), Instant::now())
        .map_err(|error| Failure::bad_request("Invalid autostart schedule.").field("schedule", error))?;
    let template = state.templates.of(state.workspaces.of(id).template);
    if !template.settings.allow_user_autostart {
        let text = "Autostart is not allowed for workspaces using this template.";
        return Err(Failure::bad_request(text).field("schedule", text));
    }
    let workspace = state.workspaces.of_mut(id);
    workspace.autostart_schedule = text;
    workspace.next_start_at = next.filter(|_| workspace.dormant_at.is_none());
    no_content()
}

#[derive(Deserialize)]
struct AutomaticUpdates {
    #[serde(default)]
    automatic_updates: String,
}

async fn set_automatic_updates(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(workspace): Path<String>,
    Json(body): Json<AutomaticUpdates>,
) -> Answer {
    let mut state = app.state();
    let id = state.own(actor, &workspace)?;
    if !["always", "never"].contains(&body.automatic_updates.as_str()) {
        return Err(
            Failure::bad_request("Invalid request").field("automatic_updates", "must be always or never")
        );
    }
    state.workspaces.of_mut(id).automatic_updates = body.automatic_updates;
    no_content()
}

#[derive(Deserialize)]
struct Dormancy {
    #[serde(default, deserialize_with = "nullable")]
    dormant: bool,
}

async fn set_dormant(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(workspace): Path<String>,
    Json(body): Json<Dormancy>,
) -> Answer {
    let mut state = app.state();
    let id = state.own(actor, &workspace)?;
    let workspace = state.workspaces.of_mut(id);
    if workspace.dormant_at.is_some() == body.dormant {
        return not_modified();
    }
    workspace.dormant_at = body.dormant.then(Instant::now);
    workspace.next_start_at = None;
    if !body.dormant {
        workspace.last_used_at = Instant::now();
    }
    ok(workspace_json(&state, state.workspaces.of(id), actor))
}

async fn favor(app: Shared<App>, actor: Actor, workspace: Path<String>) -> Answer {
    set_favorite(app, actor, workspace, true)
}

async fn unfavor(app: Shared<App>, actor: Actor, workspace: Path<String>) -> Answer {
    set_favorite(app, actor, workspace, false)
}

fn set_favorite(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(workspace): Path<String>,
    favorite: bool,
) -> Answer {
    let mut state = app.state();
    let workspace = state.workspace(actor, &workspace)?;
    if workspace.owner != actor.id {
        let verb = if favorite { "favorite" } else { "un-favorite" };
        return Err(Failure::forbidden(format!("You can only {verb} workspaces that you own.")));
    }
    let id = workspace.id;
    state.workspaces.of_mut(id).favorite = favorite;
    no_content()
}

impl State {
    /// A workspace that the caller may change.
    fn own(&self, actor: Actor, workspace: &str) -> Result<Uuid, Failure> {
        let workspace = self.workspace(actor, workspace)?;
        if actor.acts_for(workspace.owner) { Ok(workspace.id) } else { Err(Failure::not_found()) }
    }
}
