//! Bodies, answers and refusals.

use serde_json::{Value, json};

use super::*;
use crate::kube::query::Query;
use crate::kube::request_info::{self, RequestInfo};

fn request(method: &str, path: &str) -> ResourceRequest {
    match request_info::parse(method, path, &Query::default()).unwrap() {
        RequestInfo::Resource(request) => request,
        other => panic!("{other:?}"),
    }
}

fn body(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn questions() {
    let log = request("GET", "/apis/g/v1/namespaces/n/things/x/log");
    assert_eq!(
        body(&self_subject_access_review(Attributes::Resource(&log))),
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {
            "resourceAttributes": {"namespace": "n", "verb": "get", "group": "g", "version": "v1",
                "resource": "things", "subresource": "log", "name": "x"}}})
    );
    let all = request("GET", "/apis/g/v1/things");
    assert_eq!(
        body(&self_subject_access_review(Attributes::Resource(&all)))["spec"],
        json!({"resourceAttributes": {"verb": "list", "group": "g", "version": "v1", "resource": "things"}})
    );
    assert_eq!(
        body(&self_subject_access_review(Attributes::NonResource { path: "/apis", verb: "get" }))["spec"],
        json!({"nonResourceAttributes": {"path": "/apis", "verb": "get"}})
    );
    assert_eq!(
        body(&self_subject_review()),
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    );
}

#[test]
fn questions_about_somebody() {
    let (path, query) =
        Query::split("/apis/g/v1/namespaces/n/things?fieldSelector=metadata.name%3Dx&labelSelector=a%3Db")
            .unwrap();
    let list = match request_info::parse("GET", path, &query).unwrap() {
        RequestInfo::Resource(request) => request,
        other => panic!("{other:?}"),
    };
    let mut user = UserInfo { name: "alice".into(), ..UserInfo::default() };
    let path = Attributes::NonResource { path: "/x", verb: "post" };
    assert_eq!(
        body(&subject_access_review(&user, path)),
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": "alice", "nonResourceAttributes": {"path": "/x", "verb": "post"}}})
    );
    user.uid = "u".into();
    user.groups = vec!["a".into(), "b".into()];
    user.extra.0 = vec![("k".into(), vec!["v".into(), "w".into()]), ("l".into(), vec![])];
    assert_eq!(
        body(&subject_access_review(&user, Attributes::Resource(&list)))["spec"],
        json!({"user": "alice", "uid": "u", "groups": ["a", "b"], "extra": {"k": ["v", "w"], "l": []},
            "resourceAttributes": {"namespace": "n", "verb": "list", "group": "g", "version": "v1", "resource": "things",
                "name": "x", "fieldSelector": {"rawSelector": "metadata.name=x"}, "labelSelector": {"rawSelector": "a=b"}}})
    );
}

#[test]
fn an_answer_about_somebody_is_not_one_about_us() {
    let answer = |kind: &str| format!(r#"{{"kind":"{kind}","status":{{"allowed":true}}}}"#);
    let (about, own) = (answer("SubjectAccessReview"), answer("SelfSubjectAccessReview"));
    assert!(parse_decision_about(about.as_bytes()).unwrap().allowed);
    assert!(parse_decision(own.as_bytes()).unwrap().allowed);
    assert_eq!(parse_decision_about(own.as_bytes()).unwrap_err().code, 503);
    assert_eq!(parse_decision(about.as_bytes()).unwrap_err().code, 503);
}

#[test]
fn decisions() {
    let answer = |status: &str| {
        let body = format!(
            r#"{{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{{}},"spec":{{}},"status":{status}}}"#
        );
        parse_decision(body.as_bytes()).map(|d| (d.allowed, d.reason)).map_err(|status| status.code)
    };
    assert_eq!(answer(r#"{"allowed":true,"reason":"RBAC: allowed"}"#), Ok((true, "RBAC: allowed".into())));
    assert_eq!(answer(r#"{"allowed":false}"#), Ok((false, String::new())));
    assert_eq!(answer(r#"{"allowed":true,"denied":true}"#), Ok((false, String::new())));
    assert_eq!(answer("{}"), Err(503));
    assert_eq!(answer("null"), Err(503));
    for garbage in [
        "",
        "{}",
        r#"{"kind":"Status","status":"Failure"}"#,
        r#"{"kind":"Status","status":{"allowed":true}}"#,
    ] {
        assert_eq!(parse_decision(garbage.as_bytes()).map_err(|status| status.code), Err(503), "{garbage}");
    }
}

#[test]
fn who_am_i() {
    let answer =
        br#"{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1","metadata":{},"status":
        {"userInfo":{"username":"alice","uid":"u","groups":["a","b"],"extra":{"k":["v"]}}}}"#;
    let user = parse_user(answer).unwrap();
    assert_eq!((user.name.as_str(), user.uid.as_str(), user.groups.len()), ("alice", "u", 2));
    assert_eq!(user.extra.0, [("k".to_owned(), vec!["v".to_owned()])]);
    assert_eq!(parse_user(b"{}").map_err(|status| status.code), Err(503));
}

#[test]
fn refusals_are_worded_like_kubernetes() {
    let check = |method: &str, path: &str, reason: &str, expect: &str| {
        let request = request(method, path);
        let status = forbidden("alice", Attributes::Resource(&request), reason);
        assert_eq!((status.code, status.message.as_str()), (403, expect));
    };
    check(
        "GET",
        "/apis/g/v1/namespaces/n/things",
        "",
        "things.g is forbidden: User \"alice\" cannot list resource \"things\" in API group \"g\" in the namespace \"n\"",
    );
    check(
        "GET",
        "/apis/g/v1/namespaces/n/things/x/log",
        "no rule",
        "things.g \"x\" is forbidden: User \"alice\" cannot get resource \"things/log\" in API group \"g\" in the \
         namespace \"n\": no rule",
    );
    check(
        "GET",
        "/apis/g/v1/things",
        "",
        "things.g is forbidden: User \"alice\" cannot list resource \"things\" in API group \"g\" at the cluster scope",
    );
    let status = forbidden("<b>\"", Attributes::NonResource { path: "/apis", verb: "get" }, "");
    assert_eq!(status.message, "forbidden: User \"&lt;b&gt;\\\"\" cannot get path \"/apis\"");
}
