//! Our API as a client that writes: one collection, requests by verb, and patient waiting. Knows nothing of Coder.

use crate::{Endpoint, GROUP_VERSION, Lab, Request, Response, envoy::eventually};
use serde_json::{Value, json};
use std::time::Duration;

/// The longest that a build, an import or a deletion may take on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// JSON merge patch (RFC 7386).
pub const MERGE: &str = "application/merge-patch+json";

/// JSON Patch (RFC 6902).
pub const JSON_PATCH: &str = "application/json-patch+json";

/// Server-side apply.
pub const APPLY: &str = "application/apply-patch+yaml";

/// One of our two collections in the mapped namespace, as one caller sees it.
#[derive(Clone, Debug)]
pub struct Api {
    endpoint: Endpoint,
    path: String,
}

impl Api {
    /// Workspaces or templates, by the plural name of the resource.
    pub fn new(lab: &Lab, endpoint: Endpoint, resource: &str) -> Api {
        Api { endpoint, path: lab.path(resource) }
    }

    /// The path of an object, of the collection when the name is empty, with a query that may be empty too.
    pub fn target(&self, name: &str, query: &str) -> String {
        let slash = if name.is_empty() { "" } else { "/" };
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{slash}{name}{mark}{query}", self.path)
    }

    /// The collection's server, and who is asking.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request to the collection's server.
    pub fn send(&self, request: &Request) -> Response {
        self.endpoint.send(request)
    }

    /// POST to the collection.
    pub fn create(&self, query: &str, object: &Value) -> Response {
        self.send(&Request::post(&self.target("", query), object))
    }

    /// PUT of an object.
    pub fn replace(&self, name: &str, query: &str, object: &Value) -> Response {
        self.send(&Request::new("PUT", &self.target(name, query)).json(object))
    }

    /// PATCH of an object with one of the content types above, or another.
    pub fn patch(&self, name: &str, query: &str, content_type: &str, patch: &Value) -> Response {
        self.send(&Request::new("PATCH", &self.target(name, query)).body(content_type, patch.to_string()))
    }

    /// A merge patch.
    pub fn merge(&self, name: &str, patch: &Value) -> Response {
        self.patch(name, "", MERGE, patch)
    }

    /// DELETE of an object (or of the collection, when the name is empty) with `DeleteOptions`, which may be null.
    pub fn delete(&self, name: &str, query: &str, options: &Value) -> Response {
        let request = Request::new("DELETE", &self.target(name, query));
        self.send(&if options.is_null() { request } else { request.json(options) })
    }

    /// GET, whatever the answer.
    pub fn read(&self, name: &str) -> Response {
        self.endpoint.get(&self.target(name, ""))
    }

    /// An object that must be there.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn get(&self, name: &str) -> Value {
        ok(&self.read(name))
    }

    /// Reads an object until it is as wanted.
    ///
    /// # Panics
    /// When it never is, with the last state in the message.
    #[track_caller]
    pub fn until(&self, name: &str, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let start = std::time::Instant::now();
        loop {
            let object = self.get(name);
            if wanted(&object) {
                return object;
            }
            let still =
                json!({"metadata": object["metadata"], "spec": object["spec"], "status": object["status"]});
            assert!(start.elapsed() < PATIENCE, "{name} is never {what}: {still} (before: {last})");
            last = object["status"]["conditions"].clone();
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Reads a workspace until no build of it is under way.
    ///
    /// # Panics
    /// As [`Api::until`].
    #[track_caller]
    pub fn settled(&self, name: &str) -> Value {
        self.steadily(name, "settled", |object| condition(object, "Progressing") == "False")
    }

    /// Reads an object until it is ready.
    ///
    /// # Panics
    /// As [`Api::until`].
    #[track_caller]
    pub fn ready(&self, name: &str) -> Value {
        self.steadily(name, "ready", |object| condition(object, "Ready") == "True")
    }

    /// Reads an object until it is as wanted and the same a moment later: coderd tells that a build is over a little before it tells when the
    /// workspace will be stopped.
    #[track_caller]
    fn steadily(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Value::Null;
        self.until(name, what, |object| {
            let steady = wanted(object) && *object == seen;
            seen = object.clone();
            steady
        })
    }

    /// Waits until an object is not found.
    ///
    /// # Panics
    /// When it stays.
    #[track_caller]
    pub fn gone(&self, name: &str) {
        eventually(&format!("{name} is gone"), PATIENCE, || (self.read(name).status() == 404).then_some(()));
    }
}

/// The body of an answer that says 200 or 201.
///
/// # Panics
/// When it says something else.
#[track_caller]
pub fn ok(response: &Response) -> Value {
    assert!([200, 201].contains(&response.status()), "{} {}", response.status(), response.excerpt());
    response.json()
}

/// The status of a condition (`True`, `False`, `Unknown`), empty when there is none of that type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    let all = object["status"]["conditions"].as_array();
    let found = all.into_iter().flatten().find(|condition| condition["type"] == kind);
    found.and_then(|condition| condition["status"].as_str()).unwrap_or_default()
}

/// The texts of all `Warning` headers, joined by lines.
pub fn warnings(response: &Response) -> String {
    let lines = response.head.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("warning"));
    lines.map(|(_, value)| value.replace("\\\"", "\"")).collect::<Vec<_>>().join("\n")
}

/// The causes of a Status by field, in order: `(field, reason, message)`.
pub fn causes(status: &Value) -> Vec<(String, String, String)> {
    let text = |cause: &Value, key: &str| cause[key].as_str().unwrap_or_default().to_owned();
    let causes = status["details"]["causes"].as_array();
    let causes = causes.into_iter().flatten();
    causes.map(|cause| (text(cause, "field"), text(cause, "reason"), text(cause, "message"))).collect()
}

/// A manifest of one of our kinds.
pub fn manifest(kind: &str, metadata: &Value, spec: &Value) -> Value {
    let version = GROUP_VERSION.trim_start_matches("/apis/");
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
}

/// A manifest of a `CoderWorkspace` with this name, template and more of a spec.
pub fn workspace(name: &str, template: &str, more: &Value) -> Value {
    let mut spec = json!({"organization": name.split('.').next(), "templateName": template});
    merge(&mut spec, more);
    manifest("CoderWorkspace", &json!({"name": name}), &spec)
}

/// A manifest of a `CoderTemplate` with this name and spec.
pub fn template(name: &str, more: &Value) -> Value {
    let mut spec = json!({"organization": name.split('.').next()});
    merge(&mut spec, more);
    manifest("CoderTemplate", &json!({"name": name}), &spec)
}

/// Sets the fields of one object in another, not recursively.
///
/// # Panics
/// When either is no object.
pub fn merge(object: &mut Value, more: &Value) {
    let more = more.as_object().expect("an object").clone();
    object.as_object_mut().expect("an object").extend(more);
}

/// Files of an archive as `spec.files` takes them. Where a phase's message is no text (long messages, parameters), this fails.
///
/// # Panics
/// When one is no text.
pub fn files(archive: &echo_archive::Archive) -> Value {
    let text = |(path, bytes)| (path, Value::String(String::from_utf8(bytes).expect("a text file")));
    Value::Object(archive.entries().into_iter().map(text).collect())
}

/// Files of an archive as a get shows them: what is no text, or has NUL in it, is not shown.
pub fn shown_files(archive: &echo_archive::Archive) -> Value {
    let text = |(path, bytes): (String, Vec<u8>)| {
        let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
        Some((path, Value::String(text)))
    };
    Value::Object(archive.entries().into_iter().filter_map(text).collect())
}
