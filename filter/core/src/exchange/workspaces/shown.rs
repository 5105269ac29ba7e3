//! A workspace as it is answered, whichever verb it was.

use super::failed;
use super::find::garbage;
use crate::api::v1alpha1::{CoderWorkspace, WORKSPACES};
use crate::coder::errors::Intent;
use crate::coder::requests::Values;
use crate::coder::{self, Workspace, requests};
use crate::config::ControlPlane;
use crate::convert;
use crate::convert::resource_version::{newest_of_workspace, resource_version};
use crate::exchange::context::Cx;
use crate::exchange::reply::Reply;
use crate::kube::encoding::encode;
use crate::kube::manifest::ManifestMeta;
use crate::kube::negotiation::{Accepted, Form, IncludeObject};
use crate::kube::object_writer::{content_hash, write_object};
use crate::kube::status::Status;
use std::rc::Rc;

/// Longest list of parameters that is remembered, in bytes of Coder's JSON.
const REMEMBERED: usize = 64 * 1024;

/// Whether details are shown in this form.
pub(super) fn is_whole(accepted: &Accepted) -> bool {
    matches!(accepted.form, Form::Object | Form::Table(_, IncludeObject::Object))
}

/// Writes it, with these parameters.
pub(super) fn reply(
    cx: &Cx,
    plane: &ControlPlane,
    code: u16,
    workspace: &Workspace<'_>,
    parameters: Option<&Values>,
    accepted: &Accepted,
) -> Result<Reply, Status> {
    let json = json(cx, plane, accepted.form, workspace, parameters)?;
    Ok(Reply::new(code, accepted.encoding.content_type(), encode(json, accepted)))
}

/// As [`reply`], up to the JSON.
pub(super) fn json(
    cx: &Cx,
    plane: &ControlPlane,
    form: Form,
    workspace: &Workspace<'_>,
    parameters: Option<&Values>,
) -> Result<Vec<u8>, Status> {
    let (mut object, version) = object(plane, workspace)?;
    if let Some(parameters) = parameters {
        convert::parameters(&mut object, parameters);
    }
    write_object(form, &object, version, cx.now())
}

/// The object as lists show it, and its version, which is of this form: details are outside of it.
pub(super) fn object<'a>(
    plane: &'a ControlPlane,
    workspace: &'a Workspace<'a>,
) -> Result<(CoderWorkspace<'a>, u64), Status> {
    let object = convert::workspace(workspace, &plane.namespace, &plane.dashboard_url)
        .ok_or_else(|| Status::not_found(WORKSPACES, &workspace.name))?;
    let hash = content_hash(&object, &mut Vec::new())?;
    Ok((object, resource_version(newest_of_workspace(workspace), hash)))
}

/// Warns of what a client wrote into the metadata and this workspace does not show.
pub(super) fn warn_not_kept(
    cx: &Cx,
    plane: &ControlPlane,
    written: &ManifestMeta,
    workspace: &Workspace<'_>,
) {
    let object = convert::workspace(workspace, &plane.namespace, &plane.dashboard_url);
    if let Some(warning) = written.not_kept(object.as_ref().map(|object| &object.metadata)) {
        cx.warn(warning);
    }
}

/// The parameters of a build. They are written with the build and never change, so they can be remembered.
pub(super) async fn parameters(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    build: &str,
) -> Result<Values, Status> {
    let key = [plane.namespace.as_bytes(), b"/", build.as_bytes()].concat();
    let known = cx.filter.parameters.get(&key, cx.now());
    let body = match &known {
        Some(known) => known.clone(),
        None => {
            let answer = cx
                .coder(plane, Intent::Read, requests::build_parameters(build))
                .await
                .map_err(|e| failed(&e, &plane.namespace, name))?;
            Rc::from(answer.body)
        }
    };
    let values = Values(coder::parse(&body).map_err(|_| garbage(Intent::Read, &plane.namespace, name))?);
    // Only what can be read is worth remembering.
    if known.is_none() && body.len() <= REMEMBERED {
        cx.filter.parameters.put(key, body, cx.now());
    }
    Ok(values)
}
