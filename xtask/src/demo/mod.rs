//! `cargo xtask demo`: from nothing to kubectl reading Coder, in one command.
//!
//! Without options it needs no Go and no database: stock Envoy, the module, and one small process that stands in for
//! Coder and kube-apiserver.

mod tour;

use anyhow::{Result, bail};

use crate::lab::{self, Options, Parts, Programs, Running};
use crate::paths;
use crate::progress::say;

/// `cargo xtask demo`.
#[derive(clap::Args)]
pub(crate) struct Demo {
    /// End after the tour instead of staying up
    #[arg(long)]
    pub(crate) once: bool,
    /// A real kube-apiserver and a real coderd instead of the stand-in; builds both with Go on first use
    #[arg(long)]
    pub(crate) real: bool,
}

pub(crate) fn run(demo: &Demo) -> Result<()> {
    let parts = if demo.real { Parts::Real } else { Parts::Standin };
    let started = std::time::Instant::now();
    say("\n  coder-kube-filter: kubectl for Coder, from inside Envoy\n");
    say(match parts {
        Parts::Real => "  On loopback: stock Envoy with the module, a real kube-apiserver, a real coderd.",
        Parts::Standin => {
            "  On loopback: stock Envoy with the module; one small process plays kube-apiserver and Coder."
        }
    });
    say("  The first run fetches and builds what is missing; the next one finds it.\n");
    let options = Options::front(parts);
    let programs = Programs::obtain(options)?;
    let running = lab::up(&paths::lab().join("demo"), options, &programs)?;
    tour::run(&running.environment, parts)?;
    let seconds = started.elapsed().as_secs();
    if demo.once {
        say(&format!("  That was all, in {seconds} s. Without --once it stays up, for you to try more.\n"));
        return Ok(());
    }
    stay(&running)
}

/// Says how to go on, and stays up until Ctrl-C.
fn stay(running: &Running) -> Result<()> {
    let environment = &running.environment;
    say("  All of it is still up. In another terminal:\n");
    say(&format!("    export KUBECONFIG={}", environment.get("KUBECONFIG")?));
    if paths::which("kubectl").is_none() {
        say(&format!("    alias kubectl={}", environment.get("KUBECTL")?));
    }
    for command in [
        "kubectl get coderworkspaces",
        "kubectl describe cws coder.alice.ws1",
        "kubectl get ctpl coder.params -o yaml",
        "kubectl --context alice get cws            # the user without rights",
        "kubectl --context cert get cws             # a client certificate instead of a token",
    ] {
        say(&format!("    {command}"));
    }
    say(&format!("\n    Coder     {}", environment.get("CODER_URL")?));
    say(&format!(
        "    Envoy     {}   its statistics: {}/stats",
        environment.get("ENVOY_URL")?,
        environment.get("ENVOY_ADMIN")?
    ));
    say(&format!("    logs      {}", running.logs().display()));
    say("\n  Ctrl-C ends it and leaves nothing running.");
    loop {
        std::thread::sleep(std::time::Duration::from_secs(1));
        if let Some(name) = running.lost() {
            bail!("{name} has stopped: see {}", running.logs().join(format!("{name}.log")).display());
        }
    }
}
