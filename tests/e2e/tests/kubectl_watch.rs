//! What a person sees who waits: `kubectl get -w` (which ends with the first batch where watches are long polls), `wait`, `delete`.

use e2e::{
    Lab, Running, Scratch,
    api::{PATIENCE, condition, ok, workspace},
    seed::{RUNNING, WS0},
};
use serde_json::{Value, json};

/// The lab, where watches stay open.
fn streaming() -> Option<Lab> {
    let lab = Lab::writing()?;
    if !lab.bell {
        e2e::skip("kubectl get -w ends with a long poll");
        return None;
    }
    Some(lab)
}

/// What kubectl and client-go say when a watch does not work.
const COMPLAINTS: [&str; 5] = ["Failed to watch", "watch of", "MethodNotAllowed", "too old", "error"];

#[track_caller]
fn is_silent(said: &str) {
    // A watch that client-go itself gives up before it is answered, because all has been seen in the list.
    let mut lines = said.lines().filter(|line| !line.contains("context canceled"));
    assert!(lines.all(|line| COMPLAINTS.iter().all(|word| !line.contains(word))), "{said}");
}

/// A line of a table that has this name and these words.
fn row<'a>(name: &'a str, words: &'a [&'a str]) -> impl Fn(&str) -> bool + 'a {
    move |line| {
        line.split_whitespace().any(|word| word == name) && words.iter().all(|word| line.contains(word))
    }
}

/// Ends a watch of kubectl's that must have nothing to complain of.
#[track_caller]
fn finish(mut watch: Running) {
    assert!(watch.runs(), "it watches on");
    is_silent(&watch.errors().join("\n"));
}

#[test]
fn get_watch_shows_every_change_as_a_row() {
    let Some(lab) = streaming() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("shown"));
    let watch = scratch.kubectl().start("get cws -w");
    let wide = scratch.kubectl().start("get cws -A -o wide --watch");
    let only = scratch.kubectl().start("get cws --watch-only --output-watch-events");
    // The list comes first, with its heading.
    let last = RUNNING[RUNNING.len() - 1];
    let listed = watch.until(PATIENCE, row(last, &["running"]));
    assert!(listed[0].starts_with("NAME ") && listed.iter().any(|line| line.starts_with(WS0)), "{listed:?}");
    let listed = wide.until(PATIENCE, row(last, &["running"]));
    assert!(listed[0].starts_with("NAMESPACE ") && listed[0].contains("OWNER"), "{listed:?}");
    ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    for watch in [&watch, &wide] {
        watch.until(PATIENCE, row(&name, &["plain", "running", "True"]));
    }
    ok(&api.merge(&name, &json!({"spec": {"running": false}})));
    for watch in [&watch, &wide] {
        watch.until(PATIENCE, row(&name, &["stopped", "True"]));
    }
    ok(&api.delete(&name, "", &Value::Null));
    let told = only.until(PATIENCE, row(&name, &["DELETED"]));
    assert!(told[0].starts_with("EVENT "), "{told:?}");
    let own: Vec<&String> = told.iter().filter(|line| line.contains(&name)).collect();
    assert!(own[0].starts_with("ADDED"), "{own:?}");
    assert!(own[1..own.len() - 1].iter().all(|line| line.starts_with("MODIFIED")), "{own:?}");
    // What was there before is not shown.
    assert!(told.iter().all(|line| !line.contains(WS0)), "{told:?}");
    for watch in [watch, wide, only] {
        finish(watch);
    }
}

#[test]
fn get_watch_prints_one_object_in_every_form() {
    let Some(lab) = streaming() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("single"));
    ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    api.ready(&name);
    let start = |kubectl: e2e::Kubectl, more: &str| kubectl.start(&format!("get cws {name} -w {more}"));
    let table = start(scratch.kubectl(), "");
    let json = start(scratch.kubectl(), "-o json");
    let yaml = start(scratch.kubectl(), "-o yaml");
    let path = start(scratch.kubectl(), "-o jsonpath={.spec.running}{\"\\n\"}");
    let names = start(scratch.kubectl(), "-o name");
    let admin = lab.kubectl().context("cert").start(&format!("get cws {name} -w"));
    table.until(PATIENCE, row(&name, &["running", "True"]));
    admin.until(PATIENCE, row(&name, &["running", "True"]));
    json.until(PATIENCE, |line| line == "}");
    yaml.until(PATIENCE, |line| line.starts_with("  running: true") || line.trim() == "running: true");
    path.until(PATIENCE, |line| line == "true");
    names.until(PATIENCE, |line| line.ends_with(&name));
    ok(&api.merge(&name, &json!({"spec": {"running": false}})));
    table.until(PATIENCE, row(&name, &["stopped", "True"]));
    admin.until(PATIENCE, row(&name, &["stopped", "True"]));
    path.until(PATIENCE, |line| line == "false");
    names.until(PATIENCE, |line| line.ends_with(&name));
    // Whole objects, one after the other.
    let mut object = json.until(PATIENCE, |line| line == "}").join("\n");
    while serde_json::from_str::<Value>(&object)
        .is_ok_and(|object| condition(&object, "Ready") != "True" || object["spec"]["running"] != false)
    {
        object = json.until(PATIENCE, |line| line == "}").join("\n");
    }
    let object: Value = serde_json::from_str(&object).unwrap_or_else(|e| panic!("{e}: {object}"));
    assert_eq!((&object["metadata"]["name"], &object["kind"]), (&json!(name), &json!("CoderWorkspace")));
    yaml.until(PATIENCE, |line| line.trim() == "running: false");
    for watch in [table, json, yaml, path, names, admin] {
        finish(watch);
    }
}

#[test]
fn templates_are_watched_too() {
    let Some(lab) = streaming() else { return };
    let scratch = Scratch::new(&lab);
    let watch = scratch.kubectl().start("get ctpl -w");
    let only = scratch.kubectl().start("get ctpl -w --watch-only -o name");
    watch.until(PATIENCE, row("coder.plain", &[]));
    let short = scratch.coder_template("watched", &echo_archive::Archive::plain());
    watch.until(PATIENCE, row(&format!("coder.{short}"), &["True"]));
    only.until(PATIENCE, |line| line.ends_with(&short));
    finish(watch);
    finish(only);
}

#[test]
fn wait_returns_when_it_is_so() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("awaited"));
    let wait = |what: &str| {
        let said = scratch.kubectl().run(&format!("wait cws/{name} {what} --timeout=120s"));
        assert!(said.ok().contains(&name) || what == "--for=delete", "{}", said.stdout);
        is_silent(&said.stderr);
    };
    ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    wait("--for=condition=Ready");
    ok(&api.merge(&name, &json!({"spec": {"running": false}})));
    wait("--for=jsonpath={.status.latestBuildStatus}=stopped");
    wait("--for=condition=Ready");
    wait("--for=jsonpath={.spec.running}=false");
    wait("--for=condition=BuildSucceeded=True");
    wait("--for=create");
    // Those that wait before it happens.
    std::thread::scope(|scope| {
        let waiting = ["--for=jsonpath={.spec.ttlMillis}=60000", "--for=delete"]
            .map(|what| scope.spawn(move || wait(what)));
        ok(&api.merge(&name, &json!({"spec": {"ttlMillis": 60_000}})));
        let [changed, deleted] = waiting;
        changed.join().unwrap();
        assert!(!deleted.is_finished());
        ok(&api.delete(&name, "", &Value::Null));
        deleted.join().unwrap();
    });
    assert_eq!(scratch.held(), Vec::<Value>::new());
    let never = scratch.kubectl().run(&format!("wait cws/{WS0} --for=condition=Dormant --timeout=3s"));
    assert!(never.fails().contains("timed out waiting for the condition"), "{}", never.stderr);
    is_silent(&never.stderr.replace("error: timed out", ""));
}

#[test]
fn wait_takes_many_and_their_failures() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.workspaces();
    let names = ["one", "two", "three"].map(|name| scratch.name(name));
    for name in &names {
        ok(&api.create("", &workspace(name, "plain", &json!({}))));
    }
    ok(&api.create("", &workspace(&scratch.name("bad"), "broken", &json!({}))));
    let kubectl = scratch.kubectl();
    let all = names.map(|name| format!("cws/{name}")).join(" ");
    let said = kubectl.run(&format!("wait {all} --for=condition=Ready --timeout=120s"));
    assert_eq!(said.lines().len(), 3, "{}", said.stdout);
    is_silent(&said.stderr);
    let bad = format!("wait cws/{} --for=condition=BuildSucceeded=False --timeout=120s", scratch.name("bad"));
    kubectl.run(&bad).ok();
    let selected =
        format!("wait cws -l coder.com/owner={} --for=jsonpath={{.spec.organization}}=coder", scratch.user);
    assert_eq!(kubectl.run(&selected).lines().len(), 4);
}

#[test]
fn delete_waits_without_a_word_too_many() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.workspaces();
    for name in ["doomed", "doomed-too"] {
        scratch.coder_workspace(name, "plain", &json!({}));
        api.ready(&scratch.name(name));
    }
    let said = scratch.kubectl().run(&format!("delete cws {}", scratch.name("doomed")));
    assert!(said.ok().contains("deleted"), "{}", said.stdout);
    assert_eq!(said.stderr, "");
    assert_eq!(api.read(&scratch.name("doomed")).status(), 404, "it returns when the object is gone");
    let rest = scratch.kubectl().run(&format!("delete cws -l coder.com/owner={}", scratch.user));
    assert!(rest.ok().contains(&scratch.name("doomed-too")), "{}", rest.stdout);
    assert_eq!(rest.stderr, "");
    assert_eq!(scratch.held(), Vec::<Value>::new());
}

#[test]
fn get_watch_of_nothing_waits_for_something() {
    let Some(lab) = streaming() else { return };
    let scratch = Scratch::new(&lab);
    let mut empty = scratch.kubectl().start(&format!("get cws -w -l coder.com/owner={}", scratch.user));
    let ended = scratch.kubectl().run("get cws -n default -w --request-timeout=3s");
    is_silent(&ended.stderr);
    assert!(empty.runs());
    scratch.coder_workspace("something", "plain", &json!({}));
    let rows = empty.until(PATIENCE, row(&scratch.name("something"), &["running", "True"]));
    assert!(rows[0].starts_with("NAME "), "{rows:?}");
    finish(empty);
}

#[test]
fn who_may_not_watch_is_told_so() {
    let Some(lab) = Lab::shared() else { return };
    let said = lab.kubectl().context("alice").run("get cws -w");
    assert!(said.fails().contains("(Forbidden)"), "{}", said.stderr);
}
