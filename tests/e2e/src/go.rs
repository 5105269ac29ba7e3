//! The watching clients in Go (`tests/go`), driven by lines of JSON: one process with as many clients as a test wants, what they
//! have said so far, and waiting for what they shall say.

use crate::{Lab, skip};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// As `tests/go` takes it: workspaces.
pub const WORKSPACES: &str = "coderworkspaces.v1alpha1.aggregation.coder.com";

/// As `tests/go` takes it: templates.
pub const TEMPLATES: &str = "codertemplates.v1alpha1.aggregation.coder.com";

/// How long a client may take to answer a command.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a process shall be, beside its clients.
#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    /// The kubeconfig, where it is not the lab's.
    pub kubeconfig: Option<&'a Path>,
    /// Its context, where it is not the current one.
    pub context: &'a str,
    /// Lists before it watches, as clients did before streaming lists.
    pub lists: bool,
    /// Paths of fields that events show.
    pub fields: &'a [&'a str],
}

/// See the module. The process ends with this value.
#[derive(Debug)]
pub struct GoClients {
    title: String,
    child: Child,
    commands: ChildStdin,
    said: Arc<Said>,
}

#[derive(Debug, Default)]
struct Said {
    inner: Mutex<Inner>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    lines: Vec<Value>,
    /// The last words on standard error.
    errors: Vec<String>,
    ended: bool,
}

/// What a client believes there is.
#[derive(Clone, Debug)]
pub struct Held {
    /// Whether it believes to know everything.
    pub synced: bool,
    /// By namespace and name.
    pub objects: BTreeMap<(String, String), Value>,
}

impl Held {
    /// The names, in order.
    pub fn names(&self) -> Vec<&str> {
        self.objects.keys().map(|(_, name)| name.as_str()).collect()
    }

    /// One object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.objects.iter().find(|((_, held), _)| held == name).map(|(_, object)| object)
    }
}

/// The program, or a word on why the test is left out.
///
/// # Panics
/// When there is none although `E2E_REQUIRED=1`.
pub fn program() -> Option<PathBuf> {
    let program = env::var_os("GO_CLIENTS").filter(|path| !path.is_empty()).map(PathBuf::from);
    if program.is_none() {
        let required = env::var("E2E_REQUIRED").is_ok_and(|value| value == "1");
        assert!(!required, "GO_CLIENTS is not set");
        skip("GO_CLIENTS names no program");
    }
    program
}

impl GoClients {
    /// Starts a process: what it does (`informers`, `discovered`, `retrywatcher`, `controller-runtime`), and the specs of its clients.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(lab: &Lab, program: &Path, what: &str, specs: &[Value], options: &Options<'_>) -> GoClients {
        let mut command = Command::new(program);
        command.env("KUBECONFIG", options.kubeconfig.unwrap_or(&lab.kubeconfig));
        command.args(["-wire", "-context", options.context, "-fields", &options.fields.join(",")]);
        command.arg(format!("-watch-list={}", !options.lists)).arg(what);
        command.args(specs.iter().map(Value::to_string));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        let commands = child.stdin.take().expect("a pipe");
        let (output, errors) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let said = Arc::new(Said::default());
        let (listening, complaining) = (Arc::clone(&said), Arc::clone(&said));
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                listening.lock().lines.push(line);
                listening.more.notify_all();
            }
            listening.lock().ended = true;
            listening.more.notify_all();
        });
        thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                complaining.lock().errors.push(line);
            }
        });
        let clients = GoClients { title: format!("{what} {specs:?}"), child, commands, said };
        clients.until("started", PATIENCE, |line| line["line"] == "started");
        clients
    }

    /// All that was said so far.
    pub fn lines(&self) -> Vec<Value> {
        self.said.lock().lines.clone()
    }

    /// How many lines there are, for those who are interested in later ones only.
    pub fn count(&self) -> usize {
        self.said.lock().lines.len()
    }

    /// Waits until what was said from line `from` on contains what is looked for.
    ///
    /// # Panics
    /// When it is not said in time.
    #[track_caller]
    pub fn wait<T>(
        &self,
        what: &str,
        from: usize,
        limit: Duration,
        mut look: impl FnMut(&[Value]) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + limit;
        let mut inner = self.said.lock();
        loop {
            if let Some(found) = look(inner.lines.get(from..).unwrap_or_default()) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || inner.ended {
                let last = inner.lines.iter().rev().take(12).rev().map(Value::to_string);
                let last: Vec<_> = last.map(|line| line.chars().take(400).collect::<String>()).collect();
                let errors = inner.errors.iter().rev().take(5).rev().cloned().collect::<Vec<_>>();
                drop(inner);
                let (last, errors) = (last.join("\n"), errors.join("\n"));
                panic!("{}: not within {limit:?}: {what}. Last:\n{last}\n{errors}", self.title);
            }
            let waited = self.said.more.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner);
            inner = waited.0;
        }
    }

    /// The first line that is as wanted.
    ///
    /// # Panics
    /// As [`GoClients::wait`].
    #[track_caller]
    pub fn until(&self, what: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait(what, 0, limit, |lines| lines.iter().find(|line| wanted(line)).cloned())
    }

    /// Waits until every one of these clients knows what there is.
    ///
    /// # Panics
    /// As [`GoClients::wait`].
    #[track_caller]
    pub fn synced(&self, ids: &[&str], limit: Duration) {
        for id in ids {
            self.until(&format!("{id} is synced"), limit, |line| {
                line["line"] == "synced" && line["id"] == *id
            });
        }
    }

    /// What one client holds now.
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    pub fn held(&mut self, id: &str) -> Held {
        let from = self.count();
        self.tell(&format!("dump {id}"));
        let dump = self.wait(&format!("what {id} holds"), from, PATIENCE, |lines| {
            lines.iter().find(|line| line["line"] == "dump" && line["id"] == id).cloned()
        });
        let text =
            |object: &Value, key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        let objects = dump["objects"].as_array().cloned().unwrap_or_default();
        let objects =
            objects.into_iter().map(|object| ((text(&object, "namespace"), text(&object, "name")), object));
        Held { synced: dump["synced"] == true, objects: objects.collect() }
    }

    /// Closes every connection without a farewell; how many there were.
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    pub fn cut(&mut self) -> u64 {
        let from = self.count();
        self.tell("cut");
        self.wait("connections are cut", from, PATIENCE, |lines| {
            let cut = lines.iter().find(|line| line["line"] == "cut")?;
            Some(cut["connections"].as_u64().unwrap_or_default())
        })
    }

    /// Gives a command.
    ///
    /// # Panics
    /// When the process has gone.
    #[track_caller]
    pub fn tell(&mut self, command: &str) {
        let told = writeln!(self.commands, "{command}").and_then(|()| self.commands.flush());
        told.unwrap_or_else(|e| panic!("{}: {e}: {:?}", self.title, self.said.lock().errors));
    }
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for GoClients {
    fn drop(&mut self) {
        // Nothing better can be done about a process that is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
