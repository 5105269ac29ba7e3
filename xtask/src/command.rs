//! Running a program to its end: in its own process group, its output in a log, how far it is on the live line, and
//! the end of its output in the error when it fails.
//!
//! Servers that stay are `lab::process`'s business.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use anyhow::{Context, Result, bail};

use crate::progress::Step;
use crate::signals;

const TAIL: usize = 25;

/// Runs a command and returns its standard output. Every line of both outputs goes through `watch`, which may turn
/// it into a word on progress.
pub(crate) fn run(
    command: &mut Command,
    step: &Step,
    mut watch: impl FnMut(&str) -> Option<String>,
) -> Result<String> {
    let shown = show(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut child, group) = signals::spawn(command).with_context(|| format!("cannot run `{shown}`"))?;
    let (sender, lines) = mpsc::channel();
    for (is_output, stream) in [
        (true, child.stdout.take().map(|out| Box::new(out) as Box<dyn std::io::Read + Send>)),
        (false, child.stderr.take().map(|err| Box::new(err) as Box<dyn std::io::Read + Send>)),
    ] {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in
                BufReader::new(stream.into_iter().next().unwrap_or_else(|| Box::new(std::io::empty())))
                    .split(b'\n')
                    .map_while(Result::ok)
            {
                let _ = sender.send((is_output, String::from_utf8_lossy(&line).into_owned()));
            }
        });
    }
    drop(sender);
    let (mut output, mut tail) = (String::new(), Vec::new());
    for (is_output, line) in lines {
        if let Some(detail) = watch(&line) {
            step.detail(detail);
        }
        if is_output {
            output.push_str(&line);
            output.push('\n');
        }
        tail.push(line);
        if tail.len() > TAIL {
            tail.remove(0);
        }
    }
    let status = child.wait()?;
    drop(group);
    if !status.success() {
        bail!("`{shown}` failed ({status}):\n{}", tail.join("\n"));
    }
    Ok(output)
}

/// Runs a command for its output alone.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let out = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run `{shown}`"))?;
    if !out.status.success() {
        bail!("`{shown}` failed ({}):\n{}", out.status, String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Runs a command that reads its instructions from standard input.
pub(crate) fn feed(command: &mut Command, input: &str) -> Result<()> {
    let shown = show(command);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run `{shown}`"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let out = child.wait_with_output()?;
    if !out.status.success() {
        bail!("`{shown}` failed ({}):\n{}", out.status, String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(())
}

/// Runs a command whose output people want to see as it comes; true when it succeeded.
pub(crate) fn passthrough(command: &mut Command) -> Result<bool> {
    let shown = show(command);
    let spawned = signals::spawn(command.stdin(Stdio::null()));
    let (mut child, _group) = spawned.with_context(|| format!("cannot run `{shown}`"))?;
    Ok(child.wait()?.success())
}

/// A build by cargo: says how many crates of how many are compiled.
pub(crate) fn cargo(command: &mut Command, crates: usize, step: &Step) -> Result<String> {
    let mut compiled = 0_usize;
    run(command, step, |line| {
        let line = line.trim_start();
        if let Some(name) = line.strip_prefix("Compiling ") {
            compiled += 1;
            let name = name.split(' ').next().unwrap_or(name);
            // Crates that are compiled already are not reported.
            return Some(format!("compiling {name}, crate {compiled} of at most {}", crates.max(compiled)));
        }
        line.starts_with("Download").then(|| "downloading crates".to_owned())
    })
}

/// The command as a person would type it, without its environment.
fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Writes a file whole or not at all, so that a reader or an interrupted run never meets a half.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = path.parent().context("a file has a folder")?;
    std::fs::create_dir_all(parent)?;
    let name = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
    let temporary = parent.join(format!(".{name}.{}", std::process::id()));
    std::fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .with_context(|| format!("cannot write {}", temporary.display()))?;
    std::fs::rename(&temporary, path).with_context(|| format!("cannot write {}", path.display()))
}
