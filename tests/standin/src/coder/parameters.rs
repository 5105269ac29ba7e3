//! Parameters of builds: evaluated for a form, and resolved for a build, as coderd's dynamic parameters do. Of the
//! validations only type, options and range are here.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::routing::post;
use echo_archive::proto::{PresetParameter, RichParameter, form_type_name};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::App;
use super::auth::Actor;
use super::jobs::Status;
use super::reply::{Answer, Failure, Json, body_id, nullable, ok};
use super::state::{Build, State, Version};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/templateversions/{version}/dynamic-parameters/evaluate", post(evaluate))
}

/// One name and value in a request.
#[derive(Deserialize)]
pub(super) struct NamedValue {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: String,
}

#[derive(Deserialize)]
struct Evaluate {
    #[serde(default, deserialize_with = "nullable")]
    inputs: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "body_id")]
    owner_id: Uuid,
}

async fn evaluate(
    Shared(app): Shared<App>,
    _: Actor,
    Path(version): Path<String>,
    Json(body): Json<Evaluate>,
) -> Answer {
    let state = app.state();
    let version = state.version(&version)?;
    if !state.imported(version) {
        return Err(Failure::new(StatusCode::TOO_EARLY, "Template version job has not finished"));
    }
    if state.jobs.of(version.job).status() != Status::Succeeded {
        return ok(json!({
            "id": 0,
            "diagnostics": [diagnostic(
                "warning",
                "This template version is missing required metadata to support dynamic parameters.",
                "To restore full functionality, please re-import the terraform as a new template version.",
                "",
            )],
            "parameters": [],
        }));
    }
    // Deleted users are found by their ids.
    if state.users.get(body.owner_id).is_none() {
        let summary = "Failed to fetch workspace owner";
        let detail = "Please check your permissions or the user may not exist.";
        let diagnostics = [diagnostic("error", summary, detail, "owner_not_found")];
        return ok(json!({"id": 0, "diagnostics": diagnostics, "parameters": null}));
    }
    let parameters: Vec<Value> = version
        .parameters
        .iter()
        .map(|parameter| evaluated(parameter, body.inputs.get(&parameter.name)))
        .collect();
    ok(json!({"id": 0, "diagnostics": [], "parameters": parameters}))
}

fn evaluated(parameter: &RichParameter, input: Option<&String>) -> Value {
    let default = (!parameter.required).then_some(&parameter.default_value);
    let value = input.or(default);
    let diagnostics: Vec<Value> = problems(parameter, value.map(String::as_str))
        .into_iter()
        .map(|problem| diagnostic("error", &problem.summary, &problem.detail, problem.code))
        .collect();
    let absent = format!("data.coder_parameter.{}.value", parameter.name);
    let options: Vec<Value> = parameter
        .options
        .iter()
        .map(|option| {
            json!({
                "name": option.name,
                "description": option.description,
                "value": {"value": option.value, "valid": true},
                "icon": option.icon,
            })
        })
        .collect();
    let bounded = parameter.validation_min.is_some() || parameter.validation_max.is_some();
    let validations = bounded.then(|| {
        json!({
            "validation_error": parameter.validation_error,
            "validation_regex": null,
            "validation_min": parameter.validation_min,
            "validation_max": parameter.validation_max,
            "validation_monotonic": null,
        })
    });
    let validations: Vec<Value> = validations.into_iter().collect();
    json!({
        "name": parameter.name,
        "display_name": parameter.display_name,
        "description": parameter.description,
        "type": parameter.r#type,
        "form_type": form_type_name(parameter.form_type),
        "styling": {},
        "mutable": parameter.mutable,
        "default_value": {"value": default.map_or("", String::as_str), "valid": default.is_some()},
        "icon": parameter.icon,
        "options": options,
        "validations": validations,
        "required": parameter.required,
        "order": parameter.order,
        "ephemeral": parameter.ephemeral,
        "value": {"value": value.unwrap_or(&absent), "valid": value.is_some()},
        "diagnostics": diagnostics,
    })
}

fn diagnostic(severity: &str, summary: &str, detail: &str, code: &str) -> Value {
    json!({"severity": severity, "summary": summary, "detail": detail, "extra": {"code": code}})
}

/// The values of a build: given ones (of duplicates the last wins, unknown ones are dropped), over those of the build
/// before, over defaults; and a preset over all of them.
pub(super) fn resolve(
    state: &State,
    version: &Version,
    preset: Option<Uuid>,
    given: &[NamedValue],
    last: Option<&Build>,
) -> Result<BTreeMap<String, String>, Failure> {
    let given: BTreeMap<&str, &str> =
        given.iter().map(|value| (value.name.as_str(), value.value.as_str())).collect();
    let preset: BTreeMap<&str, &str> = match preset {
        None => BTreeMap::new(),
        Some(id) => {
            let presets = state.versions.iter().flat_map(|version| &version.presets);
            let preset = presets.into_iter().find(|preset| preset.id == id).ok_or_else(|| {
                Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "failed to fetch preset parameter values")
                    .detail("failed to get preset parameters: sql: no rows in result set")
            })?;
            preset
                .content
                .parameters
                .iter()
                .map(|value| (value.name.as_str(), value.value.as_str()))
                .collect()
        }
    };
    let mut failure = Failure::bad_request("Unable to validate parameters");
    let mut values = BTreeMap::new();
    for parameter in &version.dynamic_parameters {
        let name = parameter.name.as_str();
        let before = last.and_then(|build| build.parameters.get(name)).map(String::as_str);
        let kept = before.filter(|_| !parameter.ephemeral);
        let asked = preset.get(name).or_else(|| given.get(name)).copied();
        let default = (!parameter.required).then_some(parameter.default_value.as_str());
        let value = asked.or(kept).or(default);
        let mut problems = problems(parameter, value);
        if !parameter.mutable && before.is_some_and(|before| Some(before) != value) {
            problems.insert(0, Problem::immutable(name));
        }
        if let Some(first) = problems.first() {
            let others = match problems.len() - 1 {
                0 => String::new(),
                others => format!(", and {others} other diagnostic(s)"),
            };
            failure.push(name, format!("{}; {}{others}", first.summary, first.detail));
        } else if let Some(value) = value {
            values.insert(name.to_owned(), value.to_owned());
        }
    }
    failure.if_fields()?;
    Ok(values)
}

/// The preset that values amount to: the largest of those whose every value they have.
pub(super) fn matching_preset(version: &Version, has: impl Fn(&str, &str) -> bool) -> Option<Uuid> {
    let holds = |parameter: &PresetParameter| has(&parameter.name, &parameter.value);
    let matching = version.presets.iter().filter(|preset| preset.content.parameters.iter().all(holds));
    matching.max_by_key(|preset| preset.content.parameters.len()).map(|preset| preset.id)
}

/// Something that is wrong with a value.
struct Problem {
    summary: String,
    detail: String,
    code: &'static str,
}

impl Problem {
    fn new(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { summary: summary.into(), detail: detail.into(), code: "" }
    }

    fn immutable(name: &str) -> Self {
        let detail =
            format!("Parameter {name:?} is not mutable, so it can't be updated after creating a workspace.");
        Self::new("Immutable parameter changed", detail)
    }
}

/// What is wrong with a value. One that is missing is judged as an empty one too, if there are rules for it.
fn problems(parameter: &RichParameter, value: Option<&str>) -> Vec<Problem> {
    let bounded = parameter.validation_min.is_some() || parameter.validation_max.is_some();
    let judged = value.or(bounded.then_some(""));
    let mut problems: Vec<Problem> = judged.and_then(|value| problem(parameter, value)).into_iter().collect();
    if value.is_none() {
        let missing = Problem::new("Required parameter not provided", "parameter value is null");
        problems.push(Problem { code: "required", ..missing });
    }
    problems
}

/// The first thing that is wrong with a value that is there: options, bounds, type.
fn problem(parameter: &RichParameter, value: &str) -> Option<Problem> {
    let options = &parameter.options;
    if !options.is_empty() && options.iter().all(|option| option.value != value) {
        let empty = match value {
            "" => ". The value is empty, did you forget to set it with a default or from user input?",
            _ => "",
        };
        let detail = format!("the value {value:?} must be defined as one of options");
        return Some(Problem::new(format!("Value must be a valid option{empty}"), detail));
    }
    if let Some(detail) = out_of_range(parameter, value) {
        return Some(Problem::new("Invalid parameter value according to 'validation' block", detail));
    }
    let kind = parameter.r#type.as_str();
    let wrong = match kind {
        "number" => value.parse::<f64>().is_err(),
        "bool" => !["true", "false"].contains(&value),
        _ => false,
    };
    wrong.then(|| {
        Problem::new(format!("Parameter value is not of type {kind:?}"), format!("{value:?} is not a {kind}"))
    })
}

/// What speaks against a number that has bounds; those are whole numbers, and so must it be.
fn out_of_range(parameter: &RichParameter, value: &str) -> Option<String> {
    if parameter.validation_min.is_none() && parameter.validation_max.is_none() {
        return None;
    }
    let Ok(number) = value.parse::<i32>() else { return Some(format!("value {value:?} is not a number")) };
    let low = parameter.validation_min.filter(|min| number < *min);
    let high = parameter.validation_max.filter(|max| number > *max);
    match (low, high) {
        (Some(min), _) => Some(format!("value {number} is less than the minimum {min}")),
        (None, Some(max)) => Some(format!("value {number} is more than the maximum {max}")),
        (None, None) => None,
    }
}
