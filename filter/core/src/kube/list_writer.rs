//! Lists, tables among them, written object by object into one buffer; nothing is kept of an object once written.

use super::meta::ListMeta;
use super::negotiation::{Form, IncludeObject, MetaVersion};
use super::object_writer::{Object, append_metadata, append_object, content_hash, serialize};
use super::status::Status;
use super::table::Row;
use crate::time::Millis;

/// Writes one list as JSON.
pub struct ListWriter {
    out: Vec<u8>,
    /// Holds an object's full form where only its hash is wanted; reused from object to object.
    scratch: Vec<u8>,
    form: Form,
    now: Millis,
    empty: bool,
}

impl ListWriter {
    /// Begins a list of `T`, appending to `out` (reserve what the answer may need). Ages in tables are counted to `now`.
    ///
    /// # Errors
    /// 500 when the list's metadata cannot be serialised.
    pub fn new<T: Object>(form: Form, meta: &ListMeta, now: Millis, out: Vec<u8>) -> Result<Self, Status> {
        Self::rows::<T>(form, meta, now, out, true)
    }

    /// As [`ListWriter::new`]; a table that goes on from another one leaves the description of its columns out.
    pub(super) fn rows<T: Object>(
        form: Form,
        meta: &ListMeta,
        now: Millis,
        mut out: Vec<u8>,
        columns: bool,
    ) -> Result<Self, Status> {
        let (kind, suffix, api_version) = match form {
            Form::Object => (T::KIND, "List", T::API_VERSION),
            Form::PartialObjectMetadata(version) => ("PartialObjectMetadata", "List", version.api_version()),
            Form::Table(version, _) => ("Table", "", version.api_version()),
        };
        for part in ["{\"kind\":\"", kind, suffix, "\",\"apiVersion\":\"", api_version, "\",\"metadata\":"] {
            out.extend_from_slice(part.as_bytes());
        }
        serialize(&mut out, meta)?;
        if matches!(form, Form::Table(..)) {
            out.extend_from_slice(b",\"columnDefinitions\":");
            serialize(&mut out, &columns.then_some(T::COLUMNS))?;
            out.extend_from_slice(b",\"rows\":[");
        } else {
            out.extend_from_slice(b",\"items\":[");
        }
        Ok(Self { out, scratch: Vec::new(), form, now, empty: true })
    }

    /// Writes one object; its resourceVersion is made of the hash of its content, whatever the form shows of it.
    ///
    /// # Errors
    /// 500 when the object cannot be serialised.
    pub fn push<T: Object>(
        &mut self,
        object: &T,
        resource_version: impl FnOnce(u64) -> u64,
    ) -> Result<(), Status> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        match self.form {
            Form::Object => {
                append_object(&mut self.out, object, resource_version)?;
            }
            Form::PartialObjectMetadata(version) => self.push_metadata(version, object, resource_version)?,
            Form::Table(version, include) => {
                self.out.extend_from_slice(b"{\"cells\":");
                let mut row = Row::begin(&mut self.out);
                object.cells(self.now, &mut row);
                row.end();
                self.out.extend_from_slice(b",\"object\":");
                match include {
                    IncludeObject::Metadata => self.push_metadata(version, object, resource_version)?,
                    IncludeObject::Object => {
                        append_object(&mut self.out, object, resource_version)?;
                    }
                    IncludeObject::None => self.out.extend_from_slice(b"null"),
                }
                self.out.push(b'}');
            }
        }
        Ok(())
    }

    /// Begins the only row of a table, up to its cells; the rest is the caller's.
    pub(super) fn begin_row(mut self) -> Vec<u8> {
        self.out.extend_from_slice(b"{\"cells\":");
        self.out
    }

    /// Ends the list.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(b"]}");
        self.out
    }

    fn push_metadata<T: Object>(
        &mut self,
        meta_version: MetaVersion,
        object: &T,
        resource_version: impl FnOnce(u64) -> u64,
    ) -> Result<(), Status> {
        let version = resource_version(content_hash(object, &mut self.scratch)?);
        append_metadata(&mut self.out, meta_version, object.metadata(), version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::object_writer::tests::{Thing, thing};
    use serde_json::{Value, json};

    fn list(form: Form, meta: &ListMeta, things: &[Thing]) -> Value {
        let mut writer = ListWriter::new::<Thing>(form, meta, 0, Vec::new()).unwrap();
        for thing in things {
            writer.push(thing, |hash| hash >> 1 | 1).unwrap();
        }
        serde_json::from_slice(&writer.finish()).unwrap()
    }

    fn page() -> ListMeta {
        ListMeta { resource_version: 9, continue_token: Some("t".into()), remaining_item_count: Some(3) }
    }

    const FORMS: [Form; 5] = [
        Form::Object,
        Form::PartialObjectMetadata(MetaVersion::V1),
        Form::Table(MetaVersion::V1, IncludeObject::Metadata),
        Form::Table(MetaVersion::V1beta1, IncludeObject::Object),
        Form::Table(MetaVersion::V1, IncludeObject::None),
    ];

    #[test]
    fn kinds_and_page_metadata() {
        for (form, kind, api_version) in [
            (FORMS[0], "ThingList", "g.example.com/v1"),
            (FORMS[1], "PartialObjectMetadataList", "meta.k8s.io/v1"),
            (FORMS[2], "Table", "meta.k8s.io/v1"),
            (FORMS[3], "Table", "meta.k8s.io/v1beta1"),
        ] {
            let json = list(form, &page(), &[thing("a", 1)]);
            assert_eq!((&json["kind"], &json["apiVersion"]), (&json!(kind), &json!(api_version)));
            let expect = json!({"resourceVersion": "9", "continue": "t", "remainingItemCount": 3});
            assert_eq!(json["metadata"], expect, "{kind}");
        }
    }

    #[test]
    fn an_empty_list_has_an_empty_array() {
        for form in FORMS {
            let json = list(form, &ListMeta { resource_version: 1, ..ListMeta::default() }, &[]);
            let items = if matches!(form, Form::Table(..)) { &json["rows"] } else { &json["items"] };
            assert_eq!(items, &json!([]), "{form:?}");
        }
    }

    #[test]
    fn versions_do_not_depend_on_the_form() {
        let things = [thing("a", 1), thing("b", 2)];
        let versions = |json: &Value| {
            let items = json["items"].as_array().or(json["rows"].as_array()).unwrap();
            items
                .iter()
                .map(|item| {
                    let object = if item["object"].is_null() { item } else { &item["object"] };
                    object["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
                })
                .collect::<Vec<_>>()
        };
        let expect = versions(&list(FORMS[0], &page(), &things));
        assert_eq!(expect.len(), 2);
        assert_ne!(expect[0], expect[1]);
        for form in &FORMS[1..4] {
            assert_eq!(versions(&list(*form, &page(), &things)), expect, "{form:?}");
        }
    }

    #[test]
    fn rows_have_a_cell_for_each_column() {
        for form in &FORMS[2..] {
            let json = list(*form, &page(), &[thing("a", 1), thing("b", 2)]);
            assert_eq!(json["columnDefinitions"].as_array().unwrap().len(), 2);
            assert_eq!(json["rows"][1]["cells"], json!(["b", 2]));
        }
    }
}
