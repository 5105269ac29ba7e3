//! Conversion seen whole, over answers recorded from a coderd 2.30.0: snapshots (`INSTA_UPDATE=always cargo test`
//! writes them anew), and what must and must not move a version.

use super::*;
use crate::coder::{self, ProvisionerJob, Template, WorkspaceList};
use crate::convert::resource_version::{newest_of_template, newest_of_workspace, resource_version};
use crate::kube::list_writer::ListWriter;
use crate::kube::meta::{Condition, ListMeta};
use crate::kube::negotiation::{Form, IncludeObject, MetaVersion};
use crate::kube::object_writer::content_hash;
use crate::time::{self, Millis};
use serde_json::{Value, json};

const WORKSPACES: &str = include_str!("recorded/workspaces.json");
const TEMPLATES: &str = include_str!("recorded/templates.json");

fn now() -> Millis {
    time::parse("2026-11-21T12:00:00Z").unwrap()
}

/// A recorded workspace as JSON, to be changed.
fn recorded(owner: &str, name: &str) -> Value {
    let mut list: Value = serde_json::from_str(WORKSPACES).unwrap();
    let found = list["workspaces"].as_array_mut().unwrap().iter_mut();
    found.map(Value::take).find(|w| w["owner_name"] == owner && w["name"] == name).unwrap()
}

fn set(json: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match json.pointer_mut(parent).unwrap() {
        Value::Object(map) => {
            map.insert(key.into(), value);
        }
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        other => panic!("{pointer}: {other}"),
    }
}

/// What is shown of a workspace, its hash and T.
fn shown(json: &Value) -> (Value, u64, Millis) {
    let text = json.to_string();
    let parsed: coder::Workspace<'_> = coder::parse(text.as_bytes()).unwrap();
    let object = workspace(&parsed, "coder", "https://coder.example.com").unwrap();
    let hash = content_hash(&object, &mut Vec::new()).unwrap();
    (serde_json::to_value(&object).unwrap(), hash, newest_of_workspace(&parsed))
}

#[test]
fn workspaces_as_objects() {
    insta::assert_json_snapshot!("workspace_plain", shown(&recorded("alice", "ws0")).0);
    insta::assert_json_snapshot!("workspace_with_agent", shown(&recorded("bob", "ws2")).0);
    insta::assert_json_snapshot!("workspace_failed", shown(&recorded("bob", "bad")).0);
}

#[test]
fn workspaces_as_table() {
    let list: WorkspaceList<'_> = coder::parse(WORKSPACES.as_bytes()).unwrap();
    assert_eq!(list.count, 8);
    let form = Form::Table(MetaVersion::V1, IncludeObject::None);
    let meta = ListMeta { resource_version: 1, ..ListMeta::default() };
    let mut writer =
        ListWriter::new::<crate::api::v1alpha1::CoderWorkspace<'_>>(form, &meta, now(), Vec::new()).unwrap();
    for w in &list.workspaces {
        let object = workspace(w, "coder", "https://coder.example.com").unwrap();
        writer.push(&object, |hash| resource_version(newest_of_workspace(w), hash)).unwrap();
    }
    insta::assert_snapshot!(rows(&writer.finish()));
}

#[test]
fn templates_as_table_and_object() {
    let list: Vec<Template<'_>> = coder::parse(TEMPLATES.as_bytes()).unwrap();
    let form = Form::Table(MetaVersion::V1, IncludeObject::None);
    let meta = ListMeta { resource_version: 1, ..ListMeta::default() };
    let mut writer =
        ListWriter::new::<crate::api::v1alpha1::CoderTemplate<'_>>(form, &meta, now(), Vec::new()).unwrap();
    for t in &list {
        let object = template(t, "coder", Import::Succeeded).unwrap();
        writer
            .push(&object, |hash| resource_version(newest_of_template(t, Import::Succeeded), hash))
            .unwrap();
    }
    insta::assert_snapshot!(rows(&writer.finish()));
    insta::assert_json_snapshot!("template", template(&list[1], "coder", Import::Succeeded).unwrap());
}

/// A table as text, one line a row.
fn rows(table: &[u8]) -> String {
    let table: Value = serde_json::from_slice(table).unwrap();
    let cell = |cell: &Value| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
    let line = |cells: &Value| cells.as_array().unwrap().iter().map(cell).collect::<Vec<_>>().join(" | ");
    let names = table["columnDefinitions"].as_array().unwrap().iter().map(|column| cell(&column["name"]));
    let mut lines = vec![names.collect::<Vec<_>>().join(" | ")];
    lines.extend(table["rows"].as_array().unwrap().iter().map(|row| line(&row["cells"])));
    lines.join("\n")
}

#[track_caller]
fn check_hash(pointer: &str, value: Value, changes: bool) {
    let mut json = recorded("bob", "ws2");
    let (_, before, _) = shown(&json);
    set(&mut json, pointer, value);
    assert_eq!(shown(&json).1 != before, changes, "{pointer}");
}

#[test]
fn what_is_shown_moves_the_hash() {
    let agent = "/latest_build/resources/0/agents/0";
    for (pointer, value) in [
        ("/name", json!("renamed")),
        ("/owner_name", json!("carol")),
        ("/organization_name", json!("other")),
        ("/template_name", json!("other")),
        ("/id", json!("5a9a2a18-1821-4ee0-b5fe-d97ca375c7b1")),
        ("/created_at", json!("2026-11-21T08:00:00Z")),
        ("/ttl_ms", json!(60000)),
        ("/autostart_schedule", json!("CRON_TZ=UTC 30 9 * * 1-5")),
        ("/automatic_updates", json!("always")),
        ("/dormant_at", json!("2026-11-21T10:00:00Z")),
        ("/deleting_at", json!("2026-12-21T10:00:00Z")),
        ("/next_start_at", json!("2026-11-22T10:00:00Z")),
        ("/last_used_at", json!("2026-11-21T10:00:00Z")),
        ("/outdated", json!(true)),
        ("/is_prebuild", json!(true)),
        ("/health/healthy", json!(false)),
        ("/latest_app_status", json!({"created_at": "2026-11-21T10:00:00Z", "state": "idle"})),
        ("/latest_build/build_number", json!(2)),
        ("/latest_build/transition", json!("stop")),
        ("/latest_build/status", json!("stopping")),
        ("/latest_build/reason", json!("autostart")),
        ("/latest_build/initiator_name", json!("bob")),
        ("/latest_build/template_version_id", json!("x")),
        ("/latest_build/template_version_name", json!("x")),
        ("/latest_build/deadline", json!("2026-11-21T18:00:00Z")),
        ("/latest_build/job/status", json!("failed")),
        ("/latest_build/job/error", json!("x")),
        ("/latest_build/job/error_code", json!("INSUFFICIENT_QUOTA")),
        ("/latest_build/job/completed_at", json!("2026-11-21T10:00:00Z")),
    ] {
        check_hash(pointer, value, true);
    }
    for (field, value) in [
        ("status", json!("connected")),
        ("lifecycle_state", json!("ready")),
        ("name", json!("main")),
        ("version", json!("v2.30.0")),
        ("operating_system", json!("linux")),
        ("architecture", json!("amd64")),
        ("health/healthy", json!(false)),
        ("health/reason", json!("agent is shutting down")),
        ("apps/0/health", json!("healthy")),
        ("apps/0/display_name", json!("Editor")),
    ] {
        check_hash(&format!("{agent}/{field}"), value, true);
    }
}

#[test]
fn heartbeats_do_not() {
    let agent = "/latest_build/resources/0/agents/0";
    for (field, value) in [
        ("updated_at", json!("2026-11-21T11:00:00Z")),
        ("last_connected_at", json!("2026-11-21T11:00:00Z")),
        ("logs_length", json!(77)),
        ("latency", json!({"x": {"latency_ms": 1.5}})),
    ] {
        check_hash(&format!("{agent}/{field}"), value, false);
    }
    // Use within the same ten minutes, and what is nobody's business here.
    check_hash("/last_used_at", json!("2026-11-21T09:59:59Z"), false);
    check_hash("/favorite", json!(true), false);
    check_hash("/latest_build/job/queue_position", json!(3), false);
    check_hash("/latest_build/matched_provisioners", json!(null), false);
}

#[track_caller]
fn check_newest(pointer: &str, moment: &str, counts: bool) {
    let mut json = recorded("bob", "ws2");
    let (_, _, before) = shown(&json);
    set(&mut json, pointer, json!(moment));
    let after = shown(&json).2;
    assert_eq!(after, if counts { time::parse(moment).unwrap() } else { before }, "{pointer}");
}

#[test]
fn t_is_the_newest_moment_that_coder_stamped() {
    let agent = "/latest_build/resources/0/agents/0";
    for pointer in [
        "/latest_build/created_at",
        "/latest_build/job/started_at",
        "/latest_build/job/completed_at",
        "/last_used_at",
        "/dormant_at",
    ] {
        check_newest(pointer, "2026-11-21T11:00:00Z", true);
    }
    check_newest(&format!("{agent}/first_connected_at"), "2026-11-21T11:00:00.5Z", true);
    check_newest(&format!("{agent}/disconnected_at"), "2026-11-21T11:00:00Z", true);
    check_newest(&format!("{agent}/last_connected_at"), "2026-11-21T11:00:00Z", false);
    check_newest(&format!("{agent}/updated_at"), "2026-11-21T11:00:00Z", false);
    check_newest("/latest_build/deadline", "2026-11-21T18:00:00Z", false);
    check_newest("/next_start_at", "2026-11-22T18:00:00Z", false);
    check_newest("/deleting_at", "2026-12-22T18:00:00Z", false);
}

#[test]
fn names_that_coder_would_not_give_are_left_out() {
    let mut json = recorded("alice", "ws0");
    set(&mut json, "/owner_name", json!("not a name"));
    let text = json.to_string();
    let parsed: coder::Workspace<'_> = coder::parse(text.as_bytes()).unwrap();
    assert!(workspace(&parsed, "coder", "").is_none());
}

#[test]
fn capitals_of_coder() {
    let mut json = recorded("alice", "ws0");
    set(&mut json, "/owner_name", json!("Alice"));
    let object = shown(&json).0;
    assert_eq!(object["metadata"]["name"], "coder.alice.ws0");
    assert_eq!(object["metadata"]["labels"]["coder.com/owner"], "alice");
    assert_eq!(object["status"]["ownerName"], "Alice");
}

#[test]
fn parameters_are_sorted_and_the_last_of_equals_counts() {
    let json = recorded("alice", "withparam").to_string();
    let parsed: coder::Workspace<'_> = coder::parse(json.as_bytes()).unwrap();
    let mut object = workspace(&parsed, "coder", "").unwrap();
    let body = br#"[{"name":"b","value":"1"},{"name":"a","value":"2"},{"name":"b","value":"3"}]"#;
    let values = coder::requests::Values(coder::parse(body).unwrap());
    parameters(&mut object, &values);
    let shown: Vec<(&str, &str)> = object
        .spec
        .parameters
        .as_ref()
        .unwrap()
        .iter()
        .map(|p| (p.name.as_ref(), p.value.as_ref()))
        .collect();
    assert_eq!(shown, [("a", "2"), ("b", "3")]);
}

/// `Type=Status/Reason` of each, in order.
pub(super) fn summary(conditions: &[Condition<'_>]) -> Vec<String> {
    conditions.iter().map(|c| format!("{}={:?}/{}", c.condition_type, c.status, c.reason)).collect()
}

#[test]
fn imports() {
    let list: Vec<Template<'_>> = coder::parse(TEMPLATES.as_bytes()).unwrap();
    let t = &list[0];
    let job = |kind: &str, version: &str, status: &str| {
        format!(
            r#"[{{"id":"j","created_at":"2026-11-21T10:00:00Z","completed_at":"2026-11-21T10:01:00Z","status":"{status}",
            "type":"{kind}","input":{{"template_version_id":"{version}"}},"error":"no such module",
            "error_code":"REQUIRED_TEMPLATE_VARIABLES"}}]"#
        )
    };
    let check = |jobs: Option<&str>, expect: [&str; 3]| {
        let jobs: Option<Vec<ProvisionerJob<'_>>> = jobs.map(|text| coder::parse(text.as_bytes()).unwrap());
        let object = template(t, "coder", Import::from_jobs(t, jobs.as_deref())).unwrap();
        assert_eq!(summary(&object.status.conditions), expect);
    };
    let import = "template_version_import";
    let ready = ["Ready=True/Imported", "Importing=False/Imported", "ImportSucceeded=True/Imported"];
    check(
        None,
        [
            "Ready=Unknown/ImportUnknown",
            "Importing=Unknown/ImportUnknown",
            "ImportSucceeded=Unknown/ImportUnknown",
        ],
    );
    check(Some("[]"), ready);
    check(Some(&job(import, "another", "failed")), ready);
    check(Some(&job("template_version_dry_run", &t.active_version_id, "failed")), ready);
    check(Some(&job(import, &t.active_version_id, "succeeded")), ready);
    check(
        Some(&job(import, &t.active_version_id, "pending")),
        [
            "Ready=False/ImportPending",
            "Importing=True/ImportPending",
            "ImportSucceeded=Unknown/ImportPending",
        ],
    );
    check(
        Some(&job(import, &t.active_version_id, "failed")),
        [
            "Ready=False/RequiredTemplateVariables",
            "Importing=False/RequiredTemplateVariables",
            "ImportSucceeded=False/RequiredTemplateVariables",
        ],
    );
    check(
        Some(&job(import, &t.active_version_id, "canceled")),
        [
            "Ready=False/ImportCanceled",
            "Importing=False/ImportCanceled",
            "ImportSucceeded=False/ImportCanceled",
        ],
    );
}

#[test]
fn details_of_versions() {
    let list: Vec<Template<'_>> = coder::parse(TEMPLATES.as_bytes()).unwrap();
    let t = &list[0];
    let version = |id: &str, name: &str, status: &str, tags: &str, message: &str| {
        format!(
            r#"{{"id":"{id}","created_at":"2026-11-21T10:00:00Z","name":"{name}","message":"{message}","job":{{"id":"j","tags":{tags},
            "created_at":"2026-11-21T10:00:00Z","status":"{status}","error":"no"}}}}"#
        )
    };
    let check = |message: &str, status: &str, log: &str, tags: Value, conditions: [&str; 3], last: &str| {
        let active = version(
            &t.active_version_id,
            "v1",
            "succeeded",
            r#"{"scope":"organization","owner":"","zone":"a\"b"}"#,
            "",
        );
        let newest = version("2", "v2", status, "null", message);
        let versions = format!("[{active},{newest}]");
        let versions: Vec<coder::TemplateVersion<'_>> = coder::parse(versions.as_bytes()).unwrap();
        let mut object = template(t, "coder", Import::Succeeded).unwrap();
        details(&mut object, t, View::of(t, &versions).unwrap(), log);
        assert_eq!(summary(&object.status.conditions), conditions);
        assert_eq!(object.status.conditions[2].message, last);
        let object = serde_json::to_value(&object).unwrap();
        assert_eq!(object["spec"]["tags"], tags);
        assert_eq!(object["status"]["activeVersionName"], "v1");
        let expect = json!({"id": "2", "name": "v2", "status": status, "error": "no", "createdAt": "2026-11-21T10:00:00Z"});
        assert_eq!(object["status"]["latestVersion"], expect);
    };
    let mark = super::version::mark(&t.active_version_id);
    let imported = ["Ready=True/Imported", "Importing=False/Imported", "ImportSucceeded=True/Imported"];
    check("", "failed", "", json!({"zone": "a\"b"}), imported, "The active version has been imported.");
    check(
        &mark,
        "running",
        "",
        json!({}),
        ["Ready=False/Importing", "Importing=True/Importing", "ImportSucceeded=Unknown/Importing"],
        "The version is being imported.",
    );
    check(
        &mark,
        "succeeded",
        "",
        json!({}),
        ["Ready=False/Promoting", "Importing=False/Promoting", "ImportSucceeded=True/Promoting"],
        "The new version has been imported and is about to become the active one.",
    );
    check(
        &mark,
        "failed",
        "the end",
        json!({}),
        ["Ready=False/ImportFailed", "Importing=False/ImportFailed", "ImportSucceeded=False/ImportFailed"],
        "no\nthe end",
    );
}

#[test]
fn garbage_is_no_answer() {
    for body in ["", "<html>", "{\"workspaces\": [", "{}", "\u{feff}[]"] {
        assert!(coder::parse::<WorkspaceList<'_>>(body.as_bytes()).is_err(), "{body}");
    }
    assert!(coder::parse::<WorkspaceList<'_>>(b"\xff").is_err());
    let null = coder::parse::<WorkspaceList<'_>>(br#"{"workspaces":null,"count":0}"#).unwrap();
    assert!(null.workspaces.is_empty());
}

#[test]
fn conditions_of_workspaces() {
    let check = |transition: &str, job: &str, edit: &[(&str, Value)], running: bool, expect: &[&str]| {
        let mut json = recorded("bob", "ws2");
        set(&mut json, "/latest_build/build_number", json!(7));
        set(&mut json, "/latest_build/transition", json!(transition));
        set(&mut json, "/latest_build/job/status", json!(job));
        for (pointer, value) in edit {
            set(&mut json, pointer, value.clone());
        }
        let text = json.to_string();
        let parsed: coder::Workspace<'_> = coder::parse(text.as_bytes()).unwrap();
        let object = workspace(&parsed, "coder", "").unwrap();
        let found = summary(&object.status.conditions);
        for one in expect {
            assert!(
                found.iter().any(|condition| condition == one),
                "{transition} {job}: no {one} in {found:?}"
            );
        }
        assert_eq!(object.spec.running, running, "{transition} {job}");
        let finished = matches!(job, "succeeded" | "failed" | "canceled");
        assert_eq!(object.status.observed_generation, if finished { 7 } else { 6 });
        assert_eq!(object.metadata.generation, 7);
        let deleting = transition == "delete";
        assert_eq!(object.metadata.deletion_timestamp.is_some(), deleting);
        assert_eq!(object.metadata.finalizers.len(), usize::from(deleting));
        object.status.conditions[0].message.to_string()
    };
    let agent = |field: &str| format!("/latest_build/resources/0/agents/0/{field}");
    let no_agents = ("/latest_build/resources", json!(null));
    let (status, health) = (agent("status"), agent("health"));

    check("start", "pending", &[], true, &["Ready=False/BuildPending", "Progressing=True/BuildPending"]);
    check("start", "running", &[], true, &["Ready=False/Starting", "BuildSucceeded=Unknown/Starting"]);
    check("start", "canceling", &[], false, &["Ready=False/BuildCanceling"]);
    check(
        "start",
        "canceled",
        &[],
        false,
        &["Ready=False/BuildCanceled", "BuildSucceeded=False/BuildCanceled"],
    );
    check("start", "failed", &[], false, &["Ready=False/BuildFailed", "Progressing=False/BuildFinished"]);
    check("start", "unknown", &[], false, &["BuildSucceeded=False/BuildFailed"]);
    check("stop", "succeeded", &[], false, &["Ready=True/Stopped", "BuildSucceeded=True/BuildSucceeded"]);
    check("stop", "running", &[], false, &["Ready=False/Stopping"]);
    check("stop", "failed", &[], true, &["Ready=False/BuildFailed"]);
    check("stop", "canceled", &[], true, &["Ready=False/BuildCanceled"]);
    check("delete", "running", &[], false, &["Ready=False/Deleting", "Progressing=True/Deleting"]);
    check("delete", "failed", &[], false, &["Ready=False/BuildFailed"]);
    check("delete", "succeeded", &[], false, &["Ready=False/Deleted"]);
    let quota = ("/latest_build/job/error_code", json!("INSUFFICIENT_QUOTA"));
    check("start", "failed", &[quota], false, &["BuildSucceeded=False/InsufficientQuota"]);
    let strange = ("/latest_build/job/error_code", json!("9 lives"));
    check("start", "failed", &[strange], false, &["BuildSucceeded=False/BuildFailed"]);

    check("start", "succeeded", &[no_agents], true, &["Ready=True/Running"]);
    let message = check("start", "succeeded", &[], true, &["Ready=False/AgentsNotReady"]);
    assert_eq!(message, "agent example is connecting");
    let connected = (status.as_str(), json!("connected"));
    check("start", "succeeded", std::slice::from_ref(&connected), true, &["Ready=True/AgentsReady"]);
    let sick = (health.as_str(), json!({"healthy": false, "reason": "agent is shutting down"}));
    let message = check("start", "succeeded", &[connected, sick], true, &["Ready=False/AgentsNotReady"]);
    assert_eq!(message, "agent example is shutting down");
    let parent = agent("parent_id");
    check("start", "succeeded", &[(&parent, json!("p"))], true, &["Ready=True/Running"]);
    let dormant = ("/dormant_at", json!("2026-11-21T10:00:00Z"));
    check("stop", "succeeded", &[dormant], false, &["Dormant=True/Dormant", "Outdated=False/UpToDate"]);
    check("stop", "succeeded", &[("/outdated", json!(true))], false, &["Outdated=True/NewVersion"]);
}
