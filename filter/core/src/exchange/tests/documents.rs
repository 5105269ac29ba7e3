//! Discovery and OpenAPI, ours and merged.

use super::*;
use std::collections::BTreeSet;

fn nothing(_: &str, _: usize) -> Outcome {
    panic!("documents never need Coder")
}

fn get(world: &World, path: &str, headers: &[(&str, &str)]) -> Reply {
    world.send(request("GET", path, headers))
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.iter().find(|(header, _)| *header == name).map_or("", |(_, value)| value)
}

#[test]
fn our_own() {
    let world = World::new(nothing);
    let group = body(&get(&world, "/apis/aggregation.coder.com", &[]));
    assert_eq!(group["preferredVersion"]["groupVersion"], "aggregation.coder.com/v1alpha1");
    let resources = body(&get(&world, API, &[]));
    let names: Vec<_> =
        resources["resources"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "coderworkspaces",
            "coderworkspaces/log",
            "coderworkspaces/scale",
            "coderworkspaces/status",
            "codertemplates",
            "codertemplates/status",
        ]
    );
    refused(&get(&world, "/apis/aggregation.coder.com/v1", &[]), 404, "NotFound", "could not find");
    let document = get(&world, "/openapi/v3/apis/aggregation.coder.com/v1alpha1?hash=old", &[]);
    assert!(
        body(&document)["components"]["schemas"]["com.coder.aggregation.v1alpha1.CoderWorkspace"].is_object()
    );
    let tag = header(&document, "etag").to_owned();
    let again = get(&world, "/openapi/v3/apis/aggregation.coder.com/v1alpha1", &[("if-none-match", &tag)]);
    assert_eq!((again.status, again.body.len()), (304, 0));
}

/// What a client may do is the same in discovery and in OpenAPI.
#[test]
fn both_documents_know_the_same_verbs() {
    let world = World::new(nothing);
    let mut listed = BTreeSet::new();
    for resource in body(&get(&world, API, &[]))["resources"].as_array().unwrap() {
        let name = resource["name"].as_str().unwrap();
        listed.extend(resource["verbs"].as_array().unwrap().iter().map(|verb| format!("{verb} {name}")));
    }
    let mut described = BTreeSet::new();
    let document = body(&get(&world, "/openapi/v3/apis/aggregation.coder.com/v1alpha1", &[]));
    for (path, item) in document["paths"].as_object().unwrap() {
        let name = path.strip_prefix(API).unwrap().replace("/namespaces/{namespace}", "");
        let name = name.replace("/{name}", "");
        for (_, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
            let verb = match operation["x-kubernetes-action"].as_str().unwrap() {
                "post" => "create",
                "put" => "update",
                other => other,
            };
            let name = name.trim_start_matches('/');
            described.insert(format!("{verb:?} {name}"));
            let all = [&operation["parameters"], &item["parameters"]];
            let mut names = all.iter().filter_map(|set| set.as_array()).flatten().map(|one| &one["name"]);
            if names.any(|name| name == "watch") {
                described.insert(format!("\"watch\" {name}"));
            }
        }
    }
    assert_eq!(listed, described);
}

fn world(groups: &'static str) -> World {
    World::new(nothing).kube(move |call| {
        assert!(!call.headers.iter().any(|(name, _)| name == "if-none-match" || name == "accept-encoding"));
        let body = match call.path.as_str() {
            "/apis" => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [{"name": groups}]}),
            "/openapi/v3" => json!({"paths": {groups: {"serverRelativeURL": "/x"}}}),
            _ => return allow(call, true),
        };
        answer(200, &body)
    })
}

#[test]
fn the_group_is_among_the_others_and_the_tag_follows_both() {
    let one = get(&world("apps"), "/apis", &[("accept-encoding", "gzip")]);
    let names: Vec<_> = body(&one)["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| g["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["apps", "aggregation.coder.com"]);
    let tag = header(&one, "etag").to_owned();
    assert_eq!(get(&world("apps"), "/apis", &[("if-none-match", &tag)]).status, 304);
    let other = get(&world("batch"), "/apis", &[("if-none-match", &tag)]);
    assert_eq!(other.status, 200);
    assert_ne!(header(&other, "etag"), tag);
}

#[test]
fn the_index_names_our_document() {
    let index = body(&get(&world("apis/apps/v1"), "/openapi/v3", &[]));
    let url = index["paths"]["apis/aggregation.coder.com/v1alpha1"]["serverRelativeURL"].as_str().unwrap();
    assert!(url.starts_with("/openapi/v3/apis/aggregation.coder.com/v1alpha1?hash="), "{url}");
    assert!(index["paths"]["apis/apps/v1"].is_object());
}

#[test]
fn what_kube_apiserver_says_instead_is_passed_on() {
    let said = json!({"kind": "Status", "code": 401, "reason": "Unauthorized", "message": "Unauthorized"});
    let world = World::new(nothing).kube(move |_| answer(401, &said));
    refused(&get(&world, "/apis", &[]), 401, "Unauthorized", "Unauthorized");
    let world = World::new(nothing).kube(|_| BROKEN);
    refused(&get(&world, "/apis", &[]), 503, "ServiceUnavailable", "kube-apiserver cannot be reached");
    let world = World::new(nothing).kube(|_| answer(200, &json!({"kind": "Nonsense"})));
    refused(&get(&world, "/openapi/v3", &[]), 503, "ServiceUnavailable", "could not be read");
    assert_eq!(world.send(request("POST", "/apis", &[])).status, 405);
}
