//! `cargo xtask bench watch`: many watches on one Envoy before a kube-apiserver and a Coder. This brings them up; `tests/watch-bench` watches,
//! changes and counts.

use anyhow::{Result, bail};

use crate::lab::{self, Options, Parts, Programs};
use crate::progress::{say, step};
use crate::{command, paths, tools};

/// `cargo xtask bench watch`.
#[derive(clap::Args)]
pub(crate) struct Watch {
    /// How many watches are open at once; several are measured one after the other
    #[arg(long, value_delimiter = ',', default_value = "1,100,2000,10000")]
    watchers: Vec<usize>,
    /// For how long each number is measured while nothing happens
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many workspaces there are
    #[arg(long, default_value_t = 1000)]
    workspaces: usize,
    /// The stand-in instead of kube-apiserver and coderd: says nothing of what those cost
    #[arg(long)]
    standin: bool,
}

pub(super) fn run(watch: &Watch) -> Result<()> {
    let parts = if watch.standin { Parts::Standin } else { Parts::Real };
    let options = Options { workspaces: watch.workspaces, ..Options::front(parts) };
    let programs = Programs::obtain(options)?;
    let program = step("the watching client", |step| {
        let mut cargo = tools::cargo::cargo();
        cargo.args(["build", "--release", "--package", "watch-bench"]);
        command::cargo(&mut cargo, tools::cargo::crates("watch-bench"), step)?;
        Ok((paths::target().join("release/watch-bench"), String::new()))
    })?;
    let running = lab::up(&paths::lab().join("bench-watch"), options, &programs)?;
    let counts: Vec<String> = watch.watchers.iter().map(ToString::to_string).collect();
    let mut bench = std::process::Command::new(program);
    bench.args([counts.join(","), watch.seconds.to_string()]).envs(running.environment.variables());
    if !command::passthrough(&mut bench)? {
        say(&format!("logs: {}", running.logs().display()));
        bail!("see above");
    }
    Ok(())
}
