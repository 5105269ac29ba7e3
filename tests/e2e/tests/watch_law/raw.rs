//! Raw watchers: they list or stream what there is, and go on from the last version when a watch ends, however it ends; at whatever Envoy, which
//! may tell again what it cannot know to be known.

use crate::{diary::now, dice::Dice, judge::Testimony, told::Told};
use e2e::{
    Endpoint, Request, Stream,
    stream::{Next, PROTOCOLS},
    watch::{INITIAL_EVENTS_END, STREAMING_LIST},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};

/// By name, what one knows.
pub(crate) type Store = BTreeMap<String, Value>;

/// See the module. Ends with [`Raw::stop`].
pub(crate) struct Raw {
    store: Arc<Mutex<Store>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Testimony>,
}

struct Watcher {
    fronts: Vec<Endpoint>,
    path: String,
    dice: Dice,
    store: Arc<Mutex<Store>>,
    stop: Arc<AtomicBool>,
    /// What is known has this version; zero knows nothing.
    version: u64,
    streams: u64,
    testimony: Testimony,
}

impl Raw {
    /// Begins to watch a collection through any of these Envoys.
    pub(crate) fn start(client: String, fronts: Vec<Endpoint>, path: String, dice: Dice) -> Raw {
        let (store, stop) = (Arc::default(), Arc::default());
        let testimony = Testimony::new(client);
        let (kept, stopped) = (Arc::clone(&store), Arc::clone(&stop));
        let watcher =
            Watcher { fronts, path, dice, store: kept, stop: stopped, version: 0, streams: 0, testimony };
        Raw { store, stop, thread: thread::spawn(move || watcher.run()) }
    }

    /// What it knows now.
    pub(crate) fn store(&self) -> Store {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it.
    pub(crate) fn stop(self) -> Testimony {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a raw watcher runs to its end")
    }
}

impl Watcher {
    fn run(mut self) -> Testimony {
        while !self.stop.load(Ordering::Relaxed) {
            let front = self.dice.of(&self.fronts).clone();
            if self.version == 0 && self.dice.percent(50) && !self.list(&front) {
                sleep(Duration::from_millis(300));
                continue;
            }
            self.watch(&front);
            // As clients do that are asked to be patient.
            sleep(Duration::from_millis(100));
        }
        self.testimony
    }

    /// Reads everything, in pages or at once; false when that fails.
    fn list(&mut self, front: &Endpoint) -> bool {
        let limit = self.dice.percent(50).then(|| 1 + self.dice.below(6));
        let (mut listed, mut token) = (Vec::new(), String::new());
        loop {
            let limit = limit.map_or_else(String::new, |limit| format!("limit={limit}&continue={token}"));
            let answer = front.try_send(&Request::get(&format!("{}?{limit}", self.path)));
            let Some(list) = answer.ok().filter(|answer| answer.status() == 200).map(|answer| answer.json())
            else {
                return false;
            };
            listed.extend(list["items"].as_array().cloned().unwrap_or_default());
            token = list["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
            if token.is_empty() {
                self.version = version(&list);
                self.replace(listed);
                return true;
            }
        }
    }

    /// Everything anew, as a list or a stream has told it.
    fn replace(&mut self, objects: Vec<Value>) {
        let told = objects.iter().map(|object| Told::object(None, "LISTED", object, now()));
        self.testimony.told.extend(told);
        let named = objects.into_iter().map(|object| (name(&object), object));
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = named.collect();
    }

    /// One watch, to its end or until it is bored.
    fn watch(&mut self, front: &Endpoint) {
        self.streams += 1;
        let seconds = 2 + self.dice.below(20);
        let query = match self.version {
            0 => STREAMING_LIST.to_owned(),
            version => format!("watch=true&allowWatchBookmarks=true&resourceVersion={version}"),
        };
        let target = format!("{}?{query}&timeoutSeconds={seconds}", self.path);
        let protocol = *self.dice.of(&PROTOCOLS);
        let Ok(mut stream) = Stream::try_open(front, protocol, &Request::get(&target)) else {
            // Nobody listens there for the moment.
            return sleep(Duration::from_millis(200));
        };
        let bored = Instant::now() + self.dice.milliseconds(500, 25_000);
        // Until its end has come, what a stream tells of everything is not known.
        let mut initial = (self.version == 0).then(Vec::new);
        while !self.stop.load(Ordering::Relaxed) && Instant::now() < bored {
            match stream.next(Duration::from_millis(200)) {
                Next::Quiet => {}
                Next::Ended(_) => return,
                Next::Line(line) => {
                    let Ok(event) = serde_json::from_str::<Value>(&line) else {
                        // A connection may be cut anywhere; what stands before an end is no whole line.
                        if !matches!(stream.next(Duration::from_secs(5)), Next::Ended(_)) {
                            let told = Told::object(Some(self.streams), "no JSON", &Value::Null, now());
                            let broken = told.breaks("not understood", &self.testimony.client, &line);
                            self.testimony.strange.push(broken);
                        }
                        return;
                    };
                    if event["kind"] == "Status" {
                        return sleep(Duration::from_millis(200));
                    }
                    if !self.take(&event, &mut initial) {
                        return;
                    }
                }
            }
        }
    }

    /// One event; false when the stream is of no more use.
    fn take(&mut self, event: &Value, initial: &mut Option<Vec<Value>>) -> bool {
        let (kind, object) = (event["type"].as_str().unwrap_or_default(), &event["object"]);
        let at = now();
        match kind {
            "ERROR" => {
                if object["code"] == 410 {
                    self.version = 0;
                }
                sleep(Duration::from_millis(200));
                return false;
            }
            "BOOKMARK" => {
                if object["metadata"]["annotations"][INITIAL_EVENTS_END] == "true"
                    && let Some(objects) = initial.take()
                {
                    self.replace(objects);
                    self.version = version(object);
                    return true;
                }
                if initial.is_none() {
                    self.version = version(object);
                }
                return true;
            }
            _ => {}
        }
        self.testimony.wire.push(Told::object(Some(self.streams), kind, object, at));
        if let Some(initial) = initial {
            initial.push(object.clone());
            return true;
        }
        self.version = version(object);
        self.testimony.told.push(Told::object(None, kind, object, at));
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        match kind {
            "DELETED" => store.remove(&name(object)),
            _ => store.insert(name(object), object.clone()),
        };
        true
    }
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}
