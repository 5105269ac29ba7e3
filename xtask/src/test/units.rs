//! What needs no lab: the tests of every crate, and Envoy's own judgement of what we ship.

use anyhow::Result;

use super::lints::passed;
use super::{Outcome, Report};
use crate::{dist, lab, module, paths, tools};

pub(super) fn run(report: &mut Report) {
    report.check("unit, snapshot and property tests", || {
        passed(tools::cargo::cargo().args([
            "test",
            "--no-fail-fast",
            "--workspace",
            "--exclude",
            "e2e",
            "--all-features",
        ]))
    });
}

pub(super) fn module(report: &mut Report) {
    report.check("wasm module", || module::within_limit(&module::build(false)?).map(|()| Outcome::Passed));
    report.check("release", || dist::make().map(|()| Outcome::Passed));
    report.check("Envoy accepts the shipped configurations", validate);
}

fn validate() -> Result<Outcome> {
    let module = module::build(false)?;
    lab::validate(&paths::lab().join("test-configurations"), &module, &tools::envoy()?)?;
    Ok(Outcome::Passed)
}
