//! Ctrl-C, SIGTERM and SIGHUP: whatever this process has started ends with it.
//!
//! Programs are stopped by the process groups that were made for them, servers by their lab's records; nothing is
//! ever looked up by name.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

static GROUPS: Mutex<Vec<i32>> = Mutex::new(Vec::new());
static LABS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A child that leads its own process group and ends with this process.
pub(crate) struct Group(i32);

/// A lab that is taken down when this process is interrupted.
pub(crate) struct TakeDown(PathBuf);

/// Starts a program that ends with this process, in a process group of its own.
pub(crate) fn spawn(command: &mut Command) -> std::io::Result<(Child, Group)> {
    let mut groups = lock(&GROUPS);
    let child = command.process_group(0).spawn()?;
    let pid = i32::try_from(child.id()).unwrap_or(0);
    groups.push(pid);
    Ok((child, Group(pid)))
}

/// Held while a server is started and written down: an interrupt comes before both or after both.
pub(crate) fn starting() -> impl Drop {
    lock(&GROUPS)
}

/// Returns when no interrupt is being handled. Called last, so that this process does not end before its handler has
/// stopped everything.
pub(crate) fn settle() {
    drop((lock(&GROUPS), lock(&LABS)));
}

impl Drop for Group {
    fn drop(&mut self) {
        lock(&GROUPS).retain(|pid| *pid != self.0);
    }
}

impl TakeDown {
    /// From now until this is dropped an interrupt takes down the lab in that folder.
    pub(crate) fn on_interrupt(lab: PathBuf) -> Self {
        lock(&LABS).push(lab.clone());
        Self(lab)
    }
}

impl Drop for TakeDown {
    fn drop(&mut self) {
        lock(&LABS).retain(|lab| *lab != self.0);
    }
}

/// Installs the handler. Called once, first thing.
pub(crate) fn install() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        // Held to the end: nothing is started any more while the process is going.
        let (groups, labs) = (lock(&GROUPS), lock(&LABS));
        for pid in groups.iter().filter(|pid| **pid > 1) {
            let _ = killpg(Pid::from_raw(*pid), Signal::SIGTERM);
        }
        if !labs.is_empty() {
            println!("\n  stopping what was started\u{2026}");
        }
        for lab in labs.iter() {
            if let Err(error) = crate::lab::process::stop_all(lab) {
                eprintln!("{error:#}");
            }
        }
        std::process::exit(130);
    })?;
    Ok(())
}

fn lock<T>(list: &'static Mutex<Vec<T>>) -> MutexGuard<'static, Vec<T>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}
