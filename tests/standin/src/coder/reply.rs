//! Answers and errors as coderd's `httpapi` writes them, and request bodies as it reads them.

use std::fmt;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// `codersdk.Response`: every answer that is an error, and some that are not.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    message: String,
    detail: Option<String>,
    validations: Vec<(String, String)>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), detail: None, validations: Vec::new() }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// `httpapi.ResourceNotFound`: absent, or not for this caller.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Resource not found or you do not have access to this resource")
    }

    /// `httpapi.Forbidden`.
    pub(crate) fn no_permission() -> Self {
        Self::forbidden("Forbidden.").detail(
            "You don't have permission to view this content. If you believe this is a mistake, please contact your \
             administrator or try signing in with different credentials.",
        )
    }

    /// A request that its own rules (`validate:` tags) refuse.
    pub(crate) fn validation() -> Self {
        Self::bad_request("Validation failed.")
    }

    /// A unique name that is taken.
    pub(crate) fn taken(message: impl Into<String>) -> Self {
        Self::conflict(message).field("name", "This value is already in use and should be unique.")
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn field(mut self, field: impl Into<String>, detail: impl Into<String>) -> Self {
        self.validations.push((field.into(), detail.into()));
        self
    }

    /// A field that the tag of its declaration refuses.
    pub(crate) fn tag(self, field: &str, tag: &str, value: impl fmt::Display) -> Self {
        self.field(field, format!("Validation failed for tag \"{tag}\" with value: \"{value}\""))
    }

    /// Refuses a field later than the failure was made.
    pub(crate) fn push(&mut self, field: &str, detail: String) {
        self.validations.push((field.into(), detail));
    }

    pub(crate) fn has_fields(&self) -> bool {
        !self.validations.is_empty()
    }

    /// This failure, if a field was refused.
    pub(crate) fn if_fields(self) -> Result<(), Self> {
        if self.has_fields() { Err(self) } else { Ok(()) }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("message".into(), self.message.into());
        if let Some(detail) = self.detail {
            body.insert("detail".into(), detail.into());
        }
        if !self.validations.is_empty() {
            let fields =
                self.validations.into_iter().map(|(field, detail)| json!({"field": field, "detail": detail}));
            body.insert("validations".into(), fields.collect());
        }
        reply(self.status, &Value::Object(body))
    }
}

/// What handlers return.
pub(crate) type Answer = Result<Response, Failure>;

/// A JSON answer; Go's encoder ends it with a newline.
pub(crate) fn reply(status: StatusCode, value: &Value) -> Response {
    let mut body = serde_json::to_vec(value).expect("values serialise");
    body.push(b'\n');
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}

/// 200 with JSON.
pub(crate) fn ok(value: Value) -> Answer {
    Ok(reply(StatusCode::OK, &value))
}

/// 201 with JSON.
pub(crate) fn created(value: Value) -> Answer {
    Ok(reply(StatusCode::CREATED, &value))
}

/// 204.
pub(crate) fn no_content() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// 304.
pub(crate) fn not_modified() -> Answer {
    Ok(Response::builder().status(StatusCode::NOT_MODIFIED).body(Body::empty()).expect("a plain answer"))
}

/// 200 with a message.
pub(crate) fn said(message: &str) -> Answer {
    ok(json!({"message": message}))
}

/// A JSON request body. What follows the first value is ignored, as Go's decoder does.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bytes = Bytes::from_request(request, state).await.map_err(|error| invalid(error.body_text()))?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(invalid("EOF".into()));
        }
        let mut values = serde_json::Deserializer::from_slice(&bytes);
        T::deserialize(&mut values).map(Self).map_err(|error| {
            let text = if error.is_eof() { "unexpected EOF".into() } else { error.to_string() };
            let end = text.rfind(" at line ").unwrap_or(text.len());
            invalid(text[..end].to_owned())
        })
    }
}

fn invalid(detail: String) -> Failure {
    Failure::bad_request("Request body must be valid JSON.").detail(detail)
}

/// A UUID in a path.
pub(crate) fn path_id(text: &str) -> Result<Uuid, Failure> {
    Uuid::parse_str(text).map_err(|_| {
        Failure::bad_request(format!("Invalid UUID \"{text}\"."))
            .detail(format!("invalid UUID length: {}", text.len()))
    })
}

/// A UUID in a body; absent, empty and null are the nil UUID, as in Go.
pub(crate) fn body_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()) else {
        return Ok(Uuid::nil());
    };
    Uuid::parse_str(&text)
        .map_err(|_| serde::de::Error::custom(format_args!("invalid UUID length: {}", text.len())))
}

/// Null as the default, as in Go.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
