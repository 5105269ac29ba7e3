//! The end-to-end suite, each time in a lab of its own that goes down with it. The real Coder is also asked whether it still
//! answers what the stand-in is held to.

use anyhow::Result;

use super::lints::passed;
use super::{Outcome, Report, in_ci};
use crate::lab::{self, Options, Parts, Programs};
use crate::progress::say;
use crate::{paths, tools};

/// What is run behind kube-apiserver: who clients are there, what kube-apiserver and the cluster's controllers make of us, real clients, and faults. The
/// others ask what is the same wherever the request comes from.
const AGGREGATED: [&str; 22] = [
    "aggregated_connections",
    "aggregated_security",
    "authorization",
    "bodies",
    "certificates",
    "controllers",
    "discovery",
    "errors",
    "faults_under_load",
    "go_informers",
    "kube_rs",
    "kube_rs_watch",
    "kube_rs_write",
    "kubectl",
    "kubectl_watch",
    "kubectl_write",
    "many",
    "namespace_deletion",
    "objects",
    "observability",
    "replicas",
    "rotation",
];

pub(super) fn standin(report: &mut Report) {
    report.check("end to end, stand-in", || {
        let options = options(Parts::Standin, false);
        suite("test-standin", &[], options, &Programs::obtain(options)?)
    });
}

pub(super) fn real(report: &mut Report) {
    report.check("end to end, real kube-apiserver and coderd", || {
        with_real_parts("test-real", &[], options(Parts::Real, false))
    });
}

pub(super) fn aggregated(report: &mut Report) {
    report.check("end to end, behind a real kube-apiserver", || {
        let options = Options { clients: true, ..Options::aggregated(Parts::Standin) };
        with_real_parts("test-aggregated", &AGGREGATED, options)
    });
}

pub(super) fn long_polls(report: &mut Report) {
    report.check("end to end, watches as long polls", || {
        let options = Options { long_poll: true, ..options(Parts::Standin, false) };
        // Whoever watches; the rest does not know the difference.
        let only = ["watch", "watch_options", "watch_versions", "kube_rs_watch", "go_informers", "python"];
        suite("test-long-polls", &only, options, &Programs::obtain(options)?)
    });
}

pub(super) fn chaos(report: &mut Report) {
    report.check("end to end, a module that panics", || {
        let options = options(Parts::Standin, true);
        // The rest of the suite would test the same module again.
        let only = ["chaos", "watch_law"];
        suite("test-chaos", &only, options, &Programs::obtain(options)?)
    });
}

const fn options(parts: Parts, chaos: bool) -> Options {
    Options { chaos, clients: true, ..Options::front(parts) }
}

/// Parts that cannot be had are a failure in CI alone.
fn with_real_parts(name: &str, only: &[&str], options: Options) -> Result<Outcome> {
    match Programs::obtain(options) {
        Ok(programs) => suite(name, only, options, &programs),
        Err(error) if in_ci() => Err(error),
        Err(error) => Ok(Outcome::Skipped(format!("the real parts cannot be had here: {error:#}"))),
    }
}

/// Runs the suites that are named, or all of them.
fn suite(name: &str, only: &[&str], options: Options, programs: &Programs) -> Result<Outcome> {
    let running = lab::up(&paths::lab().join(name), options, programs)?;
    say("");
    let test = |arguments: &[&str]| {
        let mut cargo = tools::cargo::cargo();
        // A suite that finds no lab skips; here there is one, and not seeing it would be a mistake.
        cargo
            .args(["test", "--no-fail-fast"])
            .args(arguments)
            .envs(running.environment.variables())
            .env("E2E_REQUIRED", "1");
        passed(&mut cargo)
    };
    let only = only.iter().flat_map(|suite| ["--test", suite]);
    let mut outcome = test(&["--package", "e2e"].into_iter().chain(only).collect::<Vec<_>>());
    if matches!(options.coder, Parts::Real) {
        // Afterwards, because it leaves templates and jobs behind.
        outcome = outcome.and(test(&["--package", "standin", "--test", "replay"]));
    }
    if outcome.is_err() {
        say(&format!("logs: {}", running.logs().display()));
    }
    outcome
}
