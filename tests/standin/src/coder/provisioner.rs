//! The provisioner daemon: runs an archive's phases for an import or a build, and stores what they made. The stages of the
//! logs and the words of the errors are provisionerd's (`provisionerd/runner`).

use echo_archive::proto::{GraphComplete, Preset as PresetMessage, TemplateVariable, log_level_name};
use echo_archive::{Outcome, Phase, Responses};
use uuid::Uuid;

use super::agent::Agent;
use super::jobs::{Input, Job, Resource};
use super::schedule::Schedule;
use super::state::{Preset, State, Transition};
use crate::clock::Instant;

/// Archives above this are refused by the provisioner, though the upload takes them.
const PAYLOAD_LIMIT: usize = 4 << 20;

/// What a daemon does with a job.
pub(crate) struct Run {
    pub(crate) logs: Vec<Line>,
    /// How it fails, when it does.
    pub(crate) error: Option<String>,
    pub(crate) error_code: Option<&'static str>,
    /// How it fails when it is cancelled.
    pub(crate) canceled: String,
    /// A phase never ends.
    pub(crate) hangs: bool,
    /// The job fails before it logs anything.
    pub(crate) silent: bool,
    /// What an import found when it parsed.
    pub(crate) variables: Vec<TemplateVariable>,
    pub(crate) made: Vec<(Transition, GraphComplete)>,
}

/// A log line before it has a time.
pub(crate) struct Line {
    pub(crate) source: &'static str,
    pub(crate) level: &'static str,
    pub(crate) stage: &'static str,
    pub(crate) output: String,
}

/// Runs a job's archive.
pub(crate) fn run(state: &State, job: &Job) -> Run {
    let content = &state.files.of(job.file).content;
    let mut run = Run {
        logs: Vec::new(),
        error: None,
        error_code: None,
        canceled: "canceled".into(),
        hangs: false,
        silent: false,
        variables: Vec::new(),
        made: Vec::new(),
    };
    if content.len() > PAYLOAD_LIMIT {
        run.error = Some(format!("payload was too big: {} > {PAYLOAD_LIMIT}", content.len()));
        run.silent = true;
        return run;
    }
    let responses = match Responses::read(content) {
        Ok(responses) => responses,
        Err(error) => {
            run.error = Some(format!("template import init error: extract archive: {error}"));
            return run;
        }
    };
    match job.input {
        Input::Import(version) => {
            let version = state.versions.of(version);
            let given = |name: &str| version.variable_values.get(name).is_some_and(|value| !value.is_empty());
            run.import(&responses, given);
        }
        Input::Build(build) => run.build(&responses, state.builds.of(build).transition),
    }
    run
}

impl Run {
    fn import(&mut self, responses: &Responses, given: impl Fn(&str) -> bool) {
        self.enter("Setting up");
        if self
            .ended("Setting up", responses.run(Phase::Init, None), "template import init error: ")
            .is_none()
        {
            return;
        }
        self.enter("Parsing template parameters");
        let parse = responses.run(Phase::Parse, None);
        if self.ended("Parsing template parameters", parse, "run parse: parse error: ").is_none() {
            return;
        }
        self.variables = responses.variables();
        self.variables.sort_by(|a, b| a.name.cmp(&b.name));
        let missing = self.variables.iter().filter(|variable| {
            variable.required && variable.default_value.is_empty() && !given(&variable.name)
        });
        let missing: Vec<&str> = missing.map(|variable| variable.name.as_str()).collect();
        if !missing.is_empty() {
            self.error =
                Some(format!("update job: required template variables need values: {}", missing.join(", ")));
            self.error_code = Some("REQUIRED_TEMPLATE_VARIABLES");
            return;
        }
        let transitions = [
            (Transition::Start, "start", "Detecting persistent resources"),
            (Transition::Stop, "stop", "Detecting ephemeral resources"),
        ];
        for (transition, name, stage) in transitions {
            self.enter(stage);
            for phase in [Phase::Plan, Phase::Graph] {
                let prefix = format!(
                    "template import provision for {name}: {} during template import provision error: ",
                    phase.name()
                );
                let Some(graph) = self.ended(stage, responses.run(phase, Some(transition)), &prefix) else {
                    return;
                };
                if phase == Phase::Graph {
                    self.made.push((transition, graph));
                }
            }
        }
    }

    fn build(&mut self, responses: &Responses, transition: Transition) {
        self.enter("Setting up");
        let stage = match transition {
            Transition::Start => "Starting workspace",
            Transition::Stop => "Stopping workspace",
            Transition::Delete => "Destroying workspace",
        };
        let phases = [
            (Phase::Init, "Setting up"),
            (Phase::Plan, "Planning Infrastructure"),
            (Phase::Apply, stage),
            (Phase::Graph, stage),
        ];
        for (phase, stage) in phases {
            if phase == Phase::Apply {
                self.enter(stage);
            }
            let Some(graph) = self.ended(stage, responses.run(phase, Some(transition)), "") else { return };
            if phase == Phase::Graph {
                self.made.push((transition, graph));
            }
        }
    }

    fn enter(&mut self, stage: &'static str) {
        self.logs.push(Line { source: "provisioner_daemon", level: "info", stage, output: String::new() });
    }

    /// Takes a phase's log and end; `None` when the run ends with it.
    fn ended(
        &mut self,
        stage: &'static str,
        (logs, outcome): (Vec<echo_archive::proto::Log>, Outcome),
        prefix: &str,
    ) -> Option<GraphComplete> {
        self.logs.extend(logs.into_iter().map(|log| Line {
            source: "provisioner",
            level: log_level_name(log.level),
            stage,
            output: log.output,
        }));
        match outcome {
            Outcome::Done(graph) => return Some(graph),
            Outcome::Failed(error) => self.error = Some(format!("{prefix}{error}")),
            Outcome::Hangs => {
                self.canceled = format!("{prefix}canceled");
                self.hangs = true;
            }
        }
        None
    }
}

/// Stores what a successful job made.
pub(crate) fn complete(state: &mut State, job: Uuid, made: Vec<(Transition, GraphComplete)>, now: Instant) {
    match state.jobs.of(job).input {
        Input::Import(version) => complete_import(state, version, &made, now),
        Input::Build(build) => complete_build(state, build, now),
    }
    for (transition, graph) in made {
        for resource in graph.resources {
            let id = Uuid::new_v4();
            let agents: Vec<Agent> =
                resource.agents.into_iter().map(|agent| Agent::new(agent, id, job, now)).collect();
            let row = Resource {
                id,
                created_at: now,
                transition,
                r#type: resource.r#type,
                name: resource.name,
                hide: resource.hide,
                icon: resource.icon,
                daily_cost: resource.daily_cost,
                agents: agents.iter().map(|agent| agent.id).collect(),
            };
            agents.into_iter().for_each(|agent| state.agents.insert(agent));
            state.jobs.of_mut(job).resources.push(row);
        }
    }
}

fn complete_import(state: &mut State, version: Uuid, made: &[(Transition, GraphComplete)], now: Instant) {
    let file = state.jobs.of(state.versions.of(version).job).file;
    let responses = Responses::read(&state.files.of(file).content).unwrap_or_default();
    let version = state.versions.of_mut(version);
    version.updated_at = now;
    if let Some((_, graph)) = made.first() {
        version.parameters = graph.parameters.clone();
        version.parameters.sort_by(|a, b| (a.order, &a.name).cmp(&(b.order, &b.name)));
        let declared = version.parameters.iter().filter(|parameter| responses.declares(&parameter.name));
        version.dynamic_parameters = declared.cloned().collect();
        let preset = |content: &PresetMessage| Preset { id: Uuid::new_v4(), content: content.clone() };
        version.presets = graph.presets.iter().map(preset).collect();
    }
}

/// Whatever the transition was, coderd then works out anew when to stop and when to start by itself.
fn complete_build(state: &mut State, build: Uuid, now: Instant) {
    let build = state.builds.of_mut(build);
    let workspace = state.workspaces.of_mut(build.workspace);
    build.updated_at = now;
    build.deadline = workspace.ttl_ms.map(|ttl| now.plus_ms(ttl));
    let schedule = workspace.autostart_schedule.as_deref().and_then(|text| Schedule::parse(text).ok());
    workspace.next_start_at = schedule.and_then(|schedule| schedule.next(now));
    workspace.deleted = build.transition == Transition::Delete;
}
