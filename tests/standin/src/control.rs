//! `/standin/…` on Coder's listener: plan faults, read what was asked, play the agents that no real machine runs, and disturb watches.

use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use serde::Deserialize;
use serde_json::json;

use crate::coder::App;
use crate::coder::agent::Told;
use crate::faults::{Fault, Faults};
use crate::kube::watch::{Cut, Watches};
use crate::query::{pairs, value};

/// The control routes.
pub(crate) fn router(faults: Faults, app: App, watches: Watches) -> Router {
    let agents = Router::new().route("/standin/agents/{agent}", patch(tell_agent)).with_state(app);
    Router::new()
        .route("/standin/faults", get(planned).post(plan).delete(clear))
        .route("/standin/requests", get(seen).delete(forget))
        .with_state(faults)
        .merge(agents)
        .merge(Router::new().route("/standin/watches", patch(disturb)).with_state(watches))
}

async fn planned(State(faults): State<Faults>) -> Json<Vec<Fault>> {
    Json(faults.planned())
}

async fn plan(State(faults): State<Faults>, Json(planned): Json<Vec<Fault>>) -> StatusCode {
    faults.plan(planned);
    StatusCode::NO_CONTENT
}

async fn clear(State(faults): State<Faults>) -> StatusCode {
    faults.clear();
    StatusCode::NO_CONTENT
}

/// All that is remembered, or with `?after=` what came after the one of that number.
async fn seen(State(faults): State<Faults>, RawQuery(query): RawQuery) -> Response {
    let query = pairs(query.as_deref());
    let after = value(&query, "after").and_then(|after| after.parse().ok()).unwrap_or(0);
    Json(faults.seen(after)).into_response()
}

async fn forget(State(faults): State<Faults>) -> StatusCode {
    faults.forget();
    StatusCode::NO_CONTENT
}

/// What all of kube-apiserver's watches do, those that are open and those that come.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disturbance {
    /// Milliseconds between bookmarks.
    bookmarks: Option<u64>,
    /// Ends every open one.
    cut: Option<Cut>,
}

async fn disturb(State(watches): State<Watches>, Json(disturbance): Json<Disturbance>) -> StatusCode {
    if let Some(milliseconds) = disturbance.bookmarks {
        watches.bookmarks_every(Duration::from_millis(milliseconds.max(1)));
    }
    if let Some(cut) = disturbance.cut {
        watches.cut(cut);
    }
    StatusCode::NO_CONTENT
}

async fn tell_agent(State(app): State<App>, Path(agent): Path<String>, Json(told): Json<Told>) -> Response {
    match app.state().tell_agent(&agent, told) {
        true => StatusCode::NO_CONTENT.into_response(),
        false => (StatusCode::NOT_FOUND, Json(json!({"message": "no such agent"}))).into_response(),
    }
}
