//! Clients that read and write without a pause, and judge every answer: a failure must be one that says to come again.

use e2e::{
    Api, Endpoint, Lab, Request, Response, Scratch,
    api::workspace,
    check::names,
    seed::{RUNNING, WS0},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// What an answer may say while something is away. 500 and 504 say of a change that its outcome is unknown.
const TROUBLE: [u16; 5] = [429, 500, 502, 503, 504];

/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(30);

/// A client waits no longer for an answer than this.
const SLOW: Duration = Duration::from_secs(65);

/// See the module.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
    /// Who must do well before all is well.
    count: u64,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    /// Requests that went well, by client, since somebody asked.
    well: Mutex<BTreeMap<String, u64>>,
    wrong: Mutex<Vec<String>>,
    notes: Mutex<Vec<String>>,
    answered: AtomicU64,
    failed: AtomicU64,
    promised: AtomicU64,
}

/// What a client does again and again; whether it went well.
type Work = Box<dyn FnMut(&Shared, &str) -> bool + Send>;

/// What became of it.
pub(crate) struct Outcome {
    answered: u64,
    failed: u64,
    promised: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { answered, failed, promised } = self;
        write!(
            f,
            "{answered} requests went well, {failed} did not; {promised} changes were promised and kept"
        )
    }
}

impl Load {
    /// Starts readers and writers.
    pub(crate) fn start(lab: &Lab, scratch: &Scratch<'_>, front: &Endpoint) -> Load {
        let shared = Arc::new(Shared::default());
        let mut clients = Vec::new();
        let mut client = |name: String, mut work: Work| {
            let shared = Arc::clone(&shared);
            clients.push(thread::spawn(move || {
                while !shared.over.load(Ordering::Relaxed) {
                    if work(&shared, &name) {
                        *lock(&shared.well).entry(name.clone()).or_default() += 1;
                        shared.answered.fetch_add(1, Ordering::Relaxed);
                    } else {
                        shared.failed.fetch_add(1, Ordering::Relaxed);
                    }
                    thread::sleep(PAUSE);
                }
            }));
        };
        for resource in ["coderworkspaces", "codertemplates"] {
            for (what, path) in
                [("one", lab.path(resource)), ("all", format!("{}/{resource}", e2e::GROUP_VERSION))]
            {
                let front = front.clone();
                client(
                    format!("lists {what} {resource}"),
                    Box::new(move |shared, name| {
                        let list = shared.judge(name, &front, &Request::get(&path));
                        list.is_some_and(|list| shared.complete(name, &list))
                    }),
                );
            }
        }
        let (reader, path) = (front.clone(), lab.path(&format!("coderworkspaces/{WS0}")));
        client(
            "gets".into(),
            Box::new(move |shared, name| shared.judge(name, &reader, &Request::get(&path)).is_some()),
        );
        for number in 0..3 {
            let name = format!("load{number}");
            scratch.coder_workspace(&name, "plain", &json!({}));
            let mut writer =
                Writer::new(Api::new(lab, front.clone(), "coderworkspaces"), scratch.name(&name));
            client(format!("changes {name}"), Box::new(move |shared, name| writer.write(shared, name)));
        }
        let mut creator = Creator::new(lab, scratch, front);
        client("creates".into(), Box::new(move |shared, name| creator.create(shared, name)));
        let count = clients.len() as u64;
        Load { shared, clients, count }
    }

    /// Writes down what happens, for whoever has to understand a failure.
    pub(crate) fn note(&self, words: String) {
        self.shared.note(words);
    }

    /// Waits until every client has done well again, and again.
    #[track_caller]
    pub(crate) fn recovers(&self, limit: Duration) {
        lock(&self.shared.well).clear();
        let start = Instant::now();
        loop {
            let well = lock(&self.shared.well).clone();
            if well.len() as u64 == self.count && well.values().all(|count| *count > 2) {
                return self.right();
            }
            self.right();
            assert!(start.elapsed() < limit, "not well again: {well:?}\n{}", self.last());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends it.
    #[track_caller]
    pub(crate) fn end(mut self) -> Outcome {
        self.shared.over.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().expect("a client does not panic");
        }
        self.right();
        let number = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let Shared { answered, failed, promised, .. } = &*self.shared;
        Outcome { answered: number(answered), failed: number(failed), promised: number(promised) }
    }

    /// Fails when something was wrong.
    #[track_caller]
    fn right(&self) {
        let wrong = lock(&self.shared.wrong);
        assert!(
            wrong.is_empty(),
            "{} things were wrong: {:#?}\n{}",
            wrong.len(),
            wrong.iter().take(5).collect::<Vec<_>>(),
            self.last()
        );
    }

    fn last(&self) -> String {
        let notes = lock(&self.shared.notes);
        notes.iter().rev().take(25).rev().cloned().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn note(&self, words: String) {
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        lock(&self.notes).push(format!("{:.3} {words}", time.as_secs_f64() % 1000.0));
    }

    fn wrong(&self, words: String) {
        self.note(format!("WRONG {words}"));
        lock(&self.wrong).push(words);
    }

    /// Sends a request; its answer where it went well. One that says what no trouble excuses is written down.
    fn judge(&self, client: &str, front: &Endpoint, request: &Request) -> Option<Response> {
        let start = Instant::now();
        let answer = front.try_send(request);
        if start.elapsed() > SLOW {
            self.wrong(format!("{client}: answered after {:?}", start.elapsed()));
        }
        match answer {
            Ok(answer) if [200, 201].contains(&answer.status()) => Some(answer),
            Ok(answer) => {
                let words = format!(
                    "{client}: {} {}: {} {}",
                    request.method,
                    request.target,
                    answer.status(),
                    answer.excerpt()
                );
                if !TROUBLE.contains(&answer.status()) {
                    self.wrong(words);
                } else {
                    self.note(words);
                }
                None
            }
            // Nobody was there, or whoever was there has gone.
            Err(error) => {
                if error.kind() == io::ErrorKind::InvalidData {
                    self.wrong(format!("{client}: {error}"));
                }
                None
            }
        }
    }

    /// Whether a list has all that is always there.
    fn complete(&self, client: &str, list: &Response) -> bool {
        let names = names(&list.json());
        let missing: Vec<&str> = if client.ends_with("coderworkspaces") {
            RUNNING.into_iter().filter(|name| !names.iter().any(|listed| listed == name)).collect()
        } else {
            e2e::seed::TEMPLATES
                .into_iter()
                .filter(|name| !names.iter().any(|listed| listed == name))
                .collect()
        };
        if !missing.is_empty() {
            self.wrong(format!("{client}: {missing:?} are missing in {names:?}"));
        }
        missing.is_empty()
    }
}

/// Changes one workspace again and again. Each change is known by a number that only grows.
struct Writer {
    api: Api,
    name: String,
    tried: u64,
    promised: u64,
}

impl Writer {
    fn new(api: Api, name: String) -> Writer {
        Writer { api, name, tried: 0, promised: 0 }
    }

    fn write(&mut self, shared: &Shared, client: &str) -> bool {
        self.tried += 1;
        let patch = json!({"spec": {"ttlMillis": self.tried * 60_000}});
        let target = self.api.target(&self.name, "");
        let request = Request::new("PATCH", &target).body(e2e::api::MERGE, patch.to_string());
        let written = shared.judge(client, self.api.endpoint(), &request);
        if written.is_some() {
            self.promised = self.tried;
            shared.promised.fetch_add(1, Ordering::Relaxed);
        }
        let Some(read) = shared.judge(client, self.api.endpoint(), &Request::get(&target)) else {
            return false;
        };
        let shown = read.json()["spec"]["ttlMillis"].as_u64().unwrap_or_default() / 60_000;
        if shown < self.promised || shown > self.tried {
            shared.wrong(format!(
                "{client}: {} was promised, {} tried, {shown} is there",
                self.promised, self.tried
            ));
        }
        written.is_some()
    }
}

/// Makes workspaces, and looks whether those that it was promised are there.
struct Creator {
    api: Api,
    prefix: String,
    made: u32,
    promised: Vec<String>,
}

impl Creator {
    fn new(lab: &Lab, scratch: &Scratch<'_>, front: &Endpoint) -> Creator {
        let api = Api::new(lab, front.clone(), "coderworkspaces");
        Creator { api, prefix: scratch.name("new"), made: 0, promised: Vec::new() }
    }

    fn create(&mut self, shared: &Shared, client: &str) -> bool {
        // Builds take their time: a few are enough.
        thread::sleep(Duration::from_millis(400));
        self.made += 1;
        let name = format!("{}{}", self.prefix, self.made);
        let body: Value = workspace(&name, "plain", &json!({}));
        let request = Request::post(&self.api.target("", ""), &body);
        let created = shared.judge(client, self.api.endpoint(), &request).is_some();
        if created {
            self.promised.push(name);
            shared.promised.fetch_add(1, Ordering::Relaxed);
        }
        let Some(list) = shared.judge(client, self.api.endpoint(), &Request::get(&self.api.target("", "")))
        else {
            return false;
        };
        let listed = names(&list.json());
        for name in self.promised.iter().filter(|name| !listed.contains(name)) {
            shared.wrong(format!("{client}: {name} was promised and is not there"));
        }
        created
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
