//! A Coder that changes by itself, fails now and then, and whose pages are not of one moment.

use crate::START;
use coder_kube_core::exchange::{Answer, Call, Lost, Outcome};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// Numbers that follow from a seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    pub(crate) fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    pub(crate) fn millis(&mut self, most: u64) -> i64 {
        i64::try_from(self.roll(most)).unwrap()
    }
}

#[derive(Clone)]
pub(crate) struct Workspace {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Counts every change; shown as the ttl.
    pub(crate) revision: i64,
    pub(crate) build: i64,
    pub(crate) transition: &'static str,
    pub(crate) status: &'static str,
    pub(crate) built_at: i64,
    pub(crate) finishes_at: Option<i64>,
}

fn time(millis: i64) -> String {
    coder_kube_core::time::format(millis / 1000 * 1000)
}

impl Workspace {
    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id, "created_at": time(START - 1_000_000), "owner_id": "u", "owner_name": "alice", "organization_name": "coder",
            "template_id": "t", "template_name": "dev", "name": self.name, "ttl_ms": self.revision * 60_000,
            "latest_build": {
                "id": format!("{}-{}", self.id, self.build), "created_at": time(self.built_at), "template_version_id": "v",
                "build_number": self.build, "transition": self.transition, "status": self.status,
                "job": {"id": format!("j-{}-{}", self.id, self.build), "created_at": time(self.built_at), "status": self.job()}
            }
        })
    }

    /// As it is called in Kubernetes.
    pub(crate) fn full_name(&self) -> String {
        format!("coder.alice.{}", self.name)
    }

    pub(crate) fn job(&self) -> &'static str {
        if self.finishes_at.is_some() { "running" } else { "succeeded" }
    }
}

#[derive(Default)]
pub(crate) struct Coder {
    pub(crate) workspaces: BTreeMap<String, Workspace>,
    /// Ids, workspaces, and when they were created.
    pub(crate) jobs: Vec<(String, String, i64)>,
    pub(crate) deleted: BTreeMap<String, Workspace>,
    /// Names that objects had, by id.
    pub(crate) former: BTreeSet<(String, String)>,
    pub(crate) made: u64,
    pub(crate) down_until: i64,
    /// Workspaces may be renamed.
    pub(crate) renames: bool,
    /// It does not show jobs to whoever asks.
    pub(crate) hides_jobs: bool,
    /// So many calls fail.
    pub(crate) fails: Cell<usize>,
    pub(crate) revision: i64,
}

impl Coder {
    pub(crate) fn build(&mut self, id: &str, transition: &'static str, now: i64, takes: i64) {
        self.revision += 1;
        let Some(workspace) = self.workspaces.get_mut(id) else { return };
        if workspace.finishes_at.is_some() {
            return;
        }
        workspace.build += 1;
        workspace.revision = self.revision;
        (workspace.transition, workspace.status, workspace.built_at) = (transition, "pending", now);
        workspace.finishes_at = Some(now + takes);
        self.jobs.push((format!("j-{id}-{}", workspace.build), id.to_owned(), now));
    }

    /// Makes a workspace, unless there is one of that name. Returns its id.
    pub(crate) fn make(&mut self, name: String, now: i64, takes: i64) -> Option<String> {
        self.made += 1;
        if self.workspaces.values().any(|other| other.name == name) {
            return None;
        }
        let id = format!("00000000-0000-0000-0000-{:012}", self.made);
        self.revision += 1;
        let workspace = Workspace {
            id: id.clone(),
            name,
            revision: self.revision,
            build: 0,
            transition: "start",
            status: "pending",
            built_at: now,
            finishes_at: None,
        };
        self.workspaces.insert(id.clone(), workspace);
        self.build(&id, "start", now, takes);
        Some(id)
    }

    /// Changes something that no job tells of.
    pub(crate) fn change(&mut self, id: &str) {
        self.revision += 1;
        if let Some(workspace) = self.workspaces.get_mut(id) {
            workspace.revision = self.revision;
        }
    }

    pub(crate) fn go_on(&mut self, dice: &mut Dice, now: i64, busy: bool) {
        let due: Vec<String> = self
            .workspaces
            .values()
            .filter(|workspace| workspace.finishes_at.is_some_and(|moment| moment <= now))
            .map(|workspace| workspace.id.clone())
            .collect();
        for id in due {
            self.revision += 1;
            let workspace = self.workspaces.get_mut(&id).unwrap();
            (workspace.finishes_at, workspace.revision) = (None, self.revision);
            workspace.status = if workspace.transition == "start" { "running" } else { "stopped" };
            if workspace.transition == "delete" {
                let last = self.workspaces.remove(&id).unwrap();
                self.deleted.insert(id, last);
            }
        }
        if !busy || !dice.one_in(30) {
            return;
        }
        let ids: Vec<String> = self.workspaces.keys().cloned().collect();
        let one = ids.get(usize::try_from(dice.roll(ids.len().max(1) as u64)).unwrap()).cloned();
        match (dice.roll(10), one) {
            (0 | 1, _) | (_, None) => {
                // Names come back.
                let name = format!("ws{}", dice.roll(12));
                let takes = 200 + dice.millis(3000);
                self.make(name, now, takes);
            }
            (2, Some(id)) => {
                let takes = 200 + dice.millis(2000);
                self.build(&id, "delete", now, takes);
            }
            (3, Some(id)) if self.renames => {
                let name = format!("renamed{}", dice.roll(6));
                if !self.workspaces.values().any(|other| other.name == name) {
                    let workspace = self.workspaces.get_mut(&id).unwrap();
                    let former = std::mem::replace(&mut workspace.name, name);
                    self.former.insert((id.clone(), format!("coder.alice.{former}")));
                    self.revision += 1;
                    workspace.revision = self.revision;
                }
            }
            (4 | 5, Some(id)) => self.change(&id),
            (n, Some(id)) => {
                let takes = 100 + dice.millis(2000);
                self.build(&id, if n % 2 == 0 { "stop" } else { "start" }, now, takes);
            }
        }
        if dice.one_in(60) {
            self.down_until = now + dice.millis(8_000);
        }
    }

    pub(crate) fn answer(&self, call: &Call, dice: &mut Dice, now: i64) -> Outcome {
        if self.fails.get() > 0 {
            self.fails.update(|left| left - 1);
            return ok(502, &json!({}));
        }
        if now < self.down_until {
            return if dice.one_in(2) { Err(Lost::Unknown) } else { ok(502, &json!({})) };
        }
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let of = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
                .map(|value| value.parse::<usize>().unwrap_or(0))
        };
        if path == "/api/v2/workspaces" {
            let all: Vec<Value> = self.workspaces.values().map(Workspace::json).collect();
            let page = all
                .iter()
                .skip(of("offset").unwrap_or(0))
                .take(of("limit").filter(|n| *n > 0).unwrap_or(usize::MAX));
            return ok(200, &json!({"workspaces": page.collect::<Vec<_>>(), "count": all.len()}));
        }
        if path == "/api/v2/organizations" {
            return ok(200, &json!([{"id": "o", "name": "coder"}]));
        }
        if path.ends_with("/provisionerjobs") && self.hides_jobs {
            return ok(403, &json!({}));
        }
        if path.ends_with("/provisionerjobs") {
            let jobs =
                self.jobs.iter().rev().filter(|(id, ..)| !query.starts_with("ids=") || query.contains(&**id));
            let jobs = jobs.take(of("limit").filter(|n| *n > 0).unwrap_or(usize::MAX)).map(|(job, workspace, created_at)| {
                let status = match self.workspaces.get(workspace) {
                    Some(of) if *job == format!("j-{workspace}-{}", of.build) => of.job(),
                    _ => "succeeded",
                };
                json!({"id": job, "created_at": time(*created_at), "status": status, "type": "workspace_build", "metadata": {"workspace_id": workspace}})
            });
            return ok(200, &json!(jobs.collect::<Vec<_>>()));
        }
        let id = path.strip_prefix("/api/v2/workspaces/").unwrap_or_else(|| panic!("{path}"));
        match self.workspaces.get(id) {
            Some(workspace) => ok(200, &workspace.json()),
            None if query == "include_deleted=true" => ok(200, &self.deleted[id].json()),
            None if self.deleted.contains_key(id) => ok(410, &json!({"message": "deleted"})),
            None => ok(404, &json!({})),
        }
    }
}

pub(crate) fn ok(status: u16, body: &Value) -> Outcome {
    Ok(Answer { status, headers: Vec::new(), body: body.to_string().into_bytes() })
}
