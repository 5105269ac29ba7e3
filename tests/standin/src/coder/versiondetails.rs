//! `/templateversions/{id}/…`: what an import found.

use axum::Router;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Map, Value, json};

use echo_archive::proto::{RichParameter, form_type_name};

use super::App;
use super::auth::Actor;
use super::builds::log_answer;
use super::jobs::resources_json;
use super::reply::{Answer, Failure, ok};
use super::state::{State, Version};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/templateversions/{version}/logs", get(logs))
        .route("/templateversions/{version}/rich-parameters", get(rich_parameters))
        .route("/templateversions/{version}/presets", get(presets))
        .route("/templateversions/{version}/variables", get(variables))
        .route("/templateversions/{version}/resources", get(resources))
        .route("/templateversions/{version}/external-auth", get(none))
        .route("/templateversions/{version}/parameters", get(none))
        .route("/templateversions/{version}/schema", get(none))
}

async fn logs(
    Shared(app): Shared<App>,
    _: Actor,
    Path(version): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let state = app.state();
    log_answer(state.jobs.of(state.version(&version)?.job), query.as_deref())
}

async fn rich_parameters(Shared(app): Shared<App>, _: Actor, Path(version): Path<String>) -> Answer {
    let state = app.state();
    let version = state.version(&version)?;
    if !state.imported(version) {
        return Err(Failure::new(StatusCode::TOO_EARLY, "Template version job has not finished"));
    }
    ok(version.parameters.iter().map(parameter_json).collect())
}

async fn presets(Shared(app): Shared<App>, _: Actor, Path(version): Path<String>) -> Answer {
    let state = app.state();
    let version = state.version(&version)?;
    if version.presets.is_empty() {
        return ok(Value::Null);
    }
    let presets = version.presets.iter().map(|preset| {
        let parameters: Vec<Value> = preset
            .content
            .parameters
            .iter()
            .map(|parameter| json!({"Name": parameter.name, "Value": parameter.value}))
            .collect();
        json!({
            "ID": preset.id,
            "Name": preset.content.name,
            "Parameters": parameters,
            "Default": preset.content.default,
            "DesiredPrebuildInstances": null,
            "Description": preset.content.description,
            "Icon": preset.content.icon,
        })
    });
    ok(presets.collect())
}

async fn variables(Shared(app): Shared<App>, _: Actor, Path(version): Path<String>) -> Answer {
    let state = app.state();
    let version = state.version(&version)?;
    if !state.imported(version) {
        return Err(Failure::forbidden("Template version job has not finished"));
    }
    let variables = version.variables.iter().map(|variable| {
        let value = version.variable_values.get(&variable.name).unwrap_or(&variable.default_value);
        let shown = |text: &str| if variable.sensitive { String::new() } else { text.to_owned() };
        json!({
            "name": variable.name,
            "description": variable.description,
            "type": variable.r#type,
            "value": shown(value),
            "default_value": shown(&variable.default_value),
            "required": variable.required,
            "sensitive": variable.sensitive,
        })
    });
    ok(variables.collect())
}

async fn resources(Shared(app): Shared<App>, _: Actor, Path(version): Path<String>) -> Answer {
    let state = app.state();
    let version = state.version(&version)?;
    if !state.imported(version) {
        return Err(Failure::bad_request("Job hasn't completed!"));
    }
    ok(resources_json(&state, state.jobs.of(version.job)))
}

async fn none(Shared(app): Shared<App>, _: Actor, Path(version): Path<String>) -> Answer {
    app.state().version(&version)?;
    ok(json!([]))
}

impl State {
    /// Whether a version's import is at its end, well or not.
    pub(super) fn imported(&self, version: &Version) -> bool {
        self.jobs.of(version.job).completed_at.is_some()
    }
}

/// `codersdk.TemplateVersionParameter`.
fn parameter_json(parameter: &RichParameter) -> Value {
    let mut object = Map::new();
    object.insert("name".into(), json!(parameter.name));
    if !parameter.display_name.is_empty() {
        object.insert("display_name".into(), json!(parameter.display_name));
    }
    object.insert("description".into(), json!(parameter.description));
    object.insert("description_plaintext".into(), json!(parameter.description));
    object.insert("type".into(), json!(parameter.r#type));
    object.insert("form_type".into(), json!(form_type_name(parameter.form_type)));
    object.insert("mutable".into(), json!(parameter.mutable));
    object.insert("default_value".into(), json!(parameter.default_value));
    object.insert("icon".into(), json!(parameter.icon));
    object.insert("options".into(), options_json(parameter));
    for (name, text) in
        [("validation_error", &parameter.validation_error), ("validation_regex", &parameter.validation_regex)]
    {
        if !text.is_empty() {
            object.insert(name.into(), json!(text));
        }
    }
    for (name, bound) in
        [("validation_min", parameter.validation_min), ("validation_max", parameter.validation_max)]
    {
        if let Some(bound) = bound {
            object.insert(name.into(), json!(bound));
        }
    }
    if !parameter.validation_monotonic.is_empty() {
        object.insert("validation_monotonic".into(), json!(parameter.validation_monotonic));
    }
    object.insert("required".into(), json!(parameter.required));
    object.insert("ephemeral".into(), json!(parameter.ephemeral));
    Value::Object(object)
}

fn options_json(parameter: &RichParameter) -> Value {
    let options = parameter.options.iter().map(|option| {
        json!({"name": option.name, "description": option.description, "value": option.value, "icon": option.icon})
    });
    options.collect()
}
