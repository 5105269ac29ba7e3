//! What can be said of a template's spec without asking Coder: every field by itself, all complaints at once. Files are checked in `paths`.

use super::version::PROVISIONERS;
use super::workspace_check::is_uuid;
use crate::api::v1alpha1::CoderTemplateManifest;
use crate::kube::status::{Cause, CauseType};
use crate::names::{TemplateName, is_reserved};

/// Coder's longest display name, in bytes.
const DISPLAY_NAME_MAX: usize = 64;
/// Coder's longest description of a new template, in characters.
const DESCRIPTION_MAX: usize = 127;
/// Coder's longest icon, in characters; it answers more with 500.
const ICON_MAX: usize = 256;
/// Longest time, in milliseconds: Coder counts in nanoseconds.
const TIME_MAX: i64 = 9_223_372_036_854;

/// Everything that is wrong with the fields, whatever the template is.
pub fn check(spec: &CoderTemplateManifest<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let texts = [
        ("spec.displayName", &spec.display_name),
        ("spec.description", &spec.description),
        ("spec.icon", &spec.icon),
        ("spec.deprecationMessage", &spec.deprecation_message),
    ];
    for (field, text) in texts {
        if text.as_deref().is_some_and(|text| text.contains('\0')) {
            causes.push(Cause::invalid_without_value(field, "must not contain NUL"));
        }
    }
    if let Some(name) = spec.display_name.as_deref() {
        if name.len() > DISPLAY_NAME_MAX {
            causes.push(Cause::too_long("spec.displayName", DISPLAY_NAME_MAX));
        } else if name.trim() != name || name.contains('\n') {
            let why = "must be one line without white space at its ends";
            causes.push(Cause::invalid("spec.displayName", name, why));
        }
    }
    if let Some(icon) = spec.icon.as_deref().filter(|icon| icon.chars().count() > ICON_MAX) {
        causes.push(Cause::invalid("spec.icon", icon, "must be at most 256 characters"));
    }
    if let Some(provisioner) = spec.provisioner.as_deref().filter(|name| !PROVISIONERS.contains(name)) {
        causes.push(Cause::not_supported("spec.provisioner", provisioner, &PROVISIONERS));
    }
    for (name, value) in spec.tags.iter().flat_map(|tags| &tags.0) {
        let field = format!("spec.tags[{name}]");
        if matches!(name.as_ref(), "scope" | "owner") {
            causes.push(Cause::forbidden(&field, "Coder sets it"));
        } else if name.contains('\0') || value.contains('\0') {
            causes.push(Cause::invalid_without_value(&field, "must not contain NUL"));
        }
    }
    for (at, variable) in spec.variables.iter().flatten().enumerate() {
        let mut earlier = spec.variables.iter().flatten().take(at);
        // The value may be a secret and is never shown.
        let field = format!("spec.variables[{}]", variable.name);
        if variable.name.is_empty() {
            causes.push(Cause::required(&field, "a variable must have a name"));
        } else if earlier.any(|earlier| earlier.name == variable.name) {
            causes.push(Cause::duplicate(&field, &variable.name));
        } else if variable.name.contains('\0') || variable.value.contains('\0') {
            causes.push(Cause::invalid_without_value(&field, "must not contain NUL"));
        }
    }
    let times = [
        ("spec.defaultTTLMillis", spec.default_ttl_millis),
        ("spec.activityBumpMillis", spec.activity_bump_millis),
    ];
    for (field, time) in times {
        if let Some(time) = time.filter(|time| !(0..=TIME_MAX).contains(time)) {
            causes.push(Cause {
                cause_type: Some(CauseType::FieldValueInvalid),
                message: format!("Invalid value: {time}: must be between 0 and {TIME_MAX}"),
                field: field.to_owned(),
            });
        }
    }
    causes
}

/// What is wrong with the spec of a template that is to be made under this name; what holds for every spec is [`check`]'s.
pub fn check_new(name: &TemplateName, spec: &CoderTemplateManifest<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if is_reserved(&name.template) {
        causes.push(Cause::invalid(
            "metadata.name",
            &name.to_string(),
            "Coder reserves this name of a template",
        ));
    }
    match spec.organization.as_deref() {
        None | Some("") => causes.push(Cause::required("spec.organization", "")),
        Some(organization) if organization.eq_ignore_ascii_case(&name.organization) => {}
        Some(organization) => {
            let why = "must be the first part of metadata.name";
            causes.push(Cause::invalid("spec.organization", organization, why));
        }
    }
    if spec.description.as_deref().is_some_and(|text| text.chars().count() > DESCRIPTION_MAX) {
        let why = "must be less than 128 characters when the template is created";
        causes.push(Cause::invalid_without_value("spec.description", why));
    }
    match (spec.version_id.as_deref(), &spec.files) {
        (None, Some(_)) => {}
        (Some(_), Some(_)) => {
            causes.push(Cause::forbidden("spec.versionID", "may not be given together with files"));
        }
        (Some(id), None) if is_uuid(id) => {}
        (Some(id), None) => causes.push(Cause::invalid("spec.versionID", id, "must be a UUID")),
        (None, None) => {
            causes.push(Cause::required("spec.files", "a new template needs files, or versionID"))
        }
    }
    let with_version = [
        ("spec.provisioner", spec.provisioner.is_some()),
        ("spec.tags", spec.tags.as_ref().is_some_and(|tags| !tags.0.is_empty())),
        ("spec.variables", spec.variables.as_ref().is_some_and(|variables| !variables.is_empty())),
    ];
    for (field, _) in with_version.iter().filter(|(_, given)| *given && spec.version_id.is_some()) {
        causes.push(Cause::forbidden(field, "the version that versionID names has its own"));
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn lines(causes: &[Cause]) -> Vec<String> {
        causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    #[track_caller]
    fn compare(spec: &str, found: &[String], expect: &[&str]) {
        assert_eq!(found.len(), expect.len(), "{spec}: {found:?}");
        assert!(
            found.iter().zip(expect).all(|(found, expect)| found.starts_with(expect)),
            "{spec}: {found:?}"
        );
    }

    #[track_caller]
    fn check(spec: &str, expect: &[&str]) {
        compare(spec, &lines(&super::check(&json::read(spec.as_bytes()).unwrap())), expect);
    }

    #[test]
    fn fields() {
        check("{}", &[]);
        check(r#"{"displayName":"","icon":"","tags":{"a":""},"variables":[{"name":"a","value":""}]}"#, &[]);
        check(r#"{"defaultTTLMillis":0,"activityBumpMillis":90000,"provisioner":"echo"}"#, &[]);
        let long = "x".repeat(65);
        check(&format!(r#"{{"displayName":"{long}"}}"#), &["spec.displayName: Too long"]);
        check(r#"{"displayName":" x"}"#, &["spec.displayName: Invalid value"]);
        check(
            r#"{"displayName":"x\ny","description":"\u0000"}"#,
            &["spec.description: ", "spec.displayName: "],
        );
        check(&format!(r#"{{"icon":"{}"}}"#, "ü".repeat(256)), &[]);
        check(&format!(r#"{{"icon":"{}"}}"#, "ü".repeat(257)), &["spec.icon: Invalid value"]);
        check(r#"{"provisioner":"helm"}"#, &["spec.provisioner: Unsupported value"]);
        check(r#"{"tags":{"owner":"x"}}"#, &["spec.tags[owner]: Forbidden"]);
        check(
            r#"{"variables":[{"name":"a","value":"secret"},{"name":"a","value":"secret"},{"name":"","value":"secret"}]}"#,
            &["spec.variables[a]: Duplicate value: \"a\"", "spec.variables[]: Required value"],
        );
        check(
            r#"{"defaultTTLMillis":-1,"activityBumpMillis":9223372036855}"#,
            &["spec.defaultTTLMillis: Invalid value: -1", "spec.activityBumpMillis: Invalid value"],
        );
    }

    #[track_caller]
    fn check_new(name: &str, spec: &str, expect: &[&str]) {
        let name = TemplateName::parse(name).unwrap();
        compare(spec, &lines(&super::check_new(&name, &json::read(spec.as_bytes()).unwrap())), expect);
    }

    #[test]
    fn new_ones() {
        check_new("a.b", r#"{"organization":"A","files":{}}"#, &[]);
        check_new("a.b", r#"{"organization":"a","versionID":"0123abcd-0123-0123-0123-0123456789ab"}"#, &[]);
        check_new("a.new", r#"{"organization":"a","files":{}}"#, &["metadata.name: Invalid value"]);
        check_new("a.b", r#"{"organization":"b","versionID":"x"}"#, &["spec.organization", "spec.versionID"]);
        check_new("a.b", "{}", &["spec.organization: Required value", "spec.files: Required value"]);
        check_new(
            "a.b",
            r#"{"organization":"a","versionID":"0123abcd-0123-0123-0123-0123456789ab","files":{},"tags":{"a":"b"}}"#,
            &["spec.versionID: Forbidden", "spec.tags: Forbidden"],
        );
        let long = "x".repeat(128);
        check_new(
            "a.b",
            &format!(r#"{{"organization":"a","files":{{}},"description":"{long}"}}"#),
            &["spec.description: Invalid value"],
        );
    }
}
