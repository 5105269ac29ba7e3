//! Deleting templates: at once, and never while a workspace uses them.

use e2e::{
    Lab, Scratch,
    api::{ok, workspace},
    check::{names, status},
};
use echo_archive::Archive;
use serde_json::{Value, json};

#[test]
fn it_is_gone_at_once_unless_it_is_in_use() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let short = scratch.coder_template("used", &Archive::plain());
    let (api, name) = (scratch.templates(), format!("coder.{short}"));
    let workspaces = scratch.workspaces();
    ok(&workspaces.create("", &workspace(&scratch.name("user"), &short, &json!({}))));
    workspaces.ready(&scratch.name("user"));
    for query in ["", "dryRun=All"] {
        let response = api.delete(&name, query, &Value::Null);
        if query.is_empty() || response.status() != 200 {
            let answer = status(&response, 409, "Conflict");
            let message = answer["message"].as_str().unwrap();
            assert!(
                message.contains("workspaces must be deleted before a template can be removed"),
                "{message}"
            );
        }
    }
    api.get(&name);
    ok(&workspaces.delete(&scratch.name("user"), "", &Value::Null));
    workspaces.gone(&scratch.name("user"));
    let object = api.get(&name);
    let uid = &object["metadata"]["uid"];
    for (options, code) in [
        (json!({"dryRun": ["All"]}), 200),
        (json!({"propagationPolicy": "Orphan"}), 422),
        (json!({"preconditions": {"uid": "00000000-0000-4000-8000-000000000000"}}), 409),
        (json!({"preconditions": {"resourceVersion": "1"}}), 409),
    ] {
        let response = api.delete(&name, "", &options);
        assert_eq!(response.status(), code, "{options}: {}", response.excerpt());
        assert_eq!(api.get(&name), object);
    }
    let calls = scratch.calls();
    let answer = ok(&api.delete(&name, "", &json!({"preconditions": {"uid": uid}})));
    let told = answer.pointer("/details/uid").or(answer.pointer("/metadata/uid"));
    assert_eq!(told, Some(uid), "{answer}");
    status(&api.read(&name), 404, "NotFound");
    status(&api.delete(&name, "", &Value::Null), 404, "NotFound");
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), ["DELETE /templates/*"]);
    }
}

#[test]
fn names_that_are_not_the_canonical_one_delete_nothing() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let short = scratch.coder_template("canon", &Archive::plain());
    let (api, name) = (scratch.templates(), format!("coder.{short}"));
    let uid = api.get(&name)["metadata"]["uid"].as_str().unwrap().to_owned();
    for other in [name.to_uppercase(), format!("default.{short}"), uid.clone(), format!("coder.{uid}")] {
        status(&api.delete(&other, "", &Value::Null), 404, "NotFound");
    }
    api.get(&name);
    let request = e2e::Request::new("DELETE", &api.target(&name, ""));
    let answer = status(&lab.front_user().send(&request), 403, "Forbidden");
    assert!(answer["message"].as_str().unwrap().contains("cannot delete resource \"codertemplates\""));
    api.get(&name);
}

#[test]
fn a_collection_goes_by_selector() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    let (one, two) =
        (scratch.coder_template("one", &Archive::plain()), scratch.coder_template("two", &Archive::plain()));
    let api = scratch.templates();
    let query = format!("labelSelector=coder.com/template%20in%20({one},{two})");
    let tried = ok(&api.delete("", &format!("{query}&dryRun=All"), &Value::Null));
    assert_eq!(names(&tried), [format!("coder.{one}"), format!("coder.{two}")]);
    let deleted = ok(&api.delete("", &query, &Value::Null));
    assert_eq!(names(&deleted).len(), 2, "{deleted}");
    for short in [one, two] {
        status(&api.read(&format!("coder.{short}")), 404, "NotFound");
    }
    api.get("coder.plain");
}
