//! What `.lab/env` says of a lab that is up. CONTRIBUTING.md names what people use of it.

use std::path::Path;

use anyhow::Result;

use super::environment::{Entry, Environment, Tokens};
use super::pki::Pki;
use super::{Backing, Mode, NAMESPACE, Options, Parts, Programs, envoy, process};

/// Writes the kubeconfigs, and says where everything is.
pub(crate) fn of(
    lab: &Path,
    options: Options,
    programs: &Programs,
    pki: &Pki,
    tokens: &Tokens,
    backing: &Backing,
    running: &envoy::Running,
) -> Result<Environment> {
    let local = |scheme: &str, port: u16| format!("{scheme}://127.0.0.1:{port}");
    let direct = Entry::direct(backing.kube_port, pki);
    // Clients of the cluster come in through Envoy, or find kube-apiserver as ever.
    let (front, front_port, front_ca) = match options.mode {
        Mode::Front => (Entry::envoy(running.ports.main, pki), running.ports.main, "envoy-ca.crt"),
        Mode::Aggregated => (direct.clone(), backing.kube_port, "kube-ca.crt"),
    };
    let mut environment = Environment::default();
    environment.set("LAB_MODE", options.mode.name());
    environment.set("LAB_PARTS", options.coder.name());
    environment.set("LAB_KUBE", options.cluster().name());
    environment.set("LAB_CONTROLLERS", if options.controllers { "1" } else { "" });
    environment.set("LAB_CHAOS", if options.chaos { "1" } else { "" });
    environment.path("KUBECONFIG", &front.write(lab, "kubeconfig", tokens)?);
    environment.path("KUBECONFIG_DIRECT", &direct.write(lab, "kubeconfig-direct", tokens)?);
    environment.path("KUBECACHEDIR", &lab.join("kubectl-cache"));
    environment.set("NS", NAMESPACE);
    environment.set("ADMIN_TOKEN", &tokens.admin);
    environment.set("USER_TOKEN", &tokens.alice);
    environment.set("FRONT_URL", local("https", front_port));
    environment.path("FRONT_CA", &pki.file(front_ca));
    environment.set("CODER_URL", &backing.coder_url);
    environment.set("CODER_TOKEN", &backing.coder_token);
    environment.path("CODER_TOKEN_FILE", &running.coder_token);
    environment.set("WATCH", options.shipped().watch());
    if let Some(kube_token) = &running.kube_token {
        environment.path("KUBE_TOKEN_FILE", kube_token);
    }
    environment.set("ENVOY_URL", local("https", running.ports.main));
    if options.mode == Mode::Aggregated {
        environment.set("ENVOY_DIRECT_URL", local("https", running.ports.direct));
    }
    // Of kube-apiserver behind which Envoy stands, or of Envoy in front of it.
    environment.path("FRONT_PROXY_CERT", &pki.file("front-proxy.crt"));
    environment.path("FRONT_PROXY_KEY", &pki.file("front-proxy.key"));
    environment.set("ENVOY_ADMIN", local("http", running.ports.admin));
    environment.set("ENVOY_PROBES", local("http", running.ports.probes));
    environment.path("ENVOY_CA", &pki.file("envoy-ca.crt"));
    environment.path("ENVOY_CONFIG", &running.config);
    environment.path("ENVOY_LOG", &process::log(lab, "envoy"));
    environment.path("ENVOY_ACCESS_LOG", &running.access_log);
    environment.set("ENVOY_PID", running.pid.to_string());
    let pids = process::all(lab).into_iter().map(|(name, record)| format!("{name}:{}", record.pid));
    environment.set("LAB_PIDS", pids.collect::<Vec<_>>().join(" "));
    environment.path("ENVOY_BIN", &programs.envoy);
    environment.path("KUBECTL", &programs.kubectl);
    if let Some(python) = &programs.python {
        environment.path("PYTHON_KUBERNETES", python);
    }
    if let Some(clients) = &programs.go_clients {
        environment.path("GO_CLIENTS", clients);
    }
    if options.coder == Parts::Standin {
        environment.set("STANDIN_URL", &backing.coder_url);
    }
    Ok(environment)
}
