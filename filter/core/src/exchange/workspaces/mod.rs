//! The verbs of `coderworkspaces`, one a file.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod delete_collection;
mod find;
pub(super) mod get;
pub(super) mod list;
pub(super) mod log;
pub(super) mod update;

use crate::api::v1alpha1::WORKSPACES;
use crate::convert::errors::Subject;

/// The kind's name, for messages.
const KIND: &str = "CoderWorkspace";

/// What messages about this request name.
fn subject<'a>(namespace: &'a str, name: &'a str) -> Subject<'a> {
    Subject { resource: WORKSPACES, kind: KIND, namespace, name }
}
