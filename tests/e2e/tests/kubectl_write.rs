//! What a person types to change something: kubectl's own verbs, and how it waits.

use e2e::{
    Kubectl, Lab, Scratch,
    api::{condition, files, template, workspace},
    seed::coder_workspace,
};
use echo_archive::{Archive, Phase, Transition};
use serde_json::{Value, json};

fn from_input(scratch: &Scratch<'_>, object: &Value) -> Kubectl {
    scratch.kubectl().input(object.to_string())
}

#[test]
fn a_workspace_lives_from_create_to_delete() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("life"));
    let kubectl = scratch.kubectl();
    let object = workspace(&name, "plain", &json!({"ttlMillis": 3_600_000}));
    let said = from_input(&scratch, &object).run("create -f -");
    assert_eq!(said.ok().trim(), format!("coderworkspace.aggregation.coder.com/{name} created"));
    kubectl.run(&format!("wait --for=condition=Ready cws/{name} --timeout=120s")).ok();
    let again = from_input(&scratch, &object).run("create -f -");
    assert!(again.fails().contains("(AlreadyExists)"), "{}", again.stderr);

    kubectl.run(&format!("scale cws/{name} --replicas=0")).ok();
    kubectl.run(&format!("wait --for=condition=Ready cws/{name} --timeout=120s")).ok();
    assert_eq!(kubectl.run(&format!("get cws {name} -o jsonpath={{.spec.running}}")).ok(), "false");
    kubectl.run(&format!("scale --current-replicas=0 --replicas=1 cws {name}")).ok();
    api.ready(&name);
    let wrong = kubectl.run(&format!("scale cws/{name} --replicas=3"));
    assert!(wrong.fails().contains("spec.replicas"), "{}", wrong.stderr);

    let patch = |kind: &str, body: &str| {
        kubectl.run_args(&["patch", "cws", &name, &format!("--type={kind}"), "-p", body])
    };
    assert!(patch("merge", r#"{"spec":{"ttlMillis":7200000}}"#).ok().contains("patched"));
    assert!(patch("merge", "{}").ok().contains("no change"));
    patch("json", r#"[{"op":"replace","path":"/spec/automaticUpdates","value":"always"}]"#).ok();
    let strategic = patch("strategic", r#"{"spec":{"running":false}}"#);
    assert!(strategic.fails().contains("merge-patch+json"), "{}", strategic.stderr);
    let coder = coder_workspace(&lab, &name);
    assert_eq!((&coder["ttl_ms"], &coder["automatic_updates"]), (&json!(7_200_000), &json!("always")));

    let mut replaced = api.get(&name);
    replaced["spec"]["ttlMillis"] = json!(60_000);
    from_input(&scratch, &replaced).run("replace -f -").ok();
    let stale = from_input(&scratch, &replaced).run("replace -f -");
    assert!(stale.fails().contains("(Conflict)"), "{}", stale.stderr);
    assert_eq!(coder_workspace(&lab, &name)["ttl_ms"], 60_000);

    let said = kubectl.run(&format!("delete cws {name}"));
    assert!(said.ok().contains("deleted"), "{}", said.stdout);
    let gone = kubectl.run(&format!("get cws {name}"));
    assert!(gone.fails().contains("(NotFound)"), "delete returns when it is gone: {}", gone.stderr);
    assert_eq!(scratch.held(), Vec::<Value>::new());
}

#[test]
fn editing_changes_what_the_editor_changed() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace("edited", "plain", &json!({"ttl_ms": 3_600_000}));
    let name = scratch.name("edited");
    scratch.workspaces().ready(&name);
    let calls = scratch.calls();
    let edit = |editor: &str| scratch.kubectl().env("KUBE_EDITOR", editor).run(&format!("edit cws {name}"));
    assert!(edit("true").ok().contains("no changes made") || edit("true").stderr.contains("no changes made"));
    edit("sed -i s/ttlMillis:.*/ttlMillis:\\ 7200000/").ok();
    assert_eq!(coder_workspace(&lab, &name)["ttl_ms"], 7_200_000);
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), ["PUT /workspaces/*/ttl"]);
    }
}

#[test]
fn applying_twice_and_looking_at_the_difference() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let api = scratch.workspaces();
    for (short, options) in [("client", ""), ("server", "--server-side")] {
        let name = scratch.name(short);
        let mut object = workspace(&name, "plain", &json!({"ttlMillis": 3_600_000}));
        let apply = |object: &Value| from_input(&scratch, object).run(&format!("apply {options} -f -"));
        let diff = |object: &Value| from_input(&scratch, object).run(&format!("diff {options} -f -"));
        assert_eq!(diff(&object).code, 1, "all of it is new");
        assert_eq!(scratch.held().iter().filter(|held| held["name"] == short).count(), 0);
        apply(&object).ok();
        let before = api.ready(&name);
        let calls = scratch.calls();
        let same = diff(&object);
        assert_eq!((same.code, same.stdout.as_str()), (0, ""), "{}", same.stderr);
        apply(&object).ok();
        assert_eq!(api.get(&name), before, "unchanged");
        if let Some(calls) = &calls {
            assert_eq!(calls.writes(), Vec::<String>::new(), "{options}");
        }
        object["spec"]["ttlMillis"] = json!(7_200_000);
        let changed = diff(&object);
        assert_eq!(changed.code, 1, "{}", changed.stderr);
        assert!(changed.stdout.contains("+  ttlMillis: 7200000"), "{}", changed.stdout);
        assert_eq!(api.get(&name), before, "a difference is only shown");
        apply(&object).ok();
        assert_eq!(api.get(&name)["spec"]["ttlMillis"], 7_200_000);
        if let Some(calls) = calls {
            assert_eq!(calls.writes(), ["PUT /workspaces/*/ttl"]);
        }
    }
}

#[test]
fn marks_are_not_kept_and_kubectl_says_so() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace("marked", "plain", &json!({}));
    let name = scratch.name("marked");
    scratch.workspaces().ready(&name);
    for (verb, mark) in [("label", "team=blue"), ("annotate", "note=text")] {
        let said = scratch.kubectl().run(&format!("{verb} cws {name} {mark}"));
        said.ok();
        let key = mark.split('=').next().unwrap();
        assert!(said.stderr.contains("Warning: ") && said.stderr.contains(key), "{verb}: {}", said.stderr);
    }
}

#[test]
fn mistakes_are_told_with_their_fields() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let name = scratch.name("mistaken");
    let mut object = workspace(&name, "params", &json!({"ttlMillis": 1}));
    let said = from_input(&scratch, &object).run("create -f -");
    let said = said.fails();
    assert!(said.contains("is invalid") && said.contains("spec.ttlMillis"), "{said}");
    object["spec"] = json!({"organization": "coder", "templateName": "params"});
    let said = from_input(&scratch, &object).run("create -f -");
    assert!(said.fails().contains("spec.parameters[cpu]"), "{}", said.stderr);
    object["spec"]["runing"] = json!(true);
    let said = from_input(&scratch, &object).run("create -f -");
    assert!(said.fails().contains("unknown field \"spec.runing\""), "{}", said.stderr);
    let tried =
        from_input(&scratch, &workspace(&name, "plain", &json!({}))).run("create -f - --dry-run=server");
    assert!(tried.ok().contains("created (server dry run)"), "{}", tried.stdout);
    assert_eq!(scratch.held(), Vec::<Value>::new());
}

#[test]
fn many_are_deleted_at_once() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let kubectl = scratch.kubectl();
    for name in ["one", "two"] {
        scratch.coder_workspace(name, "plain", &json!({}));
    }
    let selected = format!("delete cws -l coder.com/owner={}", scratch.user);
    let tried = kubectl.run(&format!("{selected} --dry-run=server -o name"));
    assert_eq!(tried.lines().len(), 2, "{}", tried.stdout);
    // All of them, seeded ones too, can only be tried here. What is being built is in the way of itself alone.
    let calls = scratch.calls();
    let tried = kubectl.run("delete cws --all --dry-run=server");
    for name in [scratch.name("one"), scratch.name("two"), "coder.alice.ws0".into()] {
        assert!(tried.stdout.contains(&name), "{name}: {} {}", tried.stdout, tried.stderr);
    }
    let others = tried.stderr.lines().filter(|line| line.starts_with("Error"));
    assert!(others.clone().all(|line| line.contains("(Conflict)")), "{}", tried.stderr);
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
    assert_eq!(scratch.held().len(), 2);
    let orphaned = kubectl.run(&format!("{selected} --cascade=orphan"));
    assert!(orphaned.fails().contains("propagationPolicy"), "{}", orphaned.stderr);
    kubectl.run(&selected).ok();
    assert_eq!(scratch.held(), Vec::<Value>::new());
}

#[test]
fn failures_can_be_waited_for() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (kubectl, name) = (scratch.kubectl(), scratch.name("failing"));
    let broken = Archive::plain().fail_on(Phase::Apply, Transition::Start, "failed!");
    let short = scratch.coder_template("broken", &broken);
    from_input(&scratch, &workspace(&name, &short, &json!({}))).run("create -f -").ok();
    kubectl.run(&format!("wait --for=condition=BuildSucceeded=False cws/{name} --timeout=120s")).ok();
    let template_name = scratch.template_name("failing");
    let archive = Archive::plain().fail(Phase::Plan, "it cannot be");
    let object = template(&template_name, &json!({"provisioner": "echo", "files": files(&archive)}));
    from_input(&scratch, &object).run("create -f -").ok();
    kubectl
        .run(&format!("wait --for=condition=ImportSucceeded=False ctpl/{template_name} --timeout=120s"))
        .ok();
    kubectl.run(&format!("delete cws/{name}")).ok();
    kubectl.run(&format!("delete ctpl/{template_name}")).ok();
}

#[test]
fn a_template_lives_from_apply_to_delete() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("life"));
    let kubectl = scratch.kubectl();
    let with = |text: &str| {
        let archive = Archive::plain().file("readme.md", text);
        template(&name, &json!({"provisioner": "echo", "displayName": "Life", "files": files(&archive)}))
    };
    from_input(&scratch, &with("one\n")).run("apply -f -").ok();
    kubectl.run(&format!("wait --for=condition=Ready ctpl/{name} --timeout=120s")).ok();
    let first = api.get(&name);
    let calls = scratch.calls();
    from_input(&scratch, &with("one\n")).run("apply -f -").ok();
    assert_eq!(from_input(&scratch, &with("one\n")).run("diff -f -").code, 0);
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
    let shown = from_input(&scratch, &with("two\n")).run("diff -f -");
    assert!(shown.code == 1 && shown.stdout.contains("two"), "{} {}", shown.stdout, shown.stderr);
    from_input(&scratch, &with("two\n")).run("apply --server-side -f -").ok();
    let active = |object: &Value| object["status"]["activeVersionID"].clone();
    let object = api.until(&name, "promoted", |object| active(object) != active(&first));
    assert_eq!(condition(&object, "Ready"), "True");
    let edited = scratch.kubectl().env("KUBE_EDITOR", "sed -i s/displayName:.*/displayName:\\ Edited/");
    edited.run(&format!("edit ctpl {name}")).ok();
    assert_eq!(api.get(&name)["spec"]["displayName"], "Edited");
    kubectl.run(&format!("delete ctpl {name}")).ok();
    assert!(kubectl.run(&format!("get ctpl {name}")).fails().contains("(NotFound)"));
}
