//! Assertions that many tests share: what a `Status` must look like, and which headers two answers may differ in.

use crate::{Request, Response};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Asserts a Kubernetes `Status` of failure with this code and reason; returns it.
///
/// # Panics
/// When the response is anything else.
#[track_caller]
pub fn status(response: &Response, code: u16, reason: &str) -> Value {
    let body = response.excerpt();
    assert_eq!(response.status(), code, "{body}");
    assert!(response.content_type().starts_with("application/json"), "{} {body}", response.content_type());
    let status = response.json();
    assert_eq!(status["kind"], "Status", "{body}");
    assert_eq!(status["apiVersion"], "v1", "{body}");
    assert_eq!(status["status"], "Failure", "{body}");
    assert_eq!(status["code"], code, "{body}");
    assert_eq!(status["reason"], reason, "{body}");
    assert!(status["metadata"].is_object(), "{body}");
    status
}

/// Asserts that a text holds no URL, no token of the lab and no Rust or Envoy internals.
///
/// # Panics
/// When it does.
#[track_caller]
pub fn no_secrets(lab: &crate::Lab, text: &str) {
    let authority = lab.coder().authority();
    let forbidden = [
        "http://",
        "https://",
        &authority,
        &lab.coder_token,
        &lab.admin_token,
        &lab.user_token,
        "panicked",
        ".rs:",
    ];
    for word in forbidden {
        assert!(!text.contains(word), "{word:?} in {text}");
    }
}

/// Asserts that two servers said the same, byte for byte, apart from headers that proxies and clocks own.
///
/// # Panics
/// When they did not.
#[track_caller]
pub fn same(what: &str, through: &Response, direct: &Response) {
    assert_eq!(through.status(), direct.status(), "{what}: {} / {}", through.excerpt(), direct.excerpt());
    assert_eq!(kept(through), kept(direct), "{what}");
    assert!(through.body == direct.body, "{what}: {} / {}", through.excerpt(), direct.excerpt());
}

/// Headers that Envoy, the connection or the moment decide: absent from the comparison.
const VARYING: [&str; 10] = [
    "date",
    "expires",
    "audit-id",
    "server",
    "x-envoy-upstream-service-time",
    "connection",
    "transfer-encoding",
    "content-length",
    "keep-alive",
    "retry-after",
];

/// Headers by name, with lines of one name as one list (RFC 9110 §5.2), whose order says nothing for those of an answer.
fn kept(response: &Response) -> BTreeMap<String, BTreeSet<String>> {
    let mut kept: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in &response.head.headers {
        let name = name.to_ascii_lowercase();
        if !VARYING.contains(&name.as_str()) {
            kept.entry(name).or_default().extend(value.split(',').map(|item| item.trim().to_owned()));
        }
    }
    kept
}

/// The request that asks kube-apiserver for the caller's own name, with further headers.
pub fn who_am_i(headers: &[(&str, String)]) -> Request {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let request = Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review);
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// The user in the answer to [`who_am_i`].
///
/// # Panics
/// When the request was refused.
#[track_caller]
pub fn user_info(response: &Response) -> Value {
    assert_eq!(response.status(), 201, "{}", response.excerpt());
    response.json()["status"]["userInfo"].clone()
}

/// Names of a list's items.
pub fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().or_else(|| list["rows"].as_array());
    let name = |item: &Value| {
        let metadata =
            if item["object"].is_object() { &item["object"]["metadata"] } else { &item["metadata"] };
        metadata["name"].as_str().unwrap_or_default().to_owned()
    };
    items.map(|items| items.iter().map(name).collect()).unwrap_or_default()
}
