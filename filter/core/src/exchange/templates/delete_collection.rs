//! `deletecollection` of `codertemplates`: what the selectors choose is deleted, a few at once, each as `delete` does it.

use super::delete::{active_version, remove};
use super::list::{parse_all, read_all, select};
use super::{KIND, garbage, read};
use crate::api::v1alpha1::{CoderTemplate, TEMPLATES};
use crate::coder;
use crate::config::ControlPlane;
use crate::convert::selectable::TEMPLATE_FIELDS;
use crate::exchange::authorize::Refusal;
use crate::exchange::collection::{names, page};
use crate::exchange::context::Cx;
use crate::exchange::join;
use crate::exchange::namespace::Phase;
use crate::exchange::precondition::Precondition;
use crate::exchange::reply::Reply;
use crate::exchange::write::Write;
use crate::kube::delete_options::DeleteOptions;
use crate::kube::encoding::encode;
use crate::kube::list_options::ListOptions;
use crate::kube::list_writer::ListWriter;
use crate::kube::status::Status;

/// How many templates are deleted side by side.
const AT_ONCE: usize = 8;

/// Deletes them. 200 and the list of what was deleted; the first refusal, when all have been tried.
pub(in crate::exchange) async fn delete_collection(write: Write<'_>) -> Result<Reply, Refusal> {
    let Write { cx, plane, query, accepted, .. } = write;
    let delete_options = write.delete_options(KIND).await?;
    let list_options = ListOptions::parse(query, TEMPLATE_FIELDS)?;
    if !plane.delete_with_namespace && write.namespace().await? == Phase::Terminating {
        return Ok(page::<CoderTemplate<'_>>(cx, accepted, &list_options, &[])?);
    }
    let (names, meta) = {
        let readings = read_all(cx, &[plane], &list_options).await?;
        names(cx, &list_options, &select(&parse_all(&readings)?, &list_options))
    };
    let options = &delete_options;
    let outcomes = join::each(AT_ONCE, names, |name| async move {
        one(cx, plane, &name, options).await.map(|found| (name, found))
    });
    let deleted = outcomes.await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut writer = ListWriter::new::<CoderTemplate<'_>>(accepted.form, &meta, cx.now(), Vec::new())?;
    for (name, [template, active]) in deleted.iter().filter_map(|(name, found)| Some((name, found.as_ref()?)))
    {
        let broken = |_| garbage(&plane.namespace, name);
        let template = coder::parse(template).map_err(broken)?;
        let active = coder::parse(active).map_err(broken)?;
        let (object, version) = read::list_form(&template, &active, &plane.namespace, name)?;
        writer.push(&object, |_| version)?;
    }
    Ok(Reply::new(200, accepted.encoding.content_type(), encode(writer.finish(), accepted)))
}

/// Deletes one of them, if it is still there. Returns what Coder said of it and of its active version.
async fn one(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    options: &DeleteOptions,
) -> Result<Option<[Vec<u8>; 2]>, Status> {
    match attempt(cx, plane, name, options).await {
        Ok(bodies) => Ok(Some(bodies)),
        Err(absent) if absent.code == 404 => Ok(None),
        Err(status) => Err(status),
    }
}

async fn attempt(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    options: &DeleteOptions,
) -> Result<[Vec<u8>; 2], Status> {
    let namespace = plane.namespace.as_str();
    let body = read::template(cx, plane, name).await?;
    let template = read::named(&body, namespace, name)?;
    let active = active_version(cx, plane, &template, name).await?;
    let parsed = coder::parse(&active).map_err(|_| garbage(namespace, name))?;
    let (_, version) = read::list_form(&template, &parsed, namespace, name)?;
    Precondition::from(options).check(TEMPLATES, name, &template.id, version)?;
    remove(cx, plane, name, &template.id, options.dry_run).await?;
    Ok([body, active])
}
