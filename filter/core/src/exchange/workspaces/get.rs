//! `get` of a workspace: one call to Coder, and a second for the parameters where they are shown and not yet known.

use super::find::{find, garbage, read};
use super::subject;
use crate::coder::errors::Intent;
use crate::coder::{self, BuildParameter, requests};
use crate::config::ControlPlane;
use crate::convert::resource_version::{newest_of_workspace, resource_version};
use crate::convert::{self, errors};
use crate::exchange::context::Cx;
use crate::exchange::reply::Reply;
use crate::kube::encoding::encode;
use crate::kube::negotiation::{Accepted, Form, IncludeObject};
use crate::kube::object_writer::{content_hash, write_object};
use crate::kube::status::Status;
use std::rc::Rc;

/// Longest list of parameters that is remembered, in bytes of Coder's JSON.
const REMEMBERED: usize = 64 * 1024;

/// Answers with the workspace in the form that was negotiated.
pub(in crate::exchange) async fn get(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    accepted: &Accepted,
) -> Result<Reply, Status> {
    let answer = find(cx, plane, name).await?;
    let workspace = read(&answer, plane, name)?;
    let mut object = convert::workspace(&workspace, &plane.namespace, &plane.dashboard_url)
        .ok_or_else(|| Status::not_found(crate::api::v1alpha1::WORKSPACES, name))?;
    // The version is that of the form that lists show, which knows no parameters.
    let version = resource_version(newest_of_workspace(&workspace), content_hash(&object, &mut Vec::new())?);
    let whole = matches!(accepted.form, Form::Object | Form::Table(_, IncludeObject::Object));
    let body =
        if whole { Some(parameters(cx, plane, name, &workspace.latest_build.id).await?) } else { None };
    let parsed: Vec<BuildParameter<'_>>;
    if let Some(body) = &body {
        parsed = coder::parse(body).map_err(|_| garbage(Intent::Read, &plane.namespace, name))?;
        convert::parameters(&mut object, &parsed);
    }
    let json = write_object(accepted.form, &object, version, cx.now())?;
    Ok(Reply::new(200, accepted.encoding.content_type(), encode(json, accepted)))
}

/// A build's parameters, as Coder's JSON. They are written with the build and never change, so they can be remembered.
async fn parameters(cx: &Cx, plane: &ControlPlane, name: &str, build: &str) -> Result<Rc<[u8]>, Status> {
    let key = [plane.namespace.as_bytes(), b"/", build.as_bytes()].concat();
    if let Some(known) = cx.filter.parameters.get(&key, cx.now()) {
        return Ok(known);
    }
    let answer = cx
        .coder(plane, Intent::Read, requests::build_parameters(build))
        .await
        .map_err(|e| errors::status(&e, subject(&plane.namespace, name)))?;
    let body: Rc<[u8]> = answer.body.into();
    // Only what can be read is worth remembering.
    if body.len() <= REMEMBERED && coder::parse::<Vec<BuildParameter<'_>>>(&body).is_ok() {
        cx.filter.parameters.put(key, body.clone(), cx.now());
    }
    Ok(body)
}
