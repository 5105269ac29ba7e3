//! Selectors of watches: an object that begins to match is ADDED, one that ceases to is DELETED, whatever else happens to it.

use e2e::{
    Lab, Protocol, Request, Role, Scratch, Watcher,
    api::{PATIENCE, condition, ok, workspace},
    check::{names, status},
    envoy::eventually,
    seed::coder_change,
    watch::Event,
};
use echo_archive::{Archive, Phase, Transition};
use serde_json::{Value, json};

/// A watcher of this test's own workspaces, further selected by a field.
#[track_caller]
fn by_field(lab: &Lab, scratch: &Scratch<'_>, selector: &str) -> Watcher {
    let query = format!("labelSelector=coder.com/owner%3D{}&fieldSelector={selector}", scratch.user);
    Watcher::list(&lab.front(), Protocol::Http1, &lab.path("coderworkspaces"), &query)
}

/// Whether a list with the watcher's own selector has the object.
fn listed(lab: &Lab, query: &str, name: &str) -> bool {
    names(&ok(&lab.front().get(&format!("{}?{query}", lab.path("coderworkspaces")))))
        .contains(&name.to_owned())
}

#[test]
fn what_begins_to_match_is_added_and_what_ceases_to_is_deleted() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("turns"));
    scratch.coder_workspace("turns", "plain", &json!({}));
    api.ready(&name);
    let mut running = by_field(&lab, &scratch, "spec.running%3Dtrue");
    let mut stopped = by_field(&lab, &scratch, "spec.running%3Dfalse");
    let mut built = by_field(&lab, &scratch, "status.latestBuildStatus%3Drunning,spec.running!%3Dfalse");
    assert_eq!((running.store.len(), stopped.store.len(), built.store.len()), (1, 0, 1));
    for (run, round) in [(false, 0), (true, 1), (false, 2)] {
        ok(&api.merge(&name, &json!({"spec": {"running": run}})));
        let (enters, leaves) = if run { (&mut running, &mut stopped) } else { (&mut stopped, &mut running) };
        let added = enters.until("added", |event| event.is("ADDED", &name));
        let deleted = leaves.knows_gone(&name);
        assert_eq!(added.object["spec"]["running"], run, "round {round}");
        assert_eq!(deleted.object["metadata"]["uid"], added.object["metadata"]["uid"], "round {round}");
        api.ready(&name);
        enters.knows(&name, "settled", |object| condition(object, "Ready") == "True");
    }
    for watcher in [&mut running, &mut stopped, &mut built] {
        watcher.converge();
    }
    assert_eq!(built.store.len(), 0);
    // It never leaves twice, nor enters twice: the watchers check that.
    ok(&api.delete(&name, "", &Value::Null));
    stopped.knows_gone(&name);
    api.gone(&name);
    stopped.converge();
}

#[test]
fn labels_select_who_is_told() {
    let Some(lab) = Lab::writing() else { return };
    let (scratch, other) = (Scratch::new(&lab), Scratch::new(&lab));
    let path = lab.path("coderworkspaces");
    let watch = |selector: &str| {
        let query = format!("labelSelector={}", selector.replace("OWNER", &scratch.user));
        Watcher::list(&lab.front(), Protocol::Http2, &path, &query)
    };
    let mut inside = [
        "coder.com/owner%3DOWNER",
        "coder.com/owner+in+(OWNER,nobody)",
        "coder.com/owner%3DOWNER,coder.com/template+notin+(dev)",
        "coder.com/owner%3DOWNER,coder.com/organization%3Dcoder,!coder.com/nothing",
    ]
    .map(watch);
    let mut outside =
        ["coder.com/owner!%3DOWNER", "coder.com/owner%3DOWNER,coder.com/template%3Ddev", "nothing%3Dat-all"]
            .map(watch);
    for watcher in &inside {
        assert!(watcher.store.is_empty());
    }
    let names = [scratch.name("mine"), other.name("theirs")];
    for (name, scratch) in names.iter().zip([&scratch, &other]) {
        ok(&scratch.workspaces().create("", &workspace(name, "plain", &json!({}))));
        scratch.workspaces().ready(name);
    }
    for watcher in &mut inside {
        watcher.knows(&names[0], "ready", |object| condition(object, "Ready") == "True");
        assert!(watcher.about(&names[1]).is_empty());
        watcher.converge();
    }
    outside[0].knows(&names[1], "ready", |object| condition(object, "Ready") == "True");
    for watcher in &mut outside {
        watcher.converge();
        assert!(watcher.about(&names[0]).is_empty());
    }
}

#[test]
fn a_rename_moves_an_object_between_watches_of_its_names() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let coder = scratch.coder_workspace("old", "plain", &json!({}));
    let (old, new) = (scratch.name("old"), scratch.name("new-one"));
    scratch.workspaces().ready(&old);
    let [mut at_old, mut at_new] =
        [&old, &new].map(|name| by_field(&lab, &scratch, &format!("metadata.name%3D{name}")));
    let path = format!("/workspaces/{}", coder["id"].as_str().unwrap());
    coder_change(&lab, "PATCH", &path, &json!({"name": "new-one"}));
    at_old.knows_gone(&old);
    at_new.until("there", |event| event.is("ADDED", &new));
    at_old.converge();
    at_new.converge();
}

#[test]
fn a_failed_build_is_what_was_waited_for() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let template = scratch
        .coder_template("unstoppable", &Archive::plain().fail_on(Phase::Apply, Transition::Stop, "stuck"));
    let name = scratch.name("stuck");
    let coder = scratch.coder_workspace("stuck", &template, &json!({}));
    let mut failed = by_field(&lab, &scratch, "status.latestBuildStatus%3Dfailed");
    assert!(failed.store.is_empty());
    scratch.coder_build(&coder, "stop");
    failed.until("failed", |event| event.is("ADDED", &name));
    assert!(listed(&lab, "fieldSelector=status.latestBuildStatus%3Dfailed", &name));
    failed.converge();
}

#[test]
fn namespaces_are_selected_by_field_too() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let everywhere = format!("{}/coderworkspaces", e2e::GROUP_VERSION);
    let watch = |selector: &str| {
        let query = format!("fieldSelector={selector}&labelSelector=coder.com/owner%3D{}", scratch.user);
        Watcher::list(&lab.front(), Protocol::Http1, &everywhere, &query)
    };
    let mut here = watch(&format!("metadata.namespace%3D{}", lab.namespace));
    let mut elsewhere = watch(&format!("metadata.namespace!%3D{}", lab.namespace));
    let name = scratch.name("placed");
    ok(&scratch.workspaces().create("", &workspace(&name, "plain", &json!({}))));
    here.until("made", |event| event.is("ADDED", &name));
    let added: Vec<&Event> = here.about(&name);
    assert_eq!(added[0].object["metadata"]["namespace"], lab.namespace);
    scratch.workspaces().ready(&name);
    elsewhere.converge();
    assert!(elsewhere.store.is_empty());
    here.converge();
}

#[test]
fn one_who_may_watch_one_object_watches_that_one() {
    let Some(lab) = Lab::writing() else { return };
    if !lab.is_real("roles") {
        return;
    }
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace("only", "plain", &json!({}));
    let name = scratch.name("only");
    let role = Role::new(&lab, "alone", &["get", "list", "watch"], &[&name]);
    let (front, path) = (role.acting(lab.front()), lab.path("coderworkspaces"));
    let object = lab.path(&format!("coderworkspaces/{name}"));
    eventually("the role takes effect", PATIENCE, || (front.get(&object).status() == 200).then_some(()));
    let mut watcher =
        Watcher::list(&front, Protocol::Http1, &path, &format!("fieldSelector=metadata.name%3D{name}"));
    for query in ["", "&fieldSelector=metadata.name%3Dcoder.alice.ws0", "&fieldSelector=metadata.name!%3Dx"] {
        let refused = front.send(&Request::get(&format!("{path}?watch=true&timeoutSeconds=1{query}")));
        status(&refused, 403, "Forbidden");
    }
    ok(&scratch.workspaces().merge(&name, &json!({"spec": {"ttlMillis": 60_000}})));
    watcher.until("changed", |event| event.object["spec"]["ttlMillis"] == 60_000);
}
