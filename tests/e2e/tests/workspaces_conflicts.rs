//! What stands in a change's way: what never changes, what others changed meanwhile, a build that goes on, and forms that are not served.

use e2e::{
    Lab, Request, Scratch,
    api::{APPLY, JSON_PATCH, MERGE, causes, ok, workspace},
    check::status,
    envoy::vm_reloads,
    seed::coder_workspace,
};
use echo_archive::{Archive, Phase};
use serde_json::{Value, json};

fn plain(scratch: &Scratch<'_>) -> String {
    scratch.coder_workspace("plain", "plain", &json!({}));
    scratch.name("plain")
}

#[test]
fn what_never_changes_is_refused() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), plain(&scratch));
    let before = api.ready(&name);
    let calls = scratch.calls();
    for (spec, field) in [
        (json!({"organization": "other"}), "spec.organization"),
        (json!({"templateName": "dev"}), "spec.templateName"),
        (json!({"ttlMillis": 90_000}), "spec.ttlMillis"),
        (json!({"ttlMillis": 2_592_060_000_u64}), "spec.ttlMillis"),
        (json!({"autostartSchedule": "never on Sundays"}), "spec.autostartSchedule"),
        (json!({"automaticUpdates": "perhaps"}), "spec.automaticUpdates"),
    ] {
        let mut object = before.clone();
        e2e::api::merge(&mut object["spec"], &spec);
        for response in [api.merge(&name, &json!({"spec": spec})), api.replace(&name, "", &object)] {
            let answer = status(&response, 422, "Invalid");
            assert!(causes(&answer).iter().any(|(name, ..)| name == field), "{field}: {answer}");
        }
    }
    let mut renamed = before.clone();
    renamed["metadata"]["name"] = json!(scratch.name("other"));
    status(&api.replace(&name, "", &renamed), 400, "BadRequest");
    let mut moved = before.clone();
    moved["metadata"]["namespace"] = json!("elsewhere");
    status(&api.replace(&name, "", &moved), 400, "BadRequest");
    assert_eq!(api.get(&name), before);
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
}

#[test]
fn a_stale_version_is_a_conflict() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), plain(&scratch));
    let old = api.ready(&name);
    ok(&api.merge(&name, &json!({"spec": {"ttlMillis": 3_600_000}})));
    let calls = scratch.calls();
    let mut stale = old.clone();
    stale["spec"]["automaticUpdates"] = json!("always");
    let version = &old["metadata"]["resourceVersion"];
    let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"automaticUpdates": "always"}});
    let json_patch = json!([
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/spec/automaticUpdates", "value": "always"},
    ]);
    for response in [
        api.replace(&name, "", &stale),
        api.replace(&name, "dryRun=All", &stale),
        api.merge(&name, &patch),
        api.patch(&name, "", JSON_PATCH, &json_patch),
    ] {
        let answer = status(&response, 409, "Conflict");
        let message = answer["message"].as_str().unwrap();
        assert!(
            message.contains("the object has been modified; please apply your changes to the latest version"),
            "{message}"
        );
        assert_eq!(answer["details"]["name"], name);
    }
    assert_eq!(coder_workspace(&lab, &name)["automatic_updates"], "never");
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
    let current = api.get(&name);
    stale["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"].clone();
    assert_eq!(ok(&api.replace(&name, "", &stale))["spec"]["automaticUpdates"], "always");
}

#[test]
fn a_listed_version_is_as_good_as_one_that_was_read() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), plain(&scratch));
    api.ready(&name);
    let query = format!("labelSelector=coder.com/owner%3D{}", scratch.user);
    let list = ok(&api.send(&Request::get(&api.target("", &query))));
    let version = &list["items"][0]["metadata"]["resourceVersion"];
    let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"ttlMillis": 60_000}});
    assert_eq!(ok(&api.merge(&name, &patch))["spec"]["ttlMillis"], 60_000);
}

#[test]
fn another_object_of_the_same_name_is_a_conflict() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), plain(&scratch));
    let mut object = api.ready(&name);
    let id = "00000000-0000-4000-8000-000000000000";
    object["metadata"]["uid"] = json!(id);
    let calls = scratch.calls();
    for response in [
        api.replace(&name, "", &object),
        api.merge(&name, &json!({"metadata": {"uid": id}, "spec": {"ttlMillis": 60_000}})),
    ] {
        let answer = status(&response, 409, "Conflict");
        assert!(answer["message"].as_str().unwrap().contains(id), "{answer}");
    }
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("absent"));
    let object = workspace(&name, "plain", &json!({}));
    for (name, object) in [
        (name.clone(), object.clone()),
        (name.replace("absent", "ABSENT"), workspace(&name.replace("absent", "ABSENT"), "plain", &json!({}))),
        ("coder.nobody-at-all.x".to_owned(), workspace("coder.nobody-at-all.x", "plain", &json!({}))),
    ] {
        status(&api.replace(&name, "", &object), 404, "NotFound");
        status(&api.merge(&name, &json!({"spec": {"running": false}})), 404, "NotFound");
        status(&api.patch(&name, "", JSON_PATCH, &json!([])), 404, "NotFound");
    }
    assert_eq!(scratch.held(), Vec::<Value>::new());
}

#[test]
fn patches_that_are_none_are_told_apart() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), plain(&scratch));
    let before = api.ready(&name);
    let (calls, reloads) = (scratch.calls(), vm_reloads(&lab));
    let strategic = "application/strategic-merge-patch+json";
    let answer = status(&api.patch(&name, "", strategic, &json!({"spec": {}})), 415, "UnsupportedMediaType");
    for served in [JSON_PATCH, MERGE, APPLY] {
        assert!(answer["message"].as_str().unwrap().contains(served), "{served}: {answer}");
    }
    for kind in ["application/json", "text/plain", "application/merge-patch+yaml", ""] {
        status(&api.patch(&name, "", kind, &json!({})), 415, "UnsupportedMediaType");
    }
    let raw = |kind: &str, body: &str| {
        api.send(&Request::new("PATCH", &api.target(&name, "fieldManager=e2e")).body(kind, body))
    };
    for (kind, body, codes) in [
        (MERGE, "{", &[400][..]),
        (MERGE, "", &[400]),
        (MERGE, "[]", &[400]),
        (MERGE, "{\"spec\":\"text\"}", &[400, 422]),
        (JSON_PATCH, "{}", &[400]),
        (JSON_PATCH, "[{\"op\":\"invent\",\"path\":\"/spec\"}]", &[400, 422]),
        (JSON_PATCH, "[{\"op\":\"remove\",\"path\":\"/spec/nosuch\"}]", &[422]),
        (JSON_PATCH, "[{\"op\":\"test\",\"path\":\"/spec/running\",\"value\":false}]", &[422]),
        (JSON_PATCH, "[{\"op\":\"replace\",\"path\":\"/spec/organization\",\"value\":7}]", &[400, 422]),
        // Into itself, and after an operation that went well: nothing may be left half done.
        (JSON_PATCH, r#"[{"op":"move","from":"/spec","path":"/spec/x"}]"#, &[400, 422]),
        (
            JSON_PATCH,
            r#"[{"op":"remove","path":"/status"},{"op":"move","from":"/spec","path":"/spec/x/y"}]"#,
            &[400, 422],
        ),
        (
            JSON_PATCH,
            r#"[{"op":"add","path":"/spec/ttlMillis","value":60000},{"op":"remove","path":"/a"}]"#,
            &[422],
        ),
        (APPLY, "{", &[400]),
        (APPLY, "a: [", &[400]),
    ] {
        let response = raw(kind, body);
        assert!(
            codes.contains(&response.status()),
            "{kind} {body}: {} {}",
            response.status(),
            response.excerpt()
        );
        assert_eq!(response.json()["kind"], "Status");
    }
    assert_eq!(vm_reloads(&lab), reloads);
    assert_eq!(api.get(&name), before);
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
}

#[test]
fn a_build_that_goes_on_is_in_the_way_of_another_and_of_no_setting() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let template = scratch.coder_template("slow", &Archive::plain().hang(Phase::Apply));
    let (api, name) = (scratch.workspaces(), scratch.name("slow"));
    let object = ok(&api.create("", &workspace(&name, &template, &json!({}))));
    assert_eq!(object["spec"]["running"], true);
    let mut calls = scratch.calls();
    for spec in [
        json!({"running": false}),
        json!({"running": false, "ttlMillis": 600_000, "automaticUpdates": "always"}),
    ] {
        for query in ["", "dryRun=All"] {
            let answer = status(&api.patch(&name, query, MERGE, &json!({"spec": spec})), 409, "Conflict");
            assert!(
                answer["message"].as_str().unwrap().contains("A workspace build is already active"),
                "{answer}"
            );
        }
    }
    if let Some(calls) = &mut calls {
        assert_eq!(
            calls.writes(),
            Vec::<String>::new(),
            "a setting is not changed when the build cannot be made"
        );
        calls.restart();
    }
    let answer = ok(&api.merge(&name, &json!({"spec": {"ttlMillis": 600_000}})));
    assert_eq!(answer["spec"]["ttlMillis"], 600_000);
    let answer = status(&api.delete(&name, "", &Value::Null), 409, "Conflict");
    assert!(answer["message"].as_str().unwrap().contains("A workspace build is already active"), "{answer}");
    assert_eq!(coder_workspace(&lab, &name)["latest_build"]["build_number"], 1);
}

#[test]
fn the_status_is_coders_alone() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), plain(&scratch));
    let object = api.ready(&name);
    let path = format!("{name}/status");
    assert_eq!(api.get(&path), object);
    status(&api.replace(&path, "", &object), 405, "MethodNotAllowed");
    status(&api.merge(&path, &json!({"status": {}})), 405, "MethodNotAllowed");
    status(&api.delete(&path, "", &Value::Null), 405, "MethodNotAllowed");
}

#[test]
fn each_verb_needs_its_own_right() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), plain(&scratch));
    let object = api.ready(&name);
    let one = api.target(&name, "");
    let scale = api.target(&format!("{name}/scale"), "");
    let text = |patch: Value| patch.to_string();
    for (request, verb, resource) in [
        (Request::new("PUT", &one).json(&object), "update", "coderworkspaces"),
        (
            Request::new("PATCH", &one).body(MERGE, text(json!({"spec": {"running": false}}))),
            "patch",
            "coderworkspaces",
        ),
        (Request::new("DELETE", &one), "delete", "coderworkspaces"),
        (Request::new("DELETE", &api.target("", "")), "deletecollection", "coderworkspaces"),
        (
            Request::new("PATCH", &scale).body(MERGE, text(json!({"spec": {"replicas": 0}}))),
            "patch",
            "coderworkspaces/scale",
        ),
    ] {
        let answer = status(&lab.front_user().send(&request), 403, "Forbidden");
        let expect = format!("User \"alice\" cannot {verb} resource \"{resource}\" in API group");
        assert!(answer["message"].as_str().unwrap().contains(&expect), "{answer}");
    }
    assert_eq!(api.get(&name), object);
}
