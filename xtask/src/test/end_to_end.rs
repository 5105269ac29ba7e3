//! The end-to-end suite, each time in a lab of its own that goes down with it. The real Coder is also asked whether it still
//! answers what the stand-in is held to.

use std::fs;

use anyhow::{Context as _, Result};

use super::lints::passed;
use super::{Outcome, Report, in_ci};
use crate::demo::{self, Demo};
use crate::lab::{self, Options, Parts, Programs};
use crate::progress::say;
use crate::{paths, tools};

/// What is not run behind kube-apiserver: these need a kube-apiserver or a module that misbehaves, or take long over what is the same wherever a
/// request comes from. In a lab that was started by hand all of them are run.
const NOT_AGGREGATED: [&str; 6] =
    ["chaos", "watch_bookmarks", "watch_carrier", "watch_law", "watch_storm", "write_faults"];

pub(super) fn standin(report: &mut Report) {
    report.check("end to end, stand-in", || {
        let options = options(Parts::Standin, false);
        suite("test-standin", &[], options, &Programs::obtain(options)?)
    });
    report.check("the demo's tour, stand-in", || tour(false));
}

pub(super) fn real(report: &mut Report) {
    report.check("end to end, real kube-apiserver and coderd", || {
        with_real_parts("test-real", &[], options(Parts::Real, false))
    });
    report.check("the demo's tour, real kube-apiserver and coderd", || {
        or_skipped(Programs::obtain(Options::front(Parts::Real)), |_| tour(true))
    });
}

/// What a newcomer sees first checks every answer that it shows.
fn tour(real: bool) -> Result<Outcome> {
    demo::run(&Demo { once: true, real }).map(|()| Outcome::Passed)
}

pub(super) fn aggregated(report: &mut Report) {
    report.check("end to end, behind a real kube-apiserver", || {
        let options = Options { clients: true, ..Options::aggregated(Parts::Standin) };
        let suites = all_but(&NOT_AGGREGATED)?;
        with_real_parts("test-aggregated", &suites.iter().map(String::as_str).collect::<Vec<_>>(), options)
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

/// The suites that there are, in their order, but for some.
fn all_but(left_out: &[&str]) -> Result<Vec<String>> {
    let folder = paths::root().join("tests/e2e/tests");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut suites = Vec::new();
    for entry in entries {
        // A file of its own, or a folder with several.
        suites.extend(entry?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    suites.retain(|suite| !left_out.contains(&suite.as_str()));
    suites.sort_unstable();
    Ok(suites)
}

fn with_real_parts(name: &str, only: &[&str], options: Options) -> Result<Outcome> {
    or_skipped(Programs::obtain(options), |programs| suite(name, only, options, programs))
}

/// Parts that cannot be had are a failure in CI alone.
fn or_skipped(
    programs: Result<Programs>,
    check: impl FnOnce(&Programs) -> Result<Outcome>,
) -> Result<Outcome> {
    match programs {
        Ok(programs) => check(&programs),
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
