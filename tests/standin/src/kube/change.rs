//! PATCH and PUT of stored objects, with the resource version as precondition. Patches are merge patches. Of the rules that each kind has
//! for itself, those of Leases are kept.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::objects::{Key, Store, body, read_body};
use super::request::Resource;
use super::status::{Status, Subject};

const MERGE_PATCH: &str = "application/merge-patch+json";
/// All annotations of an object together, in bytes.
const ANNOTATIONS: usize = 256 << 10;

/// An object that is to be changed.
pub(super) struct Target<'a> {
    pub(super) store: &'a Store,
    pub(super) kind: &'static Kind,
    pub(super) key: &'a Key,
    pub(super) resource: &'a Resource,
    pub(super) dry_run: bool,
}

impl Target<'_> {
    /// `PATCH`.
    pub(super) async fn patch(&self, request: Request<Body>) -> Result<Value, Status> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        if content_type.is_none_or(|content_type| content_type != MERGE_PATCH) {
            return Err(Status::unsupported_patch());
        }
        let patch: Value = serde_json::from_slice(&body(request).await?)
            .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
        self.change(|object| merge(object, &patch))
    }

    /// `PUT`.
    pub(super) async fn put(&self, request: Request<Body>) -> Result<Value, Status> {
        let new = read_body(request, self.kind.kind).await?;
        self.change(|object| *object = new)
    }

    fn change(&self, make: impl FnOnce(&mut Value)) -> Result<Value, Status> {
        let changed = self.store.change(self.key, self.dry_run, |object| {
            let held = object.clone();
            make(object);
            self.check(&held, object)
        });
        changed.unwrap_or_else(|| Err(Status::not_found(self.resource.subject())))
    }

    /// Refuses what may not become of an object; sets what only the server sets.
    fn check(&self, held: &Value, object: &mut Value) -> Result<(), Status> {
        let name = &self.resource.name;
        let named = object["metadata"]["name"].as_str().unwrap_or_default();
        if named != name {
            return Err(Status::bad_request(format!(
                "the name of the object ({named}) does not match the name on the URL ({name})"
            )));
        }
        let (old, new) = (&held["metadata"], &mut object["metadata"]);
        if matches!(new["resourceVersion"].as_str(), None | Some("" | "0")) {
            let why = "Invalid value: 0: must be specified for an update";
            let subject = self.resource.subject();
            return Err(Status::invalid(subject, "metadata.resourceVersion", "FieldValueInvalid", why));
        }
        if new["resourceVersion"] != old["resourceVersion"] {
            return Err(Status::conflict(self.resource.subject()));
        }
        if new["uid"].is_null() {
            new["uid"] = old["uid"].clone();
        }
        if new["uid"] != old["uid"] {
            return Err(
                self.invalid("metadata.uid", &format!("Invalid value: {}: field is immutable", new["uid"]))
            );
        }
        for set in ["namespace", "creationTimestamp", "deletionTimestamp"] {
            match &old[set] {
                Value::Null => drop(new.as_object_mut().and_then(|new| new.remove(set))),
                value => new[set] = value.clone(),
            }
        }
        self.annotations(&new["annotations"])?;
        object["kind"] = held["kind"].clone();
        object["apiVersion"] = held["apiVersion"].clone();
        if self.kind.resource == "leases" { self.lease(&object["spec"]) } else { Ok(()) }
    }

    fn annotations(&self, annotations: &Value) -> Result<(), Status> {
        let Some(annotations) = annotations.as_object() else { return Ok(()) };
        let mut length = 0;
        for (name, value) in annotations {
            let Some(value) = value.as_str() else {
                return Err(self.unreadable("json: cannot unmarshal into annotations of type string"));
            };
            length += name.len() + value.len();
        }
        if length > ANNOTATIONS {
            let why = format!("Too long: may not be more than {ANNOTATIONS} bytes");
            return Err(self.invalid("metadata.annotations", &why));
        }
        Ok(())
    }

    /// `LeaseSpec`: times have six digits behind the point, no more and no less.
    fn lease(&self, spec: &Value) -> Result<(), Status> {
        for field in ["acquireTime", "renewTime"] {
            let fits = |time: &str| {
                let digits =
                    time.split_once('.').map(|(_, rest)| rest.bytes().take_while(u8::is_ascii_digit));
                digits.is_some_and(|digits| digits.count() == 6)
                    && crate::clock::Instant::parse(time).is_some()
            };
            let value = &spec[field];
            if !value.is_null() && !value.as_str().is_some_and(fits) {
                return Err(
                    self.unreadable(&format!("parsing time {value} as \"2006-01-02T15:04:05.000000Z07:00\""))
                );
            }
        }
        for (field, least, why) in [
            ("leaseDurationSeconds", 1, "must be greater than 0"),
            ("leaseTransitions", 0, "must be greater than or equal to 0"),
        ] {
            if spec[field].as_i64().is_some_and(|value| value < least) {
                let why = format!("Invalid value: {}: {why}", spec[field]);
                return Err(self.invalid(&format!("spec.{field}"), &why));
            }
        }
        Ok(())
    }

    fn invalid(&self, field: &str, why: &str) -> Status {
        let subject = Subject { group: self.kind.group, resource: self.kind.kind, name: &self.resource.name };
        Status::invalid(subject, field, "FieldValueInvalid", why)
    }

    /// What the patch made cannot be decoded.
    fn unreadable(&self, why: &str) -> Status {
        let subject = Subject { group: "", resource: "", name: "" };
        Status::invalid(subject, "patch", "FieldValueInvalid", &format!("Invalid value: {why}"))
    }
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.as_str()).or_insert(json!(null)), value);
        }
    }
}
