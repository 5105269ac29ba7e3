//! The text of common shapes, and the round trip through an independent YAML reader.

use proptest::prelude::*;
use serde_json::json;
use yaml_rust2::{Yaml, YamlLoader};

use super::*;

fn check(json: &serde_json::Value, expect: &str) {
    assert_eq!(from_json(json.to_string().as_bytes()).as_deref(), Some(expect), "{json}");
}

#[test]
fn shapes() {
    check(&json!({}), "{}\n");
    check(&json!([]), "[]\n");
    check(&json!("a"), "a\n");
    check(
        &json!({"a": 1, "b": -2, "c": true, "d": null, "e": 1.5}),
        "a: 1\nb: -2\nc: true\nd: null\ne: 1.5\n",
    );
    check(&json!({"a": {}, "b": [], "c": {"d": {"e": "f"}}}), "a: {}\nb: []\nc:\n  d:\n    e: f\n");
    check(
        &json!({"items": [{"a": 1, "b": [1, 2]}, {"c": {"d": 1}}, [], [3, [4]]]}),
        "items:\n- a: 1\n  b:\n  - 1\n  - 2\n- c:\n    d: 1\n- []\n- - 3\n  - - 4\n",
    );
    check(
        &json!({"files": {"main.tf": "a\n  b\n", "x": "1\n2", "y": "1\n\n", "z": "\n"}}),
        concat!(
            "files:\n",
            "  main.tf: |\n    a\n      b\n",
            "  x: |-\n    1\n    2\n",
            "  \"y\": |+\n    1\n\n",
            "  z: \"\\n\"\n",
        ),
    );
    check(&json!({"a": ["x\ny\n"]}), "a:\n- |\n  x\n  y\n");
    assert_eq!(from_json(b"{"), None);
    assert_eq!(from_json(b"{} {}"), None);
}

#[test]
fn a_long_key_is_marked() {
    let long = "k".repeat(2000);
    check(
        &json!({"files": {&long: "a\nb", "x": 1}, "list": [{&long: [1, {"z": 2}]}]}),
        &format!(
            "files:\n  ? {long}\n  : |-\n    a\n    b\n  x: 1\nlist:\n- ? {long}\n  :\n  - 1\n  - z: 2\n"
        ),
    );
}

#[test]
fn what_is_not_plain_is_quoted() {
    for plain in ["a", "https://x/y", "/a/b", "a b", "v1.2", "_x", "a:b"] {
        check(&json!(plain), &format!("{plain}\n"));
    }
    for quoted in [
        "",
        "true",
        "No",
        "Y",
        "null",
        "1",
        "1.5",
        "-",
        "- a",
        "~",
        "a: b",
        "a:",
        " a",
        "a ",
        "a #b",
        "2026-01-01",
        "0x1",
        "é",
        "*a",
        "&a",
        "!a",
        "%a",
        "'a'",
        "{a}",
        "[a]",
    ] {
        check(&json!(quoted), &format!("\"{quoted}\"\n"));
    }
    check(&json!("a\u{7f}\u{2028}\t\"\\\r"), "\"a\\u007f\\u2028\\t\\\"\\\\\\u000d\"\n");
}

fn same(json: &serde_json::Value, yaml: &Yaml) -> bool {
    match (json, yaml) {
        (serde_json::Value::Null, Yaml::Null) => true,
        (serde_json::Value::Bool(a), Yaml::Boolean(b)) => a == b,
        (serde_json::Value::Number(a), Yaml::Integer(b)) => a.as_i64() == Some(*b),
        (serde_json::Value::String(a), Yaml::String(b)) => a == b,
        (serde_json::Value::Array(a), Yaml::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (serde_json::Value::Object(a), Yaml::Hash(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, a)| b.get(&Yaml::String(key.clone())).is_some_and(|b| same(a, b)))
        }
        _ => false,
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof!["\\PC{0,6}", "[a-z \n\t:#-]{0,10}", "[ -~\n]{0,12}", "[0-9.e_-]{0,5}"];
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        text.clone().prop_map(|s| json!(s)),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            prop::collection::btree_map(text.clone(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn reads_back_as_the_same(json in any_json()) {
        let yaml = from_json(json.to_string().as_bytes()).unwrap();
        let documents = YamlLoader::load_from_str(&yaml).map_err(|e| TestCaseError::fail(format!("{e}: {yaml}")))?;
        prop_assert_eq!(documents.len(), 1);
        prop_assert!(same(&json, &documents[0]), "{}\n{}", json, yaml);
    }
}
