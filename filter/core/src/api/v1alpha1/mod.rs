//! `aggregation.coder.com/v1alpha1`. The doc comments of the kinds are what `kubectl explain` prints, so they
//! speak to the people who write manifests.
//!
//! Only shapes live here. How they come from Coder's answers is in `convert`; resourceVersion is added when an
//! object is written.

#[cfg(feature = "schema")]
#[allow(clippy::indexing_slicing, reason = "native tooling: a panic is a failed test")]
pub mod schema;
mod template;
mod workspace;

pub use template::{CoderTemplate, CoderTemplateSpec, CoderTemplateStatus, LatestVersion, Variable};
pub use workspace::{
    Agent, App, AppStatus, CoderWorkspace, CoderWorkspaceSpec, CoderWorkspaceStatus, DashboardUrl,
    LatestBuild, Parameter,
};

use crate::kube::status::GroupResource;

/// API group.
pub const GROUP: &str = "aggregation.coder.com";
/// Version of the group.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of every object.
pub const API_VERSION: &str = "aggregation.coder.com/v1alpha1";
/// Resource of [`CoderWorkspace`].
pub const WORKSPACES: GroupResource<'static> = GroupResource { group: GROUP, resource: "coderworkspaces" };
/// Resource of [`CoderTemplate`].
pub const TEMPLATES: GroupResource<'static> = GroupResource { group: GROUP, resource: "codertemplates" };

/// Label with the organization's name, on both kinds.
pub const LABEL_ORGANIZATION: &str = "coder.com/organization";
/// Label with the owner's user name.
pub const LABEL_OWNER: &str = "coder.com/owner";
/// Label with the template's name, on both kinds.
pub const LABEL_TEMPLATE: &str = "coder.com/template";
/// Finalizer of a workspace that Coder is deleting.
pub const FINALIZER: &str = "aggregation.coder.com/workspace-build";

/// The embedded OpenAPI v3 document of the group version (`/openapi/v3/apis/aggregation.coder.com/v1alpha1`): JSON
/// without whitespace.
pub const OPENAPI: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/v1alpha1.json"));
