//! `cargo xtask bench`: the same work through Envoy passing it on and through the filter, side by side in one run,
//! over an upstream that answers at once with recorded bytes.
//!
//! Ratios hold between machines, absolute figures do not; so nothing here passes or fails. Method and last figures:
//! docs/benchmarks.md.

mod coder;
mod envoy;
mod go_server;
mod load;
mod programs;
mod report;
mod rounds;
mod upstream;
mod usage;
mod watch;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::lab::process;
use crate::progress::{say, step};
use crate::signals::TakeDown;
use crate::{module, paths, tools};
use envoy::Kind;
use load::Target;
use report::Report;
use rounds::{Contender, Role, Workload};

/// `cargo xtask bench`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Bench {
    #[command(subcommand)]
    other: Option<Other>,
    /// How often every contender has its turn; medians are shown
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A module that is built already, instead of this checkout's
    #[arg(long, value_name = "PATH")]
    module: Option<PathBuf>,
    /// The binary of coder-k8s, to be measured in the same run; it insists on port 6443
    #[arg(long, value_name = "PATH")]
    go_server: Option<PathBuf>,
}

/// What is measured instead.
#[derive(clap::Subcommand)]
enum Other {
    /// Many watches on one Envoy: what they cost, and how late events are
    Watch(watch::Watch),
}

/// Whatever the reviews are asked with: the upstream allows everybody everything.
const TOKEN: &str = "bench";
const API: &str = "/apis/aggregation.coder.com/v1alpha1/namespaces/coder/coderworkspaces";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

pub(crate) fn run(bench: &Bench) -> Result<()> {
    if let Some(Other::Watch(watch)) = &bench.other {
        return watch::run(watch);
    }
    let (nginx, wrk) = programs::obtain()?;
    let program = tools::envoy()?;
    let module = match &bench.module {
        Some(module) => {
            module.canonicalize().with_context(|| format!("no module at {}", module.display()))?
        }
        None => module::build(false)?,
    };
    let go_server = bench.go_server.as_deref().map(go_server::check).transpose()?;

    let lab = paths::lab().join("bench");
    process::claim(&lab)?;
    process::stop_all(&lab)?;
    let _guard = TakeDown::on_interrupt(lab.clone());
    let outcome = measure(&lab, bench.rounds.max(1), &module, (&program, &nginx, &wrk), go_server);
    process::stop_all(&lab)?;
    say(&outcome?.text());
    Ok(())
}

fn measure(
    lab: &Path,
    rounds: usize,
    module: &Path,
    (program, nginx, wrk): (&Path, &Path, &Path),
    go_server: Option<PathBuf>,
) -> Result<Report> {
    let upstream = upstream::start(lab, nginx)?;
    let configured = envoy::configure(lab, module, &upstream)?;
    let starts = step("starts of Envoy", |step| envoy::starts(program, &configured, rounds, step))?;
    let plain_memory = step("memory of Envoy without the filter", |step| {
        let plain = envoy::start(program, &configured, Kind::Plain)?;
        let one = load::run(wrk, &plain.target(&coder::one_path()), 16, 2)?;
        step.detail("lists");
        let list = load::run(wrk, &plain.target(coder::LIST_PATH), 4, 3)?;
        process::stop(lab, Kind::Plain.name())?;
        Ok((one.memory.max(list.memory), String::new()))
    })?;
    let filter = envoy::start(program, &configured, Kind::Filter)?;
    filter.check()?;
    let go_server = go_server.map(|program| go_server::start(lab, &program, &upstream)).transpose()?;
    let groups: Vec<i32> = [upstream.pid, filter.pid].into_iter().chain(go_server).collect();
    let measured = workloads(&upstream, &filter, go_server)
        .iter()
        .map(|workload| step(workload.title, |step| rounds::run(wrk, workload, rounds, &groups, step)))
        .collect::<Result<_>>()?;
    Ok(Report { module: std::fs::metadata(module)?.len(), rounds, starts, plain_memory, measured })
}

/// What is measured, in the order in which it takes turns.
fn workloads(upstream: &upstream::Running, filter: &envoy::Running, go_server: Option<i32>) -> [Workload; 2] {
    let contender = |name, role, target| Contender { name, role, target };
    let through = |path: String, accept| Target {
        url: format!("{}{path}", filter.url),
        headers: vec![format!("authorization: Bearer {TOKEN}"), format!("accept: {accept}")],
        pid: filter.pid,
    };
    let common = |path: &str| {
        vec![
            contender("the upstream itself", Role::Upstream, upstream.target(path)),
            contender("Envoy passing it on", Role::PassingOn, filter.target(path)),
        ]
    };
    let go = |path: String| {
        let target = |pid| Target { url: format!("{}{path}", go_server::URL), headers: Vec::new(), pid };
        go_server.map(|pid| contender("the Go server (TLS, no authorisation)", Role::GoServer, target(pid)))
    };
    let role = Role::Filter;
    let mut one = common(&coder::one_path());
    one.push(contender("the filter", role, through(format!("{API}/{}", coder::ONE), "application/json")));
    one.extend(go(format!("{API}/{}", coder::ONE)));
    let mut list = common(coder::LIST_PATH);
    list.push(contender("the filter, JSON", role, through(API.to_owned(), "application/json")));
    list.push(contender("the filter, Table", role, through(API.to_owned(), TABLE)));
    list.push(contender(
        "the filter, `limit=500`",
        role,
        through(format!("{API}?limit=500"), "application/json"),
    ));
    list.extend(go(API.to_owned()));
    [
        Workload { title: "one workspace", connections: 16, seconds: 2, goal: (0.6, 4.0), contenders: one },
        Workload { title: "list of 1000", connections: 4, seconds: 3, goal: (0.3, 6.0), contenders: list },
    ]
}
