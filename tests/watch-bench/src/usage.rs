//! What the lab's servers use, as `/proc` tells: processor time of process groups, resident memory.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Linux shows times to programs in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// The lab's servers, by name, each with its process (which leads its group).
pub(crate) struct Servers(BTreeMap<String, i32>);

/// What all of them have used up to a moment.
pub(crate) struct Moment {
    at: Instant,
    processor: BTreeMap<String, Duration>,
    /// Resident memory in bytes.
    memory: BTreeMap<String, u64>,
}

/// Cores that each of them used on average.
pub(crate) struct Cores(BTreeMap<String, f64>);

impl Servers {
    /// `LAB_PIDS` names them: `envoy:12 kube-apiserver:34`.
    pub(crate) fn of_lab() -> Result<Self> {
        let text = std::env::var("LAB_PIDS").context("LAB_PIDS is not set")?;
        let one = |pair: &str| {
            let (name, pid) = pair.split_once(':')?;
            Some((name.to_owned(), pid.parse().ok()?))
        };
        Ok(Self(text.split_whitespace().map(|pair| one(pair).context("LAB_PIDS")).collect::<Result<_>>()?))
    }

    /// What stands for kube-apiserver and Coder in this lab: a stand-in is both.
    pub(crate) fn kube(&self) -> &'static str {
        if self.0.contains_key("standin") { "standin" } else { "kube-apiserver" }
    }

    pub(crate) fn now(&self) -> Moment {
        let mut processor = BTreeMap::new();
        let stats: Vec<Vec<String>> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| stat(entry.file_name().to_str()?))
            .collect();
        for (name, group) in &self.0 {
            // proc(5), counted from the third: field 5 is the process group, 14 and 15 are user and system time.
            let of_group =
                stats.iter().filter(|fields| fields.get(2).is_some_and(|field| *field == group.to_string()));
            let ticks: u32 = of_group
                .flat_map(|fields| fields.iter().skip(11).take(2))
                .filter_map(|field| field.parse::<u32>().ok())
                .sum();
            processor.insert(name.clone(), TICK * ticks);
        }
        let memory = self.0.iter().map(|(name, pid)| (name.clone(), memory(*pid))).collect();
        Moment { at: Instant::now(), processor, memory }
    }
}

impl Moment {
    pub(crate) fn since(&self, earlier: &Self) -> Cores {
        let elapsed = self.at.duration_since(earlier.at).as_secs_f64();
        let used = |(name, time): (&String, &Duration)| {
            let before = earlier.processor.get(name).copied().unwrap_or_default();
            (name.clone(), time.saturating_sub(before).as_secs_f64() / elapsed)
        };
        Cores(self.processor.iter().map(used).collect())
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        self.memory.get(name).copied().unwrap_or(0)
    }
}

impl Cores {
    /// All of these together; those that do not run here use nothing.
    pub(crate) fn of(&self, names: &[&str]) -> f64 {
        // No float is the sum of none: that would be -0.
        names.iter().filter_map(|name| self.0.get(*name)).fold(0.0, |sum, cores| sum + cores)
    }
}

/// The fields of `/proc/<pid>/stat` from the third on. The name in parentheses may hold anything.
fn stat(pid: &str) -> Option<Vec<String>> {
    pid.parse::<u32>().ok()?;
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_ascii_whitespace().map(str::to_owned).collect())
}

fn memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_or(0, |kibibytes: u64| kibibytes * 1024)
}
