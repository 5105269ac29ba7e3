//! Discovery: `/api`, `/apis` (legacy and aggregated) and the lists of resources.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode, header};
use serde_json::{Value, json};

use super::kinds::{GROUPS, KINDS, REVIEWS, VERBS, api_version};
use super::{json_answer, tagged};

/// The content type of aggregated discovery.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Answers a discovery path; `None` when it is none.
pub(crate) fn serve(path: &str, headers: &HeaderMap, address: SocketAddr) -> Option<Response<Body>> {
    let path = path.trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let document = match parts[..] {
        [] | [""] => json!({"paths": paths()}),
        ["api"] if aggregated(headers) => return Some(tagged(&group_list(&[""]), AGGREGATED, headers)),
        ["apis"] if aggregated(headers) => return Some(tagged(&group_list(&GROUPS), AGGREGATED, headers)),
        ["api"] => json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address.to_string()}],
        }),
        ["apis"] => {
            let groups: Vec<Value> = GROUPS.iter().map(|group| legacy_group(group)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["api", "v1"] => resources(""),
        ["apis", group] if GROUPS.contains(&group) => {
            let mut group = legacy_group(group);
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            group
        }
        ["apis", group, "v1"] if GROUPS.contains(&group) => resources(group),
        _ => return None,
    };
    Some(json_answer(StatusCode::OK, &document))
}

/// Whether the client would rather have aggregated discovery, version 2.
fn aggregated(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    accept.flat_map(|value| value.split(',')).any(|clause| {
        let parts: Vec<&str> = clause.split(';').map(str::trim).collect();
        parts[0] == "application/json"
            && ["g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"]
                .iter()
                .all(|part| parts.contains(part))
    })
}

fn paths() -> Vec<String> {
    let mut paths: Vec<String> = ["/api", "/api/v1", "/apis"].map(String::from).to_vec();
    paths.extend(GROUPS.iter().flat_map(|group| [format!("/apis/{group}"), format!("/apis/{group}/v1")]));
    paths.extend(
        ["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(String::from),
    );
    paths
}

fn legacy_group(group: &str) -> Value {
    let version = json!({"groupVersion": format!("{group}/v1"), "version": "v1"});
    json!({"name": group, "versions": [version], "preferredVersion": version})
}

fn resources(group: &str) -> Value {
    let stored = KINDS.iter().filter(|kind| kind.group == group).map(|kind| {
        let mut resource = json!({
            "name": kind.resource,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": VERBS,
        });
        if !kind.short.is_empty() {
            resource["shortNames"] = json!(kind.short);
        }
        resource
    });
    let reviews = REVIEWS.iter().filter(|review| review.0 == group).map(|(_, name, kind, namespaced)| {
        json!({
            "name": name,
            "singularName": kind.to_lowercase(),
            "namespaced": namespaced,
            "kind": kind,
            "verbs": ["create"],
        })
    });
    json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version(group, "v1"),
        "resources": stored.chain(reviews).collect::<Vec<_>>(),
    })
}

fn group_list(groups: &[&str]) -> Value {
    let items: Vec<Value> = groups
        .iter()
        .map(|group| {
            let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            let version = json!({"version": "v1", "resources": discovered(group), "freshness": "Current"});
            json!({"metadata": metadata, "versions": [version]})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn discovered(group: &str) -> Vec<Value> {
    let scope = |namespaced: bool| if namespaced { "Namespaced" } else { "Cluster" };
    let kind_json = |kind: &str| json!({"group": "", "version": "", "kind": kind});
    let stored = KINDS.iter().filter(|kind| kind.group == group).map(|kind| {
        let mut resource = json!({
            "resource": kind.resource,
            "responseKind": kind_json(kind.kind),
            "scope": scope(kind.namespaced),
            "singularResource": kind.singular,
            "verbs": VERBS,
        });
        if !kind.short.is_empty() {
            resource["shortNames"] = json!(kind.short);
        }
        resource
    });
    let reviews = REVIEWS.iter().filter(|review| review.0 == group).map(|(_, name, kind, namespaced)| {
        json!({
            "resource": name,
            "responseKind": kind_json(kind),
            "scope": scope(*namespaced),
            "singularResource": kind.to_lowercase(),
            "verbs": ["create"],
        })
    });
    stored.chain(reviews).collect()
}
