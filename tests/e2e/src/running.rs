//! A command that goes on until it is told to end: what it writes, line by line, as it writes it.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// See the module. The process ends with this value.
#[derive(Debug)]
pub struct Running {
    title: String,
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Running {
    /// Starts a command whose output is caught.
    pub(crate) fn start(title: &str, command: &mut Command) -> Running {
        let mut child = command.stdin(Stdio::null()).spawn().unwrap_or_else(|e| panic!("{title}: {e}"));
        let stdout = lines(child.stdout.take().expect("piped"));
        let stderr = lines(child.stderr.take().expect("piped"));
        Running { title: title.into(), child, stdout, stderr }
    }

    /// Lines of standard output until one is as wanted, which is the last.
    ///
    /// # Panics
    /// When none is within `within`, with those that came and with what was said on standard error.
    #[track_caller]
    pub fn until(&self, within: Duration, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let deadline = Instant::now() + within;
        let mut seen = Vec::new();
        loop {
            match self.stdout.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    seen.push(line);
                    if seen.last().is_some_and(|line| wanted(line)) {
                        return seen;
                    }
                }
                Err(error) => {
                    let ended =
                        if error == RecvTimeoutError::Disconnected { "ended" } else { "said nothing more" };
                    panic!("kubectl {} {ended} after {seen:#?}; errors: {:#?}", self.title, self.errors());
                }
            }
        }
    }

    /// What it has said on standard error so far.
    pub fn errors(&self) -> Vec<String> {
        self.stderr.try_iter().collect()
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// When the operating system does not say.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing better can be done about a process that is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
