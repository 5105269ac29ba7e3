//! Deleting workspaces, one and many: a build in Coder that the object shows until it is gone.

use e2e::{
    Lab, Scratch,
    api::{causes, condition, ok, workspace},
    check::{names, status},
    seed::coder_workspace,
};
use echo_archive::{Archive, Phase, Transition};
use serde_json::{Value, json};

const FINALIZER: &str = "aggregation.coder.com/workspace-build";

#[test]
fn it_is_marked_and_then_gone() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace("doomed", "plain", &json!({}));
    let (api, name) = (scratch.workspaces(), scratch.name("doomed"));
    let before = api.ready(&name);
    let calls = scratch.calls();
    let answer = ok(&api.delete(&name, "", &json!({"propagationPolicy": "Background"})));
    assert_eq!(answer["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(answer["metadata"]["finalizers"], json!([FINALIZER]));
    assert!(answer["metadata"]["deletionTimestamp"].is_string(), "{answer}");
    api.gone(&name);
    assert_eq!(scratch.held(), Vec::<Value>::new());
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), ["POST /workspaces/*/builds"]);
    }
    status(&api.delete(&name, "", &Value::Null), 404, "NotFound");
    // The name is free again.
    let again = ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    assert_ne!(again["metadata"]["uid"], before["metadata"]["uid"]);
}

#[test]
fn options_come_in_every_form() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.workspaces();
    for (number, (query, options)) in [
        ("", Value::Null),
        ("", json!({})),
        ("propagationPolicy=Foreground", Value::Null),
        ("", json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})),
        ("", json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "propagationPolicy": "Background"})),
        ("", json!({"kind": "DeleteOptions", "apiVersion": "aggregation.coder.com/v1alpha1"})),
    ]
    .into_iter()
    .enumerate()
    {
        let short = format!("form{number}");
        scratch.coder_workspace(&short, "plain", &json!({}));
        let name = scratch.name(&short);
        ok(&api.delete(&name, query, &options));
        api.gone(&name);
    }
}

#[test]
fn options_that_cannot_be_are_refused() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace("kept", "plain", &json!({}));
    let (api, name) = (scratch.workspaces(), scratch.name("kept"));
    let before = api.ready(&name);
    let calls = scratch.calls();
    for (query, options) in
        [("propagationPolicy=Orphan", Value::Null), ("", json!({"propagationPolicy": "Orphan"}))]
    {
        let answer = status(&api.delete(&name, query, &options), 422, "Invalid");
        assert_eq!(causes(&answer)[0].0, "propagationPolicy", "{answer}");
    }
    status(&api.delete(&name, "", &json!({"propagationPolicy": "Sideways"})), 422, "Invalid");
    status(&api.delete(&name, "", &json!({"dryRun": ["Some"]})), 422, "Invalid");
    let wrong_kind = json!({"kind": "Pod", "apiVersion": "v1"});
    status(&api.delete(&name, "", &wrong_kind), 400, "BadRequest");
    for precondition in
        [json!({"uid": "00000000-0000-4000-8000-000000000000"}), json!({"resourceVersion": "1"})]
    {
        let answer = api.delete(&name, "", &json!({"preconditions": precondition}));
        let answer = status(&answer, 409, "Conflict");
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains("recondition failed") || message.contains("has been modified"), "{message}");
    }
    for name in [name.replace("kept", "KEPT"), scratch.name("absent"), format!("coder.me.{}", scratch.user)] {
        status(&api.delete(&name, "", &Value::Null), 404, "NotFound");
    }
    // What is tried is checked as what is done.
    for (query, options) in [("dryRun=All", Value::Null), ("", json!({"dryRun": ["All"]}))] {
        let answer = ok(&api.delete(&name, query, &options));
        assert_eq!(answer["metadata"]["name"], name);
    }
    assert_eq!(api.get(&name), before);
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
    let metadata = &before["metadata"];
    let right = json!({"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]});
    ok(&api.delete(&name, "", &json!({"preconditions": right})));
    api.gone(&name);
}

#[test]
fn while_it_goes_it_is_asked_for_once() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    // Starts, and hangs in everything else.
    let archive = Archive::plain().hang(Phase::Apply).fail_on(Phase::Apply, Transition::Start, "");
    let template = scratch.coder_template("clinging", &archive);
    scratch.coder_workspace("going", &template, &json!({}));
    let (api, name) = (scratch.workspaces(), scratch.name("going"));
    ok(&api.delete(&name, "", &Value::Null));
    let calls = scratch.calls();
    let object = ok(&api.delete(&name, "", &Value::Null));
    assert_eq!(object["metadata"]["finalizers"], json!([FINALIZER]));
    let conflict = status(&api.merge(&name, &json!({"spec": {"running": true}})), 409, "Conflict");
    assert!(conflict["message"].as_str().unwrap().contains("already active"), "{conflict}");
    let shown = api.get(&name);
    assert_eq!(condition(&shown, "Progressing"), "True");
    assert!(shown["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(coder_workspace(&lab, &name)["latest_build"]["build_number"], 2);
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
    // A name that is on its way out is still taken.
    status(&api.create("", &workspace(&name, "plain", &json!({}))), 409, "AlreadyExists");
}

#[test]
fn after_a_failure_it_can_be_asked_for_again() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let archive = Archive::plain().fail_on(Phase::Apply, Transition::Delete, "the volume is attached");
    let template = scratch.coder_template("stuck", &archive);
    scratch.coder_workspace("stuck", &template, &json!({}));
    let (api, name) = (scratch.workspaces(), scratch.name("stuck"));
    for number in [2, 3] {
        let answer = ok(&api.delete(&name, "", &Value::Null));
        assert_eq!(answer["metadata"]["generation"], number);
        let failed = api.settled(&name);
        assert_eq!(condition(&failed, "BuildSucceeded"), "False");
        assert!(failed["status"]["latestBuild"]["error"].as_str().unwrap().contains("attached"));
        assert_eq!(failed["metadata"]["finalizers"], json!([FINALIZER]), "it still wants to go");
    }
}

#[test]
fn a_collection_goes_by_selector() {
    let Some(lab) = Lab::writing() else { return };
    let (scratch, other) = (Scratch::new(&lab), Scratch::new(&lab));
    let api = scratch.workspaces();
    for name in ["one", "two"] {
        scratch.coder_workspace(name, "plain", &json!({}));
    }
    scratch.coder_workspace(
        "sized",
        "params",
        &json!({"rich_parameter_values": [{"name": "cpu", "value": "4"}]}),
    );
    other.coder_workspace("other", "plain", &json!({}));
    let query = |more: &str| format!("labelSelector=coder.com/owner%3D{}{more}", scratch.user);
    let calls = scratch.calls();
    let tried = ok(&api.delete("", &query(""), &json!({"dryRun": ["All"]})));
    assert_eq!(names(&tried).len(), 3, "{tried}");
    let none = ok(&api.delete("", &query(",coder.com/template%3Dnosuch"), &Value::Null));
    assert_eq!(names(&none), Vec::<String>::new());
    status(&api.delete("", "labelSelector=%21%21", &Value::Null), 400, "BadRequest");
    status(&api.delete("", "fieldSelector=spec.nosuch%3D1", &Value::Null), 400, "BadRequest");
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
    let deleted = ok(&api.delete("", &query("&fieldSelector=spec.templateName%3Dplain"), &Value::Null));
    assert_eq!(names(&deleted), ["one", "two"].map(|name| scratch.name(name)));
    for name in ["one", "two"] {
        api.gone(&scratch.name(name));
    }
    api.ready(&scratch.name("sized"));
    ok(&api.delete("", &query(""), &json!({"propagationPolicy": "Background"})));
    api.gone(&scratch.name("sized"));
    other.workspaces().ready(&other.name("other"));
}

#[test]
fn a_namespace_without_a_coder_has_nothing_to_delete() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    for resource in ["coderworkspaces", "codertemplates"] {
        let target = format!("{}/namespaces/default/{resource}", e2e::GROUP_VERSION);
        let list = ok(&scratch.front().send(&e2e::Request::new("DELETE", &target)));
        assert_eq!(names(&list), Vec::<String>::new());
        status(
            &scratch.front().send(&e2e::Request::new("DELETE", &format!("{target}/coder.x"))),
            404,
            "NotFound",
        );
    }
}
