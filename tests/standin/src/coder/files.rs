//! `/files`: uploaded archives. Equal bytes from the same person are the same file. Zip is not spoken here.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::App;
use super::auth::Actor;
use super::reply::{Answer, Failure, created, ok};
use super::state::File;

/// Largest upload.
const UPLOAD_LIMIT: usize = 100 << 20;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/files", post(upload)).route("/files/{file}", get(download))
}

async fn upload(Shared(app): Shared<App>, actor: Actor, headers: HeaderMap, content: Bytes) -> Answer {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if ["application/zip", "application/x-zip-compressed"].contains(&content_type) {
        // coderd makes a tar of it. Nobody here sends one.
        return Err(Failure::bad_request("Incomplete .zip archive file.").detail("zip: not a valid zip file"));
    }
    if content_type != "application/x-tar" {
        return Err(Failure::bad_request(format!("Unsupported content type header {content_type:?}.")));
    }
    if content.len() > UPLOAD_LIMIT {
        return Err(
            Failure::bad_request("Failed to read file from request.").detail("http: request body too large")
        );
    }
    let hash: [u8; 32] = Sha256::digest(&content).into();
    let mut state = app.state();
    if let Some(file) = state.files.iter().find(|file| file.hash == hash && file.creator == actor.id) {
        return ok(json!({"hash": file.id}));
    }
    let id = Uuid::new_v4();
    state.files.insert(File { id, creator: actor.id, hash, content });
    created(json!({"hash": id}))
}

async fn download(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(file): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let id = Uuid::parse_str(&file).map_err(|_| Failure::bad_request("File id must be a valid UUID."))?;
    let state = app.state();
    let visible = |file: &&File| actor.manages_templates() || file.creator == actor.id;
    let file = state.files.get(id).filter(visible).ok_or_else(Failure::not_found)?;
    let query = query.unwrap_or_default();
    if query.split('&').any(|pair| pair.starts_with("format=") && pair != "format=") {
        return Err(Failure::bad_request("Unsupported conversion format."));
    }
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/x-tar")], file.content.clone()).into_response())
}
