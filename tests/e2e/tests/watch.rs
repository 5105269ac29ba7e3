//! Watches of workspaces: what happens in Coder is told once, in order and to its end, whoever did it.

use e2e::{
    Lab, Protocol, Scratch, Stream, Watcher,
    api::{condition, ok, workspace},
    check::names,
    seed::{RUNNING, coder_change},
    stream::{Next, PROTOCOLS},
    watch::{Event, INITIAL_EVENTS_END, STREAMING_LIST, version},
};
use echo_archive::{Archive, Phase, Transition};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// Generous: what such a watch has to say is known already.
const SOON: Duration = Duration::from_secs(40);

const FINALIZER: &str = "aggregation.coder.com/workspace-build";

/// A workspace whose last build is over, and as asked.
fn settled(running: bool) -> impl Fn(&Value) -> bool {
    move |object| object["spec"]["running"] == running && condition(object, "Ready") == "True"
}

fn kinds(watcher: &Watcher, name: &str) -> Vec<String> {
    watcher.about(name).iter().map(|event| event.kind.clone()).collect()
}

/// An object's events begin with ADDED and end with DELETED, with nothing but MODIFIED in between.
#[track_caller]
fn is_a_life(watcher: &Watcher, name: &str) {
    let kinds = kinds(watcher, name);
    assert!(kinds.len() >= 2, "{kinds:?}");
    assert_eq!((kinds[0].as_str(), kinds[kinds.len() - 1].as_str()), ("ADDED", "DELETED"), "{kinds:?}");
    assert!(kinds[1..kinds.len() - 1].iter().all(|kind| kind == "MODIFIED"), "{kinds:?}");
}

#[test]
fn what_happens_in_coder_is_told_from_the_lists_version_on() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let path = lab.path("coderworkspaces");
    let mut watchers = PROTOCOLS.map(|protocol| Watcher::list(&lab.front(), protocol, &path, ""));
    let name = scratch.name("life");
    let mut coder = scratch.coder_workspace("life", "plain", &json!({}));
    for watcher in &mut watchers {
        watcher.knows(&name, "started", settled(true));
    }
    coder = scratch.coder_build(&coder, "stop");
    for watcher in &mut watchers {
        watcher.knows(&name, "stopped", settled(false));
    }
    // Makes no job and moves no time stamp.
    let id = coder["id"].as_str().unwrap();
    coder_change(&lab, "PUT", &format!("/workspaces/{id}/ttl"), &json!({"ttl_ms": 7_200_000}));
    for watcher in &mut watchers {
        watcher.knows(&name, "changed", |object| object["spec"]["ttlMillis"] == 7_200_000);
    }
    scratch.coder_build(&coder, "delete");
    for watcher in &mut watchers {
        let gone = watcher.knows_gone(&name);
        assert_eq!(gone.object["metadata"]["uid"], coder["id"], "the object as it was last seen");
        is_a_life(watcher, &name);
        watcher.converge();
    }
}

#[test]
fn own_writes_are_told_with_every_step() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, path, name) = (scratch.workspaces(), lab.path("coderworkspaces"), scratch.name("own"));
    let mut watcher = Watcher::list(&lab.front(), Protocol::Http2, &path, "");
    let made = ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    let added = watcher.until("created", |event| event.name() == name);
    assert_eq!((added.kind.as_str(), &added.object["metadata"]["uid"]), ("ADDED", &made["metadata"]["uid"]));
    watcher.knows(&name, "started", settled(true));
    for change in
        [json!({"ttlMillis": 60_000}), json!({"automaticUpdates": "always"}), json!({"ttlMillis": null})]
    {
        ok(&api.merge(&name, &json!({"spec": change})));
        let (field, value) = change.as_object().unwrap().iter().next().unwrap();
        watcher.knows(&name, "changed", |object| object["spec"][field] == *value);
    }
    ok(&api.merge(&name, &json!({"spec": {"running": false}})));
    watcher.knows(&name, "asked to stop", |object| object["spec"]["running"] == false);
    watcher.knows(&name, "stopped", settled(false));
    ok(&api.delete(&name, "", &Value::Null));
    let gone = watcher.knows_gone(&name);
    assert_eq!(gone.object["metadata"]["uid"], made["metadata"]["uid"]);
    is_a_life(&watcher, &name);
    // The same name again is another object.
    let again = ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    let added = watcher.until("made again", |event| event.name() == name);
    assert_eq!((added.kind.as_str(), &added.object["metadata"]["uid"]), ("ADDED", &again["metadata"]["uid"]));
    watcher.converge();
}

#[test]
fn a_deletion_under_way_is_told_before_its_end() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let archive = Archive::plain().fail_on(Phase::Apply, Transition::Delete, "the volume is attached");
    let template = scratch.coder_template("attached", &archive);
    let (api, name) = (scratch.workspaces(), scratch.name("attached"));
    ok(&api.create("", &workspace(&name, &template, &json!({}))));
    api.ready(&name);
    let mut watcher = Watcher::list(&lab.front(), Protocol::Http1, &lab.path("coderworkspaces"), "");
    ok(&api.delete(&name, "", &Value::Null));
    let doomed = watcher.knows(&name, "being deleted", |object| {
        object["metadata"]["deletionTimestamp"].is_string() && condition(object, "BuildSucceeded") == "False"
    });
    assert_eq!(doomed["metadata"]["finalizers"], json!([FINALIZER]));
    assert!(doomed.to_string().contains("the volume is attached"), "{doomed}");
    watcher.converge();
}

#[test]
fn a_rename_is_the_end_of_one_object_and_the_beginning_of_another() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let coder = scratch.coder_workspace("before", "plain", &json!({}));
    let (before, after) = (scratch.name("before"), scratch.name("after"));
    scratch.workspaces().ready(&before);
    let mut watcher = Watcher::list(&lab.front(), Protocol::Http1, &lab.path("coderworkspaces"), "");
    let id = coder["id"].as_str().unwrap();
    coder_change(&lab, "PATCH", &format!("/workspaces/{id}"), &json!({"name": "after"}));
    let told = |event: &Event| event.is("DELETED", &before) || event.is("ADDED", &after);
    let both = [watcher.until("renamed", told), watcher.until("renamed", told)];
    let kinds: BTreeSet<_> = both.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["ADDED", "DELETED"].into());
    assert!(both.iter().all(|event| event.object["metadata"]["uid"] == id));
    watcher.converge();
}

#[test]
fn failures_are_told_in_coders_words() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let mut watcher = Watcher::list(&lab.front(), Protocol::Http1, &lab.path("coderworkspaces"), "");
    scratch.coder_workspace("bad", "broken", &json!({}));
    let failed = watcher
        .knows(&scratch.name("bad"), "failed", |object| condition(object, "BuildSucceeded") == "False");
    assert_eq!(failed["status"]["latestBuildStatus"], "failed", "{}", failed);
    assert!(failed.to_string().contains("failed!"), "{}", failed);
}

#[test]
fn many_changes_at_once_reach_every_watcher() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, path) = (scratch.workspaces(), lab.path("coderworkspaces"));
    let mut watchers: Vec<Watcher> =
        (0..6).map(|number| Watcher::list(&lab.front(), PROTOCOLS[number % 2], &path, "")).collect();
    let names: Vec<String> = (0..4).map(|number| scratch.name(&format!("many{number}"))).collect();
    std::thread::scope(|scope| {
        for name in &names {
            let api = &api;
            scope.spawn(move || {
                ok(&api.create("", &workspace(name, "plain", &json!({}))));
                api.ready(name);
                ok(&api.merge(name, &json!({"spec": {"running": false}})));
                api.ready(name);
                ok(&api.delete(name, "", &Value::Null));
                api.gone(name);
            });
        }
    });
    for watcher in &mut watchers {
        for name in &names {
            watcher.knows_gone(name);
            is_a_life(watcher, name);
        }
        watcher.converge();
    }
}

#[test]
fn a_watch_from_nothing_begins_with_what_there_is() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let coder = scratch.coder_workspace("there", "plain", &json!({}));
    let name = scratch.name("there");
    scratch.workspaces().ready(&name);
    let everywhere = format!("{}/coderworkspaces", e2e::GROUP_VERSION);
    let mut watchers = Vec::new();
    for path in [lab.path("coderworkspaces"), everywhere] {
        let list = ok(&lab.front().get(&path));
        for protocol in PROTOCOLS {
            let watcher = Watcher::streaming(&lab.front(), protocol, &path, "");
            let known: Vec<_> = watcher.store.keys().map(|(_, name)| name.clone()).collect();
            assert!(RUNNING.iter().all(|name| known.contains(&(*name).to_owned())), "{known:?}");
            assert!(known.contains(&name), "{known:?}");
            assert!(watcher.version >= version(&list), "the bookmark is not older than a list before it");
            watchers.push(watcher);
        }
    }
    scratch.coder_build(&coder, "stop");
    for watcher in &mut watchers {
        watcher.knows(&name, "stopped", settled(false));
        watcher.converge();
    }
}

#[test]
fn a_watch_without_a_version_goes_on_after_what_there_is() {
    let Some(lab) = Lab::writing() else { return };
    if !lab.bell {
        return e2e::skip("a long poll ends when it has told what there is");
    }
    let scratch = Scratch::new(&lab);
    let coder = scratch.coder_workspace("legacy", "plain", &json!({}));
    let name = scratch.name("legacy");
    scratch.workspaces().ready(&name);
    let selector = format!("labelSelector=coder.com/owner%3D{}", scratch.user);
    let path = lab.path("coderworkspaces");
    let mut streams = ["resourceVersion=0", "resourceVersion=", ""].map(|version| {
        let target = format!("{path}?watch=true&timeoutSeconds=300&{selector}&{version}");
        Stream::get(&lab.front(), Protocol::Http1, &target)
    });
    for stream in &mut streams {
        let event = stream.event(SOON);
        assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!(name)));
    }
    scratch.coder_build(&coder, "stop");
    for stream in &mut streams {
        loop {
            let event = stream.event(SOON);
            assert_eq!(
                (&event["type"], &event["object"]["metadata"]["name"]),
                (&json!("MODIFIED"), &json!(name))
            );
            if event["object"]["spec"]["running"] == false && condition(&event["object"], "Ready") == "True" {
                break;
            }
        }
    }
}

#[test]
fn one_object_is_watched_alone() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, path) = (scratch.workspaces(), lab.path("coderworkspaces"));
    let (name, other) = (scratch.name("alone"), scratch.name("other"));
    let mut watcher =
        Watcher::list(&lab.front(), Protocol::Http2, &path, &format!("fieldSelector=metadata.name%3D{name}"));
    assert!(watcher.store.is_empty());
    for name in [&other, &name] {
        ok(&api.create("", &workspace(name, "plain", &json!({}))));
        api.ready(name);
    }
    watcher.knows(&name, "started", settled(true));
    for name in [&other, &name] {
        ok(&api.delete(name, "", &Value::Null));
        api.gone(name);
    }
    watcher.knows_gone(&name);
    is_a_life(&watcher, &name);
    assert_eq!(watcher.about(&other).len(), 0);
}

#[test]
fn a_watch_ends_properly_after_the_time_it_asked_for() {
    let Some(lab) = Lab::shared() else { return };
    let list = ok(&lab.front().get(&lab.path("coderworkspaces")));
    for (protocol, seconds) in [(Protocol::Http1, 2), (Protocol::Http2, 3)] {
        let target = format!(
            "{}?watch=true&timeoutSeconds={seconds}&labelSelector=nobody%3Dhas-this&resourceVersion={}",
            lab.path("coderworkspaces"),
            version(&list)
        );
        let start = std::time::Instant::now();
        let mut stream = Stream::get(&lab.front(), protocol, &target);
        assert_eq!(stream.head().status, 200);
        assert_eq!(stream.rest(SOON), Vec::<Value>::new());
        let lasted = start.elapsed();
        assert!(lasted > Duration::from_millis(1000 * seconds - 500), "{protocol:?}: {lasted:?}");
    }
}

#[test]
fn a_namespace_without_coder_is_watched_in_silence() {
    let Some(lab) = Lab::shared() else { return };
    for (namespace, protocol) in [("default", Protocol::Http1), ("kube-system", Protocol::Http2)] {
        let path = format!("{}/namespaces/{namespace}/coderworkspaces", e2e::GROUP_VERSION);
        let list = ok(&lab.front().get(&path));
        assert_eq!(names(&list), Vec::<String>::new());
        let from_list = format!("{path}?watch=true&timeoutSeconds=2&resourceVersion={}", version(&list));
        let mut stream = Stream::get(&lab.front(), protocol, &from_list);
        assert_eq!(stream.head().status, 200);
        assert_eq!(stream.rest(SOON), Vec::<Value>::new());
        let streaming = format!("{path}?{STREAMING_LIST}&timeoutSeconds=2");
        let events = Stream::get(&lab.front(), protocol, &streaming).rest(SOON);
        // There may be further bookmarks.
        assert!(!events.is_empty() && events.iter().all(|event| event["type"] == "BOOKMARK"), "{events:?}");
        assert_eq!(events[0]["object"]["metadata"]["annotations"][INITIAL_EVENTS_END], "true");
        assert!(version(&events[0]["object"]) > 0);
    }
}

#[test]
fn headers_come_before_the_first_event() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.bell {
        return e2e::skip("a long poll is answered as a whole");
    }
    let list = ok(&lab.front().get(&lab.path("coderworkspaces")));
    for protocol in PROTOCOLS {
        let target = format!(
            "{}?watch=true&timeoutSeconds=60&labelSelector=nobody%3Dhas-this&resourceVersion={}",
            lab.path("coderworkspaces"),
            version(&list)
        );
        let mut stream = Stream::get(&lab.front(), protocol, &target);
        let head = stream.head();
        assert_eq!((head.status, head.header("content-type")), (200, Some("application/json")));
        for unwanted in ["content-length", "content-encoding", "etag"] {
            assert_eq!(head.header(unwanted), None, "{unwanted}");
        }
        assert_eq!(stream.next(Duration::from_secs(1)), Next::Quiet);
    }
}
