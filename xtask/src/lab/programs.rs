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
    /// A Python that has the Kubernetes client, where clients are wanted.
    pub(crate) python: Option<PathBuf>,
    /// The clients in Go, where clients are wanted.
    pub(crate) go_clients: Option<PathBuf>,
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
            let tools = scope.spawn(move || {
                let python = options.clients.then(tools::python_kubernetes).transpose()?;
                let go_clients = options.clients.then(tools::go::clients).transpose()?;
                Ok((tools::envoy()?, tools::kubectl()?, python, go_clients))
            });
            let backend = scope.spawn(move || match options.parts {
                Parts::Real => servers(),
                Parts::Standin => standin(),
            });
            let module = module::build(options.chaos);
            let tools = tools.join().unwrap_or_else(|_| Err(anyhow!("fetching Envoy and kubectl panicked")));
            let backend = backend.join().unwrap_or_else(|_| Err(anyhow!("a server's build panicked")));
            let (envoy, kubectl, python, go_clients) = tools?;
            Ok(Self { module: module?, envoy, kubectl, python, go_clients, backend: backend? })
        })
    }
}

/// The real servers. One after the other: each build keeps every core busy.
fn servers() -> Result<Backend> {
    let postgres = tools::postgres::programs()?;
    let etcd = tools::go::ETCD.program()?;
    let kube_apiserver = tools::go::KUBE_APISERVER.program()?;
    let coderd = tools::go::CODERD.program()?;
    let (kube, coder) = (kube::Programs { etcd, kube_apiserver }, coder::Programs { postgres, coderd });
    Ok(Backend::Real { kube, coder })
}

fn standin() -> Result<Backend> {
    step("stand-in", |step| {
        let mut cargo = tools::cargo::cargo();
        cargo.args(["build", "--package", "standin", "--bin", "standin"]);
        command::cargo(&mut cargo, tools::cargo::crates("standin"), step)?;
        Ok((
            Backend::Standin(paths::target().join("debug/standin")),
            "one process for Coder and kube-apiserver".to_owned(),
        ))
    })
}
