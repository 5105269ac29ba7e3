//! Packages of the system. On Debian and its kin, as root, what is missing is installed; anywhere else the error
//! says what a person has to install.

use std::process::Command;

use anyhow::{Result, bail};

use crate::progress::Step;
use crate::{command, paths};

/// True when dpkg knows the package as installed.
pub(crate) fn installed(package: &str) -> bool {
    command::output(Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", package]))
        .is_ok_and(|status| status == "installed")
}

/// Installs packages with apt-get, or says which ones a person has to install.
pub(crate) fn install(packages: &[&str], step: &Step) -> Result<()> {
    let list = packages.join(" ");
    if paths::which("apt-get").is_none() {
        bail!("please install what Debian calls: {list}");
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("please run: sudo apt-get update && sudo apt-get install -y --no-install-recommends {list}");
    }
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        command::run(&mut apt, step, |line| {
            line.starts_with("Unpacking").then(|| line.chars().take(60).collect())
        })
    };
    step.detail("apt-get update");
    // An index that is out of date in part is no reason to stop: the installation itself tells.
    let _ = apt(&["update"]);
    step.detail(format!("apt-get install {list}"));
    apt(&[&["install", "-y", "--no-install-recommends"], packages].concat()).map(drop)
}
