//! Namespaces that are being deleted, as kube-apiserver shows them: what the filter reads to keep people's workspaces.

use e2e::{Lab, Request};
use serde_json::{Value, json};

#[test]
fn a_deleted_namespace_terminates_until_it_is_finalized() {
    let Some(lab) = Lab::shared() else { return };
    let front = lab.front();
    let name = format!("brief-{}", std::process::id());
    let ask = |method: &str, path: &str, body: &Value| {
        let path = format!("/api/v1/namespaces{path}");
        let request = Request::new(method, &path);
        let response = front.send(&if body.is_null() { request } else { request.json(body) });
        (response.status(), response.json())
    };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let content = json!({"metadata": {"name": "x"}});
    assert_eq!(ask("POST", "", &namespace).0, 201);
    let (status, terminating) = ask("DELETE", &format!("/{name}"), &Value::Null);
    assert_eq!((status, &terminating["status"]["phase"]), (200, &json!("Terminating")));
    assert!(terminating["metadata"]["deletionTimestamp"].is_string(), "{terminating}");
    let (status, refused) = ask("POST", &format!("/{name}/configmaps"), &content);
    assert_eq!((status, &refused["details"]["causes"][0]["reason"]), (403, &json!("NamespaceTerminating")));
    assert_eq!(ask("PUT", &format!("/{name}/finalize"), &namespace).0, 200);
    assert_eq!(ask("GET", &format!("/{name}"), &Value::Null).0, 404);
}
