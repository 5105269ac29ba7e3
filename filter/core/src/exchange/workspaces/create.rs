//! `create` of `coderworkspaces`: everything is checked, then one call makes the workspace and queues its start.

use super::builds::{Now, seen};
use super::plan::{Plan, plan};
use super::{KIND, failed, later, refused, shown, wish};
use crate::api::v1alpha1::{CoderWorkspaceManifest, WORKSPACES};
use crate::coder::errors::{Class, CoderError, Failure, Intent};
use crate::coder::requests;
use crate::coder::{self, Text, Workspace};
use crate::convert::workspace_check;
use crate::exchange::authorize::Refusal;
use crate::exchange::context::{judged, settled};
use crate::exchange::made_up::MadeUp;
use crate::exchange::port::Answer;
use crate::exchange::reply::Reply;
use crate::exchange::write::Write;
use crate::kube::document;
use crate::kube::manifest::Manifest;
use crate::kube::quote::Quoted;
use crate::kube::status::{Cause, Status};
use crate::kube::write_options::WriteOptions;
use crate::names::{self, WorkspaceName};
use crate::time::Timestamp;
use crate::watch::Kind;

/// How many names are made up, at most, for one that is free.
const ATTEMPTS: u32 = 5;

/// Makes the workspace that is sent. 201 and the object.
pub(in crate::exchange) async fn create(write: Write<'_>) -> Result<Reply, Refusal> {
    let options = write.options()?;
    let body = write.body().await?;
    let document = document::read(write.content_type().as_deref(), body)?;
    let manifest: Manifest<CoderWorkspaceManifest> = write.manifest(&document, KIND, &options)?;
    make(write, &options, &manifest).await
}

/// As [`create`], from a manifest that was read; an apply that finds nothing comes here, too.
pub(super) async fn make(
    write: Write<'_>,
    options: &WriteOptions,
    manifest: &Manifest<CoderWorkspaceManifest>,
) -> Result<Reply, Refusal> {
    let Write { cx, plane, .. } = write;
    let (meta, spec) = (&manifest.metadata, &manifest.spec);
    let mut made_up = MadeUp::new(write, &meta.generate_name);
    let full_name = match meta.name.as_str() {
        "" if meta.generate_name.is_empty() => {
            let cause = Cause::required("metadata.name", "name or generateName is required");
            return Err(refused("", vec![cause]).into());
        }
        "" => &made_up.next(),
        name => name,
    };
    let mut causes = Vec::new();
    let name = match WorkspaceName::parse(full_name) {
        Ok(name) => {
            causes.extend(workspace_check::check_new(&name, spec));
            Some(name)
        }
        Err(why) => {
            causes.push(Cause::invalid("metadata.name", full_name, &why.to_string()));
            None
        }
    };
    causes.extend(workspace_check::check(spec));
    causes.extend(workspace_check::check_settings(spec, None));
    let name = match name {
        Some(name) if causes.is_empty() => name,
        _ => return Err(refused(full_name, causes).into()),
    };
    let (mut name, mut full_name) = (name, full_name.to_owned());
    let taken = options.dry_run.then(|| cx.send_to_coder(plane, requests::workspace_by_name(&name)));
    let mut plan = plan(write, &name, spec).await?;
    if let Some(taken) = taken {
        match settled(Intent::ReadByUser, taken).await {
            Ok(answer) => return Err(taken_by(&answer, &full_name).into()),
            Err(e) if e.class == Class::NotFound => {}
            Err(e) => return Err(failed(&e, &plane.namespace, &full_name).into()),
        }
        let user = cx.user.borrow().clone();
        let reply = plan.show(&name.workspace, &user, Timestamp::from_millis(cx.now()), |workspace| {
            shown::warn_not_kept(cx, plane, &manifest.metadata, workspace);
            shown::reply(cx, plane, 201, workspace, Some(&plan.values), write.accepted)
        })?;
        return Ok(reply);
    }
    loop {
        let request = requests::create_workspace(&name.user, &plan.request);
        let outcome = cx.send_to_coder(plane, request).await;
        // Of two who make the same name at once Coder tells one of them 500, and nothing of that one's is made.
        let lost_race = matches!(&outcome, Ok(answer) if answer.status == 500);
        match judged(Intent::Create, outcome) {
            Ok(answer) => return Ok(made(write, &plan, manifest, &full_name, &answer).await?),
            // A name that was made up is nobody else's: what is there now would be this one.
            Err(e) if lost_race && !meta.name.is_empty() => {
                let unknown = failed(&e, &plane.namespace, &full_name);
                return Err(there(write, &name).await.unwrap_or(unknown).into());
            }
            Err(e) if e.class != Class::AlreadyExists => {
                return Err(failed(&e, &plane.namespace, &full_name).into());
            }
            Err(e) if !meta.name.is_empty() => {
                let taken = Status::conflict(WORKSPACES, &full_name, &e.text());
                return Err(there(write, &name).await.unwrap_or(taken).into());
            }
            Err(_) if made_up.attempts() >= ATTEMPTS => {
                return Err(Status::generate_name_conflict(WORKSPACES, &full_name).into());
            }
            Err(_) => {}
        }
        full_name = made_up.next();
        name = WorkspaceName::parse(&full_name)
            .map_err(|why| Status::internal_error(&format!("a name that was made up {why}")))?;
        plan.request.name.clone_from(&name.workspace);
    }
}

/// What there is under a name that is taken.
fn taken_by(answer: &Answer, full_name: &str) -> Status {
    let other = coder::parse::<Workspace<'_>>(&answer.body).ok();
    let other = other.as_ref().and_then(|w| names::join(&[&w.organization_name, &w.owner_name, &w.name]));
    match other {
        Some(other) if other != full_name => {
            let why = format!(
                "its owner has {} already, and Coder has every name only once for each owner, whatever the organization",
                Quoted(&other)
            );
            Status::conflict(WORKSPACES, full_name, &why)
        }
        _ => Status::already_exists(WORKSPACES, full_name),
    }
}

/// What to say of a name under which there is a workspace now; nothing when there is none, or it cannot be seen.
async fn there(write: Write<'_>, name: &WorkspaceName) -> Option<Status> {
    let asked = write.cx.coder(write.plane, Intent::ReadByUser, requests::workspace_by_name(name));
    asked.await.ok().map(|answer| taken_by(&answer, &name.to_string()))
}

/// The workspace is there: answers with it, and sees to what Coder cannot do at once.
async fn made(
    write: Write<'_>,
    plan: &Plan,
    manifest: &Manifest<CoderWorkspaceManifest>,
    full_name: &str,
    answer: &Answer,
) -> Result<Reply, Status> {
    let Write { cx, plane, accepted, .. } = write;
    let mut workspace: Workspace<'_> = coder::parse(&answer.body).map_err(|_| {
        failed(&CoderError::new(Intent::Create, Failure::Garbage), &plane.namespace, full_name)
    })?;
    cx.touch(plane, Kind::Workspaces, &workspace.id);
    if manifest.spec.running == Some(false) {
        wish::write(cx, &plane.namespace, &workspace.id, &workspace.latest_build.id).await;
        later::stop(cx, plane, &workspace.id, &workspace.latest_build.id);
    }
    // A get shows more than the answer to the create does. What cannot be read now is known well enough.
    let again = cx.send_to_coder(plane, requests::workspace(&workspace.id));
    let whole = shown::is_whole(accepted);
    let values = match whole {
        true => Some(shown::parameters(cx, plane, full_name, &workspace.latest_build.id).await),
        false => None,
    };
    let values = values.map(|values| values.unwrap_or_else(|_| plan.values.clone()));
    let again = match seen(again).await {
        Now::There(answer) => Some(answer),
        Now::Gone | Now::Unknown => None,
    };
    let seen = again.as_ref().and_then(|answer| coder::parse::<Workspace<'_>>(&answer.body).ok());
    workspace.latest_build.template_version_name = Text::from(plan.version_name.as_str());
    let seen = seen.as_ref().unwrap_or(&workspace);
    shown::warn_not_kept(cx, plane, &manifest.metadata, seen);
    shown::reply(cx, plane, 201, seen, values.as_ref(), accepted)
}
