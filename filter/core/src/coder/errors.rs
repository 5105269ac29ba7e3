//! What a failed call to Coder means: the table "Errors are always `Status`" of the API's contract, up to the class.
//!
//! Keeps of Coder's answer only what may be shown: never the text of a 5xx, no address and no token, and not
//! without bounds. Knows no `Status`; `convert::errors` makes one.

use super::text::Text;
use crate::json::object;
use std::ops::{Deref, DerefMut};

/// Most bytes that are kept of a message or detail.
const TEXT_MAX: usize = 1024;
/// Most validations that are kept.
const VALIDATIONS_MAX: usize = 32;

/// What a call was for: the same answer means different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Reading, where 404 means that the object does not exist.
    Read,
    /// Reading below `/users/{user}`: Coder answers 400 for a user who is unknown or deleted.
    ReadByUser,
    /// Making something that did not exist: 409 means that it does, 406 that the version is still importing.
    Create,
    /// Changing or deleting something, by its id.
    Change,
    /// Asking what values of parameters come to, which changes nothing: 425 means that the version is still importing, 404 that it has gone.
    Evaluate,
    /// Asking for a build: 406 means that the version is still importing, 400 that it cannot be built.
    Build,
    /// Deleting a template: 400 means that workspaces use it.
    DeleteTemplate,
}

impl Intent {
    /// Whether a repeat is harmless.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Read | Self::ReadByUser | Self::Evaluate)
    }
}

/// How a call failed.
#[derive(Clone, Copy, Debug)]
pub enum Failure<'a> {
    /// Coder (or a proxy before it) answered with a status other than 2xx and 304.
    Answer {
        /// HTTP status.
        status: u16,
        /// The body, of whatever kind.
        body: &'a [u8],
        /// The header `Retry-After`.
        retry_after: Option<&'a str>,
    },
    /// A 2xx whose body is not what this call answers.
    Garbage,
    /// It was never sent.
    NotSent,
    /// No answer in time.
    Timeout,
    /// No connection, or it broke.
    Reset,
}

/// What it means for our caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// There is no such object.
    NotFound,
    /// Coder refuses our user.
    Forbidden,
    /// It exists already.
    AlreadyExists,
    /// Something stands in the way; a later try may succeed.
    Conflict,
    /// A value is refused; see the validations.
    Invalid,
    /// The request is refused for another reason.
    BadRequest,
    /// Too many calls.
    TooManyRequests {
        /// Seconds to wait; never for a write, which may have happened.
        retry_after: Option<u32>,
    },
    /// Coder does not accept our credentials. Not the caller's fault, and not to be tried again soon.
    Credentials,
    /// A read got no answer of use, or a write was never sent.
    Unavailable,
    /// A write may or may not have happened.
    OutcomeUnknown {
        /// There was no answer in time (504 rather than 500).
        timeout: bool,
    },
}

/// A failed call: a word to pass on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoderError(Box<Refusal>);

/// What a [`CoderError`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it means.
    pub class: Class,
    /// Coder's message, fit to be shown; may be empty.
    pub message: String,
    /// Coder's detail, fit to be shown; may be empty.
    pub detail: String,
    /// What Coder says about single fields, under Coder's names for them.
    pub validations: Vec<Validation>,
}

/// What Coder says about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validation {
    /// Coder's name of the field or parameter.
    pub field: String,
    /// What is wrong with it.
    pub detail: String,
}

/// Coder's error body (`codersdk.Response`).
#[derive(Debug, Default)]
struct ErrorBody<'a> {
    message: Text<'a>,
    detail: Text<'a>,
    validations: Vec<FieldError<'a>>,
}

object!(ErrorBody<'a> {} { message, detail, validations });

#[derive(Debug, Default)]
struct FieldError<'a> {
    field: Text<'a>,
    detail: Text<'a>,
}

object!(FieldError<'a> {} { field, detail });

impl Deref for CoderError {
    type Target = Refusal;

    fn deref(&self) -> &Refusal {
        &self.0
    }
}

impl DerefMut for CoderError {
    fn deref_mut(&mut self) -> &mut Refusal {
        &mut self.0
    }
}

impl CoderError {
    /// Judges a failed call.
    pub fn new(intent: Intent, failure: Failure<'_>) -> Self {
        let mut error = Self(Box::new(Refusal {
            class: Class::Unavailable,
            message: String::new(),
            detail: String::new(),
            validations: Vec::new(),
        }));
        let Failure::Answer { status, body, retry_after } = failure else {
            error.class = match failure {
                Failure::NotSent => Class::Unavailable,
                _ => lost(intent, matches!(failure, Failure::Timeout)),
            };
            return error;
        };
        if !(400..500).contains(&status) {
            error.class = lost(intent, status == 504 || status == 408);
            return error;
        }
        let body: ErrorBody<'_> = super::parse(body).unwrap_or_default();
        error.class = class(intent, status, &body, retry_after);
        if error.class != Class::Credentials {
            error.message = shown(&body.message);
            error.detail = shown(&body.detail);
            error.validations = body
                .validations
                .iter()
                .take(VALIDATIONS_MAX)
                .map(|v| Validation { field: shown(&v.field), detail: shown(&v.detail) })
                .collect();
        }
        error
    }

    /// Message and detail in one sentence or two; empty when Coder gave neither.
    pub fn text(&self) -> String {
        match (self.message.as_str(), self.detail.as_str()) {
            (message, detail) if detail.is_empty() || detail == message => message.to_owned(),
            ("", detail) => detail.to_owned(),
            (message, detail) => format!("{} {detail}", message.trim_end()),
        }
    }
}

fn class(intent: Intent, status: u16, body: &ErrorBody<'_>, retry_after: Option<&str>) -> Class {
    let validations = !body.validations.is_empty();
    match status {
        // Whoever stands between us and Coder knows nothing of its objects, and a 404 of ours lets Kubernetes'
        // garbage collector delete dependents.
        400 if body.message.is_empty() && intent.is_read() => Class::Unavailable,
        404 | 410 if body.message.is_empty() => lost(intent, false),
        401 => Class::Credentials,
        403 => Class::Forbidden,
        404 | 425 if intent == Intent::Evaluate => Class::Conflict,
        // What is to be made is not what is not found: its template, say.
        404 | 410 if intent == Intent::Create => Class::BadRequest,
        404 | 410 => Class::NotFound,
        408 => lost(intent, true),
        409 if intent == Intent::Create => Class::AlreadyExists,
        409 => Class::Conflict,
        429 => {
            let seconds = retry_after.and_then(|text| text.trim().parse().ok()).unwrap_or(1);
            Class::TooManyRequests { retry_after: intent.is_read().then_some(seconds) }
        }
        400 if intent == Intent::ReadByUser => Class::NotFound,
        400 if intent == Intent::DeleteTemplate => Class::Conflict,
        406 if matches!(intent, Intent::Build | Intent::Create) => Class::Conflict,
        400 if intent == Intent::Build => Class::Invalid,
        400 | 422 if validations && !intent.is_read() => Class::Invalid,
        _ => Class::BadRequest,
    }
}

fn lost(intent: Intent, timeout: bool) -> Class {
    if intent.is_read() { Class::Unavailable } else { Class::OutcomeUnknown { timeout } }
}

/// Coder's text without what an outsider must not see: words with an address or a session token in them are
/// replaced, control characters are blanks, the length is bounded.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    // What its database says is not for outsiders.
    let text = text.split("pq: ").next().unwrap_or_default();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(match word {
            _ if word.contains("://") => "(address)",
            _ if has_token(word) => "(secret)",
            _ => word,
        });
        if shown.len() > TEXT_MAX {
            let end = shown.floor_char_boundary(TEXT_MAX);
            shown.truncate(end);
            shown.push('…');
            break;
        }
    }
    shown
}

/// Coder's session tokens are ten letters or digits, a hyphen, and 22 more.
fn has_token(word: &str) -> bool {
    word.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|part| {
        part.split_once('-')
            .is_some_and(|(id, secret)| id.len() == 10 && secret.len() == 22 && !secret.contains('-'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(intent: Intent, status: u16, body: &str, expect: Class) {
        let failure = Failure::Answer { status, body: body.as_bytes(), retry_after: Some("7") };
        assert_eq!(CoderError::new(intent, failure).class, expect, "{intent:?} {status} {body}");
    }

    #[test]
    fn the_table() {
        let invalid = r#"{"message":"Validation failed.","validations":[{"field":"name","detail":"bad"}]}"#;
        let said = r#"{"message":"No."}"#;
        check(Intent::Read, 404, said, Class::NotFound);
        check(Intent::Read, 410, said, Class::NotFound);
        check(Intent::ReadByUser, 400, said, Class::NotFound);
        check(Intent::Read, 404, "<html>no backend</html>", Class::Unavailable);
        check(Intent::ReadByUser, 400, "{}", Class::Unavailable);
        check(Intent::Change, 404, said, Class::NotFound);
        // Whoever says that is not Coder, and may have passed the request on.
        for intent in [Intent::Change, Intent::Build, Intent::Create, Intent::DeleteTemplate] {
            check(intent, 404, "<html>no backend</html>", Class::OutcomeUnknown { timeout: false });
        }
        check(Intent::Read, 400, invalid, Class::BadRequest);
        check(Intent::Read, 401, "{}", Class::Credentials);
        check(Intent::Change, 403, "{}", Class::Forbidden);
        check(Intent::Create, 409, "{}", Class::AlreadyExists);
        check(Intent::Build, 409, "{}", Class::Conflict);
        check(Intent::DeleteTemplate, 400, "{}", Class::Conflict);
        check(Intent::Build, 406, "{}", Class::Conflict);
        check(Intent::Create, 406, "{}", Class::Conflict);
        check(Intent::Create, 404, said, Class::BadRequest);
        check(Intent::Evaluate, 425, said, Class::Conflict);
        check(Intent::Evaluate, 404, said, Class::Conflict);
        check(Intent::Evaluate, 500, said, Class::Unavailable);
        check(Intent::Build, 400, "{}", Class::Invalid);
        check(Intent::Create, 400, invalid, Class::Invalid);
        check(Intent::Change, 422, invalid, Class::Invalid);
        check(Intent::Create, 400, "{}", Class::BadRequest);
        check(Intent::Read, 426, "{}", Class::BadRequest);
        check(Intent::Read, 429, "{}", Class::TooManyRequests { retry_after: Some(7) });
        check(Intent::Create, 429, "{}", Class::TooManyRequests { retry_after: None });
        check(Intent::Read, 500, "{}", Class::Unavailable);
        check(Intent::Read, 302, "", Class::Unavailable);
        check(Intent::Build, 503, "{}", Class::OutcomeUnknown { timeout: false });
        check(Intent::Build, 504, "{}", Class::OutcomeUnknown { timeout: true });
    }

    #[test]
    fn without_an_answer() {
        for (intent, failure, expect) in [
            (Intent::Read, Failure::Timeout, Class::Unavailable),
            (Intent::Read, Failure::Garbage, Class::Unavailable),
            (Intent::Create, Failure::Timeout, Class::OutcomeUnknown { timeout: true }),
            (Intent::Create, Failure::Reset, Class::OutcomeUnknown { timeout: false }),
        ] {
            assert_eq!(CoderError::new(intent, failure).class, expect);
        }
    }

    #[track_caller]
    fn check_text(status: u16, body: &str, expect: &str) {
        let failure = Failure::Answer { status, body: body.as_bytes(), retry_after: None };
        assert_eq!(CoderError::new(Intent::Change, failure).text(), expect);
    }

    #[test]
    fn words_of_coder() {
        check_text(
            409,
            r#"{"message":"A workspace build is already active."}"#,
            "A workspace build is already active.",
        );
        check_text(400, r#"{"message":"No.","detail":"Because."}"#, "No. Because.");
        // As Coder says it when a build is in the way.
        check_text(409, r#"{"message":"No.","detail":"No."}"#, "No.");
        check_text(
            409,
            r#"{"message":"insert workspace build","detail":"pq: duplicate key value violates x"}"#,
            "insert workspace build",
        );
        check_text(400, "<html>nginx</html>", "");
        check_text(500, r#"{"message":"pq: password","detail":"stack"}"#, "");
        check_text(401, r#"{"message":"You are signed out","detail":"cookie"}"#, "");
    }

    #[test]
    fn nothing_internal() {
        check_text(
            400,
            r#"{"message":"Get \"http://10.0.0.1:80/x\": no","detail":"token abcdefghij-0123456789012345678901."}"#,
            "Get (address) no token (secret)",
        );
        check_text(400, r#"{"message":"a\u0000b\u001b[31m\nc"}"#, "a b [31m c");
        let long = format!(r#"{{"message":"{}"}}"#, "ü".repeat(5000));
        let failure = Failure::Answer { status: 400, body: long.as_bytes(), retry_after: None };
        assert!(CoderError::new(Intent::Read, failure).message.len() <= TEXT_MAX + 3);
    }

    #[test]
    fn validations_are_kept() {
        let body = r#"{"message":"m","validations":[{"field":"cpu","detail":"required"}]}"#;
        let failure = Failure::Answer { status: 400, body: body.as_bytes(), retry_after: None };
        let error = CoderError::new(Intent::Create, failure);
        assert_eq!(error.validations, [Validation { field: "cpu".into(), detail: "required".into() }]);
    }
}
