//! `delete` of `codertemplates`: done at once, and refused while workspaces use the template.

use super::{KIND, failed, garbage, read};
use crate::api::v1alpha1::TEMPLATES;
use crate::coder::errors::{Class, Intent};
use crate::coder::query::WorkspaceQuery;
use crate::coder::{self, Template, TemplateVersion, WorkspaceList, requests};
use crate::config::ControlPlane;
use crate::exchange::authorize::Refusal;
use crate::exchange::context::Cx;
use crate::exchange::namespace::Phase;
use crate::exchange::precondition::Precondition;
use crate::exchange::reply::Reply;
use crate::exchange::write::Write;
use crate::kube::encoding::encode;
use crate::kube::status::Status;
use crate::kube::success;
use crate::names::TemplateName;

/// Deletes the template. 200 and a `Status`.
pub(in crate::exchange) async fn delete(write: Write<'_>) -> Result<Reply, Refusal> {
    let Write { cx, plane, name, accepted, .. } = write;
    let namespace = plane.namespace.as_str();
    let options = write.delete_options(KIND).await?;
    let spared = !plane.delete_with_namespace && write.namespace().await? == Phase::Terminating;
    let template = read::template(cx, plane, name).await?;
    let template = read::named(&template, namespace, name)?;
    let precondition = Precondition::from(&options);
    let version = match precondition.resource_version {
        "" => 0,
        _ => {
            let active = active_version(cx, plane, &template, name).await?;
            let active: TemplateVersion<'_> = coder::parse(&active).map_err(|_| garbage(namespace, name))?;
            read::list_form(&template, &active, namespace, name)?.1
        }
    };
    precondition.check(TEMPLATES, name, &template.id, version)?;
    if !spared {
        remove(cx, plane, name, &template.id, options.dry_run).await?;
    }
    let json = success::deleted(TEMPLATES, name, &template.id);
    Ok(Reply::new(200, accepted.encoding.content_type(), encode(json, accepted)))
}

/// Asks for the template's active version.
pub(super) async fn active_version(
    cx: &Cx,
    plane: &ControlPlane,
    template: &Template<'_>,
    name: &str,
) -> Result<Vec<u8>, Status> {
    let active = cx.coder(plane, Intent::Read, requests::template_version(&template.active_version_id)).await;
    match active {
        Ok(active) => Ok(active.body),
        // The template is there, whatever has become of its version.
        Err(e) if e.class == Class::NotFound => Err(garbage(&plane.namespace, name)),
        Err(e) => Err(failed(&e, &plane.namespace, name)),
    }
}

/// Deletes a template in Coder, or finds out whether Coder would.
///
/// # Errors
/// 409 while workspaces use it.
pub(super) async fn remove(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    id: &str,
    dry_run: bool,
) -> Result<(), Status> {
    let failed = |e| failed(&e, &plane.namespace, name);
    if !dry_run {
        return match cx.coder(plane, Intent::DeleteTemplate, requests::delete_template(id)).await {
            Ok(_) => Ok(()),
            Err(e) => Err(failed(e)),
        };
    }
    let mut query = WorkspaceQuery::default();
    if let Ok(name) = TemplateName::parse(name) {
        query.organization(&name.organization);
        query.template(&name.template);
    }
    let users = cx.coder(plane, Intent::Read, requests::workspaces(&query, 1, 0)).await.map_err(failed)?;
    let users: WorkspaceList<'_> = coder::parse(&users.body).map_err(|_| garbage(&plane.namespace, name))?;
    match users.workspaces.iter().any(|workspace| &*workspace.template_id == id) {
        true => {
            // Coder's own words.
            let why = "All workspaces must be deleted before a template can be removed.";
            Err(Status::conflict(TEMPLATES, name, why))
        }
        false => Ok(()),
    }
}
