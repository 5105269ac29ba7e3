//! What cargo itself is asked for: the size of a build, and cargo-deny.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{once, origin};
use crate::progress::step;
use crate::{command, paths};

const DENY: &str = "0.20.2";
/// How many crates that version is made of here, so that people see how far its compilation is.
const DENY_CRATES: usize = 141;

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(paths::root());
    // What cargo tells us about this package would tell build scripts that theirs has changed: they would run again each time.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// How many crates a build of this package compiles at most; 0 when cargo does not say.
pub(crate) fn crates(package: &str) -> usize {
    let tree = ["tree", "--quiet", "--prefix", "none", "--no-dedupe", "--edges", "normal,build", "--package"];
    command::output(cargo().args(tree).arg(package))
        .map(|tree| tree.lines().filter_map(|line| line.split(" (").next()).collect::<BTreeSet<_>>().len())
        .unwrap_or(0)
}

/// cargo-deny, compiled once.
pub(crate) fn deny() -> Result<PathBuf> {
    step(&format!("cargo-deny {DENY}"), |step| {
        let key = format!("cargo-deny-{DENY}");
        let home = paths::cache().join("tools").join(&key);
        let program = home.join("bin/cargo-deny");
        let fresh = once(&key, &program, || {
            let mut install = cargo();
            // Unoptimised: it runs for a second and would compile for three minutes more.
            install.args([
                "install",
                "--debug",
                "--locked",
                "--no-default-features",
                "cargo-deny",
                "--version",
                DENY,
            ]);
            install.arg("--root").arg(&home).arg("--target-dir").arg(paths::cache().join("build").join(&key));
            command::cargo(&mut install, DENY_CRATES, step)?;
            let _ = std::fs::remove_dir_all(paths::cache().join("build").join(&key));
            Ok(())
        })?;
        Ok((program, origin(fresh, "compiled")))
    })
}
