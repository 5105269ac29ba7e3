//! Who did what: Coder is told in whose name it is called, and Envoy's access log says what a request was to Kubernetes.

use e2e::{
    Lab, Scratch,
    api::{ok, workspace},
    calls::Calls,
    envoy::eventually,
};
use serde_json::{Value, json};
use std::{fs, time::Duration};

#[test]
fn coder_is_told_who_asks() {
    let Some(lab) = Lab::writing() else { return };
    if lab.parts != e2e::Parts::Standin {
        e2e::skip("coderd keeps no list of who asked without a licence");
        return;
    }
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("told"));
    let calls = scratch.calls().unwrap();
    ok(&api.create("", &workspace(&name, "plain", &json!({"running": false}))));
    api.until(&name, "stopped", |object| object["spec"]["running"] == false);
    api.settled(&name);
    ok(&api.delete(&name, "", &Value::Null));
    api.gone(&name);
    let all = calls.all();
    let expect = format!("coder-kube-filter/{} ({})", env!("CARGO_PKG_VERSION"), scratch.user);
    assert!(all.len() > 3 && all.iter().all(|call| call.user_agent == expect), "{all:?}");
    // What goes on after the answer does so in the same name.
    let builds = calls.writes().iter().filter(|write| write.ends_with("/builds")).count();
    assert_eq!(builds, 2, "a stop and a delete: {:?}", calls.writes());
}

#[test]
fn odd_names_are_encoded() {
    let Some(lab) = Lab::writing() else { return };
    let scratch = Scratch::new(&lab);
    for (user, shown) in [
        (
            format!("system:serviceaccount:ns:{}", scratch.user),
            format!("system:serviceaccount:ns:{}", scratch.user),
        ),
        (format!("{}@example.com", scratch.user), format!("{}@example.com", scratch.user)),
        (format!("{} (a) %b", scratch.user), format!("{}%20%28a%29%20%25b", scratch.user)),
    ] {
        let Some(calls) = Calls::of(&lab, &shown) else {
            return e2e::skip("coderd keeps no list of who asked");
        };
        let front = lab
            .front()
            .with_header("Impersonate-User", &user)
            .with_header("Impersonate-Group", "system:masters");
        assert_eq!(front.get(&lab.path("coderworkspaces/coder.alice.ws0")).status(), 200);
        let all = calls.all();
        assert!(!all.is_empty(), "nobody of the name {shown} has asked");
    }
}

#[test]
fn the_access_log_speaks_kubernetes() {
    let Some(lab) = Lab::writing() else { return };
    let Some(log) = std::env::var_os("ENVOY_ACCESS_LOG") else { return e2e::skip("no access log") };
    let scratch = Scratch::new(&lab);
    let (api, name) = (scratch.workspaces(), scratch.name("logged"));
    ok(&api.create("", &workspace(&name, "plain", &json!({}))));
    api.ready(&name);
    ok(&api.merge(&name, &json!({"spec": {"ttlMillis": 60_000}})));
    ok(&api.replace(&name, "", &api.get(&name)));
    ok(&api.merge(&format!("{name}/scale"), &json!({"spec": {"replicas": 1}})));
    ok(&api.delete(&name, "", &Value::Null));
    api.gone(&name);
    let selector = format!("labelSelector=coder.com/owner%3D{}", scratch.user);
    ok(&api.delete("", &selector, &Value::Null));
    let expect =
        [("create", 201), ("patch", 200), ("update", 200), ("delete", 200), ("deletecollection", 200)];
    eventually("the log says it all", Duration::from_secs(30), || {
        let text = fs::read_to_string(&log).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ours: Vec<Value> = lines.filter(|line| line["user"] == scratch.user).collect();
        let said = |(verb, code): &(&str, u16)| {
            ours.iter().any(|line| {
                line["verb"] == *verb
                    && line["code"] == *code
                    && line["resource"]
                        .as_str()
                        .is_some_and(|resource| resource.starts_with("coderworkspaces"))
                    && line["decision"] == "allow"
            })
        };
        expect.iter().all(said).then_some(())
    });
}
