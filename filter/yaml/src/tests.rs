//! What YAML becomes, what is refused, and another reader's opinion.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use yaml_rust2::{Yaml, YamlLoader};

#[track_caller]
fn check(yaml: &str, expect: Value) {
    let json = to_json(yaml).unwrap_or_else(|e| panic!("{yaml}: {e}"));
    let read: Value = serde_json::from_slice(&json).unwrap_or_else(|e| panic!("{yaml}: {e}"));
    assert_eq!(read, expect, "{yaml}");
}

#[track_caller]
fn refused(yaml: &str, line: usize, problem: &str) {
    let error = to_json(yaml).expect_err(yaml);
    assert!(error.line == line && error.problem.contains(problem), "{yaml}: {error}");
}

#[test]
fn documents() {
    check("", Value::Null);
    check("# nothing\n", Value::Null);
    check("---\n...\n", Value::Null);
    check(
        "a: 1\nb:\n- x\n- y: [1, {z: 2}]\n  w: {}\nc: []\n",
        json!({"a": 1, "b": ["x", {"y": [1, {"z": 2}], "w": {}}], "c": []}),
    );
    check("%YAML 1.2\n---\na: b # c\n", json!({"a": "b"}));
    check("\u{feff}a: b", json!({"a": "b"}));
    check("a: |\n  x\n   y\n\nb: >-\n  x\n  y\n", json!({"a": "x\n y\n", "b": "x y"}));
    check(r#"{"a": "\u00fc\"\\\n\u0001", 'b': 'it''s'}"#, json!({"a": "ü\"\\\n\u{1}", "b": "it's"}));
    refused("a: 1\n---\nb: 2\n", 2, "more than one document");
    refused("a: [1\n", 2, "");
    refused("a: b: c\n", 1, "");
    refused("a:\n  b: 'x\n", 2, "");
}

#[test]
fn plain_words() {
    let check = |text: &str, expect: Value| check(&format!("a: {text}"), json!({"a": expect}));
    for text in ["", "~", "null", "Null", "NULL"] {
        check(text, Value::Null);
    }
    check("true", json!(true));
    check("FALSE", json!(false));
    check("0", json!(0));
    check("-12", json!(-12));
    check("+12", json!(12));
    check("9223372036854775807", json!(9_223_372_036_854_775_807_i64));
    check("0x1F", json!(31));
    check("0o17", json!(15));
    check("1.50", json!(1.5));
    check("-.5", json!(-0.5));
    check("5.", json!(5.0));
    check("1e3", json!(1000.0));
    check("+1.5E-1", json!(0.15));
    for text in [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "tRUE",
        "nULL",
        "007",
        "-01",
        "00",
        "1_000",
        "0x",
        "0b1",
        "0xg",
        "1e",
        "1e+",
        "1ee5",
        "1e+-5",
        ".",
        "+",
        "--1",
        "1.2.3",
        ".inf",
        ".NaN",
        "12:30:00",
        "2020-01-01",
        "2020-01-01T00:00:00Z",
        "1 2",
        "60000ms",
    ] {
        check(text, json!(text));
    }
    for text in ["'1'", "\"1\"", "!!str 1", "! 1"] {
        check(text, json!("1"));
    }
    check("'true'", json!("true"));
    check("!!int '3'", json!(3));
    check("!!float 3", json!(3));
    check("!!bool true", json!(true));
    check("!!null ''", Value::Null);
    check("!!map {b: !!seq [1]}", json!({"b": [1]}));
}

#[test]
fn keys() {
    check(
        "1: a\n0x10: b\ntrue: c\n1.50: d\n'~': e\nyes: f\n",
        json!({"1": "a", "16": "b", "true": "c", "1.50": "d", "~": "e", "yes": "f"}),
    );
    check("? a\n: b\n", json!({"a": "b"}));
    check("? a\n? b\n", json!({"a": null, "b": null}));
    // Whoever reads the JSON can say what is repeated.
    assert_eq!(to_json("a: 1\na: 2\n"), Ok(br#"{"a":1,"a":2}"#.to_vec()));
    refused("~: a\n", 1, "a key is null");
    refused(": a\n", 1, "a key is null");
    refused("? [a]\n: b\n", 1, "no scalar");
    refused("? {a: b}\n: b\n", 1, "no scalar");
    refused("x: &a {b: c}\ny:\n  <<: *a\n", 3, "merge keys");
    check("'<<': a\nb: <<\n", json!({"<<": "a", "b": "<<"}));
}

#[test]
fn tags() {
    refused("a: !mine b", 1, "the tag !mine is not supported");
    refused("a: !!binary aGk=", 1, "the tag !!binary is not supported");
    refused("a: !!int x", 1, "it is no !!int");
    refused("a: !!int 1.5", 1, "it is no !!int");
    refused("a: !!seq {}", 1, "the tag !!seq is not supported");
    refused("a: !!set {}", 1, "!!set");
}

#[test]
fn anchors() {
    check("a: &x {b: [1]}\nc: *x\n", json!({"a": {"b": [1]}, "c": {"b": [1]}}));
    check("a: &x 1\n*x : 2\nb: &x y\n*x : 3\nc: *x\n", json!({"a": 1, "1": 2, "b": "y", "y": 3, "c": "y"}));
    check("- &x\n- *x\n- &y []\n- *y\n", json!([null, null, [], []]));
    refused("a: *x\n", 1, "");
    refused("&x a: 1\n*x : 2\nb: &n ~\n*n : 1\n", 4, "no scalar");
    refused("a: &x [*x]\n", 1, "contains itself");
    refused("a: &x {}\n*x : 2\n", 2, "no scalar");
}

#[test]
fn what_would_take_too_much() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(to_json(&deep(DEPTH_MAX)).is_ok());
    refused(&deep(DEPTH_MAX + 1), 1, "nested too deeply");
    refused(&"[".repeat(100_000), 1, "");
    refused(&"- ".repeat(10_000), 1, "");
    let many = |values: usize| format!("[{}]", "a,".repeat(values));
    assert!(to_json(&many(VALUES_MAX - 1)).is_ok());
    refused(&many(VALUES_MAX), 1, "too many values");
    let mut laughs = "a0: &a0 lol\n".to_owned();
    for level in 1..30 {
        let before = level - 1;
        laughs.push_str(&format!("a{level}: &a{level} [*a{before}, *a{before}, *a{before}, *a{before}]\n"));
    }
    refused(&laughs, 10, "excessive aliasing");
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        "[ -~äß\n\t]{0,12}".prop_map(Value::String),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec(("[a-z]{1,4}|[ -~]{0,8}", inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Whether what another reader of YAML sees is this JSON; where the two schemas differ, nothing is compared.
fn agrees(json: &Value, yaml: &Yaml) -> bool {
    match (json, yaml) {
        (Value::String(a), Yaml::String(b)) => a == b,
        // Leading zeros, underscores and infinities.
        (Value::String(_), Yaml::Integer(_) | Yaml::Real(_)) => true,
        (Value::Null, Yaml::Null) => true,
        (Value::Bool(a), Yaml::Boolean(b)) => a == b,
        (Value::Number(a), Yaml::Integer(b)) => a.as_i64() == Some(*b),
        (Value::Number(a), Yaml::Real(b)) => {
            b.parse() == Ok(a.as_f64().unwrap_or_default()) || b.contains('x')
        }
        // Words that differ in case only, numbers that end in a point.
        (Value::Bool(_) | Value::Null | Value::Number(_), Yaml::String(_)) => true,
        (Value::Array(a), Yaml::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agrees(a, b)),
        (Value::Object(a), Yaml::Hash(b)) => {
            a.len() <= b.len()
                && b.iter().all(|(key, b)| match key {
                    Yaml::String(key) => a.get(key).is_none_or(|a| agrees(a, b)),
                    _ => true,
                })
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// JSON is YAML.
    #[test]
    fn json_stays_what_it_is(value in value()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap_or_default()] {
            if let Ok(json) = to_json(&text) {
                prop_assert_eq!(serde_json::from_slice::<Value>(&json).ok(), Some(value.clone()), "{}", text);
            }
        }
    }

    /// What is read is JSON, and what another reader reads.
    #[test]
    fn others_agree(yaml in "([a-c]|[0-9.+-]{1,3}|[ \n:\\[\\]{},?'\"#!~-]|: |- |\n  ){0,40}") {
        let Ok(json) = to_json(&yaml) else { return Ok(()) };
        let json: Value = serde_json::from_slice(&json).map_err(|e| TestCaseError::fail(format!("{yaml:?}: {e}")))?;
        if let Ok(documents) = YamlLoader::load_from_str(&yaml) && let Some(other) = documents.first() {
            prop_assert!(agrees(&json, other), "{:?}: {} and {:?}", yaml, json, other);
        }
    }

    #[test]
    fn nothing_panics(text: String, yaml in "[-a-c0-9 \n\t:\\[\\]{},?&*!|>'\"%@`#.~<]{0,60}") {
        for text in [text, yaml] {
            if let Ok(json) = to_json(&text) {
                prop_assert!(serde_json::from_slice::<Value>(&json).is_ok(), "{:?}", text);
            }
        }
    }
}
