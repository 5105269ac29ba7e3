//! Requests to Coder as values, one function per endpoint. Paths begin with `/api/v2`; every segment and query
//! value that comes from outside is percent-encoded.
//!
//! Carries no credentials: Envoy adds the token. Nothing is sent here.

mod parameters;
mod templates;
mod users;
mod workspaces;

pub use parameters::*;
pub use templates::*;
pub use users::*;
pub use workspaces::*;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// All but RFC 3986's unreserved characters. The dot is not among those that stay: `..` must never be a segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// One HTTP request to Coder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: &'static str,
    /// Path with query, percent-encoded: Envoy's `:path`.
    pub path: String,
    /// The body, already JSON or an archive.
    pub body: Option<Vec<u8>>,
    /// Its type; set when there is a body.
    pub content_type: Option<&'static str>,
}

impl Request {
    fn get(path: String) -> Self {
        Self { method: "GET", path, body: None, content_type: None }
    }

    fn delete(path: String) -> Self {
        Self { method: "DELETE", path, body: None, content_type: None }
    }

    /// Whether it may change something. Two questions are too long for a path, and are asked with a body.
    pub fn changes(&self) -> bool {
        self.method != "GET"
            && !self.path.ends_with("/authcheck")
            && !self.path.ends_with("/dynamic-parameters/evaluate")
    }

    /// What it may change, as far as its path tells: a new workspace has its id only in the answer.
    pub fn touches(&self) -> Option<Touches<'_>> {
        if !self.changes() {
            return None;
        }
        let mut segments = self.path.split('/').skip(3);
        match (segments.next()?, segments.next()?) {
            ("workspaces", id) => Some(Touches::Workspace(id)),
            ("templates" | "templateversions" | "organizations", _) => Some(Touches::Templates),
            _ => None,
        }
    }

    /// With a value as its body, which is written as JSON.
    fn json<T: Serialize + ?Sized>(method: &'static str, path: String, body: &T) -> Self {
        // Shapes of ours with text as their keys can always be written.
        let body = crate::json::to_vec(body).unwrap_or_default();
        Self { method, path, body: Some(body), content_type: Some("application/json") }
    }
}

/// What a request may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touches<'a> {
    /// The workspace of this id.
    Workspace(&'a str),
    /// A template, or what belongs to one.
    Templates,
}

/// `POST /authcheck` → an object with a boolean for each check: `workspaces`, `templates` and `jobs` are all true
/// for an owner, who can read and change them in every organization.
pub fn authcheck() -> Request {
    const CHECKS: &str = concat!(
        r#"{"checks":{"workspaces":{"object":{"resource_type":"workspace"},"action":"update"},"#,
        r#""templates":{"object":{"resource_type":"template"},"action":"update"},"#,
        r#""jobs":{"object":{"resource_type":"provisioner_jobs"},"action":"read"}}}"#
    );
    Request {
        method: "POST",
        path: path(&["authcheck"]),
        body: Some(CHECKS.into()),
        content_type: Some("application/json"),
    }
}

fn path(segments: &[&str]) -> String {
    let mut path = String::from("/api/v2");
    for segment in segments {
        path.push('/');
        path.extend(utf8_percent_encode(segment, SEGMENT));
    }
    path
}

struct Pairs(String);

impl Pairs {
    fn new(path: String) -> Self {
        Self(path)
    }

    fn put(&mut self, key: &str, value: &str) {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(key);
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value, SEGMENT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Checks method and path, and that a body has a type.
    #[track_caller]
    pub(super) fn check(request: Request, expect: &str) {
        assert_eq!(format!("{} {}", request.method, request.path), expect);
        assert_eq!(request.body.is_some(), request.content_type.is_some());
    }

    #[test]
    fn endpoints() {
        check(authcheck(), "POST /api/v2/authcheck");
        let checks: serde_json::Value = serde_json::from_slice(&authcheck().body.unwrap()).unwrap();
        assert_eq!(checks["checks"]["jobs"]["action"], "read");
    }

    proptest! {
        #[test]
        fn a_segment_stays_one_segment(id in "\\PC*") {
            let path = workspace(&id).path;
            let rest = path.strip_prefix("/api/v2/workspaces/").unwrap();
            prop_assert!(rest.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_~%".contains(&c)));
            prop_assert_eq!(percent_encoding::percent_decode_str(rest).decode_utf8().unwrap(), id);
        }
    }
}
