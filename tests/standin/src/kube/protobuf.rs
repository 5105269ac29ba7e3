//! Request bodies as kubectl's typed clients send them: `k8s\0`, then a `runtime.Unknown` around the message. Read into the
//! JSON they stand for, for the few kinds that are created here. Nothing is ever answered in protobuf.

use std::collections::HashMap;

use prost::Message;
use serde_json::{Map, Value, json};

/// The content type.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// `runtime.Unknown`.
#[derive(Clone, PartialEq, Message)]
struct Unknown {
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
}

/// `metav1.ObjectMeta`.
#[derive(Clone, PartialEq, Message)]
struct ObjectMeta {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(map = "string, string", tag = "11")]
    labels: HashMap<String, String>,
    #[prost(map = "string, string", tag = "12")]
    annotations: HashMap<String, String>,
}

/// `corev1.Namespace`, whose spec and status are not for clients to set.
#[derive(Clone, PartialEq, Message)]
struct Namespace {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
}

/// `corev1.ConfigMap`.
#[derive(Clone, PartialEq, Message)]
struct ConfigMap {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
    #[prost(map = "string, string", tag = "2")]
    data: HashMap<String, String>,
}

/// Any of the access reviews.
#[derive(Clone, PartialEq, Message)]
struct AccessReview {
    #[prost(message, optional, tag = "2")]
    spec: Option<AccessReviewSpec>,
}

#[derive(Clone, PartialEq, Message)]
struct AccessReviewSpec {
    #[prost(message, optional, tag = "1")]
    resource: Option<ResourceAttributes>,
    #[prost(message, optional, tag = "2")]
    non_resource: Option<NonResourceAttributes>,
    #[prost(string, tag = "3")]
    user: String,
    #[prost(string, repeated, tag = "4")]
    groups: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceAttributes {
    #[prost(string, tag = "1")]
    namespace: String,
    #[prost(string, tag = "2")]
    verb: String,
    #[prost(string, tag = "3")]
    group: String,
    #[prost(string, tag = "4")]
    version: String,
    #[prost(string, tag = "5")]
    resource: String,
    #[prost(string, tag = "6")]
    subresource: String,
    #[prost(string, tag = "7")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct NonResourceAttributes {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(string, tag = "2")]
    verb: String,
}

/// `authorizationv1.SelfSubjectRulesReview`.
#[derive(Clone, PartialEq, Message)]
struct RulesReview {
    #[prost(message, optional, tag = "2")]
    spec: Option<RulesReviewSpec>,
}

#[derive(Clone, PartialEq, Message)]
struct RulesReviewSpec {
    #[prost(string, tag = "1")]
    namespace: String,
}

/// The JSON of a body of this kind; `None` when it cannot be read.
pub(crate) fn decode(body: &[u8], kind: &str) -> Option<Value> {
    let raw = Unknown::decode(body.strip_prefix(b"k8s\0")?).ok()?.raw;
    let raw = raw.as_slice();
    match kind {
        "SelfSubjectReview" => Some(json!({})),
        "SelfSubjectRulesReview" => {
            let spec = RulesReview::decode(raw).ok()?.spec.unwrap_or_default();
            Some(json!({"spec": {"namespace": spec.namespace}}))
        }
        "SelfSubjectAccessReview" | "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            Some(json!({"spec": spec_json(AccessReview::decode(raw).ok()?.spec.unwrap_or_default())}))
        }
        "ConfigMap" => {
            let object = ConfigMap::decode(raw).ok()?;
            Some(json!({"metadata": metadata_json(object.metadata), "data": object.data}))
        }
        "Namespace" => Some(json!({"metadata": metadata_json(Namespace::decode(raw).ok()?.metadata)})),
        _ => None,
    }
}

fn spec_json(spec: AccessReviewSpec) -> Value {
    let mut object = Map::new();
    if let Some(asked) = spec.resource {
        let fields = [
            ("namespace", asked.namespace),
            ("verb", asked.verb),
            ("group", asked.group),
            ("version", asked.version),
            ("resource", asked.resource),
            ("subresource", asked.subresource),
            ("name", asked.name),
        ];
        let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
        object.insert("resourceAttributes".into(), fields.map(|(key, value)| (key, json!(value))).collect());
    }
    if let Some(asked) = spec.non_resource {
        object.insert("nonResourceAttributes".into(), json!({"path": asked.path, "verb": asked.verb}));
    }
    if !spec.user.is_empty() {
        object.insert("user".into(), json!(spec.user));
    }
    if !spec.groups.is_empty() {
        object.insert("groups".into(), json!(spec.groups));
    }
    Value::Object(object)
}

fn metadata_json(metadata: Option<ObjectMeta>) -> Value {
    let metadata = metadata.unwrap_or_default();
    let mut object = json!({"name": metadata.name});
    for (name, values) in [("labels", metadata.labels), ("annotations", metadata.annotations)] {
        if !values.is_empty() {
            object[name] = json!(values);
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_review_reads_as_its_json() {
        let attributes =
            ResourceAttributes { verb: "get".into(), resource: "pods".into(), ..Default::default() };
        let spec = AccessReviewSpec { resource: Some(attributes), ..Default::default() };
        let raw = AccessReview { spec: Some(spec) }.encode_to_vec();
        let body = [b"k8s\0".to_vec(), Unknown { raw }.encode_to_vec()].concat();
        let expect = json!({"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}});
        assert_eq!(decode(&body, "SelfSubjectAccessReview"), Some(expect));
        assert_eq!(decode(b"{}", "SelfSubjectAccessReview"), None);
    }
}
