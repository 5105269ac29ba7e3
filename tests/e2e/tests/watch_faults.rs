//! Watches while Coder is down, slow or talks nonsense: nobody is told that something is gone because it could not be read, and what
//! happened meanwhile is told afterwards.

use e2e::{
    Lab, Protocol, Replica, Scratch, Stream, Watcher,
    api::{PATIENCE, condition, ok},
    check::{no_secrets, status},
    faults::{self, Faults},
    seed::coder_change,
    stream::{Next, PROTOCOLS},
    watch::{STREAMING_LIST, request, version},
};
use serde_json::{Value, json};
use std::time::Duration;

/// What can be wrong with Coder, for the filter's calls alone.
fn troubles() -> Vec<(&'static str, Value)> {
    let filters = |mut fault: Value| {
        fault["user_agent"] = json!("coder-kube-filter");
        fault
    };
    vec![
        ("gone", filters(json!({"kind": "reset"}))),
        ("broken", filters(faults::status(500, &json!({"message": "boom"})))),
        (
            "behind a proxy that cannot reach it",
            filters(json!({"kind": "status", "status": 502, "body": "<html>"})),
        ),
        ("not accepting the token", filters(faults::status(401, &json!({"message": "who?"})))),
        ("overloaded", filters(faults::status(429, &json!({"message": "slow down"})))),
        ("talking nonsense", filters(json!({"kind": "garbage"}))),
        ("cutting its answers", filters(json!({"kind": "truncate"}))),
        (
            "saying that there is nothing",
            filters(faults::status(404, &json!({"message": "Route not found."}))),
        ),
    ]
}

#[test]
fn without_coder_no_watch_begins() {
    let Some(lab) = Lab::writing() else { return };
    let port = format!("port_value: {} ", lab.coder_url.rsplit(':').next().unwrap());
    // Nobody listens there.
    let replica = Replica::start(&lab, &[(&port, "port_value: 9 ")]);
    for resource in ["coderworkspaces", "codertemplates"] {
        for query in ["timeoutSeconds=2", STREAMING_LIST, "resourceVersion=0&timeoutSeconds=2"] {
            let response = replica.front().send(&request(&lab.path(resource), query));
            let said = status(&response, 503, "ServiceUnavailable");
            assert!(said["message"].as_str().unwrap().contains(&lab.namespace), "{said}");
            no_secrets(&lab, &response.text());
        }
    }
}

#[test]
fn an_empty_namespace_is_watched_without_coder() {
    let Some(lab) = Lab::writing() else { return };
    let port = format!("port_value: {} ", lab.coder_url.rsplit(':').next().unwrap());
    let replica = Replica::start(&lab, &[(&port, "port_value: 9 ")]);
    let path = format!("{}/namespaces/default/coderworkspaces", e2e::GROUP_VERSION);
    let events =
        Stream::get(&replica.front(), Protocol::Http2, &format!("{path}?{STREAMING_LIST}&timeoutSeconds=2"))
            .rest(PATIENCE);
    // The quota controller waits for this bookmark before it does anything, for any kind of any namespace.
    assert!(!events.is_empty() && events.iter().all(|event| event["type"] == "BOOKMARK"), "{events:?}");
}

#[test]
fn a_coder_in_trouble_is_waited_for_and_then_all_is_told() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let faults = Faults::new(&lab);
    let path = lab.path("coderworkspaces");
    let gone = scratch.coder_workspace("gone", "plain", &json!({}));
    let mut turned = scratch.coder_workspace("turned", "plain", &json!({}));
    scratch.workspaces().ready(&scratch.name("turned"));
    let mut watchers = PROTOCOLS.map(|protocol| Watcher::list(&lab.front(), protocol, &path, ""));
    for watcher in &mut watchers {
        watcher.may_break = true;
    }
    for (number, (trouble, fault)) in troubles().into_iter().enumerate() {
        println!("Coder is {trouble}");
        faults.coder("*", &fault);
        // A long poll may have to wait for its time.
        for watcher in &mut watchers {
            let told = watcher.next(Duration::from_secs(3));
            assert!(told.as_ref().is_none_or(|event| event.kind == "BOOKMARK"), "{trouble}: {told:?}");
        }
        let made = format!("made{number}");
        scratch.coder_workspace(&made, "plain", &json!({}));
        let transition = if number % 2 == 0 { "stop" } else { "start" };
        turned = scratch.coder_build(&turned, transition);
        if number == 0 {
            scratch.coder_build(&gone, "delete");
        }
        let id = turned["id"].as_str().unwrap();
        let ttl = 60_000 * (number + 1);
        coder_change(&lab, "PUT", &format!("/workspaces/{id}/ttl"), &json!({"ttl_ms": ttl}));
        faults.clear();
        for watcher in &mut watchers {
            if number == 0 {
                watcher.knows_gone(&scratch.name("gone"));
            }
            watcher.converge();
            let known = |name: &str| watcher.known(&scratch.name(name)).unwrap();
            assert_eq!(condition(known(&made), "Ready"), "True", "{trouble}");
            assert_eq!(known("turned")["spec"]["ttlMillis"], ttl, "{trouble}");
            assert_eq!(known("turned")["spec"]["running"], transition == "start", "{trouble}");
        }
    }
    let deleted = |watcher: &Watcher| watcher.events.iter().filter(|event| event.kind == "DELETED").count();
    assert!(
        watchers.iter().all(|watcher| deleted(watcher) == 1),
        "what could not be read was never said to be gone"
    );
}

#[test]
fn a_slow_coder_is_not_asked_by_every_watcher() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let faults = Faults::new(&lab);
    let path = lab.path("coderworkspaces");
    scratch.coder_workspace("slow", "plain", &json!({}));
    let list = ok(&lab.front().get(&path));
    faults.coder("/api/v2/workspaces", &json!({"kind": "delay", "delay": 1500, "method": "GET"}));
    let query = format!("timeoutSeconds=300&resourceVersion={}", version(&list));
    let streams: Vec<Stream> = (0..20)
        .map(|number| Stream::open(&lab.front(), PROTOCOLS[number % 2], &request(&path, &query)))
        .collect();
    let lists = || e2e::envoy::upstream_requests(&lab, "coder");
    let before = lists();
    std::thread::sleep(Duration::from_secs(10));
    let calls = lists() - before;
    // A look at the jobs each two seconds, and readings that may take a tenth of the time: not twenty times that.
    assert!(calls < 40, "{calls} calls in ten seconds for {} watchers", streams.len());
    faults.clear();
}

#[test]
fn a_watch_that_has_begun_outlives_a_coder_that_is_gone() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    if !lab.bell {
        return e2e::skip("a long poll has its own end");
    }
    let faults = Faults::new(&lab);
    let path = lab.path("coderworkspaces");
    let list = ok(&lab.front().get(&path));
    let query = format!("timeoutSeconds=20&allowWatchBookmarks=true&resourceVersion={}", version(&list));
    let mut stream = Stream::open(&lab.front(), Protocol::Http1, &request(&path, &query));
    assert_eq!(stream.head().status, 200);
    for (_, fault) in troubles() {
        faults.coder("*", &fault);
    }
    loop {
        match stream.next(PATIENCE) {
            Next::Line(line) => assert!(line.contains("BOOKMARK"), "{line}"),
            end => {
                return assert_eq!(end, Next::Ended(Ok(())), "it ends when its time is over, and properly");
            }
        }
    }
}
