//! Servers that outlive the function that started them: each leads its own process group, writes to its own log, and
//! is written down with its start time, so that a later command can stop exactly it and never whoever got its number
//! afterwards.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::command::write_atomically;
use crate::progress::Step;
use crate::signals;

/// Nothing in a lab is worth a longer farewell.
const PATIENCE: Duration = Duration::from_millis(1500);
const TAIL: usize = 30;
const WIDTH: usize = 300;

/// What is written down about one server.
#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) pid: i32,
    /// Clock ticks between boot and the start of the process: field 22 of `/proc/<pid>/stat`.
    start: u64,
    boot: String,
    /// Where it listens, for people.
    pub(crate) address: String,
    /// A folder outside the lab that goes when the server has gone.
    temporary: Option<PathBuf>,
}

/// A server that is about to be started.
pub(crate) struct Server<'a> {
    pub(crate) lab: &'a Path,
    pub(crate) name: &'a str,
    pub(crate) address: String,
    pub(crate) temporary: Option<PathBuf>,
}

impl Server<'_> {
    /// Starts it. Standard output and error go to the log; standard input is empty.
    pub(crate) fn start(self, command: &mut Command) -> Result<i32> {
        let log = log(self.lab, self.name);
        fs::create_dir_all(log.parent().context("a log has a folder")?)?;
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).process_group(0);
        let _starting = signals::starting();
        let child = command.spawn().with_context(|| format!("cannot start {}", self.name))?;
        let pid = i32::try_from(child.id())?;
        let record = Record::of(pid, self.address, self.temporary);
        write_atomically(&records(self.lab).join(self.name), &serde_json::to_vec(&record)?)?;
        Ok(pid)
    }
}

/// Writes down a folder outside the lab for a server that will be started, so that it goes also if that never happens.
pub(crate) fn reserve(lab: &Path, name: &str, temporary: &Path) -> Result<()> {
    let record = Record::of(0, String::new(), Some(temporary.to_owned()));
    write_atomically(&records(lab).join(name), &serde_json::to_vec(&record)?)
}

/// Where a server of the lab writes.
pub(crate) fn log(lab: &Path, name: &str) -> PathBuf {
    lab.join("logs").join(format!("{name}.log"))
}

/// Writes down that this process looks after the lab. Fails while another one does.
pub(crate) fn claim(lab: &Path) -> Result<()> {
    if let Some(owner) =
        owner(lab).filter(|owner| owner.alive() && owner.pid.cast_unsigned() != std::process::id())
    {
        bail!("{} is in use by process {}", lab.display(), owner.pid);
    }
    let pid = i32::try_from(std::process::id())?;
    write_atomically(&lab.join("owner"), &serde_json::to_vec(&Record::of(pid, String::new(), None))?)
}

/// True for a lab whose owner has gone without taking it down.
pub(crate) fn abandoned(lab: &Path) -> bool {
    records(lab).is_dir() && owner(lab).is_none_or(|owner| !owner.alive())
}

/// Waits until `ready` says so. Fails with the end of the server's log when it has gone or takes too long.
pub(crate) fn wait(
    lab: &Path,
    name: &str,
    step: &Step,
    limit: Duration,
    mut ready: impl FnMut() -> bool,
) -> Result<()> {
    let started = Instant::now();
    step.detail(format!("waiting for {name}"));
    while !ready() {
        let gone = read(lab, name).is_none_or(|record| !record.alive());
        if gone || started.elapsed() > limit {
            let why = if gone { "has stopped" } else { "does not become ready" };
            let text = fs::read_to_string(log(lab, name)).unwrap_or_default();
            let lines: Vec<String> = text.lines().map(|line| line.chars().take(WIDTH).collect()).collect();
            bail!(
                "{name} {why}:\n{}",
                lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or(&[]).join("\n")
            );
        }
        std::thread::sleep(Duration::from_millis(60));
    }
    Ok(())
}

/// Every server that is written down, by name.
pub(crate) fn all(lab: &Path) -> Vec<(String, Record)> {
    let names = fs::read_dir(records(lab)).into_iter().flatten().flatten();
    let mut all: Vec<_> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| read(lab, &name).map(|record| (name, record)))
        .collect();
    all.sort_by(|left, right| left.0.cmp(&right.0));
    all
}

/// Stops every server of the lab: SIGTERM to all at once, SIGKILL to those that are still there after a while. Does
/// nothing for those that have gone.
pub(crate) fn stop_all(lab: &Path) -> Result<()> {
    stop_these(lab, &all(lab))
}

/// Stops one server of the lab.
pub(crate) fn stop(lab: &Path, name: &str) -> Result<()> {
    let these: Vec<_> = all(lab).into_iter().filter(|(known, _)| known == name).collect();
    stop_these(lab, &these)
}

fn stop_these(lab: &Path, these: &[(String, Record)]) -> Result<()> {
    // A group keeps its number while anything of it runs, so those found alive stay ours after their leader has gone.
    let groups: Vec<i32> =
        these.iter().map(|(_, record)| record).filter(|r| r.alive()).map(|r| r.pid).collect();
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        for group in still_running(&groups) {
            let _ = killpg(Pid::from_raw(group), signal);
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && !still_running(&groups).is_empty() {
            std::thread::sleep(Duration::from_millis(30));
        }
    }
    for (name, record) in these {
        if let Some(folder) = &record.temporary {
            remove(folder);
        }
        match fs::remove_file(records(lab).join(name)) {
            // Whoever was interrupted may be stopping the same lab.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot forget {name}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Those of these process groups of which something has not ended.
fn still_running(groups: &[i32]) -> Vec<i32> {
    if groups.is_empty() {
        return Vec::new();
    }
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let running: Vec<i32> = numbers
        .filter_map(|entry| stat(entry.file_name().to_str()?.parse().ok()?))
        .filter(|stat| !stat.ended)
        .map(|stat| stat.group)
        .collect();
    groups.iter().copied().filter(|group| running.contains(group)).collect()
}

impl Record {
    fn of(pid: i32, address: String, temporary: Option<PathBuf>) -> Self {
        Self { pid, start: stat(pid).map_or(0, |stat| stat.start), boot: boot(), address, temporary }
    }

    /// True while the very process that was started is there and has not ended.
    pub(crate) fn alive(&self) -> bool {
        let same = |stat: Stat| stat.start == self.start && !stat.ended;
        self.pid > 1 && self.boot == boot() && stat(self.pid).is_some_and(same)
    }
}

/// A server may still be writing while its folder goes.
fn remove(folder: &Path) {
    for _ in 0..20 {
        if fs::remove_dir_all(folder).is_ok() || !folder.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn records(lab: &Path) -> PathBuf {
    lab.join("running")
}

fn read(lab: &Path, name: &str) -> Option<Record> {
    serde_json::from_slice(&fs::read(records(lab).join(name)).ok()?).ok()
}

fn owner(lab: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(lab.join("owner")).ok()?).ok()
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

struct Stat {
    group: i32,
    start: u64,
    ended: bool,
}

/// proc(5): the name in parentheses may hold anything, so fields are counted after the last one.
fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X");
    let group = fields.nth(1)?.parse().ok()?;
    Some(Stat { group, start: fields.nth(16)?.parse().ok()?, ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(name: &str) -> PathBuf {
        let lab = std::env::temp_dir().join(format!("xtask-process-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&lab);
        lab
    }

    fn start(lab: &Path, script: &str) -> i32 {
        let server = Server { lab, name: "sleeper", address: String::new(), temporary: None };
        server.start(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn a_server_is_stopped_with_what_it_started() {
        let lab = lab("stop");
        start(&lab, "sleep 300 & echo $!; wait");
        let grandchild = loop {
            let printed = fs::read_to_string(log(&lab, "sleeper")).unwrap();
            if printed.ends_with('\n') {
                break printed.trim().parse::<i32>().unwrap();
            }
        };
        assert!(all(&lab)[0].1.alive());
        stop_all(&lab).unwrap();
        assert!(all(&lab).is_empty());
        assert!(stat(grandchild).is_none_or(|stat| stat.ended));
        stop_all(&lab).unwrap();
    }

    #[test]
    fn what_ignores_a_request_to_stop_is_killed_though_its_parent_has_gone() {
        let lab = lab("stubborn");
        start(&lab, "(trap '' TERM; echo; exec sleep 300) & wait");
        while fs::read(log(&lab, "sleeper")).unwrap().is_empty() {}
        let group = all(&lab)[0].1.pid;
        stop_all(&lab).unwrap();
        assert!(still_running(&[group]).is_empty());
    }

    #[test]
    fn a_recycled_number_is_left_alone() {
        let lab = lab("recycled");
        let pid = start(&lab, "exec sleep 300");
        let mut record = read(&lab, "sleeper").unwrap();
        record.start -= 1;
        let path = records(&lab).join("sleeper");
        fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
        stop_all(&lab).unwrap();
        assert!(!stat(pid).unwrap().ended);
        record.start += 1;
        fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
        stop_all(&lab).unwrap();
        assert!(stat(pid).is_none_or(|stat| stat.ended));
    }
}
