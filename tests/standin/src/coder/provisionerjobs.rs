//! `/organizations/{organization}/provisionerjobs` and the daemons that take them. For owners only.

use axum::Router;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use uuid::Uuid;

use super::App;
use super::auth::Actor;
use super::jobs::{Input, Job, Status, job_json};
use super::reply::{Answer, Failure, ok, path_id};
use super::search::positive;
use super::state::State;
use crate::clock::Instant;
use crate::query::pairs;

/// Jobs in a list that asked for no number.
const DEFAULT_LIMIT: usize = 50;
/// Every status there is.
const STATUSES: [Status; 6] = [
    Status::Pending,
    Status::Running,
    Status::Succeeded,
    Status::Canceling,
    Status::Canceled,
    Status::Failed,
];

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/organizations/{organization}/provisionerjobs", get(list))
        .route("/organizations/{organization}/provisionerjobs/{job}", get(read))
        .route("/organizations/{organization}/provisionerdaemons", get(daemons))
}

async fn list(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(organization): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let state = app.state();
    let organization = state.organization(&organization)?.id;
    let query = Query::parse(query.as_deref())?;
    if !actor.is_owner() {
        return Err(Failure::not_found());
    }
    let matches = |job: &&Job| {
        job.organization == organization
            && (query.statuses.is_empty() || query.statuses.contains(&job.status()))
            && (query.ids.is_empty() || query.ids.contains(&job.id))
            && query.initiator.is_none_or(|initiator| job.initiator == initiator)
    };
    let jobs = state.jobs.iter().rev().filter(matches).take(query.limit);
    ok(jobs.map(|job| listed_json(&state, job)).collect())
}

async fn read(
    Shared(app): Shared<App>,
    actor: Actor,
    Path((organization, job)): Path<(String, String)>,
) -> Answer {
    let state = app.state();
    let organization = state.organization(&organization)?.id;
    let job =
        state.jobs.get(path_id(&job)?).filter(|job| job.organization == organization && actor.is_owner());
    ok(listed_json(&state, job.ok_or_else(Failure::not_found)?))
}

async fn daemons(Shared(app): Shared<App>, _: Actor, Path(organization): Path<String>) -> Answer {
    let state = app.state();
    let organization = state.organization(&organization)?.id;
    ok(json!([{
        "id": state.daemon_id,
        "organization_id": organization,
        "key_id": "00000000-0000-0000-0000-000000000001",
        "created_at": state.started_at,
        "last_seen_at": Instant::now(),
        "name": "standin-0",
        "version": super::VERSION,
        "api_version": "1.14",
        "provisioners": state.config.provisioners,
        "tags": {"owner": "", "scope": "organization"},
        "key_name": "built-in",
        "status": "idle",
        "current_job": null,
        "previous_job": null,
    }]))
}

/// What a list can be asked for.
struct Query {
    limit: usize,
    statuses: Vec<Status>,
    ids: Vec<Uuid>,
    initiator: Option<Uuid>,
}

impl Query {
    fn parse(query: Option<&str>) -> Result<Self, Failure> {
        let mut failure = Failure::bad_request("Invalid query parameters.");
        let mut parsed =
            Self { limit: DEFAULT_LIMIT, statuses: Vec::new(), ids: Vec::new(), initiator: None };
        // An empty list asks for nothing, and so for all.
        let ids = |text: &str| {
            let ids = text.split(',').filter(|_| !text.is_empty());
            ids.map(|id| Uuid::parse_str(id).map_err(|_| id.len())).collect::<Result<Vec<Uuid>, usize>>()
        };
        for (key, value) in pairs(query) {
            match key.as_str() {
                "limit" => match positive(Some(&value)) {
                    Ok(0) => parsed.limit = usize::MAX,
                    Ok(limit) => parsed.limit = limit,
                    Err(reason) => failure.push(
                        "limit",
                        format!("Query param \"limit\" must be a valid 32-bit positive integer: {reason}"),
                    ),
                },
                "status" => parsed.statuses = statuses(&value)?,
                "ids" => match ids(&value) {
                    Ok(ids) => parsed.ids = ids,
                    Err(length) => failure.push(
                        "ids",
                        format!("Query param \"ids\" has invalid values: invalid UUID length: {length}"),
                    ),
                },
                "initiator" => match Uuid::parse_str(&value) {
                    Ok(id) => parsed.initiator = Some(id),
                    Err(_) => {
                        failure.push("initiator", "Query param \"initiator\" must be a valid uuid".into())
                    }
                },
                "tags" => {}
                other => failure.push(other, format!("{other:?} is not a valid query param")),
            }
        }
        failure.if_fields()?;
        Ok(parsed)
    }
}

/// The statuses in a list; the database refuses others.
fn statuses(text: &str) -> Result<Vec<Status>, Failure> {
    let one = |name: &str| {
        STATUSES.into_iter().find(|status| status.name() == name).ok_or_else(|| {
            Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal error fetching provisioner jobs.")
                .detail(format!(
                    "fetch object: pq: invalid input value for enum provisioner_job_status: {name:?}"
                ))
        })
    };
    text.split(',').filter(|name| !name.is_empty()).map(one).collect()
}

/// A job in a list: with its place in the queue, and what it is about.
fn listed_json(state: &State, job: &Job) -> Value {
    let mut object = job_json(state, job);
    object["queue_size"] = json!(state.queue(job.id).1);
    if job.started_at.is_some() {
        object["worker_name"] = json!("standin-0");
    }
    let (version, workspace) = match job.input {
        Input::Import(version) => (version, None),
        Input::Build(build) => {
            let build = state.builds.of(build);
            (build.version, Some(state.workspaces.of(build.workspace)))
        }
    };
    let version = state.versions.of(version);
    let metadata = &mut object["metadata"];
    metadata["template_version_name"] = json!(version.name);
    if let Some(template) = version.template.map(|template| state.templates.of(template)) {
        metadata["template_id"] = json!(template.id);
        metadata["template_name"] = json!(template.name);
        metadata["template_display_name"] = json!(template.settings.display_name);
        metadata["template_icon"] = json!(template.settings.icon);
    }
    if let Some(workspace) = workspace {
        metadata["workspace_id"] = json!(workspace.id);
        metadata["workspace_name"] = json!(workspace.name);
    }
    object
}
