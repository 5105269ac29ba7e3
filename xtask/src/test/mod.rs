//! `cargo xtask test`: everything that must hold before a change is merged, in the order in which it fails fastest.
//!
//! Every check runs, whatever the ones before it came to; the last lines say which did not pass.

mod end_to_end;
mod lints;
mod units;

use anyhow::{Result, bail};

use crate::progress::say;

/// `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Test {
    /// Only these parts; several are separated by commas
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
}

/// What can be asked for by itself.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Format, clippy, dependencies
    Lint,
    /// Unit, snapshot and property tests
    Unit,
    /// The module is built, Envoy accepts every shipped configuration
    Module,
    /// The end-to-end suite against the stand-in
    Standin,
    /// The end-to-end suite against kube-apiserver and coderd
    Real,
    /// Watches without a bell
    LongPolls,
    /// Envoy behind a real kube-apiserver, with the cluster's own controllers
    Aggregated,
    /// What lives on when the module panics
    Chaos,
}

const PARTS: [Part; 8] = [
    Part::Lint,
    Part::Unit,
    Part::Module,
    Part::Standin,
    Part::Real,
    Part::LongPolls,
    Part::Aggregated,
    Part::Chaos,
];

/// How a check ended.
enum Outcome {
    Passed,
    /// Why it could not be done here; never in CI, where that is a failure.
    Skipped(String),
}

/// The checks of one run.
#[derive(Default)]
struct Report(Vec<(String, Result<Outcome>)>);

impl Report {
    /// Runs one check under its title.
    fn check(&mut self, title: &str, check: impl FnOnce() -> Result<Outcome>) {
        say(&format!("\n── {title} ──"));
        let outcome = check();
        match &outcome {
            Ok(Outcome::Passed) => {}
            Ok(Outcome::Skipped(why)) => say(&format!("\n*** SKIPPED: {title} ***\n{why}\n")),
            Err(error) => say(&format!("\n*** FAILED: {title} ***\n{error:#}\n")),
        }
        self.0.push((title.to_owned(), outcome));
    }

    fn finish(self) -> Result<()> {
        say("");
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for (title, outcome) in &self.0 {
            let word = match outcome {
                Ok(Outcome::Passed) => {
                    passed += 1;
                    "passed"
                }
                Ok(Outcome::Skipped(_)) => {
                    skipped += 1;
                    "SKIPPED"
                }
                Err(_) => {
                    failed += 1;
                    "FAILED"
                }
            };
            say(&format!("  {word:<8} {title}"));
        }
        let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
        say(&format!("\n{passed} passed, {failed} failed{skipped}"));
        if failed > 0 {
            bail!("not everything passed");
        }
        Ok(())
    }
}

pub(crate) fn run(test: &Test) -> Result<()> {
    let mut report = Report::default();
    for part in PARTS {
        if !test.only.is_empty() && !test.only.contains(&part) {
            continue;
        }
        match part {
            Part::Lint => lints::run(&mut report),
            Part::Unit => units::run(&mut report),
            Part::Module => units::module(&mut report),
            Part::Standin => end_to_end::standin(&mut report),
            Part::Real => end_to_end::real(&mut report),
            Part::LongPolls => end_to_end::long_polls(&mut report),
            Part::Aggregated => end_to_end::aggregated(&mut report),
            Part::Chaos => end_to_end::chaos(&mut report),
        }
    }
    report.finish()
}

/// True where a check that cannot be done is a failure.
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1")
}
