//! One object as JSON: written once, hashed without its resourceVersion, which is then spliced in.
//!
//! The resourceVersion may depend on that hash, so it cannot be a field of what is serialised.

use std::io::Write as _;

use serde::Serialize;
use twox_hash::XxHash64;

use super::list_writer::ListWriter;
use super::meta::{ListMeta, ObjectMeta};
use super::negotiation::{Form, MetaVersion};
use super::status::Status;
use super::table::{ColumnDefinition, Row};
use crate::json;
use crate::time::Millis;

/// An object that can be written in every form.
///
/// Its `Serialize` must write a JSON object whose first field is `metadata`, the value of [`Object::metadata`].
/// `apiVersion` and `kind` are written here and must not be among the fields.
pub trait Object: Serialize {
    /// Group and version, as `g.example.com/v1`.
    const API_VERSION: &'static str;
    /// Kind; that of lists is this with `List` behind it.
    const KIND: &'static str;
    /// Columns of a table.
    const COLUMNS: &'static [ColumnDefinition];

    /// The metadata.
    fn metadata(&self) -> &ObjectMeta<'_>;

    /// Writes the cells, one for each of the columns; ages are counted to `now`.
    fn cells(&self, now: Millis, row: &mut Row<'_>);
}

/// What every object's own JSON begins with.
const BEGINNING: &[u8] = b"{\"metadata\":{";

/// Hashes what is served of an object, its resourceVersion aside. `scratch` is only there to be reused.
///
/// # Errors
/// 500 when the object cannot be serialised.
pub fn content_hash<T: Serialize>(object: &T, scratch: &mut Vec<u8>) -> Result<u64, Status> {
    scratch.clear();
    serialize(scratch, object)?;
    Ok(hash(scratch))
}

/// Appends an object whose resourceVersion is made of the hash of its content. Returns that version.
///
/// # Errors
/// 500 when the object cannot be serialised or does not begin with its metadata.
pub fn append_object<T: Object>(
    out: &mut Vec<u8>,
    object: &T,
    resource_version: impl FnOnce(u64) -> u64,
) -> Result<u64, Status> {
    for part in ["{\"apiVersion\":\"", T::API_VERSION, "\",\"kind\":\"", T::KIND, "\""] {
        out.extend_from_slice(part.as_bytes());
    }
    let start = out.len();
    serialize(out, object)?;
    let content = out.get_mut(start..).unwrap_or_default();
    let Some(metadata) = content.strip_prefix(BEGINNING).map(<[u8]>::len) else {
        return Err(Status::internal_error("the object does not begin with its metadata"));
    };
    let version = resource_version(hash(content));
    // The object's own brace makes room for the comma after kind.
    if let Some(brace) = content.first_mut() {
        *brace = b',';
    }
    let length = out.len();
    write_version(out, version);
    out.push(b',');
    let added = out.len().saturating_sub(length);
    if let Some(tail) = out.get_mut(length.saturating_sub(metadata)..) {
        tail.rotate_right(added);
    }
    Ok(version)
}

/// Appends `PartialObjectMetadata`.
///
/// # Errors
/// 500 when the metadata cannot be serialised.
pub fn append_metadata(
    out: &mut Vec<u8>,
    meta_version: MetaVersion,
    metadata: &ObjectMeta<'_>,
    resource_version: u64,
) -> Result<(), Status> {
    for part in [
        "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"",
        meta_version.api_version(),
        "\",\"metadata\":{",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
    write_version(out, resource_version);
    let start = out.len();
    serialize(out, metadata)?;
    if let Some(brace) = out.get_mut(start) {
        *brace = b',';
    }
    out.push(b'}');
    Ok(())
}

/// Writes the answer to a get, in whichever form was negotiated. `resource_version` comes from the form that lists
/// show ([`content_hash`]), which may have fewer fields than this object.
///
/// # Errors
/// 500 when the object cannot be serialised.
pub fn write_object<T: Object>(
    form: Form,
    object: &T,
    resource_version: u64,
    now: Millis,
) -> Result<Vec<u8>, Status> {
    let mut out = Vec::with_capacity(4096);
    match form {
        Form::Object => {
            append_object(&mut out, object, |_| resource_version)?;
        }
        Form::PartialObjectMetadata(meta_version) => {
            append_metadata(&mut out, meta_version, object.metadata(), resource_version)?;
        }
        Form::Table(..) => {
            let meta = ListMeta { resource_version, ..ListMeta::default() };
            let mut table = ListWriter::new::<T>(form, &meta, now, out)?;
            table.push(object, |_| resource_version)?;
            return Ok(table.finish());
        }
    }
    Ok(out)
}

pub(super) fn serialize<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), Status> {
    json::append(out, value).map_err(|_| Status::internal_error("the answer could not be serialised"))
}

/// Writing to a Vec cannot fail.
fn write_version(out: &mut Vec<u8>, resource_version: u64) {
    let _ = write!(out, "\"resourceVersion\":\"{resource_version}\"");
}

fn hash(content: &[u8]) -> u64 {
    XxHash64::oneshot(0, content)
}

#[cfg(test)]
pub(super) mod tests {
    //! A small kind, written in every form.

    use std::borrow::Cow;

    use super::*;
    use crate::kube::negotiation::IncludeObject;

    #[derive(Serialize)]
    pub(in crate::kube) struct Thing {
        pub(in crate::kube) metadata: ObjectMeta<'static>,
        pub(in crate::kube) spec: Spec,
    }

    #[derive(Serialize)]
    pub(in crate::kube) struct Spec {
        pub(in crate::kube) size: i64,
    }

    impl Object for Thing {
        const API_VERSION: &'static str = "g.example.com/v1";
        const KIND: &'static str = "Thing";
        const COLUMNS: &'static [ColumnDefinition] = &[
            ColumnDefinition {
                name: "Name",
                column_type: "string",
                format: "name",
                description: "its name",
                priority: 0,
            },
            ColumnDefinition {
                name: "Size",
                column_type: "integer",
                format: "",
                description: "its size",
                priority: 1,
            },
        ];
        fn metadata(&self) -> &ObjectMeta<'_> {
            &self.metadata
        }
        fn cells(&self, now: Millis, row: &mut Row<'_>) {
            row.string(&self.metadata.name);
            row.integer(self.spec.size.saturating_add(now));
        }
    }

    pub(in crate::kube) fn thing(name: &str, size: i64) -> Thing {
        let metadata =
            ObjectMeta { name: Cow::Owned(name.to_owned()), namespace: "n".into(), ..ObjectMeta::default() };
        Thing { metadata, spec: Spec { size } }
    }

    const META: &str = r#"{"resourceVersion":"42","name":"a","namespace":"n","creationTimestamp":null}"#;

    fn object() -> String {
        format!(r#"{{"apiVersion":"g.example.com/v1","kind":"Thing","metadata":{META},"spec":{{"size":7}}}}"#)
    }

    fn partial(version: &str) -> String {
        format!(
            r#"{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/{version}","metadata":{META}}}"#
        )
    }

    fn check(form: Form, expect: &str) {
        let bytes = write_object(form, &thing("a", 7), 42, 1).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), expect);
    }

    #[test]
    fn forms() {
        check(Form::Object, &object());
        check(Form::PartialObjectMetadata(MetaVersion::V1), &partial("v1"));
        check(Form::PartialObjectMetadata(MetaVersion::V1beta1), &partial("v1beta1"));
        let table = |object: &str| {
            format!(
                r#"{{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{{"resourceVersion":"42"}},"columnDefinitions":[{{"name":"Name","type":"string","format":"name","description":"its name","priority":0}},{{"name":"Size","type":"integer","format":"","description":"its size","priority":1}}],"rows":[{{"cells":["a",8],"object":{object}}}]}}"#
            )
        };
        check(Form::Table(MetaVersion::V1, IncludeObject::Metadata), &table(&partial("v1")));
        check(Form::Table(MetaVersion::V1, IncludeObject::Object), &table(&object()));
        check(Form::Table(MetaVersion::V1, IncludeObject::None), &table("null"));
    }

    #[test]
    fn the_version_is_made_of_the_content_alone() {
        let mut hashes = Vec::new();
        for (existing, name, size) in [("", "a", 7), ("[before,", "a", 7), ("", "b", 7), ("", "a", 8)] {
            let mut out = existing.as_bytes().to_vec();
            let mut hash = 0;
            let thing = thing(name, size);
            let version = append_object(&mut out, &thing, |content| {
                hash = content;
                u64::MAX
            });
            assert_eq!(version, Ok(u64::MAX));
            let text = String::from_utf8(out).unwrap();
            let json: serde_json::Value = serde_json::from_str(text.strip_prefix(existing).unwrap()).unwrap();
            assert_eq!(json["metadata"]["resourceVersion"], u64::MAX.to_string());
            assert_eq!(json["spec"]["size"], size);
            assert_eq!(content_hash(&thing, &mut vec![1, 2, 3]), Ok(hash));
            hashes.push(hash);
        }
        assert_eq!(hashes[0], hashes[1]);
        assert_ne!(hashes[0], hashes[2]);
        assert_ne!(hashes[0], hashes[3]);
    }
}
