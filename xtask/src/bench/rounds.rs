//! Rounds in turn: every contender of a workload once, then all of them again, so that whatever else the machine does
//! falls on all alike. Of each figure the median counts.

use std::path::Path;

use anyhow::Result;

use super::load::{self, Round, Target};
use super::usage::Moment;
use crate::progress::Step;

/// What a contender is in the comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Upstream,
    PassingOn,
    Filter,
    GoServer,
}

/// One way to the same data.
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) role: Role,
    pub(super) target: Target,
}

/// The same work for several contenders.
pub(super) struct Workload {
    pub(super) title: &'static str,
    pub(super) connections: usize,
    /// Length of a round.
    pub(super) seconds: u64,
    /// The filter's rate, as a share of passing on and in multiples of the Go server's.
    pub(super) goal: (f64, f64),
    pub(super) contenders: Vec<Contender>,
}

/// Medians of a contender's rounds; memory is the largest of all.
pub(super) struct Placed {
    pub(super) name: &'static str,
    pub(super) role: Role,
    pub(super) typical: Round,
}

/// What a workload came to.
pub(super) struct Measured {
    pub(super) title: &'static str,
    pub(super) connections: usize,
    pub(super) goal: (f64, f64),
    pub(super) results: Vec<Placed>,
    /// Share of the machine that other programs took meanwhile.
    pub(super) strangers: f64,
}

/// Measures a workload. `groups` are the process groups that belong to it.
pub(super) fn run(
    wrk: &Path,
    workload: &Workload,
    rounds: usize,
    groups: &[i32],
    step: &Step,
) -> Result<(Measured, String)> {
    let Workload { title, connections, seconds, goal, contenders } = workload;
    for contender in contenders {
        step.detail(format!("warming up {}", contender.name));
        load::run(wrk, &contender.target, *connections, 1)?;
    }
    let before = Moment::now(groups);
    let mut taken: Vec<Vec<Round>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        for (contender, taken) in contenders.iter().zip(&mut taken) {
            step.detail(format!("round {round} of {rounds}: {}", contender.name));
            taken.push(load::run(wrk, &contender.target, *connections, *seconds)?);
        }
    }
    let strangers = Moment::now(groups).strangers_since(before);
    let results = contenders.iter().zip(&taken).map(|(contender, rounds)| Placed {
        name: contender.name,
        role: contender.role,
        typical: typical(rounds),
    });
    let measured =
        Measured { title, connections: *connections, goal: *goal, results: results.collect(), strangers };
    Ok((measured, format!("{rounds} rounds")))
}

fn typical(rounds: &[Round]) -> Round {
    Round {
        rate: median(rounds.iter().map(|round| round.rate)),
        median: median(rounds.iter().map(|round| round.median)),
        p99: median(rounds.iter().map(|round| round.p99)),
        processor: median(rounds.iter().map(|round| round.processor)),
        memory: rounds.iter().map(|round| round.memory).max().unwrap_or(0),
    }
}

/// The middle one; of two in the middle their mean. 0 of nothing.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(0.0);
    if values.len() % 2 == 1 {
        upper
    } else {
        (upper + values.get(middle.wrapping_sub(1)).copied().unwrap_or(0.0)) / 2.0
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn medians() {
        let check = |values: &[f64], expect: f64| assert_eq!(super::median(values.iter().copied()), expect);
        check(&[], 0.0);
        check(&[7.0], 7.0);
        check(&[9.0, 1.0, 5.0], 5.0);
        check(&[9.0, 1.0, 5.0, 3.0], 4.0);
    }
}
