//! The lab: everything around the module, on loopback, for one person or one test. Either real parts (etcd,
//! kube-apiserver, PostgreSQL, coderd) or one small process that stands in for them; Envoy is real in both.

mod aggregation;
mod coder;
mod commands;
mod controllers;
mod environment;
pub(crate) mod envoy;
mod kube;
pub(crate) mod pki;
pub(crate) mod ports;
pub(crate) mod process;
mod programs;
mod seed;
mod standin;
mod variables;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub(crate) use commands::{Command, run};
pub(crate) use environment::Environment;
use environment::Tokens;
use envoy::Shipped;
use pki::Pki;
pub(crate) use programs::Programs;

use crate::signals::TakeDown;

/// The namespace that is mapped to the lab's Coder, as in the shipped configurations.
pub(crate) const NAMESPACE: &str = "coder";

/// The namespace of the bell, and the name of the filter's ServiceAccount in it, as in the shipped manifest.
const FILTER: &str = "coder-kube-filter";

/// What a lab keeps in its folder, beside what is written down about its servers.
const ENTRIES: [&str; 11] = [
    "coderd",
    "env",
    "envoy",
    "etcd",
    "kubeconfig",
    "kubeconfig-controllers",
    "kubeconfig-direct",
    "kubectl-cache",
    "logs",
    "pki",
    "standin",
];

/// What is wanted of a lab.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    /// What Coder is.
    pub(crate) coder: Parts,
    /// Whether kube-controller-manager runs, which only a real kube-apiserver can serve.
    pub(crate) controllers: bool,
    pub(crate) chaos: bool,
    /// Without a bell: watches are long polls. Only in front of kube-apiserver.
    pub(crate) long_poll: bool,
    /// Whether clients in other languages are wanted, for tests.
    pub(crate) clients: bool,
    /// How many workspaces there are beside the seeded ones.
    pub(crate) workspaces: usize,
}

impl Options {
    /// Envoy in front of kube-apiserver, and nothing more than that needs.
    pub(crate) const fn front(coder: Parts) -> Self {
        let (chaos, long_poll, clients) = (false, false, false);
        Self { mode: Mode::Front, coder, controllers: false, chaos, long_poll, clients, workspaces: 0 }
    }

    /// Envoy behind kube-apiserver, with the cluster's own controllers.
    pub(crate) const fn aggregated(coder: Parts) -> Self {
        Self { mode: Mode::Aggregated, controllers: true, ..Self::front(coder) }
    }

    /// What kube-apiserver is. The stand-in does not aggregate, and has little of what controllers need.
    fn cluster(self) -> Parts {
        match (self.mode, self.controllers) {
            (Mode::Front, false) => self.coder,
            _ => Parts::Real,
        }
    }

    fn shipped(self) -> Shipped {
        match (self.mode, self.long_poll) {
            (Mode::Front, false) => Shipped::Front,
            (Mode::Front, true) => Shipped::FrontLongPoll,
            (Mode::Aggregated, _) => Shipped::Aggregated,
        }
    }
}

/// Where Envoy stands.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Every client of the cluster comes through Envoy
    Front,
    /// kube-apiserver sends Envoy what an `APIService` says
    Aggregated,
}

impl Mode {
    /// As `LAB_MODE` says it.
    fn name(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Aggregated => "aggregated",
        }
    }
}

/// What a server is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    Real,
    Standin,
}

impl Parts {
    /// As `LAB_PARTS` (of Coder) and `LAB_KUBE` say it.
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
    Shipped::ALL.into_iter().try_for_each(|shipped| envoy::validate(envoy, shipped, &place))
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
    let backing = start_backing(lab, options, programs, &pki, &tokens)?;
    let place = envoy::Place {
        lab,
        module: &programs.module,
        pki: &pki,
        kube_port: backing.kube_port,
        coder_url: &backing.coder_url,
        coder_token: &backing.coder_token,
        kube_token: backing.kube_token.as_deref(),
    };
    let running = envoy::start(&programs.envoy, options.shipped(), &place)?;
    if options.mode == Mode::Aggregated {
        aggregation::register(lab, &programs.kubectl, &pki, running.ports.main)?;
    }
    if options.workspaces > 0 {
        seed::add_workspaces(&backing.coder_url, &backing.coder_token, options.workspaces)?;
    }
    let environment = variables::of(lab, options, programs, &pki, &tokens, &backing, &running)?;
    environment.write(lab)?;
    Ok(environment)
}

/// The cluster and Coder come up side by side.
fn start_backing(
    lab: &Path,
    options: Options,
    programs: &Programs,
    pki: &Pki,
    tokens: &Tokens,
) -> Result<Backing> {
    let servers = &programs.servers;
    std::thread::scope(|scope| {
        let cluster = servers.cluster.as_ref().map(|cluster| {
            scope.spawn(|| kube::start(lab, cluster, &programs.kubectl, pki, tokens, options.shipped()))
        });
        let coder = start_coder(lab, servers, pki, tokens);
        let cluster = cluster.map(|cluster| {
            cluster.join().unwrap_or_else(|_| Err(anyhow::anyhow!("kube-apiserver's start panicked")))
        });
        let (coder_url, coder_token, standin) = coder?;
        let (kube_port, kube_token) = match cluster {
            Some(cluster) => cluster.map(|cluster| (cluster.port, cluster.filter_token))?,
            None => (standin.context("nothing answers as kube-apiserver")?, Some(tokens.filter.clone())),
        };
        Ok(Backing { kube_port, coder_url, coder_token, kube_token })
    })
}

/// Coder's URL, a token of its owner's, and where the stand-in would be kube-apiserver, if there is one.
fn start_coder(
    lab: &Path,
    servers: &programs::Servers,
    pki: &Pki,
    tokens: &Tokens,
) -> Result<(String, String, Option<u16>)> {
    if let Some(program) = &servers.standin {
        let (kube, url) = standin::start(lab, program, pki, tokens)?;
        let token = seed::seed(&url)?;
        return Ok((url, token, Some(kube)));
    }
    let programs = servers.coder.as_ref().context("nothing answers as Coder")?;
    let running = coder::start(lab, programs)?;
    let token = seed::seed(&running.url)?;
    coder::deprecate(programs, &running, seed::RETIRED.0, seed::RETIRED.1)?;
    Ok((running.url, token, None))
}

/// 128 random bits as 32 hexadecimal digits.
fn secret() -> Result<String> {
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
