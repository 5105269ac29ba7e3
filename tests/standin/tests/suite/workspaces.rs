//! The stand-in Coder: workspaces, their builds and settings, and the list.

use std::time::Duration;

use crate::common::{Lab, id};
use echo_archive::{Agent, App, Archive, Parameter, Phase, Transition};
use serde_json::{Value, json};

#[tokio::test]
async fn a_workspace_lives_and_dies() {
    let lab = Lab::seeded().await;
    let (template, _) = lab.template("plain", &Archive::plain()).await;
    let workspace = lab.workspace("alice", "ws0", &template).await;
    assert_eq!(workspace["latest_build"]["status"], "running");
    let stopped = lab.build(&workspace, json!({"transition": "stop"})).await;
    assert_eq!((stopped["status"].as_str(), stopped["build_number"].as_i64()), (Some("stopped"), Some(2)));
    assert_eq!(lab.get("/users/ALICE/workspace/WS0").await.status, 200);
    lab.build(&workspace, json!({"transition": "delete"})).await;
    let path = format!("/workspaces/{}", id(&workspace));
    assert_eq!(lab.get(&path).await.status, 410);
    assert_eq!(lab.get(&format!("{path}?include_deleted=true")).await.status, 200);
    assert_eq!(lab.get("/users/alice/workspace/ws0").await.status, 404);
    assert_eq!(lab.get("/workspaces").await.json(), json!({"workspaces": [], "count": 0}));
    let start = lab.post(&format!("{path}/builds"), json!({"transition": "start"})).await;
    assert_eq!((start.status, start.message().as_str()), (409, "Cannot start a deleted workspace!"));
}

#[tokio::test]
async fn builds_fail_as_their_archive_says() {
    let lab = Lab::seeded().await;
    let (template, _) = lab.template("broken", &Archive::plain().fail_apply("failed!")).await;
    let workspace = lab.workspace("bob", "bad", &template).await;
    assert_eq!(workspace["latest_build"]["status"], "failed");
    assert_eq!(workspace["latest_build"]["job"]["error"], "failed!");
    let archive = Archive::plain().fail_on(Phase::Apply, Transition::Delete, "stuck");
    let (template, _) = lab.template("sticky", &archive).await;
    let workspace = lab.workspace("bob", "sticky", &template).await;
    let build = lab.build(&workspace, json!({"transition": "delete"})).await;
    assert_eq!(
        [&build["transition"], &build["status"], &build["job"]["error"]],
        ["delete", "failed", "stuck"]
    );
    assert_eq!(lab.get("/workspaces?q=status:failed").await.json()["count"], 2);
}

#[tokio::test]
async fn a_hanging_build_runs_until_it_is_cancelled() {
    let lab = Lab::seeded().await;
    let (template, _) =
        lab.template("hang", &Archive::plain().log(Phase::Apply, "hello").hang(Phase::Apply)).await;
    let created =
        lab.post("/users/bob/workspaces", json!({"name": "h", "template_id": template})).await.json();
    let build = format!("/workspacebuilds/{}", id(&created["latest_build"]));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(lab.get(&build).await.json()["status"], "starting");
    let second =
        lab.post(&format!("/workspaces/{}/builds", id(&created)), json!({"transition": "stop"})).await;
    assert_eq!((second.status, second.message().as_str()), (409, "A workspace build is already active."));
    assert_eq!(lab.send("PATCH", &format!("{build}/cancel"), json!(null)).await.status, 200);
    assert_eq!(lab.get(&build).await.json()["status"], "canceling");
    let ended = lab.built(&created["latest_build"]).await;
    assert_eq!([&ended["status"], &ended["job"]["error"]], ["failed", "canceled"]);
    let logs = lab.get(&format!("{build}/logs")).await.json();
    let outputs: Vec<&str> =
        logs.as_array().unwrap().iter().map(|line| line["output"].as_str().unwrap()).collect();
    assert_eq!(outputs, ["", "", "hello", "apply waits", ""]);
}

#[tokio::test]
async fn parameters_are_checked_and_kept() {
    let lab = Lab::seeded().await;
    let archive = Archive::plain()
        .parameter(Parameter::number("cpu"))
        .parameter(Parameter::string("region").default("eu").mutable())
        .preset("small", &[("cpu", "2")]);
    let (template, _) = lab.template("params", &archive).await;
    let create = async |name: &str, values: Value| {
        let body = json!({"name": name, "template_id": template, "rich_parameter_values": values});
        lab.post("/users/alice/workspaces", body).await
    };
    let missing = create("w", json!([])).await;
    assert_eq!((missing.status, missing.message().as_str()), (400, "Unable to validate parameters"));
    assert_eq!(missing.json()["validations"][0]["field"], "cpu");
    assert_eq!(create("w", json!([{"name": "cpu", "value": "x"}])).await.status, 400);
    let made = create("w", json!([{"name": "cpu", "value": "2"}, {"name": "bogus", "value": "1"}])).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert!(
        made["latest_build"]["template_version_preset_id"].is_string(),
        "the values amount to the preset"
    );
    lab.built(&made["latest_build"]).await;
    let immutable = json!({"transition": "start", "rich_parameter_values": [{"name": "cpu", "value": "5"}]});
    assert_eq!(lab.post(&format!("/workspaces/{}/builds", id(&made)), immutable).await.status, 400);
    let changed =
        json!({"transition": "start", "rich_parameter_values": [{"name": "region", "value": "us"}]});
    let build = lab.build(&made, changed).await;
    let values = lab.get(&format!("/workspacebuilds/{}/parameters", id(&build))).await.json();
    assert_eq!(values, json!([{"name": "cpu", "value": "2"}, {"name": "region", "value": "us"}]));
}

#[tokio::test]
async fn the_list_is_ordered_filtered_and_paged() {
    let lab = Lab::seeded().await;
    let (plain, _) = lab.template("plain", &Archive::plain()).await;
    for (owner, name) in [("bob", "a"), ("alice", "b"), ("alice", "a")] {
        lab.workspace(owner, name, &plain).await;
    }
    let workspace = lab.get("/users/alice/workspace/a").await.json();
    lab.build(&workspace, json!({"transition": "stop"})).await;
    for (query, expect, count) in [
        ("", vec!["alice/b", "bob/a", "alice/a"], 3),
        ("limit=1&offset=1", vec!["bob/a"], 3),
        ("offset=9", vec![], 3),
        ("q=owner:alice", vec!["alice/b", "alice/a"], 2),
        ("q=owner:nope", vec![], 0),
        ("q=alice/a", vec!["alice/a"], 1),
        ("q=status:running%20owner:ALICE", vec!["alice/b"], 1),
        ("q=template:plain%20organization:coder", vec!["alice/b", "bob/a", "alice/a"], 3),
    ] {
        let list = lab.get(&format!("/workspaces?{query}")).await.json();
        let name =
            |w: &Value| format!("{}/{}", w["owner_name"].as_str().unwrap(), w["name"].as_str().unwrap());
        let names: Vec<String> = list["workspaces"].as_array().unwrap().iter().map(name).collect();
        assert_eq!(
            (names, list["count"].as_u64()),
            (expect.iter().map(|n| (*n).to_owned()).collect(), Some(count)),
            "{query}"
        );
    }
    for query in ["q=organization:nope", "q=foo:bar", "q=owner:a%20owner:b", "limit=-1", "q=status:bogus"] {
        assert_eq!(lab.get(&format!("/workspaces?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn settings_are_set_and_refused() {
    let lab = Lab::seeded().await;
    let (plain, _) = lab.template("plain", &Archive::plain()).await;
    let workspace = lab.workspace("alice", "w", &plain).await;
    let path = format!("/workspaces/{}", id(&workspace));
    for (setting, body, status) in [
        ("ttl", json!({"ttl_ms": 90_000}), 204),
        ("ttl", json!({"ttl_ms": 1}), 400),
        ("autostart", json!({"schedule": "CRON_TZ=UTC 30 9 * * 1-5"}), 204),
        ("autostart", json!({"schedule": "30 9 1 * *"}), 400),
        ("autoupdates", json!({"automatic_updates": "always"}), 204),
        ("autoupdates", json!({"automatic_updates": "x"}), 400),
        ("dormant", json!({"dormant": false}), 304),
    ] {
        assert_eq!(
            lab.send("PUT", &format!("{path}/{setting}"), body.clone()).await.status,
            status,
            "{body}"
        );
    }
    let set = lab.get(&path).await.json();
    assert_eq!(set["ttl_ms"], 60_000);
    assert!(set["next_start_at"].is_string());
    assert_eq!(set["updated_at"], workspace["updated_at"], "settings move no timestamp");
    assert_eq!(lab.send("PUT", &format!("{path}/dormant"), json!({"dormant": true})).await.status, 200);
    assert!(lab.get(&path).await.json()["dormant_at"].is_string());
    lab.build(&workspace, json!({"transition": "start"})).await;
    assert!(lab.get(&path).await.json()["dormant_at"].is_null(), "a start wakes it");
}

#[tokio::test]
async fn agents_connect_when_they_are_told_to() {
    let lab = Lab::seeded().await;
    let token = "0b5bc1a5-0000-4000-8000-000000000001";
    let agent =
        Agent::new("example").token(token).app(App::new("code", "code-server", "http://localhost:8080"));
    let (dev, _) = lab.template("dev", &Archive::plain().agent(agent)).await;
    let workspace = lab.workspace("alice", "w", &dev).await;
    let agent_of = |workspace: &Value| workspace["latest_build"]["resources"][0]["agents"][0].clone();
    let agent = agent_of(&workspace);
    assert_eq!(
        [&agent["status"], &agent["name"], &agent["apps"][0]["health"]],
        ["connecting", "example", "disabled"]
    );
    let told = json!({"status": "disconnected", "lifecycle_state": "ready", "version": "v2"}).to_string();
    let path = format!("/standin/agents/{}", id(&agent));
    assert_eq!(lab.call("PATCH", &path, Some("application/json"), told.into()).await.status, 204);
    let sick = lab.get(&format!("/workspaces/{}", id(&workspace))).await.json();
    assert_eq!(sick["health"]["failing_agents"], json!([id(&agent)]));
    assert_eq!(agent_of(&sick)["health"]["reason"], "agent has lost connection");

    let logs = json!({"logs": [{"created_at": "2026-01-01T00:00:00Z", "output": "hi", "level": "info"}]});
    let status = json!({"app_slug": "code", "state": "working", "message": "compiling", "uri": ""});
    for (endpoint, body) in [("logs", logs), ("app-status", status)] {
        let path = format!("/workspaceagents/me/{endpoint}?coder_session_token={token}");
        assert_eq!(lab.send("PATCH", &path, body).await.status, 200, "{endpoint}");
    }
    let logs = lab.get(&format!("/workspaceagents/{}/logs", id(&agent))).await.json();
    assert_eq!(logs[0]["output"], "hi");
    let workspace = lab.get(&format!("/workspaces/{}", id(&workspace))).await.json();
    assert_eq!(workspace["latest_app_status"]["message"], "compiling");
}

#[tokio::test]
async fn jobs_are_listed_newest_first_for_owners() {
    let lab = Lab::seeded().await;
    let (plain, _) = lab.template("plain", &Archive::plain()).await;
    lab.workspace("alice", "w", &plain).await;
    let jobs = lab.get("/organizations/coder/provisionerjobs").await.json();
    assert_eq!([&jobs[0]["type"], &jobs[1]["type"]], ["workspace_build", "template_version_import"]);
    assert_eq!(
        [&jobs[0]["metadata"]["workspace_name"], &jobs[0]["metadata"]["template_name"]],
        ["w", "plain"]
    );
    let failed = lab.get("/organizations/coder/provisionerjobs?status=failed,pending").await;
    assert_eq!(failed.json(), json!([]));
    assert_eq!(lab.get("/organizations/coder/provisionerjobs?offset=1").await.status, 400);
}

#[tokio::test]
async fn members_see_their_own_only() {
    let mut lab = Lab::seeded().await;
    let (plain, _) = lab.template("plain", &Archive::plain()).await;
    let theirs = lab.workspace("bob", "theirs", &plain).await;
    lab.workspace("alice", "mine", &plain).await;
    let login = json!({"email": "alice@example.com", "password": "SomeSecurePassword!1"});
    lab.token = lab.post("/users/login", login).await.json()["session_token"].as_str().unwrap().to_owned();
    assert_eq!(lab.get("/workspaces").await.json()["count"], 1);
    assert_eq!(lab.get(&format!("/workspaces/{}", id(&theirs))).await.status, 404);
    assert_eq!(lab.get("/users/bob").await.status, 400);
    assert_eq!(lab.get("/organizations/coder/provisionerjobs").await.status, 404);
    assert_eq!(lab.send("PATCH", &format!("/templates/{plain}"), json!({"icon": "x"})).await.status, 500);
    assert_eq!(
        lab.post("/users/bob/workspaces", json!({"name": "x", "template_id": plain})).await.status,
        403
    );
    lab.token = "aaaaaaaaaa-bbbbbbbbbbbbbbbbbbbbbb".into();
    assert_eq!(lab.get("/workspaces").await.status, 401);
}
