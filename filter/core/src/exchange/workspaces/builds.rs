//! Builds are queued, and what became of their workspace is looked at.

use super::find::garbage;
use super::{failed, later};
use crate::api::v1alpha1::WORKSPACES;
use crate::coder::errors::{Class, CoderError, Intent};
use crate::coder::requests::{self, NewBuild};
use crate::coder::{self, Build};
use crate::config::ControlPlane;
use crate::exchange::context::{Cx, judged};
use crate::exchange::port::{Answer, Pending};
use crate::kube::status::Status;

/// What Coder says while a build is under way, and we before it is asked.
pub(super) const ACTIVE: &str = "A workspace build is already active.";

/// Refuses where a build is under way: Coder takes no second one.
pub(super) fn refuse_active(build: &Build<'_>, name: &str) -> Result<(), Status> {
    match build.is_active() {
        true => Err(Status::conflict(WORKSPACES, name, ACTIVE)),
        false => Ok(()),
    }
}

/// Queues a build. The answer is a `Build`.
pub(super) async fn queue(
    cx: &Cx,
    plane: &ControlPlane,
    id: &str,
    build: &NewBuild,
) -> Result<Answer, CoderError> {
    cx.coder(plane, Intent::Build, requests::create_build(id, build)).await
}

/// A build was refused. Of two that are asked for at once one fails in Coder's database, in words that help nobody.
pub(super) fn refused(e: &CoderError, plane: &ControlPlane, name: &str) -> Status {
    match e.class == Class::Conflict && e.message == "insert workspace build" {
        true => Status::conflict(WORKSPACES, name, ACTIVE),
        false => failed(e, &plane.namespace, name),
    }
}

/// Reads Coder's answer to [`queue`].
pub(super) fn read<'a>(answer: &'a Answer, plane: &ControlPlane, name: &str) -> Result<Build<'a>, Status> {
    coder::parse(&answer.body).map_err(|_| garbage(Intent::Build, &plane.namespace, name))
}

/// What a workspace is after something was changed.
pub(super) enum Now {
    /// This, as Coder's JSON.
    There(Answer),
    /// Deleted.
    Gone,
    /// Coder does not say.
    Unknown,
}

/// Reads a workspace again, by its id.
pub(super) async fn look(cx: &Cx, plane: &ControlPlane, id: &str) -> Now {
    seen(cx.send_to_coder(plane, requests::workspace(id))).await
}

/// As [`look`], once it has been asked for.
pub(super) async fn seen(pending: Pending<'_>) -> Now {
    let outcome = pending.await;
    // 410 is "deleted"; a 404 may also be a right that was lost.
    let deleted = matches!(&outcome, Ok(answer) if answer.status == 410);
    match judged(Intent::Read, outcome) {
        Ok(answer) => Now::There(answer),
        Err(e) if deleted && e.class == Class::NotFound => Now::Gone,
        Err(_) => Now::Unknown,
    }
}

/// After a start or stop build was queued: a build on a workspace that had just been deleted would run, and what it makes would belong to
/// nobody. So it is looked at, and what has gone is deleted again.
///
/// # Errors
/// 404 when it has gone.
pub(super) async fn after(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    id: &str,
) -> Result<Option<Answer>, Status> {
    match look(cx, plane, id).await {
        Now::There(answer) => Ok(Some(answer)),
        Now::Unknown => Ok(None),
        Now::Gone => {
            later::delete(cx, plane, id);
            Err(Status::not_found(WORKSPACES, name))
        }
    }
}
