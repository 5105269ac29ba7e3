//! The stand-in Coder: imports, templates, versions, and what their errors say.

use crate::common::{Lab, id};
use echo_archive::{Archive, Parameter, Phase};
use serde_json::json;

#[tokio::test]
async fn an_import_runs_the_archive() {
    let lab = Lab::seeded().await;
    for (archive, status, error) in [
        (Archive::plain(), "succeeded", None),
        (Archive::plain().fail_apply("failed!"), "succeeded", None),
        (Archive::plain().fail(Phase::Init, "x"), "failed", Some("template import init error: x")),
        (Archive::plain().fail(Phase::Parse, "x"), "failed", Some("run parse: parse error: x")),
        (
            Archive::plain().fail(Phase::Plan, "x"),
            "failed",
            Some("template import provision for start: plan during template import provision error: x"),
        ),
        (
            Archive::plain().file("big.bin", vec![0; 4 << 20]),
            "failed",
            Some("payload was too big: 4200960 > 4194304"),
        ),
    ] {
        let version = lab.import(&archive, json!({})).await;
        let version = lab.imported(&version).await;
        assert_eq!(version["job"]["status"], status, "{version}");
        assert_eq!(version["job"]["error"].as_str(), error);
    }
}

#[tokio::test]
async fn equal_archives_are_one_file() {
    let lab = Lab::seeded().await;
    let upload = async |content: &[u8]| {
        lab.call("POST", "/api/v2/files", Some("application/x-tar"), content.to_vec().into()).await
    };
    let (first, second) = (upload(&Archive::plain().build()).await, upload(&Archive::plain().build()).await);
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!(first.json(), second.json());
    let content = lab.get(&format!("/files/{}", first.json()["hash"].as_str().unwrap())).await;
    assert_eq!(content.body, Archive::plain().build());
}

#[tokio::test]
async fn a_version_without_a_daemon_waits_until_it_is_cancelled() {
    let lab = Lab::seeded().await;
    let version = lab.import(&Archive::plain(), json!({"provisioner": "terraform"})).await;
    let template =
        lab.post("/organizations/coder/templates", json!({"name": "slow", "template_version_id": version}));
    let template = id(&template.await.json());
    let create = lab.post("/users/alice/workspaces", json!({"name": "w", "template_id": template})).await;
    assert_eq!(
        (create.status, create.message().as_str()),
        (406, "The provided template version is pending. Wait for it to complete importing!")
    );
    let promote = lab.send("PATCH", &format!("/templates/{template}/versions"), json!({"id": version})).await;
    assert_eq!(promote.status, 403);
    let cancel = lab.send("PATCH", &format!("/templateversions/{version}/cancel"), json!({})).await;
    assert_eq!(cancel.status, 200);
    assert_eq!(lab.imported(&version).await["job"]["status"], "canceled");
}

#[tokio::test]
async fn templates_are_listed_found_and_refused() {
    let lab = Lab::seeded().await;
    let (plain, version) = lab.template("plain", &Archive::plain()).await;
    lab.template("dev", &Archive::plain().file("main.tf", "# dev")).await;
    for (query, names) in [
        ("", vec!["dev", "plain"]),
        ("?q=name:pla", vec!["plain"]),
        ("?q=exact_name:PLAIN", vec!["plain"]),
        ("?q=deprecated:true", vec![]),
        ("?q=organization:coder", vec!["dev", "plain"]),
    ] {
        let listed = lab.get(&format!("/templates{query}")).await.json();
        let listed: Vec<_> =
            listed.as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(listed, names, "{query}");
    }
    assert_eq!(lab.get("/templates?q=foo:bar").await.status, 400);
    assert_eq!(lab.get("/organizations/coder/templates/nope").await.status, 404);
    let again =
        lab.post("/organizations/coder/templates", json!({"name": "plain", "template_version_id": version}));
    let again = again.await;
    assert_eq!(again.status, 409);
    assert_eq!(again.json()["validations"][0]["field"], "name");
    let workspace = lab.workspace("alice", "w", &plain).await;
    let delete = lab.send("DELETE", &format!("/templates/{plain}"), json!(null)).await;
    assert_eq!(
        (delete.status, delete.message().as_str()),
        (400, "All workspaces must be deleted before a template can be removed.")
    );
    lab.build(&workspace, json!({"transition": "delete"})).await;
    assert_eq!(lab.send("DELETE", &format!("/templates/{plain}"), json!(null)).await.status, 200);
    assert_eq!(lab.get(&format!("/templates/{plain}")).await.status, 404);
}

#[tokio::test]
async fn a_patch_resets_what_it_does_not_send() {
    let lab = Lab::seeded().await;
    let (template, _) = lab.template("plain", &Archive::plain()).await;
    let path = format!("/templates/{template}");
    let held = lab.get(&path).await.json();
    assert_eq!(held["activity_bump_ms"], 3_600_000);
    let same = json!({
        "name": "plain", "activity_bump_ms": 3_600_000, "allow_user_autostart": true, "allow_user_autostop": true,
    });
    assert_eq!(lab.send("PATCH", &path, same).await.status, 304);
    let changed = lab.send("PATCH", &path, json!({"display_name": "Plain"})).await.json();
    assert_eq!(changed["activity_bump_ms"], 0);
    assert_eq!(changed["display_name"], "Plain");
    assert_eq!(changed["allow_user_autostart"], true, "a licence would be needed");
}

#[tokio::test]
async fn with_a_licence_templates_can_be_deprecated() {
    let lab = Lab::seeded_with(json!({"licensed": true})).await;
    let (template, _) = lab.template("old", &Archive::plain()).await;
    let body = json!({"deprecation_message": "use another", "allow_user_autostart": true, "allow_user_autostop": true});
    assert_eq!(lab.send("PATCH", &format!("/templates/{template}"), body).await.status, 200);
    assert_eq!(lab.get("/templates").await.json(), json!([]));
    assert_eq!(lab.get("/templates?q=deprecated:true").await.json()[0]["deprecation_message"], "use another");
}

#[tokio::test]
async fn versions_are_found_renamed_and_promoted() {
    let lab = Lab::seeded().await;
    let (template, first) = lab.template("plain", &Archive::plain()).await;
    let more = json!({"template_id": template, "name": "second", "message": "mark"});
    let second = lab.import(&Archive::plain().file("main.tf", "# 2"), more.clone()).await;
    assert_eq!(lab.imported(&second).await["message"], "mark");
    let versions = lab.get(&format!("/templates/{template}/versions")).await.json();
    assert_eq!([id(&versions[0]), id(&versions[1])], [first.clone(), second.clone()], "oldest first");
    assert_eq!(id(&lab.get(&format!("/templates/{template}/versions/second")).await.json()), second);
    assert_eq!(
        lab.send("PATCH", &format!("/templateversions/{second}"), json!({"message": ""})).await.status,
        200
    );
    let workspace = lab.workspace("alice", "w", &template).await;
    let promote = lab.send("PATCH", &format!("/templates/{template}/versions"), json!({"id": second})).await;
    assert_eq!(promote.message(), "Updated the active template version!");
    let outdated = lab.get(&format!("/workspaces/{}", id(&workspace))).await.json();
    assert_eq!(outdated["outdated"], true);
}

#[tokio::test]
async fn parameters_and_presets_of_a_version() {
    let lab = Lab::seeded().await;
    let archive = Archive::plain()
        .parameter(Parameter::string("region").default("eu").mutable())
        .parameter(Parameter::number("cpu").range(1, 8))
        .preset("small", &[("cpu", "2")]);
    let (_, version) = lab.template("params", &archive).await;
    let parameters = lab.get(&format!("/templateversions/{version}/rich-parameters")).await.json();
    assert_eq!([&parameters[0]["name"], &parameters[1]["name"]], ["cpu", "region"]);
    assert_eq!(lab.get(&format!("/templateversions/{version}/presets")).await.json()[0]["Name"], "small");
    let owner = lab.get("/users/alice").await.json()["id"].clone();
    let evaluate = async |inputs| {
        let body = json!({"id": 1, "inputs": inputs, "owner_id": owner});
        lab.post(&format!("/templateversions/{version}/dynamic-parameters/evaluate"), body).await.json()
    };
    let good = evaluate(json!({"cpu": "4"})).await;
    assert_eq!(good["parameters"][0]["diagnostics"], json!([]));
    let missing = evaluate(json!({})).await;
    assert_eq!(missing["parameters"][0]["diagnostics"][1]["extra"]["code"], "required");
}
