//! The search strings (`q=`) of Coder's lists, built only from values that mean there what they mean here.
//!
//! Coder lower-cases the string, refuses a repeated or unknown key with 400, and answers 400 for an unknown
//! organization too: the caller reads that as an empty list. Source: `coderd/searchquery` and
//! `GetWorkspaces` in `coderd/database/queries/workspaces.sql`, v2.30.0.

use crate::names;
use core::fmt::{self, Display, Write};

/// What `GET /workspaces` can filter by. Every filter is exact, except `name`, which Coder takes as a
/// substring; so an answer holds at least what was asked for and is filtered again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkspaceQuery {
    owner: Option<String>,
    organization: Option<String>,
    template: Option<String>,
    name: Option<String>,
    status: Option<WorkspaceStatus>,
}

impl WorkspaceQuery {
    /// The owner's user name.
    pub fn owner(&mut self, name: &str) {
        narrow(&mut self.owner, name);
    }

    /// The organization's name. Coder answers 400 when it does not exist.
    pub fn organization(&mut self, name: &str) {
        narrow(&mut self.organization, name);
    }

    /// The template's name, in any organization.
    pub fn template(&mut self, name: &str) {
        narrow(&mut self.template, name);
    }

    /// Part of the workspace's name.
    pub fn name(&mut self, name: &str) {
        narrow(&mut self.name, name);
    }

    /// The latest build's status; a text that is none of Coder's is left out.
    pub fn status(&mut self, status: &str) {
        self.status = self.status.or_else(|| WorkspaceStatus::parse(status));
    }

    /// Whether it asks for everything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether Coder may answer 400 for "no such organization".
    pub fn names_organization(&self) -> bool {
        self.organization.is_some()
    }
}

impl Display for WorkspaceQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms = Terms { f, first: true };
        terms.put("owner", self.owner.as_deref())?;
        terms.put("organization", self.organization.as_deref())?;
        terms.put("template", self.template.as_deref())?;
        terms.put("name", self.name.as_deref())?;
        terms.put("status", self.status.map(WorkspaceStatus::as_str))
    }
}

/// What `GET /templates` can filter by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateQuery {
    organization: Option<String>,
    /// `true` finds deprecated templates and no others, `false` the others: a complete list takes both.
    pub deprecated: bool,
}

impl TemplateQuery {
    /// The organization's name. Coder answers 400 when it does not exist.
    pub fn organization(&mut self, name: &str) {
        narrow(&mut self.organization, name);
    }

    /// Whether Coder may answer 400 for "no such organization".
    pub fn names_organization(&self) -> bool {
        self.organization.is_some()
    }
}

impl Display for TemplateQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms = Terms { f, first: true };
        terms.put("organization", self.organization.as_deref())?;
        terms.put("deprecated", Some(if self.deprecated { "true" } else { "false" }))
    }
}

/// `codersdk.WorkspaceStatus`. In a search, each means exactly the latest build's `status` of the same name
/// (Coder's further word `started` is another one for `running`, and no build has it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkspaceStatus(&'static str);

impl WorkspaceStatus {
    const ALL: [&'static str; 10] = [
        "pending",
        "starting",
        "running",
        "stopping",
        "stopped",
        "failed",
        "canceling",
        "canceled",
        "deleting",
        "deleted",
    ];

    /// Coder's word, in its own spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| *status == text).map(Self)
    }

    /// Coder's word.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

/// Takes over a value that Coder understands as a plain name. A second filter on the same key is left to us:
/// Coder refuses a repeated key, and the first alone gives a superset.
fn narrow(slot: &mut Option<String>, name: &str) {
    let plain = matches!(names::segment(name), Ok(()) | Err(names::NameError::UpperCase));
    if slot.is_none() && plain && !names::is_ambiguous(name) {
        *slot = Some(name.to_owned());
    }
}

struct Terms<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    first: bool,
}

impl Terms<'_, '_> {
    /// Names and words have no character that would need quotes.
    fn put(&mut self, key: &str, value: Option<&str>) -> fmt::Result {
        let Some(value) = value else { return Ok(()) };
        if !self.first {
            self.f.write_char(' ')?;
        }
        self.first = false;
        write!(self.f, "{key}:{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(build: impl FnOnce(&mut WorkspaceQuery), expect: &str) {
        let mut query = WorkspaceQuery::default();
        build(&mut query);
        assert_eq!(query.to_string(), expect);
        assert_eq!(query.is_empty(), expect.is_empty());
    }

    #[test]
    fn workspaces() {
        check(|_| {}, "");
        check(|q| q.owner("alice"), "owner:alice");
        check(
            |q| {
                q.name("ws-1");
                q.status("running");
                q.template("dev");
                q.organization("coder");
            },
            "organization:coder template:dev name:ws-1 status:running",
        );
    }

    #[test]
    fn what_coder_would_read_otherwise_stays_here() {
        check(|q| q.owner("me"), "");
        check(|q| q.organization("default"), "");
        check(|q| q.owner("0123456789abcdef0123456789abcdef"), "");
        check(|q| q.owner("a b"), "");
        check(|q| q.owner("x\" name:\"y"), "");
        check(|q| q.owner(""), "");
        check(|q| q.status("started"), "");
        check(|q| q.status("Running"), "");
    }

    #[test]
    fn a_key_is_never_repeated() {
        check(
            |q| {
                q.owner("alice");
                q.owner("bob");
            },
            "owner:alice",
        );
    }

    #[test]
    fn templates() {
        let mut query = TemplateQuery { deprecated: true, ..Default::default() };
        assert_eq!(query.to_string(), "deprecated:true");
        query.organization("coder");
        assert_eq!(query.to_string(), "organization:coder deprecated:true");
    }
}
