//! The verbs of `codertemplates`, one a file.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod delete_collection;
pub(super) mod get;
pub(super) mod list;
mod promote;
mod read;
pub(super) mod scan;
mod settings;
pub(super) mod update;
mod versions;

use crate::api::v1alpha1::TEMPLATES;
use crate::coder::errors::{CoderError, Failure, Intent};
use crate::convert::errors::{self, Subject};
use crate::kube::status::{Cause, GroupResource, Status};

/// As manifests and messages name the kind.
const KIND: &str = "CoderTemplate";

/// What messages about this request name.
fn subject<'a>(namespace: &'a str, name: &'a str) -> Subject<'a> {
    Subject { resource: TEMPLATES, kind: KIND, namespace, name }
}

/// A call to Coder failed.
fn failed(error: &CoderError, namespace: &str, name: &str) -> Status {
    errors::status(error, subject(namespace, name))
}

/// Coder answered a read with something that is not what it answers.
fn garbage(namespace: &str, name: &str) -> Status {
    failed(&CoderError::new(Intent::Read, Failure::Garbage), namespace, name)
}

/// 422 with everything that is wrong; nothing when nothing is.
fn invalid(name: &str, causes: Vec<Cause>) -> Result<(), Status> {
    if causes.is_empty() { Ok(()) } else { Err(refused(name, causes)) }
}

/// 422 with what is wrong.
fn refused(name: &str, causes: Vec<Cause>) -> Status {
    Status::invalid(GroupResource { resource: KIND, ..TEMPLATES }, name, causes)
}
