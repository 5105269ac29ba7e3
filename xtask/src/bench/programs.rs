//! nginx, which answers faster than anything that is measured, and wrk, which asks: both from the system.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::progress::{Step, step};
use crate::{command, paths, tools};

const PACKAGES: [&str; 2] = ["nginx-light", "wrk"];
/// Debian asks this program whether a package may start its services.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// nginx and wrk.
pub(super) fn obtain() -> Result<(PathBuf, PathBuf)> {
    step("nginx and wrk", |step| {
        if let Some(found) = find() {
            return Ok((found, "installed".to_owned()));
        }
        install(step).context("the benchmark needs nginx and wrk")?;
        let found = find().context("nginx and wrk were installed, but are not where they are looked for")?;
        Ok((found, "from Debian".to_owned()))
    })
}

fn find() -> Option<(PathBuf, PathBuf)> {
    // A user's PATH often lacks sbin.
    let sbin = || Some(PathBuf::from("/usr/sbin/nginx")).filter(|nginx| nginx.is_file());
    Some((paths::which("nginx").or_else(sbin)?, paths::which("wrk")?))
}

/// Debian's nginx would start by itself on port 80; this benchmark starts its own and wants no other.
fn install(step: &Step) -> Result<()> {
    let policy = Path::new(POLICY);
    let ours = nix::unistd::geteuid().is_root() && paths::which("apt-get").is_some() && !policy.exists();
    if ours {
        use std::os::unix::fs::PermissionsExt;
        command::write_atomically(policy, b"#!/bin/sh\nexit 101\n")?;
        std::fs::set_permissions(policy, std::fs::Permissions::from_mode(0o755))?;
    }
    let installed = tools::debian::install(&PACKAGES, step);
    if ours {
        std::fs::remove_file(policy)?;
    }
    installed
}
