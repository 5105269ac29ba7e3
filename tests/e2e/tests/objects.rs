//! GET of both kinds: every field says what Coder says.

use e2e::{
    Lab, Request,
    check::{names, status},
    http2,
    seed::{self, BAD, RUNNING, TEMPLATES, WS0, WS1, coder_get, coder_workspace},
};
use serde_json::{Value, json};

fn get(lab: &Lab, resource: &str, name: &str) -> Value {
    let response = lab.front().get(&lab.path(&format!("{resource}/{name}")));
    assert_eq!(response.status(), 200, "{name}: {}", response.excerpt());
    response.json()
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let all = object["status"]["conditions"].as_array().expect("conditions");
    all.iter().find(|c| c["type"] == kind).unwrap_or_else(|| panic!("no condition {kind}: {all:?}"))
}

/// Coder's timestamps may carry fractions; ours are whole seconds in UTC or microseconds of the same instant.
#[track_caller]
fn same_time(ours: &Value, coders: &Value) {
    let second = |v: &Value| v.as_str().map(|text| text.chars().take(19).collect::<String>());
    assert_eq!(second(ours), second(coders));
    assert!(ours.as_str().is_none_or(|text| text.ends_with('Z')), "{ours}");
}

#[test]
fn a_workspace_shows_what_coder_knows() {
    let Some(lab) = Lab::shared() else { return };
    for name in RUNNING {
        let (ours, coders) = (get(&lab, "coderworkspaces", name), coder_workspace(&lab, name));
        let build = &coders["latest_build"];
        let metadata = &ours["metadata"];
        assert_eq!(
            (&ours["apiVersion"], &ours["kind"]),
            (&json!("aggregation.coder.com/v1alpha1"), &json!("CoderWorkspace"))
        );
        assert_eq!(metadata["name"], name);
        assert_eq!(metadata["namespace"], lab.namespace);
        assert_eq!(metadata["uid"], coders["id"]);
        assert_eq!(metadata["generation"], build["build_number"]);
        assert_eq!(
            metadata["labels"],
            json!({
                "coder.com/organization": "coder",
                "coder.com/owner": coders["owner_name"],
                "coder.com/template": coders["template_name"],
            })
        );
        same_time(&metadata["creationTimestamp"], &coders["created_at"]);
        let spec = &ours["spec"];
        assert_eq!(spec["organization"], coders["organization_name"]);
        assert_eq!(spec["templateName"], coders["template_name"]);
        assert_eq!(spec["running"], true);
        assert_eq!(spec["automaticUpdates"], coders["automatic_updates"]);
        assert_eq!(spec["ttlMillis"], coders["ttl_ms"]);
        let status = &ours["status"];
        for (field, expect) in [
            ("id", &coders["id"]),
            ("ownerName", &coders["owner_name"]),
            ("ownerID", &coders["owner_id"]),
            ("organizationName", &coders["organization_name"]),
            ("templateName", &coders["template_name"]),
            ("latestBuildID", &build["id"]),
            ("latestBuildStatus", &build["status"]),
            ("outdated", &coders["outdated"]),
            ("healthy", &coders["health"]["healthy"]),
            ("observedGeneration", &build["build_number"]),
        ] {
            assert_eq!(&status[field], expect, "{name}: status.{field}");
        }
        check_build(&status["latestBuild"], build);
        let url = status["url"].as_str().unwrap();
        assert!(
            url.ends_with(&format!(
                "/@{}/{}",
                coders["owner_name"].as_str().unwrap(),
                coders["name"].as_str().unwrap()
            )),
            "{url}"
        );
        check_agents(status, build);
    }
}

#[track_caller]
fn check_build(ours: &Value, coders: &Value) {
    for (field, expect) in [
        ("id", "id"),
        ("number", "build_number"),
        ("transition", "transition"),
        ("status", "status"),
        ("reason", "reason"),
        ("initiatorName", "initiator_name"),
        ("templateVersionName", "template_version_name"),
    ] {
        assert_eq!(ours[field], coders[expect], "latestBuild.{field}");
    }
    same_time(&ours["createdAt"], &coders["created_at"]);
    same_time(&ours["startedAt"], &coders["job"]["started_at"]);
    same_time(&ours["completedAt"], &coders["job"]["completed_at"]);
}

#[track_caller]
fn check_agents(status: &Value, build: &Value) {
    let resources = build["resources"].as_array().into_iter().flatten();
    let coders: Vec<&Value> = resources.flat_map(|r| r["agents"].as_array().into_iter().flatten()).collect();
    let ours = status["agents"].as_array().cloned().unwrap_or_default();
    assert_eq!(ours.len(), coders.len());
    for coder in coders {
        let agent = ours.iter().find(|a| a["id"] == coder["id"]).expect("the agent is shown");
        for (field, expect) in [("name", "name"), ("status", "status"), ("lifecycleState", "lifecycle_state")]
        {
            assert_eq!(agent[field], coder[expect], "agent.{field}");
        }
        let slugs = |apps: &Value, key: &str| -> Vec<Value> {
            apps.as_array().into_iter().flatten().map(|app| app[key].clone()).collect()
        };
        assert_eq!(slugs(&agent["apps"], "slug"), slugs(&coder["apps"], "slug"));
    }
}

#[test]
fn conditions_say_what_is_asked_and_what_is() {
    let Some(lab) = Lab::shared() else { return };
    let ready = get(&lab, "coderworkspaces", WS0);
    for (kind, expect) in [
        ("Ready", "True"),
        ("Progressing", "False"),
        ("BuildSucceeded", "True"),
        ("Dormant", "False"),
        ("Outdated", "False"),
    ] {
        assert_eq!(condition(&ready, kind)["status"], expect, "{kind}");
    }
    let bad = get(&lab, "coderworkspaces", BAD);
    let failed = condition(&bad, "BuildSucceeded");
    assert_eq!(failed["status"], "False");
    assert!(failed["message"].as_str().unwrap().contains("failed!"), "{failed}");
    assert_eq!(condition(&bad, "Ready")["status"], "False");
    assert_eq!(bad["spec"]["running"], false, "a failed start can be asked for again");
    assert_eq!(bad["status"]["latestBuildStatus"], "failed");
    assert!(bad["status"]["latestBuild"]["error"].as_str().unwrap().contains("failed!"));
    for name in RUNNING.iter().chain([&BAD]) {
        let object = get(&lab, "coderworkspaces", name);
        for condition in object["status"]["conditions"].as_array().unwrap() {
            assert!(
                condition["reason"].as_str().is_some_and(|r| r.starts_with(|c: char| c.is_ascii_uppercase())),
                "{condition}"
            );
            assert!(
                condition["lastTransitionTime"].as_str().is_some_and(|t| t.ends_with('Z')),
                "{condition}"
            );
            assert!(
                ["True", "False", "Unknown"].contains(&condition["status"].as_str().unwrap()),
                "{condition}"
            );
        }
    }
}

#[test]
fn last_use_is_rounded_down_to_ten_minutes() {
    let Some(lab) = Lab::shared() else { return };
    let object = get(&lab, "coderworkspaces", WS0);
    let text = object["status"]["lastUsedAt"].as_str().unwrap();
    // Rounding goes no further back than the workspace's creation.
    let rounded = text.len() >= 20 && &text[15..16] == "0" && &text[17..19] == "00";
    assert!(rounded || object["metadata"]["creationTimestamp"] == text, "{text}");
}

#[test]
fn parameters_are_shown_by_get_alone() {
    let Some(lab) = Lab::shared() else { return };
    let list = lab.front().get(&lab.path("coderworkspaces")).json();
    let items = list["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["spec"].get("parameters").is_none()));
    let Some(item) = items.iter().find(|item| item["spec"]["templateName"] == "params") else {
        e2e::skip("no workspace on template params");
        return;
    };
    let object = get(&lab, "coderworkspaces", item["metadata"]["name"].as_str().unwrap());
    let parameters = object["spec"]["parameters"].as_array().expect("parameters on GET");
    let shown: Vec<_> = parameters
        .iter()
        .map(|p| (p["name"].as_str().unwrap().to_owned(), p["value"].as_str().unwrap().to_owned()))
        .collect();
    let path = format!("/workspacebuilds/{}/parameters", object["status"]["latestBuildID"].as_str().unwrap());
    let mut coders: Vec<_> = coder_get(&lab, &path)
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["name"].as_str().unwrap().to_owned(), p["value"].as_str().unwrap().to_owned()))
        .collect();
    coders.sort();
    assert_eq!(shown, coders, "sorted by name");
    assert!(shown.iter().any(|(name, _)| name == "cpu"));
}

#[test]
fn a_template_shows_what_coder_knows() {
    let Some(lab) = Lab::shared() else { return };
    for name in TEMPLATES {
        let object = get(&lab, "codertemplates", name);
        let short = name.split_once('.').unwrap().1;
        let coder = coder_get(&lab, &format!("/organizations/{}/templates/{short}", seed::ORGANIZATION));
        assert_eq!((&object["kind"], &object["metadata"]["name"]), (&json!("CoderTemplate"), &json!(name)));
        assert_eq!(object["metadata"]["uid"], coder["id"]);
        same_time(&object["metadata"]["creationTimestamp"], &coder["created_at"]);
        assert_eq!(object["spec"]["organization"], "coder");
        assert_eq!(object["spec"]["versionID"], coder["active_version_id"]);
        for (field, expect) in
            [("displayName", "display_name"), ("description", "description"), ("icon", "icon")]
        {
            let ours = object["spec"][field].as_str().unwrap_or_default();
            assert_eq!(ours, coder[expect].as_str().unwrap_or_default(), "{name}: spec.{field}");
        }
        assert!(object["spec"].get("variables").is_none());
        let status = &object["status"];
        assert_eq!(status["id"], coder["id"]);
        assert_eq!(status["organizationName"], "coder");
        assert_eq!(status["activeVersionID"], coder["active_version_id"]);
        assert_eq!(status["deprecated"], coder["deprecated"]);
        assert_eq!(status["activeUserCount"], coder["active_user_count"]);
        same_time(&status["updatedAt"], &coder["updated_at"]);
        for (kind, expect) in [("Ready", "True"), ("Importing", "False"), ("ImportSucceeded", "True")] {
            assert_eq!(condition(&object, kind)["status"], expect, "{name}: {kind}");
        }
        let version =
            coder_get(&lab, &format!("/templateversions/{}", coder["active_version_id"].as_str().unwrap()));
        assert_eq!(status["activeVersionName"], version["name"], "{name}");
        assert!(
            status["latestVersion"]["id"].is_string() && status["latestVersion"]["status"].is_string(),
            "{status}"
        );
    }
}

#[test]
fn files_are_shown_by_get_alone() {
    let Some(lab) = Lab::shared() else { return };
    let object = get(&lab, "codertemplates", "coder.params");
    let files = object["spec"]["files"].as_object().expect("files on GET");
    assert!(files["main.tf"].as_str().is_some_and(|text| !text.is_empty()), "{files:?}");
    assert!(files.keys().all(|path| !path.starts_with('/') && !path.ends_with('/')), "{:?}", files.keys());
    let list = lab.front().get(&lab.path("codertemplates")).json();
    assert!(list["items"].as_array().unwrap().iter().all(|item| item["spec"].get("files").is_none()));
    assert!(
        list["items"].as_array().unwrap().iter().all(|item| item["status"].get("latestVersion").is_none())
    );
}

#[test]
fn a_resource_version_is_the_same_in_every_form() {
    let Some(lab) = Lab::shared() else { return };
    for (resource, name) in
        [("coderworkspaces", WS0), ("coderworkspaces", BAD), ("codertemplates", "coder.params")]
    {
        let one = lab.path(&format!("{resource}/{name}"));
        let version = |target: &str, accept: &str, pointer: &str| {
            let response = lab.front().send(&Request::get(target).accept(accept)).json();
            let version = response.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            version.unwrap_or_else(|| panic!("{target} {accept}: {response}"))
        };
        let meta = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        let table = "application/json;as=Table;g=meta.k8s.io;v=v1";
        let first = version(&one, "application/json", "/metadata/resourceVersion");
        assert!(first.parse::<i64>().is_ok_and(|v| v > 0) && !first.starts_with('0'), "{first}");
        assert_eq!(version(&one, "application/json", "/metadata/resourceVersion"), first);
        assert_eq!(version(&one, meta, "/metadata/resourceVersion"), first);
        assert_eq!(version(&one, table, "/rows/0/object/metadata/resourceVersion"), first);
        let list = lab.front().get(&lab.path(resource)).json();
        let item =
            list["items"].as_array().unwrap().iter().find(|i| i["metadata"]["name"] == name).unwrap().clone();
        assert_eq!(item["metadata"]["resourceVersion"], first);
    }
}

#[test]
fn the_list_form_is_the_object_without_details() {
    let Some(lab) = Lab::shared() else { return };
    let list = lab.front().get(&lab.path("coderworkspaces")).json();
    assert!(names(&list).contains(&WS1.to_owned()));
    let listed = list["items"].as_array().unwrap().iter().find(|i| i["metadata"]["name"] == WS1).unwrap();
    let mut object = get(&lab, "coderworkspaces", WS1);
    object["spec"].as_object_mut().unwrap().remove("parameters");
    let mut listed = listed.clone();
    // Items of a Kubernetes list may leave out what the list's own kind says.
    for value in [&mut object, &mut listed] {
        let map = value.as_object_mut().unwrap();
        map.remove("kind");
        map.remove("apiVersion");
    }
    assert_eq!(listed, object);
}

#[test]
fn an_absent_object_is_not_found_in_kubernetes_words() {
    let Some(lab) = Lab::shared() else { return };
    for (resource, name) in [("coderworkspaces", "coder.alice.nosuch"), ("codertemplates", "coder.nosuch")] {
        let answer = status(&lab.front().get(&lab.path(&format!("{resource}/{name}"))), 404, "NotFound");
        assert_eq!(answer["message"], format!("{resource}.aggregation.coder.com \"{name}\" not found"));
        assert_eq!(
            answer["details"],
            json!({"name": name, "group": "aggregation.coder.com", "kind": resource})
        );
    }
}

#[test]
fn what_is_not_served_is_not_allowed() {
    let Some(lab) = Lab::shared() else { return };
    let one = lab.path(&format!("coderworkspaces/{WS0}"));
    let list = lab.path("coderworkspaces");
    for request in [
        Request::new("POST", &one).json(&json!({})),
        Request::new("PUT", &list).json(&json!({})),
        Request::new("PATCH", &list).body("application/merge-patch+json", "{}"),
        Request::new("DELETE", &format!("{one}/log")),
        Request::new("PUT", &list).body("application/json", vec![b' '; 3_000_000]),
        Request::new("PUT", &format!("{one}/status")).json(&json!({})),
        Request::new("PATCH", &format!("{one}/status")).body("application/merge-patch+json", "{}"),
        Request::new("DELETE", &format!("{one}/scale")),
        Request::new("POST", &format!("{one}/log")).body("application/json", vec![b' '; 2_000_000]),
    ] {
        let response = lab.front().send(&request);
        println!("{} {}", request.method, request.target);
        status(&response, 405, "MethodNotAllowed");
    }
}

/// The part of an object that a state shows in.
#[track_caller]
fn check_state(lab: &Lab, name: &str, running: bool, conditions: &[(&str, &str)]) -> Value {
    let object = get(lab, "coderworkspaces", name);
    assert_eq!(object["spec"]["running"], running, "{name}");
    for (kind, expect) in conditions {
        assert_eq!(condition(&object, kind)["status"], *expect, "{name}: {kind}");
    }
    object
}

#[test]
fn every_state_has_its_conditions() {
    let Some(lab) = Lab::shared() else { return };
    let stopped = [("Ready", "True"), ("Progressing", "False"), ("BuildSucceeded", "True")];
    check_state(&lab, "coder.carol.stopped", false, &stopped);
    let failed = [("Ready", "False"), ("Progressing", "False"), ("BuildSucceeded", "False")];
    check_state(&lab, "coder.carol.unstarted", false, &failed);
    let dormant = check_state(&lab, "coder.carol.dormant", true, &[("Dormant", "True")]);
    assert_eq!(dormant["spec"]["dormant"], true);
    assert!(dormant["status"]["dormantAt"].is_string());
    check_state(&lab, "coder.carol.outdated", true, &[("Outdated", "True")]);
    let scheduled = check_state(&lab, "coder.carol.scheduled", true, &[("Ready", "True")]);
    assert_eq!(scheduled["spec"]["ttlMillis"], 8 * 3_600_000);
    assert_eq!(scheduled["spec"]["autostartSchedule"], "CRON_TZ=UTC 30 9 * * 1-5");
    let coder = coder_workspace(&lab, "coder.carol.scheduled");
    same_time(&scheduled["status"]["autoShutdown"], &coder["latest_build"]["deadline"]);
    same_time(&scheduled["status"]["nextStartAt"], &coder["next_start_at"]);
}

#[test]
fn a_build_that_goes_on_is_progress() {
    let Some(lab) = Lab::shared() else { return };
    let going_on = [("Ready", "False"), ("Progressing", "True"), ("BuildSucceeded", "Unknown")];
    let object = check_state(&lab, "coder.carol.starting", true, &going_on);
    assert_eq!(object["metadata"]["generation"], 1);
    assert_eq!(object["status"]["observedGeneration"].as_u64().unwrap_or_default(), 0);
}

#[test]
fn a_delete_build_shows_as_deletion() {
    let Some(lab) = Lab::shared() else { return };
    let object = get(&lab, "coderworkspaces", "coder.carol.undeleted");
    let build = coder_workspace(&lab, "coder.carol.undeleted")["latest_build"].clone();
    same_time(&object["metadata"]["deletionTimestamp"], &build["created_at"]);
    assert_eq!(object["metadata"]["finalizers"], json!(["aggregation.coder.com/workspace-build"]));
    assert_eq!(condition(&object, "BuildSucceeded")["status"], "False");
    let alive = get(&lab, "coderworkspaces", WS0);
    assert!(
        alive["metadata"].get("deletionTimestamp").is_none() && alive["metadata"].get("finalizers").is_none()
    );
}

#[test]
fn a_body_that_a_read_carries_is_ignored() {
    let Some(lab) = Lab::shared() else { return };
    let one = lab.path(&format!("coderworkspaces/{WS0}"));
    let plain = lab.front().get(&one).json();
    for size in [2, 100_000, 3_000_000] {
        let request = Request::get(&one).body("application/json", vec![b' '; size]);
        for response in [lab.front().send(&request), http2::send(&lab.front(), &[request]).remove(0)] {
            assert_eq!((response.status(), response.json()), (200, plain.clone()), "{size} bytes");
        }
    }
}
