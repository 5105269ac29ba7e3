//! `/templates`: list, read, create, change, delete.

use axum::Router;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::App;
use super::auth::Actor;
use super::names::{is_display_name, is_name};
use super::reply::{Answer, Failure, Json, body_id, created, not_modified, ok, said};
use super::search::Terms;
use super::state::{State, Template, TemplateSettings};
use crate::clock::Instant;
use crate::query::{pairs, value};

/// What `activity_bump_ms` is when a template is created without one.
const ACTIVITY_BUMP_MS: i64 = 3_600_000;
/// Shortest of the times after which workspaces are cleaned up.
const SHORTEST_MS: i64 = 60_000;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/templates", get(list))
        .route("/templates/{template}", get(read).patch(change).delete(delete))
        .route("/organizations/{organization}/templates", get(list_of).merge(post(create)))
        .route("/organizations/{organization}/templates/{template}", get(read_by_name))
}

async fn list(Shared(app): Shared<App>, _: Actor, RawQuery(query): RawQuery) -> Answer {
    let state = app.state();
    search(&state, None, query.as_deref())
}

async fn list_of(
    Shared(app): Shared<App>,
    _: Actor,
    Path(organization): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let state = app.state();
    let organization = state.organization(&organization)?.id;
    search(&state, Some(organization), query.as_deref())
}

fn search(state: &State, within: Option<Uuid>, query: Option<&str>) -> Answer {
    let query = pairs(query);
    let query = value(&query, "q").unwrap_or_default();
    let word = |word: &str| Ok(vec![("display_name", word.to_owned())]);
    let mut terms = Terms::parse(query, "Invalid template search query.", word)?;
    let organization = terms.organization(state);
    let exact = terms.text("exact_name");
    let name = terms.text("name");
    let display_name = terms.text("display_name");
    let deprecated = terms.boolean("deprecated");
    let ids = terms.ids("ids");
    terms.done()?;
    let matches = |template: &&Template| {
        let shown = match template.settings.display_name.as_str() {
            "" => template.name.to_lowercase(),
            shown => shown.to_lowercase(),
        };
        !template.deleted
            && within.is_none_or(|id| template.organization == id)
            && organization.is_none_or(|id| template.organization == id)
            && exact.as_ref().is_none_or(|exact| template.name.eq_ignore_ascii_case(exact))
            && name.as_ref().is_none_or(|part| template.name.to_lowercase().contains(part))
            && display_name.as_ref().is_none_or(|part| shown.contains(part))
            && (ids.is_empty() || ids.contains(&template.id))
            && template.settings.deprecation_message.is_empty() != deprecated.unwrap_or(false)
    };
    let mut templates: Vec<&Template> = state.templates.iter().filter(matches).collect();
    templates.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    ok(templates.into_iter().map(|template| template_json(state, template)).collect())
}

async fn read(Shared(app): Shared<App>, _: Actor, Path(template): Path<String>) -> Answer {
    let state = app.state();
    ok(template_json(&state, state.template(&template)?))
}

async fn read_by_name(
    Shared(app): Shared<App>,
    _: Actor,
    Path((organization, template)): Path<(String, String)>,
) -> Answer {
    let state = app.state();
    let organization = state.organization(&organization)?.id;
    let template = state.template_named(organization, &template).ok_or_else(Failure::not_found)?;
    ok(template_json(&state, template))
}

#[derive(Deserialize)]
struct CreateTemplate {
    #[serde(default)]
    name: String,
    #[serde(default, deserialize_with = "body_id")]
    template_version_id: Uuid,
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    icon: String,
    default_ttl_ms: Option<i64>,
    activity_bump_ms: Option<i64>,
    allow_user_cancel_workspace_jobs: Option<bool>,
    #[serde(default)]
    require_active_version: bool,
}

async fn create(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(organization): Path<String>,
    Json(body): Json<CreateTemplate>,
) -> Answer {
    let mut failure = Failure::validation();
    if !is_name(&body.name) {
        failure = failure.tag("name", "template_name", &body.name);
    }
    if !is_display_name(&body.display_name) {
        failure = failure.tag("display_name", "template_display_name", &body.display_name);
    }
    if body.description.chars().count() >= 128 {
        failure = failure.tag("description", "lt", &body.description);
    }
    if body.template_version_id.is_nil() {
        failure = failure.tag("template_version_id", "required", body.template_version_id);
    }
    failure.if_fields()?;
    let mut state = app.state();
    let organization = state.organization(&organization)?.id;
    if state.template_named(organization, &body.name).is_some() {
        return Err(Failure::taken(format!("Template with name {:?} already exists.", body.name)));
    }
    let id = body.template_version_id;
    let Some(version) = state.versions.get(id) else {
        return Err(Failure::new(
            StatusCode::NOT_FOUND,
            format!("Template version \"{id}\" does not exist."),
        )
        .field("template_version_id", "Template version does not exist"));
    };
    if version.template.is_some() {
        return Err(Failure::bad_request(format!("Template version {id} is already part of a template"))
            .field("template_version_id", "Template version is already part of a template"));
    }
    if !actor.manages_templates() {
        return Err(Failure::not_found());
    }
    if body.default_ttl_ms.is_some_and(|ttl| ttl < 0) {
        return Err(Failure::bad_request("Invalid create template request.")
            .field("default_ttl_ms", "Must be a positive integer."));
    }
    let now = Instant::now();
    let template = Template {
        id: Uuid::new_v4(),
        organization,
        name: body.name,
        provisioner: version.provisioner.clone(),
        active_version: id,
        created_by: actor.id,
        created_at: now,
        updated_at: Instant::now(),
        settings: TemplateSettings {
            display_name: body.display_name,
            description: body.description,
            icon: body.icon,
            deprecation_message: String::new(),
            default_ttl_ms: body.default_ttl_ms.unwrap_or(0),
            activity_bump_ms: body.activity_bump_ms.unwrap_or(ACTIVITY_BUMP_MS),
            failure_ttl_ms: 0,
            time_til_dormant_ms: 0,
            time_til_dormant_autodelete_ms: 0,
            allow_user_autostart: true,
            allow_user_autostop: true,
            allow_user_cancel_workspace_jobs: body.allow_user_cancel_workspace_jobs.unwrap_or(false),
            require_active_version: body.require_active_version && state.config.licensed,
            use_classic_parameter_flow: false,
            autostop_requirement: json!({"days_of_week": [], "weeks": 1}),
            autostart_requirement: json!({"days_of_week": [
                "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
            ]}),
        },
        deleted: false,
    };
    let version = state.versions.of_mut(id);
    version.template = Some(template.id);
    version.updated_at = template.updated_at;
    let answer = template_json(&state, &template);
    state.templates.insert(template);
    created(answer)
}

/// What is absent is reset, except the fields that are optional here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ChangeTemplate {
    name: String,
    display_name: Option<String>,
    description: Option<String>,
    icon: Option<String>,
    deprecation_message: Option<String>,
    default_ttl_ms: i64,
    activity_bump_ms: i64,
    failure_ttl_ms: i64,
    time_til_dormant_ms: i64,
    time_til_dormant_autodelete_ms: i64,
    allow_user_autostart: bool,
    allow_user_autostop: bool,
    allow_user_cancel_workspace_jobs: bool,
    require_active_version: bool,
    use_classic_parameter_flow: Option<bool>,
    autostop_requirement: Option<Value>,
    autostart_requirement: Option<Value>,
}

impl ChangeTemplate {
    fn check(&self) -> Result<(), Failure> {
        if !self.name.is_empty() && !is_name(&self.name) {
            return Err(Failure::validation().tag("name", "template_name", &self.name));
        }
        if let Some(name) = self.display_name.as_ref().filter(|name| !is_display_name(name)) {
            return Err(Failure::validation().tag("display_name", "template_display_name", name));
        }
        let mut failure = Failure::bad_request("Invalid request to update template metadata!");
        for (field, value) in
            [("default_ttl_ms", self.default_ttl_ms), ("activity_bump_ms", self.activity_bump_ms)]
        {
            if value < 0 {
                failure = failure.field(field, "Must be a positive integer.");
            }
        }
        for (field, value) in [
            ("failure_ttl_ms", self.failure_ttl_ms),
            ("time_til_dormant_ms", self.time_til_dormant_ms),
            ("time_til_dormant_autodelete_ms", self.time_til_dormant_autodelete_ms),
        ] {
            if value != 0 && value < SHORTEST_MS {
                failure = failure.field(field, "Value must be at least one minute.");
            }
        }
        failure.if_fields()
    }

    /// What is asked for.
    fn over(self, held: &TemplateSettings) -> TemplateSettings {
        TemplateSettings {
            display_name: self.display_name.unwrap_or_else(|| held.display_name.clone()),
            description: self.description.unwrap_or_else(|| held.description.clone()),
            icon: self.icon.unwrap_or_else(|| held.icon.clone()),
            deprecation_message: self.deprecation_message.unwrap_or_else(|| held.deprecation_message.clone()),
            default_ttl_ms: self.default_ttl_ms,
            activity_bump_ms: self.activity_bump_ms,
            failure_ttl_ms: self.failure_ttl_ms,
            time_til_dormant_ms: self.time_til_dormant_ms,
            time_til_dormant_autodelete_ms: self.time_til_dormant_autodelete_ms,
            allow_user_autostart: self.allow_user_autostart,
            allow_user_autostop: self.allow_user_autostop,
            allow_user_cancel_workspace_jobs: self.allow_user_cancel_workspace_jobs,
            require_active_version: self.require_active_version,
            use_classic_parameter_flow: self
                .use_classic_parameter_flow
                .unwrap_or(held.use_classic_parameter_flow),
            autostop_requirement: self
                .autostop_requirement
                .unwrap_or_else(|| held.autostop_requirement.clone()),
            autostart_requirement: self
                .autostart_requirement
                .unwrap_or_else(|| held.autostart_requirement.clone()),
        }
    }
}

/// What coderd keeps of what is asked for, when it has no licence.
fn unlicensed(asked: TemplateSettings, held: &TemplateSettings) -> TemplateSettings {
    TemplateSettings {
        deprecation_message: held.deprecation_message.clone(),
        failure_ttl_ms: held.failure_ttl_ms,
        time_til_dormant_ms: held.time_til_dormant_ms,
        time_til_dormant_autodelete_ms: held.time_til_dormant_autodelete_ms,
        allow_user_autostart: held.allow_user_autostart,
        allow_user_autostop: held.allow_user_autostop,
        require_active_version: held.require_active_version,
        autostop_requirement: held.autostop_requirement.clone(),
        autostart_requirement: held.autostart_requirement.clone(),
        ..asked
    }
}

async fn change(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(template): Path<String>,
    Json(body): Json<ChangeTemplate>,
) -> Answer {
    let mut state = app.state();
    let held = state.template(&template)?;
    body.check()?;
    let (id, organization, old_name) = (held.id, held.organization, held.name.clone());
    let (name, named) = match body.name.as_str() {
        "" => (old_name.clone(), false),
        name => (name.to_owned(), true),
    };
    let held = held.settings.clone();
    let asked = body.over(&held);
    // An absent name is another name to coderd, so that only a request that repeats it changes nothing.
    if named && name == old_name && asked == held {
        return not_modified();
    }
    if !actor.manages_templates() {
        let detail = "execute transaction: update template metadata: unauthorized: rbac: forbidden";
        let message = "An internal server error occurred.";
        return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message).detail(detail));
    }
    if state.template_named(organization, &name).is_some_and(|other| other.id != id) {
        return Err(Failure::taken(format!("Template with name {name:?} already exists.")));
    }
    let settings = if state.config.licensed { asked } else { unlicensed(asked, &held) };
    let template = state.templates.of_mut(id);
    template.name = name;
    template.settings = settings;
    template.updated_at = Instant::now();
    ok(template_json(&state, state.templates.of(id)))
}

async fn delete(Shared(app): Shared<App>, actor: Actor, Path(template): Path<String>) -> Answer {
    let mut state = app.state();
    let id = state.template(&template)?.id;
    if state.workspaces.iter().any(|workspace| workspace.template == id && !workspace.deleted) {
        return Err(Failure::bad_request("All workspaces must be deleted before a template can be removed."));
    }
    if !actor.manages_templates() {
        return Err(Failure::not_found());
    }
    state.templates.of_mut(id).deleted = true;
    said("Template has been deleted!")
}

impl State {
    /// A live template by name.
    pub(super) fn template_named(&self, organization: Uuid, name: &str) -> Option<&Template> {
        let mut templates = self.templates.iter();
        templates.find(|template| {
            !template.deleted
                && template.organization == organization
                && template.name.eq_ignore_ascii_case(name)
        })
    }
}

/// `codersdk.Template`.
fn template_json(state: &State, template: &Template) -> Value {
    let organization = state.organizations.of(template.organization);
    let settings = &template.settings;
    let never = json!({"P50": null, "P95": null});
    json!({
        "id": template.id,
        "created_at": template.created_at,
        "updated_at": template.updated_at,
        "organization_id": organization.id,
        "organization_name": organization.name,
        "organization_display_name": organization.display_name,
        "organization_icon": "",
        "name": template.name,
        "display_name": settings.display_name,
        "provisioner": template.provisioner,
        "active_version_id": template.active_version,
        "active_user_count": 0,
        "build_time_stats": {"delete": never, "start": never, "stop": never},
        "description": settings.description,
        "deprecated": !settings.deprecation_message.is_empty(),
        "deprecation_message": settings.deprecation_message,
        "icon": settings.icon,
        "default_ttl_ms": settings.default_ttl_ms,
        "activity_bump_ms": settings.activity_bump_ms,
        "autostop_requirement": settings.autostop_requirement,
        "autostart_requirement": settings.autostart_requirement,
        "created_by_id": template.created_by,
        "created_by_name": state.users.of(template.created_by).username,
        "allow_user_autostart": settings.allow_user_autostart,
        "allow_user_autostop": settings.allow_user_autostop,
        "allow_user_cancel_workspace_jobs": settings.allow_user_cancel_workspace_jobs,
        "failure_ttl_ms": settings.failure_ttl_ms,
        "time_til_dormant_ms": settings.time_til_dormant_ms,
        "time_til_dormant_autodelete_ms": settings.time_til_dormant_autodelete_ms,
        "require_active_version": settings.require_active_version,
        "max_port_share_level": "public",
        "cors_behavior": "simple",
        "use_classic_parameter_flow": settings.use_classic_parameter_flow,
    })
}
