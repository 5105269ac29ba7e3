//! One template as Coder has it now, in as few calls as it takes: the template, its versions, and of the version that is asked for the archive,
//! and where its import has failed the end of the log.

use super::{failed, garbage};
use crate::api::v1alpha1::{CoderTemplate, TEMPLATES};
use crate::coder::errors::{Class, CoderError, Failure, Intent};
use crate::coder::{self, Template, TemplateVersion, requests};
use crate::config::ControlPlane;
use crate::convert::resource_version::{newest_of_template, resource_version};
use crate::convert::{self, Import, View, logs};
use crate::exchange::context::{Cx, settled};
use crate::exchange::reply::Reply;
use crate::kube::encoding::encode;
use crate::kube::meta::StringMap;
use crate::kube::negotiation::Accepted;
use crate::kube::object_writer::{content_hash, write_object};
use crate::kube::status::Status;
use crate::names::{self, TemplateName};

/// Types of archives that Coder keeps.
const ARCHIVES: [&str; 3] = ["application/x-tar", "application/zip", "application/x-zip-compressed"];

/// Asks for the template of that name; read it with [`named`].
pub(super) async fn template(cx: &Cx, plane: &ControlPlane, name: &str) -> Result<Vec<u8>, Status> {
    let parsed = TemplateName::parse(name).map_err(|_| Status::not_found(TEMPLATES, name))?;
    let answer = cx.coder(plane, Intent::Read, requests::template_by_name(&parsed)).await;
    Ok(answer.map_err(|e| failed(&e, &plane.namespace, name))?.body)
}

/// Reads Coder's answer to [`template`]. Found by an alias, an id or another spelling, it is not the template of that name.
pub(super) fn named<'a>(body: &'a [u8], namespace: &str, name: &str) -> Result<Template<'a>, Status> {
    let template: Template<'a> = coder::parse(body).map_err(|_| garbage(namespace, name))?;
    match names::join(&[&template.organization_name, &template.name]).as_deref() == Some(name) {
        true => Ok(template),
        false => Err(Status::not_found(TEMPLATES, name)),
    }
}

/// Asks for all versions of a template; read them with [`view`].
pub(super) async fn versions(cx: &Cx, plane: &ControlPlane, id: &str, name: &str) -> Result<Vec<u8>, Status> {
    let answer = cx.coder(plane, Intent::Read, requests::template_versions(id)).await;
    Ok(answer.map_err(|e| failed(&e, &plane.namespace, name))?.body)
}

/// Reads Coder's answer to [`versions`].
pub(super) fn parse_versions<'a>(
    body: &'a [u8],
    namespace: &str,
    name: &str,
) -> Result<Vec<TemplateVersion<'a>>, Status> {
    coder::parse(body).map_err(|_| garbage(namespace, name))
}

/// What matters of a template's versions.
pub(super) fn view<'a>(
    template: &Template<'_>,
    versions: &'a [TemplateVersion<'a>],
    namespace: &str,
    name: &str,
) -> Result<View<'a>, Status> {
    View::of(template, versions).ok_or_else(|| garbage(namespace, name))
}

/// The end of the log of the import of the version that is shown, where that has failed; without rights, or should Coder have lost it, none.
pub(super) async fn log(cx: &Cx, plane: &ControlPlane, view: View<'_>) -> String {
    if view.shown().job.status.as_str() != "failed" {
        return String::new();
    }
    let answer = cx.coder(plane, Intent::Read, requests::template_version_logs(&view.shown().id)).await;
    answer.ok().and_then(|answer| logs::import_log_tail(&answer.body).ok()).unwrap_or_default()
}

/// The archive of the version that is shown, and [`log`].
pub(super) async fn content(
    cx: &Cx,
    plane: &ControlPlane,
    view: View<'_>,
    name: &str,
) -> Result<(Vec<u8>, String), Status> {
    let archive = cx.send_to_coder(plane, requests::file(&view.shown().job.file_id));
    let log = log(cx, plane, view).await;
    match settled(Intent::Read, archive).await {
        // What is no archive by its type comes from something in between; one that cannot be read was uploaded so.
        Ok(answer) if !answer.header("content-type").is_some_and(|kind| ARCHIVES.contains(&kind)) => {
            Err(garbage(&plane.namespace, name))
        }
        Ok(answer) => Ok((answer.body, log)),
        Err(mut e) => {
            // The template is there, whatever has become of its archive.
            if e.class == Class::NotFound {
                e = CoderError::new(Intent::Read, Failure::Garbage);
            }
            Err(failed(&e, &plane.namespace, name))
        }
    }
}

/// A template in the form that lists show, and its version.
pub(super) fn list_form<'a>(
    template: &'a Template<'a>,
    active: &'a TemplateVersion<'a>,
    namespace: &'a str,
    name: &str,
) -> Result<(CoderTemplate<'a>, u64), Status> {
    let import = Import::from_job(&active.job);
    let object =
        convert::template(template, namespace, import).ok_or_else(|| Status::not_found(TEMPLATES, name))?;
    let version =
        resource_version(newest_of_template(template, import), content_hash(&object, &mut Vec::new())?);
    Ok((object, version))
}

/// A template in the form that a get shows, and its version.
pub(super) fn get_form<'a>(
    template: &'a Template<'a>,
    view: View<'a>,
    namespace: &'a str,
    files: Option<StringMap<'a>>,
    log: &str,
    name: &str,
) -> Result<(CoderTemplate<'a>, u64), Status> {
    let (mut object, version) = list_form(template, view.active, namespace, name)?;
    convert::details(&mut object, template, view, log);
    object.spec.files = files;
    Ok((object, version))
}

/// Answers with an object.
pub(super) fn answer(
    cx: &Cx,
    accepted: &Accepted,
    code: u16,
    (object, version): &(CoderTemplate<'_>, u64),
) -> Result<Reply, Status> {
    let json = write_object(accepted.form, object, *version, cx.now())?;
    Ok(Reply::new(code, accepted.encoding.content_type(), encode(json, accepted)))
}
