//! The error table: what Coder says, and what the client is told.

use super::*;

const ONE: &str = "/namespaces/coder/coderworkspaces/coder.alice.ws0";
const LIST: &str = "/namespaces/coder/coderworkspaces";
const TEMPLATE: &str = "/namespaces/coder/codertemplates/coder.plain";

#[track_caller]
fn check(path: &str, coder: fn() -> Outcome, code: u16, reason: &str, message: &str) -> Reply {
    let world = World::new(move |_, _| coder());
    let reply = world.get(path);
    refused(&reply, code, reason, message);
    assert!(!String::from_utf8_lossy(&reply.body).contains("10.0.0.1"));
    reply
}

fn retry_after(reply: &Reply) -> Option<&str> {
    reply.headers.iter().find(|(name, _)| *name == "retry-after").map(|(_, value)| value.as_str())
}

#[test]
fn each_row() {
    check(
        ONE,
        || answer(404, &json!({"message": "Resource not found"})),
        404,
        "NotFound",
        "\"coder.alice.ws0\" not found",
    );
    check(ONE, || answer(410, &json!({"message": "gone"})), 404, "NotFound", "not found");
    check(
        ONE,
        || answer(400, &json!({"message": "User \"alice\" does not exist"})),
        404,
        "NotFound",
        "not found",
    );
    check(
        TEMPLATE,
        || answer(404, &json!({"message": "Resource not found"})),
        404,
        "NotFound",
        "codertemplates.aggregation.coder.com \"coder.plain\" not found",
    );
    for path in [ONE, LIST, TEMPLATE] {
        let reply = check(
            path,
            || answer(401, &json!({"message": "signed out of http://10.0.0.1"})),
            503,
            "ServiceUnavailable",
            "credentials",
        );
        assert_eq!(retry_after(&reply), None);
        check(path, || answer(403, &json!({"message": "Forbidden."})), 403, "Forbidden", "Forbidden.");
        check(
            path,
            || answer(418, &json!({"message": "teapot", "detail": "at http://10.0.0.1/x"})),
            400,
            "BadRequest",
            "teapot",
        );
        let reply = check(path, || answer(429, &json!({})), 429, "TooManyRequests", "too many requests");
        assert!(retry_after(&reply).is_some());
        check(
            path,
            || answer(500, &json!({"message": "pq: 10.0.0.1"})),
            503,
            "ServiceUnavailable",
            "is unavailable",
        );
        check(path, || answer(504, &json!({})), 503, "ServiceUnavailable", "is unavailable");
        check(path, || answer(302, &json!({})), 503, "ServiceUnavailable", "is unavailable");
        check(path, || BROKEN, 503, "ServiceUnavailable", "is unavailable");
        check(path, || Err(Lost::NotSent), 503, "ServiceUnavailable", "is unavailable");
        check(path, || answer(200, &json!("garbage")), 503, "ServiceUnavailable", "is unavailable");
        check(
            path,
            || Ok(Answer { status: 200, headers: vec![], body: b"<html>".to_vec() }),
            503,
            "ServiceUnavailable",
            "is unavailable",
        );
    }
    // A 404 that is not in Coder's words comes from something in between.
    check(ONE, || answer(404, &json!({})), 503, "ServiceUnavailable", "is unavailable");
    // A list has no name that could be absent.
    check(LIST, || answer(404, &json!({})), 503, "ServiceUnavailable", "is unavailable");
}

#[test]
fn a_later_call_fails() {
    let world =
        World::new(|_, before| if before == 0 { answer(200, &workspace("alice", "ws0")) } else { BROKEN });
    refused(&world.get(ONE), 503, "ServiceUnavailable", "is unavailable");
    // A table shows no parameters, and needs no second call.
    let table =
        request("GET", &format!("{API}{ONE}"), &[("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")]);
    let world =
        World::new(|_, before| if before == 0 { answer(200, &workspace("alice", "ws0")) } else { BROKEN });
    assert_eq!(world.send(table).status, 200);
}

#[test]
fn one_of_several_is_down() {
    let planes = ["a", "b"].map(|name| {
        format!(r#"{{"namespace":"{name}","cluster":"coder-{name}","authority":"{name}","dashboardURL":"http://{name}"}}"#)
    });
    let world = World::with(&planes.join(","), "{}", |_, before| {
        if before % 2 == 0 {
            answer(200, &json!({"workspaces": [workspace("alice", "ws0")], "count": 1}))
        } else {
            BROKEN
        }
    });
    refused(&world.get("/coderworkspaces"), 503, "ServiceUnavailable", "namespace \"b\"");
    assert_eq!(body(&world.get("/namespaces/a/coderworkspaces"))["items"][0]["metadata"]["namespace"], "a");
}

#[test]
fn no_time_is_left() {
    let world = World::with("", "{}", |_, _| BROKEN);
    let Verdict::Serve(mut exchange) = world.verdict(request("GET", API, &[])) else { panic!() };
    let Step::Call(calls) = exchange.advance() else { panic!() };
    assert!(calls.iter().all(|(_, call)| call.timeout_ms == 30_000), "{calls:?}");
}
