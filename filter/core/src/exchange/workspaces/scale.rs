//! `coderworkspaces/scale`: one replica is a workspace that runs, none one that does not. So `kubectl scale` starts and stops.

use super::find::{find, read};
use super::reach::Wish;
use super::{refused, shown};
use crate::api::v1alpha1::{CoderWorkspaceManifest, WORKSPACES};
use crate::coder::Workspace;
use crate::config::ControlPlane;
use crate::exchange::authorize::Refusal;
use crate::exchange::context::Cx;
use crate::exchange::precondition::Precondition;
use crate::exchange::reply::Reply;
use crate::exchange::sent::Sent;
use crate::exchange::write::Write;
use crate::kube::document::Document;
use crate::kube::encoding::encode;
use crate::kube::manifest::Manifest;
use crate::kube::negotiation::{Accepted, Form};
use crate::kube::object_writer::write_object;
use crate::kube::scale::{self, Scale, ScaleManifest};
use crate::kube::status::{Cause, Status};
use crate::kube::write_options::WriteOptions;

/// Answers with the scale.
pub(in crate::exchange) async fn get(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    accepted: &Accepted,
) -> Result<Reply, Status> {
    let answer = find(cx, plane, name).await?;
    reply(cx, plane, &read(&answer, plane, name)?, accepted)
}

/// Starts or stops. 200 and the scale.
pub(in crate::exchange) async fn update(write: Write<'_>) -> Result<Reply, Refusal> {
    let Write { cx, plane, name, accepted, .. } = write;
    let options = write.options()?;
    let sent = Sent::receive(write).await?;
    // What can be said without Coder is said first.
    if let Some(document) = sent.whole() {
        manifest(write, document, &options)?;
    }
    let answer = find(cx, plane, name).await?;
    let workspace = read(&answer, plane, name)?;
    let document = sent.over(|| json(cx, plane, &workspace, Form::Object), &[])?;
    let (manifest, running) = manifest(write, &document, &options)?;
    let (_, version) = shown::object(plane, &workspace)?;
    Precondition::from(&manifest.metadata).check(WORKSPACES, name, &workspace.id, version)?;
    let parameters = shown::parameters(cx, plane, name, &workspace.latest_build.id).await?;
    // All else is as it is.
    let spec = CoderWorkspaceManifest {
        running: Some(running),
        ttl_millis: workspace.ttl_ms.filter(|ttl| *ttl > 0),
        autostart_schedule: workspace.autostart_schedule.as_deref().map(str::to_owned),
        ..CoderWorkspaceManifest::default()
    };
    let wish = Wish {
        cx,
        plane,
        name,
        current: &workspace,
        body: &answer.body,
        parameters: &parameters,
        spec: &spec,
        whole: false,
        dry_run: options.dry_run,
    };
    let reached = wish.reach().await?;
    Ok(wish.show(&reached, false, |workspace, _| reply(cx, plane, workspace, accepted)).await?)
}

/// What was sent, and whether that means to run.
fn manifest(
    write: Write<'_>,
    document: &Document,
    options: &WriteOptions,
) -> Result<(Manifest<ScaleManifest>, bool), Status> {
    let manifest: Manifest<ScaleManifest> =
        write.manifest_of(document, scale::API_VERSION, scale::KIND, options)?;
    match manifest.spec.replicas.unwrap_or(0) {
        0 => Ok((manifest, false)),
        1 => Ok((manifest, true)),
        other => {
            let why = "must be 1, which is a workspace that runs, or 0";
            let cause = Cause::invalid_literal("spec.replicas", other, why);
            Err(refused(write.name, vec![cause]))
        }
    }
}

fn reply(
    cx: &Cx,
    plane: &ControlPlane,
    workspace: &Workspace<'_>,
    accepted: &Accepted,
) -> Result<Reply, Status> {
    let json = json(cx, plane, workspace, accepted.form)?;
    Ok(Reply::new(200, accepted.encoding.content_type(), encode(json, accepted)))
}

/// The scale, with the workspace's own version.
fn json(cx: &Cx, plane: &ControlPlane, workspace: &Workspace<'_>, form: Form) -> Result<Vec<u8>, Status> {
    let (object, version) = shown::object(plane, workspace)?;
    let build = &workspace.latest_build;
    let succeeded = build.job.status.as_str() == "succeeded";
    // One that is being stopped is there until it has stopped.
    let runs = match build.transition.as_str() {
        "start" => succeeded,
        "stop" => !succeeded,
        _ => false,
    };
    let scale = Scale::new(&object.metadata, i64::from(object.spec.running), i64::from(runs));
    write_object(form, &scale, version, cx.now())
}
