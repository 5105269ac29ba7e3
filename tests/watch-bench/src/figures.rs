//! The figures as Markdown tables.

use std::fmt::Write as _;
use std::time::Duration;

use crate::usage::{Cores, Moment, Servers};

/// What so many watchers cost.
pub(crate) struct Load {
    pub(crate) watchers: usize,
    /// How long it took until all of them were open.
    pub(crate) opened: Duration,
    pub(crate) idle: Cores,
    /// Calls to Coder a minute while nothing changed.
    pub(crate) calls: f64,
    pub(crate) busy: Option<Cores>,
    /// At the end.
    pub(crate) now: Moment,
}

/// How late events were.
pub(crate) struct Delays {
    title: String,
    write: Spread,
    build: Spread,
}

/// Median and 99th percentile, and how many events never came.
struct Spread {
    median: Duration,
    p99: Duration,
    missed: usize,
}

impl Delays {
    pub(crate) fn new(title: String, write: &[Option<Duration>], build: &[Option<Duration>]) -> Self {
        Self { title, write: Spread::of(write), build: Spread::of(build) }
    }
}

impl Spread {
    fn of(delays: &[Option<Duration>]) -> Self {
        let mut came: Vec<Duration> = delays.iter().flatten().copied().collect();
        came.sort_unstable();
        // The nearest rank.
        let percentile =
            |percent: usize| came.get((came.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Self {
            median: percentile(50).unwrap_or_default(),
            p99: percentile(99).unwrap_or_default(),
            missed: delays.len() - came.len(),
        }
    }

    fn text(&self) -> String {
        let missed = if self.missed > 0 { format!(", {} missed", self.missed) } else { String::new() };
        format!("{}, {}{missed}", milliseconds(self.median), milliseconds(self.p99))
    }
}

pub(crate) fn report_load(loads: &[Load], servers: &Servers) -> String {
    let kube = servers.kube();
    let cores = |cores: &Cores| {
        let each = [cores.of(&["envoy"]), cores.of(&[kube, "etcd"]), cores.of(&["coderd", "postgres"])];
        each.map(|cores| format!("{cores:.2}")).join(", ")
    };
    let mut text = String::from(
        "\n| watchers | open after | idle: Envoy, kube-apiserver, Coder | two writes a second | memory: Envoy, kube-apiserver | calls to Coder a minute |\n|--:|--:|--:|--:|--:|--:|\n",
    );
    for load in loads {
        let memory = [load.now.memory("envoy"), load.now.memory(kube)]
            .map(|bytes| format!("{} MB", bytes / 1_000_000));
        let _ = writeln!(
            text,
            "| {} | {:.1} s | {} cores | {} | {} | {:.0} |",
            load.watchers,
            load.opened.as_secs_f64(),
            cores(&load.idle),
            load.busy.as_ref().map_or_else(String::new, |busy| cores(busy) + " cores"),
            memory.join(", "),
            load.calls,
        );
    }
    text
}

pub(crate) fn report_delays(delays: &[Delays]) -> String {
    let mut text = String::from(
        "\n| watchers | after a write through Envoy: p50, p99 | after a build in Coder: p50, p99 |\n|---|--:|--:|\n",
    );
    for Delays { title, write, build } in delays {
        let _ = writeln!(text, "| {title} | {} | {} |", write.text(), build.text());
    }
    text
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_nearest_ranks() {
        let check = |delays: &[Option<u64>], expect: &str| {
            let delays: Vec<_> = delays.iter().map(|delay| delay.map(Duration::from_millis)).collect();
            assert_eq!(Spread::of(&delays).text(), expect);
        };
        check(&[Some(3), Some(1), Some(2)], "2 ms, 3 ms");
        check(&[Some(7), None], "7 ms, 7 ms, 1 missed");
        check(&[], "0 ms, 0 ms");
        check(&(1..=200).map(Some).collect::<Vec<_>>(), "100 ms, 198 ms");
    }
}
