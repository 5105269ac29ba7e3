//! The scale of a workspace: reading it, starting and stopping by it.

use super::coder::*;
use super::*;

const ONE: &str = "/namespaces/coder/coderworkspaces/coder.alice.w";
const PATH: &str = "/namespaces/coder/coderworkspaces/coder.alice.w/scale";
const MERGE: &str = "application/merge-patch+json";

fn scale(replicas: &Value) -> Value {
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "coder.alice.w", "namespace": "coder"}, "spec": {"replicas": replicas}})
}

#[test]
fn read() {
    let check = |transition: &str, status: &'static str, wished: Option<i64>, there: i64| {
        let world = Coder::default().with(transition, status).world();
        let (scale, object) = (body(&world.get(PATH)), body(&world.get(ONE)));
        assert_eq!(
            (scale["kind"].as_str(), scale["apiVersion"].as_str()),
            (Some("Scale"), Some("autoscaling/v1"))
        );
        for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            assert_eq!(scale["metadata"][field], object["metadata"][field]);
        }
        assert_eq!(
            (scale["spec"]["replicas"].as_i64(), scale["status"]["replicas"].as_i64()),
            (wished, Some(there))
        );
    };
    check("start", "succeeded", Some(1), 1);
    check("start", "running", Some(1), 0);
    check("start", "failed", None, 0);
    check("stop", "succeeded", None, 0);
    check("stop", "running", None, 1);
    check("delete", "running", None, 0);
    refused(&Coder::default().world().get(PATH), 404, "NotFound", "");
}

#[test]
fn changed() {
    let check = |transition: &str, method: &str, content_type: &str, sent: Value, expect: &[&str]| {
        let coder = Coder::instant().with(transition, "succeeded");
        coder.change(|w| {
            // As it was given by its template, and could not be set.
            w.ttl = 90_000.into();
            w.schedule = "0 9 * * 1".into();
        });
        let world = coder.world();
        let reply = world.write(method, PATH, content_type, &sent);
        assert_eq!(reply.status, 200, "{}", body(&reply));
        assert_eq!(body(&reply), body(&world.get(PATH)));
        let writes: Vec<String> =
            world.writes().iter().map(|line| line.replace("/api/v2/workspaces/w-1", "")).collect();
        assert_eq!(writes, expect, "{sent}");
    };
    let (start, stop) = (r#"POST /builds {"transition":"start"}"#, r#"POST /builds {"transition":"stop"}"#);
    check("start", "PUT", "application/json", scale(&json!(1)), &[]);
    check("start", "PUT", "application/json", scale(&json!(0)), &[stop]);
    // Go's clients leave 0 out.
    check("start", "PUT", "application/json", scale(&Value::Null), &[stop]);
    check("stop", "PUT", "application/json", scale(&json!(1)), &[start]);
    check("stop", "PATCH", MERGE, json!({"spec": {"replicas": 1}}), &[start]);
    check("start", "PATCH", MERGE, json!({"spec": {"replicas": 0}}), &[stop]);
    check("start", "PATCH", MERGE, json!({}), &[]);
}

#[test]
fn refusals() {
    let check = |sent: Value, code: u16, reason: &str, message: &str| {
        let world = Coder::instant().with("start", "succeeded").world();
        for query in ["", "?dryRun=All"] {
            let reply = world.write("PUT", &format!("{PATH}{query}"), "application/json", &sent);
            refused(&reply, code, reason, message);
        }
        assert_eq!(world.writes(), [""; 0]);
    };
    check(scale(&json!(2)), 422, "Invalid", "spec.replicas");
    check(scale(&json!(-1)), 422, "Invalid", "spec.replicas");
    check(scale(&json!("1")), 400, "BadRequest", "");
    let mut sent = scale(&json!(0));
    sent["metadata"]["uid"] = "other".into();
    check(sent.clone(), 409, "Conflict", "UID in precondition");
    sent["metadata"] = json!({"name": "coder.alice.w", "resourceVersion": "7"});
    check(sent.clone(), 409, "Conflict", "has been modified");
    sent["kind"] = "CoderWorkspace".into();
    check(sent, 400, "BadRequest", "");
    let world = Coder::default().with("start", "running").world();
    refused(
        &world.write("PATCH", PATH, MERGE, &json!({"spec": {"replicas": 0}})),
        409,
        "Conflict",
        "already active",
    );
    let coder = Coder::instant().with("stop", "succeeded");
    coder.change(|w| w.dormant = true);
    let reply = coder.world().write("PATCH", PATH, MERGE, &json!({"spec": {"replicas": 1}}));
    refused(&reply, 422, "Invalid", "a dormant workspace does not run");
    refused(&world.write("DELETE", PATH, "application/json", &json!({})), 405, "MethodNotAllowed", "");
}

#[test]
fn a_dry_run_changes_nothing() {
    let world = Coder::instant().with("stop", "succeeded").world();
    let reply = world.write("PATCH", &format!("{PATH}?dryRun=All"), MERGE, &json!({"spec": {"replicas": 1}}));
    assert_eq!((reply.status, body(&reply)["spec"]["replicas"].as_i64()), (200, Some(1)));
    assert_eq!(world.writes(), [""; 0]);
}
