//! Changing templates: settings at once and without losing others, files as a new version that becomes the active one when it is imported.

use e2e::{
    Api, Lab, Request, Scratch,
    api::{MERGE, causes, condition, files, ok, shown_files, template, warnings},
    check::status,
    seed::{coder_get, version_files},
};
use echo_archive::{Archive, Phase};
use serde_json::{Value, json};

fn in_coder(lab: &Lab, name: &str) -> Value {
    coder_get(lab, &format!("/organizations/coder/templates/{}", short(name)))
}

fn short(name: &str) -> &str {
    name.split_once('.').unwrap().1
}

/// Names of a template's versions, oldest first.
fn versions(lab: &Lab, name: &str) -> Vec<String> {
    let id = in_coder(lab, name)["id"].as_str().unwrap().to_owned();
    let all = coder_get(lab, &format!("/templates/{id}/versions"));
    all.as_array().unwrap().iter().map(|version| version["name"].as_str().unwrap().to_owned()).collect()
}

/// Puts files in place of those that are there. Says nothing of the active version, as manifests should: an earlier import may end between reading and
/// writing, and then it would be another one.
fn put_files(api: &Api, name: &str, archive: &Archive) -> e2e::Response {
    let mut object = api.get(name);
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    object["spec"].as_object_mut().unwrap().remove("versionID");
    object["spec"]["files"] = files(archive);
    api.replace(name, "", &object)
}

/// A template made of files through our API, ready.
fn made(scratch: &Scratch<'_>, what: &str, archive: &Archive) -> String {
    let (api, name) = (scratch.templates(), scratch.template_name(what));
    let spec = json!({"provisioner": "echo", "files": files(archive)});
    ok(&api.create("", &template(&name, &spec)));
    api.ready(&name);
    name
}

#[test]
fn settings_change_and_the_others_stay() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let name = format!("coder.{}", scratch.coder_template("meta", &Archive::plain()));
    // What Coder resets when a change does not repeat it.
    let held = json!({
        "name": short(&name),
        "default_ttl_ms": 7_200_000,
        "activity_bump_ms": 1_800_000,
        "allow_user_cancel_workspace_jobs": true,
        "allow_user_autostart": false,
        "allow_user_autostop": false,
        "failure_ttl_ms": 3_600_000,
        "time_til_dormant_ms": 86_400_000,
        "time_til_dormant_autodelete_ms": 86_400_000,
        "autostop_requirement": {"days_of_week": ["sunday"], "weeks": 2},
        "autostart_requirement": {"days_of_week": ["monday", "tuesday"]},
        "description": "as it was",
        "icon": "/icon/k8s.png",
    });
    let id = in_coder(&lab, &name)["id"].as_str().unwrap().to_owned();
    let changed = lab.coder().send(&Request::new("PATCH", &format!("/api/v2/templates/{id}")).json(&held));
    assert_eq!(changed.status(), 200, "{}", changed.excerpt());
    let api = scratch.templates();
    let before = in_coder(&lab, &name);
    let mut expect = before.clone();
    for (spec, field, value) in [
        (json!({"displayName": "Shown"}), "display_name", json!("Shown")),
        (json!({"description": "as it is"}), "description", json!("as it is")),
        (json!({"icon": "/icon/docker.png"}), "icon", json!("/icon/docker.png")),
        (json!({"icon": null}), "icon", json!("")),
        (json!({"defaultTTLMillis": 3_600_000}), "default_ttl_ms", json!(3_600_000)),
        (json!({"defaultTTLMillis": 0}), "default_ttl_ms", json!(0)),
        (json!({"activityBumpMillis": 60_000}), "activity_bump_ms", json!(60_000)),
        (json!({"allowUserCancelWorkspaceJobs": false}), "allow_user_cancel_workspace_jobs", json!(false)),
    ] {
        let calls = scratch.calls();
        let version = api.get(&name)["metadata"]["resourceVersion"].clone();
        let answer = api.merge(&name, &json!({"spec": spec}));
        let object = ok(&answer);
        assert_eq!(warnings(&answer), "", "{spec}");
        for (field, value) in spec.as_object().unwrap() {
            assert_eq!(object["spec"].get(field).unwrap_or(&Value::Null), value, "{field}");
        }
        assert_ne!(object["metadata"]["resourceVersion"], version, "{spec}");
        expect[field] = value;
        let mut now = in_coder(&lab, &name);
        for moving in ["updated_at", "build_time_stats", "active_user_count"] {
            now[moving] = expect[moving].clone();
        }
        assert_eq!(now, expect, "{spec}");
        if let Some(calls) = calls {
            assert_eq!(calls.writes(), ["PATCH /templates/*"], "{spec}");
        }
    }
}

#[test]
fn what_a_put_leaves_out_is_cleared_or_kept() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), made(&scratch, "put", &Archive::plain()));
    let spec = json!({"displayName": "Shown", "description": "text", "icon": "/icon/k8s.png",
        "defaultTTLMillis": 3_600_000, "activityBumpMillis": 60_000, "allowUserCancelWorkspaceJobs": true});
    ok(&api.merge(&name, &json!({"spec": spec})));
    let object = ok(&api.replace(&name, "", &template(&name, &json!({}))));
    for field in ["displayName", "description", "icon"] {
        assert!(object["spec"].get(field).is_none(), "{field} is cleared: {}", object["spec"]);
    }
    for field in ["defaultTTLMillis", "activityBumpMillis", "allowUserCancelWorkspaceJobs"] {
        assert_eq!(object["spec"][field], spec[field], "{field} is kept");
    }
    assert_eq!(object["spec"]["files"], shown_files(&Archive::plain()), "files are kept");
    assert_eq!(versions(&lab, &name).len(), 1);
}

#[test]
fn what_coder_does_not_keep_is_told() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let name = format!("coder.{}", scratch.coder_template("licence", &Archive::plain()));
    let api = scratch.templates();
    let spec =
        json!({"deprecationMessage": "use another", "requireActiveVersion": true, "displayName": "Kept"});
    let answer = api.merge(&name, &json!({"spec": spec}));
    let object = ok(&answer);
    assert_eq!(object["spec"]["displayName"], "Kept");
    for field in ["deprecationMessage", "requireActiveVersion"] {
        let kept = object["spec"].get(field) == Some(&spec[field]);
        assert_ne!(
            kept,
            warnings(&answer).contains(field),
            "{field}: {} {}",
            object["spec"],
            warnings(&answer)
        );
        // The stand-in has a licence, coderd has none.
        assert_eq!(kept, lab.parts == e2e::Parts::Standin, "{field}");
    }
    if lab.parts == e2e::Parts::Standin {
        assert_eq!(
            (&object["status"]["deprecated"], &api.get(&name)["spec"]["deprecationMessage"]),
            (&json!(true), &json!("use another"))
        );
        let answer = ok(&api.merge(&name, &json!({"spec": {"deprecationMessage": null}})));
        assert_eq!(answer["status"]["deprecated"], false);
    }
}

#[test]
fn nothing_changed_is_nothing_written() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let archive = Archive::plain().file("dir/readme.md", "text\n");
    let (api, name) = (scratch.templates(), made(&scratch, "same", &archive));
    let object = api.get(&name);
    let mut cleaned = object.clone();
    let text = cleaned["spec"]["files"].as_object_mut().unwrap().remove("dir/readme.md").unwrap();
    cleaned["spec"]["files"]["./dir//readme.md"] = text;
    let calls = scratch.calls();
    for answer in [
        api.replace(&name, "", &object),
        api.replace(&name, "", &cleaned),
        api.merge(&name, &json!({})),
        api.merge(&name, &json!({"spec": {"files": files(&archive), "provisioner": "echo"}})),
        api.merge(&name, &json!({"status": {"deprecated": true}})),
    ] {
        assert_eq!(ok(&answer), object);
    }
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
    assert_eq!(versions(&lab, &name).len(), 1);
}

#[test]
fn new_files_are_imported_and_promoted() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) =
        (scratch.templates(), made(&scratch, "rolling", &Archive::plain().file("old.md", "old")));
    let first = api.get(&name);
    let next = Archive::plain().file("new.md", "new");
    let calls = scratch.calls();
    let answer = ok(&put_files(&api, &name, &next));
    assert_eq!(answer["spec"]["files"], shown_files(&next), "the files that are on their way");
    if let Some(calls) = calls {
        let writes = calls.writes();
        let promoted = |write: &&String| !write.contains("PATCH");
        assert_eq!(writes.iter().filter(promoted).count(), 2, "upload and version: {writes:?}");
    }
    let active = |object: &Value| object["status"]["activeVersionID"].clone();
    let object = api.until(&name, "promoted", |object| active(object) != active(&first));
    assert_eq!(object["spec"]["files"], shown_files(&next));
    assert_eq!(object["spec"]["versionID"], active(&object));
    assert_eq!(object["status"]["latestVersion"]["id"], active(&object));
    assert_ne!(object["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    assert_eq!(condition(&api.ready(&name), "ImportSucceeded"), "True");
    assert_eq!(in_coder(&lab, &name)["active_version_id"], active(&object));
    // Repeated, it is found.
    for _ in 0..2 {
        ok(&put_files(&api, &name, &next));
    }
    assert_eq!(versions(&lab, &name).len(), 2);
    // Back again: the version that is there, or another one; what was asked for is the active one.
    ok(&put_files(&api, &name, &Archive::plain().file("old.md", "old")));
    api.until(&name, "promoted again", |object| version_files(&lab, &active(object)).contains_key("old.md"));
}

#[test]
fn files_and_settings_change_together() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), made(&scratch, "both", &Archive::plain()));
    let first = api.get(&name)["status"]["activeVersionID"].clone();
    let next = Archive::plain().file("new.md", "new");
    ok(&api.merge(&name, &json!({"spec": {"files": files(&next), "displayName": "Both"}})));
    let object = api.until(&name, "promoted", |object| object["status"]["activeVersionID"] != first);
    assert_eq!(
        (&object["spec"]["displayName"], &object["spec"]["files"]["new.md"]),
        (&json!("Both"), &json!("new"))
    );
}

#[test]
fn of_changes_in_a_row_the_last_one_stays() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), made(&scratch, "row", &Archive::plain()));
    let archive = |number: u32| Archive::plain().file("number.md", number.to_string());
    for number in 0..4 {
        let answer = ok(&put_files(&api, &name, &archive(number)));
        assert_eq!(answer["spec"]["files"]["number.md"], number.to_string());
    }
    let last =
        |object: &Value| version_files(&lab, &object["status"]["activeVersionID"]) == archive(3).entries();
    let object = api.until(&name, "at the last one", last);
    assert_eq!(object["spec"]["files"]["number.md"], "3");
    // And stays there, whatever the others' imports came to.
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(last(&api.get(&name)));
    assert_eq!(versions(&lab, &name).len(), 5);
}

#[test]
fn an_import_that_fails_leaves_the_active_version() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), made(&scratch, "flawed", &Archive::plain()));
    let first = api.get(&name)["status"]["activeVersionID"].clone();
    let flawed = Archive::plain().fail(Phase::Plan, "unexpected closing brace");
    ok(&put_files(&api, &name, &flawed));
    let object = api.until(&name, "refused", |object| condition(object, "ImportSucceeded") == "False");
    assert_eq!(object["status"]["activeVersionID"], first);
    let why = object["status"]["conditions"].to_string();
    assert!(why.contains("unexpected closing brace"), "{why}");
    assert_eq!(object["spec"]["files"], shown_files(&flawed));
    let calls = scratch.calls();
    ok(&put_files(&api, &name, &flawed));
    ok(&api.replace(&name, "", &api.get(&name)));
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new(), "the same again makes no new version");
    }
    assert_eq!(versions(&lab, &name).len(), 2);
    let mended = Archive::plain().file("mended.md", "");
    ok(&put_files(&api, &name, &mended));
    let object = api.until(&name, "promoted", |object| object["status"]["activeVersionID"] != first);
    assert_eq!(condition(&object, "ImportSucceeded"), "True");
}

#[test]
fn binary_files_stay() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let picture: Vec<u8> = (0..=255).rev().collect();
    let archive = |text: &str| Archive::plain().file("readme.md", text).file("img/logo.png", picture.clone());
    let name = format!("coder.{}", scratch.coder_template("binary", &archive("old")));
    let api = scratch.templates();
    let mut object = api.get(&name);
    assert!(object["spec"]["files"].get("img/logo.png").is_none(), "binary files are not shown");
    let first = object["status"]["activeVersionID"].clone();
    object["spec"]["files"]["readme.md"] = json!("new");
    ok(&api.replace(&name, "", &object));
    let object = api.until(&name, "promoted", |object| object["status"]["activeVersionID"] != first);
    let stored = version_files(&lab, &object["status"]["activeVersionID"]);
    assert_eq!(stored, archive("new").entries(), "the picture is there, byte for byte");
}

#[test]
fn what_never_changes_is_refused() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), made(&scratch, "fixed", &Archive::plain()));
    let before = api.get(&name);
    let calls = scratch.calls();
    for (spec, field) in [
        (json!({"organization": "other"}), "spec.organization"),
        (json!({"versionID": "00000000-0000-4000-8000-000000000000"}), "spec.versionID"),
        (json!({"defaultTTLMillis": -1}), "spec.defaultTTLMillis"),
        (json!({"provisioner": "abacus"}), "spec.provisioner"),
        (json!({"displayName": "x".repeat(65)}), "spec.displayName"),
    ] {
        let answer = status(&api.merge(&name, &json!({"spec": spec})), 422, "Invalid");
        assert!(causes(&answer).iter().any(|(name, ..)| name == field), "{field}: {answer}");
    }
    let stale = json!({"metadata": {"resourceVersion": "1"}, "spec": {"displayName": "x"}});
    status(&api.merge(&name, &stale), 409, "Conflict");
    let other =
        json!({"metadata": {"uid": "00000000-0000-4000-8000-000000000000"}, "spec": {"displayName": "x"}});
    status(&api.merge(&name, &other), 409, "Conflict");
    let dry = ok(&api.patch(
        &name,
        "dryRun=All",
        MERGE,
        &json!({"spec": {"displayName": "Tried", "files": {"a": "b"}}}),
    ));
    assert_eq!((&dry["spec"]["displayName"], &dry["spec"]["files"]["a"]), (&json!("Tried"), &json!("b")));
    assert_eq!(api.get(&name), before);
    let absent = scratch.template_name("absent");
    status(&api.merge(&absent, &json!({})), 404, "NotFound");
    status(&api.replace(&absent, "", &template(&absent, &json!({}))), 404, "NotFound");
    status(&api.merge(&format!("{name}/status"), &json!({})), 405, "MethodNotAllowed");
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
}
