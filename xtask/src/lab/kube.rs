//! etcd and kube-apiserver, on loopback, with no nodes behind them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::environment::{Entry, Tokens};
use super::envoy::Shipped;
use super::pki::Pki;
use super::{controllers, ports, process};
use crate::command::{output, write_atomically};
use crate::paths;
use crate::progress::step;

/// The programs that make up a control plane.
pub(crate) struct Programs {
    pub(crate) etcd: PathBuf,
    pub(crate) kube_apiserver: PathBuf,
    /// kube-controller-manager, where it is wanted.
    pub(crate) controllers: Option<PathBuf>,
}

/// A control plane that is up.
pub(crate) struct Running {
    pub(crate) port: u16,
    /// The filter's own token, where it has a ServiceAccount.
    pub(crate) filter_token: Option<String>,
}

/// Starts them, creates the namespace that is mapped to Coder, and applies what people apply before they start Envoy.
pub(crate) fn start(
    lab: &Path,
    programs: &Programs,
    kubectl: &Path,
    pki: &Pki,
    tokens: &Tokens,
    shipped: Shipped,
) -> Result<Running> {
    let running = step("etcd and kube-apiserver", |step| {
        let etcd = start_etcd(lab, programs)?;
        process::wait(lab, "etcd", step, Duration::from_secs(30), || ports::answers(etcd))?;
        let port = ports::free()?;
        start_kube_apiserver(lab, programs, pki, tokens, etcd, port)?;
        let direct = Entry::direct(port, pki).write(lab, "kubeconfig-direct", tokens)?;
        let run =
            |arguments: &[&str]| output(Command::new(kubectl).env("KUBECONFIG", &direct).args(arguments));
        process::wait(lab, "kube-apiserver", step, Duration::from_secs(90), || {
            ports::answers(port) && run(&["get", "--raw", "/readyz"]).is_ok()
        })?;
        run(&["create", "namespace", super::NAMESPACE])?;
        for manifest in shipped.manifests() {
            run(&["apply", "-f", &paths::root().join("envoy").join(manifest).to_string_lossy()])?;
        }
        let filter_token = (!shipped.manifests().is_empty()).then(|| filter_token(run)).transpose()?;
        Ok((Running { port, filter_token }, format!("https://127.0.0.1:{port}")))
    })?;
    if let Some(program) = &programs.controllers {
        controllers::start(lab, program, pki, running.port)?;
    }
    Ok(running)
}

/// A token of the filter's ServiceAccount, which lasts longer than any lab.
fn filter_token(run: impl Fn(&[&str]) -> Result<String>) -> Result<String> {
    let name = super::FILTER;
    let token = run(&["--namespace", name, "create", "token", name, "--duration", "8760h"])?;
    Ok(token.trim().to_owned())
}

fn start_etcd(lab: &Path, programs: &Programs) -> Result<u16> {
    let (clients, peers) = (ports::free()?, ports::free()?);
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let mut etcd = Command::new(&programs.etcd);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD_")) {
        etcd.env_remove(name);
    }
    // The data lives as long as the lab: it need not survive a power cut.
    etcd.args(["--unsafe-no-fsync", "--log-level", "warn", "--data-dir"]).arg(lab.join("etcd"));
    etcd.args(["--listen-client-urls", &url(clients), "--advertise-client-urls", &url(clients)]);
    etcd.args(["--listen-peer-urls", &url(peers), "--initial-advertise-peer-urls", &url(peers)]);
    etcd.args(["--initial-cluster", &format!("default={}", url(peers))]);
    process::Server { lab, name: "etcd", address: url(clients), temporary: None }.start(&mut etcd)?;
    Ok(clients)
}

fn start_kube_apiserver(
    lab: &Path,
    programs: &Programs,
    pki: &Pki,
    tokens: &Tokens,
    etcd: u16,
    port: u16,
) -> Result<()> {
    let token_file = lab.join("pki/tokens.csv");
    let lines = format!("{},admin,admin,\"system:masters\"\n{},alice,alice\n", tokens.admin, tokens.alice);
    write_atomically(&token_file, lines.as_bytes())?;
    let file = |flag: &str, name: &str| format!("--{flag}={}", pki.file(name).display());
    let mut server = Command::new(&programs.kube_apiserver);
    server.args([
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        "--bind-address=127.0.0.1".to_owned(),
        // A machine without a network has no address to advertise, and nobody would look it up.
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--secure-port={port}"),
        file("tls-cert-file", "kube-apiserver.crt"),
        file("tls-private-key-file", "kube-apiserver.key"),
        file("client-ca-file", "client-ca.crt"),
        format!("--token-auth-file={}", token_file.display()),
        file("requestheader-client-ca-file", "front-proxy-ca.crt"),
        "--requestheader-allowed-names=front-proxy".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-uid-headers=X-Remote-Uid".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        file("proxy-client-cert-file", "front-proxy.crt"),
        file("proxy-client-key-file", "front-proxy.key"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        file("service-account-key-file", "service-accounts.pub"),
        file("service-account-signing-key-file", "service-accounts.key"),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        // No controller makes service accounts here, and pods must be creatable all the same.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ]);
    let address = format!("https://127.0.0.1:{port}");
    process::Server { lab, name: "kube-apiserver", address, temporary: None }.start(&mut server).map(drop)
}
