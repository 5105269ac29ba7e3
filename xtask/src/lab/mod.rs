//! The lab: everything around the module, on loopback, for one person or one test. Either real parts (etcd,
//! kube-apiserver, PostgreSQL, coderd) or one small process that stands in for them; Envoy is real in both.

mod coder;
mod commands;
mod environment;
pub(crate) mod envoy;
mod kube;
pub(crate) mod pki;
pub(crate) mod ports;
pub(crate) mod process;
mod programs;
mod seed;
mod standin;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Result;

pub(crate) use commands::{Command, run};
pub(crate) use environment::Environment;
use environment::{Entry, Tokens};
pub(crate) use envoy::Watch;
use pki::Pki;
use programs::Backend;
pub(crate) use programs::Programs;

use crate::signals::TakeDown;

/// The namespace that is mapped to the lab's Coder, as in the shipped configurations.
pub(crate) const NAMESPACE: &str = "coder";

/// The namespace of the bell, and the name of the filter's ServiceAccount in it, as in the shipped manifest.
const FILTER: &str = "coder-kube-filter";

/// What a lab keeps in its folder, beside what is written down about its servers.
const ENTRIES: [&str; 10] = [
    "coderd",
    "env",
    "envoy",
    "etcd",
    "kubeconfig",
    "kubeconfig-direct",
    "kubectl-cache",
    "logs",
    "pki",
    "standin",
];

/// What is wanted of a lab.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) parts: Parts,
    pub(crate) chaos: bool,
    /// What keeps watches open.
    pub(crate) watch: Watch,
    /// Whether clients in other languages are wanted, for tests.
    pub(crate) clients: bool,
    /// How many workspaces there are beside the seeded ones.
    pub(crate) workspaces: usize,
}

/// What stands behind Envoy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    Real,
    Standin,
}

impl Parts {
    /// As `LAB_PARTS` says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Standin => "standin",
        }
    }
}

/// A lab that is up. It goes down with this value, or when the process is interrupted.
pub(crate) struct Running {
    lab: PathBuf,
    pub(crate) environment: Environment,
    /// None once the lab has been left to itself.
    guard: Option<TakeDown>,
}

impl Running {
    /// Lets the lab outlive this process.
    pub(crate) fn leave(mut self) -> Environment {
        self.guard = None;
        std::mem::take(&mut self.environment)
    }

    /// The name of a server that has gone, if one has.
    pub(crate) fn lost(&self) -> Option<String> {
        process::all(&self.lab).into_iter().find(|(_, record)| !record.alive()).map(|(name, _)| name)
    }

    /// Where the servers write.
    pub(crate) fn logs(&self) -> PathBuf {
        self.lab.join("logs")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.guard.is_some()
            && let Err(error) = process::stop_all(&self.lab)
        {
            eprintln!("{error:#}");
        }
    }
}

/// Starts a lab in a folder, which it owns. On failure or interrupt nothing is left running.
pub(crate) fn up(lab: &Path, options: Options, programs: &Programs) -> Result<Running> {
    process::claim(lab)?;
    process::stop_all(lab)?;
    for entry in ENTRIES {
        let path = lab.join(entry);
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
    let guard = Some(TakeDown::on_interrupt(lab.to_owned()));
    let mut running = Running { lab: lab.to_owned(), environment: Environment::default(), guard };
    running.environment = start(lab, options, programs)?;
    Ok(running)
}

/// Lets Envoy judge every shipped configuration, with a lab's places in it.
pub(crate) fn validate(lab: &Path, module: &Path, envoy: &Path) -> Result<()> {
    let pki = Pki::create(&lab.join("pki"))?;
    let coder_url = "http://127.0.0.1:3000";
    let kube_token = Some("none");
    let place =
        envoy::Place { lab, module, pki: &pki, kube_port: 6443, coder_url, coder_token: "none", kube_token };
    envoy::SHIPPED.into_iter().try_for_each(|watch| envoy::validate(envoy, watch, &place))
}

/// What both kinds of backend come to.
struct Backing {
    kube_port: u16,
    coder_url: String,
    coder_token: String,
    kube_token: Option<String>,
}

fn start(lab: &Path, options: Options, programs: &Programs) -> Result<Environment> {
    let pki = Pki::create(&lab.join("pki"))?;
    let tokens = Tokens::generate()?;
    let backing = match &programs.backend {
        Backend::Real { kube, coder } => {
            start_real(lab, (kube, coder), &programs.kubectl, &pki, &tokens, options.watch)?
        }
        Backend::Standin(program) => {
            let (kube_port, coder_url) = standin::start(lab, program, &pki, &tokens)?;
            let kube_token = Some(tokens.filter.clone());
            Backing { kube_port, coder_token: seed::seed(&coder_url)?, coder_url, kube_token }
        }
    };
    let place = envoy::Place {
        lab,
        module: &programs.module,
        pki: &pki,
        kube_port: backing.kube_port,
        coder_url: &backing.coder_url,
        coder_token: &backing.coder_token,
        kube_token: backing.kube_token.as_deref(),
    };
    let running = envoy::start(&programs.envoy, options.watch, &place)?;
    if options.workspaces > 0 {
        seed::add_workspaces(&backing.coder_url, &backing.coder_token, options.workspaces)?;
    }
    let through = Entry::envoy(running.port, &pki).write(lab, "kubeconfig", &tokens)?;
    let direct = Entry::direct(backing.kube_port, &pki).write(lab, "kubeconfig-direct", &tokens)?;
    let mut environment = Environment::default();
    environment.set("LAB_PARTS", options.parts.name());
    environment.set("LAB_CHAOS", if options.chaos { "1" } else { "" });
    environment.path("KUBECONFIG", &through);
    environment.path("KUBECONFIG_DIRECT", &direct);
    environment.path("KUBECACHEDIR", &lab.join("kubectl-cache"));
    environment.set("NS", NAMESPACE);
    environment.set("ADMIN_TOKEN", tokens.admin);
    environment.set("USER_TOKEN", tokens.alice);
    environment.set("CODER_URL", &backing.coder_url);
    environment.set("CODER_TOKEN", &backing.coder_token);
    environment.path("CODER_TOKEN_FILE", &running.coder_token);
    environment.set("WATCH", options.watch.name());
    if let Some(kube_token) = &running.kube_token {
        environment.path("KUBE_TOKEN_FILE", kube_token);
    }
    environment.set("ENVOY_URL", format!("https://127.0.0.1:{}", running.port));
    environment.set("ENVOY_ADMIN", format!("http://127.0.0.1:{}", running.admin));
    environment.set("ENVOY_PROBES", format!("http://127.0.0.1:{}", running.probes));
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
    if options.parts == Parts::Standin {
        environment.set("STANDIN_URL", &backing.coder_url);
    }
    environment.write(lab)?;
    Ok(environment)
}

/// The cluster and Coder come up side by side.
fn start_real(
    lab: &Path,
    (kube, coder): (&kube::Programs, &coder::Programs),
    kubectl: &Path,
    pki: &Pki,
    tokens: &Tokens,
    watch: Watch,
) -> Result<Backing> {
    std::thread::scope(|scope| {
        let cluster = scope.spawn(|| kube::start(lab, kube, kubectl, pki, tokens, watch));
        let seeded = coder::start(lab, coder).and_then(|running| {
            let token = seed::seed(&running.url)?;
            coder::deprecate(coder, &running, seed::RETIRED.0, seed::RETIRED.1)?;
            Ok((running.url, token))
        });
        let cluster =
            cluster.join().unwrap_or_else(|_| Err(anyhow::anyhow!("kube-apiserver's start panicked")));
        let (coder_url, coder_token) = seeded?;
        let kube::Running { port: kube_port, filter_token: kube_token } = cluster?;
        Ok(Backing { kube_port, coder_url, coder_token, kube_token })
    })
}

/// 128 random bits as 32 hexadecimal digits.
fn secret() -> Result<String> {
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
