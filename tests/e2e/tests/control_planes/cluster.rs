//! A namespace of one test, with `CoderControlPlane` objects and Secrets. It is removed, with all that is in it, at the test's end.

use base64::{Engine, engine::general_purpose::STANDARD};
use e2e::{Endpoint, Lab, Request, Response};
use serde_json::{Value, json};

/// As the operator installs it, cut down to what the filter reads: <https://github.com/coder/coder-k8s>.
const CRD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/control_planes/codercontrolplanes.yaml");

/// See the module.
pub(crate) struct Place {
    direct: Endpoint,
    pub(crate) namespace: String,
}

impl Place {
    pub(crate) fn new(lab: &Lab) -> Place {
        if lab.kube == e2e::Parts::Real {
            lab.kubectl_direct().run_args(&["apply", "-f", CRD]).ok();
            let crd = "crd/codercontrolplanes.coder.com";
            lab.kubectl_direct().run_args(&["wait", "--for=condition=Established", crd]).ok();
        }
        let place = Place { direct: lab.direct(), namespace: e2e::scratch::unique() };
        let namespace = json!({"metadata": {"name": place.namespace}});
        made(&place.direct.send(&Request::post("/api/v1/namespaces", &namespace)));
        place
    }

    fn objects(&self) -> String {
        format!("/apis/coder.com/v1alpha1/namespaces/{}/codercontrolplanes", self.namespace)
    }

    fn secret_path(&self) -> String {
        format!("/api/v1/namespaces/{}/secrets", self.namespace)
    }

    /// Makes an object with this spec and status.
    pub(crate) fn object(&self, name: &str, spec: &Value, status: &Value) {
        let object = json!({
            "apiVersion": "coder.com/v1alpha1", "kind": "CoderControlPlane",
            "metadata": {"name": name}, "spec": spec, "status": status,
        });
        made(&self.direct.send(&Request::post(&self.objects(), &object)));
        // The real one takes a status only by itself, the stand-in only with the rest.
        let patch = json!({"status": status}).to_string();
        let path = format!("{}/{name}/status", self.objects());
        let patched = self.direct.send(&Request::new("PATCH", &path).body(e2e::api::MERGE, patch));
        assert!(matches!(patched.status(), 200 | 404), "{}", patched.excerpt());
    }

    /// Makes one that is eligible.
    pub(crate) fn ready(&self, name: &str, url: &str) {
        self.object(name, &json!({}), &status(url));
    }

    /// Removes an object.
    pub(crate) fn remove(&self, name: &str) {
        made(&self.direct.send(&Request::new("DELETE", &format!("{}/{name}", self.objects()))));
    }

    /// Puts a token into the Secret, in the place of whatever is there.
    pub(crate) fn token(&self, key: &str, token: &str) {
        self.direct.send(&Request::new("DELETE", &format!("{}/operator-token", self.secret_path())));
        let secret = json!({"metadata": {"name": "operator-token"}, "data": {key: STANDARD.encode(token)}});
        made(&self.direct.send(&Request::post(&self.secret_path(), &secret)));
    }

    /// A path of ours in the namespace.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("{}/namespaces/{}/{rest}", e2e::GROUP_VERSION, self.namespace)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for path in [self.objects(), self.secret_path()] {
            let Ok(list) = self.direct.try_send(&Request::get(&path)) else { continue };
            for object in list.json()["items"].as_array().into_iter().flatten() {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                drop(self.direct.try_send(&Request::new("DELETE", &format!("{path}/{name}"))));
            }
        }
        let namespace = format!("/api/v1/namespaces/{}", self.namespace);
        drop(self.direct.try_send(&Request::new("DELETE", &namespace)));
    }
}

/// What makes an object eligible.
pub(crate) fn status(url: &str) -> Value {
    json!({"url": url, "operatorAccessReady": true, "operatorTokenSecretRef": {"name": "operator-token"}})
}

#[track_caller]
fn made(response: &Response) {
    assert!(response.status() < 300, "{} {}", response.status(), response.excerpt());
}
