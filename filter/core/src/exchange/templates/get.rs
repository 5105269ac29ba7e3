//! `get` of a template: the template and its active version, and where details are shown, all its versions and the files of the one that is
//! asked for. Whoever looks also helps a version on its way that is ready to become the active one.

use super::delete::active_version;
use super::{garbage, promote, read};
use crate::coder::{self, TemplateVersion};
use crate::config::ControlPlane;
use crate::convert::files;
use crate::exchange::context::Cx;
use crate::exchange::reply::Reply;
use crate::kube::negotiation::{Accepted, Form, IncludeObject};
use crate::kube::status::Status;

/// Answers with the template in the form that was negotiated.
pub(in crate::exchange) async fn get(
    cx: &Cx,
    plane: &ControlPlane,
    name: &str,
    accepted: &Accepted,
) -> Result<Reply, Status> {
    let namespace = plane.namespace.as_str();
    let template = read::template(cx, plane, name).await?;
    let template = read::named(&template, namespace, name)?;
    if !matches!(accepted.form, Form::Object | Form::Table(_, IncludeObject::Object)) {
        let active = active_version(cx, plane, &template, name).await?;
        let active: TemplateVersion<'_> = coder::parse(&active).map_err(|_| garbage(namespace, name))?;
        return read::answer(cx, accepted, 200, &read::list_form(&template, &active, namespace, name)?);
    }
    let versions = read::versions(cx, plane, &template.id, name).await?;
    let versions = read::parse_versions(&versions, namespace, name)?;
    let view = read::view(&template, &versions, namespace, name)?;
    promote::help(cx, plane, &template, view);
    let (archive, log) = read::content(cx, plane, view, name).await?;
    // An archive that cannot be read has no files to show.
    let files = files::files(&archive).ok();
    read::answer(cx, accepted, 200, &read::get_form(&template, view, namespace, files, &log, name)?)
}
