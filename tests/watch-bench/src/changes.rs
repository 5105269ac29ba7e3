//! What is changed while others watch: a workspace's time to live through Envoy, and builds in Coder itself.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use e2e::{Endpoint, Lab, Request};
use serde_json::{Value, json};

/// The lab's many workspaces are this user's, and are called so.
const MANY: &str = "many-";

/// One workspace.
#[derive(Clone)]
pub(crate) struct Workspace {
    /// Its name in Kubernetes.
    pub(crate) name: String,
    /// Its id in Coder.
    id: String,
    /// How often it was changed.
    changes: u64,
}

/// The workspaces that are changed in turn.
pub(crate) struct Changes {
    front: Endpoint,
    coder: Endpoint,
    collection: String,
    workspaces: Vec<Workspace>,
    next: usize,
    /// The first time to live that is set, in minutes: another run on the same lab must change something, too.
    minutes: u64,
}

impl Changes {
    pub(crate) fn new(lab: &Lab) -> Result<Self> {
        let mut changes = Self {
            front: lab.front(),
            coder: lab.coder(),
            collection: lab.path("coderworkspaces"),
            workspaces: Vec::new(),
            next: 0,
            minutes: 60 + std::time::UNIX_EPOCH.elapsed()?.as_secs() % 30_000,
        };
        let list = changes.list(&changes.front)?;
        let text =
            |object: &Value, name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        let items = list["items"].as_array().context("a list has items")?;
        let all = items.iter().map(|object| (text(object, "name"), text(object, "uid")));
        let many = all.filter(|(name, _)| name.contains(MANY));
        changes.workspaces = many.map(|(name, id)| Workspace { name, id, changes: 0 }).collect();
        if changes.workspaces.is_empty() {
            bail!("no workspace is called {MANY}…: the lab was brought up without --workspaces");
        }
        Ok(changes)
    }

    fn list(&self, endpoint: &Endpoint) -> Result<Value> {
        let list = endpoint.get(&self.collection);
        if list.status() != 200 {
            bail!("the list is answered {}: {}", list.status(), list.excerpt());
        }
        Ok(list.json())
    }

    /// Path and query of a watch from now on, as an informer sends it after its list.
    pub(crate) fn watch_path(&self, endpoint: &Endpoint) -> Result<String> {
        let list = self.list(endpoint)?;
        let version = list["metadata"]["resourceVersion"].as_str().context("a list has a version")?;
        let query =
            format!("watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds=3000");
        Ok(format!("{}?{query}", self.collection))
    }

    /// The one whose turn it is.
    pub(crate) fn next(&mut self) -> Workspace {
        let count = self.workspaces.len();
        let workspace = &mut self.workspaces[self.next % count];
        self.next += 1;
        workspace.changes += 1;
        workspace.clone()
    }

    /// Changes its time to live through Envoy; returns when that was answered.
    pub(crate) fn write(&self, workspace: &Workspace) -> Result<Instant> {
        let body = json!({"spec": {"ttlMillis": (self.minutes + workspace.changes) * 60_000}}).to_string();
        let path = format!("{}/{}", self.collection, workspace.name);
        let request = Request::new("PATCH", &path).body("application/merge-patch+json", body);
        let answer = self.front.try_send(&request)?;
        let answered = Instant::now();
        if answer.status() != 200 {
            bail!("a write is answered {}: {}", answer.status(), answer.excerpt());
        }
        Ok(answered)
    }

    /// Starts it when it was stopped and the other way round, in Coder; returns when that was answered.
    pub(crate) fn build(&self, workspace: &Workspace) -> Result<Instant> {
        let path = format!("/api/v2/workspaces/{}", workspace.id);
        let read = self.coder.get(&path).json();
        let runs = read["latest_build"]["transition"] == "start";
        let body = json!({"transition": if runs { "stop" } else { "start" }});
        let answer = self.coder.try_send(&Request::post(&format!("{path}/builds"), &body))?;
        let answered = Instant::now();
        if answer.status() != 201 {
            bail!("Coder answers a build {}: {}", answer.status(), answer.excerpt());
        }
        Ok(answered)
    }
}
