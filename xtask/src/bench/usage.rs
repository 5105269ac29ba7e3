//! What programs use, as `/proc` tells: processor time of process groups, resident memory, and what the rest of the
//! machine was doing meanwhile.

use std::fs;

/// Microseconds in a clock tick: Linux shows times to programs in hundredths of a second.
const TICK: u64 = 10_000;

/// The processor's time up to now, in microseconds of all cores together.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    total: u64,
    busy: u64,
    ours: u64,
}

impl Moment {
    /// `groups` are the process groups that belong to the measurement, beside this process and its children.
    pub(super) fn now(groups: &[i32]) -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_ascii_whitespace().skip(1).take(8).map(number).collect();
        let total = ticks.iter().sum::<u64>() * TICK;
        // proc(5): the fourth and fifth are idle and waiting for disks.
        let idle = ticks.iter().skip(3).take(2).sum::<u64>() * TICK;
        // This process with the children that have ended: fields 14 to 17.
        let own = stat("self").map_or(0, |fields| fields.iter().skip(11).take(4).map(number).sum());
        let groups: u64 = groups.iter().map(|group| processor_time(*group)).sum();
        Self { total, busy: total.saturating_sub(idle), ours: own * TICK + groups }
    }

    /// The share of the machine that went to programs outside the measurement since `earlier`.
    pub(super) fn strangers_since(self, earlier: Self) -> f64 {
        let busy = self.busy.saturating_sub(earlier.busy);
        let strange = busy.saturating_sub(self.ours.saturating_sub(earlier.ours));
        strange as f64 / self.total.saturating_sub(earlier.total).max(1) as f64
    }
}

/// User and system time of a process group so far, in microseconds.
pub(super) fn processor_time(group: i32) -> u64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = processes.filter_map(|entry| entry.file_name().into_string().ok());
    let ticks =
        names.filter(|name| name.starts_with(|first: char| first.is_ascii_digit())).filter_map(|pid| {
            let fields = stat(&pid)?;
            // proc(5): field 5 is the process group, 14 and 15 are user and system time.
            (fields.get(2)?.parse() == Ok(group))
                .then(|| fields.iter().skip(11).take(2).map(number).sum::<u64>())
        });
    ticks.sum::<u64>() * TICK
}

/// Resident memory of a process, in bytes.
pub(super) fn memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_or(0, |kibibytes: u64| kibibytes * 1024)
}

/// The fields of `/proc/<pid>/stat` from the third on. The name in parentheses may hold anything.
fn stat(pid: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_ascii_whitespace().map(str::to_owned).collect())
}

fn number(text: impl AsRef<str>) -> u64 {
    text.as_ref().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let group = stat("self").unwrap()[2].parse().unwrap();
        let before = processor_time(group);
        let started = std::time::Instant::now();
        while started.elapsed().as_millis() < 100 {
            std::hint::spin_loop();
        }
        assert!(processor_time(group) > before);
        assert!(memory(pid) > 100_000);
        let moment = Moment::now(&[]);
        assert!(moment.busy > 0 && moment.total > moment.busy);
    }
}
