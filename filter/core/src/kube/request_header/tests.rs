//! Who is believed, and who is not.

use super::*;
use serde_json::{Value, json};

/// What kube-apiserver 1.36 publishes.
fn data() -> Value {
    json!({
        "client-ca-file": "client",
        "requestheader-allowed-names": "[\"aggregator\"]",
        "requestheader-client-ca-file": "front",
        "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
        "requestheader-group-headers": "[\"X-Remote-Group\"]",
        "requestheader-uid-headers": "[\"X-Remote-Uid\"]",
        "requestheader-username-headers": "[\"X-Remote-User\"]"
    })
}

fn with(changes: &Value) -> Result<Authentication, u16> {
    let mut data = data();
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(data.as_object_mut().unwrap().remove(key)),
            value => data[key] = value.clone(),
        }
    }
    let body = json!({"kind": "ConfigMap", "data": data}).to_string();
    Authentication::parse(body.as_bytes()).map_err(|status| status.code)
}

/// The user as one line: `name uid groups extra`.
fn check(changes: &Value, name: &str, headers: &[(&str, &str)], expect: Option<&str>) {
    let user = with(changes).unwrap().user(name, headers);
    let line = user.map(|user| {
        let extra: Vec<String> =
            user.extra.0.iter().map(|(key, values)| format!("{key}={}", values.join("+"))).collect();
        format!("{} [{}] [{}] [{}]", user.name, user.uid, user.groups.join(","), extra.join(","))
    });
    assert_eq!(line.as_deref(), expect, "{changes} {name} {headers:?}");
}

const ALICE: (&str, &str) = ("x-remote-user", "alice");

#[test]
fn users() {
    let as_published = json!({});
    check(
        &as_published,
        "aggregator",
        &[
            ALICE,
            ("x-remote-user", "bob"),
            ("X-Remote-Uid", "u"),
            ("x-remote-group", "a"),
            ("x-remote-group", ""),
            ("x-remote-group", "b,c"),
            ("x-remote-extra-example.com%2fscope", "1"),
            ("x-remote-extra-example.com%2Fscope", "2"),
            ("X-Remote-Extra-Bad%zz", "3"),
            ("x-remote-extr", "4"),
        ],
        Some("alice [u] [a,b,c] [example.com/scope=1+2,bad%zz=3]"),
    );
    check(&as_published, "aggregator", &[ALICE], Some("alice [] [] []"));
    check(&as_published, "aggregator", &[], None);
    check(&as_published, "aggregator", &[("x-remote-user", "")], None);
    check(&as_published, "aggregator", &[("x-remote-group", "system:masters")], None);
    check(&as_published, "aggregator", &[("x-remote-user", ""), ALICE], Some("alice [] [] []"));
}

#[test]
fn names_of_certificates() {
    for name in ["", "Aggregator", "aggregator ", "system:masters", "alice"] {
        check(&json!({}), name, &[ALICE], None);
    }
    let several = json!({"requestheader-allowed-names": "[\"a\",\"b\"]"});
    check(&several, "b", &[ALICE], Some("alice [] [] []"));
    check(&several, "c", &[ALICE], None);
    for any in [json!("[]"), json!(""), Value::Null] {
        check(&json!({"requestheader-allowed-names": any}), "whoever", &[ALICE], Some("alice [] [] []"));
    }
}

#[test]
fn headers_are_those_that_are_named() {
    let other = json!({
        "requestheader-username-headers": "[\"X-First\",\"X-Second\"]",
        "requestheader-group-headers": null,
        "requestheader-uid-headers": null,
        "requestheader-extra-headers-prefix": "[\"X-More-\"]"
    });
    let sent =
        [ALICE, ("x-second", "carol"), ("x-remote-group", "g"), ("x-remote-uid", "u"), ("x-more-k", "v")];
    check(&other, "aggregator", &sent, Some("carol [] [] [k=v]"));
    check(&json!({"requestheader-username-headers": "[]"}), "aggregator", &[ALICE], None);
    check(&json!({"requestheader-client-ca-file": null}), "aggregator", &[ALICE], None);
}

#[test]
fn what_cannot_be_read_lets_nobody_in() {
    for key in [
        "requestheader-allowed-names",
        "requestheader-username-headers",
        "requestheader-group-headers",
        "requestheader-uid-headers",
        "requestheader-extra-headers-prefix",
    ] {
        for bad in ["x", "{}", "[1]", "[\"a\"", "\"a\""] {
            assert_eq!(with(&json!({ key: bad })), Err(503), "{key}: {bad}");
        }
    }
    assert_eq!(with(&json!({"requestheader-allowed-names": ["a"]})), Err(503));
    for body in ["", "{}", "null", r#"{"kind":"Status","status":"Failure"}"#, r#"{"data":[]}"#] {
        assert_eq!(Authentication::parse(body.as_bytes()).unwrap_err().code, 503, "{body}");
    }
}
