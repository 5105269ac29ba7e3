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
    pub(super) servers: Servers,
}

/// What is behind Envoy. Of a cluster and of Coder, what is not there is the stand-in's.
#[derive(Default)]
pub(super) struct Servers {
    pub(super) cluster: Option<kube::Programs>,
    pub(super) coder: Option<coder::Programs>,
    pub(super) standin: Option<PathBuf>,
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
            let servers = scope.spawn(move || servers(options));
            let module = module::build(options.chaos);
            let tools = tools.join().unwrap_or_else(|_| Err(anyhow!("fetching Envoy and kubectl panicked")));
            let servers = servers.join().unwrap_or_else(|_| Err(anyhow!("a server's build panicked")));
            let (envoy, kubectl, python, go_clients) = tools?;
            Ok(Self { module: module?, envoy, kubectl, python, go_clients, servers: servers? })
        })
    }
}

/// The servers that are wanted. One after the other: each build keeps every core busy.
fn servers(options: Options) -> Result<Servers> {
    let mut servers = Servers::default();
    if options.coder == Parts::Standin {
        servers.standin = Some(standin()?);
    } else {
        let postgres = tools::postgres::programs()?;
        servers.coder = Some(coder::Programs { postgres, coderd: tools::go::CODERD.program()? });
    }
    if options.cluster() == Parts::Real {
        let etcd = tools::go::ETCD.program()?;
        let kube_apiserver = tools::go::KUBE_APISERVER.program()?;
        let controllers = options.controllers.then(|| tools::go::KUBE_CONTROLLER_MANAGER.program());
        servers.cluster =
            Some(kube::Programs { etcd, kube_apiserver, controllers: controllers.transpose()? });
    }
    Ok(servers)
}

fn standin() -> Result<PathBuf> {
    step("stand-in", |step| {
        let mut cargo = tools::cargo::cargo();
        cargo.args(["build", "--package", "standin", "--bin", "standin"]);
        command::cargo(&mut cargo, tools::cargo::crates("standin"), step)?;
        Ok((paths::target().join("debug/standin"), "one process for Coder and kube-apiserver".to_owned()))
    })
}
