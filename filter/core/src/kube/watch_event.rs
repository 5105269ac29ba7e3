//! Events of a watch: one JSON object a line, `{"type": …, "object": …}` (`metav1.WatchEvent`), in whichever form was negotiated.

use std::io::Write as _;

use super::list_writer::ListWriter;
use super::meta::ListMeta;
use super::negotiation::{Form, IncludeObject};
use super::object_writer::{Object, append_metadata, append_object, serialize};
use super::status::Status;
use crate::time::Millis;

/// Tells a watcher that has asked for the present state that it has all of it (KEP-3157).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum EventType {
    Added,
    Modified,
    Deleted,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

fn begin(out: &mut Vec<u8>, event_type: &str) {
    for part in ["{\"type\":\"", event_type, "\",\"object\":"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}\n");
}

/// Appends an event about an object. `columns`: whether a table describes its columns, which the first of a watch does.
///
/// # Errors
/// 500 when the object cannot be serialised.
pub fn append_event<T: Object>(
    out: &mut Vec<u8>,
    event_type: EventType,
    form: Form,
    object: &T,
    resource_version: u64,
    now: Millis,
    columns: bool,
) -> Result<(), Status> {
    begin(out, event_type.as_str());
    match form {
        Form::Object => {
            append_object(out, object, |_| resource_version)?;
        }
        Form::PartialObjectMetadata(version) => {
            append_metadata(out, version, object.metadata(), resource_version)?;
        }
        Form::Table(..) => {
            let meta = ListMeta { resource_version, ..ListMeta::default() };
            let mut table = ListWriter::rows::<T>(form, &meta, now, std::mem::take(out), columns)?;
            table.push(object, |_| resource_version)?;
            *out = table.finish();
        }
    }
    end(out);
    Ok(())
}

/// What is said of something of which there is no more than this: a state (a bookmark), or an object of which the rest is not known any more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bare<'a> {
    /// Namespace; empty for a bookmark.
    pub namespace: &'a str,
    /// Name; empty for a bookmark.
    pub name: &'a str,
    /// Identity; empty for a bookmark.
    pub uid: &'a str,
    /// Version.
    pub resource_version: u64,
    /// Whether everything that there was at the beginning has been told.
    pub initial_events_end: bool,
}

/// Appends a BOOKMARK: all changes up to that version have been told.
///
/// # Errors
/// 500 when it cannot be serialised.
pub fn append_bookmark<T: Object>(
    out: &mut Vec<u8>,
    form: Form,
    bare: Bare<'_>,
    columns: bool,
) -> Result<(), Status> {
    append_bare::<T>(out, "BOOKMARK", form, bare, columns)
}

/// Appends a DELETED of an object that was never seen here.
///
/// # Errors
/// 500 when it cannot be serialised.
pub fn append_deleted<T: Object>(
    out: &mut Vec<u8>,
    form: Form,
    bare: Bare<'_>,
    columns: bool,
) -> Result<(), Status> {
    append_bare::<T>(out, EventType::Deleted.as_str(), form, bare, columns)
}

fn append_bare<T: Object>(
    out: &mut Vec<u8>,
    event_type: &str,
    form: Form,
    bare: Bare<'_>,
    columns: bool,
) -> Result<(), Status> {
    begin(out, event_type);
    match form {
        Form::Object => append_metadata_alone(out, T::KIND, T::API_VERSION, bare)?,
        Form::PartialObjectMetadata(version) => {
            append_metadata_alone(out, "PartialObjectMetadata", version.api_version(), bare)?;
        }
        Form::Table(version, include) => {
            let meta = ListMeta { resource_version: bare.resource_version, ..ListMeta::default() };
            *out = ListWriter::rows::<T>(form, &meta, 0, std::mem::take(out), columns)?.begin_row();
            serialize(out, &vec![(); T::COLUMNS.len()])?;
            out.extend_from_slice(b",\"object\":");
            match include {
                IncludeObject::Object => append_metadata_alone(out, T::KIND, T::API_VERSION, bare)?,
                // Of a bookmark this is all there is, so Kubernetes shows it in any case.
                IncludeObject::Metadata | IncludeObject::None => {
                    append_metadata_alone(out, "PartialObjectMetadata", version.api_version(), bare)?;
                }
            }
            out.extend_from_slice(b"}]}");
        }
    }
    end(out);
    Ok(())
}

fn append_metadata_alone(
    out: &mut Vec<u8>,
    kind: &str,
    api_version: &str,
    bare: Bare<'_>,
) -> Result<(), Status> {
    for part in ["{\"kind\":\"", kind, "\",\"apiVersion\":\"", api_version, "\",\"metadata\":{"] {
        out.extend_from_slice(part.as_bytes());
    }
    for (field, value) in [("name", bare.name), ("namespace", bare.namespace), ("uid", bare.uid)] {
        if !value.is_empty() {
            serialize(out, field)?;
            out.push(b':');
            serialize(out, value)?;
            out.push(b',');
        }
    }
    let _ = write!(out, "\"resourceVersion\":\"{}\"", bare.resource_version);
    if bare.initial_events_end {
        let _ = write!(out, ",\"annotations\":{{\"{INITIAL_EVENTS_END}\":\"true\"}}");
    }
    out.extend_from_slice(b"}}");
    Ok(())
}

/// Appends an ERROR: the watch has ended, and why.
pub fn append_error(out: &mut Vec<u8>, status: &Status) {
    begin(out, "ERROR");
    out.extend_from_slice(&status.to_json());
    end(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::negotiation::MetaVersion;
    use crate::kube::object_writer::tests::{Thing, thing};
    use serde_json::{Value, json};

    const FORMS: [Form; 3] = [
        Form::Object,
        Form::PartialObjectMetadata(MetaVersion::V1),
        Form::Table(MetaVersion::V1, IncludeObject::Metadata),
    ];

    fn line(write: impl FnOnce(&mut Vec<u8>)) -> Value {
        let mut out = b"before\n".to_vec();
        write(&mut out);
        let text = String::from_utf8(out).unwrap();
        let line = text.strip_prefix("before\n").unwrap();
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn events() {
        let event = |form, columns| {
            line(|out| append_event(out, EventType::Modified, form, &thing("a", 7), 42, 1, columns).unwrap())
        };
        let object = event(FORMS[0], true);
        assert_eq!((&object["type"], &object["object"]["kind"]), (&json!("MODIFIED"), &json!("Thing")));
        assert_eq!(object["object"]["metadata"]["resourceVersion"], "42");
        assert_eq!(event(FORMS[1], true)["object"]["kind"], "PartialObjectMetadata");
        let table = event(FORMS[2], true);
        assert_eq!(table["object"]["metadata"], json!({"resourceVersion": "42"}));
        assert_eq!(table["object"]["columnDefinitions"].as_array().unwrap().len(), 2);
        assert_eq!(table["object"]["rows"][0]["cells"], json!(["a", 8]));
        assert_eq!(event(FORMS[2], false)["object"]["columnDefinitions"], Value::Null);
    }

    #[test]
    fn bookmarks_are_in_the_form_of_their_watch() {
        let bare = Bare { resource_version: 9, initial_events_end: true, ..Bare::default() };
        let meta = json!({"resourceVersion": "9", "annotations": {INITIAL_EVENTS_END: "true"}});
        for (form, kind) in [(FORMS[0], "Thing"), (FORMS[1], "PartialObjectMetadata")] {
            let event = line(|out| append_bookmark::<Thing>(out, form, bare, true).unwrap());
            assert_eq!((&event["type"], &event["object"]["kind"]), (&json!("BOOKMARK"), &json!(kind)));
            assert_eq!(event["object"]["metadata"], meta);
        }
        let table = line(|out| append_bookmark::<Thing>(out, FORMS[2], bare, false).unwrap());
        assert_eq!(table["object"]["kind"], "Table");
        assert_eq!(table["object"]["rows"][0]["object"]["metadata"], meta);
        assert_eq!(table["object"]["rows"][0]["cells"], json!([null, null]));
    }

    #[test]
    fn what_is_not_known_any_more_and_errors() {
        let bare = Bare { namespace: "n", name: "a\"", uid: "u", resource_version: 9, ..Bare::default() };
        let event = line(|out| append_deleted::<Thing>(out, FORMS[0], bare, true).unwrap());
        let meta = json!({"name": "a\"", "namespace": "n", "uid": "u", "resourceVersion": "9"});
        assert_eq!((&event["type"], &event["object"]["metadata"]), (&json!("DELETED"), &meta));
        let event = line(|out| append_error(out, &Status::expired("too old")));
        assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    }
}
