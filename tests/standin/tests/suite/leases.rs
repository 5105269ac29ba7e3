//! Leases at the stand-in kube-apiserver: who may, what a precondition is, and what a watch of one sees. The words are kube-apiserver's.

use std::time::Duration;

use crate::common::{As, Lab};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/bells/leases";
const FILTER: As<'_> = As { certificate: None, token: Some("filter-token"), http1: false };
const ALICE: As<'_> = As { certificate: None, token: Some("alice-token"), http1: false };
const PATIENCE: Duration = Duration::from_secs(30);

/// A watch of the bell.
struct Watch(Incoming);

impl Watch {
    async fn open(lab: &Lab, query: &str) -> Self {
        let path = format!("{LEASES}?watch=true&fieldSelector=metadata.name%3Dbell&{query}");
        Self(lab.open(FILTER, "GET", &path, &[], Value::Null).await.into_body())
    }

    /// The next event's type and annotations; `None` at a clean end.
    async fn next(&mut self) -> Option<(String, Value)> {
        let mut line = Bytes::new();
        // The end may be a frame of its own.
        while line.is_empty() {
            let frame = tokio::time::timeout(PATIENCE, self.0.frame()).await.expect("something comes")?;
            line = frame.expect("no error").into_data().expect("data");
        }
        let event: Value = serde_json::from_slice(&line).unwrap();
        Some((event["type"].as_str().unwrap().to_owned(), event["object"]["metadata"]["annotations"].clone()))
    }
}

async fn patch(lab: &Lab, name: &str, body: Value) -> (u16, Value) {
    let headers = [("content-type", "application/merge-patch+json")];
    let answer = lab.kube(FILTER, "PATCH", &format!("{LEASES}/{name}"), &headers, body).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn only_those_who_may_reach_them() {
    let lab = Lab::start().await;
    let named = |name: &str| format!("{LEASES}?fieldSelector=metadata.name%3D{name}");
    for (who, method, path, status) in [
        (FILTER, "GET", format!("{LEASES}/bell"), 200),
        (FILTER, "GET", named("bell"), 200),
        (FILTER, "GET", LEASES.to_owned(), 403),
        (FILTER, "GET", named("other"), 403),
        (FILTER, "DELETE", format!("{LEASES}/bell"), 403),
        (FILTER, "GET", "/api/v1/namespaces".to_owned(), 403),
        (ALICE, "GET", format!("{LEASES}/bell"), 403),
        (As::default(), "GET", format!("{LEASES}/bell"), 403),
        (As { token: Some("wrong"), ..FILTER }, "GET", format!("{LEASES}/bell"), 401),
    ] {
        let answer = lab.kube(who, method, &path, &[], Value::Null).await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_version_is_a_precondition() {
    let lab = Lab::start().await;
    let ring =
        |version: Value, n: &str| json!({"metadata": {"resourceVersion": version, "annotations": {"n": n}}});
    let (status, first) = patch(&lab, "bell", json!({"metadata": {"annotations": {"n": "1"}}})).await;
    assert_eq!((status, &first["metadata"]["annotations"]), (200, &json!({"n": "1"})));
    let version = first["metadata"]["resourceVersion"].clone();
    let (status, same) = patch(&lab, "bell", json!({"metadata": {"annotations": {"n": "1"}}})).await;
    assert_eq!((status, &same["metadata"]["resourceVersion"]), (200, &version), "nothing has changed");
    let (status, second) = patch(&lab, "bell", ring(version.clone(), "2")).await;
    assert_eq!(status, 200);
    assert_ne!(second["metadata"]["resourceVersion"], version);
    assert_eq!(second["metadata"]["uid"], first["metadata"]["uid"]);
    let (status, stale) = patch(&lab, "bell", ring(version.clone(), "3")).await;
    assert_eq!((status, &stale["reason"]), (409, &json!("Conflict")));
    let why = "Operation cannot be fulfilled on leases.coordination.k8s.io \"bell\": the object has been modified; please apply your changes to the \
               latest version and try again";
    assert_eq!(stale["message"], why);
    for none in [json!(null), json!(""), json!("0")] {
        assert_eq!(patch(&lab, "bell", ring(none, "3")).await.0, 422);
    }
    let put = async |version: &Value| {
        let lease = json!({"metadata": {"name": "bell", "resourceVersion": version}, "spec": {"holderIdentity": "a"}});
        lab.kube(FILTER, "PUT", &format!("{LEASES}/bell"), &[], lease).await
    };
    assert_eq!(put(&version).await.status, 409);
    assert_eq!(put(&Value::Null).await.status, 422);
    let put = put(&second["metadata"]["resourceVersion"]).await;
    assert_eq!((put.status, &put.json()["spec"]), (200, &json!({"holderIdentity": "a"})));
    assert!(put.json()["metadata"]["annotations"].is_null());
}

#[tokio::test]
async fn what_no_lease_can_be_is_refused() {
    let lab = Lab::start().await;
    for (body, expect) in [
        (
            json!({"spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.123456Z"}}),
            200,
        ),
        (json!({"spec": {"holderIdentity": "", "renewTime": null}}), 200),
        (json!({"spec": {"renewTime": "2026-01-02T03:04:05Z"}}), 422),
        (json!({"spec": {"renewTime": "2026-01-02T03:04:05.123Z"}}), 422),
        (json!({"spec": {"renewTime": 5}}), 422),
        (json!({"spec": {"leaseDurationSeconds": 0}}), 422),
        (json!({"spec": {"leaseTransitions": -1}}), 422),
        (json!({"metadata": {"annotations": {"a": 1}}}), 422),
        (json!({"metadata": {"annotations": {"a": "x".repeat(256 << 10)}}}), 422),
        (json!({"metadata": {"uid": "other"}}), 422),
        (json!({"metadata": {"name": "bell"}}), 400),
        (json!({"metadata": {"creationTimestamp": null}}), 200),
    ] {
        assert_eq!(patch(&lab, "poller", body.clone()).await.0, expect, "{body}");
    }
    let json_patch = lab.kube(FILTER, "PATCH", &format!("{LEASES}/poller"), &[], json!({})).await;
    assert_eq!(json_patch.status, 415);
}

#[tokio::test]
async fn a_watch_begins_with_what_is_there_and_ends_in_time() {
    let lab = Lab::start().await;
    let opened = tokio::time::Instant::now();
    let mut watch = Watch::open(&lab, "allowWatchBookmarks=true&timeoutSeconds=3").await;
    assert_eq!(watch.next().await, Some(("ADDED".into(), Value::Null)));
    let initial = json!({"k8s.io/initial-events-end": "true"});
    assert_eq!(watch.next().await, Some(("BOOKMARK".into(), initial)));
    // The other Lease wakes nobody.
    assert_eq!(patch(&lab, "poller", json!({"spec": {"holderIdentity": "a"}})).await.0, 200);
    assert_eq!(patch(&lab, "bell", json!({"metadata": {"annotations": {"n": "1"}}})).await.0, 200);
    let mut seen = Vec::new();
    while let Some((kind, annotations)) = watch.next().await {
        seen.push(format!("{kind} {annotations}"));
    }
    // A machine that is slow has the change behind the bookmark that comes before the end.
    seen.sort();
    assert_eq!(seen, ["BOOKMARK null", "MODIFIED {\"n\":\"1\"}"]);
    assert!(opened.elapsed() >= Duration::from_millis(2900));
}

#[tokio::test]
async fn watches_are_told_how_often_to_send_bookmarks_and_when_to_end() {
    let lab = Lab::start().await;
    let tell = async |what: Value| {
        let body = Bytes::from(what.to_string());
        let answer = lab.call("PATCH", "/standin/watches", Some("application/json"), body).await;
        assert_eq!(answer.status, 204, "{what}");
    };
    let mut watch = Watch::open(&lab, "allowWatchBookmarks=true&resourceVersion=5").await;
    tell(json!({"bookmarks": 20})).await;
    for _ in 0..3 {
        assert_eq!(watch.next().await, Some(("BOOKMARK".into(), Value::Null)));
    }
    tell(json!({"bookmarks": 60_000, "cut": "end"})).await;
    while let Some((kind, _)) = watch.next().await {
        assert_eq!(kind, "BOOKMARK");
    }
    let mut watch = Watch::open(&lab, "resourceVersion=5").await.0;
    tell(json!({"cut": "reset"})).await;
    let last = tokio::time::timeout(PATIENCE, watch.frame()).await.expect("something comes");
    assert!(last.is_some_and(|frame| frame.is_err()));
}
