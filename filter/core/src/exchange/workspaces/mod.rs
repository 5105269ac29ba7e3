//! The verbs of `coderworkspaces`, one a file.

mod builds;
mod carry_out;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod delete_collection;
mod evaluate;
mod find;
pub(super) mod get;
mod later;
pub(super) mod list;
pub(super) mod log;
mod plan;
mod reach;
pub(super) mod scale;
mod shown;
pub(super) mod update;
mod versions;
pub(super) mod wish;

use crate::api::v1alpha1::WORKSPACES;
use crate::coder::errors::CoderError;
use crate::convert::errors::{self, Subject};
use crate::kube::status::{Cause, GroupResource, Status};

/// The kind's name, for messages.
const KIND: &str = "CoderWorkspace";

/// What messages about this request name.
fn subject<'a>(namespace: &'a str, name: &'a str) -> Subject<'a> {
    Subject { resource: WORKSPACES, kind: KIND, namespace, name }
}

/// A call to Coder failed.
pub(super) fn failed(error: &CoderError, namespace: &str, name: &str) -> Status {
    errors::status(error, subject(namespace, name))
}

/// 422 with everything that is wrong; nothing when nothing is.
fn invalid(name: &str, causes: Vec<Cause>) -> Result<(), Status> {
    if causes.is_empty() { Ok(()) } else { Err(refused(name, causes)) }
}

/// 422 with what is wrong.
fn refused(name: &str, causes: Vec<Cause>) -> Status {
    Status::invalid(GroupResource { resource: KIND, ..WORKSPACES }, name, causes)
}
