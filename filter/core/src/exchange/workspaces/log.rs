//! `get` of `coderworkspaces/log`: the log of a build, or of an agent, as text.
//!
//! `?build=` takes `latest` (the default) or a build's number, `?agent=` an agent's name; `?tailLines=` keeps the end.

use super::find::{find, garbage, read};
use super::subject;
use crate::api::v1alpha1::WORKSPACES;
use crate::coder::errors::Intent;
use crate::coder::{self, Build, Workspace, requests};
use crate::config::ControlPlane;
use crate::convert::{errors, logs};
use crate::exchange::context::Cx;
use crate::exchange::reply::Reply;
use crate::kube::query::Query;
use crate::kube::status::Status;
use crate::names::WorkspaceName;

/// Answers with lines of text, oldest first.
pub(in crate::exchange) async fn log(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    query: &Query,
) -> Result<Reply, Status> {
    if query.flag("follow") == Some(true) {
        return Err(Status::bad_request("follow is not supported: ask again for what has been added"));
    }
    let tail = match query.get("tailLines") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            Status::bad_request(format!("tailLines: {text:?} is not a number of lines (0 or more)"))
        })?),
    };
    let (agent, build) = (query.get("agent"), query.get("build"));
    if agent.is_some() && build.is_some() {
        return Err(Status::bad_request("agent and build: only one log can be asked for"));
    }
    let answer = find(cx, plane, name).await?;
    let workspace = read(&answer, plane, name)?;
    let failed = |e| errors::status(&e, subject(&plane.namespace, name));
    let text = if let Some(agent) = agent {
        let id = agent_id(&workspace, agent)?;
        let answer = cx.coder(plane, Intent::Read, requests::agent_logs(id)).await.map_err(failed)?;
        logs::agent_log(&answer.body, tail)
    } else {
        let id = build_id(cx, plane, name, &workspace, build.unwrap_or("latest")).await?;
        let answer = cx.coder(plane, Intent::Read, requests::build_logs(&id)).await.map_err(failed)?;
        logs::build_log(&answer.body, tail)
    };
    let text = text.map_err(|_| garbage(Intent::Read, &plane.namespace, name))?;
    Ok(Reply::new(200, "text/plain; charset=utf-8", text))
}

fn agent_id<'a>(workspace: &'a Workspace<'_>, name: &str) -> Result<&'a str, Status> {
    let mut agents = workspace.latest_build.agents();
    if let Some(agent) = agents.find(|agent| agent.name.as_str() == name) {
        return Ok(&agent.id);
    }
    let names: Vec<&str> = workspace.latest_build.agents().map(|agent| agent.name.as_str()).collect();
    let there =
        if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
    Err(Status::bad_request(format!("agent: the workspace has no agent {name:?} now; {there}")))
}

/// The id of the build that is meant; one of another workspace is not found.
async fn build_id(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    workspace: &Workspace<'_>,
    build: &str,
) -> Result<String, Status> {
    let latest = &workspace.latest_build;
    if build == "latest" {
        return Ok(latest.id.as_str().to_owned());
    }
    let absent = || Status::bad_request(format!("build: the workspace has no build {build:?}"));
    let number: i64 = build.parse().map_err(|_| absent())?;
    if number == latest.build_number {
        return Ok(latest.id.as_str().to_owned());
    }
    let parsed = WorkspaceName::parse(name).map_err(|_| Status::not_found(WORKSPACES, name))?;
    let answer =
        cx.coder(plane, Intent::Read, requests::build_by_number(&parsed, number)).await.map_err(|e| {
            use crate::coder::errors::Class;
            match e.class {
                Class::NotFound | Class::BadRequest => absent(),
                _ => errors::status(&e, subject(&plane.namespace, name)),
            }
        })?;
    let found: Build<'_> =
        coder::parse(&answer.body).map_err(|_| garbage(Intent::Read, &plane.namespace, name))?;
    Ok(found.id.as_str().to_owned())
}
