//! `get` of a workspace: one call to Coder, and a second for the parameters where they are shown and not yet known.

use super::find::{find, read};
use super::shown;
use crate::config::ControlPlane;
use crate::exchange::context::Cx;
use crate::exchange::reply::Reply;
use crate::kube::negotiation::Accepted;
use crate::kube::status::Status;

/// Answers with the workspace in the form that was negotiated.
pub(in crate::exchange) async fn get(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    accepted: &Accepted,
) -> Result<Reply, Status> {
    let answer = find(cx, plane, name).await?;
    let workspace = read(&answer, plane, name)?;
    let parameters = match shown::is_whole(accepted) {
        true => Some(shown::parameters(cx, plane, name, &workspace.latest_build.id).await?),
        false => None,
    };
    shown::reply(cx, plane, 200, &workspace, parameters.as_ref(), accepted)
}
