//! The stand-in kube-apiserver: who one is, what one may, and what is there.

use std::time::Duration;

use crate::common::{As, Lab};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ADMIN: As<'_> = As { certificate: None, token: Some("admin-token"), http1: false };
const ALICE: As<'_> = As { certificate: None, token: Some("alice-token"), http1: false };
const READER: As<'_> = As { certificate: None, token: Some("reader-token"), http1: false };

async fn whoami(lab: &Lab, who: As<'_>, headers: &[(&str, &str)]) -> (u16, Value) {
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let answer = lab.kube(who, "POST", path, headers, json!({})).await;
    (answer.status, answer.json()["status"]["userInfo"].clone())
}

#[tokio::test]
async fn users_come_from_tokens_certificates_and_the_front_proxy() {
    let lab = Lab::start().await;
    let (_, alice) = whoami(&lab, ALICE, &[]).await;
    assert_eq!(
        alice,
        json!({"username": "alice", "uid": "alice-uid", "groups": ["devs", "system:authenticated"]})
    );
    let (_, admin) = whoami(&lab, As { certificate: Some("admin"), ..As::default() }, &[]).await;
    assert_eq!(admin["groups"], json!(["system:masters", "system:authenticated"]));
    let proxied = [
        ("x-remote-user", "carol"),
        ("x-remote-group", "g1"),
        ("x-remote-group", "g2"),
        ("x-remote-extra-acme.com%2ffoo", "x"),
    ];
    let front_proxy = As { certificate: Some("front-proxy"), ..As::default() };
    let (_, carol) = whoami(&lab, front_proxy, &proxied).await;
    let groups = json!(["g1", "g2", "system:authenticated"]);
    assert_eq!(carol, json!({"username": "carol", "groups": groups, "extra": {"acme.com/foo": ["x"]}}));
}

#[tokio::test]
async fn strangers_and_forgers_get_nowhere() {
    let lab = Lab::start().await;
    let forged = [("x-remote-user", "admin"), ("x-remote-group", "system:masters")];
    assert_eq!(whoami(&lab, ALICE, &forged).await.1["username"], "alice");
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let admin = As { certificate: Some("admin"), ..As::default() };
    assert_eq!(whoami(&lab, admin, &[("x-remote-user", "root")]).await.1["username"], "admin");
    for (who, status) in [
        (As { certificate: Some("stranger"), ..As::default() }, 401),
        (As { token: Some("wrong"), ..As::default() }, 401),
        (As { certificate: Some("front-proxy"), ..As::default() }, 401),
        (As::default(), 403),
    ] {
        let answer = lab.kube(who, "POST", path, &[], json!({})).await;
        assert_eq!((answer.status, answer.json()["kind"].as_str()), (status, Some("Status")));
    }
}

#[tokio::test]
async fn refusals_are_worded_as_kubernetes_words_them() {
    let lab = Lab::start().await;
    for (who, path, message) in [
        (
            ALICE,
            "/apis/aggregation.coder.com/v1alpha1/namespaces/coder/coderworkspaces",
            "coderworkspaces.aggregation.coder.com is forbidden: User \"alice\" cannot list resource \"coderworkspaces\" in \
             API group \"aggregation.coder.com\" in the namespace \"coder\"",
        ),
        (ALICE, "/metrics", "forbidden: User \"alice\" cannot get path \"/metrics\""),
        (
            As::default(),
            "/api/v1/namespaces",
            "namespaces is forbidden: User \"system:anonymous\" cannot list resource \"namespaces\" in API group \"\" at the \
             cluster scope",
        ),
        (
            READER,
            "/api/v1/namespaces/default/pods/x/log",
            "pods \"x\" is forbidden: User \"reader\" cannot get resource \"pods/log\" in API group \"\" in the namespace \
             \"default\"",
        ),
    ] {
        let answer = lab.kube(who, "GET", path, &[], Value::Null).await;
        assert_eq!((answer.status, answer.message().as_str()), (403, message));
    }
    assert_eq!(lab.kube(READER, "GET", "/api/v1/namespaces/coder/pods", &[], Value::Null).await.status, 200);
}

#[tokio::test]
async fn access_reviews_say_who_may() {
    let lab = Lab::start().await;
    let ask = async |who: As<'_>, headers: &[(&str, &str)], spec: Value| {
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        lab.kube(who, "POST", path, headers, json!({"spec": spec})).await
    };
    let pods = json!({"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "coder"}});
    assert_eq!(ask(ADMIN, &[], pods.clone()).await.json()["status"], json!({"allowed": true}));
    assert_eq!(ask(ALICE, &[], pods.clone()).await.json()["status"], json!({"allowed": false}));
    let reason = "RBAC: allowed by RoleBinding \"reader/coder\" of Role \"reader\" to User \"reader\"";
    assert_eq!(
        ask(READER, &[], pods.clone()).await.json()["status"],
        json!({"allowed": true, "reason": reason})
    );
    let as_reader = [("impersonate-user", "reader")];
    assert_eq!(ask(ADMIN, &as_reader, pods.clone()).await.json()["status"]["reason"], reason);
    assert_eq!(ask(ALICE, &as_reader, pods).await.status, 403);
    assert_eq!(ask(ADMIN, &[("impersonate-group", "x")], json!({})).await.status, 400);
    assert_eq!(ask(ADMIN, &[], json!({})).await.status, 422);
}

#[tokio::test]
async fn discovery_comes_in_both_forms_with_an_etag() {
    let lab = Lab::start().await;
    let legacy = lab.kube(ALICE, "GET", "/apis", &[], Value::Null).await;
    assert_eq!(legacy.json()["kind"], "APIGroupList");
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let aggregated = lab.kube(ALICE, "GET", "/apis", &[("accept", accept)], Value::Null).await;
    assert_eq!(aggregated.json()["items"][0]["metadata"]["name"], "authentication.k8s.io");
    let tag = aggregated.headers["etag"].to_str().unwrap();
    let again = [("accept", accept), ("if-none-match", tag)];
    assert_eq!(lab.kube(ALICE, "GET", "/apis", &again, Value::Null).await.status, 304);
    let unknown = lab.kube(ADMIN, "GET", "/apis/nope.example.com/v1", &[], Value::Null).await;
    assert_eq!((unknown.status, &unknown.body[..]), (404, &b"404 page not found\n"[..]));
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let lab = Lab::start().await;
    for http1 in [false, true] {
        let answer = lab.kube(As { http1, ..ADMIN }, "GET", "/api/v1/namespaces", &[], Value::Null).await;
        assert_eq!(answer.json()["items"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn lists_are_paged_and_tabled() {
    let lab = Lab::start().await;
    let first = lab.kube(ADMIN, "GET", "/api/v1/namespaces?limit=1", &[], Value::Null).await.json();
    assert_eq!(
        [&first["items"][0]["metadata"]["name"], &first["metadata"]["remainingItemCount"]],
        [&json!("coder"), &json!(1)]
    );
    let next = first["metadata"]["continue"].as_str().unwrap();
    let path = format!("/api/v1/namespaces?limit=1&continue={next}");
    let second = lab.kube(ADMIN, "GET", &path, &[], Value::Null).await.json();
    assert_eq!(second["items"][0]["metadata"]["name"], "default");
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")];
    let table = lab.kube(ADMIN, "GET", "/api/v1/pods", &accept, Value::Null).await.json();
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(cells[..3], [json!("coder-0"), json!("1/1"), json!("Running")]);
}

#[tokio::test]
async fn a_watch_streams_and_ends_when_it_should() {
    let lab = Lab::start().await;
    let path =
        "/api/v1/namespaces?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=3";
    let mut watch = lab.open(ADMIN, "GET", path, &[], Value::Null).await.into_body();
    let mut seen = String::new();
    while !seen.contains("initial-events-end") {
        seen.push_str(
            std::str::from_utf8(&watch.frame().await.unwrap().unwrap().into_data().unwrap()).unwrap(),
        );
    }
    let create = json!({"metadata": {"name": "new"}});
    assert_eq!(lab.kube(ADMIN, "POST", "/api/v1/namespaces", &[], create.clone()).await.status, 201);
    assert_eq!(lab.kube(ADMIN, "POST", "/api/v1/namespaces", &[], create).await.status, 409);
    assert_eq!(lab.kube(ADMIN, "DELETE", "/api/v1/namespaces/new", &[], Value::Null).await.status, 200);
    let rest =
        tokio::time::timeout(Duration::from_secs(30), watch.collect()).await.unwrap().unwrap().to_bytes();
    seen.push_str(std::str::from_utf8(&rest).unwrap());
    let events: Vec<Value> = seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let event = |event: &Value| {
        let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default();
        format!("{} {name}", event["type"].as_str().unwrap())
    };
    let mut events: Vec<String> = events.iter().map(event).collect();
    // One more comes before the end.
    let again = events.iter().rposition(|event| event == "BOOKMARK ").unwrap();
    assert!(again > 2, "{events:?}");
    events.remove(again);
    assert_eq!(events, ["ADDED coder", "ADDED default", "BOOKMARK ", "ADDED new", "MODIFIED new"]);
}

#[tokio::test]
async fn bodies_have_a_limit_and_upgrades_an_echo() {
    let lab = Lab::start().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let config_map = |size: usize| json!({"metadata": {"name": "big"}, "data": {"x": "x".repeat(size)}});
    assert_eq!(lab.kube(ADMIN, "POST", path, &[], config_map(2 << 20)).await.status, 201);
    assert_eq!(lab.kube(ADMIN, "POST", path, &[], config_map(4 << 20)).await.status, 413);
    let upgrade = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let exec = "/api/v1/namespaces/coder/pods/coder-0/exec?command=sh";
    let answer = lab.open(As { http1: true, ..ADMIN }, "GET", exec, &upgrade, Value::Null).await;
    assert_eq!(answer.status(), 101);
    let mut stream = hyper_util::rt::TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    stream.write_all(b"hello").await.unwrap();
    let mut echo = [0; 5];
    stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"hello");
}

#[tokio::test]
async fn a_deleted_namespace_terminates_until_it_is_finalized() {
    let lab = Lab::start().await;
    let ask = async |method: &str, path: &str, body: Value| {
        let answer = lab.kube(ADMIN, method, &format!("/api/v1/namespaces{path}"), &[], body).await;
        (answer.status, answer.json())
    };
    let namespace = json!({"metadata": {"name": "brief"}});
    assert_eq!(ask("POST", "", namespace.clone()).await.1["status"]["phase"], "Active");
    assert_eq!(ask("POST", "/brief/configmaps", json!({"metadata": {"name": "kept"}})).await.0, 201);
    for _ in 0..2 {
        let (status, terminating) = ask("DELETE", "/brief", Value::Null).await;
        assert_eq!((status, &terminating["status"]["phase"]), (200, &json!("Terminating")));
        assert!(terminating["metadata"]["deletionTimestamp"].is_string());
    }
    assert_eq!(ask("GET", "/brief", Value::Null).await.1["spec"], json!({"finalizers": ["kubernetes"]}));
    let (status, refused) =
        ask("POST", "/brief/configmaps?dryRun=All", json!({"metadata": {"name": "x"}})).await;
    assert_eq!(status, 403);
    let why = "configmaps \"x\" is forbidden: unable to create new content in namespace brief because it is being terminated";
    assert_eq!(refused["message"], why);
    let cause = json!({
        "reason": "NamespaceTerminating",
        "message": "namespace brief is being terminated",
        "field": "metadata.namespace",
    });
    assert_eq!(refused["details"]["causes"], json!([cause]));
    let again = ask("POST", "", namespace.clone()).await.1;
    assert_eq!(again["message"], "object is being deleted: namespaces \"brief\" already exists");
    assert_eq!(ask("PUT", "/brief/finalize", namespace.clone()).await.1["spec"], json!({}));
    assert_eq!(ask("GET", "/brief", Value::Null).await.0, 404);
    assert_eq!(ask("POST", "", namespace).await.0, 201);
    assert_eq!(ask("GET", "/brief/configmaps/kept", Value::Null).await.0, 200);
    assert_eq!(ask("DELETE", "/default", Value::Null).await.0, 403);
}
