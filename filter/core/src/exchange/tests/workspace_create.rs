//! Workspaces are made: what is refused before Coder is asked for anything, what is asked for, and what is answered.

use super::coder::*;
use super::*;

const PATH: &str = "/namespaces/coder/coderworkspaces";

fn manifest(name: &str, spec: &Value) -> Value {
    let mut whole = json!({"organization": "coder", "templateName": "dev"});
    for (field, value) in spec.as_object().unwrap() {
        whole[field] = value.clone();
    }
    json!({"apiVersion": "aggregation.coder.com/v1alpha1", "kind": "CoderWorkspace", "metadata": {"name": name}, "spec": whole})
}

fn post(world: &World, name: &str, spec: &Value) -> Reply {
    world.write("POST", PATH, "application/json", &manifest(name, spec))
}

/// The fields that are complained of.
fn fields(reply: &Reply) -> Vec<String> {
    let body = body(reply);
    let causes = body["details"]["causes"].as_array().unwrap_or_else(|| panic!("{body}"));
    causes.iter().map(|cause| cause["field"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn check_invalid(name: &str, spec: Value, calls: bool, expect: &[&str]) {
    for query in ["", "?dryRun=All"] {
        let world = Coder::instant().world();
        let reply =
            world.write("POST", &format!("{PATH}{query}"), "application/json", &manifest(name, &spec));
        refused(&reply, 422, "Invalid", name);
        assert_eq!(fields(&reply), expect, "{spec}");
        assert_eq!(world.coder_asked(), calls, "{spec}");
        assert_eq!(world.writes(), [""; 0], "{spec}");
    }
}

#[test]
fn said_without_coder() {
    check_invalid("coder.alice", json!({}), false, &["metadata.name"]);
    check_invalid("coder.Alice.w", json!({}), false, &["metadata.name"]);
    check_invalid("coder.alice.new", json!({}), false, &["metadata.name"]);
    check_invalid(
        "coder.alice.w",
        json!({"organization": "x", "templateName": null, "dormant": true, "templateVersionID": "x", "ttlMillis": 1, "parameters": [{"name": "a", "value": "1"}, {"name": "a", "value": "1"}]}),
        false,
        &[
            "spec.organization",
            "spec.templateName",
            "spec.dormant",
            "spec.templateVersionID",
            "spec.parameters[a]",
            "spec.ttlMillis",
        ],
    );
}

#[test]
fn said_with_coder() {
    let check = |name: &str, spec: Value, expect: &[&str]| check_invalid(name, spec, true, expect);
    check("coder.carol.w", json!({}), &["metadata.name"]);
    check("coder.me.w", json!({}), &["metadata.name"]);
    check("default.alice.w", json!({"organization": "default"}), &["metadata.name"]);
    check("nowhere.alice.w", json!({"organization": "nowhere"}), &["metadata.name"]);
    check("other.alice.w", json!({"organization": "other"}), &["spec.templateName"]);
    check("coder.carol.w", json!({"templateName": "none"}), &["metadata.name", "spec.templateName"]);
    check("coder.alice.w", json!({"templateName": "old"}), &["spec.templateName"]);
    check(
        "coder.alice.w",
        json!({"templateVersionID": "00000000-0000-0000-0000-000000000000"}),
        &["spec.templateVersionID"],
    );
    check("coder.alice.w", json!({"templateVersionID": FAILED}), &["spec.templateVersionID"]);
    check("coder.alice.w", json!({"templateVersionID": ELSEWHERE}), &["spec.templateVersionID"]);
    check("coder.alice.w", json!({"templateVersionID": ARCHIVED}), &["spec.templateVersionID"]);
    check("coder.alice.w", json!({"templateVersionPreset": "small"}), &["spec.templateVersionPreset"]);
    check(
        "coder.alice.w",
        json!({"parameters": [{"name": "cpu", "value": "99"}, {"name": "gpu", "value": "1"}]}),
        &["spec.parameters[gpu]", "spec.parameters[cpu]"],
    );
    check(
        "coder.alice.w",
        json!({"templateVersionPreset": "big", "parameters": [{"name": "cpu", "value": "4"}]}),
        &["spec.parameters[cpu]"],
    );
}

#[test]
fn while_the_version_is_imported() {
    let world = Coder::instant().world();
    let reply = post(&world, "coder.alice.w", &json!({"templateVersionID": IMPORTING}));
    refused(&reply, 409, "Conflict", "still being imported");
}

#[test]
fn what_coder_is_asked_for() {
    let check = |spec: Value, expect: &str| {
        let world = Coder::instant().world();
        let reply = post(&world, "coder.alice.w", &spec);
        assert_eq!(reply.status, 201, "{}", body(&reply));
        assert_eq!(world.writes(), [format!("POST /api/v2/users/alice/workspaces {expect}")]);
        let shown = body(&world.get(&format!("{PATH}/coder.alice.w")));
        assert_eq!(body(&reply), shown);
    };
    check(json!({}), &format!(r#"{{"template_version_id":"{V1}","name":"w","rich_parameter_values":[]}}"#));
    check(
        json!({"templateName": "Dev", "templateVersionID": V2, "running": true, "ttlMillis": 60000, "autostartSchedule": "0 9 * * 1", "automaticUpdates": "always", "dormant": false, "parameters": [{"name": "zone", "value": "us"}]}),
        &format!(
            r#"{{"template_version_id":"{V2}","name":"w","ttl_ms":60000,"autostart_schedule":"0 9 * * 1","automatic_updates":"always","rich_parameter_values":[{{"name":"zone","value":"us"}}]}}"#
        ),
    );
    check(
        json!({"templateVersionPreset": "big", "parameters": [{"name": "cpu", "value": "8"}]}),
        &format!(
            r#"{{"template_version_id":"{V1}","name":"w","rich_parameter_values":[{{"name":"cpu","value":"8"}}],"template_version_preset_id":"p-big"}}"#
        ),
    );
}

#[test]
fn what_is_answered() {
    let world = Coder::default().world();
    let spec = json!({"parameters": [{"name": "cpu", "value": "4"}]});
    let mut sent = manifest("coder.alice.w", &spec);
    sent["metadata"]["labels"] = json!({"team": "a", "coder.com/owner": "alice"});
    let reply = world.write("POST", PATH, "application/json", &sent);
    let object = body(&reply);
    assert_eq!((reply.status, object["metadata"]["uid"].as_str()), (201, Some("w-1")), "{object}");
    assert_eq!(
        object["spec"]["parameters"],
        json!([{"name": "cpu", "value": "4"}, {"name": "home", "value": "small"}])
    );
    assert_eq!(object["status"]["latestBuild"]["templateVersionName"], "v1");
    assert_eq!(object["spec"]["running"], true);
    let warnings: Vec<_> = reply.headers.iter().filter(|(name, _)| *name == "warning").collect();
    assert!(
        warnings.len() == 1 && warnings[0].1.contains("team") && !warnings[0].1.contains("owner"),
        "{warnings:?}"
    );
}

#[test]
fn a_dry_run_changes_nothing() {
    let world = Coder::default().world();
    let sent = manifest(
        "coder.alice.w",
        &json!({"parameters": [{"name": "cpu", "value": "4"}], "ttlMillis": 60000}),
    );
    let reply = world.write("POST", &format!("{PATH}?dryRun=All"), "application/json", &sent);
    assert_eq!(world.writes(), [""; 0]);
    let dry = body(&reply);
    let made = body(&world.write("POST", PATH, "application/json", &sent));
    assert_eq!((reply.status, &dry["spec"]), (201, &made["spec"]), "{dry}");
    assert_eq!(dry["metadata"].get("uid"), None);
    assert_eq!(dry["metadata"]["labels"], made["metadata"]["labels"]);
    assert_eq!(dry["status"]["latestBuild"]["templateVersionName"], "v1");
    // A second time the name is taken.
    let reply = world.write("POST", &format!("{PATH}?dryRun=All"), "application/json", &sent);
    refused(&reply, 409, "AlreadyExists", "coder.alice.w");
}

#[test]
fn a_name_that_is_taken() {
    let coder = Coder::instant();
    let world = coder.world();
    assert_eq!(post(&world, "coder.alice.w", &json!({})).status, 201);
    refused(
        &post(&world, "coder.alice.w", &json!({})),
        409,
        "AlreadyExists",
        "\"coder.alice.w\" already exists",
    );
    coder.change(|w| w.organization = "other");
    refused(&post(&world, "coder.alice.w", &json!({})), 409, "Conflict", "other.alice.w");
    // Gone again, when it is looked at.
    coder.fail("GET /users/alice/workspace/w", 1, answer(404, &json!({"message": "Resource not found"})));
    refused(&post(&world, "coder.alice.w", &json!({})), 409, "Conflict", "already exists.");
}

#[test]
fn two_at_once() {
    let coder = Coder::instant();
    let world = coder.world();
    assert_eq!(post(&world, "coder.alice.w", &json!({})).status, 201);
    // The other one was first; Coder's database says so, in words that are not passed on.
    let lost = answer(500, &json!({"message": "Internal server error", "detail": "pq: duplicate key value"}));
    coder.fail("POST /users/alice/workspaces", 2, lost);
    refused(&post(&world, "coder.alice.w", &json!({})), 409, "AlreadyExists", "already exists");
    coder.change(|w| w.deleted = true);
    refused(&post(&world, "coder.alice.w", &json!({})), 500, "InternalError", "unknown");
}

#[test]
fn a_namespace_that_is_being_deleted() {
    let world = Coder::instant().world().kube(|call| match call.path.starts_with("/api/v1/namespaces/") {
        true => {
            answer(200, &json!({"metadata": {"name": "coder", "deletionTimestamp": "2026-11-21T09:30:00Z"}}))
        }
        false => allow(call, true),
    });
    let reply = post(&world, "coder.alice.w", &json!({}));
    refused(&reply, 403, "Forbidden", "being terminated");
    assert_eq!(body(&reply)["details"]["causes"][0]["reason"], "NamespaceTerminating");
    assert_eq!(world.writes(), [""; 0]);
}

#[test]
fn stopped_as_soon_as_it_has_started() {
    let coder = Coder::default();
    let world = coder.world();
    let reply = post(&world, "coder.alice.w", &json!({"running": false}));
    assert_eq!(reply.status, 201);
    assert_eq!(world.writes().len(), 1);
    // The first looks see the start under way; then it is done.
    let pending = answer(200, &{
        let mut shown = workspace("alice", "w");
        shown["id"] = "w-1".into();
        shown["latest_build"]["id"] = "w-1-b1".into();
        shown["latest_build"]["job"]["status"] = "running".into();
        shown
    });
    coder.fail("GET /workspaces/w-1", 3, pending);
    coder.change(|w| w.builds[0].status = "succeeded");
    let said = world.background();
    assert_eq!(world.writes()[1..], [r#"POST /api/v2/workspaces/w-1/builds {"transition":"stop"}"#]);
    assert!(String::from_utf8_lossy(&said[0].0.body).contains("is being stopped"));
    // One, two, four and eight seconds.
    assert_eq!(said[0].1 - NOW, 15_000);
}

#[test]
fn not_stopped() {
    let check = |change: fn(&Coder), said: &str| {
        let coder = Coder::default();
        let world = coder.world();
        assert_eq!(post(&world, "coder.alice.w", &json!({"running": false})).status, 201);
        change(&coder);
        let found = world.background();
        let text = String::from_utf8_lossy(&found[0].0.body).into_owned();
        assert!(text.contains(said), "{text}");
        assert!(found[0].1 - NOW <= 3_600_000);
        world.writes().len() - 1
    };
    let stops = check(
        |coder| {
            coder.change(|w| {
                w.builds[0].status = "succeeded";
                let again = w.builds[0].clone();
                w.builds.push(again);
            });
        },
        "a later build",
    );
    assert_eq!(stops, 0);
    assert_eq!(check(|coder| coder.change(|w| w.builds[0].status = "failed"), "has failed to start"), 0);
    assert_eq!(check(|coder| coder.change(|w| w.deleted = true), "is gone"), 0);
    assert_eq!(check(|_| {}, "was not stopped"), 0);
    assert_eq!(check(|coder| coder.fail("GET /workspaces/w-1", u32::MAX, BROKEN), "was not stopped"), 0);
    // What became of the stop is unknown: the next look tells.
    let stops = check(
        |coder| {
            coder.change(|w| w.builds[0].status = "succeeded");
            coder.fail("POST /workspaces/w-1/builds", 1, BROKEN);
        },
        "is being stopped",
    );
    assert_eq!(stops, 2);
}

#[test]
fn its_answer_is_enough_when_it_cannot_be_read_again() {
    let coder = Coder::default();
    let world = coder.world();
    coder.fail("GET /workspaces/", u32::MAX, BROKEN);
    coder.fail("GET /workspacebuilds/", u32::MAX, BROKEN);
    let reply = post(&world, "coder.alice.w", &json!({"parameters": [{"name": "cpu", "value": "4"}]}));
    let object = body(&reply);
    assert_eq!(
        (reply.status, &object["status"]["latestBuild"]["templateVersionName"]),
        (201, &json!("v1")),
        "{object}"
    );
    assert_eq!(
        object["spec"]["parameters"],
        json!([{"name": "cpu", "value": "4"}, {"name": "home", "value": "small"}])
    );
}

#[test]
fn names_that_are_made_up() {
    let coder = Coder::instant();
    let world = coder.world();
    let send = |beginning: &str| {
        let mut sent = manifest("", &json!({}));
        sent["metadata"] = json!({"generateName": beginning});
        world.write("POST", PATH, "application/json", &sent)
    };
    let named = |reply: &Reply| body(reply)["metadata"]["name"].as_str().unwrap().to_owned();
    let first = send("coder.alice.dev-");
    assert_eq!(first.status, 201, "{}", body(&first));
    let name = named(&first);
    assert!(name.starts_with("coder.alice.dev-") && name.len() == 21, "{name}");
    // At the same moment the same name is made up, and is taken; so is another.
    let taken = answer(409, &json!({"message": "taken"}));
    coder.fail("POST /users/alice/workspaces", 1, taken.clone());
    let second = send("coder.alice.dev-");
    assert_eq!((second.status, named(&second) == name), (201, false));
    assert_eq!(named(&send(&format!("coder.alice.{}", "a".repeat(32)))).len(), "coder.alice.".len() + 32);
    coder.fail("POST /users/alice/workspaces", u32::MAX, taken);
    let before = world.writes().len();
    refused(&send("coder.alice.dev-"), 409, "AlreadyExists", "not able to generate a unique name");
    assert_eq!(world.writes().len() - before, 5);
    refused(&send("dev-"), 422, "Invalid", "metadata.name");
    refused(&send(""), 422, "Invalid", "name or generateName is required");
}
