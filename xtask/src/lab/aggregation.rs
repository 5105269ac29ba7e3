//! The APIService of the lab: the manifest that people apply, with the lab's CA in it, and a Service that leads to loopback.
//!
//! kube-apiserver connects to a Service of type ExternalName by its name as long as it runs without
//! `--enable-aggregator-routing`, so no network of a cluster is needed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use super::FILTER;
use super::pki::Pki;
use crate::command::{feed, output};
use crate::paths;
use crate::progress::step;

/// What people apply. They add the CA that has signed Envoy's certificate; the lab's Service has another port, too.
const MANIFEST: &str = "envoy/apiservice.yaml";
const SPEC: &str = "\nspec:\n";
const DOCUMENT: &str = "apis/aggregation.coder.com/v1alpha1";
const PATIENCE: Duration = Duration::from_secs(90);
const PORT: &str = "port: 443 ";

/// Applies both; returns when kube-apiserver says that the group is available.
pub(crate) fn register(lab: &Path, kubectl: &Path, pki: &Pki, port: u16) -> Result<()> {
    step("APIService", |step| {
        let kubeconfig = lab.join("kubeconfig-direct");
        let kubectl = |arguments: &[&str]| {
            let mut command = Command::new(kubectl);
            command.env("KUBECONFIG", &kubeconfig).args(arguments);
            command
        };
        let service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": FILTER, "namespace": FILTER },
            "spec": { "type": "ExternalName", "externalName": "localhost", "ports": [{ "port": port }] },
        });
        feed(&mut kubectl(&["apply", "-f", "-"]), &service.to_string())?;
        let ca = BASE64_STANDARD.encode(fs::read(pki.file("envoy-ca.crt"))?);
        let mut manifest = fs::read_to_string(paths::root().join(MANIFEST))
            .with_context(|| format!("cannot read {MANIFEST}"))?;
        for (literal, value) in
            [(SPEC, format!("{SPEC}  caBundle: {ca}\n")), (PORT, format!("port: {port} "))]
        {
            if !manifest.contains(literal) {
                bail!("{MANIFEST} does not say {literal:?}, which the lab replaces");
            }
            manifest = manifest.replace(literal, &value);
        }
        feed(&mut kubectl(&["apply", "-f", "-"]), &manifest)?;
        step.detail("waiting until it is available");
        let wait = ["wait", "--for=condition=Available", "--timeout", "60s", "apiservice"];
        let name = "v1alpha1.aggregation.coder.com";
        output(&mut kubectl(&[&wait[..], &[name]].concat()))
            .with_context(|| "kube-apiserver does not find the group available")?;
        // What it tells of the group it fetches afterwards, by and by.
        for (document, says) in [("/apis", "\"aggregation.coder.com\""), ("/openapi/v3", DOCUMENT)] {
            step.detail(format!("waiting until {document} says so"));
            let started = Instant::now();
            while !output(&mut kubectl(&["get", "--raw", document]))?.contains(says) {
                if started.elapsed() > PATIENCE {
                    bail!("{document} does not say {says}");
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Ok(((), name.to_owned()))
    })
}
