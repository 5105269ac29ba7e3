//! Readings of Coder for those who watch: everything of a kind, or one workspace.

use super::super::super::context::{Cx, judged};
use super::super::super::{templates, workspaces};
use crate::coder::errors::{Class, CoderError, Failure, Intent};
use crate::coder::{self, Workspace, requests};
use crate::config::ControlPlane;
use crate::kube::status::Status;
use crate::watch::{Kind, Observed, view};

/// An object as it was read, and whether it is settling.
pub(super) type Read = (Observed, bool);

/// Everything of a kind that can be shown here.
pub(super) async fn all(cx: &Cx, plane: &ControlPlane, kind: Kind) -> Result<Vec<Read>, Status> {
    let parts = match kind {
        Kind::Workspaces => workspaces::list::parts(cx, plane).await?,
        Kind::Templates => templates::list::parts(cx, plane).await?,
    };
    Ok(parts.into_iter().filter_map(|parts| observed(plane, kind, parts)).collect())
}

/// What became of a workspace.
pub(super) enum One {
    /// It is there.
    There(Read),
    /// It has been deleted: Coder says so, and nothing else means that. As it was last, where that has been asked for and Coder still shows it.
    Gone(Option<Observed>),
    /// Coder does not say.
    Unknown(Option<Status>),
}

/// One object by its id.
pub(super) async fn one(cx: &Cx, plane: &ControlPlane, kind: Kind, id: &str) -> One {
    let (request, gone) = match kind {
        Kind::Workspaces => (requests::workspace(id), 410),
        // A deleted template is not found, and there is no other sign.
        Kind::Templates => (requests::template(id), 404),
    };
    let outcome = cx.send_to_coder(plane, request).await;
    if outcome.as_ref().is_ok_and(|answer| answer.status == gone) {
        return One::Gone(None);
    }
    match judged(Intent::Read, outcome) {
        Ok(answer) if kind == Kind::Workspaces => {
            // What is nothing that Coder sends says nothing of the object; one that cannot be shown here is none.
            let garbage = coder::parse::<Workspace<'_>>(&answer.body).is_err();
            let broken = || CoderError::new(Intent::Read, Failure::Garbage);
            match observed(plane, kind, answer.body) {
                Some(read) => One::There(read),
                None => One::Unknown(garbage.then(|| workspaces::failed(&broken(), &plane.namespace, ""))),
            }
        }
        Ok(_) => One::Unknown(None),
        Err(e) if matches!(e.class, Class::NotFound | Class::Forbidden) => One::Unknown(None),
        Err(e) => One::Unknown(Some(workspaces::failed(&e, &plane.namespace, ""))),
    }
}

/// A workspace that has been deleted, as it was.
pub(super) async fn departed(cx: &Cx, plane: &ControlPlane, id: &str) -> One {
    match cx.coder(plane, Intent::Read, requests::deleted_workspace(id)).await {
        Ok(answer) => One::Gone(observed(plane, Kind::Workspaces, answer.body).map(|(object, _)| object)),
        Err(e) if matches!(e.class, Class::NotFound | Class::Forbidden) => One::Gone(None),
        Err(e) => One::Unknown(Some(workspaces::failed(&e, &plane.namespace, ""))),
    }
}

fn observed(plane: &ControlPlane, kind: Kind, parts: Vec<u8>) -> Option<Read> {
    let (id, name, hash, newest, settling) = view(plane, kind, &parts, |shown| {
        Some((
            shown.id().to_owned(),
            shown.name().to_owned(),
            shown.hash()?,
            shown.newest(),
            shown.is_settling(),
        ))
    })??;
    Some((Observed { id, name, hash, newest, parts }, settling))
}
