//! In which form a client wants objects: whole, as rows of a table, or only their metadata.

use axum::http::{HeaderMap, header};
use serde_json::{Value, json};

use super::kinds::Kind;
use super::table;

/// The form of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Object,
    Table,
    Metadata,
}

impl Form {
    /// The first acceptable clause; protobuf and CBOR are not, and whoever accepts nothing else gets JSON.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
        for clause in accept.flat_map(|value| value.split(',')) {
            let mut parts = clause.split(';').map(str::trim);
            if !matches!(parts.next(), Some("application/json" | "application/*" | "*/*")) {
                continue;
            }
            match parts.find_map(|part| part.strip_prefix("as=")) {
                Some("Table") => return Self::Table,
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return Self::Metadata,
                _ => return Self::Object,
            }
        }
        Self::Object
    }

    /// One object in this form; `headers` asks for a table's column definitions.
    pub(crate) fn object(self, kind: &Kind, object: Value, headers: bool) -> Value {
        match self {
            Self::Object => object,
            Self::Metadata => metadata(&object),
            Self::Table => {
                let version = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                table::of(kind, std::slice::from_ref(&object), version, headers)
            }
        }
    }
}

/// Only the metadata of an object.
pub(crate) fn metadata(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}
