//! Server-side apply: creates what is missing, merges what it names, and says what it does not keep.

use e2e::{
    Lab, Request, Scratch,
    api::{APPLY, files, ok, shown_files, template, warnings, workspace},
    check::status,
};
use echo_archive::Archive;
use serde_json::{Value, json};

const MANAGER: &str = "fieldManager=e2e";

#[test]
fn it_creates_and_then_changes_nothing() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("applied"));
    let spec = json!({"ttlMillis": 3_600_000, "parameters": [{"name": "cpu", "value": "4"}]});
    let object = workspace(&name, "params", &spec);
    let tried = api.patch(&name, &format!("{MANAGER}&dryRun=All&force=true"), APPLY, &object);
    assert_eq!(tried.status(), 201, "{}", tried.excerpt());
    assert_eq!(scratch.held(), Vec::<Value>::new());
    let answer = api.patch(&name, MANAGER, APPLY, &object);
    assert_eq!(answer.status(), 201, "{}", answer.excerpt());
    assert!(warnings(&answer).contains("who owns which field is not kept"), "{}", warnings(&answer));
    let made = api.ready(&name);
    let calls = scratch.calls();
    for query in
        [MANAGER.to_owned(), "fieldManager=another&force=true".to_owned(), format!("{MANAGER}&dryRun=All")]
    {
        let answer = api.patch(&name, &query, APPLY, &object);
        assert_eq!((answer.status(), answer.json()), (200, made.clone()), "{query}");
    }
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
}

#[test]
fn it_merges_what_it_names() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace(
        "merged",
        "params",
        &json!({"rich_parameter_values": [{"name": "cpu", "value": "4"}], "ttl_ms": 3_600_000}),
    );
    let (api, name) = (scratch.workspaces(), scratch.name("merged"));
    api.ready(&name);
    let body = format!(
        "apiVersion: aggregation.coder.com/v1alpha1\nkind: CoderWorkspace\nmetadata:\n  name: {name}\nspec:\n  \
         automaticUpdates: always\n  parameters:\n  - name: region\n    value: us\n"
    );
    let request = Request::new("PATCH", &api.target(&name, MANAGER)).body(APPLY, body);
    let object = ok(&api.send(&request));
    let spec = &object["spec"];
    assert_eq!(spec["parameters"], json!([{"name": "cpu", "value": "4"}, {"name": "region", "value": "us"}]));
    assert_eq!(
        (&spec["automaticUpdates"], &spec["ttlMillis"]),
        (&json!("always"), &json!(3_600_000)),
        "kept"
    );
    assert_eq!(object["metadata"]["generation"], 2);
    api.settled(&name);
}

#[test]
fn files_are_applied_as_a_whole() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.templates(), scratch.template_name("whole"));
    let with = |archive: &Archive| {
        template(&name, &json!({"provisioner": "echo", "displayName": "Whole", "files": files(archive)}))
    };
    let first = Archive::plain().file("one.md", "1").file("two.md", "2");
    let answer = api.patch(&name, MANAGER, APPLY, &with(&first));
    assert_eq!(answer.status(), 201, "{}", answer.excerpt());
    let made = api.ready(&name);
    let calls = scratch.calls();
    assert_eq!(ok(&api.patch(&name, MANAGER, APPLY, &with(&first))), made);
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
    let second = Archive::plain().file("two.md", "2");
    assert_eq!(ok(&api.patch(&name, MANAGER, APPLY, &with(&second)))["spec"]["files"], shown_files(&second));
    let active = |object: &Value| object["status"]["activeVersionID"].clone();
    api.until(&name, "promoted", |object| active(object) != active(&made));
}

#[test]
fn it_needs_a_manager_and_an_object() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("refused"));
    let object = workspace(&name, "plain", &json!({}));
    for query in ["", "force=true", "fieldManager="] {
        let response = api.patch(&name, query, APPLY, &object);
        assert!(
            [400, 422].contains(&response.status()),
            "{query}: {} {}",
            response.status(),
            response.excerpt()
        );
        assert!(response.text().contains("fieldManager"), "{}", response.excerpt());
    }
    // Only an apply can be forced.
    let forced = api.patch(&name, "force=true", e2e::api::MERGE, &json!({}));
    assert!([404, 422].contains(&forced.status()), "{} {}", forced.status(), forced.excerpt());
    let mut other = object.clone();
    other["metadata"]["name"] = json!(scratch.name("other"));
    status(&api.patch(&name, MANAGER, APPLY, &other), 400, "BadRequest");
    let mut managed = object.clone();
    managed["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    status(&api.patch(&name, MANAGER, APPLY, &managed), 400, "BadRequest");
    let mut wrong = object.clone();
    wrong["kind"] = json!("CoderTemplate");
    let response = api.patch(&name, MANAGER, APPLY, &wrong);
    assert!([400, 422].contains(&response.status()), "{} {}", response.status(), response.excerpt());
    // What must be there to create must be there here, too.
    let sparse =
        json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": {"name": name}});
    status(&api.patch(&name, MANAGER, APPLY, &sparse), 422, "Invalid");
    assert_eq!(scratch.held(), Vec::<Value>::new());
}

#[test]
fn an_apply_that_creates_needs_the_right_to_create() {
    let Some(lab) = Lab::writing() else { return };
    if !lab.is_real("rules that grant one verb") {
        return;
    }
    let scratch = Scratch::new(&lab);
    let patcher = format!("{}-patcher", scratch.user);
    let direct = lab.kubectl_direct();
    // Written out, because kube-apiserver itself knows no such resource.
    let rules =
        json!([{"apiGroups": [e2e::GROUP], "resources": ["coderworkspaces"], "verbs": ["get", "patch"]}]);
    let group = "rbac.authorization.k8s.io";
    let role = json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": patcher}, "rules": rules});
    let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": patcher},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": patcher},
        "subjects": [{"apiGroup": group, "kind": "User", "name": patcher}]});
    for object in [role, binding] {
        lab.kubectl_direct().input(object.to_string()).run("create -f -").ok();
    }
    let front = lab.front().with_header("Impersonate-User", &patcher);
    let api = e2e::Api::new(&lab, front, "coderworkspaces");
    let name = scratch.name("created");
    let object = workspace(&name, "plain", &json!({}));
    let apply = || api.patch(&name, MANAGER, APPLY, &object);
    let answer = e2e::envoy::eventually("the role is known", e2e::api::PATIENCE, || {
        let response = apply();
        (!response.text().contains("cannot patch resource")).then_some(response)
    });
    let answer = status(&answer, 403, "Forbidden");
    assert!(
        answer["message"].as_str().unwrap().contains("cannot create resource \"coderworkspaces\""),
        "{answer}"
    );
    scratch.coder_workspace("created", "plain", &json!({}));
    assert_eq!(apply().status(), 200);
    for kind in ["rolebinding", "role"] {
        direct.run_args(&["delete", kind, &patcher]).ok();
    }
}
