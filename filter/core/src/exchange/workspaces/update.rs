//! `update` and `patch` of `coderworkspaces`: the object is read, what should be is compared with it, and the difference is made.

use super::find::{find, read};
use super::reach::Wish;
use super::{KIND, create, shown};
use crate::api::v1alpha1::{CoderWorkspaceManifest, WORKSPACES};
use crate::coder::Workspace;
use crate::exchange::authorize::Refusal;
use crate::exchange::precondition::Precondition;
use crate::exchange::reply::Reply;
use crate::exchange::sent::Sent;
use crate::exchange::write::Write;
use crate::kube::document::Document;
use crate::kube::manifest::Manifest;
use crate::kube::negotiation::Form;
use crate::kube::patch::Merge;
use crate::kube::request_info::Verb;
use crate::kube::status::Status;
use crate::kube::write_options::WriteOptions;

/// How an apply merges what is no plain object.
const RULES: &[(&str, Merge)] = &[("spec.parameters", Merge::ByKey("name"))];

/// Makes the workspace as it should be. 200 and the object, and 201 where an apply made it.
pub(in crate::exchange) async fn update(write: Write<'_>) -> Result<Reply, Refusal> {
    let Write { cx, plane, name, accepted, .. } = write;
    let options = write.options()?;
    let sent = Sent::receive(write).await?;
    // What can be said without Coder is said first.
    if let Some(document) = sent.whole() {
        checked(write, document, &options)?;
    }
    let answer = match find(cx, plane, name).await {
        Err(absent) if absent.code == 404 && sent.creates() => None,
        // What is there under an alias is not it.
        Ok(other) if sent.creates() && is_other(read(&other, plane, name)) => None,
        found => Some(found?),
    };
    let Some(answer) = answer else {
        write.authorize_also(Verb::Create).await?;
        let document = sent.over(|| Ok(b"{}".to_vec()), RULES)?;
        let manifest: Manifest<CoderWorkspaceManifest> = write.manifest(&document, KIND, &options)?;
        Precondition::from(&manifest.metadata).check_absent(WORKSPACES, name)?;
        return create::make(write, &options, &manifest).await;
    };
    let workspace = read(&answer, plane, name)?;
    let parameters = shown::parameters(cx, plane, name, &workspace.latest_build.id).await?;
    let whole = sent.whole().is_some();
    let base = || shown::json(cx, plane, Form::Object, &workspace, Some(&parameters));
    let document = sent.over(base, RULES)?;
    let manifest = checked(write, &document, &options)?;
    let (_, version) = shown::object(plane, &workspace)?;
    Precondition::from(&manifest.metadata).check(WORKSPACES, name, &workspace.id, version)?;
    if manifest.spec.template_version_preset.is_some() {
        cx.warn("spec.templateVersionPreset is only read when a workspace is created");
    }
    let wish = Wish {
        cx,
        plane,
        name,
        current: &workspace,
        body: &answer.body,
        parameters: &parameters,
        spec: &manifest.spec,
        whole,
        dry_run: options.dry_run,
    };
    let reached = wish.reach().await?;
    let reply = wish.show(&reached, shown::is_whole(accepted), |workspace, parameters| {
        shown::warn_not_kept(cx, plane, &manifest.metadata, workspace);
        shown::reply(cx, plane, 200, workspace, parameters, accepted)
    });
    Ok(reply.await?)
}

/// Whether Coder has found another workspace than that of this name.
fn is_other(found: Result<Workspace<'_>, Status>) -> bool {
    found.is_err_and(|absent| absent.code == 404)
}

/// The manifest, when nothing is wrong with it by itself.
fn checked(
    write: Write<'_>,
    document: &Document,
    options: &WriteOptions,
) -> Result<Manifest<CoderWorkspaceManifest>, Status> {
    let manifest: Manifest<CoderWorkspaceManifest> = write.manifest(document, KIND, options)?;
    super::invalid(write.name, crate::convert::workspace_check::check(&manifest.spec))?;
    Ok(manifest)
}
