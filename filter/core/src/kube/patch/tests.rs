//! Patches against examples of the RFCs, against another implementation, and against what would take too much.

use super::*;
use proptest::prelude::*;
use serde_json::json;

const RULES: &[(&str, Merge)] = &[("spec.parameters", Merge::ByKey("name")), ("spec.files", Merge::Atomic)];

fn patched(patch_type: PatchType, base: &Value, body: &str) -> Result<(Value, Vec<String>), Status> {
    let document = patch(patch_type, body.into(), base.to_string().as_bytes(), RULES)?;
    assert_eq!(document.origin, Origin::Patch);
    Ok((serde_json::from_slice(&document.json).unwrap(), document.findings))
}

#[track_caller]
fn check(patch_type: PatchType, base: Value, body: Value, expect: Value) {
    let got = patched(patch_type, &base, &body.to_string());
    assert_eq!(got, Ok((expect, Vec::new())), "{base} {body}");
}

#[track_caller]
fn refused(patch_type: PatchType, base: Value, body: &str, code: u16, message: &str) {
    let status = patched(patch_type, &base, body).expect_err(body);
    assert_eq!((status.code, status.message.as_str()), (code, message), "{body}");
}

#[test]
fn types() {
    let of = |text| PatchType::of(Some(text)).map_err(|status| status.code);
    assert_eq!(of("application/json-patch+json"), Ok(PatchType::Json));
    assert_eq!(of("application/merge-patch+json; charset=utf-8"), Ok(PatchType::Merge));
    assert_eq!(of("application/apply-patch+yaml"), Ok(PatchType::Apply));
    for text in
        ["application/strategic-merge-patch+json", "application/json", "application/apply-patch+cbor", ""]
    {
        assert_eq!(of(text), Err(415));
    }
    assert_eq!(
        PatchType::of(None).unwrap_err().message,
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    );
}

/// RFC 7386, appendix A, as far as the patch is an object.
#[test]
fn merge_patch() {
    let check = |base, body, expect| check(PatchType::Merge, base, body, expect);
    check(json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"}));
    check(json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"}));
    check(json!({"a": "b"}), json!({"a": null}), json!({}));
    check(json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"}));
    check(json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"}));
    check(json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]}));
    check(json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}}));
    check(json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]}));
    check(json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1}));
    check(json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"}));
    check(json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}}));
    refused(PatchType::Merge, json!({}), "[]", 400, "error decoding patch: it is no object");
    refused(PatchType::Merge, json!({}), "null", 400, "error decoding patch: it is no object");
    refused(
        PatchType::Merge,
        json!({}),
        "",
        400,
        "error decoding patch: EOF while parsing a value at line 1 column 0",
    );
    let (object, findings) =
        patched(PatchType::Merge, &json!({}), r#"{"a":1,"b":{"c":1,"c":2},"a":3}"#).unwrap();
    assert_eq!(object, json!({"a": 3, "b": {"c": 2}}));
    assert_eq!(findings, [r#"duplicate field "b.c""#, r#"duplicate field "a""#]);
}

#[test]
fn json_patch() {
    let check = |base, body, expect| check(PatchType::Json, base, body, expect);
    check(json!({"a": 1}), json!([]), json!({"a": 1}));
    check(json!({"a": 1}), json!([{"op": "add", "path": "/b", "value": null}]), json!({"a": 1, "b": null}));
    check(json!({"a": [1, 3]}), json!([{"op": "add", "path": "/a/1", "value": 2}]), json!({"a": [1, 2, 3]}));
    check(json!({"a": [1]}), json!([{"op": "add", "path": "/a/-", "value": [2]}]), json!({"a": [1, [2]]}));
    check(json!({"a": 1}), json!([{"op": "add", "path": "", "value": {"b": 2}}]), json!({"b": 2}));
    check(json!({"a": [1, 2]}), json!([{"op": "remove", "path": "/a/0"}]), json!({"a": [2]}));
    check(
        json!({"a": 1}),
        json!([{"op": "replace", "path": "/a", "value": {"b": 1}}]),
        json!({"a": {"b": 1}}),
    );
    check(
        json!({"a": {"b": 1}}),
        json!([{"op": "move", "from": "/a/b", "path": "/c"}]),
        json!({"a": {}, "c": 1}),
    );
    check(
        json!({"a": [1, 2]}),
        json!([{"op": "move", "from": "/a/0", "path": "/a/-"}]),
        json!({"a": [2, 1]}),
    );
    check(json!({"a": 1}), json!([{"op": "move", "from": "/a", "path": "/a"}]), json!({"a": 1}));
    check(json!({"a": [1]}), json!([{"op": "copy", "from": "/a", "path": "/a/0"}]), json!({"a": [[1], 1]}));
    check(json!({"a": [1]}), json!([{"op": "test", "path": "/a", "value": [1]}]), json!({"a": [1]}));
    check(
        json!({"a/b": {"m~n": 1, "": 2}}),
        json!([{"op": "remove", "path": "/a~1b/m~0n"}, {"op": "replace", "path": "/a~1b/", "value": 3}]),
        json!({"a/b": {"": 3}}),
    );
}

#[test]
fn json_patches_that_do_not_apply() {
    let refused = |operation: Value, why: &str| {
        let message =
            format!("the server rejected our request due to an error in our request: operation 0: {why}");
        refused(PatchType::Json, json!({"a": {"b": [1]}}), &json!([operation]).to_string(), 422, &message);
    };
    refused(json!({"op": "test", "path": "/a/b", "value": [2]}), "testing value /a/b failed: test failed");
    let missing =
        |op: &str| format!("{op} operation does not apply: doc is missing path: \"/x/y\": missing value");
    for op in ["add", "remove", "replace", "test"] {
        refused(json!({"op": op, "path": "/x/y", "value": 1}), &missing(op));
    }
    for op in ["move", "copy"] {
        let why = format!("{op} operation does not apply: doc is missing from path: \"/y\": missing value");
        refused(json!({"op": op, "from": "/y", "path": "/z"}), &why);
    }
    for path in ["/a/b/2", "/a/b/01", "/a/b/+1", "/a/b/-1", "/a/b/x", "/a/b/0/x", "/a/b/99999999999999999999"]
    {
        let why = format!("add operation does not apply: doc is missing path: \"{path}\": missing value");
        refused(json!({"op": "add", "path": path, "value": 1}), &why);
    }
    let why = "remove operation does not apply: doc is missing path: \"/a/b/-\": missing value";
    refused(json!({"op": "remove", "path": "/a/b/-"}), why);
    refused(
        json!({"op": "move", "from": "/a", "path": "/a/b"}),
        "move operation does not apply: \"/a/b\" is inside of \"/a\"",
    );
    refused(
        json!({"op": "remove", "path": ""}),
        "remove operation does not apply: doc is missing path: \"\": missing value",
    );
    refused(json!({"op": "merge", "path": "/a"}), "Unexpected kind: merge");
    refused(json!({}), "Unexpected kind: ");
    refused(json!({"op": "add", "path": "/c"}), "add operation is missing value field: missing value");
    refused(json!({"op": "remove"}), "remove operation is missing path field: missing value");
    refused(json!({"op": "copy", "path": "/c"}), "copy operation is missing from field: missing value");
    for path in ["a", "/a~", "/a~2"] {
        let why = format!("remove operation has no JSON pointer as path or from: \"{path}\" \"\"");
        refused(json!({"op": "remove", "path": path}), &why);
    }
}

#[test]
fn json_patches_that_cannot_be_read() {
    refused(
        PatchType::Json,
        json!({}),
        "{}",
        400,
        "error decoding patch: invalid type: map, expected a sequence at line 1 column 2",
    );
    refused(
        PatchType::Json,
        json!({}),
        r#"[{"op":1}]"#,
        400,
        "error decoding patch: [0].op: invalid type: integer, expected a string at line 1 column 8",
    );
    let (_, findings) = patched(
        PatchType::Json,
        &json!({}),
        r#"[{"op":"add","op":"add","path":"/a","value":{"b":1,"b":2},"x":1}]"#,
    )
    .unwrap();
    assert_eq!(
        findings,
        [
            r#"json patch duplicate field "[0].op""#,
            r#"json patch duplicate field "[0].value.b""#,
            r#"json patch unknown field "[0].x""#
        ]
    );
}

#[test]
fn apply() {
    let typed = |mut object: Value| {
        object["apiVersion"] = "v".into();
        object["kind"] = "K".into();
        object
    };
    let check = |base: Value, body: Value, expect: Value| {
        check(PatchType::Apply, typed(base), typed(body), typed(expect))
    };
    check(
        json!({"spec": {"a": 1}}),
        json!({"spec": {"b": {"c": 2}}}),
        json!({"spec": {"a": 1, "b": {"c": 2}}}),
    );
    check(json!({"spec": {"a": 1}}), json!({"spec": {"a": null}}), json!({"spec": {"a": null}}));
    check(json!({"l": [1, 2]}), json!({"l": [3]}), json!({"l": [3]}));
    check(
        json!({"spec": {"parameters": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]}}),
        json!({"spec": {"parameters": [{"name": "c", "value": "3"}, {"name": "a", "value": "4"}]}}),
        json!({"spec": {"parameters": [{"name": "b", "value": "2"}, {"name": "c", "value": "3"}, {"name": "a", "value": "4"}]}}),
    );
    // What is named twice stays there twice, and is refused by whoever knows the field.
    check(
        json!({"spec": {"parameters": [{"name": "a", "value": "1"}]}}),
        json!({"spec": {"parameters": [{"name": "a"}, {"name": "a", "value": "2"}, {"value": "3"}, 4]}}),
        json!({"spec": {"parameters": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}, {"value": "3"}, 4]}}),
    );
    check(
        json!({"spec": {"parameters": null}}),
        json!({"spec": {"parameters": [1]}}),
        json!({"spec": {"parameters": [1]}}),
    );
    check(
        json!({"spec": {"files": {"a": "1", "b": "2"}}}),
        json!({"spec": {"files": {"a": "3"}}}),
        json!({"spec": {"files": {"a": "3"}}}),
    );
    let yaml = "apiVersion: v\nkind: K\nspec:\n  a: 1\n  a: 2\n";
    let (object, findings) = patched(PatchType::Apply, &json!({}), yaml).unwrap();
    assert_eq!(object, typed(json!({"spec": {"a": 2}})));
    assert_eq!(findings, [r#"duplicate field "spec.a""#]);
    let refused = |body: &str, message| refused(PatchType::Apply, typed(json!({})), body, 400, message);
    refused("a", "error decoding patch: it is no object");
    refused("", "error decoding patch: EOF while parsing a value at line 1 column 0");
    refused("a: b: c", "yaml: line 1: mapping values are not allowed in this context");
    refused("kind: K", "Incorrect version specified in apply patch. Specified patch version: , expected: v");
    refused(
        "apiVersion: w\nkind: K",
        "Incorrect version specified in apply patch. Specified patch version: w, expected: v",
    );
    refused("apiVersion: v", "Incorrect kind specified in apply patch. Specified patch kind: , expected: K");
    refused("apiVersion: v\nkind: K\nmetadata: {managedFields: []}", "metadata.managedFields must be nil");
}

#[test]
fn what_would_take_too_much() {
    let message = |operations: Vec<Value>| {
        patched(PatchType::Json, &json!({}), &Value::Array(operations).to_string()).map_err(|status| {
            (status.code, status.message.rsplit(": ").next().unwrap_or_default().to_owned())
        })
    };
    let some = |count: usize| vec![json!({"op": "add", "path": "/a", "value": 1}); count];
    assert!(message(some(10_000)).is_ok());
    let limit = "The allowed maximum operations in a JSON patch is 10000".to_owned();
    assert_eq!(message(some(10_001)), Err((413, limit)));
    let mut copies = vec![json!({"op": "add", "path": "/a", "value": {"b": "x".repeat(1000)}})];
    copies.extend((0..40).map(|place| json!({"op": "copy", "from": "", "path": format!("/{place}")})));
    assert!(message(copies).unwrap_err().1.starts_with("Unable to complete the copy"));
    let nested = vec![json!({"op": "copy", "from": "", "path": "/a"}); 200];
    assert!(message(nested).unwrap_err().1.ends_with("nested too deeply"));
    let mut deep = vec![json!({"op": "add", "path": "/a", "value": {}})];
    deep.extend((1..200).map(|depth| json!({"op": "add", "path": "/a".repeat(depth), "value": {}})));
    assert!(message(deep).unwrap_err().1.ends_with("nested too deeply"));
    let mut moves = vec![json!({"op": "add", "path": "/a", "value": vec![0; 100_000]})];
    moves.extend((0..9000).map(|_| json!({"op": "move", "from": "/a/0", "path": "/a/-"})));
    assert_eq!(message(moves).unwrap_err(), (422, "the patch takes too much work".to_owned()));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::from),
        "[a~/é]{0,3}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array), object_of(inner),]
    })
}

fn object_of(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec(("[ab0~/-]{0,2}", values), 0..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn operation() -> impl Strategy<Value = Value> {
    let pointer = || "(/(a|b|0|1|-|~0|~1|ab|a~1)?){0,3}";
    let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test"]);
    (op, pointer(), pointer(), value())
        .prop_map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}))
}

/// RFC 7386 §2, word by word.
fn merged(target: &Value, patch: &Value) -> Value {
    let Some(patch) = patch.as_object() else { return patch.clone() };
    let mut result = target.as_object().cloned().unwrap_or_default();
    for (name, value) in patch {
        match value {
            Value::Null => drop(result.remove(name)),
            value => {
                let merged = merged(result.get(name).unwrap_or(&Value::Null), value);
                result.insert(name.clone(), merged);
            }
        }
    }
    Value::Object(result)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn merge_patches_merge(base in value(), body in object_of(value())) {
        let (once, _) = patched(PatchType::Merge, &base, &body.to_string()).unwrap();
        prop_assert_eq!(&once, &merged(&base, &body));
        let (twice, _) = patched(PatchType::Merge, &once, &body.to_string()).unwrap();
        prop_assert_eq!(once, twice);
    }

    /// The same as another implementation, but for what that one allows beyond the RFC.
    #[test]
    fn json_patches_do_what_others_do(base in value(), operations in prop::collection::vec(operation(), 1..4)) {
        let body = Value::Array(operations).to_string();
        let mut theirs = base.clone();
        let operations: ::json_patch::Patch = serde_json::from_str(&body).unwrap();
        // One by one: it panics where it cannot undo what it has done.
        let outcome =
            operations.iter().try_for_each(|operation| ::json_patch::patch(&mut theirs, std::slice::from_ref(operation)));
        match (patched(PatchType::Json, &base, &body), outcome) {
            (Ok((ours, _)), Ok(())) => prop_assert_eq!(ours, theirs),
            (Err(status), Err(_)) => prop_assert_eq!(status.code, 422),
            (ours, outcome) => {
                // A root that is removed, and a place that is moved into itself or to where it is.
                let known = body.contains(r#""path":"""#) || body.contains(r#""op":"move""#);
                prop_assert!(known, "{} {}: {:?}, {:?} {}", base, body, ours, outcome, theirs);
            }
        }
    }

    /// What is applied can be applied again, and is there.
    #[test]
    fn applies_stay(base in object_of(value()), body in object_of(value())) {
        let (mut base, mut body) = (base, body);
        for object in [&mut base, &mut body] {
            object["apiVersion"] = "v".into();
            object["kind"] = "K".into();
        }
        body.as_object_mut().unwrap().remove("metadata");
        let (once, _) = patched(PatchType::Apply, &base, &body.to_string()).unwrap();
        let (twice, _) = patched(PatchType::Apply, &once, &body.to_string()).unwrap();
        prop_assert_eq!(&once, &twice);
        for (name, value) in base.as_object().unwrap() {
            prop_assert!(once.get(name) == Some(value) || body.get(name).is_some());
        }
    }

    #[test]
    fn nothing_panics(body: Vec<u8>, text in "[\\[\\]{}:,\"a-z/~0-9 \n-]{0,60}") {
        for body in [body, text.into_bytes()] {
            for patch_type in [PatchType::Json, PatchType::Merge, PatchType::Apply] {
                if let Ok(document) = patch(patch_type, body.clone(), b"{\"spec\":{\"parameters\":[{\"name\":\"a\"}]}}", RULES) {
                    prop_assert!(serde_json::from_slice::<Value>(&document.json).is_ok());
                }
            }
        }
    }
}
