//! One workspace by its name: how `get` and the subresources begin.

use super::subject;
use crate::api::v1alpha1::WORKSPACES;
use crate::coder::errors::{CoderError, Failure, Intent};
use crate::coder::{self, Workspace, requests};
use crate::config::ControlPlane;
use crate::convert::errors;
use crate::exchange::context::Cx;
use crate::exchange::port::Answer;
use crate::kube::status::Status;
use crate::names::{self, WorkspaceName};

/// Asks Coder for the workspace of that name. What Coder finds by an alias, an id or another spelling is not it.
pub(super) async fn find(cx: &Cx, plane: &ControlPlane, name: &str) -> Result<Answer, Status> {
    let parsed = WorkspaceName::parse(name).map_err(|_| Status::not_found(WORKSPACES, name))?;
    cx.coder(plane, Intent::ReadByUser, requests::workspace_by_name(&parsed))
        .await
        .map_err(|e| errors::status(&e, subject(&plane.namespace, name)))
}

/// Reads Coder's answer to [`find`].
pub(super) fn read<'a>(
    answer: &'a Answer,
    plane: &ControlPlane,
    name: &str,
) -> Result<Workspace<'a>, Status> {
    let workspace: Workspace<'a> =
        coder::parse(&answer.body).map_err(|_| garbage(Intent::ReadByUser, &plane.namespace, name))?;
    let found = names::join(&[&workspace.organization_name, &workspace.owner_name, &workspace.name]);
    if found.as_deref() == Some(name) { Ok(workspace) } else { Err(Status::not_found(WORKSPACES, name)) }
}

/// Coder answered something that is not what it answers.
pub(super) fn garbage(intent: Intent, namespace: &str, name: &str) -> Status {
    errors::status(&CoderError::new(intent, Failure::Garbage), subject(namespace, name))
}
