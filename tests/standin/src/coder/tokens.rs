//! `/users/{user}/keys`: API tokens.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::App;
use super::auth::Actor;
use super::reply::{Answer, Failure, Json, created, no_content, ok};
use super::state::{ApiKey, State};
use crate::clock::Instant;

/// Longest and default lifetime, in seconds: 168 hours.
const LIFETIME_SECONDS: i64 = 168 * 3600;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/users/{user}/keys", post(create_session))
        .route("/users/{user}/keys/tokens", get(list).post(create))
        .route("/users/{user}/keys/{key}", delete(revoke))
}

#[derive(Deserialize)]
struct CreateToken {
    #[serde(default)]
    token_name: String,
    /// Nanoseconds.
    #[serde(default)]
    lifetime: i64,
}

/// A key with a fresh secret.
pub(super) fn new_key(user: Uuid, name: String, login_type: &'static str, lifetime_seconds: i64) -> ApiKey {
    ApiKey {
        id: letters(10),
        secret: letters(22),
        user,
        name,
        login_type,
        created_at: Instant::now(),
        lifetime_seconds,
        last_used: None,
    }
}

async fn create(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(user): Path<String>,
    Json(body): Json<CreateToken>,
) -> Answer {
    let mut state = app.state();
    let user = state.user(actor, &user)?.id;
    let seconds = match body.lifetime / 1_000_000_000 {
        0 => LIFETIME_SECONDS,
        seconds if seconds >= LIFETIME_SECONDS => {
            return Err(Failure::bad_request("Failed to validate create API key request.")
                .detail("lifetime must be less than 168h0m0s"));
        }
        seconds => seconds,
    };
    let name = if body.token_name.is_empty() { super::names::version_name() } else { body.token_name };
    if state.keys.iter().any(|key| key.user == user && key.name == name) {
        return Err(Failure::taken(format!("A token with name {name:?} already exists.")));
    }
    store(&mut state, new_key(user, name, "token", seconds))
}

async fn create_session(Shared(app): Shared<App>, actor: Actor, Path(user): Path<String>) -> Answer {
    let mut state = app.state();
    let user = state.user(actor, &user)?.id;
    store(&mut state, new_key(user, String::new(), "password", LIFETIME_SECONDS))
}

fn store(state: &mut State, key: ApiKey) -> Answer {
    let token = format!("{}-{}", key.id, key.secret);
    state.keys.push(key);
    created(json!({"key": token}))
}

async fn list(Shared(app): Shared<App>, actor: Actor, Path(user): Path<String>) -> Answer {
    let state = app.state();
    let user = state.user(actor, &user)?;
    let tokens = state.keys.iter().filter(|key| key.user == user.id && key.login_type == "token");
    ok(tokens
        .map(|key| {
            json!({
                "id": key.id,
                "user_id": key.user,
                "last_used": key.last_used.map_or(json!("0001-01-01T00:00:00Z"), |at| json!(at)),
                "expires_at": key.created_at.plus_ms(key.lifetime_seconds * 1000),
                "created_at": key.created_at,
                "updated_at": key.created_at,
                "login_type": key.login_type,
                "scope": "all",
                "scopes": ["coder:all"],
                "token_name": key.name,
                "lifetime_seconds": key.lifetime_seconds,
                "allow_list": ["*:*"],
                "username": user.username,
            })
        })
        .collect::<Value>())
}

async fn revoke(Shared(app): Shared<App>, actor: Actor, Path((user, key)): Path<(String, String)>) -> Answer {
    let mut state = app.state();
    let user = state.user(actor, &user)?.id;
    let before = state.keys.len();
    state.keys.retain(|held| held.user != user || held.id != key);
    match before == state.keys.len() {
        true => Err(Failure::new(
            StatusCode::NOT_FOUND,
            "Resource not found or you do not have access to this resource",
        )),
        false => no_content(),
    }
}

/// Random letters and digits.
fn letters(count: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let bytes = std::iter::repeat_with(|| Uuid::new_v4().into_bytes())
        .flat_map(|bytes| [bytes[0], bytes[1], bytes[2]]);
    bytes.take(count).map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()])).collect()
}
