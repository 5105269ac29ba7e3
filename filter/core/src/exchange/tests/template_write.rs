//! Templates are made, changed and deleted: what is answered, what Coder is asked, and what is there afterwards.

use super::template_coder::TemplateCoder;
use super::*;

const ALL: &str = "/namespaces/coder/codertemplates";
const ONE: &str = "/namespaces/coder/codertemplates/coder.dev";
const MERGE: &str = "application/merge-patch+json";

pub(super) fn manifest(spec: Value) -> Value {
    let mut spec = spec;
    spec["organization"] = "coder".into();
    json!({"apiVersion": "aggregation.coder.com/v1alpha1", "kind": "CoderTemplate", "metadata": {"name": "coder.dev"}, "spec": spec})
}

pub(super) fn post(world: &World, spec: Value) -> Reply {
    world.write("POST", ALL, "application/json", &manifest(spec))
}

pub(super) fn put(world: &World, spec: Value) -> Reply {
    world.write("PUT", ONE, "application/json", &manifest(spec))
}

pub(super) fn warnings(reply: &Reply) -> Vec<&str> {
    reply.headers.iter().filter(|(name, _)| *name == "warning").map(|(_, value)| value.as_str()).collect()
}

/// A Coder that has the template `coder.dev`, made of `main.tf` with this text, which was imported.
pub(super) fn coder_with(text: &str) -> TemplateCoder {
    let coder = TemplateCoder::default();
    coder.import(text, "succeeded");
    let reply = post(&coder.world(), json!({"files": {"main.tf": text}}));
    assert_eq!(reply.status, 201, "{}", body(&reply));
    coder
}

/// Methods and paths of what was written, with ids left out.
fn written(world: &World) -> Vec<String> {
    let short = |line: &String| {
        let line = line.replace("/api/v2", "");
        let mut parts = line.splitn(3, ' ');
        let (method, path) = (parts.next().unwrap(), parts.next().unwrap());
        let path: Vec<&str> = path.split('/').filter(|part| !part.starts_with("00000000")).collect();
        format!("{method} {}", path.join("/"))
    };
    world.writes().iter().map(short).collect()
}

const NEW: [&str; 3] =
    ["POST /files", "POST /organizations/coder/templateversions", "POST /organizations/coder/templates"];

#[test]
fn files_become_a_version_and_the_version_a_template() {
    let coder = TemplateCoder::default();
    let world = coder.world();
    let spec = json!({
        "files": {"./main.tf": "x", "a/b.tf": "y"}, "displayName": "Dev", "defaultTTLMillis": 5, "tags": {"zone": "a"},
        "variables": [{"name": "token", "value": "hidden"}], "running": true, "deprecationMessage": "old", "requireActiveVersion": true,
    });
    let reply = post(&world, spec);
    let made = body(&reply);
    assert_eq!(reply.status, 201, "{made}");
    assert_eq!(written(&world), [&NEW[..], &["PATCH /templates"]].concat());
    assert_eq!(made["spec"]["files"], json!({"main.tf": "x", "a/b.tf": "y"}));
    assert_eq!(made["spec"]["tags"], json!({"zone": "a"}));
    assert_eq!(made["spec"]["deprecationMessage"], "old");
    assert_eq!(made["status"]["conditions"][1]["reason"], "ImportPending");
    assert!(!made.to_string().contains("hidden"));
    let warned = warnings(&reply).join("\n");
    assert!(
        warned.contains("spec.running has no effect") && warned.contains("spec.requireActiveVersion"),
        "{warned}"
    );
    {
        let state = coder.0.borrow();
        assert_eq!(state.versions[0].variables, json!([{"name": "token", "value": "hidden"}]));
        assert_eq!(state.templates[0].settings["allow_user_autostart"], true);
    }
    // The answer is what a get shows, and the same again makes nothing.
    assert_eq!(body(&world.get(ONE)), made);
    refused(
        &post(&world, json!({"files": {"main.tf": "z"}})),
        409,
        "AlreadyExists",
        "\"coder.dev\" already exists",
    );
    assert_eq!(written(&world).len(), 4);
    assert!(world.background().is_empty());
}

#[test]
fn a_version_becomes_a_template() {
    let coder = coder_with("x");
    let version = {
        let mut state = coder.0.borrow_mut();
        let mut version = state.versions[0].clone();
        (version.id, version.template) = ("00000000-0000-0000-0000-0000000000aa".into(), None);
        state.versions.push(version.clone());
        state.templates.clear();
        version.id
    };
    let world = coder.world();
    let check = |edit: &dyn Fn(&mut template_coder::Version), expect: &str| {
        let mut state = coder.0.borrow_mut();
        let before = state.versions[1].clone();
        edit(&mut state.versions[1]);
        drop(state);
        refused(&post(&world, json!({"versionID": version})), 422, "Invalid", expect);
        coder.0.borrow_mut().versions[1] = before;
    };
    check(
        &|version| version.template = Some("00000000-0000-0000-0000-000000000001".into()),
        "belongs to a template already",
    );
    check(&|version| version.archived = true, "is archived");
    check(&|version| version.status = "failed", "has not been imported");
    let unknown = json!({"versionID": "00000000-0000-0000-0000-0000000000bb"});
    refused(&post(&world, unknown), 422, "Invalid", "there is no such version in Coder");
    refused(&post(&world, json!({})), 422, "Invalid", "spec.files: Required value");
    assert_eq!(written(&world), Vec::<String>::new());
    let reply = post(&world, json!({"versionID": version}));
    assert_eq!((reply.status, &body(&reply)["spec"]["files"]), (201, &json!({"main.tf": "x"})));
    assert_eq!(written(&world), ["POST /organizations/coder/templates"]);
    assert_eq!(body(&world.get(ONE)), body(&reply));
}

#[test]
fn names_are_made_up() {
    let world = TemplateCoder::default().world();
    let mut manifest = manifest(json!({"files": {"main.tf": "x"}}));
    manifest["metadata"] = json!({"generateName": "coder.dev-"});
    let made = body(&world.write("POST", ALL, "application/json", &manifest));
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("coder.dev-") && name.len() == 15, "{name}");
    manifest["metadata"] = json!({});
    refused(
        &world.write("POST", ALL, "application/json", &manifest),
        422,
        "Invalid",
        "name or generateName is required",
    );
}

#[test]
fn what_cannot_be_made_makes_nothing() {
    let world = TemplateCoder::default().world();
    let named = |name: &str, organization: &str| {
        let mut manifest = manifest(json!({"files": {"main.tf": "x"}}));
        manifest["metadata"]["name"] = name.into();
        manifest["spec"]["organization"] = organization.into();
        world.write("POST", ALL, "application/json", &manifest)
    };
    refused(
        &named("coder.Dev", "coder"),
        422,
        "Invalid",
        "metadata.name: Invalid value: \"coder.Dev\": must be lower case",
    );
    refused(&named("dev", "coder"), 422, "Invalid", "metadata.name");
    refused(&named("coder.new", "coder"), 422, "Invalid", "reserves this name");
    refused(&named("default.dev", "default"), 422, "Invalid", "Coder calls the organization coder");
    refused(&named("nowhere.dev", "nowhere"), 422, "Invalid", "there is no organization nowhere in Coder");
    refused(&named("coder.dev", "other"), 422, "Invalid", "spec.organization");
    refused(
        &post(&world, json!({"files": {"../x": "", "/y": ""}, "provisioner": "helm"})),
        422,
        "Invalid",
        "[spec.provisioner: Unsupported value: \"helm\"",
    );
    let big = "x".repeat(4_100_000);
    refused(&post(&world, json!({"files": {"a": big}})), 413, "RequestEntityTooLarge", "limit is 4100000");
    assert_eq!(written(&world), Vec::<String>::new());
    let terminating = TemplateCoder::default().world().kube(|call| match call.path.as_str() {
        "/api/v1/namespaces/coder" => {
            answer(200, &json!({"metadata": {"deletionTimestamp": "2026-11-21T10:00:00Z"}}))
        }
        _ => allow(call, true),
    });
    let reply = post(&terminating, json!({"files": {"main.tf": "x"}}));
    refused(&reply, 403, "Forbidden", "");
    assert_eq!(body(&reply)["details"]["causes"][0]["reason"], "NamespaceTerminating");
    assert_eq!(written(&terminating), Vec::<String>::new());
}

#[test]
fn dry_runs_change_nothing() {
    let coder = TemplateCoder::default();
    let world = coder.world();
    let spec = json!({"files": {"main.tf": "x"}, "tags": {"a": "b"}, "displayName": "Dev"});
    let rehearsed =
        body(&world.write("POST", &format!("{ALL}?dryRun=All"), "application/json", &manifest(spec.clone())));
    assert_eq!(written(&world), Vec::<String>::new());
    let made = body(&post(&world, spec));
    for part in [
        "/spec/files",
        "/spec/tags",
        "/spec/displayName",
        "/spec/activityBumpMillis",
        "/status/conditions/0/reason",
    ] {
        assert_eq!(rehearsed.pointer(part), made.pointer(part), "{part}");
    }
    let before = written(&world).len();
    let other = manifest(json!({"files": {"main.tf": "y"}, "displayName": "Other"}));
    let reply = world.write("PUT", &format!("{ONE}?dryRun=All"), "application/json", &other);
    let rehearsed = body(&reply);
    assert_eq!((reply.status, &rehearsed["spec"]["displayName"]), (200, &json!("Other")));
    assert_eq!(
        (&rehearsed["spec"]["files"]["main.tf"], &rehearsed["status"]["conditions"][1]["reason"]),
        (&json!("y"), &json!("ImportPending"))
    );
    assert_eq!(written(&world).len(), before);
    assert!(world.background().is_empty());
}

#[test]
fn settings_change_at_once_and_the_rest_stays() {
    let coder = coder_with("x");
    coder.0.borrow_mut().templates[0].settings.insert("failure_ttl_ms".to_owned(), 60_000.into());
    let world = coder.world();
    let reply = put(&world, json!({"displayName": "D", "icon": "/i.png", "defaultTTLMillis": 7}));
    let shown = body(&reply);
    assert_eq!(
        (reply.status, &shown["spec"]["displayName"], &shown["spec"]["defaultTTLMillis"]),
        (200, &json!("D"), &json!(7))
    );
    assert_eq!(written(&world), ["PATCH /templates"]);
    assert_eq!(body(&world.get(ONE)), shown);
    {
        let state = coder.0.borrow();
        let settings = &state.templates[0].settings;
        assert_eq!(
            (&settings["failure_ttl_ms"], &settings["allow_user_autostop"]),
            (&json!(60_000), &json!(true))
        );
    }
    // As it is shown, and with fields left out that stay.
    assert_eq!(world.write("PUT", ONE, "application/json", &shown).status, 200);
    assert_eq!(put(&world, json!({"displayName": "D", "icon": "/i.png"})).status, 200);
    assert_eq!(world.write("PATCH", ONE, MERGE, &json!({"spec": {"displayName": "D"}})).status, 200);
    assert_eq!(written(&world).len(), 1);
    // Left out of a PUT it is cleared, and by a null in a patch.
    let cleared = body(&world.write("PATCH", ONE, MERGE, &json!({"spec": {"icon": null}})));
    assert_eq!((&cleared["spec"]["icon"], &cleared["spec"]["displayName"]), (&Value::Null, &json!("D")));
    assert_eq!(body(&put(&world, json!({})))["spec"]["displayName"], Value::Null);
}

#[test]
fn what_may_not_be_changed() {
    let coder = coder_with("x");
    let world = coder.world();
    let shown = body(&world.get(ONE));
    let edited = |pointer: &str, value: Value| {
        let mut edited = shown.clone();
        *edited.pointer_mut(pointer).unwrap() = value;
        world.write("PUT", ONE, "application/json", &edited)
    };
    refused(
        &edited("/spec/organization", "other".into()),
        422,
        "Invalid",
        "spec.organization: Invalid value",
    );
    refused(&edited("/spec/versionID", "x".into()), 422, "Invalid", "spec.versionID: Invalid value");
    refused(&edited("/spec/files", json!({"a": "", "a/b": "", "../c": ""})), 422, "Invalid", "[spec.files[");
    refused(&edited("/metadata/uid", "x".into()), 409, "Conflict", "UID in precondition");
    refused(
        &edited("/metadata/resourceVersion", "1".into()),
        409,
        "Conflict",
        "the object has been modified",
    );
    refused(
        &world.write("PUT", &format!("{ALL}/coder.none"), "application/json", &{
            let mut other = shown.clone();
            other["metadata"]["name"] = "coder.none".into();
            other
        }),
        404,
        "NotFound",
        "not found",
    );
    assert_eq!(written(&world), Vec::<String>::new());
}

#[test]
fn deletion() {
    let coder = coder_with("x");
    let world = coder.world();
    let delete = |query: &str, options: Value| {
        world.write("DELETE", &format!("{ONE}{query}"), "application/json", &options)
    };
    refused(&delete("", json!({"propagationPolicy": "Orphan"})), 422, "Invalid", "propagationPolicy");
    refused(&delete("", json!({"preconditions": {"uid": "x"}})), 409, "Conflict", "UID in precondition: x");
    refused(
        &delete("", json!({"preconditions": {"resourceVersion": "7"}})),
        409,
        "Conflict",
        "has been modified",
    );
    coder.0.borrow_mut().templates[0].workspaces = 2;
    for options in [json!({}), json!({"dryRun": ["All"]})] {
        refused(
            &delete("", options),
            409,
            "Conflict",
            "All workspaces must be deleted before a template can be removed.",
        );
    }
    coder.0.borrow_mut().templates[0].workspaces = 0;
    let before = written(&world).len();
    assert_eq!(delete("", json!({"dryRun": ["All"]})).status, 200);
    assert_eq!(written(&world).len(), before);
    let id = coder.0.borrow().templates[0].id.clone();
    let version = body(&world.get(ONE))["metadata"]["resourceVersion"].clone();
    let reply = delete(
        "",
        json!({"propagationPolicy": "Background", "preconditions": {"uid": id, "resourceVersion": version}}),
    );
    let status = body(&reply);
    assert_eq!(
        (reply.status, &status["status"], &status["details"]["uid"]),
        (200, &json!("Success"), &json!(id))
    );
    refused(&delete("", json!({})), 404, "NotFound", "not found");
    refused(
        &world.write("DELETE", &format!("{ALL}/default.dev"), "application/json", &json!({})),
        404,
        "NotFound",
        "",
    );
}

#[test]
fn deletion_of_many() {
    let coder = coder_with("x");
    let world = coder.world();
    let other = |name: &str| {
        let mut other = manifest(json!({"files": {"main.tf": "x"}}));
        other["metadata"]["name"] = format!("coder.{name}").into();
        assert_eq!(world.write("POST", ALL, "application/json", &other).status, 201);
    };
    ["a", "b", "c"].into_iter().for_each(other);
    coder.0.borrow_mut().templates[2].workspaces = 1;
    let delete = |query: &str, options: Value| {
        let reply = world.write("DELETE", &format!("{ALL}{query}"), "application/json", &options);
        let items = body(&reply)["items"].as_array().cloned().unwrap_or_default();
        let names: Vec<String> =
            items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        (reply, names)
    };
    let left = || coder.0.borrow().templates.iter().map(|template| template.name.clone()).collect::<Vec<_>>();
    let (_, names) = delete("?labelSelector=coder.com/template%20in%20(a,c)&dryRun=All", json!({}));
    assert_eq!((names, left().len()), (vec!["coder.a".to_owned(), "coder.c".to_owned()], 4));
    let (_, names) = delete("?labelSelector=coder.com/template=a", json!({}));
    assert_eq!(
        (names, left()),
        (vec!["coder.a".to_owned()], vec!["dev".to_owned(), "b".to_owned(), "c".to_owned()])
    );
    // One that is in use does not keep the others.
    let (reply, _) = delete("", json!({}));
    refused(&reply, 409, "Conflict", "\"coder.b\": All workspaces must be deleted");
    assert_eq!(left(), ["b"]);
    let terminating = coder.world().kube(|call| match call.path.as_str() {
        "/api/v1/namespaces/coder" => {
            answer(200, &json!({"metadata": {"deletionTimestamp": "2026-11-21T10:00:00Z"}}))
        }
        _ => allow(call, true),
    });
    coder.0.borrow_mut().templates[0].workspaces = 0;
    assert_eq!(terminating.write("DELETE", ALL, "application/json", &json!({})).status, 200);
    assert_eq!(
        terminating.write("DELETE", &format!("{ALL}/coder.b"), "application/json", &json!({})).status,
        200
    );
    assert_eq!(left(), ["b"]);
}
