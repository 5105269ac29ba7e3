//! PostgreSQL's programs, from the system: coderd keeps its data there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::debian;
use crate::progress::{Step, step};
use crate::{command, paths};

/// The folder of `initdb` and `postgres`.
pub(crate) fn programs() -> Result<PathBuf> {
    step("PostgreSQL", |step| {
        if let Some(found) = find() {
            return Ok((found.clone(), found.display().to_string()));
        }
        install(step).context("PostgreSQL is needed by the real coderd")?;
        let found = find().context("PostgreSQL was installed, but initdb is not where it is looked for")?;
        Ok((found, "from Debian".to_owned()))
    })
}

fn install(step: &Step) -> Result<()> {
    // Debian's package makes and starts a cluster of its own when installed; this lab starts its own and wants no other.
    let setting = Path::new("/etc/postgresql-common/createcluster.conf");
    if nix::unistd::geteuid().is_root() && paths::which("apt-get").is_some() && !setting.exists() {
        command::write_atomically(setting, b"create_main_cluster = false\n")?;
    }
    debian::install(&["postgresql"], step)
}

fn find() -> Option<PathBuf> {
    let configured =
        command::output(Command::new("pg_config").arg("--bindir")).ok().map(|dir| dir.trim().into());
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    let on_path = paths::which("initdb").and_then(|initdb| initdb.parent().map(Path::to_path_buf));
    configured
        .into_iter()
        .chain(on_path)
        .chain(versions.into_iter().rev())
        .find(|dir: &PathBuf| dir.join("initdb").is_file() && dir.join("postgres").is_file())
}
