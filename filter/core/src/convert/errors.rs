//! A failed call to Coder becomes the `Status` that Kubernetes' clients understand.

use super::workspace_check::parameter_field;
use crate::coder::errors::{Class, CoderError};
use crate::kube::quote::Quoted;
use crate::kube::status::{Cause, CauseType, GroupResource, Status};

/// What the client asked for, to be named in the answer.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The resource, such as `api::v1alpha1::WORKSPACES`.
    pub resource: GroupResource<'a>,
    /// Its kind, which 422 names instead.
    pub kind: &'a str,
    /// The namespace whose Coder was called.
    pub namespace: &'a str,
    /// The object; empty for a list.
    pub name: &'a str,
}

/// Says it as Kubernetes would. Only reads are ever invited to be repeated.
pub fn status(error: &CoderError, about: Subject<'_>) -> Status {
    let Subject { resource, kind, namespace, name } = about;
    let coder = |what: &str| format!("Coder of namespace {} {what}", Quoted(namespace));
    match error.class {
        // A list is never "not found": then something else than Coder has answered.
        Class::NotFound if name.is_empty() => Status::service_unavailable(coder("is unavailable")),
        Class::NotFound => Status::not_found(resource, name),
        Class::Forbidden => Status::forbidden(resource, name, &said(error, "Coder does not allow it")),
        Class::AlreadyExists => Status::already_exists(resource, name),
        Class::Conflict => {
            Status::conflict(resource, name, &said(error, "Coder says that something is in the way"))
        }
        Class::Invalid => {
            let kind = GroupResource { group: resource.group, resource: kind };
            Status::invalid(kind, name, causes(error, about.kind))
        }
        Class::BadRequest => Status::bad_request(said(error, "Coder refuses the request")),
        Class::TooManyRequests { retry_after } => {
            Status::too_many_requests(coder("has had too many requests"), retry_after.unwrap_or(0))
        }
        Class::Credentials => Status::service_unavailable(coder("does not accept the filter's credentials")),
        Class::Unavailable => Status::service_unavailable(coder("is unavailable")),
        Class::OutcomeUnknown { timeout: true } => {
            Status::timeout(&coder("did not answer in time; whether the change was made is unknown"))
        }
        Class::OutcomeUnknown { timeout: false } => {
            Status::internal_error(&coder("gave no answer of use; whether the change was made is unknown"))
        }
    }
}

fn said(error: &CoderError, otherwise: &str) -> String {
    let text = error.text();
    if text.is_empty() { otherwise.to_owned() } else { text }
}

/// Coder's names of a workspace's fields, and ours.
const WORKSPACE_FIELDS: &[(&str, &str)] = &[
    ("name", "metadata.name"),
    ("template_id", "spec.templateName"),
    ("template_version_id", "spec.templateVersionID"),
    ("template_version_preset_id", "spec.templateVersionPreset"),
    ("ttl_ms", "spec.ttlMillis"),
    ("schedule", "spec.autostartSchedule"),
    ("autostart_schedule", "spec.autostartSchedule"),
    ("automatic_updates", "spec.automaticUpdates"),
    ("transition", "spec.running"),
];

/// Coder's names of a template's fields, and ours.
const TEMPLATE_FIELDS: &[(&str, &str)] = &[
    ("name", "metadata.name"),
    ("template_version_id", "spec.versionID"),
    ("display_name", "spec.displayName"),
    ("description", "spec.description"),
    ("icon", "spec.icon"),
    ("default_ttl_ms", "spec.defaultTTLMillis"),
    ("activity_bump_ms", "spec.activityBumpMillis"),
    ("provisioner", "spec.provisioner"),
    ("tags", "spec.tags"),
];

/// How Coder begins what it says about parameters, whose names are the template's and may be those of fields.
const ABOUT_PARAMETERS: &str = "Unable to validate parameters";

/// The path of a field that Coder names.
fn field(error: &CoderError, kind: &str, named: &str) -> String {
    if kind != "CoderWorkspace" {
        let known = TEMPLATE_FIELDS.iter().find(|(field, _)| *field == named);
        return known.map_or(named, |(_, field)| field).to_owned();
    }
    let known =
        WORKSPACE_FIELDS.iter().find(|(field, _)| *field == named && error.message != ABOUT_PARAMETERS);
    known.map_or_else(|| parameter_field(named), |(_, field)| (*field).to_owned())
}

/// One cause for each validation, or a single one with Coder's words.
fn causes(error: &CoderError, kind: &str) -> Vec<Cause> {
    let cause = |field: &str, message: String| Cause {
        cause_type: Some(CauseType::FieldValueInvalid),
        message,
        field: field.to_owned(),
    };
    if error.validations.is_empty() {
        return vec![cause("spec", said(error, "Coder refuses the value"))];
    }
    error.validations.iter().map(|v| cause(&field(error, kind, &v.field), v.detail.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::v1alpha1::WORKSPACES;
    use crate::coder::errors::{Failure, Intent};

    #[track_caller]
    fn check(intent: Intent, status: u16, body: &str, name: &str, expect: (u16, &str, Option<u32>)) {
        let failure = Failure::Answer { status, body: body.as_bytes(), retry_after: Some("3") };
        let about = Subject { resource: WORKSPACES, kind: "CoderWorkspace", namespace: "dev", name };
        let status = super::status(&CoderError::new(intent, failure), about);
        assert_eq!((status.code, status.message.as_str(), status.retry_after_seconds()), expect);
    }

    #[test]
    fn reads() {
        let message = r#"{"message":"Resource not found."}"#;
        let name = "coder.alice.ws0";
        let unavailable = (503, r#"Coder of namespace "dev" is unavailable"#, None);
        let not_found = (404, r#"coderworkspaces.aggregation.coder.com "coder.alice.ws0" not found"#, None);
        check(Intent::Read, 404, message, name, not_found);
        check(Intent::ReadByUser, 400, message, name, not_found);
        check(Intent::Read, 404, message, "", unavailable);
        check(Intent::Read, 404, "<html>no backend</html>", name, unavailable);
        check(Intent::Read, 500, message, name, unavailable);
        check(
            Intent::Read,
            401,
            message,
            name,
            (503, r#"Coder of namespace "dev" does not accept the filter's credentials"#, None),
        );
        check(
            Intent::Read,
            403,
            "{}",
            name,
            (
                403,
                r#"coderworkspaces.aggregation.coder.com "coder.alice.ws0" is forbidden: Coder does not allow it"#,
                None,
            ),
        );
        check(
            Intent::Read,
            429,
            message,
            name,
            (429, r#"Coder of namespace "dev" has had too many requests"#, Some(3)),
        );
        check(Intent::Read, 400, message, name, (400, "Resource not found.", None));
    }

    #[test]
    fn writes() {
        let name = "coder.alice.ws0";
        check(
            Intent::Build,
            409,
            r#"{"message":"A workspace build is already active."}"#,
            name,
            (
                409,
                "Operation cannot be fulfilled on coderworkspaces.aggregation.coder.com \"coder.alice.ws0\": \
                 A workspace build is already active.",
                None,
            ),
        );
        check(
            Intent::Create,
            400,
            r#"{"message":"m","validations":[{"field":"name","detail":"taken"}]}"#,
            name,
            (
                422,
                "CoderWorkspace.aggregation.coder.com \"coder.alice.ws0\" is invalid: metadata.name: taken",
                None,
            ),
        );
        check(
            Intent::Build,
            400,
            r#"{"message":"Unable to validate parameters","validations":[{"field":"name","detail":"no"},{"field":"cpu","detail":"bad"}]}"#,
            name,
            (
                422,
                "CoderWorkspace.aggregation.coder.com \"coder.alice.ws0\" is invalid: [spec.parameters[name]: no, spec.parameters[cpu]: bad]",
                None,
            ),
        );
        check(
            Intent::Change,
            400,
            r#"{"message":"Invalid autostart schedule.","validations":[{"field":"schedule","detail":"provided bad location"}]}"#,
            name,
            (
                422,
                "CoderWorkspace.aggregation.coder.com \"coder.alice.ws0\" is invalid: spec.autostartSchedule: provided bad location",
                None,
            ),
        );
        check(
            Intent::Build,
            504,
            "",
            name,
            (
                504,
                "Timeout: Coder of namespace \"dev\" did not answer in time; whether the change was made is unknown",
                None,
            ),
        );
        check(
            Intent::Create,
            429,
            "{}",
            name,
            (429, r#"Coder of namespace "dev" has had too many requests"#, None),
        );
    }
}
