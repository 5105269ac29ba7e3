//! Provisioner jobs: a template's imports and a workspace's builds. Their clock runs whenever somebody looks: what should
//! have happened since is done then, stamped with the time when it should have.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::provisioner::{self, Run};
use super::state::{State, transition_name};
use crate::clock::Instant;

/// A provisioner job.
pub(crate) struct Job {
    pub(crate) id: Uuid,
    pub(crate) organization: Uuid,
    pub(crate) initiator: Uuid,
    pub(crate) file: Uuid,
    pub(crate) input: Input,
    /// What a daemon must serve to take it.
    pub(crate) tags: Tags,
    pub(crate) created_at: Instant,
    pub(crate) started_at: Option<Instant>,
    pub(crate) completed_at: Option<Instant>,
    pub(crate) canceled_at: Option<Instant>,
    pub(crate) error: Option<String>,
    pub(crate) error_code: Option<&'static str>,
    pub(crate) logs: Vec<JobLog>,
    pub(crate) resources: Vec<Resource>,
    /// What a daemon does with it, from the moment it takes the job.
    run: Option<Run>,
}

/// Tags of a job; `owner` and `scope` are always among them.
pub(crate) type Tags = BTreeMap<String, String>;

/// What a job is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// The import of this version.
    Import(Uuid),
    /// This build.
    Build(Uuid),
}

/// A line of a job's log.
pub(crate) struct JobLog {
    pub(crate) id: i64,
    pub(crate) created_at: Instant,
    pub(crate) source: &'static str,
    pub(crate) level: &'static str,
    pub(crate) stage: String,
    pub(crate) output: String,
}

/// Something a job made.
pub(crate) struct Resource {
    pub(crate) id: Uuid,
    pub(crate) created_at: Instant,
    pub(crate) transition: super::state::Transition,
    pub(crate) r#type: String,
    pub(crate) name: String,
    pub(crate) hide: bool,
    pub(crate) icon: String,
    pub(crate) daily_cost: i32,
    pub(crate) agents: Vec<Uuid>,
}

/// `codersdk.ProvisionerJobStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    Running,
    Succeeded,
    Canceling,
    Canceled,
    Failed,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Canceling => "canceling",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
        }
    }

    /// Not yet at its end.
    pub(crate) fn active(self) -> bool {
        matches!(self, Self::Pending | Self::Running | Self::Canceling)
    }
}

/// What `cancel` found.
pub(crate) enum Cancel {
    Done,
    AlreadyCompleted,
    AlreadyCanceled,
    Unexpected,
}

impl Job {
    /// `tags` are those that were asked for; a job of a user's own is for that user's daemons.
    pub(crate) fn new(
        organization: Uuid,
        initiator: Uuid,
        file: Uuid,
        input: Input,
        mut tags: Tags,
        now: Instant,
    ) -> Self {
        let own = tags.get("scope").is_some_and(|scope| scope == "user");
        let (scope, owner) =
            if own { ("user", initiator.to_string()) } else { ("organization", String::new()) };
        tags.insert("scope".into(), scope.into());
        tags.insert("owner".into(), owner);
        Self {
            id: Uuid::new_v4(),
            organization,
            initiator,
            file,
            input,
            tags,
            created_at: now,
            started_at: None,
            completed_at: None,
            canceled_at: None,
            error: None,
            error_code: None,
            logs: Vec::new(),
            resources: Vec::new(),
            run: None,
        }
    }

    /// As the database computes it. A running job that is cancelled ends as failed: only one that no daemon has taken ends
    /// as cancelled.
    pub(crate) fn status(&self) -> Status {
        match (self.started_at, self.completed_at, self.canceled_at, &self.error) {
            (_, Some(_), _, Some(_)) => Status::Failed,
            (_, Some(_), Some(_), None) => Status::Canceled,
            (_, Some(_), None, None) => Status::Succeeded,
            (_, None, Some(_), _) => Status::Canceling,
            (Some(_), None, None, _) => Status::Running,
            (None, None, None, _) => Status::Pending,
        }
    }
}

impl State {
    pub(crate) fn insert_job(&mut self, job: Job) {
        self.active_jobs.push(job.id);
        self.jobs.insert(job);
    }

    /// Lets every job get as far as it should be by now.
    pub(crate) fn advance(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.active_jobs) {
            self.start_job(id, now);
            self.end_job(id, now);
            if self.jobs.of(id).status().active() {
                self.active_jobs.push(id);
            }
        }
    }

    /// Cancels a job that runs or waits, unless it is not in the state somebody expects.
    pub(crate) fn cancel_job(&mut self, id: Uuid, expect: Option<&str>) -> Cancel {
        let job = self.jobs.of_mut(id);
        if job.completed_at.is_some() {
            return Cancel::AlreadyCompleted;
        }
        if job.canceled_at.is_some() {
            return Cancel::AlreadyCanceled;
        }
        if expect.is_some_and(|expect| expect != job.status().name()) {
            return Cancel::Unexpected;
        }
        let now = Instant::now();
        job.canceled_at = Some(now);
        if job.started_at.is_none() {
            job.completed_at = Some(now);
        }
        Cancel::Done
    }

    fn start_job(&mut self, id: Uuid, now: Instant) {
        let job = self.jobs.of(id);
        let due = job.created_at.plus_ms(self.config.clock.pending_ms);
        if job.started_at.is_some() || job.completed_at.is_some() || now < due || !self.has_daemon(job) {
            return;
        }
        let run = provisioner::run(self, job);
        let logs = run.logs.iter().enumerate().map(|(index, line)| {
            let created_at = due.plus_ms(index as i64).to_ms();
            let (source, level) = (line.source, line.level);
            JobLog { id: 0, created_at, source, level, stage: line.stage.into(), output: line.output.clone() }
        });
        let mut logs: Vec<JobLog> = logs.collect();
        for log in &mut logs {
            self.last_log += 1;
            log.id = self.last_log;
        }
        let job = self.jobs.of_mut(id);
        job.started_at = Some(due);
        job.logs = logs;
        job.run = Some(run);
    }

    fn end_job(&mut self, id: Uuid, now: Instant) {
        let job = self.jobs.of(id);
        let (Some(started_at), Some(run), None) = (job.started_at, &job.run, job.completed_at) else {
            return;
        };
        let ends = (!run.hangs).then(|| started_at.plus_ms(self.config.clock.running_ms));
        let stops = job.canceled_at.map(|canceled_at| canceled_at.plus_ms(self.config.clock.canceling_ms));
        let Some(due) = ends.into_iter().chain(stops).min().filter(|due| *due <= now) else { return };
        let stopped = ends != Some(due);
        self.last_log += 1;
        let last = JobLog {
            id: self.last_log,
            created_at: due.to_ms(),
            source: "provisioner_daemon",
            level: "info",
            stage: "Cleaning Up".into(),
            output: String::new(),
        };
        let job = self.jobs.of_mut(id);
        let run = job.run.take().expect("a started job has a run");
        if let Input::Import(version) = job.input {
            self.versions.of_mut(version).variables = run.variables;
        }
        job.completed_at = Some(due);
        if !run.silent {
            job.logs.push(last);
        }
        match (stopped, run.error) {
            (true, _) => job.error = Some(run.canceled),
            (false, Some(error)) => {
                job.error = Some(error);
                job.error_code = run.error_code;
            }
            (false, None) => provisioner::complete(self, id, run.made, due),
        }
    }

    /// A pending job's place among those that wait, counted from 1 (0 for others), and how many wait.
    pub(crate) fn queue(&self, id: Uuid) -> (usize, usize) {
        let waiting = || self.active_jobs.iter().filter(|id| self.jobs.of(**id).status() == Status::Pending);
        (waiting().position(|waiting| *waiting == id).map_or(0, |position| position + 1), waiting().count())
    }

    fn has_daemon(&self, job: &Job) -> bool {
        let version = match job.input {
            Input::Import(version) => version,
            Input::Build(build) => self.builds.of(build).version,
        };
        // Daemons have no tags of their own.
        let plain = job.tags.len() == 2 && job.tags["scope"] == "organization";
        plain && self.config.provisioners.contains(&self.versions.of(version).provisioner)
    }
}

/// The `job` inside a version or a build.
pub(crate) fn job_json(state: &State, job: &Job) -> Value {
    let mut object = Map::new();
    object.insert("id".into(), json!(job.id));
    object.insert("created_at".into(), json!(job.created_at));
    for (name, instant) in
        [("started_at", job.started_at), ("completed_at", job.completed_at), ("canceled_at", job.canceled_at)]
    {
        if let Some(instant) = instant {
            object.insert(name.into(), json!(instant));
        }
    }
    if let Some(error) = &job.error {
        object.insert("error".into(), json!(error));
    }
    if let Some(code) = job.error_code {
        object.insert("error_code".into(), json!(code));
    }
    object.insert("status".into(), json!(job.status().name()));
    if job.started_at.is_some() {
        object.insert("worker_id".into(), json!(state.daemon_id));
    }
    object.insert("file_id".into(), json!(job.file));
    object.insert("tags".into(), json!(job.tags));
    let (position, size) = if job.status() == Status::Pending { state.queue(job.id) } else { (0, 0) };
    object.insert("queue_position".into(), json!(position));
    object.insert("queue_size".into(), json!(size));
    object.insert("organization_id".into(), json!(job.organization));
    object.insert("initiator_id".into(), json!(job.initiator));
    let (input, r#type) = match job.input {
        Input::Import(version) => (json!({"template_version_id": version}), "template_version_import"),
        Input::Build(build) => (json!({"workspace_build_id": build}), "workspace_build"),
    };
    object.insert("input".into(), input);
    object.insert("type".into(), json!(r#type));
    object.insert(
        "metadata".into(),
        json!({
            "template_version_name": "",
            "template_id": Uuid::nil(),
            "template_name": "",
            "template_display_name": "",
            "template_icon": "",
        }),
    );
    object.insert("logs_overflowed".into(), json!(false));
    Value::Object(object)
}

/// `matched_provisioners`, which only pending jobs have counted.
pub(crate) fn matched_provisioners(job: &Job) -> Value {
    if job.status() == Status::Pending {
        json!({"count": 1, "available": 1, "most_recently_seen": Instant::now()})
    } else {
        json!({"count": 0, "available": 0, "most_recently_seen": null})
    }
}

/// What a job made, as the build's or the version's `resources`.
pub(crate) fn resources_json(state: &State, job: &Job) -> Value {
    let mut resources: Vec<&Resource> = job.resources.iter().collect();
    resources.sort_by(|a, b| a.name.cmp(&b.name));
    let resources = resources.into_iter().map(|resource| {
        let mut object = Map::new();
        object.insert("id".into(), json!(resource.id));
        object.insert("created_at".into(), json!(resource.created_at));
        object.insert("job_id".into(), json!(job.id));
        object.insert("workspace_transition".into(), json!(transition_name(resource.transition)));
        object.insert("type".into(), json!(resource.r#type));
        object.insert("name".into(), json!(resource.name));
        object.insert("hide".into(), json!(resource.hide));
        object.insert("icon".into(), json!(resource.icon));
        if !resource.agents.is_empty() {
            let mut agents: Vec<_> = resource.agents.iter().map(|agent| state.agents.of(*agent)).collect();
            agents.sort_by(|a, b| (a.order, &a.name).cmp(&(b.order, &b.name)));
            object.insert("agents".into(), agents.into_iter().map(|agent| agent.json(state)).collect());
        }
        object.insert("daily_cost".into(), json!(resource.daily_cost));
        Value::Object(object)
    });
    resources.collect()
}

/// A job's log, from after this line.
pub(crate) fn logs_json(job: &Job, after: i64) -> Value {
    let lines = job.logs.iter().filter(|line| line.id > after);
    lines
        .map(|line| {
            json!({
                "id": line.id,
                "created_at": line.created_at,
                "log_source": line.source,
                "log_level": line.level,
                "stage": line.stage,
                "output": line.output,
            })
        })
        .collect()
}
