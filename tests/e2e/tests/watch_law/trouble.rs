//! Trouble: Coder down, slow or half-answering, kube-apiserver too, Envoys and VMs that die, connections that are cut. What the lab cannot do
//! is left out. At the end everything is as it was.

use crate::{diary::Diary, dice::Dice};
use e2e::{Endpoint, GROUP_VERSION, GoClients, Lab, Parts, Replica, Request, faults::Faults};
use serde_json::{Value, json};
use std::{
    sync::Mutex,
    thread::sleep,
    time::{Duration, Instant},
};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Clients' connections are closed.
    Cut,
    /// An Envoy ends and comes back.
    Restart,
    /// Both at once.
    RestartAll,
    /// A worker's VM dies.
    Panic,
    /// Coder answers nobody.
    Down,
    /// Coder answers late.
    Slow,
    /// Coder answers a few calls wrongly.
    Wrong,
    /// kube-apiserver answers wrongly when it is asked about Leases or rights.
    KubeWrong,
    /// kube-apiserver ends its watches.
    KubeCuts,
}

/// Least time between two restarts: clients that find nobody wait ever longer, up to half a minute.
const BETWEEN_RESTARTS: Duration = Duration::from_secs(18);

const ANYWHERE: [Trouble; 5] =
    [Trouble::Cut, Trouble::Cut, Trouble::Restart, Trouble::Restart, Trouble::RestartAll];
const CODER: [Trouble; 5] = [Trouble::Down, Trouble::Slow, Trouble::Wrong, Trouble::Wrong, Trouble::Wrong];
const KUBERNETES: [Trouble; 2] = [Trouble::KubeWrong, Trouble::KubeCuts];

/// Who makes it.
pub(crate) struct Maker<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) diary: &'a Diary,
    pub(crate) dice: Dice,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) fronts: Vec<Endpoint>,
    pub(crate) clients: &'a Mutex<Vec<GoClients>>,
}

impl Maker<'_> {
    /// Makes trouble until a time, and then sees that there is none.
    pub(crate) fn run(&mut self, end: Instant) {
        let standin = self.lab.parts == Parts::Standin;
        let faults = standin.then(|| Faults::new(self.lab));
        let mut all = ANYWHERE.to_vec();
        all.extend(faults.iter().flat_map(|_| CODER));
        all.extend(KUBERNETES.into_iter().filter(|_| self.lab.kube == Parts::Standin));
        all.extend([Trouble::Panic; 3].into_iter().filter(|_| self.lab.chaos));
        let mut restarted: Option<Instant> = None;
        while Instant::now() < end {
            sleep(self.dice.milliseconds(300, 3_000));
            let trouble = *self.dice.of(&all);
            let mut lasts = self.dice.milliseconds(100, 4_000);
            if [Trouble::Restart, Trouble::RestartAll].contains(&trouble) {
                if restarted.is_some_and(|at| at.elapsed() < BETWEEN_RESTARTS) {
                    continue;
                }
                restarted = Some(Instant::now());
                lasts /= 3;
            }
            self.diary.note(format!("trouble: {trouble:?} for {lasts:?}"));
            self.make(trouble, lasts, faults.as_ref());
        }
        self.diary.note("no more trouble".into());
    }

    fn make(&mut self, trouble: Trouble, lasts: Duration, faults: Option<&Faults>) {
        match trouble {
            Trouble::Cut => {
                let mut clients = self.clients.lock().expect("nobody has failed");
                let number = self.dice.below(clients.len());
                clients[number].cut();
            }
            Trouble::Restart | Trouble::RestartAll => {
                let all = trouble == Trouble::RestartAll;
                let one = self.dice.below(self.replicas.len());
                let mut chosen: Vec<_> = self
                    .replicas
                    .iter_mut()
                    .enumerate()
                    .filter(|(number, _)| all || *number == one)
                    .collect();
                chosen.iter_mut().for_each(|(_, replica)| replica.kill());
                sleep(lasts);
                chosen.iter_mut().for_each(|(_, replica)| replica.launch());
            }
            Trouble::Panic => {
                for front in &self.fronts {
                    // Whatever the answer: the VM is dead.
                    drop(front.try_send(&Request::get(&format!("{GROUP_VERSION}/chaos/panic"))));
                }
            }
            _ => {
                let faults = faults.expect("the stand-in");
                self.spoil(trouble, faults);
                sleep(lasts);
                faults.clear();
            }
        }
    }

    /// Faults for the filter's own calls alone: the test asks Coder, too.
    fn spoil(&mut self, trouble: Trouble, faults: &Faults) {
        let filter = |fault: Value| {
            let mut fault = fault;
            fault["user_agent"] = json!("coder-kube-filter/");
            fault
        };
        match trouble {
            // Before any effect: a change must not happen long after it was given up.
            Trouble::Down => faults.coder("*", &filter(json!({"kind": "reset"}))),
            Trouble::Slow => {
                let delay = 100 + self.dice.below(2_500);
                faults.coder("*", &filter(json!({"kind": "delay", "delay": delay, "method": "GET"})));
            }
            Trouble::Wrong => {
                let coder = |status: u16, body: Value| e2e::faults::status(status, &body);
                let answers = [
                    json!({"kind": "truncate"}),
                    json!({"kind": "garbage"}),
                    json!({"kind": "hang"}),
                    coder(500, json!({"message": "Internal error."})),
                    coder(502, json!({})),
                    coder(429, json!({"message": "slow down"})),
                    coder(401, json!({"message": "Who are you?"})),
                    // What a token without rights is told.
                    coder(200, json!({"workspaces": [], "count": 0})),
                    coder(200, json!([])),
                ];
                let paths = [
                    "*",
                    "/api/v2/workspaces",
                    "/api/v2/workspaces/*",
                    "/api/v2/organizations/*/provisionerjobs",
                    "/api/v2/templates",
                    "/api/v2/workspacebuilds",
                ];
                let mut path = *self.dice.of(&paths);
                let mut fault = filter(self.dice.of(&answers).clone());
                if self.dice.percent(10) {
                    // No word on a workspace: that would be 410. A template's would be one.
                    path = "/api/v2/workspaces/*";
                    fault = filter(coder(404, json!({"message": "Resource not found"})));
                }
                fault["method"] = json!("GET");
                fault["count"] = json!(1 + self.dice.below(6));
                fault["skip"] = json!(self.dice.below(3));
                self.diary.note(format!("trouble: {path}: {fault}"));
                faults.coder(path, &fault);
            }
            Trouble::KubeWrong => {
                let path = *self.dice.of(&["/apis/coordination.k8s.io", "/apis/authorization.k8s.io"]);
                let kinds = [
                    json!({"kind": "reset"}),
                    json!({"kind": "status", "status": 500, "body": "{}"}),
                    json!({"kind": "status", "status": 429, "body": "{}"}),
                    json!({"kind": "delay", "delay": 1500}),
                ];
                faults.kube(path, self.dice.of(&kinds));
            }
            Trouble::KubeCuts => {
                let how = *self.dice.of(&["end", "reset"]);
                let url = self.lab.standin_url.as_deref().expect("the stand-in");
                let request = Request::new("PATCH", "/standin/watches").json(&json!({"cut": how}));
                Endpoint::from_url(url).send(&request);
            }
            other => unreachable!("{other:?} is no fault of the stand-in"),
        }
    }
}
