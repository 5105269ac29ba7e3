//! `get` of a template: the template and its active version, and where details are shown, the newest version and the files.

use super::{failed, garbage};
use crate::api::v1alpha1::TEMPLATES;
use crate::coder::errors::Intent;
use crate::coder::{self, Template, TemplateVersion, requests};
use crate::config::ControlPlane;
use crate::convert::resource_version::{newest_of_template, resource_version};
use crate::convert::{self, Import, files};
use crate::exchange::context::{Cx, settled};
use crate::exchange::reply::Reply;
use crate::kube::encoding::encode;
use crate::kube::negotiation::{Accepted, Form, IncludeObject};
use crate::kube::object_writer::{content_hash, write_object};
use crate::kube::status::Status;
use crate::names::{self, TemplateName};

/// Answers with the template in the form that was negotiated.
pub(in crate::exchange) async fn get(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    accepted: &Accepted,
) -> Result<Reply, Status> {
    let namespace = plane.namespace.as_str();
    let absent = || Status::not_found(TEMPLATES, name);
    let broken = |_| garbage(namespace, name);
    let parsed = TemplateName::parse(name).map_err(|_| absent())?;
    let answer = cx.coder(plane, Intent::Read, requests::template_by_name(&parsed)).await;
    let answer = answer.map_err(|e| failed(&e, namespace, name))?;
    let template: Template<'_> = coder::parse(&answer.body).map_err(broken)?;
    // Found by an alias, an id or another spelling, it is not the template of that name.
    if names::join(&[&template.organization_name, &template.name]).as_deref() != Some(name) {
        return Err(absent());
    }
    let whole = matches!(accepted.form, Form::Object | Form::Table(_, IncludeObject::Object));
    let active = cx.send_to_coder(plane, requests::template_version(&template.active_version_id));
    let versions = whole.then(|| cx.send_to_coder(plane, requests::template_versions(&template.id)));
    let active = settled(Intent::Read, active).await.map_err(|e| failed(&e, namespace, name))?;
    let active: TemplateVersion<'_> = coder::parse(&active.body).map_err(broken)?;
    let import = Import::from_job(&active.job);
    let mut object = convert::template(&template, namespace, import).ok_or_else(absent)?;
    let newest = newest_of_template(&template, import);
    let version = resource_version(newest, content_hash(&object, &mut Vec::new())?);

    let (versions_body, all): (_, Vec<TemplateVersion<'_>>);
    if let Some(versions) = versions {
        let archive = cx.send_to_coder(plane, requests::file(&active.job.file_id));
        versions_body = settled(Intent::Read, versions).await.map_err(|e| failed(&e, namespace, name))?.body;
        all = coder::parse(&versions_body).map_err(broken)?;
        // Coder lists the oldest first.
        convert::version_details(&mut object, &active, all.last().unwrap_or(&active));
        let archive = settled(Intent::Read, archive).await.map_err(|e| failed(&e, namespace, name))?;
        object.spec.files = Some(files::files(&archive.body).map_err(|_| garbage(namespace, name))?);
    }
    let json = write_object(accepted.form, &object, version, cx.now())?;
    Ok(Reply::new(200, accepted.encoding.content_type(), encode(json, accepted)))
}
