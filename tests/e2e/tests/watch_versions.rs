//! Versions: from which a watch may begin, what it then tells, and what of them a state has wherever it is read.

use e2e::{
    Lab, Protocol, Request, Scratch, Stream, Watcher,
    api::{condition, ok, workspace},
    check::{names, status},
    envoy::eventually,
    stream::PROTOCOLS,
    watch::{request, version},
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Generous: what such a watch has to say is known already.
const SOON: Duration = Duration::from_secs(40);

/// A version of a moment this many milliseconds from now.
fn moment(milliseconds: i64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let moment = i64::try_from(now).unwrap() + milliseconds;
    u64::try_from(moment).unwrap() << 21
}

#[test]
fn a_version_that_is_too_old_is_said_to_be_in_the_stream() {
    let Some(lab) = Lab::shared() else { return };
    let path = lab.path("coderworkspaces");
    // A list makes sure that there is a history to be older than.
    ok(&lab.front().get(&path));
    for old in [1, 1 << 21, moment(-365 * 24 * 3_600_000)] {
        for (protocol, more) in [
            (Protocol::Http1, ""),
            (Protocol::Http2, "&allowWatchBookmarks=true"),
            (Protocol::Http1, "&fieldSelector=metadata.name%3Dcoder.alice.ws0"),
            (Protocol::Http1, "&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"),
        ] {
            let target = request(&path, &format!("timeoutSeconds=60&resourceVersion={old}{more}")).target;
            let mut stream = Stream::get(&lab.front(), protocol, &target);
            assert_eq!(stream.head().status, 200, "{target}: {:?}", stream.next(SOON));
            let events = stream.rest(SOON);
            assert_eq!(events.len(), 1, "{target}: {events:?}");
            let said = &events[0]["object"];
            assert_eq!(
                (&events[0]["type"], &said["kind"], &said["apiVersion"]),
                (&json!("ERROR"), &json!("Status"), &json!("v1"))
            );
            assert_eq!(
                (&said["status"], &said["code"], &said["reason"]),
                (&json!("Failure"), &json!(410), &json!("Expired"))
            );
            let message = said["message"].as_str().unwrap();
            assert!(message.starts_with("too old resource version"), "{message}");
        }
    }
}

#[test]
fn an_old_version_does_for_a_watch_that_begins_with_what_there_is() {
    let Some(lab) = Lab::shared() else { return };
    let path = lab.path("coderworkspaces");
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=1";
    let events = Stream::get(&lab.front(), Protocol::Http1, &request(&path, query).target).rest(SOON);
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let added = kinds.iter().take_while(|kind| **kind == "ADDED").count();
    assert!(added > 2 && added < kinds.len(), "{kinds:?}");
    assert!(kinds[added..].iter().all(|kind| *kind == "BOOKMARK"), "{kinds:?}");
}

#[test]
fn a_version_from_the_future_is_not_waited_for_for_ever() {
    let Some(lab) = Lab::shared() else { return };
    let path = lab.path("coderworkspaces");
    for (protocol, more) in [
        (Protocol::Http1, ""),
        (
            Protocol::Http2,
            "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
        ),
    ] {
        let query = format!("timeoutSeconds=60&resourceVersion={}{more}", moment(24 * 3_600_000));
        let mut stream = Stream::get(&lab.front(), protocol, &request(&path, &query).target);
        // Either way is understood by clients; kube-apiserver says so in the stream.
        let said = match stream.head().status {
            200 => {
                let events = stream.rest(SOON);
                assert_eq!((events.len(), &events[0]["type"]), (1, &json!("ERROR")), "{events:?}");
                events[0]["object"].clone()
            }
            _ => stream.response(SOON).json(),
        };
        assert_eq!((&said["code"], &said["reason"]), (&json!(504), &json!("Timeout")), "{said}");
        assert_eq!(said["details"]["causes"][0]["reason"], "ResourceVersionTooLarge", "{said}");
    }
}

#[test]
fn a_version_of_a_moment_ahead_is_waited_for() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, path, name) = (scratch.workspaces(), lab.path("coderworkspaces"), scratch.name("ahead"));
    // What another replica with a clock that goes a little fast has handed out.
    let mut streams = PROTOCOLS.map(|protocol| {
        let query = format!(
            "timeoutSeconds=300&resourceVersion={}&fieldSelector=metadata.name%3D{name}",
            moment(1500)
        );
        Stream::get(&lab.front(), protocol, &request(&path, &query).target)
    });
    std::thread::sleep(Duration::from_millis(1600));
    ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    for stream in &mut streams {
        assert_eq!(stream.head().status, 200, "{:?}", stream.next(SOON));
        let event = stream.event(SOON);
        // It is another's, and soon after the start nothing is known of what others may have seen.
        if event["object"]["code"] == 410 {
            continue;
        }
        assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!(name)));
    }
}

/// The part of a version that says what the object is; the other is when that was seen.
fn hash(object: &Value) -> u64 {
    version(object) & ((1 << 21) - 1)
}

/// What a life of a workspace tells a watcher of its owner's.
fn life(lab: &Lab, scratch: &Scratch<'_>, name: &str) -> (Watcher, String) {
    let (api, selector) = (scratch.workspaces(), format!("labelSelector=coder.com/owner%3D{}", scratch.user));
    let mut watcher = Watcher::list(&lab.front(), Protocol::Http1, &lab.path("coderworkspaces"), &selector);
    let done = |running: bool| {
        move |object: &Value| object["spec"]["running"] == running && condition(object, "Ready") == "True"
    };
    ok(&api.create("", &workspace(name, "plain", &json!({}))));
    watcher.knows(name, "started", done(true));
    ok(&api.merge(name, &json!({"spec": {"ttlMillis": 60_000}})));
    watcher.knows(name, "changed", |object| object["spec"]["ttlMillis"] == 60_000);
    ok(&api.merge(name, &json!({"spec": {"running": false}})));
    watcher.knows(name, "stopped", done(false));
    ok(&api.delete(name, "", &Value::Null));
    watcher.knows_gone(name);
    (watcher, selector)
}

/// Whether watches from each version of a life tell exactly what came after, or what else they tell.
fn replayed(lab: &Lab, short: &str) -> Result<(), String> {
    let scratch = Scratch::new(lab);
    let (watcher, selector) = life(lab, &scratch, &scratch.name(short));
    let told: Vec<(u64, String, Value)> = watcher
        .events
        .iter()
        .filter(|event| event.kind != "BOOKMARK")
        .map(|event| (event.version(), event.kind.clone(), event.object.clone()))
        .collect();
    // What it was waited for, each time; what comes in between may be told together with it.
    assert!(told.len() >= 4, "{told:?}");
    let streams: Vec<Stream> = told
        .iter()
        .enumerate()
        .map(|(number, (version, ..))| {
            let query = format!("timeoutSeconds=2&resourceVersion={version}&{selector}");
            let target = request(&lab.path("coderworkspaces"), &query).target;
            Stream::get(&lab.front(), PROTOCOLS[number % 2], &target)
        })
        .collect();
    for ((since, ..), mut stream) in told.iter().zip(streams) {
        let again = stream.rest(SOON);
        if again.iter().any(|event| event["type"] == "ERROR" && event["object"]["code"] == 410) {
            return Err(format!("{since} is too old"));
        }
        let kind = |event: &Value| event["type"].as_str().unwrap().to_owned();
        let again: Vec<_> = again
            .iter()
            .map(|event| (version(&event["object"]), kind(event), event["object"].clone()))
            .collect();
        let expect: Vec<_> = told.iter().filter(|(version, ..)| version > since).cloned().collect();
        if again != expect {
            return Err(format!("since {since}: {again:?}\ninstead of {expect:?}"));
        }
    }
    Ok(())
}

#[test]
fn a_watch_from_any_version_tells_exactly_what_came_after() {
    let Some(lab) = Lab::exclusive() else { return };
    // Where other Envoys have been heard of lately, versions of events may be theirs: for a while too old, or gone on from with each object once.
    let (start, mut round) = (Instant::now(), 0);
    while let Err(problem) = replayed(&lab, &format!("replayed{round}")) {
        assert!(start.elapsed() < Duration::from_secs(240), "{problem}");
        round += 1;
    }
}

#[test]
fn a_state_has_one_hash_wherever_it_is_read() {
    let Some(lab) = Lab::exclusive() else { return };
    let scratch = Scratch::new(&lab);
    let (api, path, name) = (scratch.workspaces(), lab.path("coderworkspaces"), scratch.name("same"));
    let mut watcher = Watcher::list(&lab.front(), Protocol::Http1, &path, "");
    ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    for spec in [
        json!({}),
        json!({"ttlMillis": 60_000}),
        json!({"running": false}),
        json!({"automaticUpdates": "always"}),
    ] {
        ok(&api.merge(&name, &json!({"spec": spec})));
        let object = api.ready(&name);
        watcher.converge();
        let told = watcher.known(&name).unwrap().clone();
        assert_eq!(hash(&told), hash(&object), "after {spec}: {told} / {object}");
        let list = ok(&lab.front().get(&path));
        let listed =
            list["items"].as_array().unwrap().iter().find(|item| item["metadata"]["name"] == name).unwrap();
        assert_eq!(hash(listed), hash(&told), "after {spec}");
        assert!(version(&list) >= version(&told));
        // Which therefore is no conflict.
        let mut put = object.clone();
        put["metadata"]["resourceVersion"] = told["metadata"]["resourceVersion"].clone();
        ok(&api.replace(&name, "", &put));
    }
}

#[test]
fn a_list_and_the_watch_from_it_leave_no_gap() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, path) = (scratch.workspaces(), lab.path("coderworkspaces"));
    let name = scratch.name("busy");
    ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    api.ready(&name);
    let selector = format!("labelSelector=coder.com/owner%3D{}", scratch.user);
    // Lists and watches while something changes all the time.
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let mut minutes = 0_i64;
            while !enough.load(Ordering::Relaxed) {
                minutes += 1;
                ok(&api.merge(&name, &json!({"spec": {"ttlMillis": minutes * 60_000}})));
            }
            minutes
        });
        let mut watchers: Vec<Watcher> = (0..6)
            .map(|number| Watcher::list(&lab.front(), PROTOCOLS[number % 2], &path, &selector))
            .collect();
        enough.store(true, Ordering::Relaxed);
        let minutes = work.join().unwrap();
        for watcher in &mut watchers {
            watcher.knows(&name, "as it was left", |object| object["spec"]["ttlMillis"] == minutes * 60_000);
            watcher.converge();
        }
    });
}

#[test]
fn a_list_from_what_is_known_asks_coder_nothing() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let (api, path, name) = (scratch.workspaces(), lab.path("coderworkspaces"), scratch.name("known"));
    ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    api.ready(&name);
    let mut watcher = Watcher::list(&scratch.front(), Protocol::Http1, &path, "");
    let mut calls = scratch.calls().unwrap();
    eventually("lists are answered without Coder", SOON, || {
        calls.restart();
        let list = ok(&scratch.front().get(&format!("{path}?resourceVersion=0")));
        assert!(version(&list) > 0);
        calls.all().is_empty().then_some(())
    });
    for query in [
        "resourceVersion=0",
        "resourceVersion=0&limit=500",
        "resourceVersion=0&labelSelector=coder.com/owner%3Dalice",
    ] {
        calls.restart();
        let old = ok(&scratch.front().get(&format!("{path}?{query}")));
        assert_eq!(calls.all(), [], "{query}");
        let new = ok(&scratch.front().get(&format!(
            "{path}?{}",
            query.trim_start_matches("resourceVersion=0").trim_start_matches('&')
        )));
        assert_ne!(calls.all(), [], "a list without a version is Coder's present state");
        // What other tests have left behind may just be going.
        let lasting = |list: &Value| {
            let names = names(list).into_iter();
            names.filter(|other| !other.contains(".e2e") || *other == name).collect::<Vec<_>>()
        };
        assert_eq!(lasting(&old), lasting(&new), "{query}");
        assert!(version(&old) <= version(&new));
    }
    // One's own write is known soon.
    ok(&api.merge(&name, &json!({"spec": {"ttlMillis": 60_000}})));
    eventually("it is known", SOON, || {
        let target = format!("{path}?resourceVersion=0&fieldSelector=metadata.name%3D{name}");
        let list = ok(&scratch.front().get(&target));
        (list["items"][0]["spec"]["ttlMillis"] == 60_000).then_some(())
    });
    watcher.knows(&name, "changed", |object| object["spec"]["ttlMillis"] == 60_000);
}

#[test]
fn a_list_that_must_not_be_older_is_not() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, path, name) = (scratch.workspaces(), lab.path("coderworkspaces"), scratch.name("fresh"));
    let mut watcher = Watcher::list(&lab.front(), Protocol::Http1, &path, "");
    ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    let added = watcher.until("created", |event| event.is("ADDED", &name));
    for query in ["", "resourceVersionMatch=NotOlderThan&"] {
        let target =
            format!("{path}?{query}resourceVersion={}&fieldSelector=metadata.name%3D{name}", added.version());
        let list = ok(&lab.front().get(&target));
        assert!(version(&list) >= added.version());
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{target}");
    }
    let future =
        format!("{path}?resourceVersion={}&resourceVersionMatch=NotOlderThan", moment(24 * 3_600_000));
    status(&lab.front().send(&Request::get(&future)), 504, "Timeout");
}

#[test]
fn a_bookmark_is_a_version_to_go_on_from() {
    let Some(lab) = Lab::exclusive() else { return };
    let scratch = Scratch::new(&lab);
    let (api, path) = (scratch.workspaces(), lab.path("coderworkspaces"));
    let selector = format!("labelSelector=coder.com/owner%3D{}", scratch.user);
    let (start, mut round) = (Instant::now(), 0);
    loop {
        round += 1;
        let name = scratch.name(&format!("marked{round}"));
        let first = Watcher::streaming(&lab.front(), Protocol::Http2, &path, &selector);
        ok(&api.create("", &workspace(&name, "plain", &json!({}))));
        api.ready(&name);
        let query = format!("timeoutSeconds=60&resourceVersion={}&{selector}", first.version);
        let mut second = Stream::get(&lab.front(), Protocol::Http1, &request(&path, &query).target);
        let event = second.event(SOON);
        // Where other Envoys have been heard of lately, versions may be theirs, and for a while too old.
        if event["object"]["code"] == 410 && start.elapsed() < Duration::from_secs(240) {
            continue;
        }
        assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!(name)));
        return;
    }
}
