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
    collections::BTreeMap,
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
    /// Everything up to this version has been seen.
    pub version: u64,
    /// Whether the initial events have come.
    synced: bool,
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
            version,
            synced: true,
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
            version: 0,
            synced: false,
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
                Next::Line(line) => {
                    let event = self.parse(&line);
                    self.learn(&event);
                    self.fruitful = true;
                    self.events.push(event.clone());
                    return Some(event);
                }
                Next::Quiet => return None,
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
        let (start, first) = (Instant::now(), self.events.len());
        while let Some(left) = PATIENCE.checked_sub(start.elapsed()) {
            if let Some(event) = self.next(left)
                && wanted(&event)
            {
                return event;
            }
        }
        panic!("never {what}, but {:?}", self.told(first));
    }

    /// Follows until it knows what a list shows: nothing was lost, and nothing is left behind.
    ///
    /// # Panics
    /// When that does not happen.
    #[track_caller]
    pub fn converge(&mut self) {
        let start = Instant::now();
        loop {
            let list = ok(&self.endpoint.get(&format!("{}?{}", self.path, self.query)));
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
                self.told(0)
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
        self.stream = open(&self.endpoint, self.protocol, &self.path, &self.query, self.version);
        (self.opened, self.fruitful) = (Instant::now(), false);
    }

    /// Events about one object, in order.
    pub fn about(&self, name: &str) -> Vec<&Event> {
        self.events.iter().filter(|event| event.name() == name).collect()
    }

    /// What one object looks like now.
    pub fn known(&self, name: &str) -> Option<&Value> {
        self.store.iter().find(|((_, known), _)| known == name).map(|(_, object)| object)
    }

    /// Kind and name of the events since one, for messages.
    fn told(&self, first: usize) -> Vec<String> {
        let told = |event: &Event| {
            let status = &event.object["status"]["latestBuildStatus"];
            format!("{} {} {} {status}", event.kind, event.name(), event.version())
        };
        self.events[first..].iter().map(told).collect()
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
            assert!(new > self.version, "not above {}: {} {said}", self.version, event.kind);
            self.version = new;
        }
        let key = key(said);
        let before = self.store.get(&key);
        let label = format!("{} {key:?} {said}", event.kind);
        match (event.kind.as_str(), before) {
            ("ADDED", None) => {}
            ("MODIFIED", Some(before)) => {
                assert_eq!(before["metadata"]["uid"], said["metadata"]["uid"], "{label}");
                let changed = comparable(before) != comparable(said);
                assert!(changed || self.moved, "nothing has changed: {label}");
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
    let order = ["pending", "running", "canceling"];
    let rank = order.iter().position(|status| build["status"] == *status).unwrap_or(order.len());
    (build["number"].as_u64(), rank)
}

/// A request that watches.
pub fn request(path: &str, query: &str) -> Request {
    Request::get(&format!("{path}?watch=true&{query}"))
}
