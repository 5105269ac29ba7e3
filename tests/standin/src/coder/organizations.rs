//! `/organizations`: read only, because coderd makes further ones with a licence only.

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::routing::get;
use serde_json::{Value, json};

use super::App;
use super::auth::Actor;
use super::reply::{Answer, ok};
use super::state::Organization;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/organizations", get(list))
        .route("/organizations/{organization}", get(read))
        .route("/organizations/{organization}/members", get(members))
}

async fn list(Shared(app): Shared<App>, actor: Actor) -> Answer {
    let state = app.state();
    let caller = state.users.of(actor.id);
    let visible =
        |organization: &&Organization| actor.is_owner() || caller.organizations.contains(&organization.id);
    ok(state.organizations.iter().filter(visible).map(json).collect())
}

async fn read(Shared(app): Shared<App>, _: Actor, Path(organization): Path<String>) -> Answer {
    ok(json(app.state().organization(&organization)?))
}

async fn members(Shared(app): Shared<App>, _: Actor, Path(organization): Path<String>) -> Answer {
    let state = app.state();
    let organization = state.organization(&organization)?.id;
    let members =
        state.users.iter().filter(|user| !user.deleted && user.organizations.contains(&organization));
    ok(members
        .map(|user| {
            let mut member = super::users::user_json(user);
            let roles = member["roles"].take();
            let mut object = json!({
                "user_id": user.id,
                "organization_id": organization,
                "username": user.username,
                "email": user.email,
                "created_at": user.created_at,
                "updated_at": user.created_at,
                "roles": [],
                "global_roles": roles,
            });
            if !user.name.is_empty() {
                object["name"] = json!(user.name);
            }
            object
        })
        .collect())
}

/// `codersdk.Organization`.
pub(super) fn json(organization: &Organization) -> Value {
    json!({
        "id": organization.id,
        "name": organization.name,
        "display_name": organization.display_name,
        "icon": "",
        "description": organization.description,
        "created_at": organization.created_at,
        "updated_at": organization.created_at,
        "is_default": organization.is_default,
    })
}
