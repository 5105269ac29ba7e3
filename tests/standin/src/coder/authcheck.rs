//! `POST /authcheck`: what the caller may. Owners may everything; others their own things, and templates by their role.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::App;
use super::auth::Actor;
use super::reply::{Answer, Failure, Json, nullable, ok};

/// The resource types that exist, as far as anybody here asks.
const TYPES: [&str; 18] = [
    "*",
    "api_key",
    "assign_org_role",
    "assign_role",
    "audit_log",
    "deployment_config",
    "file",
    "group",
    "license",
    "organization",
    "organization_member",
    "provisioner_daemon",
    "provisioner_jobs",
    "template",
    "user",
    "workspace",
    "workspace_dormant",
    "workspace_proxy",
];

pub(super) fn routes() -> Router<App> {
    Router::new().route("/authcheck", post(check))
}

#[derive(Deserialize)]
struct Checks {
    #[serde(default, deserialize_with = "nullable")]
    checks: BTreeMap<String, Check>,
}

#[derive(Deserialize)]
struct Check {
    #[serde(default)]
    object: Object,
    #[serde(default)]
    action: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    resource_type: String,
    owner_id: String,
}

async fn check(Shared(app): Shared<App>, actor: Actor, Json(body): Json<Checks>) -> Answer {
    let state = app.state();
    let mut answers = Map::new();
    for (key, check) in body.checks {
        if check.object.resource_type.is_empty() {
            return Err(Failure::bad_request(format!(
                "Object's \"resource_type\" field must be defined for key {key:?}."
            )));
        }
        let kind = check.object.resource_type.as_str();
        let own = check.object.owner_id == "me"
            || state.user(actor, &check.object.owner_id).is_ok_and(|u| u.id == actor.id);
        let template = kind == "template" && (actor.manages_templates() || check.action == "read" && own);
        let reads = kind == "workspace" && check.action == "read" && actor.manages_templates();
        let allowed =
            TYPES.contains(&kind) && (actor.is_owner() || template || reads || kind == "workspace" && own);
        answers.insert(key, json!(allowed));
    }
    ok(Value::Object(answers))
}
