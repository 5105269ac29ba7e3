//! Parsers of what kube-apiserver answers, and the writer of YAML.

use coder_kube_core::kube::authentication::parse_token_user;
use coder_kube_core::kube::authorization::{parse_decision, parse_decision_about, parse_user};
use coder_kube_core::kube::discovery::{
    GroupDescription, GroupVersionKind, ResourceDescription, SubresourceDescription,
};
use coder_kube_core::kube::document;
use coder_kube_core::kube::negotiation::DiscoveryForm;
use coder_kube_core::kube::openapi::merge_index;
use coder_kube_core::kube::yaml as writer;
use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

const GROUP: GroupDescription = GroupDescription {
    group: "g.example.com",
    version: "v1",
    resources: &[ResourceDescription {
        name: "things",
        singular: "thing",
        kind: "Thing",
        short_names: &["th"],
        categories: &[],
        verbs: &["get"],
        subresources: &[SubresourceDescription {
            name: "log",
            response_kind: GroupVersionKind { group: "g.example.com", version: "v1", kind: "Thing" },
            verbs: &["get"],
        }],
    }],
};

/// Deeper nesting the writer may refuse.
const DEPTH_MAX: usize = 64;

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("it is JSON")
}

/// An answer to `/apis`, merged in each form: our group is in it once, and merging again changes nothing.
pub fn discovery(data: &[u8]) {
    for form in [DiscoveryForm::Unaggregated, DiscoveryForm::V2, DiscoveryForm::V2beta1] {
        let Ok(merged) = GROUP.merge(form, data) else { continue };
        let document = json(&merged);
        let list = if form == DiscoveryForm::Unaggregated { &document["groups"] } else { &document["items"] };
        let ours = list.as_array().expect("a list").iter().filter(|entry| {
            let name =
                if form == DiscoveryForm::Unaggregated { &entry["name"] } else { &entry["metadata"]["name"] };
            name == GROUP.group
        });
        assert_eq!(ours.count(), 1, "{document}");
        assert_eq!(GROUP.merge(form, &merged).as_deref(), Ok(&*merged));
    }
}

/// An answer to `/openapi/v3`: the same.
pub fn openapi(data: &[u8]) {
    let Ok(merged) = merge_index(data, GROUP.group, GROUP.version, "\"A\"") else { return };
    assert!(json(&merged)["paths"]["apis/g.example.com/v1"].is_object());
    assert_eq!(merge_index(&merged, GROUP.group, GROUP.version, "\"A\"").as_deref(), Ok(&*merged));
}

/// An answer to a review: nobody is let in whom another reader of the answer would not let in.
pub fn authorization(data: &[u8]) {
    for (kind, decision) in [
        ("SelfSubjectAccessReview", parse_decision(data)),
        ("SubjectAccessReview", parse_decision_about(data)),
    ] {
        if decision.is_ok_and(|decision| decision.allowed) {
            let answer = json(data);
            assert_eq!(answer["kind"], kind);
            assert_eq!(answer["status"]["allowed"], true);
            assert_ne!(answer["status"]["denied"], true);
        }
    }
    if let Ok(user) = parse_token_user(data) {
        let answer = json(data);
        assert_eq!(answer["kind"], "TokenReview");
        assert_eq!(answer["status"]["authenticated"], true);
        assert_eq!(answer["status"]["user"]["username"].as_str().unwrap_or_default(), user.name);
        assert!(!user.name.is_empty());
    }
    if let Ok(user) = parse_user(data) {
        let answer = json(data);
        assert_eq!(answer["kind"], "SelfSubjectReview");
        assert_eq!(answer["status"]["userInfo"]["username"].as_str().unwrap_or_default(), user.name);
    }
}

/// JSON, written as YAML and read by another's reader and by ours, is the same.
pub fn yaml(data: &[u8]) {
    let written = writer::from_json(data);
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    if depth(&value) > DEPTH_MAX {
        return;
    }
    assert!(written.is_some(), "what is JSON can be written");
    // Of repeated names `Value` has kept one, as no document of ours repeats a name.
    let canonical = serde_json::to_vec(&value).expect("it was read");
    let text = writer::from_json(&canonical).expect("it is JSON");
    let read = YamlLoader::load_from_str(&text).unwrap_or_else(|e| panic!("{e}:\n{text}"));
    assert_eq!(read.len(), 1, "{text}");
    assert!(is_same(&value, &read[0]), "{value}\n{:?}\n{text}", read[0]);
    let ours = document::read(Some("application/yaml"), text.clone().into()).expect("what we write we read");
    assert!(is_equal(&json(&ours.json), &value), "{value}\n{text}");
}

/// Equal, but for the last digit of a fraction: serde_json does not read every one exactly.
fn is_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, a), (l, b))| k == l && is_equal(a, b))
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap_or_default(), b.as_f64().unwrap_or_default());
            (a - b).abs() <= a.abs() * 4.0 * f64::EPSILON
        }
        (a, b) => a == b,
    }
}

fn depth(json: &Value) -> usize {
    match json {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 1,
    }
}

fn is_same(json: &Value, yaml: &Yaml) -> bool {
    match (json, yaml) {
        (Value::Null, Yaml::Null) => true,
        (Value::Bool(a), Yaml::Boolean(b)) => a == b,
        (Value::Number(a), Yaml::Integer(b)) => a.as_i64() == Some(*b),
        (Value::Number(a), Yaml::Real(b)) => a.to_string().parse::<f64>() == b.parse::<f64>(),
        (Value::String(a), Yaml::String(b)) => a == b,
        (Value::Array(a), Yaml::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Yaml::Hash(b)) => {
            let found = |key: &str| b.get(&Yaml::String(key.to_owned()));
            a.len() == b.len() && a.iter().all(|(key, a)| found(key).is_some_and(|b| is_same(a, b)))
        }
        _ => false,
    }
}
