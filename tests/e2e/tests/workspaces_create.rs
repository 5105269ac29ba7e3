//! Creating workspaces: what is asked for is what Coder gets, and what cannot be is refused before Coder is asked to make anything.

use e2e::{
    Lab, Request, Scratch,
    api::{causes, condition, manifest, ok, workspace},
    check::{no_secrets, status},
    seed::{coder_get, coder_workspace},
};
use echo_archive::{Archive, Phase, Transition};
use serde_json::{Value, json};

/// The active version of a seeded template.
fn active_version(lab: &Lab, template: &str) -> String {
    let template = coder_get(lab, &format!("/organizations/coder/templates/{template}"));
    template["active_version_id"].as_str().unwrap().to_owned()
}

/// Parameters as pairs.
fn parameters(object: &Value) -> Vec<(&str, &str)> {
    let all = object["spec"]["parameters"].as_array();
    all.into_iter().flatten().map(|p| (p["name"].as_str().unwrap(), p["value"].as_str().unwrap())).collect()
}

#[test]
fn a_workspace_is_made_and_becomes_ready() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name, calls) = (scratch.workspaces(), scratch.name("made"), scratch.calls());
    let answer = api.create("", &workspace(&name, "plain", &json!({})));
    assert_eq!(answer.status(), 201, "{}", answer.excerpt());
    let object = answer.json();
    assert_eq!((&object["kind"], &object["metadata"]["name"]), (&json!("CoderWorkspace"), &json!(name)));
    assert_eq!((&object["metadata"]["generation"], &object["spec"]["running"]), (&json!(1), &json!(true)));
    assert_eq!(object["metadata"]["namespace"], lab.namespace);
    assert!(answer.header("warning").is_none(), "{:?}", answer.header("warning"));
    if let Some(calls) = calls {
        assert_eq!(calls.writes().len(), 1, "{:?}", calls.writes());
    }
    let ready = api.ready(&name);
    assert_eq!(ready["metadata"]["uid"], object["metadata"]["uid"]);
    assert_eq!(ready["metadata"]["creationTimestamp"], object["metadata"]["creationTimestamp"]);
    assert_eq!(coder_workspace(&lab, &name)["id"], object["metadata"]["uid"]);
    assert_eq!(scratch.held().len(), 1);
}

#[test]
fn everything_that_is_asked_for_is_handed_on() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("whole"));
    let version = active_version(&lab, "params");
    let spec = json!({
        "templateVersionID": version,
        "running": true,
        "ttlMillis": 7_200_000,
        "autostartSchedule": "CRON_TZ=Europe/Berlin 30 9 * * 1-5",
        "automaticUpdates": "always",
        "parameters": [{"name": "region", "value": "us"}, {"name": "cpu", "value": "4"}],
    });
    let answer = ok(&api.create("", &workspace(&name, "params", &spec)));
    for object in [answer, api.ready(&name)] {
        for field in ["templateVersionID", "running", "ttlMillis", "autostartSchedule", "automaticUpdates"] {
            assert_eq!(object["spec"][field], spec[field], "{field}");
        }
        assert_eq!(parameters(&object), [("cpu", "4"), ("region", "us")], "sorted by name");
    }
    let coder = coder_workspace(&lab, &name);
    assert_eq!(coder["latest_build"]["template_version_id"], version);
    assert_eq!(coder["ttl_ms"], 7_200_000);
    assert_eq!(coder["autostart_schedule"], "CRON_TZ=Europe/Berlin 30 9 * * 1-5");
    assert_eq!(coder["automatic_updates"], "always");
}

#[test]
fn defaults_are_coders() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("defaults"));
    let given = json!({"parameters": [{"name": "cpu", "value": "1"}], "ttlMillis": null});
    let object = ok(&api.create("", &workspace(&name, "params", &given)));
    assert_eq!(parameters(&object), [("cpu", "1"), ("region", "eu")]);
    assert!(object["spec"].get("ttlMillis").is_none(), "{}", object["spec"]);
    assert_eq!(object["spec"]["automaticUpdates"], "never");
    assert_eq!(object["spec"]["templateVersionID"], active_version(&lab, "params"));
}

#[test]
fn a_preset_gives_parameters() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("preset"));
    let spec = json!({"templateVersionPreset": "small", "parameters": [{"name": "region", "value": "us"}]});
    let object = ok(&api.create("", &workspace(&name, "params", &spec)));
    assert_eq!(parameters(&object), [("cpu", "2"), ("region", "us")]);
    assert!(api.get(&name)["spec"].get("templateVersionPreset").is_none(), "it is not shown");
    assert!(coder_workspace(&lab, &name)["latest_build"]["template_version_preset_id"].is_string());
    // The same value twice is no contradiction.
    let name = scratch.name("agreeing");
    let spec = json!({"templateVersionPreset": "small", "parameters": [{"name": "cpu", "value": "2"}]});
    assert_eq!(
        parameters(&ok(&api.create("", &workspace(&name, "params", &spec)))),
        [("cpu", "2"), ("region", "eu")]
    );
}

#[test]
fn a_workspace_that_shall_not_run_stops_by_itself() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("asleep"));
    ok(&api.create("", &workspace(&name, "plain", &json!({"running": false}))));
    let stopped = api.until(&name, "stopped", |object| {
        object["spec"]["running"] == false && condition(object, "Ready") == "True"
    });
    let build = &stopped["status"]["latestBuild"];
    assert_eq!((&build["transition"], &build["number"]), (&json!("stop"), &json!(2)), "{build}");
}

#[test]
fn names_are_made_up_where_that_is_asked() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.workspaces();
    let spec = json!({"organization": "coder", "templateName": "plain"});
    for (base, kept) in [("dev-".to_owned(), 4), ("a".repeat(40), 27)] {
        let base = format!("coder.{}.{base}", scratch.user);
        let object = ok(&api.create("", &manifest("CoderWorkspace", &json!({"generateName": base}), &spec)));
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let segment = name.rsplit('.').next().unwrap();
        let (beginning, random) = segment.split_at(segment.len() - 5);
        assert_eq!(beginning.len(), kept, "{name}");
        assert!(random.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)), "{name}");
        assert!(base.starts_with(&name[..name.len() - 5]), "{name}");
        api.get(&name);
    }
}

#[test]
fn a_build_that_fails_is_a_condition() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("failing"));
    let archive = Archive::plain().fail_on(Phase::Apply, Transition::Start, "failed!");
    let broken = scratch.coder_template("broken", &archive);
    ok(&api.create("", &workspace(&name, &broken, &json!({}))));
    let object = api.settled(&name);
    assert_eq!((condition(&object, "BuildSucceeded"), condition(&object, "Ready")), ("False", "False"));
    assert!(object["status"]["latestBuild"]["error"].as_str().unwrap().contains("failed!"));
    assert_eq!(object["spec"]["running"], false);
}

#[test]
fn the_same_name_twice_exists_already() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("twice"));
    let object = workspace(&name, "plain", &json!({}));
    ok(&api.create("", &object));
    let calls = scratch.calls();
    for _ in 0..2 {
        let answer = status(&api.create("", &object), 409, "AlreadyExists");
        assert_eq!(
            answer["message"],
            format!("coderworkspaces.aggregation.coder.com \"{name}\" already exists")
        );
        assert_eq!(answer["details"]["name"], name);
    }
    if let Some(calls) = calls {
        assert!(calls.writes().iter().all(|write| write.ends_with("/workspaces")), "{:?}", calls.writes());
    }
    assert_eq!(scratch.held().len(), 1);
}

/// What is refused, and the field that the cause names.
fn refused(user: &str) -> Vec<(Value, &'static str)> {
    let named = |name: &str| workspace(&format!("coder.{user}.{name}"), "plain", &json!({}));
    let with = |more: Value| workspace(&format!("coder.{user}.refused"), "plain", &more);
    let with_parameters = |parameters: Value, more: Value| {
        let mut object = workspace(&format!("coder.{user}.refused"), "params", &more);
        object["spec"]["parameters"] = parameters;
        object
    };
    let cpu = |value: &str| json!({"name": "cpu", "value": value});
    let without_name = |metadata: Value| manifest("CoderWorkspace", &metadata, &with(json!({}))["spec"]);
    vec![
        (named("UPPER"), "metadata.name"),
        (named("under_score"), "metadata.name"),
        (named("two--hyphens"), "metadata.name"),
        (named("new"), "metadata.name"),
        (named("create"), "metadata.name"),
        (named(&"a".repeat(33)), "metadata.name"),
        (named("a.b"), "metadata.name"),
        (workspace("coder.me.refused", "plain", &json!({})), "metadata.name"),
        (workspace("coder.nobody-of-that-name.refused", "plain", &json!({})), "metadata.name"),
        (workspace("default.alice.refused", "plain", &json!({"organization": "default"})), "metadata.name"),
        (workspace("nowhere.alice.refused", "plain", &json!({})), "metadata.name"),
        (without_name(json!({})), "metadata.name"),
        (with(json!({"organization": "elsewhere"})), "spec.organization"),
        (with(json!({"templateName": ""})), "spec.templateName"),
        (with(json!({"templateName": null})), "spec.templateName"),
        (with(json!({"templateName": "nosuch"})), "spec.templateName"),
        (with(json!({"templateVersionID": "no-id"})), "spec.templateVersionID"),
        (
            with(json!({"templateVersionID": "00000000-0000-4000-8000-000000000000"})),
            "spec.templateVersionID",
        ),
        (with(json!({"templateVersionPreset": "nosuch"})), "spec.templateVersionPreset"),
        (with(json!({"ttlMillis": 90_000})), "spec.ttlMillis"),
        (with(json!({"ttlMillis": 1})), "spec.ttlMillis"),
        (with(json!({"ttlMillis": -60_000})), "spec.ttlMillis"),
        (with(json!({"ttlMillis": 2_592_060_000_u64})), "spec.ttlMillis"),
        (with(json!({"autostartSchedule": "every morning"})), "spec.autostartSchedule"),
        (with(json!({"autostartSchedule": "30 9 1 * *"})), "spec.autostartSchedule"),
        (with(json!({"automaticUpdates": "sometimes"})), "spec.automaticUpdates"),
        (with(json!({"dormant": true})), "spec.dormant"),
        (with(json!({"parameters": [cpu("4")]})), "spec.parameters[cpu]"),
        (with_parameters(json!([]), json!({})), "spec.parameters[cpu]"),
        (with_parameters(json!([cpu("many")]), json!({})), "spec.parameters[cpu]"),
        (with_parameters(json!([cpu("4"), cpu("4")]), json!({})), "spec.parameters[cpu]"),
        (
            with_parameters(json!([cpu("4"), {"name": "disk", "value": "1"}]), json!({})),
            "spec.parameters[disk]",
        ),
        (
            with_parameters(json!([cpu("4")]), json!({"templateVersionPreset": "small"})),
            "spec.parameters[cpu]",
        ),
    ]
}

#[test]
fn what_cannot_be_is_refused_with_the_field_and_makes_nothing() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, calls) = (scratch.workspaces(), scratch.calls());
    let mut wrong = Vec::new();
    for (object, field) in refused(&scratch.user) {
        for query in ["", "dryRun=All"] {
            let response = api.create(query, &object);
            no_secrets(&lab, &response.text());
            let answer = response.json();
            let named = causes(&answer).iter().any(|(name, ..)| name == field);
            if response.status() != 422 || answer["reason"] != "Invalid" || !named {
                wrong.push(format!("{field} of {object}: {} {}", response.status(), response.excerpt()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(scratch.held(), Vec::<Value>::new());
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
}

#[test]
fn every_cause_is_told_at_once() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let spec = json!({"ttlMillis": 1, "automaticUpdates": "sometimes", "dormant": true});
    let answer = scratch.workspaces().create("", &workspace(&scratch.name("bad"), "plain", &spec));
    let answer = status(&answer, 422, "Invalid");
    let fields: Vec<String> = causes(&answer).into_iter().map(|(field, ..)| field).collect();
    for field in ["spec.ttlMillis", "spec.automaticUpdates", "spec.dormant"] {
        assert!(fields.contains(&field.to_owned()), "{field} in {answer}");
    }
    let begins = format!("CoderWorkspace.aggregation.coder.com \"{}\" is invalid: ", scratch.name("bad"));
    assert!(answer["message"].as_str().unwrap().starts_with(&begins), "{answer}");
}

#[test]
fn versions_that_cannot_be_built_are_refused() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.workspaces();
    let version = active_version(&lab, "dev");
    let foreign = workspace(&scratch.name("foreign"), "plain", &json!({"templateVersionID": version}));
    let answer = status(&api.create("", &foreign), 422, "Invalid");
    assert_eq!(causes(&answer)[0].0, "spec.templateVersionID", "{answer}");
    // Nobody imports the only version of this one.
    let response = api.create("", &workspace(&scratch.name("early"), "unserved", &json!({})));
    let answer = status(&response, 409, "Conflict");
    assert!(answer["message"].as_str().unwrap().contains("import"), "{answer}");
    let response = api.create("", &workspace(&scratch.name("late"), "retired", &json!({})));
    assert!([400, 422].contains(&response.status()), "{} {}", response.status(), response.excerpt());
    assert!(response.text().contains("deprecated"), "{}", response.excerpt());
    assert_eq!(scratch.held(), Vec::<Value>::new());
}

#[test]
fn bodies_that_are_no_such_object_are_bad_requests() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.workspaces();
    let good = workspace(&scratch.name("body"), "plain", &json!({}));
    let with = |field: &str, value: Value| {
        let mut object = good.clone();
        object[field] = value;
        object.to_string()
    };
    let mut elsewhere = good.clone();
    elsewhere["metadata"]["namespace"] = json!("elsewhere");
    for body in [
        String::new(),
        "{".into(),
        "[]".into(),
        "null".into(),
        with("kind", json!("Pod")),
        with("kind", json!("CoderTemplate")),
        with("apiVersion", json!("v1")),
        with("apiVersion", json!("aggregation.coder.com/v1")),
        with("spec", json!("text")),
        with("metadata", json!([])),
        elsewhere.to_string(),
    ] {
        let response =
            api.send(&Request::new("POST", &api.target("", "")).body("application/json", body.clone()));
        println!("{body}: {}", response.excerpt());
        status(&response, 400, "BadRequest");
    }
    for kind in ["text/plain", "application/xml", "application/vnd.kubernetes.protobuf", "nonsense"] {
        let request = Request::new("POST", &api.target("", "")).body(kind, good.to_string());
        status(&api.send(&request), 415, "UnsupportedMediaType");
    }
    assert_eq!(scratch.held(), Vec::<Value>::new());
}

#[test]
fn yaml_is_read_too() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("yaml"));
    let body = format!(
        "apiVersion: aggregation.coder.com/v1alpha1\nkind: CoderWorkspace\nmetadata:\n  name: {name}\nspec:\n  \
         organization: coder\n  templateName: params\n  parameters:\n  - name: cpu\n    value: \"3\"\n"
    );
    let request = Request::new("POST", &api.target("", "")).body("application/yaml", body);
    assert_eq!(parameters(&ok(&api.send(&request))), [("cpu", "3"), ("region", "eu")]);
}

#[test]
fn without_a_coder_or_a_right_nothing_is_made() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let object = workspace(&scratch.name("nowhere"), "plain", &json!({}));
    let target = format!("{}/namespaces/default/coderworkspaces", e2e::GROUP_VERSION);
    let answer = status(&scratch.front().send(&Request::post(&target, &object)), 403, "Forbidden");
    assert!(answer["message"].as_str().unwrap().contains("default"), "{answer}");
    let request = Request::post(&lab.path("coderworkspaces"), &object);
    let answer = status(&lab.front_user().send(&request), 403, "Forbidden");
    let expect = format!(
        "coderworkspaces.aggregation.coder.com is forbidden: User \"alice\" cannot create resource \"coderworkspaces\" in API group \"aggregation.coder.com\" in the namespace \"{}\"",
        lab.namespace
    );
    assert_eq!(answer["message"], expect);
    let request = Request::post(&format!("{}/coderworkspaces", e2e::GROUP_VERSION), &object);
    let response = scratch.front().send(&request);
    assert!([404, 405].contains(&response.status()), "{}", response.excerpt());
    assert_eq!(scratch.held(), Vec::<Value>::new());
}
