//! What can be said of the source without running it.

use std::process::Command;

use anyhow::{Result, bail};

use super::{Outcome, Report};
use crate::progress::step;
use crate::{command, module, paths, tools};

/// Every script that people run, and CI's.
const SCRIPTS: [&str; 3] = [".ci/run", "deploy/certificate.sh", "kind-cluster/demo.sh"];
const ADVISORIES: &str = "https://github.com/RustSec/advisory-db";

pub(super) fn run(report: &mut Report) {
    report.check("format", || cargo(&["fmt", "--all", "--check"]));
    report.check("clippy", || {
        let warnings_fail = ["--", "--deny", "warnings"];
        cargo(&[&["clippy", "--workspace", "--all-targets", "--all-features"], &warnings_fail[..]].concat())
    });
    report.check("clippy, as wasm", || {
        if !module::target_installed()? {
            return Ok(Outcome::Skipped(
                "clippy has no wasm target here: rustup target add wasm32-unknown-unknown".into(),
            ));
        }
        let package = ["clippy", "--package", module::PACKAGE, "--target", module::TARGET];
        cargo(&[&package[..], &["--all-features", "--", "--deny", "warnings"]].concat())
    });
    report.check("Go clients", || tools::go::vet_clients().map(|()| Outcome::Passed));
    report.check("Justfile", || {
        let mut just = Command::new(tools::just()?);
        passed(just.current_dir(paths::root()).args(["--fmt", "--check", "--unstable"]))
    });
    report.check("scripts", || {
        passed(Command::new(tools::shellcheck()?).current_dir(paths::root()).args(SCRIPTS))
    });
    report.check("dependencies: bans, licences, sources", || deny(&["bans", "licenses", "sources"]));
    report.check("dependencies: advisories", || {
        if !reachable() {
            return Ok(Outcome::Skipped(format!("the advisory database cannot be reached: {ADVISORIES}")));
        }
        deny(&["advisories"])
    });
}

fn cargo(arguments: &[&str]) -> Result<Outcome> {
    passed(tools::cargo::cargo().args(arguments))
}

fn deny(checks: &[&str]) -> Result<Outcome> {
    let mut deny = Command::new(tools::cargo::deny()?);
    passed(deny.current_dir(paths::root()).args(["--all-features", "check"]).args(checks))
}

/// Runs a command and shows what it says.
pub(super) fn passed(command: &mut Command) -> Result<Outcome> {
    if !command::passthrough(command)? {
        bail!("see above");
    }
    Ok(Outcome::Passed)
}

fn reachable() -> bool {
    let asked = step("asking for the advisory database", |step| {
        let mut git = Command::new("git");
        git.env("GIT_TERMINAL_PROMPT", "0").args([
            "-c",
            "http.lowSpeedLimit=1",
            "-c",
            "http.lowSpeedTime=10",
        ]);
        command::run(git.args(["ls-remote", ADVISORIES, "HEAD"]), step, |_| None)?;
        Ok(((), "reachable".to_owned()))
    });
    asked.is_ok()
}
