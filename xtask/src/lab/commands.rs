//! `cargo xtask lab up|down|status`.

use anyhow::{Result, bail};

use super::{Environment, Mode, Options, Parts, Programs, process, seed};
use crate::paths;
use crate::progress::say;

/// Bring up everything around the module, and take it down again
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Start a lab that stays up; a second one adds workspaces to the first
    Up(Up),
    /// Stop whatever the lab has started, also after a crash
    Down,
    /// Say what runs
    Status,
}

#[derive(clap::Args)]
pub(crate) struct Up {
    /// Where Envoy stands
    #[arg(long, value_enum, default_value_t = Mode::Front)]
    mode: Mode,
    /// One small process instead of etcd, kube-apiserver, PostgreSQL and coderd; where kube-apiserver must be a real one, instead of the last two
    #[arg(long)]
    standin: bool,
    /// kube-controller-manager beside a real kube-apiserver, as always in aggregated mode
    #[arg(long)]
    controllers: bool,
    /// A module that panics when it is asked to
    #[arg(long)]
    chaos: bool,
    /// Without a bell: watches are long polls
    #[arg(long, conflicts_with = "mode")]
    long_poll: bool,
    /// How many more workspaces there shall be
    #[arg(long, default_value_t = 0)]
    workspaces: usize,
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Up(up) => self::up(up),
        Command::Down => down(),
        Command::Status => status(),
    }
}

fn up(up: &Up) -> Result<()> {
    let lab = paths::lab();
    if process::all(&lab).iter().any(|(_, record)| record.alive()) {
        let environment = Environment::read(&lab);
        let Ok(environment) = environment else {
            bail!("a lab is being started, or was left half-way: cargo xtask lab down")
        };
        if up.workspaces == 0 {
            say("The lab is up already.\n");
            return next(&environment);
        }
        return seed::add_workspaces(
            environment.get("CODER_URL")?,
            environment.get("CODER_TOKEN")?,
            up.workspaces,
        );
    }
    let coder = if up.standin { Parts::Standin } else { Parts::Real };
    let usual = match up.mode {
        Mode::Front => Options::front(coder),
        Mode::Aggregated => Options::aggregated(coder),
    };
    let options = Options {
        controllers: usual.controllers || up.controllers,
        chaos: up.chaos,
        long_poll: up.long_poll,
        clients: true,
        workspaces: up.workspaces,
        ..usual
    };
    let environment = super::up(&lab, options, &Programs::obtain(options)?)?.leave();
    say("");
    next(&environment)
}

/// What a person does with a lab that is up.
fn next(environment: &Environment) -> Result<()> {
    let word = |name: &str| anyhow::Ok(if environment.get(name)? == "real" { "real" } else { "stand-in" });
    let (kube, coder) = (word("LAB_KUBE")?, word("LAB_PARTS")?);
    let what = match environment.get("LAB_MODE")? {
        "front" => format!("Envoy before a {kube} kube-apiserver and a {coder} Coder"),
        _ => format!("a {kube} kube-apiserver, Envoy behind it, a {coder} Coder"),
    };
    say(&format!("  {what}: {}", environment.get("FRONT_URL")?));
    say(&format!(
        "  Coder: {}   Envoy's admin: {}\n",
        environment.get("CODER_URL")?,
        environment.get("ENVOY_ADMIN")?
    ));
    say(&format!("    set -a; . {}; set +a", paths::lab().join("env").display()));
    for arguments in
        ["get cws -A -o wide", "get ctpl", "explain coderworkspace.spec", "--context alice get cws"]
    {
        say(&format!("    $KUBECTL {arguments}"));
    }
    say("\n  cargo xtask lab down   stops it");
    Ok(())
}

fn down() -> Result<()> {
    let lab = paths::lab();
    let mut stopped = 0;
    // Labs of a demo or a test that still runs are theirs to stop.
    let inner = std::fs::read_dir(&lab).into_iter().flatten().flatten().map(|entry| entry.path());
    for lab in inner.filter(|path| process::abandoned(path)).chain([lab.clone()]) {
        stopped += process::all(&lab).iter().filter(|(_, record)| record.alive()).count();
        process::stop_all(&lab)?;
    }
    let _ = std::fs::remove_file(lab.join("env"));
    say(&format!("stopped {stopped} servers"));
    Ok(())
}

fn status() -> Result<()> {
    let lab = paths::lab();
    let all = process::all(&lab);
    if all.is_empty() {
        say("nothing runs; `cargo xtask lab up` starts a lab");
        return Ok(());
    }
    for (name, record) in &all {
        let state = if record.alive() { "running" } else { "gone" };
        say(&format!("{name:<24} {state:<8} pid {:<8} {}", record.pid, record.address));
    }
    if !all.iter().all(|(_, record)| record.alive()) {
        bail!("a server has gone: see {}", lab.join("logs").display());
    }
    Ok(())
}
