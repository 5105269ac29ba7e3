//! The aggregated API server written in Go (coder-k8s), when somebody has its binary: the same work over the same
//! upstream. It speaks TLS only, asks nobody whether a caller may, and where it listens (port 6443 of every interface)
//! cannot be chosen.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::upstream;
use crate::lab::{NAMESPACE, ports, process};
use crate::progress::step;

const PORT: u16 = 6443;
/// Where it listens.
pub(super) const URL: &str = "https://127.0.0.1:6443";

/// Fails before anything is started when it could not be measured.
pub(super) fn check(program: &Path) -> Result<PathBuf> {
    if ports::answers(PORT) {
        bail!("the Go server listens on port {PORT}, which is in use");
    }
    program.canonicalize().with_context(|| format!("no Go server at {}", program.display()))
}

/// Starts it; returns its process.
pub(super) fn start(lab: &Path, program: &Path, upstream: &upstream::Running) -> Result<i32> {
    step("the Go server", |step| {
        let server = process::Server { lab, name: "go-server", address: URL.to_owned(), temporary: None };
        let mut command = Command::new(program);
        command.current_dir(lab).args(["--app", "aggregated-apiserver", "--coder-session-token", "bench"]);
        command.args(["--coder-url", &upstream.coder_url, "--coder-namespace", NAMESPACE]);
        let pid = server.start(&mut command)?;
        process::wait(lab, "go-server", step, Duration::from_secs(30), || ports::answers(PORT))?;
        Ok((pid, URL.to_owned()))
    })
}
