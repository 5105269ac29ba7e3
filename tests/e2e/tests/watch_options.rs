//! What a watch may be asked for and what it refuses, beside kube-apiserver's own answers about its config maps.

use e2e::{
    Lab, Request, Stream,
    check::status,
    stream::PROTOCOLS,
    watch::{INITIAL_EVENTS_END, STREAMING_LIST, request},
};
use serde_json::Value;
use std::time::Duration;

/// Longer than any of these watches lasts.
const SOON: Duration = Duration::from_secs(40);

const CONFIG_MAPS: &str = "configmaps";

/// What a refusal is compared with.
#[derive(Clone, Copy, PartialEq)]
enum Like {
    /// kube-apiserver's own, word by word.
    Kubernetes,
    /// kube-apiserver's own code.
    InCode,
    /// Nothing: kube-apiserver answers something else, and why is said beside it.
    Nothing,
}

#[test]
fn options_that_make_no_sense_are_refused_as_kubernetes_does() {
    use Like::{InCode, Kubernetes, Nothing};
    let Some(lab) = Lab::shared() else { return };
    for (query, code, reason, like) in [
        ("sendInitialEvents=true", 422, "Invalid", Kubernetes),
        ("sendInitialEvents=false", 422, "Invalid", Kubernetes),
        ("sendInitialEvents=true&resourceVersion=0", 422, "Invalid", Kubernetes),
        ("resourceVersionMatch=NotOlderThan", 422, "Invalid", Kubernetes),
        ("resourceVersionMatch=NotOlderThan&resourceVersion=1", 422, "Invalid", Kubernetes),
        ("resourceVersionMatch=Exact&resourceVersion=1", 422, "Invalid", Kubernetes),
        ("resourceVersionMatch=Exact&resourceVersion=1&sendInitialEvents=true", 422, "Invalid", Kubernetes),
        ("resourceVersionMatch=Nope&sendInitialEvents=true", 422, "Invalid", Kubernetes),
        ("labelSelector=%21%21", 400, "BadRequest", Kubernetes),
        ("labelSelector=a+in", 400, "BadRequest", Kubernetes),
        ("fieldSelector=spec.nope%3D1", 400, "BadRequest", InCode),
        ("timeoutSeconds=abc", 400, "BadRequest", InCode),
        ("limit=abc", 400, "BadRequest", InCode),
        // 500 without a reason there.
        ("resourceVersion=abc", 400, "BadRequest", Nothing),
        ("resourceVersion=-1", 400, "BadRequest", Nothing),
        ("resourceVersion=1.5", 400, "BadRequest", Nothing),
    ] {
        println!("{query}");
        let target = |resource: &str| format!("{}&timeoutSeconds=1", request(resource, query).target);
        let ours = lab.front().get(&target(&lab.path("coderworkspaces")));
        let said = status(&ours, code, reason);
        let config_maps = format!("/api/v1/namespaces/{}/{CONFIG_MAPS}", lab.namespace);
        if like == Nothing || !lab.is_real("kube-apiserver's own words") {
            continue;
        }
        let theirs = lab.front().get(&target(&config_maps));
        assert_eq!(theirs.status(), code, "{}", theirs.excerpt());
        if like == Kubernetes {
            assert_eq!(said, theirs.json(), "{query}");
        }
    }
}

#[test]
fn a_method_that_cannot_watch_does_not() {
    let Some(lab) = Lab::shared() else { return };
    let mut paths = vec![lab.path("coderworkspaces")];
    if lab.is_real("kube-apiserver's own refusals") {
        paths.push(format!("/api/v1/namespaces/{}/{CONFIG_MAPS}", lab.namespace));
    }
    for path in paths {
        let head = Request { method: "HEAD".into(), ..request(&path, "timeoutSeconds=1") };
        assert_eq!(lab.front().send(&head).status(), 405, "{path}");
        let put = Request { method: "PUT".into(), ..request(&path, "timeoutSeconds=1") };
        status(&lab.front().send(&put), 405, "MethodNotAllowed");
    }
}

/// How a watch begins.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    /// With what there is.
    State,
    /// The same, and the bookmark that ends it.
    StateAndBookmark,
    /// With nothing.
    Nothing,
    /// It is a list.
    List,
}

fn start_of(events: &[Value]) -> Start {
    let ends = |event: &Value| event["object"]["metadata"]["annotations"][INITIAL_EVENTS_END] == "true";
    // A last bookmark may tell how far one is when the watch ends.
    let told = events.iter().filter(|event| event["type"] != "BOOKMARK" || ends(event));
    let kinds: Vec<_> = told.filter_map(|event| event["type"].as_str()).collect();
    match &*kinds {
        [] => Start::Nothing,
        [added @ .., "BOOKMARK"] if added.iter().all(|kind| *kind == "ADDED") => Start::StateAndBookmark,
        added if added.iter().all(|kind| *kind == "ADDED") => Start::State,
        _ => panic!("{events:?}"),
    }
}

#[test]
fn a_watch_begins_as_its_options_say() {
    let Some(lab) = Lab::shared() else { return };
    // The state of one object, so that kube-apiserver's answer to the same is comparable.
    let name = format!("e2e-options-{}", std::process::id());
    lab.kubectl_direct().run(&format!("create configmap {name} -n {}", lab.namespace)).ok();
    let ours = lab.path("coderworkspaces");
    let theirs = format!("/api/v1/namespaces/{}/{CONFIG_MAPS}", lab.namespace);
    let mut watches = Vec::new();
    let subjects = [(ours.as_str(), e2e::seed::WS0), (theirs.as_str(), name.as_str())];
    for (query, expect) in [
        ("watch=1", Start::State),
        ("watch=t", Start::State),
        ("watch=True", Start::State),
        ("watch", Start::State),
        ("watch=", Start::State),
        ("watch=yes", Start::State),
        ("watch=false", Start::List),
        ("watch=0", Start::List),
        ("watch=true&resourceVersion=", Start::State),
        ("watch=true&resourceVersion=0", Start::State),
        ("watch=true&limit=1&resourceVersion=0", Start::State),
        ("watch=true&pretty=true", Start::State),
        ("watch=true&allowWatchBookmarks=false&resourceVersion=0", Start::State),
        // Watches of old clients are told the end of the initial events as well.
        ("watch=true&allowWatchBookmarks=true", Start::StateAndBookmark),
        ("watch=true&allowWatchBookmarks=true&resourceVersion=0", Start::StateAndBookmark),
        ("watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", Start::State),
        (STREAMING_LIST, Start::StateAndBookmark),
        (
            "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=0",
            Start::StateAndBookmark,
        ),
        (
            "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=",
            Start::StateAndBookmark,
        ),
        ("watch=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", Start::Nothing),
        (
            "watch=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=0",
            Start::Nothing,
        ),
    ] {
        for (path, name) in subjects {
            if path == theirs && !lab.is_real("kube-apiserver's own watches") {
                continue;
            }
            let target = format!("{path}?{query}&timeoutSeconds=1&fieldSelector=metadata.name%3D{name}");
            if expect == Start::List {
                let list = lab.front().get(&target).json();
                assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{target}");
                continue;
            }
            for protocol in PROTOCOLS {
                watches.push((Stream::get(&lab.front(), protocol, &target), target.clone(), name, expect));
            }
        }
    }
    for (mut stream, target, name, expect) in watches {
        let head = stream.head();
        assert_eq!(head.status, 200, "{target}: {:?}", stream.next(SOON));
        assert_eq!(head.header("content-type"), Some("application/json"), "{target}");
        let events = stream.rest(SOON);
        assert_eq!(start_of(&events), expect, "{target}: {events:?}");
        let named = events.iter().filter(|event| event["object"]["metadata"]["name"] == name).count();
        assert_eq!(named, usize::from(expect != Start::Nothing), "{target}: {events:?}");
    }
    lab.kubectl_direct().run(&format!("delete configmap {name} -n {}", lab.namespace)).ok();
}

#[test]
fn a_watch_of_an_object_by_its_path_is_a_get() {
    let Some(lab) = Lab::shared() else { return };
    let path = lab.path(&format!("coderworkspaces/{}", e2e::seed::WS0));
    let (get, watch) =
        (lab.front().get(&path), lab.front().get(&format!("{path}?watch=true&timeoutSeconds=1")));
    assert_eq!((watch.status(), watch.json()), (200, get.json()));
}

#[test]
fn the_old_watch_prefix_is_not_served() {
    let Some(lab) = Lab::shared() else { return };
    for rest in [
        "namespaces/coder/coderworkspaces",
        "coderworkspaces",
        "namespaces/coder/coderworkspaces/coder.alice.ws0",
    ] {
        let target = format!("{}/watch/{rest}?timeoutSeconds=1", e2e::GROUP_VERSION);
        status(&lab.front().get(&target), 404, "NotFound");
    }
}
