//! Every call to Coder that changes something, failing in every way: what the caller is told, and that a repeat makes nothing twice.
//! Only the stand-in can be told to fail; each test holds the lab alone, and at the end of each the VM must be the one from before.

use e2e::{
    Lab, Request, Response, Scratch,
    api::{Api, MERGE, files, ok, shown_files, template, workspace},
    check::{no_secrets, status},
    envoy::vm_reloads,
    faults::{self, Faults},
    seed::coder_get,
};
use echo_archive::Archive;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// One way of failing and how a write must tell it.
struct Failing {
    fault: Value,
    /// Codes that are right, with their reasons.
    answers: &'static [(u16, &'static str)],
    /// Whether nobody can know if the change was made.
    unknown: bool,
}

const UNKNOWN: &[(u16, &str)] = &[(500, "InternalError"), (504, "Timeout")];

fn failing() -> Vec<Failing> {
    let body = json!({"message": "An internal error.", "detail": "dial tcp 10.1.2.3:5432 http://internal/x"});
    let unknown = |fault: Value| Failing { fault, answers: UNKNOWN, unknown: true };
    let answered = |mut fault: Value, answers| {
        fault["headers"]["retry-after"] = json!("7");
        Failing { fault, answers, unknown: false }
    };
    let conflict = json!({"message": "Somebody else was faster."});
    vec![
        unknown(json!({"kind": "reset"})),
        unknown(json!({"kind": "reset", "after": true})),
        unknown(json!({"kind": "truncate"})),
        unknown(json!({"kind": "garbage"})),
        unknown(json!({"kind": "garbage", "body": ""})),
        unknown(faults::status(500, &body)),
        unknown(faults::status(503, &body)),
        {
            let mut after = faults::status(502, &body);
            after["after"] = json!(true);
            unknown(after)
        },
        answered(faults::status(409, &conflict), &[(409, "Conflict"), (409, "AlreadyExists")]),
        answered(faults::status(429, &json!({"message": "Slow down."})), &[(429, "TooManyRequests")]),
        answered(faults::status(401, &json!({"message": "Sign in."})), &[(503, "ServiceUnavailable")]),
        answered(faults::status(403, &json!({"message": "Forbidden."})), &[(403, "Forbidden")]),
        answered(
            faults::status(400, &json!({"message": "I am a teapot.", "detail": "Short and stout."})),
            &[(400, "BadRequest"), (422, "Invalid")],
        ),
    ]
}

/// A write, the call of it that fails, and how it shows that it was done.
struct Write<'a> {
    title: &'a str,
    method: &'a str,
    path: String,
    send: Box<dyn Fn() -> Response + 'a>,
    done: Box<dyn Fn() -> bool + 'a>,
    /// Whether nothing is read of the body of Coder's answer, so that it may be garbage.
    unread: bool,
    /// Another answer that is right for this call: an upload changes nothing that anybody sees, and a 400 may have a meaning.
    also: Option<(u16, &'static str)>,
}

/// Runs one write against every way of failing; `fresh` brings the world to its beginning each time.
fn check<'a>(lab: &'a Lab, fresh: impl Fn(usize) -> Write<'a>) {
    let reloads = vm_reloads(lab);
    for (number, Failing { fault, answers, unknown }) in failing().into_iter().enumerate() {
        let write = fresh(number);
        let unread = write.unread && ["garbage", "truncate"].contains(&fault["kind"].as_str().unwrap());
        let faults = Faults::new(lab);
        let mut planned = fault.clone();
        planned["method"] = json!(write.method);
        faults.coder(&format!("/api/v2{}", write.path), &planned);
        let start = Instant::now();
        let response = (write.send)();
        let told = format!("{} with {fault}: {} {}", write.title, response.status(), response.excerpt());
        println!("{told}");
        assert!(start.elapsed() < Duration::from_secs(34), "{told}");
        drop(faults);
        if response.status() >= 300 || !unread {
            let reason = response.json()["reason"].as_str().unwrap_or_default().to_owned();
            let also =
                write.also.filter(|_| unknown || [400, 429].map(Value::from).contains(&fault["status"]));
            let answers: Vec<(u16, &str)> = answers.iter().copied().chain(also).collect();
            assert!(answers.contains(&(response.status(), reason.as_str())), "{told}");
            let answer = status(&response, response.status(), &reason);
            let message = answer["message"].as_str().unwrap();
            let known = also.is_some_and(|(code, _)| response.status() == code);
            assert!(!unknown || known || message.contains("unknown"), "{told}");
            assert!(!message.contains("10.1.2.3"), "{told}");
            let invited = answer["details"].get("retryAfterSeconds").is_some()
                || response.header("retry-after").is_some();
            assert!(!invited || known || also.is_some() && response.status() == 429, "{told}");
            no_secrets(lab, &response.text());
        }
        // The caller looks, and repeats.
        let again = (write.send)();
        let codes = [200, 201, 409, 404];
        assert!(codes.contains(&again.status()), "{told}\nagain: {} {}", again.status(), again.excerpt());
        e2e::envoy::eventually(write.title, Duration::from_secs(30), || {
            if (write.done)() {
                return Some(());
            }
            (write.send)();
            None
        });
    }
    assert_eq!(vm_reloads(lab), reloads, "the VM has died");
}

#[test]
fn creating_a_workspace() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.workspaces();
    check(&lab, |number| {
        let (api, scratch, short) = (&api, &scratch, format!("made{number}"));
        let name = scratch.name(&short);
        let object = workspace(&name, "plain", &json!({"ttlMillis": 3_600_000}));
        Write {
            title: "create",
            method: "POST",
            path: "/users/".into(),
            send: Box::new(move || api.create("", &object)),
            done: Box::new(move || {
                let held = scratch.held();
                let same = held.iter().filter(|held| held["name"] == short).count();
                assert!(same <= 1, "made twice");
                same == 1 && api.settled(&name)["status"]["latestBuild"]["number"] == 1
            }),
            unread: false,
            also: None,
        }
    });
}

/// A change of one field, checked for every way of failing.
fn changing(spec: &Value, back: &Value, method: &'static str, rest: &'static str, unread: bool) {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let id = scratch.coder_workspace("changed", "plain", &json!({}))["id"].as_str().unwrap().to_owned();
    let (api, name) = (scratch.workspaces(), scratch.name("changed"));
    check(&lab, |_| {
        let (api, name) = (&api, &name);
        api.settled(name);
        ok(&api.merge(name, &json!({"spec": back})));
        api.settled(name);
        let before = api.get(name)["status"]["latestBuild"]["number"].as_u64().unwrap();
        let patch = json!({"spec": spec});
        Write {
            title: rest,
            method,
            path: format!("/workspaces/{id}/{rest}"),
            send: Box::new(move || api.merge(name, &patch)),
            done: Box::new(move || {
                let object = api.settled(name);
                let builds = object["status"]["latestBuild"]["number"].as_u64().unwrap() - before;
                assert!(builds <= 1, "built {builds} times");
                let shows = |(field, value): (&String, &Value)| &object["spec"][field] == value;
                spec.as_object().unwrap().iter().all(shows)
            }),
            unread,
            also: None,
        }
    });
}

#[test]
fn setting_the_time_to_live() {
    changing(&json!({"ttlMillis": 60_000}), &json!({"ttlMillis": null}), "PUT", "ttl", true);
}

#[test]
fn setting_the_schedule() {
    let cron = json!({"autostartSchedule": "CRON_TZ=UTC 0 7 * * *"});
    changing(&cron, &json!({"autostartSchedule": null}), "PUT", "autostart", true);
}

#[test]
fn setting_automatic_updates() {
    let (always, never) = (json!({"automaticUpdates": "always"}), json!({"automaticUpdates": "never"}));
    changing(&always, &never, "PUT", "autoupdates", true);
}

#[test]
fn setting_dormancy() {
    let awake = json!({"dormant": false, "running": false});
    changing(&json!({"dormant": true}), &awake, "PUT", "dormant", true);
}

#[test]
fn stopping() {
    changing(&json!({"running": false}), &json!({"running": true}), "POST", "builds", true);
}

#[test]
fn starting() {
    changing(&json!({"running": true}), &json!({"running": false}), "POST", "builds", true);
}

#[test]
fn deleting_a_workspace() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.workspaces();
    check(&lab, |number| {
        let (api, short) = (&api, format!("doomed{number}"));
        let id = scratch.coder_workspace(&short, "plain", &json!({}))["id"].as_str().unwrap().to_owned();
        let name = scratch.name(&short);
        let target = name.clone();
        let lab = &lab;
        let path = format!("/workspaces/{id}/builds");
        Write {
            title: "delete",
            method: "POST",
            path: path.clone(),
            send: Box::new(move || api.delete(&target, "", &Value::Null)),
            done: Box::new(move || {
                let gone = api.read(&name).status() == 404;
                let builds = lab.coder().get(&format!("/api/v2{path}"));
                assert!(
                    builds.json().as_array().is_none_or(|builds| builds.len() <= 2),
                    "{}",
                    builds.excerpt()
                );
                gone
            }),
            unread: false,
            also: None,
        }
    });
}

/// Templates of Coder's that have this name.
fn templates(lab: &Lab, short: &str) -> Vec<Value> {
    coder_get(lab, &format!("/templates?q=exact_name:{short}")).as_array().unwrap().clone()
}

fn versions(lab: &Lab, template: &Value) -> usize {
    let path = format!("/templates/{}/versions", template["id"].as_str().unwrap());
    coder_get(lab, &path).as_array().unwrap().len()
}

const SEEN_BY_NOBODY: (u16, &str) = (503, "ServiceUnavailable");

fn creating_a_template(path: &'static str) {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.templates();
    check(&lab, |number| {
        let (api, lab) = (&api, &lab);
        let name = scratch.template_name(&format!("m{number}"));
        let archive = Archive::plain().file("number.md", number.to_string());
        let object = template(&name, &json!({"provisioner": "echo", "files": files(&archive)}));
        Write {
            title: path,
            method: "POST",
            path: path.into(),
            send: Box::new(move || api.create("", &object)),
            done: Box::new(move || {
                let held = templates(lab, name.split_once('.').unwrap().1);
                assert!(held.len() <= 1, "made twice");
                if let Some(held) = held.first() {
                    assert_eq!(versions(lab, held), 1);
                }
                !held.is_empty() && api.ready(&name)["spec"]["files"] == shown_files(&archive)
            }),
            unread: false,
            also: (path == "/files").then_some(SEEN_BY_NOBODY),
        }
    });
}

#[test]
fn creating_a_template_the_upload() {
    creating_a_template("/files");
}

#[test]
fn creating_a_template_the_version() {
    creating_a_template("/organizations/coder/templateversions");
}

#[test]
fn creating_a_template_itself() {
    creating_a_template("/organizations/coder/templates");
}

#[test]
fn changing_a_templates_settings() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let name = format!("coder.{}", scratch.coder_template("meta", &Archive::plain()));
    let api = scratch.templates();
    check(&lab, |number| {
        let (api, name) = (&api, &name);
        let id = api.get(name)["metadata"]["uid"].as_str().unwrap().to_owned();
        let shown = format!("Number {number}");
        let patch = json!({"spec": {"displayName": shown}});
        Write {
            title: "settings",
            method: "PATCH",
            path: format!("/templates/{id}"),
            send: Box::new(move || api.merge(name, &patch)),
            done: Box::new(move || api.get(name)["spec"]["displayName"] == shown),
            unread: true,
            also: None,
        }
    });
}

fn changing_files(method: &'static str, path: &'static str) {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let short = scratch.coder_template("files", &Archive::plain());
    let (api, name) = (scratch.templates(), format!("coder.{short}"));
    check(&lab, |number| {
        let (api, lab, name, short) = (&api, &lab, &name, &short);
        let archive = Archive::plain().file("number.md", format!("{path} {number}"));
        let before = versions(lab, &templates(lab, short)[0]);
        let patch = json!({"spec": {"files": files(&archive)}});
        let wanted = patch["spec"]["files"]["number.md"].clone();
        Write {
            title: path,
            method,
            path: path.into(),
            send: Box::new(move || api.merge(name, &patch)),
            done: Box::new(move || {
                let made = versions(lab, &templates(lab, short)[0]) - before;
                assert!(made <= 1, "{made} versions");
                let object = api.get(name);
                let active = object["status"]["latestVersion"]["id"] == object["status"]["activeVersionID"];
                made == 1 && active && object["spec"]["files"]["number.md"] == wanted
            }),
            unread: false,
            also: (path == "/files").then_some(SEEN_BY_NOBODY),
        }
    });
}

#[test]
fn changing_files_the_upload() {
    changing_files("POST", "/files");
}

#[test]
fn changing_files_the_version() {
    changing_files("POST", "/organizations/coder/templateversions");
}

#[test]
fn deleting_a_template() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.templates();
    check(&lab, |number| {
        let (api, name) =
            (&api, format!("coder.{}", scratch.coder_template(&format!("d{number}"), &Archive::plain())));
        let id = api.get(&name)["metadata"]["uid"].as_str().unwrap().to_owned();
        let target = name.clone();
        Write {
            title: "delete",
            method: "DELETE",
            path: format!("/templates/{id}"),
            send: Box::new(move || api.delete(&target, "", &Value::Null)),
            done: Box::new(move || api.read(&name).status() == 404),
            unread: true,
            also: Some((409, "Conflict")),
        }
    });
}

#[test]
fn the_checks_before_a_write_fail_as_reads_do() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace("checked", "plain", &json!({}));
    let (api, name) = (scratch.workspaces(), scratch.name("checked"));
    let before = api.ready(&name);
    let calls = scratch.calls().unwrap();
    let faults = Faults::new(&lab);
    for fault in [json!({"kind": "reset"}), json!({"kind": "garbage"}), faults::status(500, &json!({}))] {
        let mut fault = fault;
        fault["method"] = json!("GET");
        faults.coder("/api/v2", &fault);
        for response in [
            api.create("", &workspace(&scratch.name("other"), "plain", &json!({}))),
            api.replace(&name, "", &before),
            api.merge(&name, &json!({"spec": {"running": false}})),
            api.delete(&name, "", &Value::Null),
            api.delete("", &format!("labelSelector=coder.com/owner%3D{}", scratch.user), &Value::Null),
        ] {
            let told = format!("{fault}: {}", response.excerpt());
            assert!([500, 503, 504].contains(&response.status()), "{told}");
            assert_eq!(response.json()["kind"], "Status", "{told}");
        }
        faults.clear();
    }
    assert_eq!(calls.writes(), Vec::<String>::new());
    assert_eq!(api.get(&name), before);
}

#[test]
fn settings_are_taken_back_when_the_build_is_refused() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace("undone", "plain", &json!({"ttl_ms": 3_600_000}));
    let (api, name) = (scratch.workspaces(), scratch.name("undone"));
    let before = api.ready(&name);
    let faults = Faults::new(&lab);
    let mut fault = faults::status(400, &json!({"message": "Not today."}));
    fault["method"] = json!("POST");
    faults.coder("/api/v2/workspaces/", &fault);
    let spec = json!({"running": false, "ttlMillis": 60_000, "automaticUpdates": "always"});
    let refused = api.merge(&name, &json!({"spec": spec}));
    assert!([400, 422].contains(&refused.status()), "{} {}", refused.status(), refused.excerpt());
    assert!(refused.text().contains("Not today."), "{}", refused.excerpt());
    assert_eq!(api.get(&name), before, "as if nothing had been asked");
    faults.clear();
    ok(&api.merge(&name, &json!({"spec": spec})));
    let after = api.settled(&name);
    assert_eq!((&after["spec"]["running"], &after["spec"]["ttlMillis"]), (&json!(false), &json!(60_000)));
}

#[test]
fn a_client_that_leaves_gets_its_change_all_the_same() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let reloads = vm_reloads(&lab);
    let faults = Faults::new(&lab);
    faults.coder("/api/v2/users/", &json!({"kind": "delay", "delay": 1500}));
    for number in 0..4 {
        let object = workspace(&scratch.name(&format!("left{number}")), "plain", &json!({}));
        let mut client = e2e::Http1::connect(&scratch.front()).unwrap();
        client.send(&Request::post(&lab.path("coderworkspaces"), &object)).unwrap();
        // Long enough for the write to have begun on some and not on others.
        std::thread::sleep(Duration::from_millis(1200 * number));
    }
    std::thread::sleep(Duration::from_secs(6));
    drop(faults);
    let held = scratch.held();
    assert!(held.len() <= 4, "{held:?}");
    for workspace in held {
        let api: Api = scratch.workspaces();
        api.ready(&scratch.name(workspace["name"].as_str().unwrap()));
    }
    assert_eq!(vm_reloads(&lab), reloads);
}

#[test]
fn a_workspace_that_goes_while_it_is_started_stays_gone() {
    let Some(lab) = Lab::exclusive_standin() else { return };
    let scratch = Scratch::new(&lab);
    let id = scratch.coder_workspace("raced", "plain", &json!({}))["id"].as_str().unwrap().to_owned();
    let (api, name) = (scratch.workspaces(), scratch.name("raced"));
    ok(&api.merge(&name, &json!({"spec": {"running": false}})));
    api.settled(&name);
    let calls = scratch.calls().unwrap();
    let faults = Faults::new(&lab);
    // What Coder says of a workspace by id once it has been deleted.
    let mut gone = faults::status(410, &json!({"message": "Workspace was deleted."}));
    gone["method"] = json!("GET");
    faults.coder(&format!("/api/v2/workspaces/{id}"), &gone);
    let response = api.patch(&name, "", MERGE, &json!({"spec": {"running": true}}));
    drop(faults);
    println!("{} {}", response.status(), response.excerpt());
    assert!(response.status() >= 400, "{}", response.excerpt());
    let builds = || calls.writes().iter().filter(|write| write.ends_with("/builds")).count();
    e2e::envoy::eventually("a delete is queued", Duration::from_secs(60), || (builds() >= 2).then_some(()));
    e2e::envoy::eventually("it is gone", Duration::from_secs(60), || scratch.held().is_empty().then_some(()));
}
