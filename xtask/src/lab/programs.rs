//! Everything a lab runs, fetched and built side by side before anything is started.

use std::path::PathBuf;

use anyhow::{Result, anyhow};

use super::{Options, Parts, coder, kube};
use crate::progress::step;
use crate::{command, module, paths, tools};

/// The programs of one lab, and the module.
pub(crate) struct Programs {
    pub(crate) module: PathBuf,
    pub(crate) envoy: PathBuf,
    pub(crate) kubectl: PathBuf,
    pub(super) backend: Backend,
}

pub(super) enum Backend {
    Real { kube: kube::Programs, coder: coder::Programs },
    Standin(PathBuf),
}

impl Programs {
    /// Fetches and builds what is missing. Downloads run beside the compiling.
    pub(crate) fn obtain(options: Options) -> Result<Self> {
        std::thread::scope(|scope| {
            let tools = scope.spawn(|| Ok((tools::envoy()?, tools::kubectl()?)));
            let servers = (options.parts == Parts::Real).then(|| scope.spawn(servers));
            let module = module::build(options.chaos);
            let standin = (options.parts == Parts::Standin).then(standin);
            let panicked = |_| Err(anyhow!("a build panicked"));
            let (envoy, kubectl) = tools.join().unwrap_or_else(panicked)?;
            let backend = match (servers, standin) {
                (Some(servers), _) => {
                    let (etcd, kube_apiserver, coderd, postgres) =
                        servers.join().unwrap_or_else(|_| Err(anyhow!("a build panicked")))?;
                    let kube = kube::Programs { etcd, kube_apiserver, kubectl: kubectl.clone() };
                    Backend::Real { kube, coder: coder::Programs { postgres, coderd } }
                }
                (None, Some(standin)) => Backend::Standin(standin?),
                (None, None) => return Err(anyhow!("a lab needs something behind Envoy")),
            };
            Ok(Self { module: module?, envoy, kubectl, backend })
        })
    }
}

/// The real servers. One after the other: each build keeps every core busy.
fn servers() -> Result<(PathBuf, PathBuf, PathBuf, PathBuf)> {
    let postgres = tools::postgres::programs()?;
    let etcd = tools::go::ETCD.program()?;
    let kube_apiserver = tools::go::KUBE_APISERVER.program()?;
    Ok((etcd, kube_apiserver, tools::go::CODERD.program()?, postgres))
}

fn standin() -> Result<PathBuf> {
    step("stand-in", |step| {
        let mut cargo = tools::cargo::cargo();
        cargo.args(["build", "--package", "standin", "--bin", "standin"]);
        command::cargo(&mut cargo, tools::cargo::crates("standin"), step)?;
        Ok((paths::target().join("debug/standin"), "one process for Coder and kube-apiserver".to_owned()))
    })
}
