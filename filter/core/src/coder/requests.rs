//! Requests to Coder as values, one function per endpoint. Paths begin with `/api/v2`; every segment and query
//! value that comes from outside is percent-encoded.
//!
//! Carries no credentials: Envoy adds the token. Nothing is sent here.

use super::query::{TemplateQuery, WorkspaceQuery};
use crate::names::{TemplateName, WorkspaceName};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

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
}

/// `GET /users/{user}/workspace/{name}` → `Workspace`. Coder finds it in any organization and takes aliases
/// for `user`: compare the answer with the name. 400 when there is no such user.
pub fn workspace_by_name(name: &WorkspaceName) -> Request {
    Request::get(path(&["users", &name.user, "workspace", &name.workspace]))
}

/// `GET /workspaces/{id}` → `Workspace`; 410 when it has been deleted.
pub fn workspace(id: &str) -> Request {
    Request::get(path(&["workspaces", id]))
}

/// `GET /workspaces` → `WorkspaceList`. `limit` 0 is no limit.
pub fn workspaces(query: &WorkspaceQuery, limit: u64, offset: u64) -> Request {
    let mut pairs = Pairs::new(path(&["workspaces"]));
    if !query.is_empty() {
        pairs.put("q", &query.to_string());
    }
    if limit > 0 {
        pairs.put("limit", &limit.to_string());
    }
    if offset > 0 {
        pairs.put("offset", &offset.to_string());
    }
    Request::get(pairs.0)
}

/// `GET /users/{user}/workspace/{name}/builds/{number}` → `Build`.
pub fn build_by_number(name: &WorkspaceName, number: i64) -> Request {
    let number = number.to_string();
    Request::get(path(&["users", &name.user, "workspace", &name.workspace, "builds", &number]))
}

/// `GET /workspacebuilds/{id}/parameters` → list of `BuildParameter`.
pub fn build_parameters(id: &str) -> Request {
    Request::get(path(&["workspacebuilds", id, "parameters"]))
}

/// `GET /workspacebuilds/{id}/logs` → list of `JobLog`: all lines so far.
pub fn build_logs(id: &str) -> Request {
    Request::get(path(&["workspacebuilds", id, "logs"]))
}

/// `GET /workspaceagents/{id}/logs` → list of `AgentLog`: all lines so far.
pub fn agent_logs(id: &str) -> Request {
    Request::get(path(&["workspaceagents", id, "logs"]))
}

/// `GET /templates` → list of `Template`.
pub fn templates(query: &TemplateQuery) -> Request {
    let mut pairs = Pairs::new(path(&["templates"]));
    pairs.put("q", &query.to_string());
    Request::get(pairs.0)
}

/// `GET /organizations/{org}/templates/{name}` → `Template`, deprecated ones too. Coder takes aliases and UUIDs
/// for `org`: compare the answer with the name.
pub fn template_by_name(name: &TemplateName) -> Request {
    Request::get(path(&["organizations", &name.organization, "templates", &name.template]))
}

/// `GET /templateversions/{id}` → `TemplateVersion`.
pub fn template_version(id: &str) -> Request {
    Request::get(path(&["templateversions", id]))
}

/// `GET /templates/{id}/versions` → list of `TemplateVersion`, oldest first, all of them.
pub fn template_versions(template: &str) -> Request {
    Request::get(path(&["templates", template, "versions"]))
}

/// `GET /files/{id}` → the archive as it was uploaded, a tar.
pub fn file(id: &str) -> Request {
    Request::get(path(&["files", id]))
}

/// `GET /organizations/{org}/provisionerjobs` → list of `ProvisionerJob`, newest first. No `statuses` means any;
/// `limit` 0 means all. 404 unless our user is an owner or template admin.
pub fn provisioner_jobs(organization: &str, statuses: &[&str], limit: u64) -> Request {
    let mut pairs = Pairs::new(path(&["organizations", organization, "provisionerjobs"]));
    if !statuses.is_empty() {
        pairs.put("status", &statuses.join(","));
    }
    pairs.put("limit", &limit.to_string());
    Request::get(pairs.0)
}

/// The jobs that decide the import conditions of an organization's templates: the newest that have not succeeded.
/// Coder cannot filter by type, so builds are among them: `limit` bounds what failed long ago.
pub fn unsuccessful_jobs(organization: &str, limit: u64) -> Request {
    provisioner_jobs(organization, &["pending", "running", "canceling", "canceled", "failed"], limit)
}

/// `GET /users/me`: whose token Envoy injects.
pub fn me() -> Request {
    Request::get(path(&["users", "me"]))
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

    #[track_caller]
    fn check(request: Request, expect: &str) {
        assert_eq!(format!("{} {}", request.method, request.path), expect);
        assert_eq!(request.body.is_some(), request.content_type.is_some());
    }

    #[test]
    fn endpoints() {
        let ws = WorkspaceName::parse("coder.alice.ws-0").unwrap();
        let tpl = TemplateName::parse("coder.dev").unwrap();
        let mut query = WorkspaceQuery::default();
        check(workspace_by_name(&ws), "GET /api/v2/users/alice/workspace/ws-0");
        check(build_by_number(&ws, 3), "GET /api/v2/users/alice/workspace/ws-0/builds/3");
        check(workspace("u-1"), "GET /api/v2/workspaces/u-1");
        check(workspaces(&query, 0, 0), "GET /api/v2/workspaces");
        query.owner("alice");
        query.organization("coder");
        check(
            workspaces(&query, 50, 100),
            "GET /api/v2/workspaces?q=owner%3Aalice%20organization%3Acoder&limit=50&offset=100",
        );
        check(build_parameters("u-1"), "GET /api/v2/workspacebuilds/u-1/parameters");
        check(build_logs("u-1"), "GET /api/v2/workspacebuilds/u-1/logs");
        check(agent_logs("u-1"), "GET /api/v2/workspaceagents/u-1/logs");
        check(templates(&TemplateQuery::default()), "GET /api/v2/templates?q=deprecated%3Afalse");
        check(template_by_name(&tpl), "GET /api/v2/organizations/coder/templates/dev");
        check(template_version("u-1"), "GET /api/v2/templateversions/u-1");
        check(template_versions("u-1"), "GET /api/v2/templates/u-1/versions");
        check(file("u-1"), "GET /api/v2/files/u-1");
        check(
            unsuccessful_jobs("coder", 1000),
            "GET /api/v2/organizations/coder/provisionerjobs\
             ?status=pending%2Crunning%2Ccanceling%2Ccanceled%2Cfailed&limit=1000",
        );
        check(me(), "GET /api/v2/users/me");
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
