//! `aggregation.coder.com/v1alpha1`. The doc comments of the kinds are what `kubectl explain` prints, so they
//! speak to the people who write manifests.
//!
//! Only shapes live here. How they come from Coder's answers is in `convert`; resourceVersion is added when an
//! object is written.

pub mod fields;
#[cfg(feature = "schema")]
#[allow(clippy::indexing_slicing, reason = "native tooling: a panic is a failed test")]
pub mod schema;
mod template;
mod template_manifest;
mod workspace;
mod workspace_manifest;

pub use template::{CoderTemplate, CoderTemplateSpec, CoderTemplateStatus, LatestVersion, Variable};
pub use template_manifest::{CoderTemplateManifest, ManifestVariable};
pub use workspace::{
    Agent, App, AppStatus, CoderWorkspace, CoderWorkspaceSpec, CoderWorkspaceStatus, DashboardUrl,
    LatestBuild, Parameter,
};
pub use workspace_manifest::{CoderWorkspaceManifest, ManifestParameter};

use crate::kube::status::{GroupResource, Status};

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
///
/// # Errors
/// 500 when it cannot be unpacked, which a test rules out.
pub fn openapi() -> Result<Vec<u8>, Status> {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/v1alpha1.json.lz4"));
    lz4_flex::block::decompress_size_prepended(packed)
        .map_err(|_| Status::internal_error("the OpenAPI document could not be unpacked"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn openapi_included_is_the_document() {
        let included = super::openapi().unwrap();
        let read = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap();
        assert_eq!(read(&included), read(include_bytes!("../../../openapi/v1alpha1.json")));
        assert!(!included.contains(&b'\n'));
    }
}
