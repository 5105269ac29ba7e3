//! After any sequence of changes and faults a watcher holds what a list shows, and has not been told anything wrong on the way.

use e2e::{
    Api, Lab, Parts, Protocol, Replica, Scratch, Watcher,
    api::workspace,
    faults::{self, Faults},
    seed::{coder_get, workspace_name},
    stream::PROTOCOLS,
};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Changes in a run.
const STEPS: usize = 60;

/// A generator of numbers that need not be good (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % 1_000_003).unwrap() % sides
    }
}

/// One change past our API, as people make them; Coder may refuse it, because a build is under way.
fn in_coder(lab: &Lab, dice: &mut Dice, held: &[Value]) {
    if held.is_empty() {
        return;
    }
    let id = held[dice.roll(held.len())]["id"].as_str().unwrap().to_owned();
    let send = |method: &str, path: &str, body: &Value| {
        let path = format!("/api/v2/workspaces/{id}{path}");
        lab.coder().send(&e2e::Request::new(method, &path).json(body));
    };
    match dice.roll(6) {
        0 => send("POST", "/builds", &json!({"transition": "delete"})),
        1 => send("POST", "/builds", &json!({"transition": "start"})),
        2 => send("POST", "/builds", &json!({"transition": "stop"})),
        3 => send("PUT", "/ttl", &json!({"ttl_ms": 60_000 * (1 + dice.roll(9))})),
        4 => {
            let policy = ["always", "never"][dice.roll(2)];
            send("PUT", "/autoupdates", &json!({"automatic_updates": policy}));
        }
        _ => send("PATCH", "", &json!({"name": format!("renamed{}", dice.roll(1000))})),
    }
}

/// One change through our API, which may be refused as well.
fn through_us(api: &Api, scratch: &Scratch<'_>, dice: &mut Dice, held: &[Value]) {
    let spec = match dice.roll(6) {
        0 | 1 => {
            let name = scratch.name(&format!("made{}", dice.roll(1000)));
            api.create("", &workspace(&name, ["plain", "dev"][dice.roll(2)], &json!({})));
            return;
        }
        2 => json!({"running": false}),
        3 => json!({"running": true}),
        4 => json!({"ttlMillis": 60_000 * (1 + dice.roll(9))}),
        _ => Value::Null,
    };
    let Some(one) = held.get(dice.roll(held.len().max(1))) else { return };
    let name = workspace_name(one);
    if spec.is_null() {
        api.delete(&name, "", &Value::Null);
    } else {
        api.merge(&name, &json!({"spec": spec}));
    }
}

/// Something goes wrong for a while, where it can be made to.
fn disturb(lab: &Lab, faults: &Faults, dice: &mut Dice) {
    let kube = "/apis/coordination.k8s.io/";
    let coder = |mut fault: Value| {
        fault["user_agent"] = json!("coder-kube-filter");
        fault["method"] = json!("GET");
        fault["count"] = json!(3);
        faults.coder("*", &fault);
    };
    match dice.roll(8) {
        5 | 6 if lab.kube == Parts::Real => faults.clear(),
        0 => coder(json!({"kind": "reset"})),
        1 => coder(faults::status(500, &json!({"message": "boom"}))),
        2 => coder(json!({"kind": "truncate"})),
        3 => coder(json!({"kind": "garbage"})),
        4 => coder(json!({"kind": "delay", "delay": 700})),
        5 => faults.cut_watches(["end", "reset"][dice.roll(2)]),
        6 => faults.kube(kube, &json!({"kind": "reset", "method": "PATCH"})),
        _ => faults.clear(),
    }
}

fn run(lab: &Lab, seed: u64) {
    println!("seed {seed}");
    let scratch = Scratch::new(lab);
    let mut dice = Dice(seed | 1);
    let faults = (lab.parts == Parts::Standin).then(|| Faults::new(lab));
    let other = Replica::start(lab, &[]);
    let (here, there) = (lab.front(), other.front());
    let apis = [&here, &there].map(|front| Api::new(lab, scratch.acting(front.clone()), "coderworkspaces"));
    let (path, own) =
        (lab.path("coderworkspaces"), format!("labelSelector=coder.com/owner%3D{}", scratch.user));
    let mut watchers = vec![
        Watcher::list(&here, Protocol::Http1, &path, ""),
        Watcher::list(&there, Protocol::Http2, &path, ""),
        Watcher::streaming(&here, Protocol::Http2, &path, &own),
        Watcher::streaming(
            &there,
            Protocol::Http1,
            &path,
            &format!("{own}&fieldSelector=spec.running%3Dtrue"),
        ),
        Watcher::list(
            &here,
            Protocol::Http1,
            &path,
            &format!("{own}&fieldSelector=status.latestBuildStatus!%3Drunning"),
        ),
        Watcher::list(&there, PROTOCOLS[1], &format!("{}/coderworkspaces", e2e::GROUP_VERSION), &own),
    ];
    for watcher in &mut watchers {
        watcher.may_break = faults.is_some();
    }
    for _ in 0..STEPS {
        let page = coder_get(lab, &format!("/workspaces?q=owner:{}", scratch.user));
        let held = page["workspaces"].as_array().cloned().unwrap_or_default();
        match dice.roll(3) {
            0 => in_coder(lab, &mut dice, &held),
            _ => through_us(&apis[dice.roll(2)], &scratch, &mut dice, &held),
        }
        if let Some(faults) = &faults
            && dice.roll(4) == 0
        {
            disturb(lab, faults, &mut dice);
        }
        let watcher = dice.roll(watchers.len());
        watchers[watcher].next(Duration::from_millis(200));
        std::thread::sleep(Duration::from_millis(dice.roll(300) as u64));
    }
    if let Some(faults) = &faults {
        faults.clear();
    }
    for watcher in &mut watchers {
        watcher.converge();
    }
}

#[test]
fn a_storm_leaves_nobody_with_a_wrong_picture() {
    let Some(lab) = Lab::exclusive() else { return };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = std::env::var("E2E_SEED").ok().and_then(|seed| seed.parse().ok());
    run(&lab, seed.unwrap_or(now));
}
