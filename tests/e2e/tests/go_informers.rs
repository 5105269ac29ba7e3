//! Clients that nobody here wrote: client-go's informers and RetryWatcher, and controller-runtime's caches, as controllers, GitOps tools and
//! the garbage collector run them.

use e2e::{
    Api, GoClients, Lab, Parts, Replica, Scratch,
    api::{ok, workspace},
    check::names,
    envoy::eventually,
    go::{self, Options, TEMPLATES, WORKSPACES},
    seed::coder_change,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path, time::Duration};

/// The longest that a client may wait until it knows what there is: the quota controller stands still until then.
const SYNC: Duration = Duration::from_secs(5);

/// The longest until a change is seen that moves no time stamp and makes no job: a full reading, on a loaded machine.
const READING: Duration = Duration::from_secs(60);

/// The longest until a client holds what there is: one that has found nobody for some time waits for half a minute and more.
const HOLDS: Duration = Duration::from_secs(120);

const FIELDS: [&str; 4] =
    ["status.latestBuildStatus", "status.latestBuild.number", "spec.ttlMillis", "spec.running"];

/// Every kind of client, each with a name.
fn clients(
    lab: &Lab,
    program: &Path,
    kubeconfig: Option<&Path>,
    owner: &str,
) -> Vec<(GoClients, Vec<&'static str>)> {
    let options = Options { kubeconfig, fields: &FIELDS, ..Options::default() };
    let lists = Options { lists: true, ..options.clone() };
    let of = |id: &str, more: Value| {
        let mut spec = json!({"id": id, "resource": WORKSPACES});
        e2e::api::merge(&mut spec, &more);
        spec
    };
    let (namespace, selector) = (&lab.namespace, format!("coder.com/owner={owner}"));
    let groups = [
        (
            "informers",
            options.clone(),
            vec![
                of("all", json!({})),
                of("one", json!({"namespace": namespace})),
                of("selected", json!({"namespace": namespace, "selector": selector})),
                of("metadata", json!({"metadata": true})),
                of("http1", json!({"http1": true})),
                of("short", json!({"timeoutSeconds": 2})),
            ],
        ),
        (
            "informers",
            lists,
            vec![of("lists", json!({})), of("pages", json!({"limit": 2, "metadata": true}))],
        ),
        ("retrywatcher", options.clone(), vec![of("retry", json!({"namespace": namespace}))]),
        (
            "controller-runtime",
            options,
            vec![
                of("reconciled", json!({"namespace": namespace})),
                of("reconciled-metadata", json!({"metadata": true})),
            ],
        ),
    ];
    let start = |(what, options, specs): (&str, Options<'_>, Vec<Value>)| {
        let ids = specs.iter().map(|spec| known(spec["id"].as_str().expect("an id"))).collect();
        (GoClients::start(lab, program, what, &specs, &options), ids)
    };
    groups.into_iter().map(start).collect()
}

/// The same name for as long as the test runs.
fn known(id: &str) -> &'static str {
    const ALL: [&str; 11] = [
        "all",
        "one",
        "selected",
        "metadata",
        "http1",
        "short",
        "lists",
        "pages",
        "retry",
        "reconciled",
        "reconciled-metadata",
    ];
    ALL.into_iter().find(|known| *known == id).expect("a client of this test")
}

/// Whether a line says that a client has told its user about an object, in the form `what` wants it. Metadata alone has no fields.
fn tells(line: &Value, id: &str, name: &str, what: impl Fn(&Value) -> bool) -> bool {
    line["line"] == "event"
        && line["id"] == id
        && line["name"] == name
        && (line["fields"].is_null() || what(&line["fields"]))
}

/// Waits until every client has told of an object as wanted.
#[track_caller]
fn all_tell(
    clients: &[(GoClients, Vec<&str>)],
    what: &str,
    limit: Duration,
    name: &str,
    wanted: impl Fn(&Value) -> bool,
) {
    for (process, ids) in clients {
        for id in ids {
            process.until(&format!("{id}: {name} {what}"), limit, |line| tells(line, id, name, &wanted));
        }
    }
}

/// Waits until every client holds what a list shows.
#[track_caller]
fn all_hold(clients: &mut [(GoClients, Vec<&str>)], api: &Api, owner: &str) {
    for (process, ids) in clients {
        for id in ids {
            eventually(&format!("{id} holds what is listed"), HOLDS, || {
                let list = ok(&api.read(""));
                let mine = |name: &&String| *id != "selected" || name.split('.').nth(1) == Some(owner);
                let listed: BTreeSet<_> = names(&list).iter().filter(mine).cloned().collect();
                let held = process.held(id);
                (held.synced
                    && held.names().into_iter().map(str::to_owned).collect::<BTreeSet<_>>() == listed)
                    .then_some(())
            });
        }
    }
}

/// What must never be: an error of a list or a watch, an event that a stream says twice, an event that is no JSON. Where another Envoy was heard of
/// lately, a young history cannot always tell what is known, and says 410.
#[track_caller]
fn nothing_strange(process: &GoClients) {
    let mut told = BTreeSet::new();
    for line in process.lines() {
        assert!((line["line"] != "error" || line["code"] == 410) && line["strange"].is_null(), "{line}");
        if line["line"] == "wire" && line["name"].is_string() {
            let key =
                (line["stream"].as_u64(), line["name"].to_string(), line["resourceVersion"].to_string());
            assert!(told.insert(key), "told twice: {line}");
        }
    }
}

#[test]
fn every_client_sees_a_whole_life() {
    let Some(lab) = Lab::writing() else { return };
    let Some(program) = go::program() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("seen"));
    let mut clients = clients(&lab, &program, None, &scratch.user);
    for (process, ids) in &clients {
        process.synced(ids, SYNC);
    }
    all_hold(&mut clients, &api, &scratch.user);

    let made = ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    all_tell(&clients, "made", SYNC, &name, |_| true);
    all_tell(&clients, "runs", READING, &name, |fields| fields["status.latestBuildStatus"] == "running");
    // Makes no job and moves no time stamp.
    let id = made["metadata"]["uid"].as_str().unwrap();
    coder_change(&lab, "PUT", &format!("/workspaces/{id}/ttl"), &json!({"ttl_ms": 7_200_000}));
    all_tell(&clients, "has a time to live", READING, &name, |fields| fields["spec.ttlMillis"] == 7_200_000);
    let stop = json!({"transition": "stop"});
    coder_change(&lab, "POST", &format!("/workspaces/{id}/builds"), &stop);
    all_tell(&clients, "stops", READING, &name, |fields| {
        fields["status.latestBuild.number"] == 2 && fields["status.latestBuildStatus"] == "stopped"
    });
    api.settled(&name);
    ok(&api.delete(&name, "", &Value::Null));
    for (process, ids) in &clients {
        for id in ids {
            process.until(&format!("{id}: {name} is gone"), READING, |line| {
                let gone = ["DELETED", "GONE"].iter().any(|kind| line["type"] == *kind);
                gone && tells(line, id, &name, |_| true)
            });
        }
        nothing_strange(process);
    }
    all_hold(&mut clients, &api, &scratch.user);
}

#[test]
fn forty_informers_see_what_one_sees() {
    let Some(lab) = Lab::writing() else { return };
    let Some(program) = go::program() else { return };
    let scratch = Scratch::new(&lab);
    let spec = |id: &str, resource: &str, more: Value| {
        let mut spec = json!({"id": id, "resource": resource, "count": 20});
        e2e::api::merge(&mut spec, &more);
        spec
    };
    let specs = [
        spec("own", WORKSPACES, json!({"own": true})),
        spec("shared", WORKSPACES, json!({"metadata": true})),
        spec("templates", TEMPLATES, json!({})),
    ];
    let options = Options { fields: &FIELDS, ..Options::default() };
    let mut process = GoClients::start(&lab, &program, "informers", &specs, &options);
    let ids = |kind: &str| (0..20).map(|number| format!("{kind}-{number}")).collect::<Vec<_>>();
    for id in ["own", "shared", "templates"].iter().flat_map(|kind| ids(kind)) {
        process.synced(&[&id], SYNC);
    }
    let name = scratch.name("forty");
    scratch.coder_workspace("forty", "plain", &json!({}));
    for id in ["own", "shared"].iter().flat_map(|kind| ids(kind)) {
        process.until(&format!("{id} sees it run"), READING, |line| {
            tells(line, &id, &name, |fields| fields["status.latestBuildStatus"] == "running")
        });
        assert!(process.held(&id).get(&name).is_some(), "{id}");
    }
    nothing_strange(&process);
}

#[test]
fn what_is_discovered_can_be_watched() {
    let Some(lab) = Lab::shared() else { return };
    let Some(program) = go::program() else { return };
    for context in ["admin", "cert"] {
        let options = Options { context, ..Options::default() };
        let process = GoClients::start(&lab, &program, "discovered", &[json!({"id": "gc"})], &options);
        let started = process.until("started", SYNC, |line| line["line"] == "started");
        let count = started["clients"].as_u64().unwrap() as usize;
        let synced = process.wait("every informer is synced", 0, SYNC, |lines| {
            let synced: Vec<_> = lines.iter().filter(|line| line["line"] == "synced").cloned().collect();
            (synced.len() >= count).then_some(synced)
        });
        for resource in [WORKSPACES, TEMPLATES] {
            assert!(
                synced.iter().any(|line| line["id"] == format!("gc:{resource}")),
                "{resource}: {synced:?}"
            );
        }
    }
}

#[test]
fn a_connection_that_is_cut_loses_nothing() {
    let Some(lab) = Lab::writing() else { return };
    let Some(program) = go::program() else { return };
    let scratch = Scratch::new(&lab);
    let mut clients = clients(&lab, &program, None, &scratch.user);
    for (process, ids) in &clients {
        process.synced(ids, SYNC);
    }
    let name = scratch.name("cut");
    let coder = scratch.coder_workspace("cut", "plain", &json!({}));
    // Client-go takes a watch for useless that ends at once without having told anything.
    all_tell(&clients, "runs", READING, &name, |fields| fields["status.latestBuildStatus"] == "running");
    for (process, _) in &mut clients {
        assert!(process.cut() > 0, "connections to cut");
    }
    scratch.coder_build(&coder, "stop");
    all_tell(&clients, "stops", READING, &name, |fields| fields["status.latestBuildStatus"] == "stopped");
    all_hold(&mut clients, &scratch.workspaces(), &scratch.user);
    for (process, _) in &clients {
        nothing_strange(process);
    }
}

#[test]
fn a_version_that_is_forgotten_is_an_error_event() {
    let Some(lab) = Lab::shared() else { return };
    let Some(program) = go::program() else { return };
    for resource in [WORKSPACES, TEMPLATES] {
        // A moment in 1970.
        let spec = json!({"id": "old", "resource": resource, "from": "2097152"});
        let process = GoClients::start(&lab, &program, "retrywatcher", &[spec], &Options::default());
        let error = process.until("an error", READING, |line| line["line"] == "error");
        assert_eq!((&error["code"], &error["reason"]), (&json!(410), &json!("Expired")), "{error}");
        let asked = process.until("a request", SYNC, |line| line["line"] == "request");
        // With HTTP 410 it would ask for the same version for ever.
        assert_eq!(asked["status"], 200, "{asked}");
        process.until("it has begun anew", SYNC, |line| line["line"] == "synced");
    }
}

#[test]
fn an_envoy_that_ends_takes_nothing_with_it() {
    let Some(lab) = Lab::writing() else { return };
    let Some(program) = go::program() else { return };
    let scratch = Scratch::new(&lab);
    let mut replica = Replica::start(&lab, &[]);
    let kubeconfig = replica.kubeconfig(&lab);
    let mut clients = clients(&lab, &program, Some(&kubeconfig), &scratch.user);
    for (process, ids) in &clients {
        process.synced(ids, SYNC);
    }
    let coder = scratch.coder_workspace("restart", "plain", &json!({}));
    all_tell(&clients, "runs", READING, &scratch.name("restart"), |fields| {
        fields["status.latestBuildStatus"] == "running"
    });
    replica.kill();
    scratch.coder_build(&coder, "delete");
    scratch.coder_workspace("again", "plain", &json!({}));
    replica.launch();
    all_hold(&mut clients, &scratch.workspaces(), &scratch.user);
}

#[test]
fn a_watch_that_was_silent_for_long_still_sees() {
    // A real kube-apiserver's bookmarks are what keeps it open; alone, because others' changes would do so, too.
    let Some(lab) = Lab::exclusive() else { return };
    let Some(program) = go::program() else { return };
    if lab.kube != Parts::Real {
        return e2e::skip("needs kube-apiserver's own rhythm");
    }
    let scratch = Scratch::new(&lab);
    let specs = [
        json!({"id": "idle", "resource": WORKSPACES}),
        json!({"id": "metadata", "resource": WORKSPACES, "metadata": true}),
    ];
    let options = Options { fields: &FIELDS, ..Options::default() };
    let process = GoClients::start(&lab, &program, "informers", &specs, &options);
    process.synced(&["idle", "metadata"], SYNC);
    // Longer than Envoy lets a stream be silent.
    std::thread::sleep(Duration::from_secs(100));
    let before = process.count();
    let streams = process.lines().iter().filter(|line| line["line"] == "request").count();
    assert_eq!(streams, specs.len(), "a watch was cut: {:?}", process.lines());
    scratch.coder_workspace("late", "plain", &json!({}));
    for id in ["idle", "metadata"] {
        process.wait(&format!("{id} sees it"), before, READING, |lines| {
            lines.iter().any(|line| tells(line, id, &scratch.name("late"), |_| true)).then_some(())
        });
    }
    nothing_strange(&process);
}
