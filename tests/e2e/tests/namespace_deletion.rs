//! A namespace that is being deleted must not take people's workspaces with it, unless its control plane says so.

use e2e::{
    Api, GROUP_VERSION, Lab, Replica, Request, Scratch,
    api::{causes, ok, workspace},
    check::{names, status},
    faults::{self, Faults},
    scratch::unique,
};
use serde_json::{Value, json};

/// A namespace that is being deleted: of a real cluster it is one that a finalizer holds; the stand-in is told to say so.
struct Doomed<'lab> {
    lab: &'lab Lab,
    name: String,
    faults: Option<Faults>,
}

impl Doomed<'_> {
    fn new(lab: &Lab) -> Doomed<'_> {
        let name = unique();
        let doomed =
            Doomed { lab, name, faults: (lab.kube == e2e::Parts::Standin).then(|| Faults::new(lab)) };
        if doomed.faults.is_none() {
            let manifest = json!({"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": doomed.name, "finalizers": ["example.com/hold"]}});
            lab.kubectl_direct().input(manifest.to_string()).run("create -f -").ok();
        }
        doomed
    }

    fn doom(&self) {
        match &self.faults {
            Some(faults) => {
                let time = "2026-01-01T00:00:00Z";
                let object = json!({"kind": "Namespace", "apiVersion": "v1",
                    "metadata": {"name": self.name, "uid": "1", "deletionTimestamp": time}});
                faults.kube(&format!("/api/v1/namespaces/{}", self.name), &faults::status(200, &object));
            }
            None => {
                self.lab.kubectl_direct().run(&format!("delete namespace {} --wait=false", self.name)).ok();
            }
        }
    }
}

impl Drop for Doomed<'_> {
    fn drop(&mut self) {
        if self.faults.is_none() {
            let patch = [
                "patch",
                "namespace",
                &self.name,
                "--type=merge",
                "-p",
                r#"{"metadata":{"finalizers":null}}"#,
            ];
            drop(self.lab.kubectl_direct().run_args(&patch));
            // Nobody else finishes namespaces in the lab.
            let path = format!("/api/v1/namespaces/{}/finalize", self.name);
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}, "spec": {"finalizers": []}});
            drop(self.lab.direct().try_send(&Request::new("PUT", &path).json(&object)));
        }
    }
}

fn path(namespace: &str, rest: &str) -> String {
    format!("{GROUP_VERSION}/namespaces/{namespace}/{rest}")
}

/// One more Envoy whose Coder is mapped to that namespace.
fn mapped(lab: &Lab, namespace: &str, more: &str) -> Replica {
    let plane = format!("\"namespace\": \"{namespace}\",{more}");
    Replica::start(lab, &[("\"namespace\": \"coder\",", &plane)])
}

#[test]
fn nothing_in_coder_is_lost() {
    let Some(lab) = Lab::exclusive() else { return };
    let scratch = Scratch::new(&lab);
    let doomed = Doomed::new(&lab);
    let replica = mapped(&lab, &doomed.name, "");
    let id = scratch.coder_workspace("kept", "plain", &json!({}))["id"].clone();
    let template = scratch.coder_template("kept", &echo_archive::Archive::plain());
    let (name, front) = (scratch.name("kept"), scratch.acting(replica.front()));
    let target = |rest: &str| path(&doomed.name, rest);
    let list = |resource: &str| names(&ok(&front.get(&target(resource))));
    assert!(list("coderworkspaces").contains(&name));
    doomed.doom();
    // What a namespace's state was may be remembered for a few seconds where only lists ask.
    e2e::envoy::eventually("the lists are empty", e2e::api::PATIENCE, || {
        (list("coderworkspaces").is_empty() && list("codertemplates").is_empty()).then_some(())
    });
    let calls = scratch.calls();
    let mut object = workspace(&scratch.name("fresh"), "plain", &json!({}));
    object["metadata"]["namespace"] = json!(doomed.name);
    let answer = status(&front.send(&Request::post(&target("coderworkspaces"), &object)), 403, "Forbidden");
    assert_eq!(causes(&answer)[0].1, "NamespaceTerminating", "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(
        message.contains(&format!(
            "unable to create new content in namespace {} because it is being terminated",
            doomed.name
        )),
        "{message}"
    );
    for rest in [
        "coderworkspaces".to_owned(),
        "codertemplates".to_owned(),
        format!("coderworkspaces/{name}"),
        format!("codertemplates/coder.{template}"),
    ] {
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"});
        let response = front.send(&Request::new("DELETE", &target(&rest)).json(&options));
        assert_eq!(response.status(), 200, "{rest}: {}", response.excerpt());
    }
    if let Some(calls) = calls {
        assert_eq!(calls.writes(), Vec::<String>::new());
    }
    let held = scratch.held();
    assert_eq!((held.len(), &held[0]["id"], &held[0]["latest_build"]["build_number"]), (1, &id, &json!(1)));
}

#[test]
fn a_control_plane_may_say_otherwise() {
    let Some(lab) = Lab::exclusive() else { return };
    let scratch = Scratch::new(&lab);
    let doomed = Doomed::new(&lab);
    let replica = mapped(&lab, &doomed.name, " \"deleteWithNamespace\": true,");
    scratch.coder_workspace("lost", "plain", &json!({}));
    let front = scratch.acting(replica.front());
    doomed.doom();
    let selector = format!("coderworkspaces?labelSelector=coder.com/owner%3D{}", scratch.user);
    let request = Request::new("DELETE", &path(&doomed.name, &selector));
    assert_eq!(names(&ok(&front.send(&request))), [scratch.name("lost")]);
    e2e::envoy::eventually("it is gone", e2e::api::PATIENCE, || scratch.held().is_empty().then_some(()));
    let object = workspace(&scratch.name("fresh"), "plain", &json!({}));
    status(&front.send(&Request::post(&path(&doomed.name, "coderworkspaces"), &object)), 403, "Forbidden");
}

#[test]
fn when_the_cluster_does_not_say_nothing_is_deleted() {
    let Some(lab) = Lab::exclusive_standin().filter(Lab::kube_misbehaves) else { return };
    let scratch = Scratch::new(&lab);
    scratch.coder_workspace("kept", "plain", &json!({}));
    let (api, name) = (scratch.workspaces(), scratch.name("kept"));
    api.ready(&name);
    let calls = scratch.calls().unwrap();
    let faults = Faults::new(&lab);
    for fault in [json!({"kind": "reset"}), json!({"kind": "garbage"}), faults::status(500, &json!({}))] {
        faults.kube("/api/v1/namespaces/", &fault);
        status(&api.delete(&name, "", &Value::Null), 503, "ServiceUnavailable");
        let selector = format!("labelSelector=coder.com/owner%3D{}", scratch.user);
        status(&api.delete("", &selector, &Value::Null), 503, "ServiceUnavailable");
        status(
            &api.create("", &workspace(&scratch.name("fresh"), "plain", &json!({}))),
            503,
            "ServiceUnavailable",
        );
        faults.clear();
    }
    // Who may not ask is not the one who empties namespaces.
    faults.kube(
        "/api/v1/namespaces/",
        &faults::status(403, &json!({"kind": "Status", "status": "Failure", "code": 403})),
    );
    let api: Api = scratch.workspaces();
    assert_eq!(calls.writes(), Vec::<String>::new());
    ok(&api.delete(&name, "", &Value::Null));
    api.gone(&name);
}
