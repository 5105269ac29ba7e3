//! `/workspaces` and `/users/{user}/workspace`: create and read one.

use axum::Router;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::App;
use super::auth::Actor;
use super::builds::{Asked, build_json};
use super::names::is_name;
use super::parameters::NamedValue;
use super::reply::{Answer, Failure, Json, body_id, created, nullable, ok};
use super::schedule::Schedule;
use super::state::{State, Template, Transition, Workspace};
use crate::clock::Instant;
use crate::query::{pairs, value};

/// Shortest and longest time until shutdown, in milliseconds.
const SHORTEST_TTL_MS: i64 = 60_000;
const LONGEST_TTL_MS: i64 = 30 * 24 * 3_600_000;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{workspace}", get(read).patch(super::settings::rename))
        .route("/users/{user}/workspaces", post(create))
        .route("/users/{user}/workspace/{workspace}", get(read_by_name))
        .route("/organizations/{organization}/members/{user}/workspaces", post(create_as_member))
}

async fn read(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(workspace): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let deleted = include_deleted(query.as_deref(), "deleted")?;
    let state = app.state();
    let workspace = state.workspace(actor, &workspace)?;
    if workspace.deleted && !deleted {
        return Err(Failure::new(
            StatusCode::GONE,
            format!(
                "Workspace \"{}\" was deleted, you can view this workspace by specifying '?deleted=true' and trying again.",
                workspace.id
            ),
        ));
    }
    ok(workspace_json(&state, workspace, actor))
}

async fn read_by_name(
    Shared(app): Shared<App>,
    actor: Actor,
    Path((user, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Answer {
    let state = app.state();
    let owner = state.member(actor, &user)?.id;
    let deleted = include_deleted(query.as_deref(), "include_deleted")?;
    let gone = || deleted.then(|| state.workspace_of(owner, &name, true)).flatten();
    let found = state.workspace_of(owner, &name, false).or_else(gone);
    let workspace = found.filter(|workspace| actor.reads(workspace)).ok_or_else(Failure::not_found)?;
    ok(workspace_json(&state, workspace, actor))
}

fn include_deleted(query: Option<&str>, field: &str) -> Result<bool, Failure> {
    let query = pairs(query);
    let text = value(&query, "include_deleted").unwrap_or_default();
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        other => {
            let message = format!("Invalid boolean value {other:?} for \"include_deleted\" query param.");
            Err(Failure::bad_request(message).field(field, "Must be a valid boolean"))
        }
    }
}

#[derive(Deserialize)]
struct CreateWorkspace {
    #[serde(default, deserialize_with = "body_id")]
    template_id: Uuid,
    #[serde(default, deserialize_with = "body_id")]
    template_version_id: Uuid,
    #[serde(default)]
    name: String,
    autostart_schedule: Option<String>,
    ttl_ms: Option<i64>,
    #[serde(default)]
    automatic_updates: String,
    #[serde(default, deserialize_with = "nullable")]
    rich_parameter_values: Vec<NamedValue>,
    #[serde(default, deserialize_with = "body_id")]
    template_version_preset_id: Uuid,
}

async fn create_as_member(
    app: Shared<App>,
    actor: Actor,
    Path((organization, user)): Path<(String, String)>,
    body: Json<CreateWorkspace>,
) -> Answer {
    app.state().organization(&organization)?;
    create(app, actor, Path(user), body).await
}

async fn create(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(user): Path<String>,
    Json(body): Json<CreateWorkspace>,
) -> Answer {
    let mut state = app.state();
    let owner = state.member(actor, &user)?.id;
    body.check()?;
    let template = body.template(&state)?;
    if !actor.acts_for(owner) {
        return Err(Failure::forbidden("Unauthorized to create workspace.").detail(
            "You are unable to create a workspace in this organization. It is possible to have access to the template, \
             but not be able to create a workspace. Please contact an administrator about your permissions if you feel \
             this is an error.",
        ));
    }
    if !template.settings.deprecation_message.is_empty() {
        let message = format!(
            "Template {:?} has been deprecated, and cannot be used to create a new workspace.",
            template.name
        );
        return Err(Failure::bad_request(message).detail(&template.settings.deprecation_message));
    }
    let now = Instant::now();
    let (autostart_schedule, next_start_at) = schedule(body.autostart_schedule.as_deref(), now)
        .map_err(|error| Failure::bad_request("Invalid Autostart Schedule.").field("schedule", error))?;
    let ttl_ms = ttl(body.ttl_ms, template.settings.default_ttl_ms).map_err(|error| {
        Failure::bad_request("Invalid Workspace Time to Shutdown.").field("ttl_ms", error)
    })?;
    let automatic_updates = match body.automatic_updates.as_str() {
        "" | "never" => "never",
        "always" => "always",
        _ => {
            return Err(Failure::bad_request("Invalid Workspace Automatic Updates setting.")
                .field("automatic_updates", "Automatic updates must be always or never"));
        }
    };
    if state.workspace_of(owner, &body.name, false).is_some() {
        return Err(Failure::taken(format!("Workspace {:?} already exists.", body.name)));
    }
    let asked = match body.template_version_id {
        nil if nil.is_nil() => template.active_version,
        version => version,
    };
    let workspace = Workspace {
        id: Uuid::new_v4(),
        organization: template.organization,
        owner,
        template: template.id,
        name: body.name,
        created_at: now,
        updated_at: now,
        last_used_at: now,
        autostart_schedule,
        next_start_at,
        ttl_ms,
        automatic_updates: automatic_updates.into(),
        dormant_at: None,
        favorite: false,
        builds: Vec::new(),
        deleted: false,
    };
    let asked = Asked {
        transition: Transition::Start,
        version: asked,
        preset: (!body.template_version_preset_id.is_nil()).then_some(body.template_version_preset_id),
        parameters: &body.rich_parameter_values,
        reason: "initiator",
    };
    let checked = state.check_build(&workspace, actor, &asked)?;
    let id = workspace.id;
    state.workspaces.insert(workspace);
    let build = state.queue_build(checked, actor.id);
    let mut answer = workspace_json(&state, state.workspaces.of(id), actor);
    answer["latest_build"] = build;
    created(answer)
}

impl CreateWorkspace {
    fn check(&self) -> Result<(), Failure> {
        let mut failure = Failure::validation();
        for (field, id, other) in [
            ("template_id", self.template_id, self.template_version_id),
            ("template_version_id", self.template_version_id, self.template_id),
        ] {
            match (id.is_nil(), other.is_nil()) {
                (true, true) => failure = failure.tag(field, "required_without", id),
                (false, false) => failure = failure.tag(field, "excluded_with", id),
                _ => {}
            }
        }
        if !is_name(&self.name) {
            failure = failure.tag("name", "workspace_name", &self.name);
        }
        failure.if_fields()
    }

    fn template<'a>(&self, state: &'a State) -> Result<&'a Template, Failure> {
        let id = if self.template_id.is_nil() {
            let id = self.template_version_id;
            let version = state.versions.get(id).ok_or_else(|| {
                Failure::bad_request(format!("Template version \"{id}\" doesn't exist."))
                    .field("template_version_id", "template not found")
            })?;
            if version.archived {
                let message = "Archived template versions cannot be used to make a workspace.";
                return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message)
                    .field("template_version_id", "template version archived"));
            }
            version.template.unwrap_or_default()
        } else {
            self.template_id
        };
        let template = state.templates.get(id).ok_or_else(|| {
            Failure::bad_request(format!("Template \"{id}\" doesn't exist."))
                .field("template_id", "template not found")
        })?;
        if template.deleted {
            let message = format!("Template {:?} has been deleted!", template.name);
            return Err(Failure::new(StatusCode::NOT_FOUND, message));
        }
        Ok(template)
    }
}

/// A time until shutdown, cut to whole minutes; absent and 0 are the template's.
pub(super) fn ttl(asked: Option<i64>, default: i64) -> Result<Option<i64>, &'static str> {
    match asked.unwrap_or(0) {
        0 => Ok(Some(default).filter(|ttl| *ttl != 0)),
        ttl if ttl < SHORTEST_TTL_MS => Err("time until shutdown must be at least one minute"),
        ttl if ttl - ttl % 60_000 > LONGEST_TTL_MS => Err("time until shutdown must be less than 30 days"),
        ttl => Ok(Some(ttl - ttl % 60_000)),
    }
}

/// A schedule and its next time; absent and empty are none.
pub(super) fn schedule(
    asked: Option<&str>,
    now: Instant,
) -> Result<(Option<String>, Option<Instant>), String> {
    let Some(text) = asked.filter(|text| !text.is_empty()) else { return Ok((None, None)) };
    let schedule = Schedule::parse(text)?;
    Ok((Some(text.into()), schedule.next(now)))
}

/// `codersdk.Workspace`, as this caller sees it.
pub(super) fn workspace_json(state: &State, workspace: &Workspace, actor: Actor) -> Value {
    let template = state.templates.of(workspace.template);
    let build = state.latest_build(workspace);
    let agents = state.jobs.of(build.job).resources.iter().flat_map(|resource| &resource.agents);
    let agents: Vec<_> = agents.map(|agent| state.agents.of(*agent)).collect();
    let failing: Vec<Uuid> =
        agents.iter().filter(|agent| agent.unhealthy().is_some()).map(|agent| agent.id).collect();
    let app_status =
        agents.iter().flat_map(|agent| agent.app_statuses()).max_by_key(|status| status.created_at);
    let settings = &template.settings;
    let ttl_ms = if settings.allow_user_autostop { workspace.ttl_ms } else { Some(settings.default_ttl_ms) };
    let mut object = Map::new();
    object.insert("id".into(), json!(workspace.id));
    object.insert("created_at".into(), json!(workspace.created_at));
    object.insert("updated_at".into(), json!(workspace.updated_at));
    object.insert("owner_id".into(), json!(workspace.owner));
    object.insert("owner_name".into(), json!(state.users.of(workspace.owner).username));
    object.insert("owner_avatar_url".into(), json!(""));
    object.insert("organization_id".into(), json!(workspace.organization));
    object.insert("organization_name".into(), json!(state.organizations.of(workspace.organization).name));
    object.insert("template_id".into(), json!(template.id));
    object.insert("template_name".into(), json!(template.name));
    object.insert("template_display_name".into(), json!(settings.display_name));
    object.insert("template_icon".into(), json!(settings.icon));
    let cancels = settings.allow_user_cancel_workspace_jobs;
    object.insert("template_allow_user_cancel_workspace_jobs".into(), json!(cancels));
    object.insert("template_active_version_id".into(), json!(template.active_version));
    object.insert("template_require_active_version".into(), json!(settings.require_active_version));
    object.insert("template_use_classic_parameter_flow".into(), json!(settings.use_classic_parameter_flow));
    object.insert("latest_build".into(), build_json(state, build));
    object.insert(
        "latest_app_status".into(),
        app_status.map_or(Value::Null, |status| status.json(workspace.id)),
    );
    object.insert("outdated".into(), json!(build.version != template.active_version));
    object.insert("name".into(), json!(workspace.name));
    if let Some(schedule) = &workspace.autostart_schedule {
        object.insert("autostart_schedule".into(), json!(schedule));
    }
    if let Some(ttl_ms) = ttl_ms {
        object.insert("ttl_ms".into(), json!(ttl_ms));
    }
    object.insert("last_used_at".into(), json!(workspace.last_used_at));
    object.insert("deleting_at".into(), Value::Null);
    object.insert("dormant_at".into(), json!(workspace.dormant_at));
    object.insert("health".into(), json!({"healthy": failing.is_empty(), "failing_agents": failing}));
    object.insert("automatic_updates".into(), json!(workspace.automatic_updates));
    object.insert("allow_renames".into(), json!(true));
    object.insert("favorite".into(), json!(workspace.favorite && workspace.owner == actor.id));
    object.insert("next_start_at".into(), json!(workspace.next_start_at));
    object.insert("is_prebuild".into(), json!(false));
    object.insert("task_id".into(), Value::Null);
    Value::Object(object)
}
