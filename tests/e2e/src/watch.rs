//! A client that keeps up with a collection, as informers do: it lists, watches, and goes on from the last version it has seen when a watch
//! ends. So a test of it holds with a streaming watch and with long polls.
//!
//! Whatever a test is about, each event is checked for what must always hold: its form, that its version lies above the one before, and
//! that it fits what is known already.

use crate::{
    Endpoint, Request,
    api::{PATIENCE, ok},
    stream::{Next, Protocol, Stream},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

/// The annotation of the bookmark that ends the initial events.
pub const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What turns a list into a watch that begins with what there is.
pub const STREAMING_LIST: &str =
    "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

/// The bits of a version that are a hash of the object; those above are a moment.
const HASH: u64 = (1 << 21) - 1;

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// `ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK`.
    pub kind: String,
    /// The object.
    pub object: Value,
    /// When it came.
    pub at: Instant,
}

impl Event {
    /// The object's name.
    pub fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// The object's version.
    pub fn version(&self) -> u64 {
        version(&self.object)
    }

    /// Whether it is of this kind and about an object of this name.
    pub fn is(&self, kind: &str, name: &str) -> bool {
        self.kind == kind && self.name() == name
    }
}

/// The version of an object or a list.
///
/// # Panics
/// When it is none that clients may compare: a positive decimal number without leading zeros.
#[track_caller]
pub fn version(object: &Value) -> u64 {
    let text = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    let number = text.parse().unwrap_or_default();
    assert!(number > 0 && !text.starts_with('0'), "not a version: {text:?} in {object}");
    number
}

/// See the module.
#[derive(Debug)]
pub struct Watcher {
    endpoint: Endpoint,
    protocol: Protocol,
    path: String,
    query: String,
    stream: Stream,
    opened: Instant,
    fruitful: bool,
    /// Whether a watch may break or be refused for the moment (503), too, and is gone on with as if it had ended.
    pub may_break: bool,
    /// Everything up to this version has been seen.
    pub version: u64,
    /// The list's version; 0 where it began without one.
    since: u64,
    /// Whether the initial events have come.
    synced: bool,
    /// Whether it began with a list.
    listed: bool,
    /// The objects that events were about.
    told: BTreeSet<(String, String)>,
    /// Ids of those that were told to have gone.
    departed: BTreeSet<String>,
    /// Whether it has gone from one server to another, which may tell again what the first has told: each sees it at a moment of its own.
    moved: bool,
    /// What an informer would hold, by namespace and name.
    pub store: BTreeMap<(String, String), Value>,
    /// All events so far, bookmarks included.
    pub events: Vec<Event>,
}

impl Watcher {
    /// Lists, and watches from the list's version. `query` holds selectors, or nothing.
    ///
    /// # Panics
    /// When the list is refused.
    #[track_caller]
    pub fn list(endpoint: &Endpoint, protocol: Protocol, path: &str, query: &str) -> Watcher {
        let list = ok(&endpoint.get(&format!("{path}?{query}")));
        let version = version(&list);
        let stream = open(endpoint, protocol, path, query, version);
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let store = items.into_iter().map(|item| (key(&item), item)).collect();
        Watcher {
            endpoint: endpoint.clone(),
            protocol,
            path: path.into(),
            query: query.into(),
            stream,
            opened: Instant::now(),
            fruitful: false,
            may_break: false,
            version,
            since: version,
            synced: true,
            listed: true,
            told: BTreeSet::new(),
            departed: BTreeSet::new(),
            moved: false,
            store,
            events: Vec::new(),
        }
    }

    /// Watches from nothing, and returns when what there is has been sent.
    ///
    /// # Panics
    /// When that does not come to its end.
    #[track_caller]
    pub fn streaming(endpoint: &Endpoint, protocol: Protocol, path: &str, query: &str) -> Watcher {
        let target = format!("{path}?{STREAMING_LIST}&timeoutSeconds=300&{query}");
        let mut watcher = Watcher {
            endpoint: endpoint.clone(),
            protocol,
            path: path.into(),
            query: query.into(),
            stream: Stream::get(endpoint, protocol, &target),
            opened: Instant::now(),
            fruitful: false,
            may_break: false,
            version: 0,
            since: 0,
            synced: false,
            listed: false,
            told: BTreeSet::new(),
            departed: BTreeSet::new(),
            moved: false,
            store: BTreeMap::new(),
            events: Vec::new(),
        };
        watcher
            .until("synced", |event| !event.object["metadata"]["annotations"][INITIAL_EVENTS_END].is_null());
        watcher
    }

    /// The next event that comes within this time. A watch that has ended properly is gone on with.
    ///
    /// # Panics
    /// When an event is not as it must be, or a watch ends otherwise.
    #[track_caller]
    pub fn next(&mut self, within: Duration) -> Option<Event> {
        let deadline = Instant::now() + within;
        loop {
            match self.stream.next(deadline.saturating_duration_since(Instant::now())) {
                Next::Line(line) if self.stream.head().status != 200 => {
                    let status = self.stream.head().status;
                    assert!(self.may_break && status == 503, "{}: {status} {line}", self.path);
                    thread::sleep(Duration::from_millis(200));
                    self.go_on();
                }
                // Elsewhere less may be remembered of what has been.
                Next::Line(line) if self.moved && line.contains("\"Expired\"") => self.relist(),
                Next::Line(line) => {
                    let event = self.parse(&line);
                    self.learn(&event);
                    self.fruitful = true;
                    self.events.push(event.clone());
                    return Some(event);
                }
                Next::Quiet => return None,
                Next::Ended(Err(_)) if self.may_break => self.go_on(),
                Next::Ended(Err(error)) => panic!("{}: the watch broke: {error}", self.path),
                Next::Ended(Ok(())) => self.reopen(),
            }
        }
    }

    /// Events until one is as wanted, which is returned.
    ///
    /// # Panics
    /// When none is, with what came instead.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> bool) -> Event {
        let start = Instant::now();
        while let Some(left) = PATIENCE.checked_sub(start.elapsed()) {
            if let Some(event) = self.next(left)
                && wanted(&event)
            {
                return event;
            }
        }
        panic!("never {what}, but {:#?}", self.told());
    }

    /// Events until an object is known to be as wanted, if it is not so already; returns it.
    ///
    /// # Panics
    /// When it never is.
    #[track_caller]
    pub fn knows(&mut self, name: &str, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        if let Some(object) = self.known(name).filter(|object| wanted(object)) {
            return object.clone();
        }
        self.until(&format!("{name} {what}"), |event| {
            event.name() == name && event.kind != "DELETED" && wanted(&event.object)
        })
        .object
    }

    /// Events until an object has been deleted, if it has not been already; returns the last event about it.
    ///
    /// # Panics
    /// When it never is.
    #[track_caller]
    pub fn knows_gone(&mut self, name: &str) -> Event {
        if let Some(event) = self.about(name).last().filter(|event| event.kind == "DELETED") {
            return (*event).clone();
        }
        self.until(&format!("{name} deleted"), |event| event.is("DELETED", name))
    }

    /// Follows until it knows what a list shows: nothing was lost, and nothing is left behind.
    ///
    /// # Panics
    /// When that does not happen.
    #[track_caller]
    pub fn converge(&mut self) {
        let start = Instant::now();
        loop {
            let list = self.endpoint.get(&format!("{}?{}", self.path, self.query));
            if self.may_break && list.status() == 503 && start.elapsed() < PATIENCE {
                self.next(Duration::from_millis(500));
                continue;
            }
            let list = ok(&list);
            let items = list["items"].as_array().cloned().unwrap_or_default();
            let listed: BTreeMap<_, _> =
                items.into_iter().map(|item| (key(&item), comparable(&item))).collect();
            let known: BTreeMap<_, _> =
                self.store.iter().map(|(key, object)| (key.clone(), comparable(object))).collect();
            if listed == known {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "listed: {listed:#?}\nknown: {known:#?}\nafter {:?}",
                self.told()
            );
            self.next(Duration::from_millis(500));
        }
    }

    /// Goes on at another server.
    ///
    /// # Panics
    /// When it cannot be reached.
    #[track_caller]
    pub fn follow(&mut self, endpoint: &Endpoint) {
        self.endpoint = endpoint.clone();
        self.moved = true;
        self.go_on();
    }

    /// Events about one object, in order.
    pub fn about(&self, name: &str) -> Vec<&Event> {
        self.events.iter().filter(|event| event.name() == name).collect()
    }

    /// What one object looks like now.
    pub fn known(&self, name: &str) -> Option<&Value> {
        self.store.iter().find(|((_, known), _)| known == name).map(|(_, object)| object)
    }

    /// Kind and name of the last events, for messages.
    fn told(&self) -> Vec<String> {
        let told = |event: &Event| {
            let (status, version) = (&event.object["status"]["latestBuildStatus"], event.version());
            format!("{} {} {}.{} {status}", event.kind, event.name(), version >> 21, version & HASH)
        };
        self.events.iter().rev().take(30).rev().map(told).collect()
    }

    /// Begins anew with a list, as all clients do when a version is too old.
    #[track_caller]
    fn relist(&mut self) {
        let (start, target) = (Instant::now(), format!("{}?{}", self.path, self.query));
        while self.may_break && self.endpoint.get(&target).status() == 503 && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(500));
        }
        let anew = Watcher::list(&self.endpoint, self.protocol, &self.path, &self.query);
        assert!(anew.version > self.version, "a list that comes later is newer: {}", self.version);
        let (events, may_break) = (std::mem::take(&mut self.events), self.may_break);
        *self = Watcher { events, may_break, moved: true, ..anew };
    }

    /// Goes on where the watch has ended.
    #[track_caller]
    fn reopen(&mut self) {
        assert!(self.synced, "{}: the watch ended before it had told what there is", self.path);
        // Clients take a watch that is over at once, without any event, for one that cannot be had, and list again.
        let lasted = self.stream.last.duration_since(self.opened);
        assert!(
            self.fruitful || lasted >= Duration::from_millis(900),
            "an empty watch ended after {lasted:?}"
        );
        self.go_on();
    }

    #[track_caller]
    fn go_on(&mut self) {
        // With another Envoy that was heard of lately, what was told of late is told once more.
        self.moved |= self.may_break;
        self.stream = open(&self.endpoint, self.protocol, &self.path, &self.query, self.version);
        (self.opened, self.fruitful) = (Instant::now(), false);
    }

    #[track_caller]
    fn parse(&self, line: &str) -> Event {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("no JSON: {e}: {line:?}"));
        let fields: Vec<_> = event.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(fields, ["object", "type"], "{line}");
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        assert!(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"].contains(&kind.as_str()), "{line}");
        for field in ["kind", "apiVersion"] {
            assert!(
                event["object"][field].as_str().is_some_and(|text| !text.is_empty()),
                "no {field}: {line}"
            );
        }
        Event { kind, object: event["object"].clone(), at: self.stream.last }
    }

    /// Checks an event against what is known, and takes it over.
    #[track_caller]
    fn learn(&mut self, event: &Event) {
        let (new, said) = (event.version(), &event.object);
        if event.kind == "BOOKMARK" {
            assert!(new >= self.version, "a bookmark goes back from {} to {said}", self.version);
            self.synced |= said["metadata"]["annotations"][INITIAL_EVENTS_END] == "true";
            self.version = new;
            return;
        }
        if self.synced {
            // A deletion that a list has missed may have the list's own version; another server tells again what may not have been told.
            let grows = new > self.version || (new == self.since && event.kind == "DELETED") || self.moved;
            assert!(grows, "not above {}: {} {said}", self.version, event.kind);
            self.version = self.version.max(new);
        }
        let key = key(said);
        let before = self.store.get(&key);
        let label = format!("{} {key:?} {said}", event.kind);
        // What a list has shown may be told again: that of which it was made may have been found out by the one who tells only afterwards.
        let first = self.told.insert(key.clone());
        let again = self.listed && first;
        let uid = said["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let departs = event.kind == "DELETED" && self.departed.insert(uid);
        match (event.kind.as_str(), before) {
            _ if self.moved => {}
            ("ADDED", None) => {}
            // What was made and has gone again before anybody has seen it may be told to be gone: each of those that had the name.
            ("DELETED", None) if first || departs => {}
            ("ADDED" | "MODIFIED", Some(before)) if again => {
                assert!(progress(before) <= progress(said), "back from {before} to {label}");
            }
            ("MODIFIED", Some(before)) => {
                assert_eq!(before["metadata"]["uid"], said["metadata"]["uid"], "{label}");
                assert_ne!(comparable(before), comparable(said), "nothing has changed: {label}");
                assert!(progress(before) <= progress(said), "back from {before} to {label}");
            }
            ("DELETED", Some(before)) => {
                assert_eq!(before["metadata"]["uid"], said["metadata"]["uid"], "{label}");
            }
            (_, before) => panic!("{label} does not fit {before:?}"),
        }
        assert!(
            event.kind == "DELETED" || self.synced || event.kind == "ADDED",
            "{label} before the bookmark"
        );
        if event.kind == "DELETED" {
            self.store.remove(&key);
        } else {
            self.store.insert(key, said.clone());
        }
    }
}

#[track_caller]
fn open(endpoint: &Endpoint, protocol: Protocol, path: &str, query: &str, version: u64) -> Stream {
    let watch = format!("watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion={version}");
    Stream::get(endpoint, protocol, &format!("{path}?{watch}&{query}"))
}

fn key(object: &Value) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

/// An object without what may differ between two views of the same state: lists of Kubernetes' own leave out the kind of their items, and the
/// moment in a version is that of whoever saw the change.
pub fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    let hash = version(&object) & HASH;
    object["metadata"]["resourceVersion"] = hash.into();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    object
}

/// How far a workspace has come: its build, and that build's state. It never goes back.
fn progress(object: &Value) -> (Option<u64>, usize) {
    let build = &object["status"]["latestBuild"];
    let rank = match build["status"].as_str() {
        Some("pending") => 0,
        Some("starting" | "stopping" | "deleting") => 1,
        Some("canceling") => 2,
        _ => 3,
    };
    (build["number"].as_u64(), rank)
}

/// A request that watches.
pub fn request(path: &str, query: &str) -> Request {
    Request::get(&format!("{path}?watch=true&{query}"))
}
