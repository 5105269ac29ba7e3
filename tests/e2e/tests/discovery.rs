//! The group in discovery and in OpenAPI, merged into what kube-apiserver publishes.

use e2e::{GROUP, GROUP_VERSION, Lab, Mode, Request, Response, check::status, envoy::eventually};
use serde_json::{Value, json};
use std::time::Duration;

const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const V2BETA1: &str = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

fn without_ours(list: &Value, pointer: &str, name: &str) -> Vec<Value> {
    let all = list[pointer].as_array().unwrap();
    all.iter().filter(|group| group.pointer(name).unwrap() != GROUP).cloned().collect()
}

fn ours<'a>(list: &'a Value, pointer: &str, name: &str) -> &'a Value {
    let found: Vec<_> =
        list[pointer].as_array().unwrap().iter().filter(|g| g.pointer(name).unwrap() == GROUP).collect();
    assert_eq!(found.len(), 1, "the group is listed once");
    found[0]
}

#[test]
fn the_legacy_list_of_groups_has_ours_and_all_others() {
    let Some(lab) = Lab::shared() else { return };
    for accept in ["application/json", "*/*"] {
        let request = Request::get("/apis").accept(accept);
        let list = lab.front().send(&request).json();
        assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("APIGroupList"), &json!("v1")));
        let group = ours(&list, "groups", "/name");
        let version = json!({"groupVersion": "aggregation.coder.com/v1alpha1", "version": "v1alpha1"});
        assert_eq!(group["versions"], json!([version]));
        assert_eq!(group["preferredVersion"], version);
        assert_eq!(
            without_ours(&list, "groups", "/name"),
            without_ours(&lab.direct().send(&request).json(), "groups", "/name")
        );
    }
}

#[test]
fn the_aggregated_list_of_groups_has_ours_and_all_others() {
    let Some(lab) = Lab::shared() else { return };
    for (accept, expect) in
        [(format!("{V2},{V2BETA1},application/json"), V2), (format!("{V2},application/json"), V2)]
    {
        let request = Request::get("/apis").accept(&accept);
        let response = lab.front().send(&request);
        assert_eq!(response.content_type(), expect);
        assert!(response.header("etag").is_some_and(|tag| !tag.is_empty()));
        let list = response.json();
        assert_eq!(
            (&list["kind"], &list["apiVersion"]),
            (&json!("APIGroupDiscoveryList"), &json!("apidiscovery.k8s.io/v2"))
        );
        let version = &ours(&list, "items", "/metadata/name")["versions"][0];
        assert_eq!(version["version"], "v1alpha1");
        assert_eq!(version["freshness"], "Current");
        check_resource(version, "coderworkspaces", "CoderWorkspace", &["coderworkspace", "cws"]);
        check_resource(version, "codertemplates", "CoderTemplate", &["codertemplate", "ctpl"]);
        let direct = lab.direct().send(&request).json();
        assert_eq!(
            without_ours(&list, "items", "/metadata/name"),
            without_ours(&direct, "items", "/metadata/name")
        );
    }
}

#[track_caller]
fn check_resource(version: &Value, name: &str, kind: &str, singular_and_short: &[&str; 2]) {
    let resources = version["resources"].as_array().unwrap();
    let resource = resources.iter().find(|r| r["resource"] == name).unwrap();
    let response_kind = |of: &Value| {
        let of = &of["responseKind"];
        assert!(of["kind"].is_string(), "{of}");
        of["kind"].clone()
    };
    assert_eq!(response_kind(resource), kind);
    assert_eq!(resource["scope"], "Namespaced");
    assert_eq!(resource["singularResource"], singular_and_short[0]);
    assert_eq!(resource["shortNames"], json!([singular_and_short[1]]));
    assert_eq!(resource["categories"], json!(["coder"]));
    let verbs: Vec<_> = resource["verbs"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(verbs, ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]);
    for sub in resource["subresources"].as_array().into_iter().flatten() {
        response_kind(sub);
    }
}

fn tag(response: &Response) -> String {
    response.header("etag").expect("an ETag").to_owned()
}

#[test]
fn an_unchanged_list_of_groups_is_not_sent_again() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.front_only("kube-apiserver's own list, and its own tag") {
        return;
    }
    let request = Request::get("/apis").accept(&format!("{V2},application/json"));
    let current = tag(&lab.front().send(&request));
    let again = |value: &str| lab.front().send(&request.clone().header("If-None-Match", value)).status();
    assert_eq!(tag(&lab.front().send(&request)), current, "the tag is stable");
    let weak = format!("W/{}", current.trim_start_matches("W/"));
    for same in [current.clone(), weak, format!("\"x\", {current}"), "*".to_owned()] {
        assert_eq!(again(&same), 304, "{same}");
    }
    assert_eq!(again("\"x\""), 200);
    assert_ne!(tag(&lab.direct().send(&request)), current, "our part is in the tag");
    assert_eq!(again(&tag(&lab.direct().send(&request))), 200, "kube-apiserver's own tag is not ours");
}

#[test]
fn the_tag_changes_when_the_cluster_gets_a_group() {
    let Some(lab) = Lab::exclusive() else { return };
    if !lab.is_real("custom resources") {
        return;
    }
    let request = Request::get("/apis").accept(&format!("{V2},application/json"));
    let before = tag(&lab.front().send(&request));
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.e2e.example.com"},
        "spec": {"group": "e2e.example.com", "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
    lab.kubectl_direct().input(crd.to_string()).run("apply -f -").ok();
    let changed = eventually("the new group is listed", Duration::from_secs(20), || {
        let response = lab.front().send(&request);
        response.text().contains("e2e.example.com").then(|| tag(&response))
    });
    lab.kubectl_direct().run("delete crd things.e2e.example.com").ok();
    assert_ne!(changed, before);
    eventually("the tag of before is back", Duration::from_secs(30), || {
        (tag(&lab.front().send(&request)) == before).then_some(())
    });
}

#[test]
fn the_group_and_its_version_answer_for_themselves() {
    let Some(lab) = Lab::shared() else { return };
    for slash in ["", "/"] {
        let group = lab.front().get(&format!("/apis/{GROUP}{slash}")).json();
        assert_eq!((&group["kind"], &group["name"]), (&json!("APIGroup"), &json!(GROUP)));
        assert_eq!(group["preferredVersion"]["version"], "v1alpha1");
        let list = lab.front().get(&format!("{GROUP_VERSION}{slash}")).json();
        assert_eq!(
            (&list["kind"], &list["groupVersion"]),
            (&json!("APIResourceList"), &json!("aggregation.coder.com/v1alpha1"))
        );
        let resources = list["resources"].as_array().unwrap();
        let workspaces = resources.iter().find(|r| r["name"] == "coderworkspaces").unwrap();
        assert_eq!(workspaces["namespaced"], true);
        assert_eq!(workspaces["kind"], "CoderWorkspace");
        assert_eq!(workspaces["shortNames"], json!(["cws"]));
        assert!(resources.iter().any(|r| r["name"] == "coderworkspaces/log"), "{list}");
    }
}

#[test]
fn discovery_lists_no_verb_that_answers_405() {
    let Some(lab) = Lab::shared() else { return };
    let list = lab.front().get(GROUP_VERSION).json();
    for resource in list["resources"].as_array().unwrap() {
        let name = resource["name"].as_str().unwrap();
        let watch = resource["verbs"].as_array().unwrap().iter().any(|verb| verb == "watch");
        let answer = lab.front().get(&format!("{}?watch=true&timeoutSeconds=1", lab.path(name))).status();
        assert!(
            name.contains('/') || watch == (answer != 405),
            "{name}: watch listed {watch}, answered {answer}"
        );
        check_changes(&lab, resource);
    }
}

/// The verbs that change something: 405 if and only if they are not listed. Nobody has the name, nothing the label, and all is a dry run.
fn check_changes(lab: &Lab, resource: &Value) {
    let name = resource["name"].as_str().unwrap();
    let (plural, sub) = name.split_once('/').unwrap_or((name, ""));
    let one = lab.path(&format!("{plural}/coder.nobody.none/{sub}"));
    let (one, list) = (one.trim_end_matches('/'), lab.path(plural));
    let change = |method: &str, target: &str, content_type: &str| {
        Request::new(method, &format!("{target}?dryRun=All&fieldManager=e2e")).body(content_type, "{}")
    };
    let patch = change("PATCH", one, "application/merge-patch+json");
    let object = |method: &str, target: &str| change(method, target, "application/json");
    let delete = |target: &str| {
        let target = format!("{target}?dryRun=All&labelSelector=coder.com/owner=nobody");
        Request::new("DELETE", &target).json(&json!({"dryRun": ["All"]}))
    };
    let mut requests = vec![("update", object("PUT", one)), ("patch", patch), ("delete", delete(one))];
    if sub.is_empty() {
        requests.extend([("create", object("POST", &list)), ("deletecollection", delete(&list))]);
    }
    for (verb, request) in requests {
        let listed = resource["verbs"].as_array().unwrap().iter().any(|one| one == verb);
        let answer = lab.front().send(&request).status();
        assert_eq!(listed, answer != 405, "{name}: {verb} listed {listed}, answered {answer}");
    }
}

#[test]
fn a_user_without_rights_may_discover() {
    let Some(lab) = Lab::shared() else { return };
    for target in ["/apis", "/apis/aggregation.coder.com", GROUP_VERSION, "/openapi/v3"] {
        let through = lab.front_user().get(target).status();
        let direct = if target == GROUP_VERSION || target.contains(GROUP) {
            200
        } else {
            lab.direct_user().get(target).status()
        };
        assert_eq!(through, direct, "{target}");
    }
}

#[test]
fn what_kubernetes_refuses_on_apis_is_refused() {
    let Some(lab) = Lab::shared() else { return };
    for target in ["/apis", "/openapi/v3"] {
        let request = Request::get(target).header("Authorization", "Bearer nonsense");
        let (through, direct) = (lab.front_anonymous().send(&request), lab.direct_anonymous().send(&request));
        assert_eq!((through.status(), through.text()), (direct.status(), direct.text()));
        let (through, direct) = (lab.front_anonymous().get(target), lab.direct_anonymous().get(target));
        assert_eq!(through.status(), direct.status());
    }
}

#[test]
fn an_absent_version_or_resource_is_not_found() {
    let Some(lab) = Lab::shared() else { return };
    // A version that no APIService has registered never leaves kube-apiserver, which says so in plain text.
    let absent = if lab.mode == Mode::Front { "v2" } else { "v1alpha1/e2e-absent" };
    for target in [
        format!("/apis/{GROUP}/{absent}"),
        format!("{GROUP_VERSION}/widgets"),
        format!("{GROUP_VERSION}/namespaces/{}/widgets/x", lab.namespace),
        format!("{GROUP_VERSION}/namespaces/{}/coderworkspaces/coder.alice.ws0/nope", lab.namespace),
    ] {
        status(&lab.front().get(&target), 404, "NotFound");
    }
}

#[test]
fn the_openapi_index_has_our_document_and_all_others() {
    let Some(lab) = Lab::shared() else { return };
    let response = lab.front().get("/openapi/v3");
    let index = response.json();
    let ours = &index["paths"]["apis/aggregation.coder.com/v1alpha1"]["serverRelativeURL"];
    let url = ours.as_str().expect("our document is in the index");
    assert!(url.starts_with("/openapi/v3/apis/aggregation.coder.com/v1alpha1?hash="), "{url}");
    for (path, entry) in lab.direct().get("/openapi/v3").json()["paths"].as_object().unwrap() {
        assert_eq!(&index["paths"][path], entry, "{path}");
    }
    let request = Request::get("/openapi/v3");
    if let Some(current) = response.header("etag") {
        assert_eq!(lab.front().send(&request.header("If-None-Match", current)).status(), 304);
    }
    for target in [
        url,
        "/openapi/v3/apis/aggregation.coder.com/v1alpha1?hash=STALE",
        "/openapi/v3/apis/aggregation.coder.com/v1alpha1",
    ] {
        let document = lab.front().get(target);
        assert_eq!(document.status(), 200, "{target}");
        check_document(&document.json());
    }
}

fn check_document(document: &Value) {
    assert!(document["openapi"].as_str().unwrap().starts_with("3.0"));
    let schemas = &document["components"]["schemas"];
    for kind in ["CoderWorkspace", "CoderTemplate"] {
        let schema = &schemas[format!("com.coder.aggregation.v1alpha1.{kind}")];
        let identity = json!([{"group": GROUP, "version": "v1alpha1", "kind": kind}]);
        assert_eq!(schema["x-kubernetes-group-version-kind"], identity, "{kind}");
        assert!(schema["properties"]["metadata"].is_object(), "{kind}");
    }
    for (resource, subresource, kind) in
        [("coderworkspaces", "scale", "Scale"), ("codertemplates", "status", "CoderTemplate")]
    {
        let path = format!("{GROUP_VERSION}/namespaces/{{namespace}}/{resource}/{{name}}/{subresource}");
        assert_eq!(document["paths"][path]["get"]["x-kubernetes-group-version-kind"]["kind"], kind);
    }
    let list = "/apis/aggregation.coder.com/v1alpha1/namespaces/{namespace}/coderworkspaces";
    let operation = &document["paths"][list]["get"];
    assert_eq!(operation["x-kubernetes-action"], "list");
    assert_eq!(operation["x-kubernetes-group-version-kind"]["kind"], "CoderWorkspace");
    references_resolve(document, document);
}

/// Every `$ref` of the document points at something in it.
fn references_resolve(document: &Value, value: &Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            map.values().for_each(|v| references_resolve(document, v));
        }
        Value::Array(all) => all.iter().for_each(|v| references_resolve(document, v)),
        _ => {}
    }
}

/// A shared definition that differs would be published twice by whoever merges documents.
#[test]
fn shared_definitions_are_those_of_the_cluster() {
    let Some(lab) = Lab::shared() else { return };
    if !lab.is_real("definitions of Kubernetes") {
        return;
    }
    let document = lab.front().get("/openapi/v3/apis/aggregation.coder.com/v1alpha1").json();
    let theirs = ["apis/apps/v1", "apis/policy/v1"]
        .map(|path| lab.direct().get(&format!("/openapi/v3/{path}")).json()["components"]["schemas"].clone());
    let mut compared = 0;
    for (name, ours) in document["components"]["schemas"].as_object().unwrap() {
        if name.starts_with("com.coder.") {
            continue;
        }
        let published = theirs.iter().find_map(|all| all.get(name));
        let mut published = published.unwrap_or_else(|| panic!("{name} is nowhere else")).clone();
        let mut ours = ours.clone();
        if name.ends_with(".DeleteOptions") {
            // Each document names its own group there.
            for definition in [&mut ours, &mut published] {
                definition.as_object_mut().unwrap().remove("x-kubernetes-group-version-kind").unwrap();
            }
        }
        assert_eq!(ours, published, "{name}");
        compared += 1;
    }
    assert!(compared > 12, "{compared}");
}

#[test]
fn openapi_documents_of_others_pass() {
    let Some(lab) = Lab::shared() else { return };
    let index = lab.direct().get("/openapi/v3").json();
    for entry in index["paths"].as_object().unwrap().values().take(5) {
        let url = entry["serverRelativeURL"].as_str().unwrap();
        e2e::check::same(url, &lab.front().get(url), &lab.direct().get(url));
    }
}

#[test]
fn kubectl_lists_the_resources() {
    let Some(lab) = Lab::shared() else { return };
    for kubectl in [lab.kubectl(), lab.kubectl().context("cert"), lab.kubectl().context("alice")] {
        let output = kubectl.run("api-resources --api-group=aggregation.coder.com -o wide");
        let row = |name: &str| {
            let found = output.ok().lines().find(|line| line.starts_with(name)).map(str::to_owned);
            found.unwrap_or_else(|| panic!("{name} is missing: {}", output.stdout))
        };
        let fields = |row: &str| row.split_whitespace().take(5).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            fields(&row("coderworkspaces"))[1..],
            ["cws", "aggregation.coder.com/v1alpha1", "true", "CoderWorkspace"]
        );
        assert_eq!(
            fields(&row("codertemplates"))[1..],
            ["ctpl", "aggregation.coder.com/v1alpha1", "true", "CoderTemplate"]
        );
        let versions = kubectl.run("api-versions");
        assert!(versions.lines().contains(&"aggregation.coder.com/v1alpha1"), "{}", versions.stdout);
    }
    let all = lab.kubectl().run("api-resources -o name");
    assert!(all.lines().contains(&"namespaces"), "{}", all.stdout);
}

#[test]
fn kubectl_explains_the_fields() {
    let Some(lab) = Lab::shared() else { return };
    let kubectl = lab.kubectl();
    let spec = kubectl.run("explain coderworkspace.spec");
    for word in [
        "GROUP:",
        GROUP,
        "KIND:",
        "CoderWorkspace",
        "templateName",
        "ttlMillis",
        "autostartSchedule",
        "<boolean>",
    ] {
        assert!(spec.ok().contains(word), "{word} is missing: {}", spec.stdout);
    }
    assert!(!spec.stdout.contains("<no description>"), "{}", spec.stdout);
    assert!(kubectl.run("explain cws.status.latestBuild.number").ok().contains("<integer>"));
    assert!(kubectl.run("explain ctpl.spec.files").ok().contains("files"));
    let recursive = kubectl.run("explain codertemplates --recursive");
    for word in ["activeVersionID", "conditions", "lastTransitionTime", "deprecationMessage"] {
        assert!(recursive.ok().contains(word), "{word} is missing: {}", recursive.stdout);
    }
    assert!(kubectl.run("explain cws.spec.nope").fails().contains("nope"));
    if lab.is_real("an OpenAPI document of Pods") {
        kubectl.run("explain pods.spec").ok();
    }
}
