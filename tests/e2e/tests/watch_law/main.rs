//! The law of watching: whatever happens, in the end every informer's store is Coder's state; no object goes back to an earlier state of Coder, no
//! object that is alive is told to be deleted, and no stream tells a version twice.
//!
//! A long and random test: clients of every kind at two Envoys side by side and at the lab's own, changes through us, past us and by builds, and
//! trouble (`trouble.rs`). Its choices follow a seed, which is printed and can be given: `WATCH_LAW_SEED`, and `WATCH_LAW_SECONDS` for how long
//! things change.

mod diary;
mod dice;
mod judge;
mod raw;
mod reflectors;
mod told;
mod trouble;
mod watching;
mod world;

use diary::{Diary, now};
use dice::Dice;
use e2e::{
    Lab, Replica, Request, Scratch, go,
    seed::{coder_get, coder_workspaces, workspace_name},
};
use judge::Broken;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env,
    io::Write,
    thread::{scope, sleep},
    time::{Duration, Instant},
};

/// How long things change.
const SECONDS: u64 = 35;

/// The longest until all know what there is when nothing changes any more: clients that have failed often wait for half a minute and more.
const CONVERGENCE: Duration = Duration::from_secs(150);

#[test]
fn whatever_happens_informers_come_to_know_what_coder_knows() {
    let Some(lab) = Lab::exclusive() else { return };
    let Some(program) = go::program() else { return };
    let seed = number("WATCH_LAW_SEED").unwrap_or_else(now);
    let seconds = number("WATCH_LAW_SECONDS").unwrap_or(SECONDS);
    say(&format!("WATCH_LAW_SEED={seed} WATCH_LAW_SECONDS={seconds}"));
    let mut dice = Dice::new(seed);
    let scratch = Scratch::new(&lab);
    let there =
        [coder_workspaces(&lab), coder_get(&lab, "/templates").as_array().cloned().unwrap_or_default()];
    let there = there.iter().flatten().filter_map(|object| object["id"].as_str().map(str::to_owned));
    let diary = Diary::new(&scratch.user, there.collect());
    let changes = settings(&lab);
    let changes: Vec<_> = changes.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
    let replicas = vec![Replica::with_workers(&lab, &changes, 2), Replica::with_workers(&lab, &changes, 2)];
    let mut kubeconfigs: Vec<_> = replicas.iter().map(|replica| replica.kubeconfig(&lab)).collect();
    let mut fronts: Vec<_> = replicas.iter().map(Replica::front).collect();
    kubeconfigs.push(lab.kubeconfig.clone());
    fronts.push(lab.front());
    let mut writers: Vec<_> = ["la", "lb"]
        .iter()
        .map(|what| world::Writer::new(&scratch, &lab, &diary, fronts.clone(), dice.split(), (what, 5)))
        .collect();
    let watching = watching::Watching::start(&lab, &program, &scratch.user, &kubeconfigs, &fronts, &mut dice);
    let mut maker = trouble::Maker {
        lab: &lab,
        diary: &diary,
        dice: dice.split(),
        replicas,
        fronts: fronts.clone(),
        clients: &watching.go,
    };

    let end = Instant::now() + Duration::from_secs(seconds);
    scope(|scope| {
        for writer in &mut writers {
            scope.spawn(|| writer.run(end));
        }
        scope.spawn(|| maker.run(end));
    });
    let front = fronts.last().expect("the lab's own");
    let never = convergence(|| watching.behind(&lab, front).or_else(|| not_coders_state(&lab, front)));
    let folder = env::temp_dir().join(format!("watch-law-{seed}"));
    watching.keep(&folder);
    let testimonies = watching.testimonies();
    judge::keep(&testimonies, &folder);
    std::fs::write(folder.join("diary"), diary.all()).expect("a temporary folder");
    let told: usize = testimonies.iter().map(|testimony| testimony.told.len()).sum();
    say(&format!("{} clients were told {told} things, {} were done", testimonies.len(), diary.len()));
    let mut broken = judge::broken(&testimonies, &diary);
    broken.extend(never.map(|words| Broken {
        law: "never known",
        client: String::new(),
        at: now(),
        object: String::new(),
        words,
    }));
    report(&broken, &diary);
    let kept = folder.display();
    assert!(broken.is_empty(), "WATCH_LAW_SEED={seed}: the law is broken {} times; see {kept}", broken.len());
    std::fs::remove_dir_all(&folder).expect("it was just written");
}

/// Waits until nothing is behind any more. In the end, what still is.
fn convergence(behind: impl Fn() -> Option<String>) -> Option<String> {
    let (quiet, mut last) = (Instant::now(), String::new());
    while let Some(words) = behind() {
        let one = words.lines().next().unwrap_or_default().to_owned();
        if one != last {
            println!("behind after {:?}: {one}", quiet.elapsed());
        }
        last = one;
        if quiet.elapsed() > CONVERGENCE {
            return Some(words);
        }
        sleep(Duration::from_millis(500));
    }
    say(&format!("all is known after {:?}", quiet.elapsed()));
    None
}

/// How often each part of the law is broken, and the first times with what happened around them.
fn report(broken: &[Broken], diary: &Diary) {
    let mut laws: BTreeMap<&str, Vec<&Broken>> = BTreeMap::new();
    for one in broken {
        laws.entry(one.law).or_default().push(one);
    }
    for (law, all) in &laws {
        println!("\n{law}: {} times", all.len());
        all.iter().take(3).for_each(|one| println!("{}", one.show(diary)));
    }
}

/// Readings as often as can be, and in small pages, so that much happens in little time.
fn settings(lab: &Lab) -> Vec<(String, String)> {
    let limits = "\"limits\": { \"listPageSize\": 3 },";
    let often = "\"pollSeconds\": 1, \"readingSeconds\": 5, \"readingShare\": 50";
    if lab.bell {
        return vec![("\"watch\": {".into(), format!("{limits} \"watch\": {{ {often},"))];
    }
    let mode = lab.mode_setting();
    vec![(mode.into(), format!("{mode} {limits} \"watch\": {{ {often} }},"))]
}

/// How a list differs from what Coder itself shows: what the filter cannot have wrong together with the clients.
fn not_coders_state(lab: &Lab, front: &e2e::Endpoint) -> Option<String> {
    let answer = front.try_send(&Request::get(&lab.path("coderworkspaces"))).ok()?;
    let list = answer.json();
    let ours: BTreeMap<String, Value> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| {
            let (spec, status) = (&item["spec"], &item["status"]);
            let shown = json!({
                "id": item["metadata"]["uid"], "build": status["latestBuild"]["number"], "status": status["latestBuildStatus"],
                "ttl": spec["ttlMillis"], "schedule": spec["autostartSchedule"], "dormant": status["dormantAt"].is_string(),
            });
            (item["metadata"]["name"].as_str().unwrap_or_default().to_owned(), shown)
        })
        .collect();
    let coders: BTreeMap<String, Value> = coder_workspaces(lab)
        .iter()
        .map(|workspace| {
            let build = &workspace["latest_build"];
            let shown = json!({
                "id": workspace["id"], "build": build["build_number"], "status": build["status"],
                "ttl": workspace["ttl_ms"].as_u64().filter(|ttl| *ttl > 0), "schedule": workspace["autostart_schedule"], "dormant": workspace["dormant_at"].is_string(),
            });
            (workspace_name(workspace), shown)
        })
        .collect();
    (ours != coders).then(|| format!("ours {ours:#?}\nCoder's {coders:#?}"))
}

/// Also in the output of a test that passes.
fn say(line: &str) {
    // Nobody listens any more.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}
