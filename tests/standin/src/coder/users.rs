//! `/users`: the first user, logging in, people and their roles.

use axum::Router;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::App;
use super::auth::Actor;
use super::names::is_name;
use super::reply::{Answer, Failure, Json, created, no_content, nullable, ok, said};
use super::search::Page;
use super::state::{ApiKey, State, User};
use super::tokens::new_key;
use crate::clock::Instant;

/// Roles that exist: name and what people read.
const ROLES: [(&str, &str); 4] = [
    ("owner", "Owner"),
    ("template-admin", "Template Admin"),
    ("user-admin", "User Admin"),
    ("auditor", "Auditor"),
];

/// A session's lifetime.
const SESSION_SECONDS: i64 = 24 * 3600;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/users/first", get(has_first).post(create_first))
        .route("/users/login", post(login))
        .route("/users/logout", post(logout))
        .route("/users", get(list).post(create))
        .route("/users/{user}", get(read).delete(delete))
        .route("/users/{user}/login-type", get(login_type))
        .route("/users/{user}/organizations", get(organizations))
        .route("/users/{user}/password", put(change_password))
        .route("/users/{user}/roles", get(roles).put(change_roles))
        .route("/users/{user}/status/suspend", put(suspend))
        .route("/users/{user}/status/activate", put(activate))
}

async fn has_first(Shared(app): Shared<App>) -> Answer {
    match app.state().users.iter().len() {
        0 => Err(Failure::new(StatusCode::NOT_FOUND, "The initial user has not been created!")),
        _ => said("The initial user has already been created!"),
    }
}

#[derive(Deserialize)]
struct CreateUser {
    #[serde(default)]
    email: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    login_type: String,
    #[serde(default)]
    user_status: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    organization_ids: Vec<Uuid>,
}

impl CreateUser {
    fn check(&self) -> Result<(), Failure> {
        let mut failure = Failure::validation();
        if !self.email.contains('@') {
            let tag = if self.email.is_empty() { "required" } else { "email" };
            failure = failure.tag("email", tag, &self.email);
        }
        if !is_name(&self.username) {
            let tag = if self.username.is_empty() { "required" } else { "username" };
            failure = failure.tag("username", tag, &self.username);
        }
        failure.if_fields()
    }

    fn into_user(self, now: Instant, organizations: Vec<Uuid>) -> User {
        let login_type = if self.login_type.is_empty() { "password".into() } else { self.login_type };
        User {
            id: Uuid::new_v4(),
            username: self.username,
            name: self.name,
            email: self.email,
            password: self.password,
            login_type,
            status: self.user_status.unwrap_or_else(|| "dormant".into()),
            created_at: now,
            updated_at: now,
            last_seen_at: None,
            roles: Vec::new(),
            organizations,
            deleted: false,
        }
    }
}

async fn create_first(Shared(app): Shared<App>, Json(body): Json<CreateUser>) -> Answer {
    if body.password.is_empty() {
        let mut failure = Failure::validation();
        if let Err(others) = body.check() {
            failure = others;
        }
        return Err(failure.tag("password", "required", ""));
    }
    body.check()?;
    let mut state = app.state();
    if state.users.iter().len() > 0 {
        return Err(Failure::conflict("The initial user has already been created."));
    }
    let organization = state.default_organization().id;
    let all = state.organizations.iter().map(|organization| organization.id).collect();
    let mut user = body.into_user(Instant::now(), all);
    user.status = "active".into();
    user.roles = vec!["owner".into()];
    let id = user.id;
    state.users.insert(user);
    created(json!({"user_id": id, "organization_id": organization}))
}

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
}

async fn login(Shared(app): Shared<App>, Json(body): Json<Login>) -> Answer {
    let mut state = app.state();
    let known = |user: &&User| {
        !user.deleted
            && user.login_type == "password"
            && user.email == body.email
            && user.password == body.password
    };
    let user = state.users.iter().find(known).map(|user| user.id);
    let user = user.ok_or_else(|| Failure::new(StatusCode::UNAUTHORIZED, "Incorrect email or password."))?;
    let key = new_key(user, String::new(), "password", SESSION_SECONDS);
    let token = token_of(&key);
    state.keys.push(key);
    created(json!({"session_token": token}))
}

fn token_of(key: &ApiKey) -> String {
    format!("{}-{}", key.id, key.secret)
}

async fn logout(_: Actor) -> Answer {
    said("Logged out!")
}

async fn create(Shared(app): Shared<App>, actor: Actor, Json(body): Json<CreateUser>) -> Answer {
    body.check()?;
    if !actor.is_owner() {
        return Err(Failure::forbidden("You are not authorized to create users."));
    }
    if body.organization_ids.is_empty() {
        return Err(Failure::bad_request(
            "No organization specified to place the user as a member of. It is required to specify at least one \
             organization id to place the user in.",
        )
        .detail("required at least 1 value for the array 'organization_ids'")
        .field("organization_ids", "Missing values, this cannot be empty"));
    }
    let mut state = app.state();
    let taken = |user: &User| {
        !user.deleted && (user.username.eq_ignore_ascii_case(&body.username) || user.email == body.email)
    };
    if state.users.iter().any(taken) {
        return Err(Failure::conflict("User already exists."));
    }
    for id in &body.organization_ids {
        if state.organizations.get(*id).is_none() {
            return Err(Failure::new(
                StatusCode::NOT_FOUND,
                format!("Organization does not exist with the provided id \"{id}\"."),
            ));
        }
    }
    let organizations = body.organization_ids.clone();
    let user = body.into_user(Instant::now(), organizations);
    let answer = user_json(&user);
    state.users.insert(user);
    created(answer)
}

async fn list(Shared(app): Shared<App>, actor: Actor, RawQuery(query): RawQuery) -> Answer {
    let page = Page::parse(query.as_deref())?;
    let state = app.state();
    let search = page.query("q").unwrap_or_default().to_lowercase();
    let matches = |user: &&User| {
        !user.deleted
            && actor.acts_for(user.id)
            && (user.username.to_lowercase().contains(&search) || user.email.to_lowercase().contains(&search))
    };
    let mut users: Vec<&User> = state.users.iter().filter(matches).collect();
    users.sort_by_key(|user| user.username.to_lowercase());
    let count = users.len();
    let users: Vec<Value> = page.cut(users).into_iter().map(user_json).collect();
    ok(json!({"users": users, "count": count}))
}

async fn read(Shared(app): Shared<App>, actor: Actor, Path(user): Path<String>) -> Answer {
    ok(user_json(app.state().user(actor, &user)?))
}

async fn delete(Shared(app): Shared<App>, actor: Actor, Path(user): Path<String>) -> Answer {
    let mut state = app.state();
    let id = state.user(actor, &user)?.id;
    if !actor.is_owner() {
        return Err(Failure::forbidden("Forbidden."));
    }
    if id == actor.id {
        return Err(Failure::forbidden("You cannot delete yourself!"));
    }
    if state.workspaces.iter().any(|workspace| workspace.owner == id && !workspace.deleted) {
        return Err(Failure::new(
            StatusCode::EXPECTATION_FAILED,
            "You cannot delete a user that has workspaces. Delete their workspaces and try again!",
        ));
    }
    state.users.of_mut(id).deleted = true;
    state.keys.retain(|key| key.user != id);
    said("User has been deleted!")
}

async fn login_type(Shared(app): Shared<App>, actor: Actor, Path(user): Path<String>) -> Answer {
    ok(json!({"login_type": app.state().user(actor, &user)?.login_type}))
}

async fn organizations(Shared(app): Shared<App>, actor: Actor, Path(user): Path<String>) -> Answer {
    let state = app.state();
    let user = state.user(actor, &user)?;
    let organizations =
        user.organizations.iter().map(|id| super::organizations::json(state.organizations.of(*id)));
    ok(organizations.collect())
}

#[derive(Deserialize)]
struct ChangePassword {
    password: String,
}

async fn change_password(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(user): Path<String>,
    Json(body): Json<ChangePassword>,
) -> Answer {
    let mut state = app.state();
    let id = state.user(actor, &user)?.id;
    state.users.of_mut(id).password = body.password;
    no_content()
}

async fn roles(Shared(app): Shared<App>, actor: Actor, Path(user): Path<String>) -> Answer {
    let state = app.state();
    let user = state.user(actor, &user)?;
    let organizations: Map<String, Value> =
        user.organizations.iter().map(|organization| (organization.to_string(), json!([]))).collect();
    ok(json!({"roles": user.roles, "organization_roles": organizations}))
}

#[derive(Deserialize)]
struct ChangeRoles {
    roles: Vec<String>,
}

async fn change_roles(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(user): Path<String>,
    Json(body): Json<ChangeRoles>,
) -> Answer {
    let mut state = app.state();
    let id = state.user(actor, &user)?.id;
    if id == actor.id {
        return Err(Failure::bad_request("You cannot change your own roles."));
    }
    if !actor.is_owner() {
        return Err(Failure::not_found());
    }
    if let Some(unknown) = body.roles.iter().find(|role| ROLES.iter().all(|(name, _)| name != role)) {
        return Err(Failure::bad_request(format!("{unknown:?} is not a supported role")));
    }
    let user = state.users.of_mut(id);
    user.roles = body.roles;
    ok(user_json(user))
}

async fn suspend(app: Shared<App>, actor: Actor, user: Path<String>) -> Answer {
    change_status(app, actor, user, "suspended")
}

async fn activate(app: Shared<App>, actor: Actor, user: Path<String>) -> Answer {
    change_status(app, actor, user, "active")
}

fn change_status(Shared(app): Shared<App>, actor: Actor, Path(user): Path<String>, status: &str) -> Answer {
    let mut state = app.state();
    let id = state.user(actor, &user)?.id;
    if id == actor.id {
        return Err(Failure::bad_request("You cannot suspend yourself."));
    }
    let user = state.users.of_mut(id);
    user.status = status.into();
    user.updated_at = Instant::now();
    ok(user_json(user))
}

/// `codersdk.User`.
pub(super) fn user_json(user: &User) -> Value {
    let roles: Vec<Value> = ROLES
        .iter()
        .filter(|(name, _)| user.roles.iter().any(|role| role == name))
        .map(|(name, display_name)| json!({"name": name, "display_name": display_name}))
        .collect();
    let mut object = minimal(user);
    object.insert("email".into(), json!(user.email));
    object.insert("created_at".into(), json!(user.created_at));
    object.insert("updated_at".into(), json!(user.updated_at));
    object.insert(
        "last_seen_at".into(),
        user.last_seen_at.map_or(json!("0001-01-01T00:00:00Z"), |at| json!(at)),
    );
    object.insert("status".into(), json!(user.status));
    object.insert("login_type".into(), json!(user.login_type));
    object.insert("organization_ids".into(), json!(user.organizations));
    object.insert("roles".into(), json!(roles));
    Value::Object(object)
}

/// `codersdk.MinimalUser` of the author of something.
pub(super) fn minimal_json(state: &State, user: Uuid) -> Value {
    Value::Object(minimal(state.users.of(user)))
}

fn minimal(user: &User) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("id".into(), json!(user.id));
    object.insert("username".into(), json!(user.username));
    if !user.name.is_empty() {
        object.insert("name".into(), json!(user.name));
    }
    object
}
