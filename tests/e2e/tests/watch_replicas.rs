//! Watches of several Envoys, and of those that hardly ever ask Coder: what one of them has written, all others tell at once.

use e2e::{
    Api, Lab, Protocol, Replica, Scratch, Watcher,
    api::{condition, ok, workspace},
    check::names,
    envoy::eventually,
    stream::{PROTOCOLS, Stream},
};
use serde_json::{Value, json};
use std::{thread::scope, time::Duration};

/// For a build to end, and for a short watch.
const PATIENCE: Duration = Duration::from_secs(30);

/// Settings with which a change that only Coder knows of would be seen after a minute, at the earliest.
const SELDOM: (&str, &str) = ("\"watch\": {", "\"watch\": { \"pollSeconds\": 60, \"readingSeconds\": 3600,");

/// What makes a configuration with a bell one without. The lab writes its configuration as `envoy/front.yaml` has it.
fn without_bell(lab: &Lab) -> Option<(String, String)> {
    let config = std::fs::read_to_string(std::env::var("ENVOY_CONFIG").ok()?).ok()?;
    if !lab.bell {
        return None;
    }
    let start = config.find("\"watch\": {")?;
    let end = start + config[start..].find("},")? + 2;
    Some((config[start..end].to_owned(), String::new()))
}

fn watchers(path: &str, replicas: &[&e2e::Endpoint]) -> Vec<Watcher> {
    let with =
        |(number, front): (usize, &&e2e::Endpoint)| Watcher::list(front, PROTOCOLS[number % 2], path, "");
    replicas.iter().enumerate().map(with).collect()
}

#[test]
fn of_many_workers_that_begin_together_one_reads_coder() {
    let Some(lab) = Lab::writing() else { return };
    if !lab.bell {
        return e2e::skip("as long polls the same workers would be asked many times");
    }
    let scratch = Scratch::new(&lab);
    let replica = Replica::with_workers(&lab, &[], 12);
    let (front, path) = (replica.front(), lab.path("coderworkspaces"));
    // A watcher takes nothing twice.
    let mut watchers: Vec<Watcher> = scope(|scope| {
        let open = |number: usize| {
            scope.spawn({
                let (front, path) = (&front, &path);
                move || Watcher::streaming(front, PROTOCOLS[number % 2], path, "")
            })
        };
        let open: Vec<_> = (0..36).map(open).collect();
        open.into_iter().map(|watcher| watcher.join().unwrap()).collect()
    });
    let api = Api::new(&lab, scratch.acting(front.clone()), "coderworkspaces");
    let name = scratch.name("worked");
    ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    for watcher in &mut watchers {
        watcher.knows(&name, "started", |object| condition(object, "Ready") == "True");
    }
    api.delete(&name, "", &Value::Null);
    for watcher in &mut watchers {
        watcher.knows_gone(&name);
        watcher.converge();
    }
    // What came first and what came later is known once.
    Watcher::streaming(&front, Protocol::Http2, &path, "").converge();
}

#[test]
fn what_one_wrote_all_others_tell() {
    let Some(lab) = Lab::writing() else { return };
    if !lab.bell {
        return e2e::skip("without a bell others learn of it from Coder");
    }
    let scratch = Scratch::new(&lab);
    let (first, second) = (Replica::start(&lab, &[SELDOM]), Replica::start(&lab, &[SELDOM]));
    let (here, there) = (first.front(), second.front());
    let path = lab.path("coderworkspaces");
    let mut watchers = watchers(&path, &[&here, &there, &lab.front()]);
    let api = Api::new(&lab, scratch.acting(there.clone()), "coderworkspaces");
    let name = scratch.name("rung");
    let tell = |watchers: &mut Vec<Watcher>, what: &str, wanted: &dyn Fn(&Value) -> bool| {
        for watcher in watchers {
            watcher.knows(&name, what, |object| wanted(object));
        }
    };
    ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    tell(&mut watchers, "created", &|object| object["metadata"]["name"] == name);
    // Builds of their own writes are followed to their end.
    tell(&mut watchers, "started", &|object| condition(object, "Ready") == "True");
    ok(&api.merge(&name, &json!({"spec": {"ttlMillis": 120_000}})));
    tell(&mut watchers, "changed", &|object| object["spec"]["ttlMillis"] == 120_000);
    ok(&api.merge(&name, &json!({"spec": {"running": false}})));
    tell(&mut watchers, "stopped", &|object| {
        object["spec"]["running"] == false && condition(object, "Ready") == "True"
    });
    ok(&api.delete(&name, "", &Value::Null));
    for watcher in &mut watchers {
        watcher.knows_gone(&name);
        watcher.converge();
    }
}

#[test]
fn a_watch_goes_on_at_another_replica() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let other = Replica::start(&lab, &[]);
    let fronts = [lab.front(), other.front()];
    let path = lab.path("coderworkspaces");
    let mut watchers = watchers(&path, &[&fronts[0], &fronts[1]]);
    let names = ["one", "two", "three"].map(|name| scratch.name(name));
    scope(|scope| {
        let work: Vec<_> = names
            .iter()
            .zip(&fronts)
            .map(|(name, front)| {
                let api = Api::new(&lab, scratch.acting(front.clone()), "coderworkspaces");
                scope.spawn(move || {
                    ok(&api.create("", &workspace(name, "plain", &json!({}))));
                    for running in [false, true, false] {
                        api.ready(name);
                        ok(&api.merge(name, &json!({"spec": {"running": running}})));
                    }
                    api.ready(name);
                })
            })
            .collect();
        // And something that only Coder knows of.
        let third = scope.spawn(|| scratch.coder_workspace("three", "plain", &json!({})));
        let mut moves = 0;
        while !work.iter().all(|work| work.is_finished()) || !third.is_finished() || moves < 6 {
            moves += 1;
            for (number, watcher) in watchers.iter_mut().enumerate() {
                watcher.follow(&fronts[(number + moves) % 2]);
                watcher.next(Duration::from_millis(700));
            }
        }
    });
    for watcher in &mut watchers {
        watcher.converge();
        assert!(names.iter().all(|name| watcher.known(name).is_some()));
    }
}

#[test]
fn what_another_showed_of_a_list_is_not_lost() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let other = Replica::start(&lab, &[]);
    let (here, there) = (lab.front(), other.front());
    let [_, second] = ["first", "second"].map(|name| scratch.coder_workspace(name, "plain", &json!({})));
    let of_us = format!("{}?labelSelector=coder.com/owner%3D{}", lab.path("coderworkspaces"), scratch.user);
    let first_page = ok(&here.get(&format!("{of_us}&limit=1")));
    let token = first_page["metadata"]["continue"].as_str().expect("a page that follows");
    let last_page = ok(&there.get(&format!("{of_us}&limit=1&continue={token}")));
    let gone = scratch.name("second");
    assert_eq!((names(&last_page), &last_page["metadata"]["continue"]), (vec![gone.clone()], &Value::Null));
    scratch.coder_build(&second, "delete");
    let path = format!("{}/{gone}", lab.path("coderworkspaces"));
    eventually("deleted", PATIENCE, || (here.get(&path).status() == 404).then_some(()));
    let version = first_page["metadata"]["resourceVersion"].as_str().expect("a version");
    // Another takes over from a dead replica within 20 seconds.
    let target = format!("{of_us}&watch=true&resourceVersion={version}&timeoutSeconds=30");
    let told = Stream::get(&here, Protocol::Http1, &target).rest(2 * PATIENCE);
    let is_told = |event: &Value| {
        let object = &event["object"];
        object["code"] == 410 || (event["type"] == "DELETED" && object["metadata"]["name"] == gone)
    };
    assert!(told.iter().any(is_told), "neither told that it has gone nor to list again: {told:?}");
}

#[test]
fn an_envoy_that_ends_leaves_its_work_to_the_others() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let mut other = Replica::start(&lab, &[]);
    let path = lab.path("coderworkspaces");
    let mut there = Watcher::list(&other.front(), Protocol::Http1, &path, "");
    let mut here = Watcher::list(&lab.front(), Protocol::Http1, &path, "");
    // Whichever asks Coder for both: one of the two has gone afterwards.
    let first = scratch.coder_workspace("first", "plain", &json!({}));
    for watcher in [&mut here, &mut there] {
        watcher.until("seen", |event| event.name() == scratch.name("first"));
    }
    other.kill();
    scratch.coder_build(&first, "stop");
    here.knows(&scratch.name("first"), "stopped", |object| {
        object["spec"]["running"] == false && condition(object, "Ready") == "True"
    });
    here.converge();
    // It knows nothing of what was, and says so; then all goes on from a new list.
    other.launch();
    let mut there = Watcher::streaming(&other.front(), Protocol::Http2, &path, "");
    scratch.coder_build(&first, "delete");
    for watcher in [&mut here, &mut there] {
        watcher.knows_gone(&scratch.name("first"));
        watcher.converge();
    }
}

#[test]
fn long_polls_tell_the_same() {
    let Some(lab) = Lab::writing() else { return };
    let Some((with, without)) = without_bell(&lab) else { return e2e::skip("this lab has no bell anyway") };
    let scratch = Scratch::new(&lab);
    let replica = Replica::start(&lab, &[(&with, &without)]);
    let path = lab.path("coderworkspaces");
    let front = replica.front();
    let mut watchers = watchers(&path, &[&front, &lab.front(), &front]);
    let api = Api::new(&lab, scratch.acting(front.clone()), "coderworkspaces");
    let name = scratch.name("polled");
    ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    for watcher in &mut watchers {
        watcher.knows(&name, "started", |object| condition(object, "Ready") == "True");
    }
    ok(&api.delete(&name, "", &Value::Null));
    for watcher in &mut watchers {
        watcher.knows_gone(&name);
        watcher.converge();
    }
}
