//! Templates, their versions, the archives behind them, and the jobs that import them.

use super::{Pairs, Request, path};
use crate::coder::query::TemplateQuery;
use crate::names::TemplateName;

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

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn endpoints() {
        let tpl = TemplateName::parse("coder.dev").unwrap();
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
    }
}
