//! Misbehaviour on demand: each kind, on either side, for as many requests as asked.

use std::time::{Duration, Instant};

use crate::common::{As, Lab};
use bytes::Bytes;
use serde_json::{Value, json};

async fn plan(lab: &Lab, fault: Value) {
    let body = json!([fault]).to_string();
    let answer = lab.call("POST", "/standin/faults", Some("application/json"), body.into()).await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

#[tokio::test]
async fn a_status_is_answered_so_many_times() {
    let lab = Lab::seeded().await;
    let fault = json!({
        "side": "coder", "method": "GET", "path": "/api/v2/workspaces", "count": 2, "kind": "status", "status": 429,
        "body": "{\"message\":\"slow down\"}", "headers": {"Retry-After": "3"},
    });
    plan(&lab, fault).await;
    assert_eq!(lab.get("/templates").await.status, 200);
    for _ in 0..2 {
        let answer = lab.get("/workspaces").await;
        assert_eq!((answer.status, answer.message().as_str()), (429, "slow down"));
        assert_eq!(answer.headers["retry-after"], "3");
    }
    assert_eq!(lab.get("/workspaces").await.status, 200);
}

#[tokio::test]
async fn answers_can_be_late_broken_or_missing() {
    let lab = Lab::seeded().await;
    let ask = async || lab.try_call("GET", "/api/v2/workspaces", None, Bytes::new()).await;
    let once = |kind: &str| json!({"side": "coder", "count": 1, "kind": kind, "delay": 60});
    plan(&lab, once("delay")).await;
    let start = Instant::now();
    assert_eq!(ask().await.unwrap().status, 200);
    assert!(start.elapsed() >= Duration::from_millis(60));
    plan(&lab, once("garbage")).await;
    assert!(serde_json::from_slice::<Value>(&ask().await.unwrap().body).is_err());
    for kind in ["reset", "truncate"] {
        plan(&lab, once(kind)).await;
        assert!(ask().await.is_err(), "{kind}");
    }
    plan(&lab, once("hang")).await;
    // Long enough that even a busy machine has the request arrive, and the fault used up.
    assert!(tokio::time::timeout(Duration::from_secs(2), ask()).await.is_err());
    assert_eq!(ask().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_write_can_take_effect_and_lose_its_answer() {
    let lab = Lab::seeded().await;
    plan(&lab, json!({"side": "coder", "method": "POST", "count": 1, "kind": "reset", "after": true})).await;
    let organization = lab.get("/organizations/coder").await.json()["id"].clone();
    let user = json!({
        "email": "x@example.com", "username": "x", "password": "SomeSecurePassword!1", "organization_ids": [organization],
    });
    let user = Bytes::from(user.to_string());
    assert!(lab.try_call("POST", "/api/v2/users", Some("application/json"), user).await.is_err());
    assert_eq!(lab.get("/users/x").await.status, 200);
}

#[tokio::test]
async fn every_kind_hits_a_write_before_or_after_its_effect() {
    let lab = Lab::seeded().await;
    let organization = lab.get("/organizations/coder").await.json()["id"].clone();
    // Kind, `after`, whether the user is there afterwards, the answer's code.
    let table = [
        ("status", None, false, Some(503)),
        ("status", Some(true), true, Some(503)),
        ("delay", None, true, Some(201)),
        ("delay", Some(true), true, Some(201)),
        ("reset", None, false, None),
        ("reset", Some(true), true, None),
        ("truncate", None, true, None),
        ("truncate", Some(false), false, None),
        ("garbage", None, true, Some(201)),
        ("garbage", Some(false), false, Some(200)),
        ("hang", None, false, None),
        ("hang", Some(true), true, None),
    ];
    for (number, (kind, after, effect, status)) in table.into_iter().enumerate() {
        let mut fault = json!({
            "side": "coder", "method": "POST", "path": "/api/*/users", "count": 1, "kind": kind, "delay": 5, "status": 503,
        });
        if let Some(after) = after {
            fault["after"] = json!(after);
        }
        plan(&lab, fault).await;
        let name = format!("u{number}");
        let user = json!({
            "email": format!("{name}@example.com"),
            "username": name,
            "password": "SomeSecurePassword!1",
            "organization_ids": [organization],
        });
        let user = Bytes::from(user.to_string());
        let ask = lab.try_call("POST", "/api/v2/users", Some("application/json"), user);
        let answer = tokio::time::timeout(Duration::from_secs(2), ask).await;
        let answered = answer.ok().and_then(Result::ok).map(|answer| answer.status);
        let there = lab.get(&format!("/users/{name}")).await.status == 200;
        assert_eq!((answered, there), (status, effect), "{kind}, after: {after:?}");
    }
}

#[tokio::test]
async fn a_fault_waits_for_its_turn_and_its_caller() {
    let lab = Lab::seeded().await;
    plan(&lab, json!({"side": "coder", "path": "/api/v2/workspaces", "skip": 2, "count": 1, "kind": "status", "status": 500}))
        .await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(lab.get("/workspaces").await.status);
    }
    assert_eq!(statuses, [200, 200, 500, 200]);
    plan(&lab, json!({"side": "coder", "user_agent": "(somebody)", "kind": "status", "status": 500})).await;
    assert_eq!(lab.get("/workspaces").await.status, 200);
}

#[tokio::test]
async fn kube_apiserver_misbehaves_too() {
    let lab = Lab::start().await;
    plan(&lab, json!({"side": "kube", "path": "/version", "kind": "status", "status": 503, "body": "{}"}))
        .await;
    let ask = async || lab.kube(As::default(), "GET", "/version", &[], Value::Null).await.status;
    assert_eq!([ask().await, ask().await], [503, 503]);
    assert_eq!(lab.call("DELETE", "/standin/faults", None, Bytes::new()).await.status, 204);
    assert_eq!(ask().await, 200);
}

#[tokio::test]
async fn what_was_asked_is_remembered() {
    let lab = Lab::seeded().await;
    lab.call("DELETE", "/standin/requests", None, Bytes::new()).await;
    lab.get("/workspaces?q=owner:alice").await;
    lab.kube(As::default(), "GET", "/healthz", &[], Value::Null).await;
    let ask = async |query: &str| {
        lab.call("GET", &format!("/standin/requests{query}"), None, Bytes::new()).await.json()
    };
    let mut seen = ask("").await;
    let first = seen[0]["number"].clone();
    assert_eq!(ask(&format!("?after={first}")).await[0]["path"], "/healthz");
    for request in seen.as_array_mut().unwrap() {
        assert!(request["user_agent"].is_string(), "{request}");
        request.as_object_mut().unwrap().retain(|name, _| !["number", "user_agent"].contains(&name.as_str()));
    }
    assert_eq!(
        seen,
        json!([
            {
                "side": "coder", "method": "GET", "path": "/api/v2/workspaces?q=owner:alice",
                "received": 0, "status": 200, "sent": 28,
            },
            {"side": "kube", "method": "GET", "path": "/healthz", "received": 0, "status": 200, "sent": 2},
        ])
    );
    lab.send("PUT", "/workspaces/x/ttl", json!({"ttl_ms": null})).await;
    let last = ask("").await[2].clone();
    assert_eq!((&last["method"], &last["received"]), (&json!("PUT"), &json!(15)));
}
