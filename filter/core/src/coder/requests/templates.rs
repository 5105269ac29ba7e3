//! Templates, their versions, the archives behind them, the jobs that import them, and their organizations.

use super::{Pairs, Request, path};
use crate::coder::query::TemplateQuery;
use crate::coder::template::TemplateSettings;
use crate::names::TemplateName;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::borrow::Cow;

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

/// `GET /templates/{id}` → `Template`; 404 when it has been deleted.
pub fn template(id: &str) -> Request {
    Request::get(path(&["templates", id]))
}

/// `GET /organizations` → list of `Organization`: all that our user may see.
pub fn organizations() -> Request {
    Request::get(path(&["organizations"]))
}

/// `GET /organizations/{org}` → `Organization`. Coder takes aliases and UUIDs for `org`: compare the answer with the name.
pub fn organization(org: &str) -> Request {
    Request::get(path(&["organizations", org]))
}

/// A new template, which takes a version that no template has taken.
#[derive(Clone, Debug, Serialize)]
pub struct NewTemplate<'a> {
    /// Unique in the organization.
    pub name: &'a str,
    /// The version; its import need not have ended.
    pub template_version_id: &'a str,
    /// For people.
    pub display_name: &'a str,
    /// For people; fewer than 128 characters.
    pub description: &'a str,
    /// Path or URL.
    pub icon: &'a str,
    /// As in [`TemplateSettings`]; absent is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_ttl_ms: Option<i64>,
    /// As in [`TemplateSettings`]; absent is an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity_bump_ms: Option<i64>,
    /// As in [`TemplateSettings`]; absent is false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_user_cancel_workspace_jobs: Option<bool>,
    /// As in [`TemplateSettings`].
    pub require_active_version: bool,
}

/// `POST /organizations/{org}/templates` → `Template`. 409 when the name is taken, 404 when there is no such version, 400 when a template has
/// taken it or it is archived.
pub fn create_template(organization: &str, new: &NewTemplate<'_>) -> Request {
    Request::json("POST", path(&["organizations", organization, "templates"]), new)
}

/// `PATCH /templates/{id}` → `Template`; 304 when nothing is different.
pub fn update_template(id: &str, settings: &TemplateSettings<'_>) -> Request {
    Request::json("PATCH", path(&["templates", id]), settings)
}

/// `DELETE /templates/{id}`. 400 while there are workspaces of it.
pub fn delete_template(id: &str) -> Request {
    Request::delete(path(&["templates", id]))
}

/// `GET /templateversions/{id}` → `TemplateVersion`.
pub fn template_version(id: &str) -> Request {
    Request::get(path(&["templateversions", id]))
}

/// `GET /templateversions/{id}/logs` → list of `JobLog`: all lines of its import so far.
pub fn template_version_logs(id: &str) -> Request {
    Request::get(path(&["templateversions", id, "logs"]))
}

/// `GET /templates/{id}/versions` → list of `TemplateVersion`, oldest first, all of them, archived ones too.
pub fn template_versions(template: &str) -> Request {
    let mut pairs = Pairs::new(path(&["templates", template, "versions"]));
    pairs.put("include_archived", "true");
    Request::get(pairs.0)
}

/// Text by text, written as an object.
#[derive(Clone, Copy, Debug)]
pub struct Pairing<'a>(pub &'a [(Cow<'a, str>, Cow<'a, str>)]);

impl Serialize for Pairing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(key.as_ref(), value.as_ref())?;
        }
        map.end()
    }
}

/// A new version. Values of variables that are not given are those of the template's active version.
#[derive(Clone, Serialize)]
pub struct NewVersion<'a> {
    /// Unique in the template.
    pub name: &'a str,
    /// What its author says about it.
    pub message: &'a str,
    /// The template it is for; absent when that is yet to be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_id: Option<&'a str>,
    /// Always `file`.
    pub storage_method: &'static str,
    /// The uploaded archive.
    pub file_id: &'a str,
    /// `terraform` or `echo`.
    pub provisioner: &'a str,
    /// Which daemons may import it.
    pub tags: Pairing<'a>,
    /// Values of its variables, which may be secrets.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub user_variable_values: &'a [Variable<'a>],
}

/// The value of a variable.
#[derive(Clone, Serialize)]
pub struct Variable<'a> {
    /// As the files declare it.
    pub name: &'a str,
    /// May be a secret.
    pub value: &'a str,
}

/// `POST /organizations/{org}/templateversions` → `TemplateVersion`, whose import begins. 409 when the template has a version of that name.
pub fn create_version(organization: &str, new: &NewVersion<'_>) -> Request {
    Request::json("POST", path(&["organizations", organization, "templateversions"]), new)
}

/// `PATCH /templateversions/{id}` → `TemplateVersion` with another message.
pub fn set_version_message(id: &str, message: &str) -> Request {
    #[derive(Serialize)]
    struct Body<'a> {
        message: &'a str,
    }
    Request::json("PATCH", path(&["templateversions", id]), &Body { message })
}

/// `PATCH /templates/{id}/versions`: makes a version active. 403 unless its import has succeeded.
pub fn promote(template: &str, version: &str) -> Request {
    #[derive(Serialize)]
    struct Body<'a> {
        id: &'a str,
    }
    Request::json("PATCH", path(&["templates", template, "versions"]), &Body { id: version })
}

/// `GET /files/{id}` → the archive: a tar, also where a zip was uploaded.
pub fn file(id: &str) -> Request {
    Request::get(path(&["files", id]))
}

/// `POST /files` with a tar → `Upload`. The same bytes have the same id.
pub fn upload(archive: Vec<u8>) -> Request {
    Request {
        method: "POST",
        path: path(&["files"]),
        body: Some(archive),
        content_type: Some("application/x-tar"),
    }
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

/// The same for these jobs, whatever their state.
pub fn provisioner_jobs_by_id(organization: &str, ids: &[&str]) -> Request {
    let mut pairs = Pairs::new(path(&["organizations", organization, "provisionerjobs"]));
    pairs.put("ids", &ids.join(","));
    pairs.put("limit", "0");
    Request::get(pairs.0)
}

/// The jobs that decide the import conditions of an organization's templates: the newest that have not succeeded.
/// Coder cannot filter by type, so builds are among them: `limit` bounds what failed long ago.
pub fn unsuccessful_jobs(organization: &str, limit: u64) -> Request {
    provisioner_jobs(organization, &["pending", "running", "canceling", "canceled", "failed"], limit)
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;
    use serde_json::{Value, json};

    #[track_caller]
    fn check_body(request: Request, line: &str, body: &Value) {
        assert_eq!(&serde_json::from_slice::<Value>(request.body.as_deref().unwrap()).unwrap(), body);
        check(request, line);
    }

    #[test]
    fn endpoints() {
        let tpl = TemplateName::parse("coder.dev").unwrap();
        check(templates(&TemplateQuery::default()), "GET /api/v2/templates?q=deprecated%3Afalse");
        check(template_by_name(&tpl), "GET /api/v2/organizations/coder/templates/dev");
        check(template("u-1"), "GET /api/v2/templates/u-1");
        check(organizations(), "GET /api/v2/organizations");
        check(organization("coder"), "GET /api/v2/organizations/coder");
        check(delete_template("u-1"), "DELETE /api/v2/templates/u-1");
        check(template_version("u-1"), "GET /api/v2/templateversions/u-1");
        check(template_version_logs("u-1"), "GET /api/v2/templateversions/u-1/logs");
        check(template_versions("u-1"), "GET /api/v2/templates/u-1/versions?include_archived=true");
        check(file("u-1"), "GET /api/v2/files/u-1");
        check(upload(vec![0]), "POST /api/v2/files");
        check(
            unsuccessful_jobs("coder", 1000),
            "GET /api/v2/organizations/coder/provisionerjobs\
             ?status=pending%2Crunning%2Ccanceling%2Ccanceled%2Cfailed&limit=1000",
        );
    }

    #[test]
    fn bodies() {
        let new = NewTemplate {
            name: "dev",
            template_version_id: "v-1",
            display_name: "",
            description: "d",
            icon: "",
            default_ttl_ms: Some(0),
            activity_bump_ms: None,
            allow_user_cancel_workspace_jobs: None,
            require_active_version: false,
        };
        check_body(
            create_template("coder", &new),
            "POST /api/v2/organizations/coder/templates",
            &json!({
                "name": "dev", "template_version_id": "v-1", "display_name": "", "description": "d", "icon": "", "default_ttl_ms": 0,
                "require_active_version": false
            }),
        );
        let tags = [(Cow::Borrowed("a"), Cow::Borrowed("b"))];
        let variables = [Variable { name: "x", value: "y" }];
        let new = NewVersion {
            name: "k8s-1",
            message: "m",
            template_id: Some("t-1"),
            storage_method: "file",
            file_id: "f-1",
            provisioner: "terraform",
            tags: Pairing(&tags),
            user_variable_values: &variables,
        };
        check_body(
            create_version("coder", &new),
            "POST /api/v2/organizations/coder/templateversions",
            &json!({
                "name": "k8s-1", "message": "m", "template_id": "t-1", "storage_method": "file", "file_id": "f-1",
                "provisioner": "terraform", "tags": {"a": "b"}, "user_variable_values": [{"name": "x", "value": "y"}]
            }),
        );
        check_body(
            set_version_message("v-1", ""),
            "PATCH /api/v2/templateversions/v-1",
            &json!({"message": ""}),
        );
        check_body(promote("t-1", "v-1"), "PATCH /api/v2/templates/t-1/versions", &json!({"id": "v-1"}));
    }

    #[test]
    fn what_coder_would_reset_is_sent_back() {
        let kept = json!({
            "default_ttl_ms": 1, "activity_bump_ms": 2, "allow_user_autostart": true, "allow_user_autostop": true,
            "allow_user_cancel_workspace_jobs": true, "failure_ttl_ms": 3, "time_til_dormant_ms": 4,
            "time_til_dormant_autodelete_ms": 5, "require_active_version": true
        });
        let template = kept.to_string();
        let settings: TemplateSettings<'_> = crate::coder::parse(template.as_bytes()).unwrap();
        check_body(update_template("t-1", &settings), "PATCH /api/v2/templates/t-1", &kept);
        assert!(crate::coder::parse::<TemplateSettings<'_>>(b"{}").is_err());
    }
}
