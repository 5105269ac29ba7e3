//! The figures as Markdown tables, each beside what it has to reach.

use std::fmt::Write as _;

use super::envoy::Starts;
use super::rounds::{Measured, Placed, Role};

/// Above that share of the machine, other programs make the rates doubtful.
const STRANGERS: f64 = 0.05;

/// All that was measured.
pub(super) struct Report {
    /// Size of the module in bytes.
    pub(super) module: u64,
    pub(super) rounds: usize,
    pub(super) starts: Starts,
    /// Largest memory of Envoy without the filter under the same load, in bytes.
    pub(super) plain_memory: u64,
    pub(super) measured: Vec<Measured>,
}

impl Report {
    /// The tables.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "\n{} cores; Envoy 1.40.0 with 2 workers, HTTP/1.1 without TLS; medians of {} rounds\n",
            std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            self.rounds
        );
        for measured in &self.measured {
            workload(&mut text, measured);
        }
        self.footprint(&mut text);
        text
    }

    fn footprint(&self, text: &mut String) {
        let (with, without) = (self.starts.filter, self.starts.plain);
        let (filter, plain) = (self.memory(Role::Filter), self.plain_memory as f64);
        let mut rows = vec![
            ("module".to_owned(), format!("{} kB", self.module.div_ceil(1000)), "≤ 500 kB"),
            (
                format!("ready after start ({:.0} ms without the filter)", without.milliseconds),
                format!("{:.0} ms", with.milliseconds),
                "≤ 350 ms",
            ),
            (
                format!("memory after start ({} without the filter)", megabytes(without.memory)),
                megabytes(with.memory),
                "",
            ),
            (
                format!("memory under load ({} without the filter)", megabytes(plain)),
                format!("{}, {} more", megabytes(filter), megabytes(filter - plain)),
                "≤ 60 MB more",
            ),
        ];
        let go_server = self.memory(Role::GoServer);
        if go_server > 0.0 {
            rows.push(("memory of the Go server under load".to_owned(), megabytes(go_server), ""));
        }
        let _ = writeln!(text, "\n| footprint | | goal |\n|---|--:|--:|");
        for (what, figure, goal) in rows {
            let _ = writeln!(text, "| {what} | {figure} | {goal} |");
        }
    }

    /// The largest memory of a contender in any round, in bytes.
    fn memory(&self, role: Role) -> f64 {
        let all = self.measured.iter().flat_map(|measured| &measured.results);
        all.filter(|placed| placed.role == role).map(|placed| placed.typical.memory).max().unwrap_or(0) as f64
    }
}

fn workload(text: &mut String, measured: &Measured) {
    let Measured { title, connections, goal, results, strangers } = measured;
    let of = |role: Role| results.iter().find(|placed| placed.role == role).map(|placed| &placed.typical);
    let _ = writeln!(
        text,
        "\n| {title}, {connections} connections | a second | of passing on | goal | p50 | p99 | processor each | of passing on |\n|---|--:|--:|--:|--:|--:|--:|--:|"
    );
    for Placed { name, role, typical } in results {
        let share = |figure: f64, base: Option<f64>| match (role, base) {
            (Role::Upstream, _) | (_, None) => String::new(),
            (_, Some(base)) => format!("{:.2}", figure / base),
        };
        let rate = share(typical.rate, of(Role::PassingOn).map(|round| round.rate));
        let processor = share(typical.processor, of(Role::PassingOn).map(|round| round.processor));
        let aim = if *role == Role::Filter { format!("≥ {:.1}", goal.0) } else { String::new() };
        let _ = writeln!(
            text,
            "| {name} | {} | {rate} | {aim} | {} | {} | {} | {processor} |",
            rounded(typical.rate),
            milliseconds(typical.median),
            milliseconds(typical.p99),
            milliseconds(typical.processor / 1000.0),
        );
    }
    if let (Some(filter), Some(go)) = (of(Role::Filter), of(Role::GoServer)) {
        let _ = writeln!(
            text,
            "\nThe filter is {:.1} times as fast as the Go server (goal: {:.0}).",
            filter.rate / go.rate,
            goal.1
        );
    }
    if *strangers > STRANGERS {
        let _ = writeln!(
            text,
            "\n*** Other programs took {:.0} % of the machine meanwhile: rates and times are doubtful, processor time less so. ***",
            strangers * 100.0
        );
    }
}

fn rounded(rate: f64) -> String {
    if rate < 100.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

fn milliseconds(time: f64) -> String {
    if time < 1.0 { format!("{:.0} µs", time * 1000.0) } else { format!("{time:.1} ms") }
}

fn megabytes(bytes: f64) -> String {
    format!("{:.0} MB", bytes / 1e6)
}
