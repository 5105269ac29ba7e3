//! `metav1.Status`, worded as apimachinery's `api/errors` words it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::{json_answer, text};

/// An error answer.
#[derive(Debug)]
pub(crate) struct Status {
    code: StatusCode,
    reason: &'static str,
    message: String,
    details: Option<Value>,
    /// Not a Status at all: the mux's own words for a path nobody serves.
    page: bool,
}

/// What an error is about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) name: &'a str,
}

impl Subject<'_> {
    fn qualified(&self) -> String {
        if self.group.is_empty() { self.resource.into() } else { format!("{}.{}", self.resource, self.group) }
    }

    fn details(&self) -> Value {
        let mut details = Map::new();
        for (key, value) in [("name", self.name), ("group", self.group), ("kind", self.resource)] {
            if !value.is_empty() {
                details.insert(key.into(), value.into());
            }
        }
        Value::Object(details)
    }
}

impl Status {
    fn new(code: StatusCode, reason: &'static str, message: String, details: Option<Value>) -> Self {
        Self { code, reason, message, details, page: false }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized".into(), None)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message.into(), None)
    }

    /// Access to a resource is refused; `why` says who may not do what.
    pub(crate) fn forbidden(subject: Subject<'_>, why: &str) -> Self {
        let named = if subject.name.is_empty() { String::new() } else { format!(" {:?}", subject.name) };
        let message = format!("{}{named} is forbidden: {why}", subject.qualified());
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message, Some(subject.details()))
    }

    /// The same with a cause.
    pub(crate) fn cause(mut self, reason: &str, message: &str, field: &str) -> Self {
        if let Some(details) = &mut self.details {
            details["causes"] = json!([{"reason": reason, "message": message, "field": field}]);
        }
        self
    }

    /// The same with something said first.
    pub(crate) fn prefixed(mut self, prefix: &str) -> Self {
        self.message.insert_str(0, prefix);
        self
    }

    /// Access to a path is refused.
    pub(crate) fn forbidden_path(why: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", format!("forbidden: {why}"), Some(json!({})))
    }

    pub(crate) fn not_found(subject: Subject<'_>) -> Self {
        let message = format!("{} {:?} not found", subject.qualified(), subject.name);
        Self::new(StatusCode::NOT_FOUND, "NotFound", message, Some(subject.details()))
    }

    pub(crate) fn already_exists(subject: Subject<'_>) -> Self {
        let message = format!("{} {:?} already exists", subject.qualified(), subject.name);
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message, Some(subject.details()))
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message.into(), Some(json!({})))
    }

    pub(crate) fn unsupported_media_type() -> Self {
        let message = "the body of the request was in an unknown format - accepted media types include: \
                       application/json, application/yaml, application/vnd.kubernetes.protobuf";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message.into(), None)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message, None)
    }

    /// A field that is not as it must be: `reason` is the cause's, `why` says what is wrong. The subject's resource is mostly a kind.
    pub(crate) fn invalid(subject: Subject<'_>, field: &str, reason: &str, why: &str) -> Self {
        let message = format!("{} {:?} is invalid: {field}: {why}", subject.qualified(), subject.name);
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message, Some(subject.details()))
            .cause(reason, why, field)
    }

    /// The object is not the one that was meant to be changed.
    pub(crate) fn conflict(subject: Subject<'_>) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {:?}: the object has been modified; please apply your changes to the latest version and try again",
            subject.qualified(),
            subject.name
        );
        Self::new(StatusCode::CONFLICT, "Conflict", message, Some(subject.details()))
    }

    /// A patch of a kind that is not taken.
    pub(crate) fn unsupported_patch() -> Self {
        let message = "415: Unsupported Media Type".into();
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message, Some(json!({})))
    }

    /// A resource that a group we have does not have.
    pub(crate) fn no_such_resource() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(StatusCode::NOT_FOUND, "NotFound", message.into(), Some(json!({})))
    }

    /// A path that nobody serves.
    pub(crate) fn page_not_found() -> Self {
        let mut status = Self::new(StatusCode::NOT_FOUND, "NotFound", String::new(), None);
        status.page = true;
        status
    }
}

impl IntoResponse for Status {
    fn into_response(self) -> Response {
        if self.page {
            return text(StatusCode::NOT_FOUND, "404 page not found\n");
        }
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code.as_u16(),
        });
        if let Some(details) = self.details {
            body["details"] = details;
        }
        json_answer(self.code, &body)
    }
}
