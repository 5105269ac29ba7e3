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

use crate::json::{self, Raw, object};
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
    let (mut document, end) = unpacked()?;
    document.truncate(end);
    Ok(document)
}

/// The same document as OpenAPI v2 (`/openapi/v2`).
///
/// # Errors
/// As [`openapi`].
pub fn openapi_v2() -> Result<Vec<u8>, Status> {
    #[derive(Default)]
    struct Document<'a> {
        components: Components<'a>,
    }
    object!(Document<'a> { components } {});
    #[derive(Default)]
    struct Components<'a> {
        schemas: Raw<'a>,
    }
    object!(Components<'a> { schemas } {});
    let (all, end) = unpacked()?;
    let (document, paths) = all.split_at_checked(end).unwrap_or_default();
    let definitions = json::read::<Document<'_>>(document).map_err(|_| damaged())?.components.schemas.0;
    let paths = std::str::from_utf8(paths).map_err(|_| damaged())?;
    let definitions = definitions.replace("#/components/schemas/", "#/definitions/");
    Ok(format!(
        r#"{{"swagger":"2.0","info":{{"title":"Kubernetes","version":"unversioned"}},"paths":{},"definitions":{definitions}}}"#,
        paths.trim_start()
    )
    .into_bytes())
}

/// The document, the paths of its older form behind it, and where the one ends.
fn unpacked() -> Result<(Vec<u8>, usize), Status> {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/v1alpha1.json.lz4"));
    let all = lz4_flex::block::decompress_size_prepended(packed).map_err(|_| damaged())?;
    let end = all.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
    Ok((all, end))
}

fn damaged() -> Status {
    Status::internal_error("the OpenAPI document could not be unpacked")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    #[test]
    fn openapi_included_is_the_document() {
        let included = super::openapi().unwrap();
        let read = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap();
        assert_eq!(read(&included), read(include_bytes!("../../../openapi/v1alpha1.json")));
        assert!(!included.contains(&b'\n'));
    }

    #[test]
    fn the_older_form_says_the_same() {
        let read = |json: Vec<u8>| serde_json::from_slice::<Value>(&json).unwrap();
        let (new, old) = (read(super::openapi().unwrap()), read(super::openapi_v2().unwrap()));
        assert_eq!(old["swagger"], "2.0");
        let names = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&old["definitions"]), names(&new["components"]["schemas"]));
        assert_eq!(names(&old["paths"]), names(&new["paths"]));
        let text = old.to_string();
        for word in ["#/components", "requestBody", "\"content\"", ":null"] {
            assert!(!text.contains(word), "{word}");
        }
        let references = text.split("\"#/definitions/").skip(1).map(|rest| rest.split('"').next().unwrap());
        for name in references {
            assert!(old["definitions"][name].is_object(), "{name}");
        }
        let patch = "/apis/aggregation.coder.com/v1alpha1/namespaces/{namespace}/coderworkspaces/{name}";
        let patch = &old["paths"][patch]["patch"];
        assert_eq!(patch["produces"], json!(["application/json", "application/yaml"]));
        assert_eq!(
            patch["consumes"],
            json!([
                "application/apply-patch+yaml",
                "application/json-patch+json",
                "application/merge-patch+json"
            ])
        );
        let body = json!({"name": "body", "in": "body", "required": true,
            "schema": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Patch"}});
        assert_eq!(patch["parameters"].as_array().unwrap().last().unwrap(), &body);
        assert_eq!(patch["parameters"][0]["type"], "string");
        assert_eq!(patch["responses"]["401"], json!({"description": "Unauthorized"}));
    }
}
