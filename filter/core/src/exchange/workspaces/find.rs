//! One workspace by its name: how `get` and the subresources begin.

use super::failed;
use crate::api::v1alpha1::WORKSPACES;
use crate::coder::errors::{CoderError, Failure, Intent};
use crate::coder::{self, Workspace, requests};
use crate::config::ControlPlane;
use crate::exchange::context::{Cx, settled};
use crate::exchange::port::{Answer, Pending};
use crate::kube::status::Status;
use crate::names::{self, WorkspaceName};

/// Asks Coder for the workspace of that name. What Coder finds by an alias, an id or another spelling is not it.
pub(super) async fn find(cx: &Cx, plane: &ControlPlane, name: &str) -> Result<Answer, Status> {
    found(ask(cx, plane, name)?, plane, name).await
}

/// The first half of [`find`]: it is asked for.
pub(super) fn ask<'a>(cx: &'a Cx, plane: &ControlPlane, name: &str) -> Result<Pending<'a>, Status> {
    let parsed = WorkspaceName::parse(name).map_err(|_| Status::not_found(WORKSPACES, name))?;
    Ok(cx.send_to_coder(plane, requests::workspace_by_name(&parsed)))
}

/// The second half: the answer is waited for.
pub(super) async fn found(pending: Pending<'_>, plane: &ControlPlane, name: &str) -> Result<Answer, Status> {
    settled(Intent::ReadByUser, pending).await.map_err(|e| failed(&e, &plane.namespace, name))
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
    failed(&CoderError::new(intent, Failure::Garbage), namespace, name)
}
