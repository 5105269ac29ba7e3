//! Patches: JSON Patch (RFC 6902), JSON merge patch (RFC 7386), and apply.
//!
//! Words, codes and limits are kube-apiserver's (k8s.io/apiserver, pkg/endpoints/handlers/patch.go). Strategic merge patch is not served, as for
//! every kind that Kubernetes does not define itself, and who owns which field is not known here.

mod json_patch;
mod merge;

use super::document::{Document, Origin, from_yaml};
use super::manifest::finding;
use super::status::Status;
use crate::json::{self, Finding, Read};
use serde_json::Value;

/// The kinds of patch that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// `application/json-patch+json`.
    Json,
    /// `application/merge-patch+json`.
    Merge,
    /// `application/apply-patch+yaml`.
    Apply,
}

impl PatchType {
    /// By content type.
    ///
    /// # Errors
    /// 415 naming those that are served; strategic merge patch is none of them.
    pub fn of(content_type: Option<&str>) -> Result<Self, Status> {
        match content_type.map(|text| text.split(';').next().unwrap_or_default().trim()) {
            Some("application/json-patch+json") => Ok(Self::Json),
            Some("application/merge-patch+json") => Ok(Self::Merge),
            Some("application/apply-patch+yaml") => Ok(Self::Apply),
            _ => Err(Status::unsupported_media_type(
                "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            )),
        }
    }
}

/// How an apply merges a part of the object that is no plain object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// A list of objects, matched by this field.
    ByKey(&'static str),
    /// Replaced as a whole.
    Atomic,
}

/// Patches an object (`base`, as JSON; `{}` where an apply makes it). `rules` say what an apply does at these paths, such as
/// `("spec.parameters", Merge::ByKey("name"))`; all other objects are merged, and all other lists replaced. What an apply sets to null is null
/// afterwards, which readers take for absent.
///
/// # Errors
/// 400 for a patch that cannot be read, 413 for one of too many operations, 422 for one that cannot be carried out.
pub fn patch(
    patch_type: PatchType,
    body: Vec<u8>,
    base: &[u8],
    rules: &[(&str, Merge)],
) -> Result<Document, Status> {
    let mut object: Value =
        json::read(base).map_err(|_| Status::internal_error("the object to be patched cannot be read"))?;
    let findings = match patch_type {
        PatchType::Json => {
            let (operations, found) = json_patch::read(&body)?;
            drop(body);
            json_patch::carry_out(&mut object, operations)?;
            found.iter().map(|found| format!("json patch {}", finding(found))).collect()
        }
        PatchType::Merge => {
            let (patch, found) = read(&body)?;
            drop(body);
            merge::merge(&mut object, patch);
            found.iter().map(finding).collect()
        }
        PatchType::Apply => {
            let (patch, found) = read(&from_yaml(body)?)?;
            check_applied(&patch, &object)?;
            merge::apply(&mut object, patch, "", rules);
            found.iter().map(finding).collect()
        }
    };
    let json =
        json::to_vec(&object).map_err(|_| Status::internal_error("the patched object cannot be written"))?;
    Ok(Document { json, origin: Origin::Patch, findings })
}

/// A patch that is an object.
fn read(body: &[u8]) -> Result<(Value, Vec<Finding>), Status> {
    let mut patch = Value::Null;
    let found = read_into(body, &mut patch)?;
    if !patch.is_object() {
        return Err(Status::bad_request("error decoding patch: it is no object"));
    }
    Ok((patch, found))
}

fn read_into<'a>(body: &'a [u8], patch: &mut dyn Read<'a>) -> Result<Vec<Finding>, Status> {
    json::read_strictly(body, patch).map_err(|e| Status::bad_request(format!("error decoding patch: {e}")))
}

/// An apply says of what type it is, and nothing of who owns which field.
fn check_applied(patch: &Value, base: &Value) -> Result<(), Status> {
    let text =
        |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let differs = |field: &str| {
        let (said, expected) = (text(patch, field), text(base, field));
        (said.is_empty() || (!expected.is_empty() && said != expected)).then_some((said, expected))
    };
    if let Some((said, expected)) = differs("apiVersion") {
        return Err(Status::bad_request(format!(
            "Incorrect version specified in apply patch. Specified patch version: {said}, expected: {expected}"
        )));
    }
    if let Some((said, expected)) = differs("kind") {
        return Err(Status::bad_request(format!(
            "Incorrect kind specified in apply patch. Specified patch kind: {said}, expected: {expected}"
        )));
    }
    match patch.get("metadata").and_then(|metadata| metadata.get("managedFields")) {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(Status::bad_request("metadata.managedFields must be nil")),
    }
}

#[cfg(test)]
mod tests;
