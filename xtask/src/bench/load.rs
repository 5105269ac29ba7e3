//! One round of wrk against one target, and what it came to.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::usage;
use crate::signals;

const SAMPLE: Duration = Duration::from_millis(25);

/// What is asked for, and whose processor time and memory that is.
pub(super) struct Target {
    pub(super) url: String,
    /// `name: value` each.
    pub(super) headers: Vec<String>,
    /// The process asked, which leads its own group.
    pub(super) pid: i32,
}

/// What one round came to.
pub(super) struct Round {
    /// Answers in a second.
    pub(super) rate: f64,
    /// Milliseconds that half of the answers took at most.
    pub(super) median: f64,
    /// Milliseconds that 99 of 100 answers took at most.
    pub(super) p99: f64,
    /// Processor time of the process asked, in microseconds an answer.
    pub(super) processor: f64,
    /// Its largest resident memory that was seen, in bytes.
    pub(super) memory: u64,
}

/// Asks for so many seconds over so many connections. Any answer but a good one is an error.
pub(super) fn run(wrk: &Path, target: &Target, connections: usize, seconds: u64) -> Result<Round> {
    let mut command = Command::new(wrk);
    command.args(["--threads", "1", "--latency", "--timeout", "10s"]);
    command.args(["--connections", &connections.to_string(), "--duration", &format!("{seconds}s")]);
    for header in &target.headers {
        command.args(["--header", header]);
    }
    command.arg(&target.url).stdin(Stdio::null()).stdout(Stdio::piped());
    let before = usage::processor_time(target.pid);
    let (mut child, group) = signals::spawn(&mut command).context("cannot run wrk")?;
    let mut memory = 0;
    while child.try_wait()?.is_none() {
        memory = memory.max(usage::memory(target.pid));
        std::thread::sleep(SAMPLE);
    }
    drop(group);
    let processor = usage::processor_time(target.pid).saturating_sub(before);
    let mut text = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut text)?;
    }
    let round = read(&text).with_context(|| format!("wrk against {}", target.url))?;
    Ok(Round { processor: processor as f64 / round.requests, memory, ..round.round })
}

struct Printed {
    requests: f64,
    round: Round,
}

/// Reads what wrk prints.
fn read(text: &str) -> Result<Printed> {
    for complaint in ["Non-2xx or 3xx responses", "Socket errors"] {
        if let Some(line) = text.lines().find(|line| line.trim_start().starts_with(complaint)) {
            bail!("{}", line.trim());
        }
    }
    let number = |what: &str, found: Option<f64>| found.with_context(|| format!("no {what} in:\n{text}"));
    let after =
        |prefix: &str| text.lines().find_map(|line| Some(line.trim_start().strip_prefix(prefix)?.trim()));
    let requests =
        text.lines().find_map(|line| line.split_once(" requests in ")?.0.trim().parse::<f64>().ok());
    let rate = after("Requests/sec:").and_then(|rate| rate.parse().ok());
    let requests = number("requests", requests.filter(|requests| *requests > 0.0))?;
    let round = Round {
        rate: number("Requests/sec", rate)?,
        median: number("median", after("50%").and_then(milliseconds))?,
        p99: number("99%", after("99%").and_then(milliseconds))?,
        processor: 0.0,
        memory: 0,
    };
    Ok(Printed { requests, round })
}

fn milliseconds(text: &str) -> Option<f64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let number: f64 = number.parse().ok()?;
    match unit {
        "us" => Some(number / 1000.0),
        "ms" => Some(number),
        "s" => Some(number * 1000.0),
        "m" => Some(number * 60_000.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "Running 2s test @ http://127.0.0.1:20001/x
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms  300.00us   9.00ms   90.00%
    Req/Sec    15.00k   900.00    16.00k    80.00%
  Latency Distribution
     50%  950.00us
     75%    1.10ms
     90%    1.30ms
     99%    2.50ms
  31000 requests in 2.00s, 100.00MB read
Requests/sec:  15500.25
Transfer/sec:     50.00MB
";

    #[test]
    fn wrk_is_read() {
        let read = read(PRINTED).unwrap();
        let round = read.round;
        assert_eq!((read.requests, round.rate, round.median, round.p99), (31000.0, 15500.25, 0.95, 2.5));
    }

    #[test]
    fn bad_answers_are_an_error() {
        let check = |line: &str| {
            let text = PRINTED.replace("Requests/sec", &format!("  {line}\nRequests/sec"));
            assert_eq!(read(&text).err().unwrap().to_string(), line);
        };
        check("Non-2xx or 3xx responses: 7");
        check("Socket errors: connect 0, read 1, write 0, timeout 0");
        assert!(read(&PRINTED.replace("31000", "0")).is_err());
    }

    #[test]
    fn units() {
        let times = ["12.00us", "3.50ms", "1.25s", "2.00m", "x"].map(milliseconds);
        assert_eq!(times, [Some(0.012), Some(3.5), Some(1250.0), Some(120_000.0), None]);
    }
}
