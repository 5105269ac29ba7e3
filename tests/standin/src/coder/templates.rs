//! `/templates`: list, read, create, delete.

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
use super::reply::{Answer, Failure, Json, body_id, created, ok, said};
use super::search::Terms;
use super::state::{State, Template, TemplateSettings};
use crate::clock::Instant;
use crate::query::{pairs, value};

/// What `activity_bump_ms` is when a template is created without one.
const ACTIVITY_BUMP_MS: i64 = 3_600_000;
/// Characters that the database has for an icon.
const ICON_LIMIT: usize = 256;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/templates", get(list))
        .route("/templates/{template}", get(read).patch(super::templatechanges::change).delete(delete))
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

/// A workspace's time until something happens has other names here than everywhere else.
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
    failure_ttl_ms: Option<i64>,
    dormant_ttl_ms: Option<i64>,
    delete_ttl_ms: Option<i64>,
    allow_user_autostart: Option<bool>,
    allow_user_autostop: Option<bool>,
    allow_user_cancel_workspace_jobs: Option<bool>,
    use_classic_parameter_flow: Option<bool>,
    #[serde(default)]
    require_active_version: bool,
}

impl CreateTemplate {
    fn check(&self) -> Result<(), Failure> {
        let mut failure = Failure::validation();
        if !is_name(&self.name) {
            failure = failure.tag("name", "template_name", &self.name);
        }
        if !is_display_name(&self.display_name) {
            failure = failure.tag("display_name", "template_display_name", &self.display_name);
        }
        if self.description.chars().count() >= 128 {
            failure = failure.tag("description", "lt", &self.description);
        }
        if self.template_version_id.is_nil() {
            failure = failure.tag("template_version_id", "required", self.template_version_id);
        }
        failure.if_fields()
    }

    fn check_times(&self) -> Result<(), Failure> {
        let mut failure = Failure::bad_request("Invalid create template request.");
        for (field, value) in [
            ("default_ttl_ms", self.default_ttl_ms),
            ("activity_bump_ms", self.activity_bump_ms),
            ("failure_ttl_ms", self.failure_ttl_ms),
            ("time_til_dormant_autodeletion_ms", self.dormant_ttl_ms),
            ("time_til_dormant_autodeletion_ms", self.delete_ttl_ms),
        ] {
            if value.is_some_and(|value| value < 0) {
                failure = failure.field(field, "Must be a positive integer.");
            }
        }
        failure.if_fields()
    }

    /// What is made of it; without a licence some of it is dropped without a word.
    fn settings(self, licensed: bool) -> TemplateSettings {
        let time = |asked: Option<i64>| asked.filter(|_| licensed).unwrap_or(0);
        TemplateSettings {
            display_name: self.display_name,
            description: self.description,
            icon: self.icon,
            deprecation_message: String::new(),
            default_ttl_ms: self.default_ttl_ms.unwrap_or(0),
            activity_bump_ms: self.activity_bump_ms.unwrap_or(ACTIVITY_BUMP_MS),
            failure_ttl_ms: time(self.failure_ttl_ms),
            time_til_dormant_ms: time(self.dormant_ttl_ms),
            time_til_dormant_autodelete_ms: time(self.delete_ttl_ms),
            allow_user_autostart: !licensed || self.allow_user_autostart.unwrap_or(true),
            allow_user_autostop: !licensed || self.allow_user_autostop.unwrap_or(true),
            allow_user_cancel_workspace_jobs: self.allow_user_cancel_workspace_jobs.unwrap_or(false),
            require_active_version: self.require_active_version && licensed,
            use_classic_parameter_flow: self.use_classic_parameter_flow.unwrap_or(false),
            cors_behavior: "simple".into(),
            autostop_requirement: json!({"days_of_week": [], "weeks": 1}),
            autostart_requirement: json!({"days_of_week": [
                "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
            ]}),
        }
    }
}

async fn create(
    Shared(app): Shared<App>,
    actor: Actor,
    Path(organization): Path<String>,
    Json(body): Json<CreateTemplate>,
) -> Answer {
    let mut state = app.state();
    let organization = state.organization(&organization)?.id;
    body.check()?;
    if state.template_named(organization, &body.name).is_some() {
        return Err(Failure::taken(format!("Template with name {:?} already exists.", body.name)));
    }
    let id = body.template_version_id;
    let refused =
        |failure: Failure, detail: &str| Err(failure.field("template_version_id", detail.to_owned()));
    let Some(version) = state.versions.get(id) else {
        let message = format!("Template version \"{id}\" does not exist.");
        return refused(Failure::new(StatusCode::NOT_FOUND, message), "Template version does not exist");
    };
    if version.template.is_none() && !actor.manages_templates() {
        return Err(unauthorized("Internal error fetching template version.", ""));
    }
    if version.archived {
        let message = format!("Template version {id} is archived.");
        return refused(Failure::bad_request(message), "Template version is archived");
    }
    if version.template.is_some() {
        let message = format!("Template version {id} is already part of a template");
        return refused(Failure::bad_request(message), "Template version is already part of a template");
    }
    body.check_times()?;
    if icon_is_too_long(&body.icon) {
        return Err(too_long("Internal error inserting template.", "insert template"));
    }
    let now = Instant::now();
    let template = Template {
        id: Uuid::new_v4(),
        organization,
        name: body.name.clone(),
        provisioner: version.provisioner.clone(),
        active_version: id,
        created_by: actor.id,
        created_at: now,
        updated_at: Instant::now(),
        settings: body.settings(state.config.licensed),
        deleted: false,
    };
    let version = state.versions.of_mut(id);
    version.template = Some(template.id);
    version.updated_at = template.updated_at;
    let answer = template_json(&state, &template);
    state.templates.insert(template);
    created(answer)
}

/// What coderd says when only its database knows that the caller may not. `step` is what it was doing.
pub(super) fn unauthorized(message: &str, step: &str) -> Failure {
    let detail = format!("{step}unauthorized: rbac: forbidden");
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message).detail(detail)
}

/// What coderd says when only its database knows how long a text may be.
pub(super) fn too_long(message: &str, step: &str) -> Failure {
    let detail =
        format!("execute transaction: {step}: pq: value too long for type character varying({ICON_LIMIT})");
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message).detail(detail)
}

/// Whether the database refuses this icon.
pub(super) fn icon_is_too_long(icon: &str) -> bool {
    icon.chars().count() > ICON_LIMIT
}

async fn delete(Shared(app): Shared<App>, actor: Actor, Path(template): Path<String>) -> Answer {
    let mut state = app.state();
    let id = state.template(&template)?.id;
    if state.workspaces.iter().any(|workspace| workspace.template == id && !workspace.deleted) {
        return Err(Failure::bad_request("All workspaces must be deleted before a template can be removed."));
    }
    if !actor.manages_templates() {
        return Err(Failure::no_permission());
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
pub(super) fn template_json(state: &State, template: &Template) -> Value {
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
        "cors_behavior": settings.cors_behavior,
        "use_classic_parameter_flow": settings.use_classic_parameter_flow,
    })
}
