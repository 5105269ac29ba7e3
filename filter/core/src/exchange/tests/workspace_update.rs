//! Workspaces are changed: what differs becomes calls to Coder, in their order, and what will not do is refused before any.

use super::coder::*;
use super::*;

const PATH: &str = "/namespaces/coder/coderworkspaces/coder.alice.w";
const MERGE: &str = "application/merge-patch+json";

fn patch(world: &World, spec: &Value) -> Reply {
    world.write("PATCH", PATH, MERGE, &json!({"spec": spec}))
}

/// One that runs, and whose builds end at once.
fn running() -> Coder {
    Coder::instant().with("start", "succeeded")
}

fn stopped() -> Coder {
    Coder::instant().with("stop", "succeeded")
}

/// Applies a merge patch to the spec and compares what Coder is asked to write, below `/workspaces/w-1`.
#[track_caller]
fn check(coder: &Coder, spec: Value, expect: &[&str]) -> Value {
    let world = coder.world();
    let reply = patch(&world, &spec);
    assert_eq!(reply.status, 200, "{spec}: {}", body(&reply));
    let writes: Vec<String> =
        world.writes().iter().map(|line| line.replace("/api/v2/workspaces/w-1", "")).collect();
    assert_eq!(writes, expect, "{spec}");
    let shown = body(&world.get(PATH));
    assert_eq!(body(&reply), shown, "{spec}");
    // Once more it is all there.
    let again = coder.world();
    assert_eq!(patch(&again, &spec).status, 200);
    assert_eq!(again.writes(), [""; 0], "{spec}");
    shown
}

#[test]
fn settings() {
    check(&running(), json!({}), &[]);
    check(&running(), json!({"ttlMillis": 60000}), &[r#"PUT /ttl {"ttl_ms":60000}"#]);
    check(
        &running(),
        json!({"autostartSchedule": "0 9 * * 1"}),
        &[r#"PUT /autostart {"schedule":"0 9 * * 1"}"#],
    );
    check(
        &running(),
        json!({"automaticUpdates": "always"}),
        &[r#"PUT /autoupdates {"automatic_updates":"always"}"#],
    );
    check(&stopped(), json!({"dormant": true}), &[r#"PUT /dormant {"dormant":true}"#]);
    let coder = stopped();
    coder.change(|w| {
        w.ttl = 60_000.into();
        w.schedule = "0 9 * * 1".into();
        w.dormant = true;
    });
    check(
        &coder,
        json!({"ttlMillis": null, "autostartSchedule": null, "dormant": false}),
        &[
            r#"PUT /ttl {"ttl_ms":null}"#,
            r#"PUT /autostart {"schedule":null}"#,
            r#"PUT /dormant {"dormant":false}"#,
        ],
    );
}

/// A template may give its workspaces more than they could be set to.
#[test]
fn what_came_from_the_template_is_in_nobodys_way() {
    for ttl in [90_000_i64, 2_678_400_000] {
        let coder = running();
        coder.change(|w| w.ttl = ttl.into());
        check(
            &coder,
            json!({"automaticUpdates": "always"}),
            &[r#"PUT /autoupdates {"automatic_updates":"always"}"#],
        );
        check(&coder, json!({"ttlMillis": ttl}), &[]);
        refused(&patch(&coder.world(), &json!({"ttlMillis": 150_000})), 422, "Invalid", "spec.ttlMillis");
    }
}

#[test]
fn builds() {
    let post = |body: &str| format!("POST /builds {body}");
    check(&running(), json!({"running": true}), &[]);
    check(&running(), json!({"running": false}), &[&post(r#"{"transition":"stop"}"#)]);
    check(&stopped(), json!({"running": true}), &[&post(r#"{"transition":"start"}"#)]);
    let values = r#""rich_parameter_values":[{"name":"cpu","value":"4"}]"#;
    let cpu = json!([{"name": "cpu", "value": "4"}, {"name": "home", "value": "small"}]);
    check(&running(), json!({"parameters": cpu}), &[&post(&format!(r#"{{"transition":"start",{values}}}"#))]);
    check(&stopped(), json!({"parameters": cpu}), &[&post(&format!(r#"{{"transition":"stop",{values}}}"#))]);
    check(
        &stopped(),
        json!({"running": true, "parameters": [{"name": "cpu", "value": "4"}]}),
        &[&post(&format!(r#"{{"transition":"start",{values}}}"#))],
    );
    let shown = check(
        &running(),
        json!({"templateVersionID": V2}),
        &[&post(&format!(r#"{{"transition":"start","template_version_id":"{V2}"}}"#))],
    );
    assert_eq!(
        shown["spec"]["parameters"],
        json!([{"name": "cpu", "value": "2"}, {"name": "zone", "value": "eu"}])
    );
    check(
        &running(),
        json!({"running": false, "templateVersionID": V2, "parameters": [{"name": "zone", "value": "us"}], "ttlMillis": 60000}),
        &[
            r#"PUT /ttl {"ttl_ms":60000}"#,
            &post(&format!(
                r#"{{"transition":"stop","template_version_id":"{V2}","rich_parameter_values":[{{"name":"zone","value":"us"}}]}}"#
            )),
        ],
    );
}

#[test]
fn after_a_failure() {
    let start = [r#"POST /builds {"transition":"start"}"#];
    let stop = [r#"POST /builds {"transition":"stop"}"#];
    check(&Coder::instant().with("start", "failed"), json!({"running": true}), &start);
    check(&Coder::instant().with("start", "failed"), json!({"running": false}), &[]);
    check(&Coder::instant().with("stop", "failed"), json!({"running": false}), &stop);
    check(&Coder::instant().with("stop", "canceled"), json!({"running": true}), &[]);
    check(&Coder::instant().with("delete", "failed"), json!({"running": true}), &start);
}

#[test]
fn the_active_version_follows() {
    let coder = stopped();
    coder.change(|w| {
        w.builds[0].version = V2.into();
        w.updates = "always".into();
    });
    check(
        &coder,
        json!({"running": true}),
        &[&format!(r#"POST /builds {{"transition":"start","template_version_id":"{V1}"}}"#)],
    );
    // A PUT that names a version means it.
    let coder = stopped();
    coder.change(|w| {
        w.builds[0].version = V2.into();
        w.updates = "always".into();
    });
    let world = coder.world();
    let mut object = body(&world.get(PATH));
    object["spec"]["running"] = true.into();
    assert_eq!(world.write("PUT", PATH, "application/json", &object).status, 200);
    assert_eq!(world.writes(), [r#"POST /api/v2/workspaces/w-1/builds {"transition":"start"}"#]);
}

#[test]
fn dormancy() {
    let coder = stopped();
    coder.change(|w| w.dormant = true);
    check(
        &coder,
        json!({"running": true, "dormant": false}),
        &[r#"PUT /dormant {"dormant":false}"#, r#"POST /builds {"transition":"start"}"#],
    );
    check(
        &running(),
        json!({"running": false, "dormant": true}),
        &[r#"PUT /dormant {"dormant":true}"#, r#"POST /builds {"transition":"stop"}"#],
    );
    let coder = running();
    coder.change(|w| w.dormant = true);
    check(&coder, json!({"ttlMillis": 60000}), &[r#"PUT /ttl {"ttl_ms":60000}"#]);
}

/// Is refused, with dry run as well, and nothing is written.
#[track_caller]
fn check_refused(coder: fn() -> Coder, spec: Value, code: u16, reason: &str, fields: &[&str]) {
    for query in ["", "?dryRun=All"] {
        let world = coder().world();
        let reply = world.write("PATCH", &format!("{PATH}{query}"), MERGE, &json!({"spec": spec}));
        refused(&reply, code, reason, "");
        let body = body(&reply);
        let found: Vec<&str> = body["details"]["causes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|cause| cause["field"].as_str().unwrap())
            .collect();
        assert_eq!(found, fields, "{spec}: {body}");
        assert_eq!(world.writes(), [""; 0], "{spec}");
    }
}

#[test]
fn refusals() {
    let check = |spec: Value, fields: &[&str]| check_refused(running, spec, 422, "Invalid", fields);
    check(json!({"organization": "x", "templateName": "x"}), &["spec.organization", "spec.templateName"]);
    check(json!({"ttlMillis": 1, "autostartSchedule": "x"}), &["spec.ttlMillis", "spec.autostartSchedule"]);
    check(json!({"dormant": true}), &["spec.running"]);
    check(json!({"templateVersionID": FAILED}), &["spec.templateVersionID"]);
    check(json!({"templateVersionID": ELSEWHERE}), &["spec.templateVersionID"]);
    check(json!({"templateVersionID": "00000000-0000-0000-0000-000000000000"}), &["spec.templateVersionID"]);
    check(json!({"parameters": [{"name": "cpu", "value": "99"}]}), &["spec.parameters[cpu]"]);
    check(json!({"parameters": [{"name": "home", "value": "big"}]}), &["spec.parameters[home]"]);
    check(
        json!({"parameters": [{"name": "gpu", "value": "1"}, {"name": "cpu", "value": "99"}]}),
        &["spec.parameters[gpu]", "spec.parameters[cpu]"],
    );
    check_refused(running, json!({"templateVersionID": IMPORTING}), 409, "Conflict", &[]);
    check_refused(
        || Coder::default().with("start", "running"),
        json!({"running": false}),
        409,
        "Conflict",
        &[],
    );
    check_refused(
        || {
            let coder = stopped();
            coder.change(|w| w.dormant = true);
            coder
        },
        json!({"running": true}),
        422,
        "Invalid",
        &["spec.running"],
    );
}

#[test]
fn during_a_build() {
    // Settings need no build.
    let coder = Coder::default().with("start", "running");
    let world = coder.world();
    assert_eq!(patch(&world, &json!({"ttlMillis": 60000, "running": true})).status, 200);
    assert_eq!(world.writes().len(), 1);
    let reply = patch(&world, &json!({"ttlMillis": 120_000, "running": false}));
    refused(&reply, 409, "Conflict", "A workspace build is already active.");
    assert_eq!(world.writes().len(), 1);
}

#[test]
fn a_dry_run_changes_nothing() {
    let coder = Coder::default().with("stop", "succeeded");
    let world = coder.world();
    let spec = json!({"running": true, "ttlMillis": 60000, "parameters": [{"name": "cpu", "value": "4"}]});
    let dry = world.write("PATCH", &format!("{PATH}?dryRun=All"), MERGE, &json!({"spec": spec}));
    assert_eq!(world.writes(), [""; 0]);
    let (dry, real) = (body(&dry), body(&patch(&world, &spec)));
    assert_eq!(dry["spec"], real["spec"]);
    assert_eq!(dry["metadata"]["generation"], real["metadata"]["generation"]);
    assert_eq!(dry["status"]["latestBuildStatus"], real["status"]["latestBuildStatus"]);
}

#[test]
fn a_put_says_it_all() {
    let coder = running();
    coder.change(|w| {
        w.ttl = 60_000.into();
        w.schedule = "0 9 * * 1".into();
        w.updates = "always".into();
    });
    let world = coder.world();
    let put = |object: &Value| world.write("PUT", PATH, "application/json", object);
    let object = body(&world.get(PATH));
    assert_eq!(put(&object).status, 200);
    assert_eq!(world.writes(), [""; 0]);
    // What can be empty is cleared; all else is as it was.
    let bare = json!({"apiVersion": "aggregation.coder.com/v1alpha1", "kind": "CoderWorkspace", "metadata": {"name": "coder.alice.w"}, "spec": {"organization": "coder", "templateName": "dev", "templateVersionPreset": "big"}});
    let reply = put(&bare);
    assert_eq!(reply.status, 200);
    assert!(
        reply
            .headers
            .iter()
            .any(|(name, value)| *name == "warning" && value.contains("templateVersionPreset"))
    );
    assert_eq!(world.writes().len(), 2);
    let after = coder.first();
    assert_eq!((after.ttl, after.schedule, after.updates), (Value::Null, Value::Null, "always".into()));
}

#[test]
fn preconditions() {
    let coder = running();
    let world = coder.world();
    let object = body(&world.get(PATH));
    let put = |change: &dyn Fn(&mut Value)| {
        let mut object = object.clone();
        change(&mut object);
        world.write("PUT", PATH, "application/json", &object)
    };
    refused(&put(&|o| o["metadata"]["uid"] = "other".into()), 409, "Conflict", "UID in precondition: other");
    coder.change(|w| w.ttl = 60_000.into());
    refused(&put(&|_| {}), 409, "Conflict", "the object has been modified");
    assert_eq!(world.writes(), [""; 0]);
    assert_eq!(put(&|o| o["metadata"]["resourceVersion"] = Value::Null).status, 200);
    let stale = object["metadata"]["resourceVersion"].clone();
    coder.change(|w| w.ttl = 120_000.into());
    let reply = world.write(
        "PATCH",
        PATH,
        MERGE,
        &json!({"metadata": {"resourceVersion": stale}, "spec": {"running": false}}),
    );
    refused(&reply, 409, "Conflict", "the object has been modified");
}

#[test]
fn what_is_not_there() {
    let world = Coder::instant().world();
    let object = json!({"apiVersion": "aggregation.coder.com/v1alpha1", "kind": "CoderWorkspace", "metadata": {"name": "coder.alice.w"}, "spec": {"organization": "coder", "templateName": "dev"}});
    refused(&world.write("PUT", PATH, "application/json", &object), 404, "NotFound", "");
    refused(&world.write("PATCH", PATH, MERGE, &object), 404, "NotFound", "");
    refused(
        &world.write("PATCH", PATH, "application/strategic-merge-patch+json", &object),
        415,
        "UnsupportedMediaType",
        "",
    );
    assert_eq!(world.writes(), [""; 0]);
    let apply = format!("{PATH}?fieldManager=me");
    let mut expected = object.clone();
    expected["metadata"]["uid"] = "w-1".into();
    refused(&world.write("PATCH", &apply, "application/apply-patch+yaml", &expected), 409, "Conflict", "");
    let reply = world.write("PATCH", &apply, "application/apply-patch+yaml", &object);
    assert_eq!(reply.status, 201, "{}", body(&reply));
    let reply = world.write("PATCH", &apply, "application/apply-patch+yaml", &object);
    assert_eq!((reply.status, world.writes().len()), (200, 1));
    let warnings: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| *name == "warning")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(
        warnings,
        ["299 - \"who owns which field is not kept: what an apply no longer names stays as it is\""]
    );
    // Coder has every name once for each owner, and this one is elsewhere.
    let coder = Coder::instant().with("start", "succeeded");
    coder.change(|w| w.organization = "other");
    let elsewhere = coder.world();
    refused(&elsewhere.write("PATCH", PATH, MERGE, &object), 404, "NotFound", "");
    refused(
        &elsewhere.write("PATCH", &apply, "application/apply-patch+yaml", &object),
        409,
        "Conflict",
        "other.alice.w",
    );
    // Who may patch may not therefore create.
    let world = Coder::instant().world().kube(|call| {
        let creates = String::from_utf8_lossy(&call.body).contains("\"create\"");
        allow(call, !creates)
    });
    refused(&world.write("PATCH", &apply, "application/apply-patch+yaml", &object), 403, "Forbidden", "");
    assert_eq!(world.writes(), [""; 0]);
}

#[test]
fn gone_in_between() {
    let coder = Coder::default().with("stop", "succeeded");
    let world = coder.world();
    coder.fail("GET /workspaces/w-1", 1, answer(410, &json!({"message": "Workspace was deleted"})));
    refused(&patch(&world, &json!({"running": true})), 404, "NotFound", "coder.alice.w");
    // The build that came too late must end before Coder takes the delete.
    coder.fail(
        "POST /workspaces/w-1/builds",
        2,
        answer(409, &json!({"message": "A workspace build is already active."})),
    );
    coder.change(|w| w.builds[1].status = "succeeded");
    let said = world.background();
    assert!(String::from_utf8_lossy(&said[0].0.body).contains("is deleted again"));
    assert_eq!(said[0].1 - NOW, 3_000);
    assert_eq!(coder.first().builds.last().unwrap().transition, "delete");
}
