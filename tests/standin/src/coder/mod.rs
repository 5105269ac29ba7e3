//! The stand-in Coder: REST API v2, one family of endpoints a file, on the tables of [`state`].

pub(crate) mod agent;
mod agents;
mod auth;
mod authcheck;
mod builds;
mod files;
mod jobs;
mod lookup;
mod names;
mod organizations;
mod parameters;
mod provisioner;
mod provisionerjobs;
mod reply;
mod schedule;
mod search;
mod settings;
mod state;
mod templatechanges;
mod templates;
mod templateversions;
mod tokens;
mod users;
mod versiondetails;
mod workspacelist;
mod workspaces;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;
use uuid::Uuid;

use self::reply::{Answer, Failure, ok, said};
use self::state::State;
use crate::clock::Instant;
use crate::config::CoderConfig;

/// The version it says it is: what a build from source says.
const VERSION: &str = "v0.0.0-devel";

/// The server, as its handlers see it.
#[derive(Clone)]
pub(crate) struct App(Arc<Mutex<State>>);

impl App {
    pub(crate) fn new(config: &CoderConfig, address: SocketAddr) -> Self {
        let access_url = config.access_url.clone().unwrap_or_else(|| format!("http://{address}"));
        Self(Arc::new(Mutex::new(State::new(config, access_url))))
    }

    /// The tables, with every job as far as it should be.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(Instant::now());
        state
    }
}

/// Every route.
pub(crate) fn router(app: App) -> Router {
    let api = Router::new()
        .route("/", get(async || said("👋")))
        .route("/buildinfo", get(buildinfo))
        .merge(agents::routes())
        .merge(authcheck::routes())
        .merge(builds::routes())
        .merge(files::routes())
        .merge(organizations::routes())
        .merge(parameters::routes())
        .merge(provisionerjobs::routes())
        .merge(settings::routes())
        .merge(templates::routes())
        .merge(templateversions::routes())
        .merge(tokens::routes())
        .merge(users::routes())
        .merge(versiondetails::routes())
        .merge(workspacelist::routes())
        .merge(workspaces::routes())
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "Route not found."));
    Router::new()
        .route("/healthz", get(async || "OK"))
        .route("/latency-check", get(async || "OK"))
        .nest("/api/v2", api)
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(axum::middleware::map_response(with_headers))
        .with_state(app)
}

async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert("x-coder-build-version", HeaderValue::from_static(VERSION));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Ok(id) = HeaderValue::try_from(Uuid::new_v4().to_string()) {
        headers.insert("x-coder-request-id", id);
    }
    response
}

async fn buildinfo(Shared(app): Shared<App>) -> Answer {
    let state = app.state();
    ok(json!({
        "external_url": "https://github.com/coder/coder",
        "version": VERSION,
        "dashboard_url": state.access_url,
        "telemetry": false,
        "workspace_proxy": false,
        "agent_api_version": "1.0",
        "provisioner_api_version": "1.14",
        "upgrade_message": "",
        "deployment_id": state.deployment_id,
    }))
}
