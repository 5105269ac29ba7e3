//! Creating templates: from a version that is there, and from files, whose import goes on after the answer.

use e2e::{
    Lab, Request, Scratch,
    api::{causes, condition, files, manifest, ok, shown_files, template, warnings},
    check::{no_secrets, status},
    seed::coder_get,
};
use echo_archive::{Archive, Phase};
use serde_json::{Value, json};

fn in_coder(lab: &Lab, name: &str) -> Value {
    let short = name.split_once('.').unwrap().1;
    coder_get(lab, &format!("/organizations/coder/templates/{short}"))
}

fn echo(files: Value) -> Value {
    json!({"provisioner": "echo", "files": files})
}

#[test]
fn a_version_becomes_a_template() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("fromv"));
    let version = scratch.coder_version(&Archive::plain(), &json!({"name": "first"}));
    let spec = json!({
        "versionID": version,
        "displayName": "From a version",
        "description": "made by a test",
        "icon": "/icon/docker.png",
        "defaultTTLMillis": 7_200_000,
        "activityBumpMillis": 600_000,
        "allowUserCancelWorkspaceJobs": true,
    });
    let calls = scratch.calls();
    let answer = api.create("", &template(&name, &spec));
    assert_eq!(answer.status(), 201, "{}", answer.excerpt());
    assert_eq!(warnings(&answer), "");
    if let Some(calls) = calls {
        let writes = calls.writes();
        assert!(writes.len() == 1 && writes[0].ends_with("/templates"), "{writes:?}");
    }
    for object in [answer.json(), api.get(&name)] {
        for (field, value) in spec.as_object().unwrap() {
            assert_eq!(&object["spec"][field], value, "{field}");
        }
        assert_eq!(condition(&object, "Ready"), "True");
        assert_eq!(object["status"]["activeVersionName"], "first");
        assert_eq!(object["spec"]["files"], shown_files(&Archive::plain()));
    }
    let coder = in_coder(&lab, &name);
    assert_eq!(coder["id"], api.get(&name)["metadata"]["uid"]);
    assert_eq!((&coder["default_ttl_ms"], &coder["activity_bump_ms"]), (&json!(7_200_000), &json!(600_000)));
    assert_eq!(coder["allow_user_cancel_workspace_jobs"], true);
    // A version belongs to one template.
    let second = template(&scratch.template_name("second"), &json!({"versionID": version}));
    let answer = status(&api.create("", &second), 422, "Invalid");
    assert_eq!(causes(&answer)[0].0, "spec.versionID", "{answer}");
}

#[test]
fn files_become_a_template() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("files"));
    let archive =
        Archive::plain().file("main.tf", "# nothing\n").file("modules/deep/er/readme.md", "über alles\n");
    let calls = scratch.calls();
    let answer = api.create("", &template(&name, &echo(files(&archive))));
    assert_eq!(answer.status(), 201, "{}", answer.excerpt());
    assert_eq!(answer.json()["spec"]["files"], shown_files(&archive));
    if let Some(calls) = calls {
        let writes = calls.writes();
        assert_eq!(writes.len(), 3, "upload, version, template: {writes:?}");
        assert_eq!(writes[0], "POST /files");
    }
    let object = api.ready(&name);
    assert_eq!((condition(&object, "Importing"), condition(&object, "ImportSucceeded")), ("False", "True"));
    assert_eq!(
        (&object["spec"]["files"], &object["spec"]["provisioner"]),
        (&shown_files(&archive), &json!("echo"))
    );
    let version = &object["status"]["latestVersion"];
    assert!(version["name"].as_str().unwrap().starts_with("k8s-"), "{version}");
    assert_eq!(version["id"], object["status"]["activeVersionID"]);
    // It is a template like any other.
    let workspaces = scratch.workspaces();
    let short = name.split_once('.').unwrap().1;
    ok(&workspaces.create("", &e2e::api::workspace(&scratch.name("built"), short, &json!({}))));
    workspaces.ready(&scratch.name("built"));
}

#[test]
fn an_import_that_fails_is_a_condition() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("failing"));
    let archive = Archive::plain().fail(Phase::Plan, "unsupported argument in main.tf");
    let answer = api.create("", &template(&name, &echo(files(&archive))));
    assert_eq!(answer.status(), 201, "{}", answer.excerpt());
    let object = api.until(&name, "imported", |object| condition(object, "ImportSucceeded") == "False");
    assert_eq!(condition(&object, "Ready"), "False");
    let conditions = object["status"]["conditions"].to_string();
    assert!(conditions.contains("unsupported argument in main.tf"), "{conditions}");
    assert_eq!(object["spec"]["files"], shown_files(&archive), "what was asked for can be read");
    // And mended.
    let mended = json!({"spec": {"files": files(&Archive::plain())}});
    let mut put = api.get(&name);
    put["spec"]["files"] = mended["spec"]["files"].clone();
    ok(&api.replace(&name, "", &put));
    let object = api.ready(&name);
    assert_eq!(object["spec"]["files"], shown_files(&Archive::plain()));
}

#[test]
fn an_import_that_nobody_takes_goes_on() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("pending"));
    // terraform is the default, and no daemon of the lab runs it.
    let answer = ok(&api.create("", &template(&name, &json!({"files": {"main.tf": "# nothing\n"}}))));
    assert_eq!(answer["spec"]["provisioner"], "terraform");
    let object = api.get(&name);
    assert_eq!((condition(&object, "Importing"), condition(&object, "Ready")), ("True", "False"));
    assert_eq!(condition(&object, "ImportSucceeded"), "Unknown");
    let workspace = e2e::api::workspace(&scratch.name("early"), name.split_once('.').unwrap().1, &json!({}));
    status(&scratch.workspaces().create("", &workspace), 409, "Conflict");
    ok(&api.delete(&name, "", &Value::Null));
    api.gone(&name);
}

#[test]
fn the_same_name_twice_exists_already_and_uploads_nothing() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("twice"));
    let object = template(&name, &echo(files(&Archive::plain())));
    ok(&api.create("", &object));
    let calls = scratch.calls();
    for query in ["", "dryRun=All"] {
        let answer = status(&api.create(query, &object), 409, "AlreadyExists");
        assert_eq!(
            answer["message"],
            format!("codertemplates.aggregation.coder.com \"{name}\" already exists")
        );
    }
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_field_and_makes_nothing() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, calls) = (scratch.templates(), scratch.calls());
    let name = scratch.template_name("bad");
    let plain = || echo(files(&Archive::plain()));
    let with = |more: Value| {
        let mut spec = plain();
        e2e::api::merge(&mut spec, &more);
        template(&name, &spec)
    };
    let named = |name: &str| template(name, &plain());
    let nameless = manifest("CoderTemplate", &json!({}), &with(json!({}))["spec"]);
    let id = "00000000-0000-4000-8000-000000000000";
    let mut wrong = Vec::new();
    for (object, field) in [
        (named("coder.UPPER"), "metadata.name"),
        (named("coder.under_score"), "metadata.name"),
        (named("coder.a.b"), "metadata.name"),
        (named("plain"), "metadata.name"),
        (named(&format!("coder.{}", "a".repeat(33))), "metadata.name"),
        (named("nowhere.plain"), "metadata.name"),
        (template("default.x", &json!({"organization": "default", "files": {"a": ""}})), "metadata.name"),
        (nameless, "metadata.name"),
        (with(json!({"organization": "elsewhere"})), "spec.organization"),
        (template(&name, &json!({})), "spec.files"),
        (template(&name, &json!({"files": {}})), "spec.files"),
        (template(&name, &json!({"versionID": id})), "spec.versionID"),
        (template(&name, &json!({"versionID": "nonsense"})), "spec.versionID"),
        (with(json!({"versionID": id})), "spec.versionID"),
        (with(json!({"provisioner": "abacus"})), "spec.provisioner"),
        (with(json!({"description": "x".repeat(128)})), "spec.description"),
        (with(json!({"displayName": "x".repeat(65)})), "spec.displayName"),
        (with(json!({"defaultTTLMillis": -1})), "spec.defaultTTLMillis"),
        (with(json!({"activityBumpMillis": -1})), "spec.activityBumpMillis"),
        (with(json!({"variables": [{"name": "", "value": "x"}]})), "spec.variables"),
    ] {
        let response = api.create("", &object);
        no_secrets(&lab, &response.text());
        let answer = response.json();
        let begins = |(name, ..): &(String, String, String)| name.starts_with(field);
        if response.status() != 422 || answer["reason"] != "Invalid" || !causes(&answer).iter().any(begins) {
            wrong.push(format!("{field} of {object}: {} {}", response.status(), response.excerpt()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    status(&api.read(&name), 404, "NotFound");
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
}

#[test]
fn an_old_field_is_accepted_with_a_warning() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("old"));
    let mut spec = echo(files(&Archive::plain()));
    spec["running"] = json!(true);
    let answer = api.create("fieldValidation=Strict", &template(&name, &spec));
    assert!(ok(&answer)["spec"].get("running").is_none());
    assert!(warnings(&answer).contains("running"), "{}", warnings(&answer));
}

#[test]
fn variables_are_handed_on_and_never_shown() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("vars"));
    let secret = format!("s3cret-{}", scratch.user);
    let mut spec = echo(files(&Archive::plain()));
    spec["variables"] = json!([{"name": "token", "value": secret}]);
    let mut broken = template(&name, &spec);
    broken["spec"]["provisioner"] = json!("abacus");
    let mut duplicate = template(&name, &spec);
    duplicate["spec"]["variables"] = json!([{"name": "t", "value": secret}, {"name": "t", "value": secret}]);
    let list = format!("{}?limit=500", lab.path("codertemplates"));
    let mut texts = vec![
        api.create("dryRun=All", &template(&name, &spec)),
        api.create("", &broken),
        api.create("", &duplicate),
        api.create("", &template(&name, &spec)),
    ];
    assert_eq!(texts[3].status(), 201, "{}", texts[3].excerpt());
    api.ready(&name);
    let changed = json!({"spec": {"variables": [{"name": "token", "value": format!("{secret}-2")}]}});
    let calls = scratch.calls();
    let alone = api.merge(&name, &changed);
    assert!(warnings(&alone).contains("variables"), "{}", warnings(&alone));
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new(), "a change of variables alone cannot be seen");
    }
    texts.extend([alone, api.read(&name), scratch.front().send(&Request::get(&list))]);
    for response in &texts {
        let headers = format!("{:?}", response.head.headers);
        assert!(!response.text().contains(&secret) && !headers.contains(&secret), "{}", response.excerpt());
    }
    assert!(api.get(&name)["spec"].get("variables").is_none());
    for log in lab.logs() {
        let text = std::fs::read(log).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains(&secret), "{}", log.display());
    }
}

#[test]
fn a_variable_that_must_be_given_is_missed() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.templates();
    let spec = echo(files(&Archive::plain().required_variable("region")));
    let name = scratch.template_name("without");
    ok(&api.create("", &template(&name, &spec)));
    let object = api.until(&name, "imported", |object| condition(object, "ImportSucceeded") == "False");
    let conditions = object["status"]["conditions"].to_string();
    assert!(conditions.contains("RequiredTemplateVariables"), "{conditions}");
    let name = scratch.template_name("with");
    let mut given = spec.clone();
    given["variables"] = json!([{"name": "region", "value": "somewhere"}]);
    ok(&api.create("", &template(&name, &given)));
    api.ready(&name);
    // With a change of files they are handed on again.
    let next = files(&Archive::plain().required_variable("region").file("next.md", "next"));
    let first = api.get(&name)["status"]["activeVersionID"].clone();
    let patch = json!({"spec": {"files": next, "variables": [{"name": "region", "value": "elsewhere"}]}});
    let answer = api.merge(&name, &patch);
    ok(&answer);
    assert_eq!(warnings(&answer), "");
    api.until(&name, "promoted", |object| object["status"]["activeVersionID"] != first);
}

#[test]
fn of_many_who_are_first_one_is() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (templates, workspaces) = (scratch.templates(), scratch.workspaces());
    let name = scratch.template_name("first");
    let object = template(&name, &echo(files(&Archive::plain())));
    let workspace = e2e::api::workspace(&scratch.name("first"), "plain", &json!({}));
    for (api, object) in [(&templates, &object), (&workspaces, &workspace)] {
        let answers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| api.create("", object))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(answers.iter().filter(|answer| answer.status() == 201).count(), 1);
        for answer in answers.iter().filter(|answer| answer.status() != 201) {
            // coderd looks for the name before it inserts, and what its database finds afterwards is an internal error.
            let undecided = lab.parts == e2e::Parts::Real && answer.status() == 500;
            assert!(!undecided || answer.text().contains("unknown"), "{}", answer.excerpt());
            if !undecided {
                status(answer, 409, "AlreadyExists");
            }
        }
    }
    assert_eq!(scratch.held().len(), 1);
}

#[test]
fn tags_say_who_may_import() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("tagged"));
    // Nobody has such a tag; with terraform the import waits on the stand-in, too.
    let spec = json!({"files": {"main.tf": ""}, "tags": {"e2e": "yes"}});
    ok(&api.create("", &template(&name, &spec)));
    let object = api.get(&name);
    assert_eq!((&object["spec"]["tags"]["e2e"], condition(&object, "Importing")), (&json!("yes"), "True"));
}

#[test]
fn a_name_can_be_made_up() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.templates();
    let base = format!("coder.{}-g", scratch.user);
    let spec = template("coder.x", &echo(files(&Archive::plain())))["spec"].clone();
    let object = ok(&api.create("", &manifest("CoderTemplate", &json!({"generateName": base}), &spec)));
    let name = object["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with(&base) && name.len() == base.len() + 5, "{name}");
    scratch.template_name(&name[base.len() - 1..]);
    api.get(name);
}
