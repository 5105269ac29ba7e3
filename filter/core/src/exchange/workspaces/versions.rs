//! Whether a workspace can be built with a template version.

use super::refused;
use crate::api::v1alpha1::WORKSPACES;
use crate::coder::TemplateVersion;
use crate::kube::quote::Quoted;
use crate::kube::status::{Cause, CauseType, Status};

/// What the version is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A workspace that is to be made; Coder takes no archived version for one.
    New,
    /// A build of one that is there.
    Build,
}

/// Checks it as Coder would. `field` is what the client can change about it.
///
/// # Errors
/// 409 while it is imported, 422 when it will not do.
pub(super) fn check(
    version: &TemplateVersion<'_>,
    template: &str,
    purpose: Use,
    field: &str,
    name: &str,
) -> Result<(), Status> {
    let said = format!("the template version {}", Quoted(&version.name));
    let wrong = |why: &str| Err(refused(name, vec![Cause::invalid(field, &version.id, why)]));
    if version.template_id.as_deref() != Some(template) {
        return wrong("is a version of another template");
    }
    if version.archived && purpose == Use::New {
        return wrong("is archived");
    }
    match version.job.status.as_str() {
        "pending" | "running" => {
            let why = format!("{said} is still being imported ({})", &*version.job.status);
            Err(Status::conflict(WORKSPACES, name, &why))
        }
        "failed" if !version.job.error.is_empty() => {
            wrong(&format!("its import failed: {}", &*version.job.error))
        }
        "failed" => wrong("its import failed"),
        "canceling" | "canceled" => wrong("its import was canceled"),
        _ => Ok(()),
    }
}

/// There is no such version.
pub(super) fn unknown(id: &str) -> Cause {
    not_found("spec.templateVersionID", id)
}

/// `field.NotFound`: it names something that Coder does not have.
pub(super) fn not_found(field: &str, value: &str) -> Cause {
    Cause {
        cause_type: Some(CauseType::FieldValueNotFound),
        message: format!("Not found: {}", Quoted(value)),
        field: field.to_owned(),
    }
}
