//! The lab: everything around the module, on loopback, for one person or one test. Either real parts (etcd,
//! kube-apiserver, PostgreSQL, coderd) or one small process that stands in for them; Envoy is real in both.

mod coder;
mod commands;
mod environment;
mod envoy;
mod kube;
mod pki;
mod ports;
pub(crate) mod process;
mod programs;
mod seed;

use std::io::Read;
use std::path::Path;

use anyhow::Result;

pub(crate) use commands::{Command, run};
pub(crate) use environment::Environment;
use environment::{Entry, Tokens};
use pki::Pki;
use programs::Backend;
pub(crate) use programs::Programs;

use crate::signals::TakeDown;

/// The namespace that is mapped to the lab's Coder, as in the shipped configurations.
pub(crate) const NAMESPACE: &str = "coder";

/// What is wanted of a lab.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) parts: Parts,
    pub(crate) chaos: bool,
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

/// Starts a lab in a folder, which it owns. On failure or interrupt nothing is left running.
pub(crate) fn up(lab: &Path, options: Options, programs: &Programs) -> Result<Environment> {
    process::claim(lab)?;
    process::stop_all(lab)?;
    for entry in
        ["coderd", "env", "envoy", "etcd", "kubeconfig", "kubeconfig-direct", "logs", "pki", "standin"]
    {
        let path = lab.join(entry);
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
    let _guard = TakeDown::on_interrupt(lab.to_owned());
    start(lab, options, programs).inspect_err(|_| {
        if let Err(error) = process::stop_all(lab) {
            eprintln!("{error:#}");
        }
    })
}

/// What both kinds of backend come to.
struct Backing {
    kube_port: u16,
    coder_url: String,
    tokens: seed::CoderTokens,
}

fn start(lab: &Path, options: Options, programs: &Programs) -> Result<Environment> {
    let pki = Pki::create(&lab.join("pki"))?;
    let tokens = Tokens::generate()?;
    let backing = match &programs.backend {
        Backend::Real { kube, coder } => start_real(lab, kube, coder, &pki, &tokens)?,
        Backend::Standin(_) => anyhow::bail!("the stand-in is not there yet"),
    };
    let place = envoy::Place {
        lab,
        module: &programs.module,
        pki: &pki,
        kube_port: backing.kube_port,
        coder_url: &backing.coder_url,
        coder_token: &backing.tokens.envoy,
    };
    let running = envoy::start(&programs.envoy, envoy::FRONT, &place)?;
    if options.workspaces > 0 {
        seed::add_workspaces(&backing.coder_url, &backing.tokens.user, options.workspaces)?;
    }
    let through = Entry::envoy(running.port, &pki).write(lab, "kubeconfig", &tokens)?;
    let direct = Entry::direct(backing.kube_port, &pki).write(lab, "kubeconfig-direct", &tokens)?;
    let mut environment = Environment::default();
    environment.set("LAB_PARTS", options.parts.name());
    environment.set("LAB_CHAOS", if options.chaos { "1" } else { "" });
    environment.path("KUBECONFIG", &through);
    environment.path("KUBECONFIG_DIRECT", &direct);
    environment.set("NS", NAMESPACE);
    environment.set("ADMIN_TOKEN", tokens.admin);
    environment.set("USER_TOKEN", tokens.alice);
    environment.set("CODER_URL", &backing.coder_url);
    environment.set("CODER_TOKEN", &backing.tokens.user);
    environment.path("CODER_TOKEN_FILE", &running.token_file);
    environment.set("ENVOY_URL", format!("https://127.0.0.1:{}", running.port));
    environment.set("ENVOY_ADMIN", format!("http://127.0.0.1:{}", running.admin));
    environment.set("ENVOY_PROBES", format!("http://127.0.0.1:{}", running.probes));
    environment.path("ENVOY_CA", &pki.file("envoy-ca.crt"));
    environment.path("ENVOY_CONFIG", &running.config);
    environment.path("ENVOY_LOG", &process::log(lab, "envoy"));
    environment.path("ENVOY_ACCESS_LOG", &running.access_log);
    environment.set("ENVOY_PID", running.pid.to_string());
    environment.path("ENVOY_BIN", &programs.envoy);
    environment.path("KUBECTL", &programs.kubectl);
    if options.parts == Parts::Standin {
        environment.set("STANDIN_URL", &backing.coder_url);
    }
    environment.write(lab)?;
    Ok(environment)
}

/// The cluster and Coder come up side by side.
fn start_real(
    lab: &Path,
    kube: &kube::Programs,
    coder: &coder::Programs,
    pki: &Pki,
    tokens: &Tokens,
) -> Result<Backing> {
    std::thread::scope(|scope| {
        let cluster = scope.spawn(|| kube::start(lab, kube, pki, tokens));
        let seeded = coder::start(lab, coder).and_then(|url| seed::seed(&url).map(|tokens| (url, tokens)));
        let kube_port =
            cluster.join().unwrap_or_else(|_| Err(anyhow::anyhow!("kube-apiserver's start panicked")));
        let (coder_url, tokens) = seeded?;
        Ok(Backing { kube_port: kube_port?, coder_url, tokens })
    })
}

/// 128 random bits as 32 hexadecimal digits.
fn secret() -> Result<String> {
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
