//! What the segments of a path stand for, and whether the caller may know.

use uuid::Uuid;

use super::auth::Actor;
use super::reply::{Failure, path_id};
use super::state::{Build, Organization, State, Template, User, Version, Workspace};

impl State {
    /// `{user}`: `me`, a UUID in any spelling, or a name in any case. Unknown and hidden ones are 400; deleted ones are found
    /// by their ids alone.
    pub(crate) fn user(&self, actor: Actor, text: &str) -> Result<&User, Failure> {
        let found = if text == "me" {
            self.users.get(actor.id)
        } else if let Ok(id) = Uuid::parse_str(text) {
            self.users.get(id)
        } else {
            self.users.iter().find(|user| !user.deleted && user.username.eq_ignore_ascii_case(text))
        };
        found.filter(|user| actor.acts_for(user.id)).ok_or_else(|| {
            Failure::bad_request("\"user\" must be an existing uuid or username.")
                .detail(format!("queried user=\"{text}\""))
        })
    }

    /// `{user}` on the routes of workspaces, where members of one organization see each other's names. By their ids coderd
    /// finds deleted ones too.
    pub(crate) fn member(&self, actor: Actor, text: &str) -> Result<&User, Failure> {
        let named = |user: &&User| match Uuid::parse_str(text) {
            Ok(id) => user.id == id,
            Err(_) => !user.deleted && user.username.eq_ignore_ascii_case(text),
        };
        let found = self.users.iter().find(|user| text != "me" && named(user));
        found.map_or_else(|| self.user(actor, text), Ok)
    }

    /// `{organization}`: `default`, a UUID or a name.
    pub(crate) fn organization(&self, text: &str) -> Result<&Organization, Failure> {
        if text.is_empty() || text == "default" {
            return Ok(self.default_organization());
        }
        let found = match Uuid::parse_str(text) {
            Ok(id) => self.organizations.get(id),
            Err(_) => {
                self.organizations.iter().find(|organization| organization.name.eq_ignore_ascii_case(text))
            }
        };
        found.ok_or_else(Failure::not_found)
    }

    /// `{template}`.
    pub(crate) fn template(&self, text: &str) -> Result<&Template, Failure> {
        let id = path_id(text)?;
        self.templates.get(id).filter(|template| !template.deleted).ok_or_else(Failure::not_found)
    }

    /// `{templateversion}`.
    pub(crate) fn version(&self, text: &str) -> Result<&Version, Failure> {
        let id = path_id(text)?;
        self.versions.get(id).ok_or_else(Failure::not_found)
    }

    /// `{workspace}`, also when it was deleted.
    pub(crate) fn workspace(&self, actor: Actor, text: &str) -> Result<&Workspace, Failure> {
        let id = path_id(text)?;
        self.workspaces.get(id).filter(|workspace| actor.reads(workspace)).ok_or_else(Failure::not_found)
    }

    /// `{workspacebuild}`.
    pub(crate) fn build(&self, actor: Actor, text: &str) -> Result<&Build, Failure> {
        let id = path_id(text)?;
        let visible = |build: &&Build| actor.reads(self.workspaces.of(build.workspace));
        self.builds.get(id).filter(visible).ok_or_else(Failure::not_found)
    }

    /// `{user}/workspace/{workspacename}`: the live one of that name, or with `deleted` the newest deleted one.
    pub(crate) fn workspace_of(&self, owner: Uuid, name: &str, deleted: bool) -> Option<&Workspace> {
        let mut named = self.workspaces.iter().rev().filter(|workspace| {
            workspace.owner == owner
                && workspace.deleted == deleted
                && workspace.name.eq_ignore_ascii_case(name)
        });
        named.next()
    }
}
