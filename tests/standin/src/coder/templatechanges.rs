//! `PATCH /templates/{id}`.

use axum::extract::{Path, State as Shared};
use serde::Deserialize;
use serde_json::Value;

use super::App;
use super::auth::Actor;
use super::names::{is_display_name, is_name};
use super::reply::{Answer, Failure, Json, not_modified, ok};
use super::state::TemplateSettings;
use super::templates::{icon_is_too_long, template_json, too_long, unauthorized};
use crate::clock::Instant;

/// Shortest of the times after which workspaces are cleaned up.
const SHORTEST_MS: i64 = 60_000;

/// What is absent is reset, except the fields that are optional here.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ChangeTemplate {
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
    max_port_share_level: Option<String>,
    cors_behavior: Option<String>,
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
        if self.max_port_share_level.as_ref().is_some_and(|level| level != "public") {
            let detail = "Restricting port sharing level is an enterprise feature that is not enabled.";
            failure = failure.field("max_port_sharing_level", detail);
        }
        let cors = self.cors_behavior.as_deref().unwrap_or_default();
        if !["", "simple", "passthru"].contains(&cors) {
            let detail = format!("Invalid CORS behavior {cors:?}. Must be one of [simple, passthru]");
            failure = failure.field("cors_behavior", detail);
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
            cors_behavior: self
                .cors_behavior
                .filter(|cors| !cors.is_empty())
                .unwrap_or_else(|| held.cors_behavior.clone()),
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

pub(super) async fn change(
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
    const BROKEN: &str = "An internal server error occurred.";
    if !actor.manages_templates() {
        return Err(unauthorized(BROKEN, "execute transaction: update template metadata: "));
    }
    if state.template_named(organization, &name).is_some_and(|other| other.id != id) {
        return Err(Failure::taken(format!("Template with name {name:?} already exists.")));
    }
    if icon_is_too_long(&asked.icon) {
        return Err(too_long(BROKEN, "update template metadata"));
    }
    let settings = if state.config.licensed { asked } else { unlicensed(asked, &held) };
    let template = state.templates.of_mut(id);
    template.name = name;
    template.settings = settings;
    template.updated_at = Instant::now();
    ok(template_json(&state, state.templates.of(id)))
}
