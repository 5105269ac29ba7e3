//! Workspaces are deleted, one by one and as a collection.

use super::coder::*;
use super::*;
use crate::kube::continue_token::ContinueToken;
use std::cell::Cell;

const ALL: &str = "/namespaces/coder/coderworkspaces";
const ONE: &str = "/namespaces/coder/coderworkspaces/coder.alice.w";
const POST: &str = r#"POST /api/v2/workspaces/w-1/builds {"transition":"delete"}"#;

fn delete(world: &World, path: &str, options: &Value) -> Reply {
    world.write("DELETE", path, "application/json", options)
}

fn going() -> World {
    Coder::instant().with("start", "succeeded").world()
}

#[test]
fn one() {
    let coder = Coder::default().with("start", "succeeded");
    let world = coder.world();
    let reply = delete(&world, ONE, &json!({"propagationPolicy": "Background"}));
    let object = body(&reply);
    assert_eq!((reply.status, object["kind"].as_str()), (200, Some("CoderWorkspace")), "{object}");
    assert!(object["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(object["metadata"]["finalizers"], json!(["aggregation.coder.com/workspace-build"]));
    assert_eq!(world.writes(), [POST]);
    assert_eq!(object, body(&world.get(ONE)));
    // Once more while it is going.
    let again = delete(&world, ONE, &json!({}));
    assert_eq!((again.status, world.writes().len()), (200, 1));
    assert_eq!(object, body(&again));
    // Its delete failed, and then it is gone.
    coder.change(|w| w.builds.last_mut().unwrap().status = "failed");
    assert_eq!(delete(&world, ONE, &json!({})).status, 200);
    assert_eq!(world.writes(), [POST, POST]);
    coder.change(|w| w.deleted = true);
    refused(&delete(&world, ONE, &json!({})), 404, "NotFound", "");
}

#[test]
fn refusals() {
    let check = |path: &str, options: Value, code: u16, reason: &str, message: &str| {
        let world = going();
        refused(&delete(&world, path, &options), code, reason, message);
        assert_eq!(world.writes(), [""; 0]);
    };
    check(ONE, json!({"propagationPolicy": "Orphan"}), 422, "Invalid", "propagationPolicy");
    check(ALL, json!({"propagationPolicy": "Orphan"}), 422, "Invalid", "propagationPolicy");
    check(ONE, json!({"preconditions": {"uid": "other"}}), 409, "Conflict", "UID in precondition");
    check(ONE, json!({"preconditions": {"resourceVersion": "7"}}), 409, "Conflict", "has been modified");
    check(&ONE.replace("alice", "Alice"), json!({}), 404, "NotFound", "");
    check(&ONE.replace("coder.alice", "other.alice"), json!({}), 404, "NotFound", "");
    for path in [ONE, ALL] {
        let world = Coder::default().with("start", "running").world();
        for query in ["", "?dryRun=All"] {
            refused(
                &delete(&world, &format!("{path}{query}"), &json!({})),
                409,
                "Conflict",
                "A workspace build is already active.",
            );
        }
        assert_eq!(world.writes(), [""; 0]);
    }
}

#[test]
fn preconditions_that_hold() {
    let world = going();
    let meta = body(&world.get(ONE))["metadata"].clone();
    let options = json!({"preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}});
    assert_eq!(delete(&world, ONE, &options).status, 200);
    assert_eq!(world.writes(), [POST]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let world = going();
    let object = body(&delete(&world, ONE, &json!({"dryRun": ["All"]})));
    assert!(object["metadata"]["deletionTimestamp"].is_string());
    let list = body(&delete(&world, ALL, &json!({"dryRun": ["All"]})));
    assert!(list["items"][0]["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(world.writes(), [""; 0]);
}

fn terminating(call: &Call) -> Outcome {
    match call.path.starts_with("/api/v1/namespaces/") {
        true => {
            answer(200, &json!({"metadata": {"name": "coder", "deletionTimestamp": "2026-11-21T09:30:00Z"}}))
        }
        false => allow(call, true),
    }
}

/// A deletion and a creation, one after the other: whoever has looked in between begins anew.
#[test]
fn a_namespace_that_is_made_again_has_everything_at_once() {
    let goes = Rc::new(Cell::new(true));
    let kube = goes.clone();
    let world = going().kube(move |call| if kube.get() { terminating(call) } else { allow(call, true) });
    let empty = body(&world.get(ALL));
    assert_eq!(empty["items"], json!([]));
    let token =
        ContinueToken { resource_version: 5, namespace: "coder".to_owned(), name: "a".to_owned() }.encode();
    let rest = world.get(&format!("{ALL}?limit=1&continue={token}"));
    refused(&rest, 410, "Expired", "no Coder stands behind it any more");
    goes.set(false);
    assert_eq!(body(&world.get(ALL))["items"].as_array().unwrap().len(), 1);
    let version = empty["metadata"]["resourceVersion"].as_str().unwrap();
    let watched = body(&world.get(&format!("{ALL}?watch=true&resourceVersion={version}")));
    assert_eq!((&watched["type"], &watched["object"]["code"]), (&json!("ERROR"), &json!(410)));
}

#[test]
fn a_namespace_that_is_being_deleted_takes_nothing_with_it() {
    let world = going().kube(terminating);
    let object = body(&delete(&world, ONE, &json!({})));
    assert_eq!(object["metadata"]["name"], "coder.alice.w");
    assert_eq!(object["metadata"].get("deletionTimestamp"), None);
    let list = body(&delete(&world, ALL, &json!({})));
    assert_eq!((list["kind"].as_str(), &list["items"]), (Some("CoderWorkspaceList"), &json!([])));
    assert_eq!(world.writes(), [""; 0]);
    // Who cannot be asked has not said that it stays.
    let world = going().kube(|call| match call.path.starts_with("/api/v1/namespaces/") {
        true => BROKEN,
        false => allow(call, true),
    });
    for path in [ONE, ALL] {
        refused(&delete(&world, path, &json!({})), 503, "ServiceUnavailable", "namespace");
    }
    assert_eq!(world.writes(), [""; 0]);
}

#[test]
fn a_namespace_without_a_coder_is_empty() {
    let world = going();
    for resource in ["coderworkspaces", "codertemplates"] {
        let list = body(&delete(&world, &format!("/namespaces/elsewhere/{resource}"), &json!({})));
        assert_eq!(list["items"], json!([]), "{list}");
    }
    assert!(!world.coder_asked());
}

/// Twenty workspaces, of `alice` and `bob` by turns.
fn many() -> Coder {
    let coder = Coder::default().with("stop", "succeeded");
    let first = coder.first();
    coder.0.borrow_mut().workspaces = (0..20)
        .map(|n| Workspace {
            id: format!("w-{n}"),
            owner: if n % 2 == 0 { "alice" } else { "bob" }.into(),
            name: format!("w{n:02}"),
            ..first.clone()
        })
        .collect();
    coder
}

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_collection() {
    let coder = many();
    let world = coder.world();
    let list = body(&delete(&world, &format!("{ALL}?labelSelector=coder.com/owner%3Dbob"), &json!({})));
    assert_eq!(names(&list).len(), 10);
    assert!(names(&list).iter().all(|name| name.contains(".bob.")) && names(&list).is_sorted());
    assert!(
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| item["metadata"]["deletionTimestamp"].is_string())
    );
    assert_eq!(world.writes().len(), 10);
    // Those that are going are in the list and are not deleted twice.
    assert_eq!(names(&body(&delete(&world, ALL, &json!({})))).len(), 20);
    assert_eq!(world.writes().len(), 20);
}

#[test]
fn pages_of_a_collection() {
    let coder = many();
    let world = coder.world();
    let list = body(&delete(&world, &format!("{ALL}?limit=3"), &json!({})));
    assert_eq!(names(&list), ["coder.alice.w00", "coder.alice.w02", "coder.alice.w04"]);
    assert_eq!(world.writes().len(), 3);
    let token = list["metadata"]["continue"].as_str().unwrap();
    let list = body(&delete(&world, &format!("{ALL}?limit=3&continue={token}"), &json!({})));
    assert_eq!(names(&list), ["coder.alice.w06", "coder.alice.w08", "coder.alice.w10"]);
}

#[test]
fn the_first_refusal_of_a_collection_is_told_when_all_were_tried() {
    let coder = many();
    coder.0.borrow_mut().workspaces[4].builds[0].status = "running";
    coder.0.borrow_mut().workspaces[6].builds[0].status = "running";
    let world = coder.world();
    refused(&delete(&world, ALL, &json!({})), 409, "Conflict", "coder.alice.w04");
    assert_eq!(world.writes().len(), 18);
    // One that is gone by the time it is its turn is no refusal.
    let coder = many();
    coder.fail("GET /users/bob/workspace/w03", 1, answer(404, &json!({"message": "Resource not found"})));
    let world = coder.world();
    assert_eq!(names(&body(&delete(&world, ALL, &json!({})))).len(), 19);
}

#[test]
fn two_builds_at_once() {
    let coder = Coder::instant().with("start", "succeeded");
    let lost = json!({"message": "insert workspace build", "detail": "pq: duplicate key value"});
    coder.fail("POST /workspaces/w-1/builds", 1, answer(409, &lost));
    let reply = delete(&coder.world(), ONE, &json!({}));
    refused(&reply, 409, "Conflict", "A workspace build is already active.");
    assert!(!String::from_utf8_lossy(&reply.body).contains("pq:"));
}
