//! The verbs of `codertemplates`, one a file.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod delete_collection;
pub(super) mod get;
pub(super) mod list;
pub(super) mod update;

use crate::api::v1alpha1::TEMPLATES;
use crate::coder::errors::{CoderError, Failure, Intent};
use crate::convert::errors::{self, Subject};
use crate::kube::status::Status;

/// What messages about this request name.
fn subject<'a>(namespace: &'a str, name: &'a str) -> Subject<'a> {
    Subject { resource: TEMPLATES, kind: "CoderTemplate", namespace, name }
}

/// A call to Coder failed.
fn failed(error: &CoderError, namespace: &str, name: &str) -> Status {
    errors::status(error, subject(namespace, name))
}

/// Coder answered a read with something that is not what it answers.
fn garbage(namespace: &str, name: &str) -> Status {
    failed(&CoderError::new(Intent::Read, Failure::Garbage), namespace, name)
}
