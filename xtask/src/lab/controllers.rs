//! kube-controller-manager, on loopback, beside a kube-apiserver without nodes: namespaces end, garbage is collected, quotas are counted.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::environment::Entry;
use super::pki::Pki;
use super::{ports, process};
use crate::progress::step;

/// The name of the server, of its certificates and of its log.
const NAME: &str = "kube-controller-manager";

/// Starts it; returns its URL when it says that it is healthy.
pub(crate) fn start(lab: &Path, program: &Path, pki: &Pki, kube_port: u16) -> Result<String> {
    step(NAME, |step| {
        let port = ports::free()?;
        let kubeconfig = Entry::controllers(kube_port, pki).write_certified(lab, "kubeconfig-controllers")?;
        let kubeconfig = |flag: &str| format!("--{flag}={}", kubeconfig.display());
        let file = |flag: &str, name: &str| format!("--{flag}={}", pki.file(name).display());
        let mut server = Command::new(program);
        server.args([
            kubeconfig("kubeconfig"),
            kubeconfig("authentication-kubeconfig"),
            kubeconfig("authorization-kubeconfig"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            file("tls-cert-file", &format!("{NAME}.crt")),
            file("tls-private-key-file", &format!("{NAME}.key")),
            "--leader-elect=false".to_owned(),
            // As kubeadm has it: each controller has the rights of its own role and no more.
            "--use-service-account-credentials=true".to_owned(),
            file("service-account-private-key-file", "service-accounts.key"),
            file("root-ca-file", "kube-ca.crt"),
            "--controllers=*,-node-ipam-controller,-node-route-controller,-cloud-node-lifecycle-controller"
                .to_owned(),
            "--v=2".to_owned(),
        ]);
        let url = format!("https://127.0.0.1:{port}");
        process::Server { lab, name: NAME, address: url.clone(), temporary: None }.start(&mut server)?;
        process::wait(lab, NAME, step, Duration::from_secs(60), || ports::answers(port))?;
        Ok((url.clone(), url))
    })
}
