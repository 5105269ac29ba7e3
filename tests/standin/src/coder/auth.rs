//! Who calls: session tokens, and the few roles that matter here.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use uuid::Uuid;

use super::App;
use super::reply::Failure;
use super::state::{State, Workspace};
use crate::clock::Instant;

/// The authenticated caller.
#[derive(Clone, Copy)]
pub(crate) struct Actor {
    pub(crate) id: Uuid,
    owner: bool,
    template_admin: bool,
}

impl Actor {
    /// Site role `owner`: may everything.
    pub(crate) fn is_owner(self) -> bool {
        self.owner
    }

    /// May change templates and read every workspace.
    pub(crate) fn manages_templates(self) -> bool {
        self.owner || self.template_admin
    }

    /// May see this workspace.
    pub(crate) fn reads(self, workspace: &Workspace) -> bool {
        self.manages_templates() || workspace.owner == self.id
    }

    /// May change what belongs to this user.
    pub(crate) fn acts_for(self, user: Uuid) -> bool {
        self.owner || self.id == user
    }
}

impl FromRequestParts<App> for Actor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let token = token(parts).ok_or_else(|| {
            signed_out("Cookie \"coder_session_token\" or query parameter must be provided.")
        })?;
        let (id, secret) = split(&token)?;
        let mut state = app.state();
        let now = Instant::now();
        let key = state.keys.iter_mut().find(|key| key.id == id && key.secret == secret);
        let key = key.ok_or_else(|| signed_out("API key is invalid."))?;
        let expires_at = key.created_at.plus_ms(key.lifetime_seconds * 1000);
        if expires_at < now {
            return Err(signed_out(&format!("API key expired at \"{}\".", expires_at.rfc3339())));
        }
        key.last_used = Some(now);
        let user = key.user;
        actor(&mut state, user, now)
    }
}

fn actor(state: &mut State, id: Uuid, now: Instant) -> Result<Actor, Failure> {
    let user = state.users.of_mut(id);
    if user.deleted {
        return Err(signed_out("API key is invalid."));
    }
    if user.status == "suspended" {
        return Err(Failure::new(
            StatusCode::UNAUTHORIZED,
            "User is not active (status = \"suspended\"). Contact an admin to reactivate your account.",
        ));
    }
    if user.status == "dormant" {
        user.status = "active".into();
        user.updated_at = now;
    }
    user.last_seen_at = Some(now);
    let has = |role: &str| user.roles.iter().any(|held| held == role);
    Ok(Actor { id, owner: has("owner"), template_admin: has("template-admin") })
}

/// The session token: header, cookie or query, in the order coderd looks.
pub(crate) fn token(parts: &Parts) -> Option<String> {
    let cookies = parts.headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let cookie = cookies
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix("coder_session_token="))
        .map(String::from);
    let query = || {
        let query = parts.uri.query().unwrap_or_default();
        query.split('&').find_map(|pair| pair.strip_prefix("coder_session_token=")).map(String::from)
    };
    let custom = || parts.headers.get("coder-session-token")?.to_str().ok().map(String::from);
    let bearer =
        || parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(String::from);
    cookie.or_else(query).or_else(custom).or_else(bearer).filter(|token| !token.is_empty())
}

fn split(token: &str) -> Result<(&str, &str), Failure> {
    let parts: Vec<&str> = token.split('-').collect();
    let [id, secret] = parts[..] else {
        let count = parts.len();
        return Err(signed_out(&format!(
            "Invalid API key format: incorrect amount of API key parts, expected 2 got {count}"
        )));
    };
    match (id.len(), secret.len()) {
        (10, 22) => Ok((id, secret)),
        (10, length) => Err(signed_out(&format!(
            "Invalid API key format: invalid API key secret, expected length 22 got {length}"
        ))),
        (length, _) => Err(signed_out(&format!(
            "Invalid API key format: invalid API key ID, expected length 10 got {length}"
        ))),
    }
}

fn signed_out(detail: &str) -> Failure {
    Failure::new(
        StatusCode::UNAUTHORIZED,
        "You are signed out or your session has expired. Please sign in again to continue.",
    )
    .detail(detail)
}
