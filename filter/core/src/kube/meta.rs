//! ObjectMeta, ListMeta and Condition, to be written. resourceVersion is not among the fields: the writer adds it,
//! because it depends on a hash of the rest.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::time::Timestamp;

/// Labels or annotations: a map that is written in the order given. Keys must be distinct.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringMap<'a>(pub Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl StringMap<'_> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_ref())
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for StringMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key.as_ref(), value.as_ref())?;
        }
        map.end()
    }
}

/// The part of `metav1.ObjectMeta` that is served here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMeta<'a> {
    /// Name, unique in its namespace.
    pub name: Cow<'a, str>,
    /// Namespace.
    pub namespace: Cow<'a, str>,
    /// Identity over time.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub uid: Cow<'a, str>,
    /// Counts changes of what was asked for; 0 is left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub generation: i64,
    /// When it was made.
    pub creation_timestamp: Option<Timestamp>,
    /// When its deletion began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Timestamp>,
    /// Labels.
    #[serde(skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap<'a>,
    /// Annotations.
    #[serde(skip_serializing_if = "StringMap::is_empty")]
    pub annotations: StringMap<'a>,
    /// Who must finish before the object may go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<Cow<'a, str>>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// `metav1.ListMeta`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListMeta {
    /// Version of the list, written as a decimal string.
    #[serde(serialize_with = "decimal_string")]
    pub resource_version: u64,
    /// Token for the next page.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_token: Option<String>,
    /// How many objects follow this page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_item_count: Option<u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn decimal_string<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

/// `metav1.Condition`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition<'a> {
    /// What is said, such as `Ready`.
    #[serde(rename = "type")]
    pub condition_type: &'static str,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// The generation that this was said about; 0 is left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// When `status` last changed.
    pub last_transition_time: Timestamp,
    /// CamelCase word for machines; never empty.
    pub reason: Cow<'a, str>,
    /// For people.
    pub message: Cow<'a, str>,
}

/// Schemas refer to the definitions that kube-apiserver itself publishes, which say more than a part would.
#[cfg(feature = "schema")]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    macro_rules! refers_to {
        ($type:ty, $name:literal) => {
            impl JsonSchema for $type {
                fn inline_schema() -> bool {
                    true
                }
                fn schema_name() -> Cow<'static, str> {
                    Cow::Borrowed(concat!("io.k8s.apimachinery.pkg.apis.meta.v1.", $name))
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({
                        "$ref": concat!("#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.", $name)
                    })
                }
            }
        };
    }

    refers_to!(super::ObjectMeta<'_>, "ObjectMeta");
    refers_to!(super::ListMeta, "ListMeta");
    refers_to!(super::Condition<'_>, "Condition");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_not_written() {
        let meta = ObjectMeta { name: "a".into(), namespace: "n".into(), ..ObjectMeta::default() };
        let json = serde_json::to_string(&meta).unwrap();
        assert_eq!(json, r#"{"name":"a","namespace":"n","creationTimestamp":null}"#);
    }

    #[test]
    fn everything_is_written_in_camel_case() {
        let meta = ObjectMeta {
            name: "a".into(),
            namespace: "n".into(),
            uid: "u".into(),
            generation: 3,
            creation_timestamp: Some(Timestamp::from_millis(0)),
            deletion_timestamp: Some(Timestamp::from_millis(1000)),
            labels: StringMap(vec![("l".into(), "1".into())]),
            annotations: StringMap(vec![("b".into(), "2".into())]),
            finalizers: vec!["f".into()],
        };
        assert_eq!(
            serde_json::to_value(&meta).unwrap(),
            serde_json::json!({
                "name": "a", "namespace": "n", "uid": "u", "generation": 3,
                "creationTimestamp": "1970-01-01T00:00:00Z", "deletionTimestamp": "1970-01-01T00:00:01Z",
                "labels": {"l": "1"}, "annotations": {"b": "2"}, "finalizers": ["f"],
            })
        );
        let list =
            ListMeta { resource_version: 7, continue_token: Some("t".into()), remaining_item_count: Some(2) };
        assert_eq!(
            serde_json::to_string(&list).unwrap(),
            r#"{"resourceVersion":"7","continue":"t","remainingItemCount":2}"#
        );
    }

    #[test]
    fn conditions() {
        let condition = Condition {
            condition_type: "Ready",
            status: ConditionStatus::Unknown,
            observed_generation: 2,
            last_transition_time: Timestamp::from_millis(0),
            reason: "Because".into(),
            message: "".into(),
        };
        assert_eq!(
            serde_json::to_string(&condition).unwrap(),
            r#"{"type":"Ready","status":"Unknown","observedGeneration":2,"lastTransitionTime":"1970-01-01T00:00:00Z","reason":"Because","message":""}"#
        );
    }
}
