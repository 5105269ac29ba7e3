//! What a person sees while something is slow: one line per finished step, and one live line that says what is
//! running, for how long, and how far it is.
//!
//! On a terminal the live line is redrawn; elsewhere (CI, a pipe) it is printed every ten seconds.

use std::io::{IsTerminal, Write, stdout};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

const REDRAW: Duration = Duration::from_millis(150);
const REPRINT: Duration = Duration::from_secs(10);
const SPINNER: [&str; 8] = ["⣾", "⣽", "⣻", "⢿", "⡿", "⣟", "⣯", "⣷"];

/// One step that is running. Dropping it takes it off the live line.
pub(crate) struct Step {
    id: usize,
    started: Instant,
}

#[derive(Default)]
struct Board {
    running: Vec<Running>,
    next: usize,
}

struct Running {
    id: usize,
    name: String,
    detail: String,
    started: Instant,
}

fn board() -> MutexGuard<'static, Board> {
    static BOARD: OnceLock<Arc<Mutex<Board>>> = OnceLock::new();
    let board = BOARD.get_or_init(|| {
        std::thread::spawn(draw);
        Arc::default()
    });
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one step, shows it while it runs, and prints its outcome and duration. `work` returns what it made and a
/// few words about it.
pub(crate) fn step<T>(
    name: &str,
    work: impl FnOnce(&Step) -> anyhow::Result<(T, String)>,
) -> anyhow::Result<T> {
    let step = Step::begin(name);
    let outcome = work(&step);
    let seconds = step.started.elapsed().as_secs_f32();
    drop(step);
    match outcome {
        Ok((made, note)) => {
            say(&format!("  \u{2713} {name:<34} {seconds:>6.1} s   {note}"));
            Ok(made)
        }
        Err(error) => {
            say(&format!("  \u{2717} {name:<34} {seconds:>6.1} s"));
            Err(error.context(name.to_owned()))
        }
    }
}

/// Prints a line without tearing the live line.
pub(crate) fn say(line: &str) {
    let _board = board();
    let clear = if stdout().is_terminal() { "\r\x1b[2K" } else { "" };
    let mut out = stdout().lock();
    // A closed pipe is no reason to stop half-way: what was started still has to be taken down.
    let _ = writeln!(out, "{clear}{line}");
    let _ = out.flush();
}

impl Step {
    fn begin(name: &str) -> Self {
        let mut board = board();
        board.next += 1;
        let (id, started) = (board.next, Instant::now());
        board.running.push(Running { id, name: name.to_owned(), detail: String::new(), started });
        Self { id, started }
    }

    /// Says how far the step is.
    pub(crate) fn detail(&self, detail: impl Into<String>) {
        if let Some(running) = board().running.iter_mut().find(|running| running.id == self.id) {
            running.detail = detail.into();
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        board().running.retain(|running| running.id != self.id);
    }
}

fn draw() {
    let terminal = stdout().is_terminal();
    let mut last = Instant::now();
    for frame in 0.. {
        std::thread::sleep(REDRAW);
        let board = board();
        let Some(line) = board.line() else {
            last = Instant::now();
            continue;
        };
        let mut out = stdout().lock();
        if terminal {
            let spinner = SPINNER.get(frame % SPINNER.len()).unwrap_or(&"");
            let line: String = line.chars().take(columns().saturating_sub(4)).collect();
            let _ = write!(out, "\r\x1b[2K  {spinner} {line}");
            let _ = out.flush();
        } else if last.elapsed() >= REPRINT && board.slow() {
            let _ = writeln!(out, "    \u{2026} {line}");
            last = Instant::now();
        }
    }
}

impl Board {
    /// True when something runs for so long that a person wonders.
    fn slow(&self) -> bool {
        self.running.iter().any(|step| step.started.elapsed() >= REPRINT)
    }

    fn line(&self) -> Option<String> {
        let steps = self.running.iter().map(|step| {
            let seconds = step.started.elapsed().as_secs();
            let space = if step.detail.is_empty() { "" } else { " " };
            format!("{}{space}{} ({seconds} s)", step.name, step.detail)
        });
        (!self.running.is_empty()).then(|| steps.collect::<Vec<_>>().join(" · "))
    }
}

fn columns() -> usize {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100)
}
