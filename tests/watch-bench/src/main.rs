//! `watch-bench COUNTS SECONDS`: opens so many watches on the lab's Envoy, one count after the other, and tells what they cost while nothing
//! happens (for so many seconds) and while things change, how often Coder is asked, and how late events are: on this replica and on another.
//!
//! Knows the lab by its environment alone; `cargo xtask bench watch` brings one up and runs this. It judges nothing.

mod changes;
mod figures;
mod usage;
mod watchers;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use e2e::{Endpoint, Lab, Replica};

use changes::Changes;
use figures::{Delays, Load, report_delays, report_load};
use usage::Servers;
use watchers::Watchers;

/// Changes while the load is measured, one each [`PACE`].
const WRITES: u32 = 40;
const PACE: Duration = Duration::from_millis(500);
/// Changes that Coder is asked for itself.
const BUILDS: u32 = 10;
/// What is still on its way comes within that.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a count of watchers is left alone before anything is measured: Coder is read in full, memory is given back.
const SETTLE: Duration = Duration::from_secs(5);
/// Watchers on each of two replicas.
const ON_EACH: usize = 100;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(counts), Some(seconds)) = (arguments.next(), arguments.next()) else {
        bail!("usage: watch-bench COUNTS SECONDS")
    };
    let counts: Vec<usize> = counts.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let idle = Duration::from_secs(seconds.parse()?);
    let lab = Lab::exclusive().context("no lab in the environment")?;
    let bench = Bench { servers: Servers::of_lab()?, lab, idle };
    let mut changes = Changes::new(&bench.lab)?;

    let mut loads = vec![bench.nobody()];
    let mut delays = Vec::new();
    for count in counts {
        let (load, delay) = bench.one_replica(count, &mut changes)?;
        loads.push(load);
        delays.push(delay);
    }
    let replica = Replica::start(&bench.lab, &[]);
    let (calls, mut both) = bench.two_replicas(&replica, &mut changes)?;
    delays.append(&mut both);
    print!("{}", report_load(&loads, &bench.servers));
    println!("\nTwo replicas, {ON_EACH} watchers on each: Coder is asked {calls:.0} times a minute.");
    print!("{}", report_delays(&delays));
    Ok(())
}

struct Bench {
    lab: Lab,
    servers: Servers,
    idle: Duration,
}

impl Bench {
    /// What everything costs while nobody watches.
    fn nobody(&self) -> Load {
        std::thread::sleep(SETTLE);
        let before = (self.servers.now(), calls(&self.lab.envoy_admin), Instant::now());
        std::thread::sleep(SETTLE);
        let (now, asked) = (self.servers.now(), calls(&self.lab.envoy_admin) - before.1);
        let idle = now.since(&before.0);
        Load { watchers: 0, opened: Duration::ZERO, idle, calls: a_minute(asked, before.2), busy: None, now }
    }

    /// So many watches on the lab's own Envoy.
    fn one_replica(&self, count: usize, changes: &mut Changes) -> Result<(Load, Delays)> {
        let (watchers, opened) = self.open(&self.lab.front(), count, changes)?;
        let before = (self.servers.now(), calls(&self.lab.envoy_admin), Instant::now());
        std::thread::sleep(self.idle);
        let idle = self.servers.now().since(&before.0);
        let calls = a_minute(calls(&self.lab.envoy_admin) - before.1, before.2);

        let before = self.servers.now();
        let writes = self.write(&[&watchers], changes)?;
        let now = self.servers.now();
        let busy = Some(now.since(&before));
        let builds = self.build(&[&watchers], changes)?;
        let delays = Delays::new(format!("{count}"), &writes[0], &builds[0]);
        complain(&watchers);
        Ok((Load { watchers: count, opened, idle, calls, busy, now }, delays))
    }

    /// Watches on two Envoys; the changes pass the first.
    fn two_replicas(&self, replica: &Replica, changes: &mut Changes) -> Result<(f64, Vec<Delays>)> {
        let (near, _) = self.open(&self.lab.front(), ON_EACH, changes)?;
        let (far, _) = self.open(&replica.front(), ON_EACH, changes)?;
        let asked = || calls(&self.lab.envoy_admin) + calls(replica.admin());
        let before = (asked(), Instant::now());
        std::thread::sleep(self.idle);
        let calls = a_minute(asked() - before.0, before.1);
        let writes = self.write(&[&near, &far], changes)?;
        let builds = self.build(&[&near, &far], changes)?;
        let title = |what: &str| format!("{ON_EACH} and {ON_EACH}, {what}");
        let delays = vec![
            Delays::new(title("the replica that was written through"), &writes[0], &builds[0]),
            Delays::new(title("the other"), &writes[1], &builds[1]),
        ];
        complain(&near);
        complain(&far);
        Ok((calls, delays))
    }

    fn open(&self, endpoint: &Endpoint, count: usize, changes: &Changes) -> Result<(Watchers, Duration)> {
        let begun = Instant::now();
        eprintln!("opening {count} watches");
        let watchers = Watchers::open(endpoint, &changes.watch_path(endpoint)?, count)?;
        let opened = begun.elapsed();
        if watchers.refused() > 0 {
            eprintln!("*** {} were refused at first ***", watchers.refused());
        }
        std::thread::sleep(SETTLE);
        Ok((watchers, opened))
    }

    /// Changes workspaces through the lab's Envoy at a steady pace; returns how late the events were, for each group of watchers.
    fn write(&self, groups: &[&Watchers], changes: &mut Changes) -> Result<Vec<Vec<Option<Duration>>>> {
        eprintln!("{WRITES} writes through Envoy");
        let begun = Instant::now();
        let mut sent = Vec::new();
        for number in 1..=WRITES {
            let workspace = changes.next();
            let marks: Vec<_> = groups.iter().map(|group| group.mark(&workspace.name)).collect();
            sent.push((changes.write(&workspace)?, marks));
            std::thread::sleep((begun + PACE * number).saturating_duration_since(Instant::now()));
        }
        let until = Instant::now() + PATIENCE;
        let mut delays = vec![Vec::new(); groups.len()];
        for (answered, marks) in sent {
            for (delays, mark) in delays.iter_mut().zip(marks) {
                delays.extend(mark.delays_since(answered, until));
            }
        }
        Ok(delays)
    }

    /// The same with builds that Coder is asked for past Envoy, one after the other.
    fn build(&self, groups: &[&Watchers], changes: &mut Changes) -> Result<Vec<Vec<Option<Duration>>>> {
        eprintln!("{BUILDS} builds in Coder");
        let mut delays = vec![Vec::new(); groups.len()];
        for _ in 0..BUILDS {
            let workspace = changes.next();
            let marks: Vec<_> = groups.iter().map(|group| group.mark(&workspace.name)).collect();
            let answered = changes.build(&workspace)?;
            for (delays, mark) in delays.iter_mut().zip(marks) {
                delays.extend(mark.delays_since(answered, answered + PATIENCE));
            }
        }
        Ok(delays)
    }
}

/// Says what should not be.
fn complain(watchers: &Watchers) {
    let (ended, errors) = watchers.lost();
    if ended + errors > 0 {
        eprintln!("*** {ended} watches have ended, {errors} were told of an error ***");
    }
}

/// How often an Envoy has called Coder since it was started.
fn calls(admin: &str) -> u64 {
    let name = "cluster.coder.upstream_rq_total";
    let stats = Endpoint::from_url(admin).get(&format!("/stats?filter=^{name}$"));
    let text = stats.text();
    text.trim().rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn a_minute(count: u64, since: Instant) -> f64 {
    count as f64 * 60.0 / since.elapsed().as_secs_f64()
}
