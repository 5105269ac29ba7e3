//! What every write understands: trying without doing, unknown and repeated fields, and warnings about what is not kept.

use e2e::{
    Lab, Request, Scratch,
    api::{APPLY, JSON_PATCH, MERGE, files, ok, shown_files, template, warnings, workspace},
    check::status,
    seed::coder_workspace,
};
use echo_archive::Archive;
use serde_json::{Value, json};

#[test]
fn trying_checks_everything_and_changes_nothing() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace("tried", "plain", &json!({}));
    let (api, name) = (scratch.workspaces(), scratch.name("tried"));
    let before = api.ready(&name);
    let (templates, other) = (scratch.templates(), scratch.name("other"));
    let short = scratch.coder_template("tried", &Archive::plain());
    let template_name = format!("coder.{short}");
    let template_before = templates.get(&template_name);
    let calls = scratch.calls();
    let made = ok(&api.create("dryRun=All", &workspace(&other, "plain", &json!({"ttlMillis": 60_000}))));
    assert_eq!((&made["metadata"]["name"], &made["spec"]["ttlMillis"]), (&json!(other), &json!(60_000)));
    status(&api.read(&other), 404, "NotFound");
    let spec = json!({"ttlMillis": 60_000, "running": false, "automaticUpdates": "always"});
    let mut put = before.clone();
    e2e::api::merge(&mut put["spec"], &spec);
    let patch = json!({"spec": spec});
    let operations = json!([
        {"op": "add", "path": "/spec/ttlMillis", "value": 60_000},
        {"op": "replace", "path": "/spec/running", "value": false},
        {"op": "replace", "path": "/spec/automaticUpdates", "value": "always"},
    ]);
    let mut applied = workspace(&name, "plain", &spec);
    applied["spec"]["running"] = json!(false);
    for answer in [
        api.replace(&name, "dryRun=All", &put),
        api.patch(&name, "dryRun=All", MERGE, &patch),
        api.patch(&name, "dryRun=All", JSON_PATCH, &operations),
        api.patch(&name, "dryRun=All&fieldManager=e2e&force=true", APPLY, &applied),
    ] {
        let object = ok(&answer);
        for (field, value) in spec.as_object().unwrap() {
            assert_eq!(&object["spec"][field], value, "{field}");
        }
    }
    ok(&api.delete(&name, "", &json!({"dryRun": ["All"]})));
    let scaled =
        ok(&api.patch(&format!("{name}/scale"), "dryRun=All", MERGE, &json!({"spec": {"replicas": 0}})));
    assert_eq!(scaled["spec"]["replicas"].as_i64().unwrap_or_default(), 0);
    let new = template(
        &scratch.template_name("new"),
        &json!({"provisioner": "echo", "files": files(&Archive::plain())}),
    );
    assert_eq!(ok(&templates.create("dryRun=All", &new))["spec"]["files"], shown_files(&Archive::plain()));
    ok(&templates.patch(
        &template_name,
        "dryRun=All",
        MERGE,
        &json!({"spec": {"displayName": "x", "files": {"a": "b"}}}),
    ));
    ok(&templates.delete(&template_name, "dryRun=All", &Value::Null));
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
    assert_eq!(api.get(&name), before);
    assert_eq!(templates.get(&template_name), template_before);
    assert_eq!(scratch.held().len(), 1);
}

#[test]
fn options_that_do_not_exist_are_refused() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace("options", "plain", &json!({}));
    let (api, name) = (scratch.workspaces(), scratch.name("options"));
    let before = api.ready(&name);
    let change = json!({"spec": {"ttlMillis": 60_000}});
    for query in ["dryRun=Some", "dryRun=all", "fieldValidation=Perhaps"] {
        let option = query.split('=').next().unwrap();
        for response in [
            api.patch(&name, query, MERGE, &change),
            api.replace(&name, query, &before),
            api.create(query, &workspace(&scratch.name("other"), "plain", &json!({}))),
        ] {
            let answer = status(&response, 422, "Invalid");
            assert!(answer["message"].as_str().unwrap().contains(option), "{query}: {answer}");
        }
    }
    let long = format!("fieldManager={}", "x".repeat(129));
    status(&api.patch(&name, &long, MERGE, &change), 422, "Invalid");
    assert_eq!(api.get(&name), before);
}

#[test]
fn unknown_and_repeated_fields_are_told_as_asked() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.workspaces();
    let name = scratch.name("strict");
    let body = format!(
        r#"{{"apiVersion":"aggregation.coder.com/v1alpha1","kind":"CoderWorkspace","metadata":{{"name":"{name}","nmae":"x"}},
        "spec":{{"organization":"coder","templateName":"params","runing":true,"ttlMillis":60000,"ttlMillis":120000,
        "parameters":[{{"name":"cpu","value":"1","vlaue":"2"}}]}}}}"#
    );
    let findings = [
        "unknown field \"metadata.nmae\"",
        "unknown field \"spec.runing\"",
        "duplicate field \"spec.ttlMillis\"",
        "unknown field \"spec.parameters[0].vlaue\"",
    ];
    let send = |query: &str| {
        api.send(&Request::new("POST", &api.target("", query)).body("application/json", body.clone()))
    };
    let answer = status(&send("fieldValidation=Strict"), 400, "BadRequest");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("strict decoding error: "), "{message}");
    for finding in findings {
        assert!(message.contains(finding), "{finding}: {message}");
    }
    assert_eq!(scratch.held(), Vec::<Value>::new());
    for (query, told) in
        [("dryRun=All", true), ("dryRun=All&fieldValidation=Warn", true), ("fieldValidation=Ignore", false)]
    {
        let answer = send(query);
        assert_eq!(ok(&answer)["spec"]["ttlMillis"], 120_000, "of duplicates the last counts");
        for finding in findings {
            assert_eq!(warnings(&answer).contains(finding), told, "{query}: {}", warnings(&answer));
        }
    }
    let patch = json!({"spec": {"runing": false}});
    let strict = api.patch(&name, "fieldValidation=Strict", MERGE, &patch);
    assert!([400, 422].contains(&strict.status()), "{} {}", strict.status(), strict.excerpt());
    assert!(strict.text().contains("spec.runing"), "{}", strict.excerpt());
    let warned = api.merge(&name, &patch);
    ok(&warned);
    assert!(warnings(&warned).contains("unknown field \"spec.runing\""), "{}", warnings(&warned));
    let mut object = api.get(&name);
    object["spec"]["runing"] = json!(false);
    status(&api.replace(&name, "fieldValidation=Strict", &object), 400, "BadRequest");
}

#[test]
fn what_is_not_kept_is_told_once_and_what_is_shown_is_not() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("marked"));
    let mut object = workspace(&name, "plain", &json!({}));
    let last_applied = "kubectl.kubernetes.io/last-applied-configuration";
    object["metadata"]["annotations"] = json!({last_applied: "{}"});
    let quiet = api.create("", &object);
    ok(&quiet);
    assert_eq!(warnings(&quiet), "", "kubectl's own memory alone is not told");
    let mut shown = api.ready(&name);
    assert!(shown["metadata"].get("annotations").is_none());
    shown["metadata"]["managedFields"] = json!([{"manager": "x", "operation": "Apply"}]);
    let same = api.replace(&name, "", &shown);
    ok(&same);
    assert_eq!(warnings(&same), "", "labels that a get shows are not told");
    let metadata = json!({
        "labels": {"team": "blue"},
        "annotations": {"note": "text", last_applied: "{}"},
        "finalizers": ["example.com/hold"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1"}],
    });
    let calls = scratch.calls();
    let answer = api.merge(&name, &json!({"metadata": metadata}));
    let kept = ok(&answer);
    let told = warnings(&answer);
    assert_eq!(told.lines().count(), 1, "{told}");
    for word in ["team", "note", "example.com/hold", "wner"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(!told.contains(last_applied), "{told}");
    for field in ["annotations", "finalizers", "ownerReferences"] {
        assert!(kept["metadata"].get(field).is_none(), "{field}: {kept}");
    }
    assert!(kept["metadata"]["labels"].get("team").is_none());
    // A computed label cannot be changed either.
    let answer = api.merge(&name, &json!({"metadata": {"labels": {"coder.com/owner": "somebody"}}}));
    assert_eq!(ok(&answer)["metadata"]["labels"]["coder.com/owner"], scratch.user);
    assert!(warnings(&answer).contains("coder.com/owner"), "{}", warnings(&answer));
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
    assert_eq!(coder_workspace(&lab, &name)["latest_build"]["build_number"], 1);
}

#[test]
fn answers_come_in_the_form_that_is_asked_for() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.workspaces();
    let table = "application/json;as=Table;g=meta.k8s.io;v=v1";
    let partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    for (short, accept, kind) in [("table", table, "Table"), ("partial", partial, "PartialObjectMetadata")] {
        let object = workspace(&scratch.name(short), "plain", &json!({}));
        let answer = api.send(&Request::post(&api.target("", ""), &object).accept(accept));
        assert_eq!((answer.status(), &answer.json()["kind"]), (201, &json!(kind)));
    }
    let target = api.target(&scratch.name("table"), "");
    let request = Request::new("PATCH", &target).body(MERGE, "{\"spec\":{\"ttlMillis\":60000}}");
    let yaml = api.send(&request.accept("application/yaml"));
    assert!(yaml.text().contains("\n  ttlMillis: 60000\n"), "{}", yaml.excerpt());
    let refused = Request::new("DELETE", &target).accept("application/xml");
    status(&api.send(&refused), 406, "NotAcceptable");
    api.settled(&scratch.name("table"));
}
