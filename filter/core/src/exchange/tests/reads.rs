//! Single objects and logs.

use super::*;

const WORKSPACES: &str = "/namespaces/coder/coderworkspaces";

fn coder(path: &str, _: usize) -> Outcome {
    let (list, templates) = recorded();
    let agent = list["workspaces"]
        .as_array()
        .unwrap()
        .iter()
        .find(|w| w["name"] == "ws1" && w["owner_name"] == "alice")
        .unwrap()
        .clone();
    match path {
        _ if path.ends_with("/parameters") => {
            answer(200, &json!([{"name": "b", "value": "2"}, {"name": "a", "value": "1"}]))
        }
        _ if path.ends_with("/builds/7") => answer(404, &json!({"message": "Resource not found"})),
        _ if path.ends_with("/logs") => answer(
            200,
            &json!([
                {"id": 1, "created_at": "2026-11-21T09:55:05Z", "log_level": "info", "level": "info", "log_source": "provisioner", "stage": "Plan", "output": "one"},
                {"id": 2, "created_at": "2026-11-21T09:55:06Z", "log_level": "warn", "level": "warn", "log_source": "provisioner", "stage": "Plan", "output": "two"},
            ]),
        ),
        _ if path.contains("/workspace/") => answer(200, &agent),
        _ if path.contains("/templates/plain") => {
            answer(200, templates.as_array().unwrap().iter().find(|t| t["name"] == "plain").unwrap())
        }
        other => panic!("{other}"),
    }
}

#[test]
fn details_are_shown_and_fetched_once() {
    let world = World::new(coder);
    let path = format!("{WORKSPACES}/coder.alice.ws1");
    let object = body(&world.get(&path));
    assert_eq!(
        object["spec"]["parameters"],
        json!([{"name": "a", "value": "1"}, {"name": "b", "value": "2"}])
    );
    assert_eq!(world.to("coder").len(), 2);
    let again = body(&world.get(&path));
    assert_eq!(object, again);
    // The parameters of a build never change.
    assert_eq!(world.to("coder").len(), 3);
}

#[test]
fn forms() {
    let world = World::new(coder);
    let get = |accept: &str| {
        let reply =
            world.send(request("GET", &format!("{API}{WORKSPACES}/coder.alice.ws1"), &[("accept", accept)]));
        (reply.status, String::from_utf8(reply.body).unwrap())
    };
    let version = |text: &str| {
        text.split("\"resourceVersion\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let (_, whole) = get("application/json");
    let (_, meta) = get("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    let (_, table) = get("application/json;as=Table;v=v1;g=meta.k8s.io");
    assert!(meta.contains("\"PartialObjectMetadata\"") && !meta.contains("\"spec\""), "{meta}");
    assert!(
        table.starts_with("{\"kind\":\"Table\"") && table.contains("\"coder.alice.ws1\",\"dev\""),
        "{table}"
    );
    assert_eq!(version(&whole), version(&meta));
    assert_eq!(version(&whole), version(&table));
    assert!(get("application/yaml").1.contains("\nkind: CoderWorkspace\n"));
    assert_eq!(get("application/vnd.kubernetes.protobuf").0, 406);
}

#[test]
fn only_the_canonical_name_is_a_name() {
    let world = World::new(coder);
    // Coder finds ws1 for each of these; only one of them is its name.
    for name in [
        "coder.ALICE.ws1",
        "default.alice.ws1",
        "coder.me.ws1",
        "other.alice.ws1",
        "coder.alice",
        "coder.alice.ws1.x",
        "ws1",
        "coder.alice.WS1",
        "coder.60950b8a-88e8-46bc-b046-471176f8ba97.ws1",
    ] {
        let reply = world.get(&format!("{WORKSPACES}/{name}"));
        refused(
            &reply,
            404,
            "NotFound",
            &format!("coderworkspaces.aggregation.coder.com \"{name}\" not found"),
        );
    }
    refused(&world.get("/namespaces/coder/codertemplates/default.plain"), 404, "NotFound", "not found");
}

#[test]
fn logs() {
    let world = World::new(coder);
    let log = |query: &str| world.get(&format!("{WORKSPACES}/coder.alice.ws1/log{query}"));
    let text = |query: &str| String::from_utf8(log(query).body).unwrap();
    assert_eq!(text("").lines().count(), 2);
    assert!(text("?tailLines=1").ends_with("two\n") && text("?tailLines=1").lines().count() == 1);
    assert_eq!(text("?tailLines=0"), "");
    assert!(text("?agent=example").contains("[warn] two"));
    refused(&log("?agent=nobody"), 400, "BadRequest", "no agent \"nobody\" now; it has example");
    refused(&log("?build=7"), 400, "BadRequest", "no build \"7\"");
    refused(&log("?build=x"), 400, "BadRequest", "no build \"x\"");
    refused(&log("?build=1&agent=example"), 400, "BadRequest", "only one log");
    refused(&log("?tailLines=-1"), 400, "BadRequest", "tailLines");
    refused(&log("?follow=true"), 400, "BadRequest", "follow");
    assert_eq!(log("").headers[0].1, "text/plain; charset=utf-8");
}

#[test]
fn what_is_not_served_is_not_allowed() {
    let world = World::new(|_, _| panic!("nobody to ask"));
    let send = |method: &str, path: &str| world.send(request(method, &format!("{API}{path}"), &[]));
    for (method, path) in [
        ("PUT", WORKSPACES),
        ("POST", "/namespaces/coder/coderworkspaces/a"),
        ("PUT", "/namespaces/coder/coderworkspaces/a/status"),
        ("PATCH", "/namespaces/coder/codertemplates/a/status"),
        ("DELETE", "/namespaces/coder/coderworkspaces/a/scale"),
        ("HEAD", WORKSPACES),
        ("POST", "/namespaces/coder/coderworkspaces/a/log"),
    ] {
        refused(&send(method, path), 405, "MethodNotAllowed", "");
    }
    refused(&send("GET", "/namespaces/coder/coderworkspaces/a/status"), 404, "NotFound", "");
}
