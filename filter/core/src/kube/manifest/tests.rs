//! Manifests that fit, those that do not, and what is said of each.

use super::*;
use crate::json::object;
use crate::kube::meta::{ObjectMeta, StringMap};
use proptest::prelude::*;

const EXPECTED: Expected<'_> = Expected {
    api_version: "aggregation.coder.com/v1alpha1",
    kind: "CoderWorkspace",
    resource: GroupResource { group: "aggregation.coder.com", resource: "coderworkspaces" },
    namespace: "coder",
    name: Some("coder.alice.dev"),
};

#[derive(Debug, Default, PartialEq, Eq)]
struct Spec<'a> {
    running: Option<bool>,
    parameters: Vec<Parameter<'a>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Parameter<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
}

object!(Spec<'a> {} { running, parameters });
object!(Parameter<'a> {} { name, value });

fn document(json: &str, origin: Origin) -> Document {
    Document { json: json.into(), origin, findings: Vec::new() }
}

/// The warnings, or code and message.
#[track_caller]
fn check(json: &str, validation: FieldValidation, expect: Result<&[&str], (u16, &str)>) {
    let document = document(json, Origin::Body);
    let read = Manifest::<Spec<'_>>::read(&document, &EXPECTED, validation);
    let got = read.map(|manifest| manifest.warnings).map_err(|status| (status.code, status.message.clone()));
    let expect = expect
        .map(|warnings| warnings.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
        .map_err(|(code, message)| (code, message.to_owned()));
    assert_eq!(got, expect, "{json}");
}

const GOOD: &str = r#"{"apiVersion":"aggregation.coder.com/v1alpha1","kind":"CoderWorkspace","metadata":{"name":"coder.alice.dev"},"spec":{}}"#;

#[test]
fn what_fits() {
    let check = |json: &str| check(json, FieldValidation::Strict, Ok(&[]));
    check(GOOD);
    check(r#"{"metadata":{"name":"coder.alice.dev"}}"#);
    check(
        r#"{"kind":"CoderWorkspace","metadata":{"name":"coder.alice.dev","namespace":"coder"},"spec":null,"status":{"a":1,"a":1.5}}"#,
    );
    check(
        r#"{"apiVersion":null,"kind":"","metadata":{"name":"coder.alice.dev","namespace":"","generateName":"x","selfLink":"s","uid":"u",
        "resourceVersion":"1","generation":1,"creationTimestamp":null,"deletionTimestamp":"2020-01-01T00:00:00Z","deletionGracePeriodSeconds":0,
        "labels":{"a":"b"},"annotations":null,"finalizers":["f"],"managedFields":[{"manager":"m","fieldsV1":{"f:spec":{}}}],
        "ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u","controller":true,"blockOwnerDeletion":false}]}}"#,
    );
}

#[test]
fn what_is_asked_for() {
    let document = document(
        r#"{"metadata":{"name":"coder.alice.dev","uid":"u","resourceVersion":"7","labels":{"a":"b"}},"spec":{"running":true,"parameters":[{"name":"cpu","value":"2"}]}}"#,
        Origin::Body,
    );
    let manifest = Manifest::<Spec<'_>>::read(&document, &EXPECTED, FieldValidation::Strict).unwrap();
    let parameters = vec![Parameter { name: "cpu".into(), value: "2".into() }];
    assert_eq!(manifest.spec, Spec { running: Some(true), parameters });
    assert!(matches!(manifest.spec.parameters[0].name, Cow::Borrowed(_)), "large documents are not copied");
    let meta = manifest.metadata;
    assert_eq!(
        (meta.name.as_str(), meta.uid.as_str(), meta.resource_version.as_str()),
        ("coder.alice.dev", "u", "7")
    );
    assert_eq!(meta.labels.0, [("a".to_owned(), "b".to_owned())]);
}

#[test]
fn unknown_and_repeated_fields() {
    let json = r#"{"kind":"CoderWorkspace","metadata":{"name":"coder.alice.dev","nme":"x"},"spec":{"foo":1,"running":true,"running":false,
        "parameters":[{"name":"a"},{"nme":"b"}]},"extra":{}}"#;
    let told = [
        r#"unknown field "metadata.nme""#,
        r#"unknown field "spec.foo""#,
        r#"duplicate field "spec.running""#,
        r#"unknown field "spec.parameters[1].nme""#,
        r#"unknown field "extra""#,
    ];
    check(json, FieldValidation::Ignore, Ok(&[]));
    check(json, FieldValidation::Warn, Ok(&told));
    let strict = format!(
        r#"CoderWorkspace in version "v1alpha1" cannot be handled as a CoderWorkspace: strict decoding error: {}"#,
        told.join(", ")
    );
    check(json, FieldValidation::Strict, Err((400, &strict)));
}

#[test]
fn what_cannot_be_read() {
    let check = |json: &str, message: &str| check(json, FieldValidation::Warn, Err((400, message)));
    check(
        r#"{"spec":{"parameters":[{"name":1}]}}"#,
        r#"CoderWorkspace in version "v1alpha1" cannot be handled as a CoderWorkspace: spec.parameters[0].name: invalid type: integer, expected a string"#,
    );
    check(
        r#"{"metadata":{"labels":{"a":1}}}"#,
        r#"CoderWorkspace in version "v1alpha1" cannot be handled as a CoderWorkspace: metadata.labels.a: invalid type: integer, expected a string"#,
    );
    check(
        "",
        "the object provided is unrecognized (must be of type CoderWorkspace): couldn't get version/kind; json parse error: EOF while parsing a value at line 1 column 0 (<empty>)",
    );
    check(
        r#"{"metadata":{"name":"coder.alice.dev"}"#,
        r#"the object provided is unrecognized (must be of type CoderWorkspace): couldn't get version/kind; json parse error: EOF while parsing an object at line 1 column 38 ({"metadata":{"name":"coder.ali ...)"#,
    );
    check(
        "\u{feff}{}",
        "the object provided is unrecognized (must be of type CoderWorkspace): couldn't get version/kind; json parse error: expected value at line 1 column 1 (efbbbf7b7d)",
    );
    check(
        "[]",
        r#"CoderWorkspace in version "v1alpha1" cannot be handled as a CoderWorkspace: invalid type: sequence, expected an object"#,
    );
}

#[test]
fn types_names_and_namespaces() {
    let check = |json: &str, message: &str| check(json, FieldValidation::Warn, Err((400, message)));
    check(
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"running":"x"}}"#,
        r#"Pod in version "v1" cannot be handled as a CoderWorkspace: no kind "Pod" is registered for version "v1""#,
    );
    check(
        r#"{"kind":"CoderTemplate"}"#,
        r#"CoderTemplate in version "v1alpha1" cannot be handled as a CoderWorkspace: no kind "CoderTemplate" is registered for version "aggregation.coder.com/v1alpha1""#,
    );
    check(
        r#"{"apiVersion":"aggregation.coder.com/v1","kind":"CoderWorkspace"}"#,
        "the API version in the data (aggregation.coder.com/v1) does not match the expected API version (aggregation.coder.com/v1alpha1)",
    );
    check(
        r#"{"metadata":{"name":"coder.alice.dev","namespace":"other"}}"#,
        "the namespace of the provided object does not match the namespace sent on the request",
    );
    check(
        r#"{"metadata":{"name":"x"}}"#,
        "the name of the object (x) does not match the name on the URL (coder.alice.dev)",
    );
    check(
        "{}",
        "the name of the object (coder.alice.dev based on URL) was undeterminable: name must be provided",
    );
    let create = Expected { name: None, ..EXPECTED };
    let unnamed = document(r#"{"metadata":{"generateName":"coder.alice.x-"}}"#, Origin::Body);
    assert!(Manifest::<Spec<'_>>::read(&unnamed, &create, FieldValidation::Warn).is_ok());
}

#[test]
fn what_a_patch_has_made() {
    let check = |json: &str, validation: FieldValidation, expect: Result<&[&str], &str>| {
        let findings = vec![r#"json patch unknown field "[0].x""#.to_owned()];
        let document = Document { findings, ..document(json, Origin::Patch) };
        match (Manifest::<Spec<'_>>::read(&document, &EXPECTED, validation), expect) {
            (Ok(manifest), Ok(warnings)) => assert_eq!(manifest.warnings, warnings),
            (Err(status), Err(why)) => {
                assert_eq!(status.code, 422);
                let message = format!(
                    r#"CoderWorkspace.aggregation.coder.com "coder.alice.dev" is invalid: patch: Invalid value: {why}"#
                );
                assert_eq!(status.message, message);
            }
            (got, _) => panic!("{json}: {got:?}"),
        }
    };
    let json = r#"{"metadata":{"name":"coder.alice.dev"},"spec":{"foo":1}}"#;
    let told = [r#"json patch unknown field "[0].x""#, r#"unknown field "spec.foo""#];
    check(json, FieldValidation::Warn, Ok(&told));
    check(json, FieldValidation::Ignore, Ok(&[]));
    check(json, FieldValidation::Strict, Err(&format!("strict decoding error: {}", told.join(", "))));
    check(
        r#"{"spec":{"running":"yes"}}"#,
        FieldValidation::Ignore,
        Err("spec.running: invalid type: string, expected true or false"),
    );
}

#[test]
fn what_is_not_kept() {
    let check = |json: &str, current: Option<&ObjectMeta<'_>>, expect: Option<&str>| {
        let mut meta = ManifestMeta::default();
        json::read_into(json.as_bytes(), &mut meta).unwrap();
        let expect = expect.map(|named| format!("not kept, Coder has no place for it: {named}"));
        assert_eq!(meta.not_kept(current), expect, "{json}");
    };
    let current = ObjectMeta {
        labels: StringMap(vec![("coder.com/owner".into(), "alice".into())]),
        finalizers: vec!["aggregation.coder.com/workspace-build".into()],
        ..ObjectMeta::default()
    };
    check("{}", None, None);
    check(
        r#"{"managedFields":[],"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}"}}"#,
        None,
        None,
    );
    let shown =
        r#"{"labels":{"coder.com/owner":"alice"},"finalizers":["aggregation.coder.com/workspace-build"]}"#;
    check(shown, Some(&current), None);
    check(shown, None, Some(r#"label "coder.com/owner", finalizer "aggregation.coder.com/workspace-build""#));
    check(r#"{"labels":{"coder.com/owner":"bob"}}"#, Some(&current), Some(r#"label "coder.com/owner""#));
    check(
        r#"{"labels":{"team":"x"},"annotations":{"a":"1","kubectl.kubernetes.io/last-applied-configuration":"{}"},"finalizers":["f"],
        "ownerReferences":[{"kind":"Pod","name":"p"}]}"#,
        Some(&current),
        Some(r#"label "team", annotation "a", finalizer "f", owner reference to Pod "p""#),
    );
}

proptest! {
    #[test]
    fn nothing_panics(bytes: Vec<u8>, text in r#"[{}\[\]",:a-z0-9\\]{0,40}"#) {
        for json in [bytes, text.into_bytes()] {
            for origin in [Origin::Body, Origin::Patch] {
                let document = Document { json: json.clone(), origin, findings: Vec::new() };
                let _ = Manifest::<Spec<'_>>::read(&document, &EXPECTED, FieldValidation::Strict);
            }
        }
    }
}
