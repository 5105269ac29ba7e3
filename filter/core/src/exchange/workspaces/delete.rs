//! `delete` of `coderworkspaces`: queues the delete build. The object is there, with a `deletionTimestamp`, until that build is done.

use super::builds;
use super::find::{self, read};
use super::{KIND, shown};
use crate::api::v1alpha1::WORKSPACES;
use crate::coder::requests::{NewBuild, Transition};
use crate::coder::{self, Build, Workspace};
use crate::config::ControlPlane;
use crate::convert::workspace_change::{Change, projected};
use crate::exchange::authorize::Refusal;
use crate::exchange::context::Cx;
use crate::exchange::namespace::Phase;
use crate::exchange::port::Answer;
use crate::exchange::precondition::Precondition;
use crate::exchange::reply::Reply;
use crate::exchange::write::Write;
use crate::kube::delete_options::DeleteOptions;
use crate::kube::status::Status;
use crate::time::Timestamp;

/// Deletes the workspace, once Coder has come to it. 200 and the object.
pub(in crate::exchange) async fn delete(write: Write<'_>) -> Result<Reply, Refusal> {
    let Write { cx, plane, name, accepted, .. } = write;
    let options = write.delete_options(KIND).await?;
    let asked = find::ask(cx, plane, name)?;
    let spared = !plane.delete_with_namespace && write.namespace().await? == Phase::Terminating;
    let answer = find::found(asked, plane, name).await?;
    let workspace = read(&answer, plane, name)?;
    precondition(plane, name, &workspace, &options)?;
    let doomed =
        if spared { Doomed::Spared } else { doom(cx, plane, name, &workspace, options.dry_run).await? };
    let parameters = match shown::is_whole(accepted) {
        true => shown::parameters(cx, plane, name, &workspace.latest_build.id).await.ok(),
        false => None,
    };
    Ok(doomed.show(cx, workspace, |workspace| {
        shown::reply(cx, plane, 200, workspace, parameters.as_ref(), accepted)
    })?)
}

/// Whether it is the workspace that is meant.
pub(super) fn precondition(
    plane: &ControlPlane,
    name: &str,
    workspace: &Workspace<'_>,
    options: &DeleteOptions,
) -> Result<(), Status> {
    let (_, version) = shown::object(plane, workspace)?;
    Precondition::from(options).check(WORKSPACES, name, &workspace.id, version)
}

/// What became of a workspace that was to be deleted.
pub(super) enum Doomed {
    /// Nothing: it is as it was.
    Spared,
    /// Its delete build would be queued.
    WouldBe,
    /// Its delete build is queued: Coder's answer.
    Queued(Answer),
}

/// Queues the delete build, unless there is one already.
///
/// # Errors
/// 409 while another build is under way, and what Coder refuses.
pub(super) async fn doom(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    workspace: &Workspace<'_>,
    dry_run: bool,
) -> Result<Doomed, Status> {
    let latest = &workspace.latest_build;
    if latest.transition.as_str() == "delete" && latest.is_active() {
        return Ok(Doomed::Spared);
    }
    builds::refuse_active(latest, name)?;
    if dry_run {
        return Ok(Doomed::WouldBe);
    }
    let build = NewBuild::new(Transition::Delete);
    let answer = builds::queue(cx, plane, &workspace.id, &build).await;
    let answer = answer.map_err(|e| builds::refused(&e, plane, name))?;
    // The outcome of a write that cannot be read is unknown.
    builds::read(&answer, plane, name)?;
    Ok(Doomed::Queued(answer))
}

impl Doomed {
    /// The workspace as it is now.
    pub(super) fn show<T>(
        &self,
        cx: &Cx,
        workspace: Workspace<'_>,
        show: impl FnOnce(&Workspace<'_>) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let build = match self {
            Self::Spared => return show(&workspace),
            Self::WouldBe => None,
            Self::Queued(answer) => coder::parse::<Build<'_>>(&answer.body).ok(),
        };
        let change = Change { settings: Vec::new(), build: Some(NewBuild::new(Transition::Delete)) };
        let user = cx.user.borrow().clone();
        let mut after = projected(workspace, &change, &user, Timestamp::from_millis(cx.now()));
        if let Some(mut build) = build {
            build.template_version_name = core::mem::take(&mut after.latest_build.template_version_name);
            after.latest_build = build;
        }
        show(&after)
    }
}
