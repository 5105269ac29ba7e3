//! `/templateversions`: imports, by organization, by template and by id.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::StatusCode;
use axum::routing::{get, patch, post};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::App;
use super::auth::Actor;
use super::jobs::{Cancel, Input, Job, Status, Tags, job_json, matched_provisioners};
use super::names::{is_version_name, version_name};
use super::reply::{Answer, Failure, Json, body_id, created, nullable, ok, said};
use super::search::Page;
use super::state::{State, Version, Workspace};
use super::templates::unauthorized;
use crate::clock::Instant;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/organizations/{organization}/templateversions", post(create))
        .route("/organizations/{organization}/templates/{template}/versions/{version}", get(read_by_names))
        .route("/templates/{template}/versions", get(list).patch(promote))
        .route("/templates/{template}/versions/{version}", get(read_by_name))
        .route("/templates/{template}/versions/archive", post(archive_unused))
        .route("/templateversions/{version}", get(read).patch(rename))
        .route("/templateversions/{version}/archive", post(archive))
        .route("/templateversions/{version}/cancel", patch(cancel))
        .route("/templateversions/{version}/unarchive", post(unarchive))
}

#[derive(Deserialize)]
struct CreateVersion {
    #[serde(default)]
    name: String,
    #[serde(default)]
    message: String,
    #[serde(default, deserialize_with = "body_id")]
    template_id: Uuid,
    #[serde(default)]
    storage_method: String,
    #[serde(default, deserialize_with = "body_id")]
    file_id: Uuid,
    #[serde(default)]
    provisioner: String,
    #[serde(default, deserialize_with = "nullable")]
    tags: Tags,
    #[serde(default, deserialize_with = "nullable")]
    user_variable_values: Vec<VariableValue>,
}

#[derive(Deserialize)]
struct VariableValue {
    name: String,
    value: String,
}

async fn create(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(organization): Path<String>,
    Json(body): Json<CreateVersion>,
) -> Answer {
    body.check()?;
    let mut state = app.state();
    let organization = state.organization(&organization)?.id;
    let template = (!body.template_id.is_nil()).then_some(body.template_id);
    if template.is_some_and(|id| state.templates.get(id).is_none()) {
        return Err(Failure::new(StatusCode::NOT_FOUND, "Template does not exist."));
    }
    let file = state.files.get(body.file_id);
    if file.is_none_or(|file| !actor.manages_templates() && file.creator != actor.id) {
        return Err(Failure::new(StatusCode::NOT_FOUND, "File not found."));
    }
    if !actor.manages_templates() {
        return Err(unauthorized("Internal error creating template version.", "insert template version: "));
    }
    let name = if body.name.is_empty() { version_name() } else { body.name };
    if template.is_some() && state.version_named(template, &name).is_some() {
        return Err(Failure::taken(format!(
            "A template version with name {name:?} already exists for this template."
        )));
    }
    let now = Instant::now();
    let id = Uuid::new_v4();
    let job = Job::new(organization, actor.id, body.file_id, Input::Import(id), body.tags, now);
    let version = Version {
        id,
        organization,
        template,
        name,
        message: body.message,
        created_by: actor.id,
        created_at: Instant::now(),
        updated_at: Instant::now(),
        provisioner: body.provisioner,
        job: job.id,
        readme: String::new(),
        archived: false,
        parameters: Vec::new(),
        dynamic_parameters: Vec::new(),
        presets: Vec::new(),
        variables: Vec::new(),
        variable_values: body
            .user_variable_values
            .into_iter()
            .map(|variable| (variable.name, variable.value))
            .collect::<BTreeMap<_, _>>(),
    };
    state.insert_job(job);
    state.versions.insert(version);
    let mut answer = version_json(&state, state.versions.of(id), true);
    super::builds::not_queued(&mut answer);
    created(answer)
}

impl CreateVersion {
    fn check(&self) -> Result<(), Failure> {
        let mut failure = Failure::validation();
        if !self.name.is_empty() && !is_version_name(&self.name) {
            failure = failure.tag("name", "template_version_name", &self.name);
        }
        if self.storage_method != "file" {
            failure = failure.tag("storage_method", "oneof", &self.storage_method);
        }
        if self.file_id.is_nil() {
            failure = failure.tag("file_id", "required_without", self.file_id).tag(
                "example_id",
                "required_without",
                "",
            );
        }
        if !["terraform", "echo"].contains(&self.provisioner.as_str()) {
            failure = failure.tag("provisioner", "oneof", &self.provisioner);
        }
        failure.if_fields()
    }
}

async fn list(
    Shared(app): Shared<App>,
    _: Actor,
    Path(template): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let page = Page::parse(query.as_deref())?;
    let state = app.state();
    let template = state.template(&template)?.id;
    let archived = page.query("include_archived") == Some("true");
    let mut versions: Vec<&Version> =
        state.versions.iter().filter(|version| version.template == Some(template)).collect();
    if let Some(after) = page.after {
        let position = versions.iter().position(|version| version.id == after).ok_or_else(|| {
            Failure::bad_request(format!("Record at \"after_id\" (\"{after}\") does not exists."))
        })?;
        versions.drain(..=position);
    }
    versions.retain(|version| archived || !version.archived);
    ok(page.cut(versions).into_iter().map(|version| version_json(&state, version, false)).collect())
}

async fn read(Shared(app): Shared<App>, _: Actor, Path(version): Path<String>) -> Answer {
    let state = app.state();
    ok(version_json(&state, state.version(&version)?, true))
}

async fn read_by_name(
    Shared(app): Shared<App>,
    _: Actor,
    Path((template, version)): Path<(String, String)>,
) -> Answer {
    let state = app.state();
    let template = state.template(&template)?.id;
    by_name(&state, template, &version)
}

async fn read_by_names(
    Shared(app): Shared<App>,
    _: Actor,
    Path((organization, template, version)): Path<(String, String, String)>,
) -> Answer {
    let state = app.state();
    let organization = state.organization(&organization)?.id;
    let template = state.template_named(organization, &template).ok_or_else(Failure::not_found)?.id;
    by_name(&state, template, &version)
}

fn by_name(state: &State, template: Uuid, name: &str) -> Answer {
    let found = state.version_named(Some(template), name);
    let version = found.ok_or_else(|| {
        Failure::new(StatusCode::NOT_FOUND, format!("No template version found by name {name:?}."))
    })?;
    ok(version_json(state, version, true))
}

#[derive(Deserialize)]
struct UpdateVersion {
    #[serde(default)]
    name: String,
    #[serde(default)]
    message: Option<String>,
}

async fn rename(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(version): Path<String>,
    Json(body): Json<UpdateVersion>,
) -> Answer {
    if !body.name.is_empty() && !is_version_name(&body.name) {
        return Err(Failure::validation().tag("name", "template_version_name", &body.name));
    }
    let mut state = app.state();
    let (id, template) = state.version(&version).map(|version| (version.id, version.template))?;
    if state.version_named(template, &body.name).is_some_and(|other| other.id != id) {
        let message = "execute transaction: template version name must be unique for a template";
        return Err(Failure::bad_request(message).field("name", "Name is already used"));
    }
    if !actor.manages_templates() {
        let message =
            "execute transaction: error on patching template version: unauthorized: rbac: forbidden";
        return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message));
    }
    let version = state.versions.of_mut(id);
    if !body.name.is_empty() {
        version.name = body.name;
    }
    if let Some(message) = body.message {
        version.message = message;
    }
    version.updated_at = Instant::now();
    ok(version_json(&state, state.versions.of(id), true))
}

async fn cancel(Shared(app): Shared<App>, actor: Actor, Path(version): Path<String>) -> Answer {
    let mut state = app.state();
    let job = state.version(&version)?.job;
    if !actor.manages_templates() {
        return Err(Failure::not_found());
    }
    match state.cancel_job(job, None) {
        Cancel::Done | Cancel::Unexpected => said("Job has been marked as canceled..."),
        Cancel::AlreadyCompleted => Err(Failure::bad_request("Job has already completed!")),
        Cancel::AlreadyCanceled => Err(Failure::bad_request("Job has already been marked as canceled!")),
    }
}

#[derive(Deserialize)]
struct Promote {
    #[serde(default, deserialize_with = "body_id")]
    id: Uuid,
}

async fn promote(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(template): Path<String>,
    Json(body): Json<Promote>,
) -> Answer {
    let mut state = app.state();
    let template = state.template(&template)?.id;
    if body.id.is_nil() {
        return Err(Failure::validation().tag("id", "required", body.id));
    }
    let version = state.versions.get(body.id);
    let version =
        version.ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, "Template version not found."))?;
    if version.template != Some(template) {
        return Err(Failure::bad_request(
            "The provided template version doesn't belong to the specified template.",
        ));
    }
    let status = state.jobs.of(version.job).status();
    if status != Status::Succeeded {
        return Err(Failure::forbidden("Only versions that have been built successfully can be promoted.")
            .detail(format!("Attempted to promote a version with a {} build", status.name())));
    }
    if version.archived {
        return Err(Failure::bad_request("The provided template version is archived."));
    }
    if !actor.manages_templates() {
        let message = "Internal error updating active template version.";
        return Err(unauthorized(message, "execute transaction: update active version: "));
    }
    state.templates.of_mut(template).active_version = body.id;
    said("Updated the active template version!")
}

async fn archive(app: Shared<App>, actor: Actor, version: Path<String>) -> Answer {
    set_archived(app, actor, version, true)
}

async fn unarchive(app: Shared<App>, actor: Actor, version: Path<String>) -> Answer {
    set_archived(app, actor, version, false)
}

fn set_archived(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(version): Path<String>,
    archived: bool,
) -> Answer {
    let verb = if archived { "archived" } else { "unarchived" };
    let mut state = app.state();
    let version = state.version(&version)?;
    let id = version.id;
    if version.archived == archived {
        return Err(Failure::bad_request(format!("Template version already {verb}")));
    }
    let Some(template) = version.template else {
        let message = "Cannot archive template versions not associate with a template.";
        return Err(Failure::bad_request(message));
    };
    if !actor.manages_templates() {
        return Err(Failure::new(StatusCode::NOT_FOUND, "Template or template versions not found."));
    }
    if archived && state.in_use(template, id) {
        let detail = "Unable to archive specified version, the version is likely in use by a workspace or \
                      currently set to the active version";
        let message = "Internal error fetching template version.";
        return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message).detail(detail));
    }
    state.versions.of_mut(id).archived = archived;
    ok(json!(format!("template version \"{id}\" {verb}")))
}

#[derive(Deserialize)]
struct ArchiveUnused {
    #[serde(default)]
    all: bool,
}

async fn archive_unused(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(template): Path<String>,
    Json(body): Json<ArchiveUnused>,
) -> Answer {
    let mut state = app.state();
    let template = state.template(&template)?.id;
    if !actor.manages_templates() {
        return Err(Failure::new(StatusCode::NOT_FOUND, "Template or template versions not found."));
    }
    let unused = state.versions.iter().filter(|version| {
        version.template == Some(template)
            && !version.archived
            && (body.all || state.jobs.of(version.job).status() == Status::Failed)
            && !state.in_use(template, version.id)
    });
    let unused: Vec<Uuid> = unused.map(|version| version.id).collect();
    for version in &unused {
        state.versions.of_mut(*version).archived = true;
    }
    ok(json!({"template_id": template, "archived_ids": unused}))
}

impl State {
    /// Whether a version cannot be archived.
    fn in_use(&self, template: Uuid, version: Uuid) -> bool {
        let builds =
            |workspace: &Workspace| !workspace.deleted && self.latest_build(workspace).version == version;
        self.templates.of(template).active_version == version || self.workspaces.iter().any(builds)
    }

    /// A version by its template and name.
    fn version_named(&self, template: Option<Uuid>, name: &str) -> Option<&Version> {
        self.versions
            .iter()
            .find(|version| template.is_some() && version.template == template && version.name == name)
    }
}

/// `codersdk.TemplateVersion`. Lists leave out the provisioners that could take a pending import.
fn version_json(state: &State, version: &Version, single: bool) -> Value {
    let job = state.jobs.of(version.job);
    let mut object = Map::new();
    object.insert("id".into(), json!(version.id));
    object.insert("template_id".into(), json!(version.template.unwrap_or_default()));
    object.insert("organization_id".into(), json!(version.organization));
    object.insert("created_at".into(), json!(version.created_at));
    object.insert("updated_at".into(), json!(version.updated_at));
    object.insert("name".into(), json!(version.name));
    object.insert("message".into(), json!(version.message));
    object.insert("job".into(), job_json(state, job));
    object.insert("readme".into(), json!(version.readme));
    object.insert("created_by".into(), super::users::minimal_json(state, version.created_by));
    object.insert("archived".into(), json!(version.archived));
    if single && job.status() == Status::Pending {
        object.insert("matched_provisioners".into(), matched_provisioners(job));
    }
    object.insert("has_external_agent".into(), json!(false));
    Value::Object(object)
}
