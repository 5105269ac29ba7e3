//! A workspace as it is answered, whichever verb it was.

use super::failed;
use super::find::garbage;
use crate::api::v1alpha1::WORKSPACES;
use crate::coder::errors::Intent;
use crate::coder::requests::Values;
use crate::coder::{self, BuildParameter, Text, Workspace, requests};
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
    let mut object = convert::workspace(workspace, &plane.namespace, &plane.dashboard_url)
        .ok_or_else(|| Status::not_found(WORKSPACES, &workspace.name))?;
    // The version is that of the form that lists show, which knows no parameters.
    let version = resource_version(newest_of_workspace(workspace), content_hash(&object, &mut Vec::new())?);
    let list: Vec<BuildParameter<'_>>;
    if let Some(parameters) = parameters {
        list = parameters
            .0
            .iter()
            .map(|(name, value)| BuildParameter {
                name: Text::from(name.as_str()),
                value: Text::from(value.as_str()),
            })
            .collect();
        convert::parameters(&mut object, &list);
    }
    write_object(form, &object, version, cx.now())
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

/// Its version, by what lists show.
pub(super) fn version(plane: &ControlPlane, workspace: &Workspace<'_>) -> Result<u64, Status> {
    let object = convert::workspace(workspace, &plane.namespace, &plane.dashboard_url)
        .ok_or_else(|| Status::not_found(WORKSPACES, &workspace.name))?;
    Ok(resource_version(newest_of_workspace(workspace), content_hash(&object, &mut Vec::new())?))
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
    let parsed: Vec<BuildParameter<'_>> =
        coder::parse(&body).map_err(|_| garbage(Intent::Read, &plane.namespace, name))?;
    let values = parsed.iter().map(|p| (p.name.as_str().to_owned(), p.value.as_str().to_owned()));
    let values = Values(values.collect());
    // Only what can be read is worth remembering.
    if known.is_none() && body.len() <= REMEMBERED {
        cx.filter.parameters.put(key, body, cx.now());
    }
    Ok(values)
}
