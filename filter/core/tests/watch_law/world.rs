//! Processes of two workers each, the calls that they make, and what becomes of them.

use crate::clients::Told;
use crate::coder::{Coder, Dice, Workspace, ok};
use crate::lease::{Lease, review};
use crate::{START, STEP};
use coder_kube_core::config::Config;
use coder_kube_core::exchange::{Call, CallId, Carried, Exchange, Filter, Outcome, Step};
use coder_kube_core::watch::Alone;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::rc::Rc;

/// A client, and which of its requests it is.
pub(crate) type Asker = (usize, u64);

pub(crate) struct Worker {
    /// The moment of its last event, by which it goes.
    pub(crate) clock: i64,
    /// That was set back since.
    pub(crate) is_set_back: bool,
    pub(crate) filter: Rc<Filter>,
    pub(crate) works: Vec<(u64, Exchange, Option<Asker>)>,
    /// Called, and answered when it is time.
    pub(crate) calls: Vec<(i64, i64, u64, CallId, Call, Option<Outcome>)>,
}

pub(crate) struct Process {
    pub(crate) shared: Rc<Alone>,
    pub(crate) workers: Vec<Worker>,
}

/// What a client wants to see.
#[derive(Clone, Copy, Default)]
pub(crate) enum Selects {
    #[default]
    All,
    Running,
    Status(&'static str),
    Name(&'static str),
}

impl Selects {
    pub(crate) fn query(self) -> String {
        match self {
            Self::All => String::new(),
            Self::Running => "fieldSelector=spec.running%3Dtrue".to_owned(),
            Self::Status(status) => format!("fieldSelector=status.latestBuildStatus%3D{status}"),
            Self::Name(name) => format!("fieldSelector=metadata.name%3D{name}"),
        }
    }

    /// Whether an object can be selected at one time and not at another.
    pub(crate) fn may_change(self) -> bool {
        matches!(self, Self::Running | Self::Status(_))
    }

    pub(crate) fn wants(self, workspace: &Workspace) -> bool {
        match self {
            Self::All => true,
            Self::Running => workspace.transition == "start",
            Self::Status(status) => workspace.status == status,
            Self::Name(name) => name == workspace.full_name(),
        }
    }
}

#[derive(Default)]
pub(crate) struct Client {
    /// Name, id and revision of what it knows.
    pub(crate) store: BTreeMap<String, (String, i64)>,
    pub(crate) version: String,
    pub(crate) selects: Selects,
    pub(crate) synced: bool,
    /// How it begins: a list and a watch, or a watch that sends everything.
    pub(crate) streams: bool,
    pub(crate) listing: bool,
    /// Objects on a page; 0 for all.
    pub(crate) limit: usize,
    /// The continue token of the page that it asks for.
    pub(crate) next_page: String,
    pub(crate) place: (usize, usize),
    pub(crate) carried: Option<Carried>,
    pub(crate) parts: VecDeque<(i64, Vec<u8>)>,
    pub(crate) busy: bool,
    pub(crate) request: u64,
    pub(crate) not_before: i64,
    pub(crate) seen_in_stream: BTreeSet<String>,
    /// Of each name the last event of this stream.
    pub(crate) told_in_stream: BTreeMap<String, Told>,
    /// Version that its stream was opened with, or 0.
    pub(crate) opened_at: String,
    pub(crate) replaced: BTreeMap<String, (String, i64)>,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) now: i64,
    pub(crate) coder: Coder,
    pub(crate) bell: Lease,
    pub(crate) poller: Lease,
    pub(crate) version: u64,
    pub(crate) processes: Vec<Process>,
    pub(crate) clients: Vec<Client>,
    pub(crate) next_work: u64,
    pub(crate) with_bell: bool,
    /// Below `watch`.
    pub(crate) settings: String,
    /// The process that every connection comes to; `None` for any.
    pub(crate) only: Option<usize>,
    /// Now and then all connections come to one process for a while.
    pub(crate) moves: bool,
    /// Patches of the poller's Lease are forbidden.
    pub(crate) silent: bool,
    /// Calls that Coder was asked.
    pub(crate) asked: usize,
    /// The process that has last said that it reads Coder for all.
    pub(crate) leader: usize,
    pub(crate) log: String,
}

impl World {
    pub(crate) fn new(seed: u64, replicas: usize, with_bell: bool, settings: &str) -> Self {
        let mut world = Self {
            dice: Dice(seed | 1),
            now: START,
            coder: Coder::default(),
            bell: Lease::default(),
            poller: Lease::default(),
            version: 10,
            processes: Vec::new(),
            clients: Vec::new(),
            next_work: 0,
            with_bell,
            settings: settings.to_owned(),
            asked: 0,
            only: None,
            moves: false,
            silent: false,
            leader: 0,
            log: String::new(),
        };
        (world.bell.version, world.poller.version) = (8, 9);
        // Replicas know of each other by the bell.
        for _ in 0..replicas {
            let shared = Rc::new(Alone::default());
            let workers = (0..2).map(|_| world.worker(&shared)).collect();
            world.processes.push(Process { shared, workers });
        }
        let all = [Selects::All; 6];
        let some = [Selects::Running, Selects::Status("running"), Selects::Name("coder.alice.ws3")];
        world.clients = all
            .into_iter()
            .chain(some.into_iter().flat_map(|selects| [selects; 2]))
            .enumerate()
            .map(|(n, selects)| Client {
                selects,
                streams: n % 2 == 0,
                listing: n % 2 == 1,
                limit: if n % 4 == 1 { 3 } else { 0 },
                ..Client::default()
            })
            .collect();
        world
    }

    pub(crate) fn worker(&mut self, shared: &Rc<Alone>) -> Worker {
        let bell = if self.with_bell {
            r#","bell":{"cluster":"kube-filter","namespace":"n","lease":"bell","pollerLease":"poller"}"#
        } else {
            ""
        };
        let settings = &self.settings;
        let config = format!(
            r#"{{"mode":"front","kubernetes":{{"cluster":"kube"}},"limits":{{"listPageSize":5}},"watch":{{{settings}{bell}}},
            "controlPlanes":[{{"namespace":"coder","cluster":"coder","authority":"coder","dashboardURL":"https://c"}}]}}"#
        );
        let config = Config::parse(config.as_bytes()).unwrap();
        let filter = Filter::sharing(config, shared.clone(), self.dice.roll(u64::MAX));
        Worker { clock: self.now, is_set_back: false, filter, works: Vec::new(), calls: Vec::new() }
    }

    /// What a worker takes for the present: it asks when an event comes, and may be held up before it has dealt with that.
    pub(crate) fn clock(&mut self, (process, worker): (usize, usize)) -> i64 {
        let now = self.now - if self.dice.one_in(4) { self.dice.millis(60) } else { 0 };
        let clock = &mut self.processes[process].workers[worker].clock;
        *clock = now.max(*clock);
        *clock
    }

    pub(crate) fn step(&mut self, busy: bool) {
        self.now += STEP;
        self.coder.go_on(&mut self.dice, self.now, busy);
        if busy {
            self.faults();
        }
        for process in 0..self.processes.len() {
            for worker in 0..self.processes[process].workers.len() {
                self.work(process, worker);
            }
        }
        for client in 0..self.clients.len() {
            self.client(client);
        }
    }

    pub(crate) fn faults(&mut self) {
        let place = self.place();
        if self.dice.one_in(1500) {
            // A worker's VM dies: its streams are reset, and what it was about to do is lost.
            self.log("a VM dies");
            let shared = self.processes[place.0].shared.clone();
            let worker = self.worker(&shared);
            self.processes[place.0].workers[place.1] = worker;
            self.disconnect(|client| client.place == place);
        }
        if self.dice.one_in(4000) {
            self.process_dies(place.0);
        }
        if self.moves && self.dice.one_in(3000) {
            // A deployment rolls, or a load balancer changes its mind: for a while there is one that nobody comes to.
            self.log("all go elsewhere");
            let after = self.dice.millis(5_000);
            self.all_move_to(place.0, after);
        } else if self.moves && self.dice.one_in(1500) {
            self.only = None;
        }
        if self.dice.one_in(300) {
            let one = usize::try_from(self.dice.roll(self.clients.len() as u64)).unwrap();
            let mut n = 0;
            self.disconnect(|_| {
                n += 1;
                n == one + 1
            });
        }
    }

    /// Everybody's clock is set back. The host wakes whatever sleeps.
    pub(crate) fn set_back(&mut self, by: i64) {
        self.now -= by;
        for client in &mut self.clients {
            client.not_before -= by;
            client.parts.iter_mut().for_each(|(at, _)| *at -= by);
        }
        for worker in self.processes.iter_mut().flat_map(|process| &mut process.workers) {
            worker.clock -= by;
            for (reached, answered, ..) in &mut worker.calls {
                (*reached, *answered) = (*reached - by, *answered - by);
            }
            worker.is_set_back = true;
        }
    }

    /// Everybody's stream is reset, and nobody comes back for so long, and then to one process only.
    pub(crate) fn all_move_to(&mut self, process: usize, after: i64) {
        self.disconnect(|_| true);
        self.only = Some(process);
        let moment = self.now + after;
        self.clients.iter_mut().for_each(|client| client.not_before = moment);
    }

    /// And another begins in its place.
    pub(crate) fn process_dies(&mut self, process: usize) {
        self.log("a process dies");
        let shared = Rc::new(Alone::default());
        let workers = (0..2).map(|_| self.worker(&shared)).collect();
        self.processes[process] = Process { shared, workers };
        self.disconnect(|client| client.place.0 == process);
    }

    /// Any worker.
    pub(crate) fn place(&mut self) -> (usize, usize) {
        let any = usize::try_from(self.dice.roll(self.processes.len() as u64)).unwrap();
        (self.only.unwrap_or(any), usize::try_from(self.dice.roll(2)).unwrap())
    }

    pub(crate) fn log(&mut self, what: &str) {
        let _ = writeln!(self.log, "{} {what}", self.now - START);
    }

    pub(crate) fn disconnect(&mut self, mut whom: impl FnMut(&Client) -> bool) {
        for client in &mut self.clients {
            if whom(client) {
                (client.carried, client.busy) = (None, false);
                client.request += 1;
                client.parts.clear();
            }
        }
        let requests: Vec<u64> = self.clients.iter().map(|client| client.request).collect();
        for worker in self.processes.iter_mut().flat_map(|process| &mut process.workers) {
            worker.works.retain(|(.., asker)| asker.is_none_or(|(at, request)| requests[at] == request));
        }
    }

    pub(crate) fn work(&mut self, process: usize, worker: usize) {
        let (now, clock) = (self.now, self.clock((process, worker)));
        let filter = self.processes[process].workers[worker].filter.clone();
        filter.keep(clock);
        for mut exchange in filter.take_background() {
            let step = exchange.advance();
            self.carry_out((process, worker), exchange, None, step);
        }
        let place = &mut self.processes[process].workers[worker];
        for (_, _, _, _, call, outcome) in
            place.calls.iter_mut().filter(|call| call.0 <= now && call.5.is_none())
        {
            *outcome = Some(match call.cluster.as_str() {
                "coder" => {
                    self.asked += 1;
                    self.coder.answer(call, &mut self.dice, now)
                }
                "kube" if call.method == "GET" => ok(200, &json!({"kind": "Namespace", "metadata": {}})),
                "kube" => ok(201, &review(call)),
                _ => {
                    let (bell, poller) = (&mut self.bell, &mut self.poller);
                    let is_bell = call.path.ends_with("/bell");
                    let lease = if is_bell { bell } else { poller };
                    if call.method == "PATCH" && self.silent && !is_bell {
                        ok(403, &json!({}))
                    } else if call.method == "PATCH" {
                        self.version += 1;
                        let body: Value = serde_json::from_slice(&call.body).unwrap();
                        let done = lease.patch(&body, self.version);
                        if done && body["spec"]["renewTime"].is_string() {
                            self.leader = process;
                        }
                        if done && is_bell {
                            let part =
                                json!({"type": "MODIFIED", "object": lease.json()}).to_string().into_bytes();
                            for client in self.clients.iter_mut().filter(|client| client.carried.is_some()) {
                                let at = client.parts.back().map_or(now, |(at, _)| (*at).max(now));
                                client.parts.push_back((at + self.dice.millis(60), part.clone()));
                            }
                        }
                        ok(if done { 200 } else { 409 }, &lease.json())
                    } else {
                        ok(200, &lease.json())
                    }
                }
            });
        }
        loop {
            let place = &mut self.processes[process].workers[worker];
            let Some(at) = place.calls.iter().position(|call| call.1 <= now && call.5.is_some()) else {
                break;
            };
            let (_, _, id, call, _, outcome) = place.calls.remove(at);
            let Some(at) = place.works.iter().position(|(of, ..)| *of == id) else { continue };
            let (_, mut exchange, client) = place.works.remove(at);
            let step = exchange.resume(call, outcome.unwrap(), clock);
            self.carry_out_as(id, (process, worker), exchange, client, step);
        }
        let place = &mut self.processes[process].workers[worker];
        let all = std::mem::take(&mut place.is_set_back);
        let is_due = |exchange: &Exchange| exchange.wakes_at().is_some_and(|moment| all || moment <= clock);
        let due: Vec<u64> =
            place.works.iter().filter(|(_, exchange, _)| is_due(exchange)).map(|(id, ..)| *id).collect();
        for id in due {
            let place = &mut self.processes[process].workers[worker];
            let at = place.works.iter().position(|(of, ..)| *of == id).unwrap();
            let (_, mut exchange, client) = place.works.remove(at);
            let step = exchange.wake(clock);
            self.carry_out_as(id, (process, worker), exchange, client, step);
        }
    }

    pub(crate) fn carry_out(
        &mut self,
        place: (usize, usize),
        exchange: Exchange,
        client: Option<Asker>,
        step: Step,
    ) {
        self.next_work += 1;
        self.carry_out_as(self.next_work, place, exchange, client, step);
    }

    pub(crate) fn carry_out_as(
        &mut self,
        id: u64,
        place: (usize, usize),
        exchange: Exchange,
        client: Option<Asker>,
        step: Step,
    ) {
        match step {
            Step::Reply(reply) => return self.reply(client, &reply),
            Step::Carry(carried, _) => {
                let (at, request) = client.unwrap();
                let client = &mut self.clients[at];
                if client.busy && client.request == request {
                    let mut carried = *carried;
                    carried.begins(200, self.processes[place.0].workers[place.1].clock);
                    client.carried = Some(carried);
                    let part = json!({"type": "ADDED", "object": self.bell.json()}).to_string().into_bytes();
                    client.parts = VecDeque::from([(self.now + self.dice.millis(50), part)]);
                }
                return;
            }
            Step::Wait => {}
            Step::Call(calls) => {
                for (call_id, call) in calls {
                    let most = if self.dice.one_in(20) { 2_000 } else { 60 };
                    let reached = self.now + self.dice.millis(most);
                    let answered = reached + self.dice.millis(60);
                    self.processes[place.0].workers[place.1]
                        .calls
                        .push((reached, answered, id, call_id, call, None));
                }
            }
        }
        self.processes[place.0].workers[place.1].works.push((id, exchange, client));
    }
}
