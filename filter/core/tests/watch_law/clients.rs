//! Informers: what they ask, what they are told, and what must hold of it.

use crate::PATH;
use crate::world::{Asker, Selects, World};
use coder_kube_core::exchange::{Reply, Request, Verdict};
use serde_json::Value;
use std::collections::BTreeMap;

impl World {
    pub(crate) fn reply(&mut self, client: Option<Asker>, reply: &Reply) {
        let Some((at, request)) = client else { return };
        if !self.clients[at].busy || self.clients[at].request != request {
            return;
        }
        self.clients[at].busy = false;
        self.clients[at].not_before = self.now + 50 + self.dice.millis(300);
        if reply.status != 200 {
            assert!(matches!(reply.status, 429 | 503 | 504), "{}", String::from_utf8_lossy(&reply.body));
            return;
        }
        if !self.clients[at].listing {
            return self.told(at, &reply.body);
        }
        self.listed(at, &serde_json::from_slice(&reply.body).unwrap());
    }

    /// A list, or a page of one.
    fn listed(&mut self, at: usize, list: &Value) {
        let text = |field: &str| list["metadata"][field].as_str().unwrap_or_default().to_owned();
        for item in list["items"].as_array().unwrap() {
            let (name, known) = known(item);
            self.check_forward(at, &name, &known);
            self.clients[at].replaced.insert(name, known);
        }
        let client = &mut self.clients[at];
        (client.version, client.next_page) = (text("resourceVersion"), text("continue"));
        if !client.next_page.is_empty() {
            return;
        }
        let (store, paged) = (std::mem::take(&mut client.replaced), client.limit != 0);
        for (name, known) in std::mem::take(&mut client.store) {
            // What is renamed while pages are read may be on none of them; the watch that follows tells of it.
            if !paged && !store.contains_key(&name) {
                self.check_gone(at, &name, &known.0);
            }
        }
        let client = &mut self.clients[at];
        (client.store, client.listing, client.synced) = (store, false, true);
    }

    pub(crate) fn client(&mut self, at: usize) {
        let now = self.now;
        while let Some((_, part)) = self.clients[at].parts.pop_front_if(|(moment, _)| *moment <= now) {
            let (process, worker) = self.clients[at].place;
            let clock = self.processes[process].workers[worker].clock;
            let Some(carried) = self.clients[at].carried.as_mut() else { break };
            let told = carried.part(&part, false, clock);
            self.told(at, &told);
        }
        let client = &mut self.clients[at];
        if client.busy || client.carried.is_some() || now < client.not_before {
            return;
        }
        let mut place = self.place();
        let client = &mut self.clients[at];
        if !client.next_page.is_empty() {
            // Pages come by the same connection, as long as there is one; the watch that follows need not.
            place.0 = client.place.0;
        }
        client.busy = true;
        client.request += 1;
        let request = client.request;
        client.place = place;
        client.seen_in_stream.clear();
        client.told_in_stream.clear();
        client.opened_at = if client.synced { client.version.clone() } else { "0".to_owned() };
        let selected = client.selects.query();
        let query = if client.listing {
            format!("?limit={}&continue={}&{selected}", client.limit, client.next_page)
        } else if client.synced {
            format!("?watch=true&allowWatchBookmarks=true&resourceVersion={}&{selected}", client.version)
        } else {
            client.replaced = BTreeMap::new();
            format!(
                "?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=&{selected}"
            )
        };
        let headers =
            [(":method", "GET"), (":path", &format!("{PATH}{query}")), ("authorization", "Bearer t")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        // A request's moment is asked for when it has come.
        let (clock, worker) = (self.now, &mut self.processes[place.0].workers[place.1]);
        worker.clock = clock;
        let filter = worker.filter.clone();
        let Verdict::Serve(mut exchange) = filter.receive(Request::new(headers.to_vec(), None), clock, 0)
        else {
            panic!()
        };
        let step = exchange.body(Vec::new(), true, clock);
        self.carry_out(place, exchange, Some((at, request)), step);
    }

    pub(crate) fn told(&mut self, at: usize, lines: &[u8]) {
        for line in String::from_utf8(lines.to_vec()).unwrap().lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let object = &event["object"];
            let kind = event["type"].as_str().unwrap();
            if kind == "ERROR" {
                assert_eq!(object["code"], 410, "{event}");
                let client = &mut self.clients[at];
                (client.carried, client.busy, client.synced, client.listing) =
                    (None, false, false, !client.streams);
                client.parts.clear();
                return;
            }
            let version = object["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
            let number = |text: &str| text.parse::<u64>().unwrap();
            if kind == "BOOKMARK" {
                let client = &mut self.clients[at];
                if object["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true" && !client.synced
                {
                    client.synced = true;
                    let replaced = std::mem::take(&mut client.replaced);
                    let store = std::mem::replace(&mut client.store, replaced);
                    for (name, known) in store {
                        if !self.clients[at].store.contains_key(&name) {
                            self.check_gone(at, &name, &known.0);
                        }
                    }
                }
                let before = &self.clients[at].opened_at;
                assert!(number(before) <= number(&version), "a bookmark lies before {before}: {event}");
                self.clients[at].version = version;
                continue;
            }
            let (name, known) = known(object);
            if self.clients[at].synced {
                let new =
                    self.clients[at].seen_in_stream.insert(format!("{kind} {name} {} {version}", known.0));
                assert!(new, "twice in one stream: {event}\n{}", self.log);
            }
            let told = Told { kind: kind.to_owned(), uid: known.0.clone(), revision: known.1 };
            let before = self.clients[at].told_in_stream.insert(name.clone(), told.clone());
            if let Some(before) = before {
                assert!(
                    told.follows(&before, self.clients[at].selects),
                    "after {before:?}: {event}\n{}",
                    self.log
                );
            }
            if kind == "DELETED" {
                self.check_gone(at, &name, &known.0);
                self.clients[at].store.remove(&name);
            } else {
                self.check_forward(at, &name, &known);
                let client = &mut self.clients[at];
                let store = if client.synced { &mut client.store } else { &mut client.replaced };
                store.insert(name, known);
            }
            if self.clients[at].synced {
                self.clients[at].version = version;
            }
        }
    }

    pub(crate) fn check_forward(&self, at: usize, name: &str, new: &(String, i64)) {
        if let Some(old) = self.clients[at].store.get(name)
            && old.0 == new.0
        {
            assert!(
                old.1 <= new.1,
                "client {at}: {name} went back from {} to {}\n{}",
                old.1,
                new.1,
                self.log
            );
        }
    }

    pub(crate) fn check_gone(&self, at: usize, name: &str, id: &str) {
        let gone = self.coder.deleted.contains_key(id)
            || self.coder.former.contains(&(id.to_owned(), name.to_owned()))
            // It may have been in another state at times.
            || self.clients[at].selects.may_change();
        assert!(gone, "{name} ({id}) is there\n{}", self.log);
    }
}

pub(crate) fn known(object: &Value) -> (String, (String, i64)) {
    let meta = &object["metadata"];
    let text = |field: &str| meta[field].as_str().unwrap().to_owned();
    (text("name"), (text("uid"), object["spec"]["ttlMillis"].as_i64().unwrap_or(0) / 60_000))
}

/// What a stream has said of a name last.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    kind: String,
    uid: String,
    /// Coder's, which every change counts. The part of a version that is of the content is too short to tell all contents apart.
    revision: i64,
}

impl Told {
    /// Whether it may come after another one, in one stream.
    fn follows(&self, before: &Self, selects: Selects) -> bool {
        let same = self.uid == before.uid;
        match (before.kind.as_str(), self.kind.as_str()) {
            ("DELETED", "ADDED") => true,
            // Another one, which has come and gone in between, or has had the name for a while.
            ("DELETED", _) if !same => true,
            // Whether it was selected in between, while nobody here looked, is not known.
            ("DELETED", "DELETED") if selects.may_change() => self.revision >= before.revision,
            // The same, which has had it once more.
            ("DELETED", "DELETED") => self.revision > before.revision,
            ("DELETED", _) => false,
            (_, "ADDED") => false,
            (_, "MODIFIED") => same && self.revision != before.revision,
            _ => same,
        }
    }
}
