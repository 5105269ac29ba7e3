//! `metav1.Table`: what kubectl prints.

use serde_json::{Value, json};

use super::form::metadata;
use super::kinds::Kind;
use crate::clock::Instant;

/// A table of these objects.
pub(crate) fn of(kind: &Kind, objects: &[Value], list: Value, headers: bool) -> Value {
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| json!({"cells": cells(kind, object), "object": metadata(object)}))
        .collect();
    let definitions = |name: &str| {
        let format = if name == "Name" { "name" } else { "" };
        json!({"name": name, "type": "string", "format": format, "description": name, "priority": 0})
    };
    let columns: Vec<Value> = columns(kind).iter().map(|name| definitions(name)).collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list,
        "columnDefinitions": if headers { json!(columns) } else { Value::Null },
        "rows": rows,
    })
}

fn columns(kind: &Kind) -> &'static [&'static str] {
    match kind.resource {
        "pods" => &["Name", "Ready", "Status", "Restarts", "Age"],
        "namespaces" => &["Name", "Status", "Age"],
        _ => &["Name", "Age"],
    }
}

fn cells(kind: &Kind, object: &Value) -> Vec<Value> {
    let name = object["metadata"]["name"].clone();
    let age = json!(age(object));
    let phase = object["status"]["phase"].clone();
    match kind.resource {
        "pods" => vec![name, json!("1/1"), phase, json!("0"), age],
        "namespaces" => vec![name, phase, age],
        _ => vec![name, age],
    }
}

/// How long ago, in the one unit that matters.
fn age(object: &Value) -> String {
    let created = object["metadata"]["creationTimestamp"].as_str().and_then(Instant::parse);
    let Some(created) = created else { return "<unknown>".into() };
    match Instant::now().ms_since(created) / 1000 {
        seconds if seconds < 120 => format!("{}s", seconds.max(0)),
        seconds if seconds < 7200 => format!("{}m", seconds / 60),
        seconds if seconds < 172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}
