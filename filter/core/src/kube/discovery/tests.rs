//! The documents, and what a merge keeps and replaces.

use serde_json::{Value, json};

use super::*;

const GROUP: GroupDescription = GroupDescription {
    group: "g.example.com",
    version: "v1",
    resources: &[ResourceDescription {
        name: "things",
        singular: "thing",
        kind: "Thing",
        short_names: &["th"],
        categories: &["all"],
        verbs: &["get", "list"],
        subresources: &[
            SubresourceDescription {
                name: "log",
                response_kind: GroupVersionKind { group: "g.example.com", version: "v1", kind: "Thing" },
                verbs: &["get"],
            },
            SubresourceDescription {
                name: "scale",
                response_kind: GroupVersionKind { group: "autoscaling", version: "v1", kind: "Scale" },
                verbs: &["get", "patch"],
            },
        ],
    }],
};

const FORMS: [DiscoveryForm; 3] = [DiscoveryForm::Unaggregated, DiscoveryForm::V2, DiscoveryForm::V2beta1];

fn parsed(bytes: Result<Vec<u8>, Status>) -> Value {
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}

#[test]
fn api_group() {
    let version = json!({"groupVersion": "g.example.com/v1", "version": "v1"});
    assert_eq!(
        parsed(GROUP.api_group()),
        json!({
            "kind": "APIGroup", "apiVersion": "v1", "name": "g.example.com", "versions": [version],
            "preferredVersion": version,
        })
    );
}

#[test]
fn api_resource_list() {
    assert_eq!(
        parsed(GROUP.api_resource_list()),
        json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "g.example.com/v1", "resources": [
                {"name": "things", "singularName": "thing", "namespaced": true, "kind": "Thing",
                 "verbs": ["get", "list"], "shortNames": ["th"], "categories": ["all"]},
                {"name": "things/log", "singularName": "", "namespaced": true, "kind": "Thing", "verbs": ["get"]},
                {"name": "things/scale", "singularName": "", "namespaced": true, "group": "autoscaling",
                 "version": "v1", "kind": "Scale", "verbs": ["get", "patch"]},
            ],
        })
    );
}

#[test]
fn aggregated() {
    let kind = |group, kind| json!({"group": group, "version": "v1", "kind": kind});
    for (form, version) in [(DiscoveryForm::V2, "v2"), (DiscoveryForm::V2beta1, "v2beta1")] {
        assert_eq!(
            parsed(GROUP.standalone(form)),
            json!({
                "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"),
                "metadata": {},
                "items": [{
                    "metadata": {"name": "g.example.com", "creationTimestamp": null},
                    "versions": [{"version": "v1", "freshness": "Current", "resources": [{
                        "resource": "things", "responseKind": kind("g.example.com", "Thing"), "scope": "Namespaced",
                        "singularResource": "thing", "verbs": ["get", "list"], "shortNames": ["th"],
                        "categories": ["all"], "subresources": [
                            {"subresource": "log", "responseKind": kind("g.example.com", "Thing"), "verbs": ["get"]},
                            {"subresource": "scale", "responseKind": kind("autoscaling", "Scale"),
                             "verbs": ["get", "patch"]},
                        ],
                    }]}],
                }],
            })
        );
    }
}

/// Names and marks of the entries after merging into a document with these entries.
fn merged(form: DiscoveryForm, names: &[&str]) -> Vec<(String, bool)> {
    let entry = |name: &&str| match form {
        DiscoveryForm::Unaggregated => json!({"name": name, "mark": true}),
        _ => json!({"metadata": {"name": name}, "mark": true}),
    };
    let mut upstream = parsed(GROUP.standalone(form));
    let list = if form == DiscoveryForm::Unaggregated { "groups" } else { "items" };
    upstream[list] = names.iter().map(entry).collect();
    let merged = parsed(GROUP.merge(form, upstream.to_string().as_bytes()));
    assert_eq!(merged["kind"], upstream["kind"]);
    assert_eq!(merged["apiVersion"], upstream["apiVersion"]);
    assert_eq!(merged["metadata"], upstream["metadata"]);
    let name =
        |entry: &Value| entry["name"].as_str().or(entry["metadata"]["name"].as_str()).unwrap().to_owned();
    merged[list].as_array().unwrap().iter().map(|entry| (name(entry), entry["mark"].is_boolean())).collect()
}

#[test]
fn merging() {
    let ours = || ("g.example.com".to_owned(), false);
    let theirs = |name: &str| (name.to_owned(), true);
    for form in FORMS {
        assert_eq!(merged(form, &[]), [ours()]);
        assert_eq!(merged(form, &["apps", ""]), [theirs("apps"), theirs(""), ours()]);
        assert_eq!(merged(form, &["apps", "g.example.com", "z"]), [theirs("apps"), ours(), theirs("z")]);
        assert_eq!(merged(form, &["g.example.com", "z", "g.example.com"]), [ours(), theirs("z")]);
    }
}

#[test]
fn entries_of_others_pass_byte_for_byte() {
    let upstream =
        br#"{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"a",  "x":1.50,"y":"\u00e9"}]}"#;
    let merged = GROUP.merge(DiscoveryForm::Unaggregated, upstream).unwrap();
    let text = String::from_utf8(merged).unwrap();
    assert!(text.contains(r#"[{"name":"a",  "x":1.50,"y":"\u00e9"},{"name":"g.example.com""#), "{text}");
}

#[test]
fn what_is_not_the_document_is_refused() {
    for upstream in [
        "",
        "[]",
        "{}",
        "404 page not found",
        r#"{"kind":"Status","apiVersion":"v1"}"#,
        r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[1]}"#,
        r#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2beta1","items":[]}"#,
    ] {
        let form =
            if upstream.contains("Discovery") { DiscoveryForm::V2 } else { DiscoveryForm::Unaggregated };
        assert_eq!(GROUP.merge(form, upstream.as_bytes()).unwrap_err().code, 503, "{upstream}");
    }
}
