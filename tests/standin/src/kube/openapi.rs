//! `/openapi`: the index and documents that clients expect to find, with next to nothing in them.

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};

use super::kinds::{GROUPS, KINDS};
use super::{VERSION, digest, serialised, tagged};

/// Answers an OpenAPI path; `None` when it is none.
pub(crate) fn serve(path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
    match path.strip_prefix("/openapi/")? {
        "v2" => {
            let document = json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": VERSION}, "paths": {}, "definitions": {}});
            Some(tagged(&document, "application/json", headers))
        }
        "v3" => {
            let paths: Map<String, Value> = documents()
                .map(|path| {
                    let url = format!("/openapi/v3/{path}?hash={}", digest(&serialised(&document(&path))));
                    (path, json!({"serverRelativeURL": url}))
                })
                .collect();
            // kube-apiserver 1.36 says text/plain here, and gives no ETag.
            let body = serialised(&json!({"paths": paths}));
            Some(
                (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response(),
            )
        }
        rest => {
            let path = rest.strip_prefix("v3/")?;
            documents().find(|known| known == path)?;
            Some(tagged(&document(path), "application/json", headers))
        }
    }
}

fn documents() -> impl Iterator<Item = String> {
    let groups = GROUPS.iter().map(|group| format!("apis/{group}/v1"));
    std::iter::once("api/v1".to_owned()).chain(groups)
}

fn document(path: &str) -> Value {
    let group = path.strip_prefix("apis/").and_then(|rest| rest.strip_suffix("/v1")).unwrap_or_default();
    let schemas: Map<String, Value> = KINDS
        .iter()
        .filter(|kind| kind.group == group)
        .map(|kind| {
            let identity = json!([{"group": group, "version": "v1", "kind": kind.kind}]);
            let schema = json!({"type": "object", "x-kubernetes-group-version-kind": identity});
            (format!("io.k8s.api.{}.v1.{}", if group.is_empty() { "core" } else { group }, kind.kind), schema)
        })
        .collect();
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": {},
        "components": {"schemas": schemas},
    })
}
