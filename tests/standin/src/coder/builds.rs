//! `/workspacebuilds` and a workspace's builds: read, log, start, stop, delete, cancel.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, patch};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::App;
use super::auth::Actor;
use super::jobs::{Cancel, Input, Job, Status, job_json, logs_json, matched_provisioners, resources_json};
use super::parameters::{NamedValue, matching_preset, resolve};
use super::reply::{Answer, Failure, Json, body_id, created, nullable, ok, said};
use super::search::Page;
use super::state::{Build, State, Transition, Workspace, transition_name};
use crate::clock::Instant;
use crate::query::{pairs, value};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspaces/{workspace}/builds", get(list).post(create))
        .route("/workspacebuilds/{build}", get(read))
        .route("/workspacebuilds/{build}/cancel", patch(cancel))
        .route("/workspacebuilds/{build}/logs", get(logs))
        .route("/workspacebuilds/{build}/parameters", get(parameters))
        .route("/workspacebuilds/{build}/resources", get(resources))
        .route("/users/{user}/workspace/{workspace}/builds/{number}", get(read_by_number))
}

async fn list(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(workspace): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let page = Page::parse(query.as_deref())?;
    let state = app.state();
    let workspace = state.workspace(actor, &workspace)?;
    let mut builds: Vec<&Build> =
        workspace.builds.iter().rev().map(|build| state.builds.of(*build)).collect();
    if let Some(after) = page.after {
        let position = builds.iter().position(|build| build.id == after).ok_or_else(|| {
            Failure::bad_request(format!("Record at \"after_id\" (\"{after}\") does not exist."))
        })?;
        builds.drain(..=position);
    }
    ok(page.cut(builds).into_iter().map(|build| build_json(&state, build)).collect())
}

async fn read(Shared(app): Shared<App>, actor: Actor, Path(build): Path<String>) -> Answer {
    let state = app.state();
    ok(build_json(&state, state.build(actor, &build)?))
}

async fn read_by_number(
    Shared(app): Shared<App>,
    actor: Actor,
    Path((user, name, number)): Path<(String, String, String)>,
) -> Answer {
    let state = app.state();
    let owner = state.member(actor, &user)?.id;
    let number: i32 = number.parse().map_err(|_| {
        Failure::bad_request("Failed to parse build number as integer.")
            .detail(format!("strconv.ParseInt: parsing {number:?}: invalid syntax"))
    })?;
    let workspace = state.workspace_of(owner, &name, false).filter(|workspace| actor.reads(workspace));
    let workspace = workspace.ok_or_else(Failure::not_found)?;
    let build =
        workspace.builds.iter().map(|build| state.builds.of(*build)).find(|build| build.number == number);
    let build = build.ok_or_else(|| {
        Failure::new(StatusCode::NOT_FOUND, format!("Workspace {name:?} Build {number} does not exist."))
    })?;
    ok(build_json(&state, build))
}

async fn logs(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(build): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let state = app.state();
    log_answer(state.jobs.of(state.build(actor, &build)?.job), query.as_deref())
}

async fn parameters(Shared(app): Shared<App>, actor: Actor, Path(build): Path<String>) -> Answer {
    let state = app.state();
    let parameters = &state.build(actor, &build)?.parameters;
    ok(parameters.iter().map(|(name, value)| json!({"name": name, "value": value})).collect())
}

async fn resources(Shared(app): Shared<App>, actor: Actor, Path(build): Path<String>) -> Answer {
    let state = app.state();
    ok(resources_json(&state, state.jobs.of(state.build(actor, &build)?.job)))
}

async fn cancel(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(build): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = pairs(query.as_deref());
    let expect = value(&query, "expect_status");
    if let Some(other) = expect.filter(|expect| !["running", "pending"].contains(expect)) {
        return Err(Failure::bad_request(format!(
            "Invalid expect_status {other:?}. Only 'running' or 'pending' are allowed."
        )));
    }
    let mut state = app.state();
    let build = state.build(actor, &build)?;
    let job = build.job;
    let template = state.templates.of(state.workspaces.of(build.workspace).template);
    let allowed =
        actor.is_owner() || template.settings.allow_user_cancel_workspace_jobs || expect == Some("pending");
    if !allowed {
        return Err(Failure::forbidden(
            "User is not allowed to cancel workspace builds. Owner role is required.",
        ));
    }
    match state.cancel_job(job, expect) {
        Cancel::Done => said("Job has been marked as canceled..."),
        Cancel::AlreadyCompleted => Err(Failure::bad_request("Job has already completed!")),
        Cancel::AlreadyCanceled => Err(Failure::bad_request("Job has already been marked as canceled!")),
        Cancel::Unexpected => {
            Err(Failure::new(StatusCode::PRECONDITION_FAILED, "Job is not in the expected state."))
        }
    }
}

#[derive(Deserialize)]
struct CreateBuild {
    #[serde(default)]
    transition: String,
    #[serde(default, deserialize_with = "body_id")]
    template_version_id: Uuid,
    #[serde(default, deserialize_with = "body_id")]
    template_version_preset_id: Uuid,
    #[serde(default, deserialize_with = "nullable")]
    rich_parameter_values: Vec<NamedValue>,
    #[serde(default)]
    orphan: bool,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    log_level: String,
}

/// Reasons that a client may give.
const REASONS: [&str; 6] =
    ["", "dashboard", "cli", "ssh_connection", "vscode_connection", "jetbrains_connection"];

impl CreateBuild {
    fn transition(&self) -> Result<Transition, Failure> {
        let transition = match self.transition.as_str() {
            "start" => Some(Transition::Start),
            "stop" => Some(Transition::Stop),
            "delete" => Some(Transition::Delete),
            _ => None,
        };
        let mut failure = Failure::validation();
        if transition.is_none() {
            failure = failure.tag("transition", "oneof", &self.transition);
        }
        if !["", "debug"].contains(&self.log_level.as_str()) {
            failure = failure.tag("log_level", "oneof", &self.log_level);
        }
        if !REASONS.contains(&self.reason.as_str()) {
            failure = failure.tag("reason", "oneof", &self.reason);
        }
        match transition {
            Some(transition) if !failure.has_fields() => Ok(transition),
            _ => Err(failure),
        }
    }
}

async fn create(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(workspace): Path<String>,
    Json(body): Json<CreateBuild>,
) -> Answer {
    let transition = body.transition()?;
    let mut state = app.state();
    let workspace = state.workspace(actor, &workspace)?;
    if workspace.deleted && transition != Transition::Delete {
        return Err(Failure::conflict(format!("Cannot {} a deleted workspace!", body.transition))
            .detail("This workspace has been deleted and cannot be modified."));
    }
    if body.orphan && transition != Transition::Delete {
        return Err(Failure::bad_request("Orphan is only permitted when deleting a workspace."));
    }
    let (id, dormant) = (workspace.id, workspace.dormant_at.is_some());
    let version = match body.template_version_id {
        nil if nil.is_nil() => state.latest_build(workspace).version,
        version => version,
    };
    let asked = Asked {
        transition,
        version,
        preset: (!body.template_version_preset_id.is_nil()).then_some(body.template_version_preset_id),
        parameters: &body.rich_parameter_values,
        reason: if body.reason.is_empty() || transition != Transition::Start {
            "initiator"
        } else {
            &body.reason
        },
    };
    let build = state.check_build(workspace, actor, &asked)?;
    if dormant && transition == Transition::Start {
        state.workspaces.of_mut(id).dormant_at = None;
    }
    let answer = state.queue_build(build, actor.id);
    created(answer)
}

/// A build somebody asks for.
pub(super) struct Asked<'a> {
    pub(super) transition: Transition,
    pub(super) version: Uuid,
    pub(super) preset: Option<Uuid>,
    pub(super) parameters: &'a [NamedValue],
    pub(super) reason: &'a str,
}

/// A build that may be made.
pub(super) struct Checked {
    workspace: Uuid,
    transition: Transition,
    version: Uuid,
    preset: Option<Uuid>,
    parameters: BTreeMap<String, String>,
    reason: String,
}

impl State {
    /// Everything that can speak against a build, in coderd's order (`wsbuilder`).
    pub(super) fn check_build(
        &self,
        workspace: &Workspace,
        actor: Actor,
        asked: &Asked<'_>,
    ) -> Result<Checked, Failure> {
        if !actor.acts_for(workspace.owner) {
            return Err(Failure::not_found());
        }
        let id = asked.version;
        let version = self.versions.get(id).ok_or_else(|| {
            Failure::bad_request("template version does not exist")
                .detail(format!("get template version {id}: sql: no rows in result set"))
        })?;
        if version.template != Some(workspace.template) {
            let (belongs, valid) = (version.template.unwrap_or_default(), version.template.is_some());
            let template = workspace.template;
            return Err(Failure::bad_request("template version doesn't match template").detail(format!(
                "templateVersion.TemplateID = {{UUID:{belongs} Valid:{valid}}}, template.ID = {template}"
            )));
        }
        let job = self.jobs.of(version.job);
        match job.status() {
            Status::Succeeded => {}
            Status::Failed | Status::Canceled => {
                let error = job.error.as_deref().unwrap_or_default();
                let message = format!(
                    "The provided template version {:?} has failed to import: {error:?}. You cannot build workspaces with it!",
                    version.name
                );
                return Err(Failure::bad_request(message.clone()).detail(message));
            }
            status => {
                let status = if status == Status::Pending { "pending" } else { "running" };
                let message =
                    format!("The provided template version is {status}. Wait for it to complete importing!");
                return Err(Failure::new(StatusCode::NOT_ACCEPTABLE, message.clone()).detail(message));
            }
        }
        let last = workspace.builds.last().map(|build| self.builds.of(*build));
        if last.is_some_and(|build| self.jobs.of(build.job).status().active()) {
            let message = "A workspace build is already active.";
            return Err(Failure::conflict(message).detail(message));
        }
        // Creating looks for a preset in what was given, duplicates and all, and then that preset wins; every build
        // looks for one in what came out.
        let given = |name: &str, value: &str| {
            asked.parameters.iter().any(|held| held.name == name && held.value == value)
        };
        let implied = || workspace.builds.is_empty().then(|| matching_preset(version, given)).flatten();
        let preset = asked.preset.or_else(implied);
        let parameters = resolve(self, version, preset, asked.parameters, last)?;
        let came_out = |name: &str, value: &str| parameters.get(name).is_some_and(|held| held == value);
        let preset = preset.or_else(|| matching_preset(version, came_out));
        Ok(Checked {
            workspace: workspace.id,
            transition: asked.transition,
            version: id,
            preset,
            parameters,
            reason: asked.reason.into(),
        })
    }

    /// Makes a build and its job, and answers with the build as coderd does at once: without its version's name.
    pub(super) fn queue_build(&mut self, checked: Checked, initiator: Uuid) -> Value {
        let now = Instant::now();
        let id = Uuid::new_v4();
        let version = self.versions.of(checked.version);
        let import = self.jobs.of(version.job);
        let (file, tags) = (import.file, import.tags.clone());
        let job = Job::new(version.organization, initiator, file, Input::Build(id), tags, now);
        let workspace = self.workspaces.of_mut(checked.workspace);
        workspace.builds.push(id);
        let build = Build {
            id,
            workspace: workspace.id,
            version: checked.version,
            number: workspace.builds.len() as i32,
            transition: checked.transition,
            initiator,
            reason: checked.reason,
            job: job.id,
            created_at: now,
            updated_at: now,
            deadline: None,
            preset: checked.preset,
            parameters: checked.parameters,
        };
        self.insert_job(job);
        self.builds.insert(build);
        let mut answer = build_json(self, self.builds.of(id));
        answer["template_version_name"] = json!("");
        not_queued(&mut answer);
        answer
    }
}

/// What was just made is not yet in the queue.
pub(super) fn not_queued(answer: &mut Value) {
    answer["job"]["queue_position"] = json!(0);
    answer["job"]["queue_size"] = json!(0);
}

/// A job's log; following it takes a websocket.
pub(super) fn log_answer(job: &Job, query: Option<&str>) -> Answer {
    let query = pairs(query);
    let after = match value(&query, "after").filter(|after| !after.is_empty()).map(str::parse) {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => {
            return Err(Failure::bad_request("Query param \"after\" must be an integer.")
                .field("after", "Must be an integer"));
        }
    };
    if value(&query, "follow").is_some() {
        return upgrade_required();
    }
    ok(logs_json(job, after))
}

/// What is said to who wants a websocket without asking for one: its library writes first, then coderd adds its own.
pub(super) fn upgrade_required() -> Answer {
    let violation = "WebSocket protocol violation: Connection header \"\" does not contain Upgrade";
    let detail = json!(format!("failed to accept WebSocket connection: {violation}"));
    let said = format!(r#"{{"message":"Failed to accept websocket.","detail":{detail}}}"#);
    Ok((StatusCode::UPGRADE_REQUIRED, format!("{violation}\n{said}\n")).into_response())
}

/// `codersdk.WorkspaceStatus`.
pub(super) fn status(job: Status, transition: Transition) -> &'static str {
    match (job, transition) {
        (Status::Running, Transition::Start) => "starting",
        (Status::Running, Transition::Stop) => "stopping",
        (Status::Running, Transition::Delete) => "deleting",
        (Status::Succeeded, Transition::Start) => "running",
        (Status::Succeeded, Transition::Stop) => "stopped",
        (Status::Succeeded, Transition::Delete) => "deleted",
        (other, _) => other.name(),
    }
}

/// `codersdk.WorkspaceBuild`.
pub(super) fn build_json(state: &State, build: &Build) -> Value {
    let workspace = state.workspaces.of(build.workspace);
    let job = state.jobs.of(build.job);
    let resources = resources_json(state, job);
    let cost: i32 = job.resources.iter().map(|resource| resource.daily_cost).sum();
    let mut object = Map::new();
    object.insert("id".into(), json!(build.id));
    object.insert("created_at".into(), json!(build.created_at));
    object.insert("updated_at".into(), json!(build.updated_at));
    object.insert("workspace_id".into(), json!(workspace.id));
    object.insert("workspace_name".into(), json!(workspace.name));
    object.insert("workspace_owner_id".into(), json!(workspace.owner));
    object.insert("workspace_owner_name".into(), json!(state.users.of(workspace.owner).username));
    object.insert("template_version_id".into(), json!(build.version));
    object.insert("template_version_name".into(), json!(state.versions.of(build.version).name));
    object.insert("build_number".into(), json!(build.number));
    object.insert("transition".into(), json!(transition_name(build.transition)));
    object.insert("initiator_id".into(), json!(build.initiator));
    object.insert("initiator_name".into(), json!(state.users.of(build.initiator).username));
    object.insert("job".into(), job_json(state, job));
    object.insert("reason".into(), json!(build.reason));
    object.insert("resources".into(), resources);
    object.insert("deadline".into(), json!(build.deadline));
    object.insert("max_deadline".into(), Value::Null);
    object.insert("status".into(), json!(status(job.status(), build.transition)));
    object.insert("daily_cost".into(), json!(cost));
    object.insert("matched_provisioners".into(), matched_provisioners(job));
    object.insert("template_version_preset_id".into(), json!(build.preset));
    if job.status() == Status::Succeeded {
        object.insert("has_ai_task".into(), json!(false));
        object.insert("has_external_agent".into(), json!(false));
    }
    Value::Object(object)
}
