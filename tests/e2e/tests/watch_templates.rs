//! Watches of templates: imports, promotions and settings, whoever began them.

use e2e::{
    Lab, Protocol, Scratch, Watcher,
    api::{condition, files, ok, template},
    seed::{coder_change, coder_get},
};
use echo_archive::{Archive, Phase};
use serde_json::{Value, json};

fn watch(lab: &Lab, protocol: Protocol) -> Watcher {
    Watcher::list(&lab.front(), protocol, &lab.path("codertemplates"), "")
}

fn ready(template: &Value) -> bool {
    condition(template, "Ready") == "True"
}

#[test]
fn a_template_lives_from_create_to_delete() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("life"));
    let mut watcher = watch(&lab, Protocol::Http1);
    let spec = json!({"provisioner": "echo", "files": files(&Archive::plain())});
    let made = ok(&api.create("", &template(&name, &spec)));
    let added = watcher.until("made", |event| event.name() == name);
    assert_eq!((added.kind.as_str(), &added.object["metadata"]["uid"]), ("ADDED", &made["metadata"]["uid"]));
    assert_eq!(added.object["spec"]["files"], Value::Null, "as lists show it");
    watcher.knows(&name, "imported", ready);
    let first = api.ready(&name)["status"]["activeVersionID"].clone();

    ok(&api.merge(&name, &json!({"spec": {"files": files(&Archive::plain().file("next.md", "next"))}})));
    let promoted = watcher.knows(&name, "promoted", |object| {
        object["status"]["activeVersionID"] != first && condition(object, "Ready") == "True"
    });
    let object = api.get(&name);
    assert_eq!(promoted["status"]["activeVersionID"], object["status"]["activeVersionID"]);

    ok(&api.merge(&name, &json!({"spec": {"displayName": "Shown", "defaultTTLMillis": 3_600_000}})));
    watcher.knows(&name, "changed", |object| object["spec"]["displayName"] == "Shown");
    ok(&api.delete(&name, "", &Value::Null));
    let gone = watcher.knows_gone(&name);
    assert_eq!(gone.object["metadata"]["uid"], made["metadata"]["uid"]);
    watcher.converge();
}

#[test]
fn an_import_that_fails_is_told() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("broken"));
    let mut watcher = watch(&lab, Protocol::Http2);
    let broken = Archive::plain().fail(Phase::Plan, "no such image");
    ok(&api.create("", &template(&name, &json!({"provisioner": "echo", "files": files(&broken)}))));
    let failed = watcher.knows(&name, "failed", |object| condition(object, "ImportSucceeded") == "False");
    assert_eq!(condition(&failed, "Ready"), "False");
    watcher.converge();
}

#[test]
fn what_coder_itself_does_to_templates_is_told() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let mut watcher = watch(&lab, Protocol::Http1);
    let short = scratch.coder_template("inside", &Archive::plain());
    let name = format!("coder.{short}");
    watcher.knows(&name, "made", ready);
    let id = scratch.templates().get(&name)["metadata"]["uid"].as_str().unwrap().to_owned();
    // A promotion moves no time stamp.
    let version =
        scratch.coder_version(&Archive::plain().file("more.md", "more"), &json!({"template_id": id}));
    coder_change(&lab, "PATCH", &format!("/templates/{id}/versions"), &json!({"id": version}));
    watcher.knows(&name, "promoted", |object| object["status"]["activeVersionID"] == version);
    // Coder takes what it is not sent for nothing.
    let mut settings = coder_get(&lab, &format!("/templates/{id}"));
    settings["description"] = json!("Told.");
    coder_change(&lab, "PATCH", &format!("/templates/{id}"), &settings);
    watcher.knows(&name, "described", |object| object["spec"]["description"] == "Told.");
    coder_change(&lab, "DELETE", &format!("/templates/{id}"), &json!({}));
    watcher.knows_gone(&name);
    watcher.converge();
}

#[test]
fn workspaces_are_outdated_when_their_template_moves_on() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let short = scratch.coder_template("moves", &Archive::plain());
    let (template, name) = (format!("coder.{short}"), scratch.name("behind"));
    scratch.coder_workspace("behind", &short, &json!({}));
    scratch.workspaces().ready(&name);
    let mut watcher = Watcher::list(&lab.front(), Protocol::Http1, &lab.path("coderworkspaces"), "");
    ok(&scratch
        .templates()
        .merge(&template, &json!({"spec": {"files": files(&Archive::plain().file("new.md", "new"))}})));
    watcher.knows(&name, "outdated", |object| object["status"]["outdated"] == true);
    watcher.converge();
}
