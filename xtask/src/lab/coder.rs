//! PostgreSQL and coderd with the echo provisioner, on loopback. Nothing in it is meant to last.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::User;

use super::{ports, process};
use crate::command::{feed, output};
use crate::progress::{Step, step};

/// The programs of a real Coder.
pub(crate) struct Programs {
    pub(crate) postgres: PathBuf,
    pub(crate) coderd: PathBuf,
}

/// A real Coder that is up.
pub(crate) struct Running {
    pub(crate) url: String,
    database: u16,
}

/// Deprecates a template the way a licence would have: coderd without one shows deprecation, but ignores who asks for it.
pub(crate) fn deprecate(programs: &Programs, running: &Running, template: &str, message: &str) -> Result<()> {
    let mut psql = Command::new(programs.postgres.join("psql"));
    psql.args(["-h", "127.0.0.1", "-p", &running.database.to_string(), "-U", "coder", "-d", "coder"]);
    // Values by psql's own quoting; it substitutes in what it reads, not in what -c says.
    psql.args([
        "-v",
        "ON_ERROR_STOP=1",
        "-v",
        &format!("template={template}"),
        "-v",
        &format!("message={message}"),
    ]);
    feed(&mut psql, "UPDATE templates SET deprecated = :'message' WHERE name = :'template';")
}

/// Starts both.
pub(crate) fn start(lab: &Path, programs: &Programs) -> Result<Running> {
    let database = step("PostgreSQL server", |step| {
        let port = start_postgres(lab, &programs.postgres, step)?;
        Ok((port, format!("127.0.0.1:{port}")))
    })?;
    step("coderd", |step| {
        let url = start_coderd(lab, &programs.coderd, database, step)?;
        Ok((Running { url: url.clone(), database }, url))
    })
}

fn start_postgres(lab: &Path, programs: &Path, step: &Step) -> Result<u16> {
    // PostgreSQL refuses to be root, and the user it runs as then may not be able to reach a checkout in root's home.
    let user = nix::unistd::geteuid().is_root().then(unprivileged).transpose()?;
    let folder = std::env::temp_dir().join(format!("coder-kube-filter-{}", super::secret()?));
    process::reserve(lab, "postgres", &folder)?;
    std::fs::create_dir(&folder)?;
    if let Some(user) = &user {
        std::os::unix::fs::chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    let data = folder.join("data");
    let program = |name: &str| {
        let mut command = Command::new(programs.join(name));
        command.current_dir(&folder).env("LC_ALL", "C");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        if let Some(user) = &user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    };
    let port = ports::free()?;
    step.detail("creating the database");
    output(program("initdb").arg("-D").arg(&data).args(["-U", "coder", "--auth=trust", "--no-sync"]))?;
    let mut postgres = program("postgres");
    postgres.arg("-D").arg(&data).args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
    for setting in ["unix_socket_directories=", "fsync=off", "full_page_writes=off", "max_connections=200"] {
        postgres.args(["-c", setting]);
    }
    let address = format!("postgres://coder@127.0.0.1:{port}");
    process::Server { lab, name: "postgres", address, temporary: Some(folder.clone()) }
        .start(&mut postgres)?;
    let port_flag = port.to_string();
    process::wait(lab, "postgres", step, Duration::from_secs(30), || {
        output(program("createdb").args(["-h", "127.0.0.1", "-p", &port_flag, "-U", "coder", "coder"]))
            .is_ok()
    })?;
    Ok(port)
}

/// Debian's package makes a user for this; any user without rights will do.
fn unprivileged() -> Result<User> {
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(user);
        }
    }
    None.context("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

fn start_coderd(lab: &Path, program: &Path, database: u16, step: &Step) -> Result<String> {
    let folder = lab.join("coderd");
    std::fs::create_dir_all(&folder)?;
    let port = ports::free()?;
    let (address, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let mut coderd = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CODER_")) {
        coderd.env_remove(name);
    }
    coderd.current_dir(&folder).arg("server").envs([
        (
            "CODER_PG_CONNECTION_URL",
            format!("postgres://coder@127.0.0.1:{database}/coder?sslmode=disable").as_str(),
        ),
        ("CODER_HTTP_ADDRESS", &address),
        ("CODER_ACCESS_URL", &url),
        ("CODER_TELEMETRY_ENABLE", "false"),
        ("CODER_UPDATE_CHECK", "false"),
        ("CODER_BLOCK_DIRECT", "true"),
        // No STUN server of somebody else is asked for our address.
        ("CODER_DERP_SERVER_STUN_ADDRESSES", "disable"),
        ("CODER_DANGEROUS_DISABLE_RATE_LIMITS", "true"),
        // Watches tell of renames, too.
        ("CODER_ALLOW_WORKSPACE_RENAMES", "true"),
        ("CODER_PROVISIONER_TYPES", "echo"),
        // A build that never ends keeps its daemon.
        ("CODER_PROVISIONER_DAEMONS", "8"),
        ("CODER_PROVISIONER_DAEMON_POLL_INTERVAL", "200ms"),
        ("CODER_PROVISIONER_DAEMON_POLL_JITTER", "50ms"),
    ]);
    coderd.env("CODER_CACHE_DIRECTORY", folder.join("cache")).env("CODER_CONFIG_DIR", folder.join("config"));
    process::Server { lab, name: "coderd", address: url.clone(), temporary: None }.start(&mut coderd)?;
    process::wait(lab, "coderd", step, Duration::from_secs(120), || {
        ports::answers(port) && ureq::get(format!("{url}/healthz")).call().is_ok()
    })?;
    Ok(url)
}
