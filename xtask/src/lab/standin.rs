//! The stand-in: one process that answers for Coder and for kube-apiserver.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::environment::Tokens;
use super::pki::Pki;
use super::{FILTER, NAMESPACE, ports, process};
use crate::command::write_atomically;
use crate::progress::step;

/// Starts it; returns the port of its kube-apiserver and the base URL of its Coder.
pub(crate) fn start(lab: &Path, program: &Path, pki: &Pki, tokens: &Tokens) -> Result<(u16, String)> {
    step("stand-in for Coder and Kubernetes", |step| {
        let (coder, kube) = (ports::free()?, ports::free()?);
        let coder_url = format!("http://127.0.0.1:{coder}");
        let filter = format!("system:serviceaccount:{FILTER}:{FILTER}");
        let config = json!({
            // With a licence, because only that lets a template be deprecated through the API.
            "coder": { "address": format!("127.0.0.1:{coder}"), "access_url": coder_url, "licensed": true },
            "kube": {
                "address": format!("127.0.0.1:{kube}"),
                "tls": {
                    "cert": pki.file("kube-apiserver.crt"),
                    "key": pki.file("kube-apiserver.key"),
                    "client_ca": pki.file("client-ca.crt"),
                    "front_proxy_ca": pki.file("front-proxy-ca.crt"),
                    "front_proxy_names": ["front-proxy"],
                },
                "tokens": [
                    { "token": tokens.admin, "user": "admin", "uid": "admin", "groups": ["system:masters"] },
                    { "token": tokens.alice, "user": "alice", "uid": "alice" },
                    { "token": tokens.filter, "user": filter, "uid": "filter", "groups": ["system:serviceaccounts"] },
                ],
                "namespaces": [NAMESPACE, FILTER, "default", "kube-node-lease", "kube-public", "kube-system"],
                // As envoy/bell.yaml.
                "leases": [{ "namespace": FILTER, "name": "bell" }, { "namespace": FILTER, "name": "poller" }],
                "rules": [{
                    "name": FILTER,
                    "users": [filter],
                    "verbs": ["get", "list", "watch", "patch", "update"],
                    "apiGroups": ["coordination.k8s.io"],
                    "resources": ["leases"],
                    "names": ["bell", "poller"],
                    "namespaces": [FILTER],
                }, {
                    // As envoy/control-planes-rbac.yaml.
                    "name": format!("{FILTER}-control-planes"),
                    "users": [filter],
                    "verbs": ["get", "list", "watch"],
                    "apiGroups": ["coder.com"],
                    "resources": ["codercontrolplanes"],
                }, {
                    "name": format!("{FILTER}-tokens"),
                    "users": [filter],
                    "verbs": ["get"],
                    "apiGroups": [""],
                    "resources": ["secrets"],
                }],
                "pods": [{ "namespace": NAMESPACE, "name": "coder-0" }, { "namespace": "default", "name": "web-0" }],
            },
        });
        let file = lab.join("standin/config.json");
        write_atomically(&file, &serde_json::to_vec_pretty(&config)?)?;
        let address = format!("{coder_url} https://127.0.0.1:{kube}");
        process::Server { lab, name: "standin", address, temporary: None }
            .start(Command::new(program).arg(&file))?;
        process::wait(lab, "standin", step, Duration::from_secs(20), || {
            ports::answers(coder) && ports::answers(kube)
        })?;
        Ok(((kube, coder_url.clone()), coder_url))
    })
}
