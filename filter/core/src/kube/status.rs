//! `Status`, the answer that says what went wrong, with one constructor per reason and the wording of
//! k8s.io/apimachinery/pkg/api/errors.
//!
//! Callers keep internal URLs, tokens and stack traces out of what they pass in; nothing here can tell.

use std::ops::{Deref, DerefMut};

use serde::Serialize;

use super::quote::Quoted;

/// A resource within its group, as messages name it: `coderworkspaces.aggregation.coder.com`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupResource<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Plural resource name, or a kind where Kubernetes names the kind instead.
    pub resource: &'a str,
}

impl std::fmt::Display for GroupResource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.resource)?;
        if !self.group.is_empty() {
            f.write_str(".")?;
            f.write_str(self.group)?;
        }
        Ok(())
    }
}

/// Machine-readable reason (`metav1.StatusReason`). Clients branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum Reason {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    AlreadyExists,
    Conflict,
    Expired,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    Invalid,
    TooManyRequests,
    InternalError,
    ServiceUnavailable,
    Timeout,
}

/// What a cause complains about (`metav1.CauseType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum CauseType {
    FieldValueNotFound,
    FieldValueRequired,
    FieldValueDuplicate,
    FieldValueInvalid,
    FieldValueNotSupported,
    FieldValueForbidden,
    FieldValueTooLong,
    NamespaceTerminating,
    FieldManagerConflict,
    ResourceVersionTooLarge,
    UnexpectedServerResponse,
}

/// One cause inside the details.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// What kind of complaint.
    #[serde(rename = "reason", skip_serializing_if = "Option::is_none")]
    pub cause_type: Option<CauseType>,
    /// The complaint without the field's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Path of the field, such as `spec.parameters[cpu]`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

impl Cause {
    fn of(cause_type: CauseType, field: &str, message: String) -> Self {
        Self { cause_type: Some(cause_type), message, field: field.to_owned() }
    }

    /// `field.Invalid`: the value is malformed or out of bounds.
    #[must_use]
    pub fn invalid(field: &str, value: &str, detail: &str) -> Self {
        Self::of(CauseType::FieldValueInvalid, field, format!("Invalid value: {}: {detail}", Quoted(value)))
    }

    /// `field.Invalid` with `field.OmitValueType`: as [`Cause::invalid`] where the value is not to be shown.
    #[must_use]
    pub fn invalid_without_value(field: &str, detail: &str) -> Self {
        Self::of(CauseType::FieldValueInvalid, field, format!("Invalid value: {detail}"))
    }

    /// `field.TooLong`: the value has more than `max` bytes.
    #[must_use]
    pub fn too_long(field: &str, max: usize) -> Self {
        let message = format!("Too long: may not be more than {max} bytes");
        Self::of(CauseType::FieldValueTooLong, field, message)
    }

    /// As [`Cause::invalid`], for a number or a boolean, which are not quoted.
    #[must_use]
    pub fn invalid_literal(field: &str, value: impl std::fmt::Display, detail: &str) -> Self {
        Self::of(CauseType::FieldValueInvalid, field, format!("Invalid value: {value}: {detail}"))
    }

    /// `field.Required`: the value is missing.
    #[must_use]
    pub fn required(field: &str, detail: &str) -> Self {
        let separator = if detail.is_empty() { "" } else { ": " };
        Self::of(CauseType::FieldValueRequired, field, format!("Required value{separator}{detail}"))
    }

    /// `field.Duplicate`: the value must be unique and is not.
    #[must_use]
    pub fn duplicate(field: &str, value: &str) -> Self {
        Self::of(CauseType::FieldValueDuplicate, field, format!("Duplicate value: {}", Quoted(value)))
    }

    /// `field.NotSupported`: the value is none of the supported ones.
    #[must_use]
    pub fn not_supported(field: &str, value: &str, supported: &[&str]) -> Self {
        let mut message = format!("Unsupported value: {}", Quoted(value));
        let mut separator = ": supported values: ";
        for value in supported {
            message.push_str(separator);
            message.push_str(&Quoted(value).to_string());
            separator = ", ";
        }
        Self::of(CauseType::FieldValueNotSupported, field, message)
    }

    /// `field.Forbidden`: the value is well formed but may not be set here.
    #[must_use]
    pub fn forbidden(field: &str, detail: &str) -> Self {
        Self::of(CauseType::FieldValueForbidden, field, format!("Forbidden: {detail}"))
    }
}

/// What the status is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// Name of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Resource, or kind where Kubernetes uses the kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// UID of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Every single complaint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Seconds after which a repeat is invited; 0 invites none.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// A failure as Kubernetes says it: a word to pass on, because it is passed on in hundreds of places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status(Box<Failure>);

/// What a [`Status`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// What it is about.
    pub details: Option<Details>,
}

impl Deref for Status {
    type Target = Failure;

    fn deref(&self) -> &Failure {
        &self.0
    }
}

impl DerefMut for Status {
    fn deref_mut(&mut self) -> &mut Failure {
        &mut self.0
    }
}

impl Status {
    fn new(code: u16, reason: Reason, message: String) -> Self {
        Self(Box::new(Failure { code, reason, message, details: None }))
    }

    fn about(mut self, resource: GroupResource<'_>, name: &str) -> Self {
        self.details = Some(Details {
            name: name.to_owned(),
            group: resource.group.to_owned(),
            kind: resource.resource.to_owned(),
            ..Details::default()
        });
        self
    }

    /// 400 with a message of ours.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, Reason::BadRequest, message.into())
    }

    /// 401. Kubernetes itself says no more than `Unauthorized`.
    #[must_use]
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, Reason::Unauthorized, message.into())
    }

    /// 403 on a resource; an empty `name` means the collection.
    #[must_use]
    pub fn forbidden(resource: GroupResource<'_>, name: &str, why: &str) -> Self {
        let message = if name.is_empty() {
            format!("{resource} is forbidden: {why}")
        } else {
            format!("{resource} {} is forbidden: {why}", Quoted(name))
        };
        Self::new(403, Reason::Forbidden, message).about(resource, name)
    }

    /// 403 on a path that is no resource.
    #[must_use]
    pub fn forbidden_path(why: &str) -> Self {
        Self::new(403, Reason::Forbidden, format!("forbidden: {why}")).with_details(Details::default())
    }

    /// 404 for a named object.
    #[must_use]
    pub fn not_found(resource: GroupResource<'_>, name: &str) -> Self {
        let message = format!("{resource} {} not found", Quoted(name));
        Self::new(404, Reason::NotFound, message).about(resource, name)
    }

    /// 404 for a path that leads nowhere.
    #[must_use]
    pub fn unknown_path() -> Self {
        let message = "the server could not find the requested resource".to_owned();
        Self::new(404, Reason::NotFound, message).with_details(Details::default())
    }

    /// 405 for a verb or HTTP method that the resource does not serve.
    #[must_use]
    pub fn method_not_supported(resource: GroupResource<'_>, action: &str) -> Self {
        let message = format!("{action} is not supported on resources of kind \"{resource}\"");
        Self::new(405, Reason::MethodNotAllowed, message).about(resource, "")
    }

    /// 405 where there is no resource to name.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource".to_owned();
        Self::new(405, Reason::MethodNotAllowed, message).with_details(Details::default())
    }

    /// 406 naming what could be had.
    #[must_use]
    pub fn not_acceptable(accepted: &str) -> Self {
        let message = format!("only the following media types are accepted: {accepted}");
        Self::new(406, Reason::NotAcceptable, message)
    }

    /// 409 because the name is taken.
    #[must_use]
    pub fn already_exists(resource: GroupResource<'_>, name: &str) -> Self {
        let message = format!("{resource} {} already exists", Quoted(name));
        Self::new(409, Reason::AlreadyExists, message).about(resource, name)
    }

    /// 409 because every name that was made up is taken (`NewGenerateNameConflict`, but without inviting a repeat of a write).
    #[must_use]
    pub fn generate_name_conflict(resource: GroupResource<'_>, name: &str) -> Self {
        let message = format!(
            "{resource} {} already exists, the server was not able to generate a unique name for the object",
            Quoted(name)
        );
        Self::new(409, Reason::AlreadyExists, message).about(resource, name)
    }

    /// 409 because the object is not in the state that the change assumes.
    #[must_use]
    pub fn conflict(resource: GroupResource<'_>, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} {}: {why}", Quoted(name));
        Self::new(409, Reason::Conflict, message).about(resource, name)
    }

    /// 410 for a resourceVersion or continue token that is no longer served.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, Reason::Expired, message.into())
    }

    /// 413 with what was too large.
    #[must_use]
    pub fn request_entity_too_large(message: &str) -> Self {
        Self::new(413, Reason::RequestEntityTooLarge, format!("Request entity too large: {message}"))
    }

    /// 415 naming the content types that are understood.
    #[must_use]
    pub fn unsupported_media_type(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        );
        Self::new(415, Reason::UnsupportedMediaType, message)
    }

    /// 422 with every complaint. `kind` carries the kind's name in `resource`, as Kubernetes does.
    #[must_use]
    pub fn invalid(kind: GroupResource<'_>, name: &str, causes: Vec<Cause>) -> Self {
        let mut message = format!("{kind} {} is invalid", Quoted(name));
        let (open, close) = if causes.len() > 1 { (": [", "]") } else { (": ", "") };
        let mut separator = open;
        for cause in &causes {
            message.push_str(separator);
            message.push_str(&cause.field);
            message.push_str(": ");
            message.push_str(&cause.message);
            separator = ", ";
        }
        message.push_str(if causes.is_empty() { "" } else { close });
        let mut status = Self::new(422, Reason::Invalid, message).about(kind, name);
        if let Some(details) = &mut status.details {
            details.causes = causes;
        }
        status
    }

    /// 422 for a patch that cannot be carried out. kube-apiserver does not say why; we do.
    #[must_use]
    pub fn unprocessable_patch(why: &str) -> Self {
        let message = format!("the server rejected our request due to an error in our request: {why}");
        Self::new(422, Reason::Invalid, message).with_details(Details::default())
    }

    /// 429. `retry_after_seconds` 0 invites no repeat.
    #[must_use]
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::new(429, Reason::TooManyRequests, message.into())
            .with_details(Details { retry_after_seconds, ..Details::default() })
    }

    /// 500 with what happened.
    #[must_use]
    pub fn internal_error(message: &str) -> Self {
        let cause = Cause { cause_type: None, message: message.to_owned(), field: String::new() };
        Self::new(500, Reason::InternalError, format!("Internal error occurred: {message}"))
            .with_details(Details { causes: vec![cause], ..Details::default() })
    }

    /// 503 with what cannot be reached. Never carries a Retry-After of its own: clients repeat any verb on one.
    #[must_use]
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::new(503, Reason::ServiceUnavailable, message.into())
    }

    /// 504: the outcome is unknown, or was not reached in time.
    #[must_use]
    pub fn timeout(message: &str) -> Self {
        Self::new(504, Reason::Timeout, format!("Timeout: {message}")).with_details(Details::default())
    }

    /// The same status with these details.
    #[must_use]
    pub fn with_details(mut self, details: Details) -> Self {
        self.details = Some(details);
        self
    }

    /// Seconds for a `Retry-After` header, when a repeat is invited.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.details.as_ref().map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0)
    }

    /// The body, content type `application/json`.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire<'a> {
            kind: &'static str,
            api_version: &'static str,
            metadata: Metadata,
            status: &'static str,
            message: &'a str,
            reason: Reason,
            #[serde(skip_serializing_if = "Option::is_none")]
            details: Option<&'a Details>,
            code: u16,
        }
        #[derive(Serialize)]
        struct Metadata {}
        let wire = Wire {
            kind: "Status",
            api_version: "v1",
            metadata: Metadata {},
            status: "Failure",
            message: &self.message,
            reason: self.reason,
            details: self.details.as_ref(),
            code: self.code,
        };
        // Strings, numbers and structs always serialise; the empty fallback only keeps a panic out.
        crate::json::to_vec(&wire).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
