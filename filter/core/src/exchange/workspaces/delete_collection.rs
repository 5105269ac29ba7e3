//! `deletecollection` of `coderworkspaces`: what the selectors choose from a complete reading is deleted, a few at once, each as `delete`
//! does it.

use super::KIND;
use super::delete::{Doomed, doom, precondition};
use super::find::{find, read};
use super::list::{read_all, select};
use crate::api::v1alpha1::CoderWorkspace;
use crate::config::ControlPlane;
use crate::convert;
use crate::convert::resource_version::{newest_of_workspace, resource_version};
use crate::convert::selectable::{WORKSPACE_FIELDS, push_down};
use crate::exchange::authorize::Refusal;
use crate::exchange::collection::{names, page};
use crate::exchange::context::Cx;
use crate::exchange::join;
use crate::exchange::namespace::Phase;
use crate::exchange::port::Answer;
use crate::exchange::reply::Reply;
use crate::exchange::write::Write;
use crate::kube::delete_options::DeleteOptions;
use crate::kube::encoding::encode;
use crate::kube::list_options::ListOptions;
use crate::kube::list_writer::ListWriter;
use crate::kube::status::Status;

/// How many workspaces are deleted side by side.
const AT_ONCE: usize = 8;

/// Deletes them. 200 and the list of what was deleted; the first refusal, when all have been tried.
pub(in crate::exchange) async fn delete_collection(write: Write<'_>) -> Result<Reply, Refusal> {
    let Write { cx, plane, query, accepted, .. } = write;
    let delete_options = write.delete_options(KIND).await?;
    let list_options = ListOptions::parse(query, WORKSPACE_FIELDS)?;
    let nothing = || page::<CoderWorkspace<'_>>(cx, accepted, &list_options, &[]);
    if !plane.delete_with_namespace && write.namespace().await? == Phase::Terminating {
        return Ok(nothing()?);
    }
    let Some(search) = push_down(&list_options.label_selector, &list_options.field_selector) else {
        return Ok(nothing()?);
    };
    let (names, meta) = read_all(cx, &[plane], &search, |lists, _| {
        let mut objects = Vec::new();
        for pages in lists {
            select(plane, pages, &list_options, &mut objects);
        }
        Ok(names(cx, &list_options, &objects))
    })
    .await?;
    let options = &delete_options;
    let outcomes = join::each(AT_ONCE, names, |name| async move { one(cx, plane, &name, options).await });
    let deleted = outcomes.await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut writer = ListWriter::new::<CoderWorkspace<'_>>(accepted.form, &meta, cx.now(), Vec::new())?;
    for (answer, doomed) in deleted.iter().flatten() {
        let workspace = crate::coder::parse(&answer.body)
            .map_err(|_| Status::internal_error("what was read can no longer be read"))?;
        doomed.show(cx, workspace, |workspace| {
            match convert::workspace(workspace, &plane.namespace, &plane.dashboard_url) {
                Some(object) => {
                    writer.push(&object, |hash| resource_version(newest_of_workspace(workspace), hash))
                }
                None => Ok(()),
            }
        })?;
    }
    Ok(Reply::new(200, accepted.encoding.content_type(), encode(writer.finish(), accepted)))
}

/// Deletes one of them, if it is still there.
async fn one(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    options: &DeleteOptions,
) -> Result<Option<(Answer, Doomed)>, Status> {
    let answer = match find(cx, plane, name).await {
        Err(absent) if absent.code == 404 => return Ok(None),
        other => other?,
    };
    let workspace = match read(&answer, plane, name) {
        Err(absent) if absent.code == 404 => return Ok(None),
        other => other?,
    };
    precondition(plane, name, &workspace, options)?;
    let doomed = match doom(cx, plane, name, &workspace, options.dry_run).await {
        Err(absent) if absent.code == 404 => return Ok(None),
        other => other?,
    };
    Ok(Some((answer, doomed)))
}
