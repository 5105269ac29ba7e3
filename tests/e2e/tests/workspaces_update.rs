//! Changing workspaces: each field becomes its call to Coder and no other, what is the same becomes none, and what is left out means what
//! the reference says.

use e2e::{
    Api, Lab, Scratch,
    api::{JSON_PATCH, MERGE, causes, merge, ok, warnings, workspace},
    calls::Calls,
    check::status,
    seed::{coder_get, coder_workspace},
};
use echo_archive::{Archive, Phase, Transition};
use serde_json::{Value, json};

/// Calls made since the last look.
fn writes(calls: &mut Option<Calls>) -> Option<Vec<String>> {
    let writes = calls.as_ref().map(Calls::writes);
    calls.iter_mut().for_each(Calls::restart);
    writes
}

/// A running workspace of the template `params`, and its name.
fn sized(scratch: &Scratch<'_>) -> String {
    let values = json!({"rich_parameter_values": [{"name": "cpu", "value": "4"}]});
    scratch.coder_workspace("sized", "params", &values);
    scratch.name("sized")
}

fn plain(scratch: &Scratch<'_>) -> String {
    scratch.coder_workspace("plain", "plain", &json!({}));
    scratch.name("plain")
}

/// How one change of a spec shows: in Coder's words, and as calls.
struct Change {
    spec: Value,
    coder: (&'static str, Value),
    call: &'static str,
}

fn changes() -> Vec<Change> {
    let change = |spec, field, value, call| Change { spec, coder: (field, value), call };
    let cron = "CRON_TZ=UTC 0 7 * * 1-5";
    vec![
        change(json!({"ttlMillis": 3_600_000}), "/ttl_ms", json!(3_600_000), "PUT /workspaces/*/ttl"),
        change(json!({"ttlMillis": null}), "/ttl_ms", Value::Null, "PUT /workspaces/*/ttl"),
        change(
            json!({"autostartSchedule": cron}),
            "/autostart_schedule",
            json!(cron),
            "PUT /workspaces/*/autostart",
        ),
        change(
            json!({"autostartSchedule": null}),
            "/autostart_schedule",
            Value::Null,
            "PUT /workspaces/*/autostart",
        ),
        change(
            json!({"automaticUpdates": "always"}),
            "/automatic_updates",
            json!("always"),
            "PUT /workspaces/*/autoupdates",
        ),
        change(
            json!({"automaticUpdates": "never"}),
            "/automatic_updates",
            json!("never"),
            "PUT /workspaces/*/autoupdates",
        ),
        change(
            json!({"running": false}),
            "/latest_build/transition",
            json!("stop"),
            "POST /workspaces/*/builds",
        ),
        change(
            json!({"running": true}),
            "/latest_build/transition",
            json!("start"),
            "POST /workspaces/*/builds",
        ),
    ]
}

/// The ways to change one object.
#[derive(Clone, Copy, Debug)]
enum Way {
    Put,
    MergePatch,
    JsonPatch,
}

impl Way {
    fn write(self, api: &Api, name: &str, spec: &Value) -> e2e::Response {
        let mut object = api.get(name);
        match self {
            Way::Put => {
                merge(&mut object["spec"], spec);
                api.replace(name, "", &object)
            }
            Way::MergePatch => api.patch(name, "", MERGE, &json!({"spec": spec})),
            Way::JsonPatch => {
                let operation = |(field, value): (&String, &Value)| {
                    let removes = value.is_null() && object["spec"].get(field).is_some();
                    let op = if removes { "remove" } else { "add" };
                    json!({"op": op, "path": format!("/spec/{field}"), "value": value})
                };
                let operations: Vec<Value> = spec.as_object().unwrap().iter().map(operation).collect();
                api.patch(name, "", JSON_PATCH, &json!(operations))
            }
        }
    }
}

#[test]
fn each_field_is_its_own_call_in_every_way_of_writing() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), plain(&scratch));
    let mut calls = scratch.calls();
    for way in [Way::Put, Way::MergePatch, Way::JsonPatch] {
        for Change { spec, coder: (pointer, value), call } in changes() {
            let before = api.settled(&name);
            let answer = ok(&way.write(&api, &name, &spec));
            println!("{way:?}: {spec}");
            if let Some(writes) = writes(&mut calls) {
                assert_eq!(writes, [call], "{way:?} of {spec}");
            }
            for (field, value) in spec.as_object().unwrap() {
                assert_eq!(answer["spec"].get(field).unwrap_or(&Value::Null), value, "{way:?} of {field}");
            }
            let shown = coder_workspace(&lab, &name);
            assert_eq!(shown.pointer(pointer).unwrap_or(&Value::Null), &value, "{way:?} of {spec}");
            let after = api.settled(&name);
            let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
            assert_ne!(version(&after), version(&before), "{way:?} of {spec}: the version moves");
        }
    }
}

#[test]
fn dormancy_comes_and_goes() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), plain(&scratch));
    ok(&api.merge(&name, &json!({"spec": {"running": false}})));
    api.settled(&name);
    let mut calls = scratch.calls();
    for dormant in [true, false] {
        for repeat in 0..2 {
            let answer = ok(&api.merge(&name, &json!({"spec": {"dormant": dormant}})));
            assert_eq!(answer["spec"]["dormant"], dormant);
            assert_eq!(coder_workspace(&lab, &name)["dormant_at"].is_string(), dormant);
            if let Some(writes) = writes(&mut calls) {
                let expect: &[&str] = if repeat == 0 { &["PUT /workspaces/*/dormant"] } else { &[] };
                assert_eq!(writes, expect, "dormant: {dormant}");
            }
        }
    }
}

#[test]
fn nothing_changed_is_nothing_written() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), sized(&scratch));
    let object = api.ready(&name);
    let mut sparse = workspace(&name, "params", &json!({}));
    sparse["spec"]["parameters"] = json!([{"name": "cpu", "value": "4"}]);
    let mut elsewhere = object.clone();
    elsewhere["status"] = json!({"latestBuildStatus": "made up"});
    elsewhere["metadata"]["generation"] = json!(77);
    elsewhere["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let calls = scratch.calls();
    for answer in [
        api.replace(&name, "", &object),
        api.replace(&name, "", &sparse),
        api.replace(&name, "", &elsewhere),
        api.merge(&name, &json!({})),
        api.merge(&name, &json!({"spec": {"running": true, "parameters": [{"name": "cpu", "value": "4"}]}})),
        api.merge(&name, &json!({"status": {"latestBuildStatus": "made up"}})),
        api.patch(&name, "", JSON_PATCH, &json!([])),
        api.patch(&name, "", JSON_PATCH, &json!([{"op": "test", "path": "/spec/running", "value": true}])),
    ] {
        assert_eq!(ok(&answer), object);
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(api.get(&name), object);
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
}

#[test]
fn what_a_put_leaves_out_is_cleared_or_kept() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let values = json!({
        "rich_parameter_values": [{"name": "cpu", "value": "4"}],
        "ttl_ms": 3_600_000,
        "autostart_schedule": "CRON_TZ=UTC 0 7 * * 1-5",
        "automatic_updates": "always",
    });
    scratch.coder_workspace("put", "params", &values);
    let (api, name) = (scratch.workspaces(), scratch.name("put"));
    let answer = ok(&api.replace(&name, "", &workspace(&name, "params", &json!({}))));
    for field in ["ttlMillis", "autostartSchedule"] {
        assert!(answer["spec"].get(field).is_none(), "{field} is cleared: {}", answer["spec"]);
    }
    assert_eq!(
        (&answer["spec"]["automaticUpdates"], &answer["spec"]["running"]),
        (&json!("always"), &json!(true))
    );
    assert_eq!(answer["metadata"]["generation"], 1, "no build");
    assert_eq!(coder_workspace(&lab, &name)["ttl_ms"], Value::Null);
    assert!(
        coder_get(&lab, &format!("/users/{}/workspace/put", scratch.user))
            .get("autostart_schedule")
            .is_none()
    );
}

#[test]
fn parameters_make_one_build_in_the_direction_that_is_asked_for() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), sized(&scratch));
    api.ready(&name);
    let mut calls = scratch.calls();
    let region = |value: &str| json!({"spec": {"parameters": [{"name": "region", "value": value}]}});
    let mut build = |patch: &Value, transition: &str, value: &str| {
        let answer = ok(&api.merge(&name, patch));
        let shown = json!([{"name": "cpu", "value": "4"}, {"name": "region", "value": value}]);
        assert_eq!(answer["spec"]["parameters"], shown, "unnamed ones keep their values");
        if let Some(writes) = writes(&mut calls) {
            assert_eq!(writes, ["POST /workspaces/*/builds"], "{patch}");
        }
        let after = api.settled(&name);
        assert_eq!(after["status"]["latestBuild"]["transition"], transition, "{patch}");
        assert_eq!(after["spec"]["parameters"], shown);
        assert_eq!(after["spec"]["running"], transition == "start");
        assert_eq!(
            after["status"]["latestBuildStatus"],
            if transition == "start" { "running" } else { "stopped" }
        );
    };
    build(&region("us"), "start", "us");
    let mut stop = region("ap");
    stop["spec"]["running"] = json!(false);
    build(&stop, "stop", "ap");
    build(&region("eu"), "stop", "eu");
    build(&json!({"spec": {"running": true}}), "start", "eu");
}

#[test]
fn parameters_that_cannot_be_are_refused() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), sized(&scratch));
    let before = api.ready(&name);
    let calls = scratch.calls();
    for (parameters, field) in [
        (json!([{"name": "cpu", "value": "8"}]), "spec.parameters[cpu]"),
        (json!([{"name": "cpu", "value": "many"}]), "spec.parameters[cpu]"),
        (json!([{"name": "disk", "value": "8"}]), "spec.parameters[disk]"),
        (
            json!([{"name": "region", "value": "a"}, {"name": "region", "value": "b"}]),
            "spec.parameters[region]",
        ),
    ] {
        // Whatever else is asked for must not be done either.
        let answer = api.merge(&name, &json!({"spec": {"parameters": parameters, "ttlMillis": 600_000}}));
        let answer = status(&answer, 422, "Invalid");
        assert!(causes(&answer).iter().any(|(name, ..)| name == field), "{field}: {answer}");
    }
    assert_eq!(api.get(&name), before);
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
}

#[test]
fn another_version_is_one_build() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let template = scratch.coder_template("moving", &Archive::plain());
    let id = coder_get(&lab, &format!("/organizations/coder/templates/{template}"))["id"].clone();
    let next = Archive::plain().file("README.md", "# next\n");
    let version = scratch.coder_version(&next, &json!({"template_id": id, "name": "next"}));
    scratch.coder_workspace("moving", &template, &json!({}));
    let (api, name) = (scratch.workspaces(), scratch.name("moving"));
    let mut calls = scratch.calls();
    let patch = json!({"spec": {"templateVersionID": version, "running": false}});
    let answer = ok(&api.merge(&name, &patch));
    assert_eq!(answer["spec"]["templateVersionID"], version);
    if let Some(writes) = writes(&mut calls) {
        assert_eq!(writes, ["POST /workspaces/*/builds"], "both in one");
    }
    let after = api.settled(&name);
    assert_eq!(after["status"]["latestBuild"]["templateVersionName"], "next");
    assert_eq!(after["status"]["latestBuild"]["transition"], "stop");
    for wrong in [json!("nonsense"), json!("00000000-0000-4000-8000-000000000000")] {
        let answer = api.merge(&name, &json!({"spec": {"templateVersionID": wrong}}));
        let answer = status(&answer, 422, "Invalid");
        assert_eq!(causes(&answer)[0].0, "spec.templateVersionID", "{answer}");
    }
}

#[test]
fn several_settings_are_several_calls_and_the_build_is_the_last() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), plain(&scratch));
    let mut calls = scratch.calls();
    let cron = "CRON_TZ=UTC 0 7 * * *";
    let spec = json!({"running": false, "ttlMillis": 120_000, "autostartSchedule": cron, "automaticUpdates": "always"});
    ok(&api.merge(&name, &json!({"spec": spec})));
    if let Some(mut writes) = writes(&mut calls) {
        assert_eq!(writes.pop().as_deref(), Some("POST /workspaces/*/builds"));
        writes.sort();
        let settings = ["autostart", "autoupdates", "ttl"].map(|what| format!("PUT /workspaces/*/{what}"));
        assert_eq!(writes, settings);
    }
    let after = api.settled(&name);
    assert_eq!((&after["spec"]["ttlMillis"], &after["spec"]["running"]), (&json!(120_000), &json!(false)));
}

#[test]
fn a_failed_start_can_be_asked_for_again() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let archive = Archive::plain().fail_on(Phase::Apply, Transition::Start, "failed!");
    let broken = scratch.coder_template("broken", &archive);
    scratch.coder_workspace("again", &broken, &json!({}));
    let (api, name) = (scratch.workspaces(), scratch.name("again"));
    assert_eq!(api.get(&name)["spec"]["running"], false);
    let answer = ok(&api.merge(&name, &json!({"spec": {"running": true}})));
    assert_eq!((&answer["metadata"]["generation"], &answer["spec"]["running"]), (&json!(2), &json!(true)));
    assert_eq!(api.settled(&name)["status"]["latestBuildStatus"], "failed");
}

#[test]
fn a_preset_is_for_new_workspaces() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), sized(&scratch));
    let before = api.ready(&name);
    let answer = api.merge(&name, &json!({"spec": {"templateVersionPreset": "small"}}));
    assert_eq!(ok(&answer), before);
    assert!(warnings(&answer).contains("templateVersionPreset"), "{}", warnings(&answer));
}
