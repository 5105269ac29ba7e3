//! The scale subresource: one replica runs, none is stopped.

use e2e::{
    Lab, Scratch,
    api::{JSON_PATCH, causes, ok},
    check::status,
    seed::coder_workspace,
};
use serde_json::{Value, json};

#[test]
fn it_starts_and_stops() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace("scaled", "plain", &json!({}));
    let (api, name) = (scratch.workspaces(), scratch.name("scaled"));
    let path = format!("{name}/scale");
    let object = api.ready(&name);
    let scale = api.get(&path);
    assert_eq!((&scale["kind"], &scale["apiVersion"]), (&json!("Scale"), &json!("autoscaling/v1")));
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        assert_eq!(scale["metadata"][field], object["metadata"][field], "{field}");
    }
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["replicas"]), (&json!(1), &json!(1)));
    let mut put = scale.clone();
    put["spec"] = json!({"replicas": 0});
    let json_patch = json!([{"op": "add", "path": "/spec/replicas", "value": 1}]);
    let requests: [(&dyn Fn() -> e2e::Response, i64); 3] = [
        (&|| api.replace(&path, "", &put), 0),
        (&|| api.patch(&path, "", JSON_PATCH, &json_patch), 1),
        (&|| api.merge(&path, &json!({"spec": {"replicas": 0}})), 0),
    ];
    for (request, replicas) in requests {
        let calls = scratch.calls();
        let answer = ok(&request());
        assert_eq!(answer["kind"], "Scale");
        assert_eq!(answer["spec"]["replicas"].as_i64().unwrap_or_default(), replicas, "{answer}");
        if let Some(calls) = calls {
            assert_eq!(calls.writes(), ["POST /workspaces/*/builds"]);
        }
        let settled = api.settled(&name);
        assert_eq!(settled["spec"]["running"], replicas == 1);
        let transition = if replicas == 1 { "start" } else { "stop" };
        assert_eq!(coder_workspace(&lab, &name)["latest_build"]["transition"], transition);
    }
    // none is left out of the spec, as in Kubernetes' own Scale.
    let scale = api.get(&path);
    assert_eq!(scale["spec"]["replicas"].as_i64().unwrap_or_default(), 0, "{scale}");
    let calls = scratch.calls();
    ok(&api.merge(&path, &json!({"spec": {"replicas": 0}})));
    ok(&api.merge(&path, &json!({})));
    ok(&api.patch(&path, "dryRun=All", e2e::api::MERGE, &json!({"spec": {"replicas": 1}})));
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
}

#[test]
fn there_is_one_of_each_or_none() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace("single", "plain", &json!({}));
    let (api, name) = (scratch.workspaces(), scratch.name("single"));
    let path = format!("{name}/scale");
    for replicas in [2, -1, 1000] {
        let answer = status(&api.merge(&path, &json!({"spec": {"replicas": replicas}})), 422, "Invalid");
        assert_eq!(causes(&answer)[0].0, "spec.replicas", "{answer}");
    }
    let stale = json!({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 0}});
    status(&api.merge(&path, &stale), 409, "Conflict");
    let strategic = "application/strategic-merge-patch+json";
    status(&api.patch(&path, "", strategic, &json!({"spec": {"replicas": 0}})), 415, "UnsupportedMediaType");
    let absent = format!("{}/scale", scratch.name("absent"));
    status(&api.merge(&absent, &json!({"spec": {"replicas": 0}})), 404, "NotFound");
    status(&api.read(&absent), 404, "NotFound");
    status(&api.delete(&path, "", &Value::Null), 405, "MethodNotAllowed");
    assert_eq!(coder_workspace(&lab, &name)["latest_build"]["build_number"], 1);
    let response = scratch.templates().read("coder.plain/scale");
    status(&response, 404, "NotFound");
}
