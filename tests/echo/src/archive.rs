//! Builds archives: what a template parses to, asks for, makes, and where it fails. The bytes depend on what was asked
//! for alone (sorted entries, fixed times and modes), so building the same archive twice uploads the same file.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use tar::{EntryType, Header};

use crate::proto::{
    ApplyComplete, GraphComplete, InitComplete, Log, LogLevel, ParseComplete, PlanComplete, Preset,
    PresetParameter, Resource, Response, ResponseType, RichParameter, RichParameterOption, TemplateVariable,
};
use crate::{Phase, Transition, terraform};

/// An archive in the making. Every method returns it, so that a template reads as one expression.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    graph: GraphComplete,
    variables: Vec<TemplateVariable>,
    failures: BTreeMap<(Phase, Option<Transition>), String>,
    hanging: BTreeSet<(Phase, Option<Transition>)>,
    logs: BTreeMap<Phase, Vec<Log>>,
    files: BTreeMap<String, Vec<u8>>,
}

/// An agent of the template's one resource.
#[derive(Clone, Debug)]
pub struct Agent(crate::proto::Agent);

/// An app of an agent.
#[derive(Clone, Debug)]
pub struct App(crate::proto::App);

/// A rich parameter: what a workspace's build can be told.
#[derive(Clone, Debug)]
pub struct Parameter(RichParameter);

impl Archive {
    /// A template that asks for nothing, makes nothing and succeeds at everything.
    pub fn plain() -> Self {
        Self::default()
    }

    /// Adds an agent. All agents share one resource, `aws_instance.example`, as in Coder's own tests.
    pub fn agent(mut self, agent: Agent) -> Self {
        if self.graph.resources.is_empty() {
            let resource =
                Resource { name: "example".into(), r#type: "aws_instance".into(), ..Resource::default() };
            self.graph.resources.push(resource);
        }
        self.graph.resources[0].agents.push(agent.0);
        self
    }

    /// Adds a parameter: to the graph and, as coderd wants it, to `main.tf`, unless that declares it already.
    pub fn parameter(mut self, parameter: Parameter) -> Self {
        self.graph.parameters.push(parameter.0);
        self
    }

    /// Adds a preset, a named set of parameter values.
    pub fn preset(mut self, name: &str, values: &[(&str, &str)]) -> Self {
        let parameters = values
            .iter()
            .map(|(name, value)| PresetParameter { name: (*name).into(), value: (*value).into() })
            .collect();
        self.graph.presets.push(Preset { name: name.into(), parameters, ..Preset::default() });
        self
    }

    /// Adds a variable without a default: an import that is not given its value fails.
    pub fn required_variable(self, name: &str) -> Self {
        self.variable(TemplateVariable { name: name.into(), required: true, ..TemplateVariable::default() })
    }

    /// Adds a variable with a default.
    pub fn optional_variable(self, name: &str, default: &str) -> Self {
        let variable = TemplateVariable {
            name: name.into(),
            default_value: default.into(),
            ..TemplateVariable::default()
        };
        self.variable(variable)
    }

    fn variable(mut self, variable: TemplateVariable) -> Self {
        self.variables.push(TemplateVariable { r#type: "string".into(), ..variable });
        self
    }

    /// Lets a phase fail with this message, whatever the workspace's transition. A failing parse, init, plan or graph
    /// fails the template's import too; a failing apply only the builds.
    pub fn fail(mut self, phase: Phase, message: &str) -> Self {
        self.failures.insert((phase, None), message.into());
        self
    }

    /// Lets the apply fail with this message: the template imports, its builds fail.
    pub fn fail_apply(self, message: &str) -> Self {
        self.fail(Phase::Apply, message)
    }

    /// Lets a phase fail for one transition only (a workspace that starts but cannot be stopped). Parse and init have
    /// no transition: for them this changes nothing.
    pub fn fail_on(mut self, phase: Phase, transition: Transition, message: &str) -> Self {
        self.failures.insert((phase, Some(transition)), message.into());
        self
    }

    /// Lets a phase log a line and then never end: the job runs until it is cancelled.
    pub fn hang(mut self, phase: Phase) -> Self {
        self.hanging.insert((phase, None));
        self
    }

    /// The same for one transition only: a workspace that starts but is never stopped.
    pub fn hang_on(mut self, phase: Phase, transition: Transition) -> Self {
        self.hanging.insert((phase, Some(transition)));
        self
    }

    /// Adds a log line, at level info, that a phase writes before it ends.
    pub fn log(mut self, phase: Phase, output: &str) -> Self {
        let log = Log { level: LogLevel::Info as i32, output: output.into() };
        self.logs.entry(phase).or_default().push(log);
        self
    }

    /// Adds a file that the echo provisioner does not read: a template's sources.
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }

    /// The archive's entries: path and content, sorted by path.
    pub fn entries(&self) -> BTreeMap<String, Vec<u8>> {
        let mut entries = self.files.clone();
        if !self.graph.parameters.is_empty() {
            let sources = entries.remove("main.tf").unwrap_or_default();
            let mut sources = String::from_utf8(sources).expect("Terraform is text");
            terraform::complete(&mut sources, &self.graph.parameters);
            entries.insert("main.tf".into(), sources.into_bytes());
        }
        for phase in Phase::ALL {
            self.add_phase(&mut entries, phase, None);
            for transition in Transition::ALL {
                let own = (phase, Some(transition));
                if self.failures.contains_key(&own) || self.hanging.contains(&own) {
                    self.add_phase(&mut entries, phase, Some(transition));
                }
            }
        }
        entries
    }

    /// The archive as ustar bytes, with an entry for every folder (coderd's import fails without one).
    pub fn build(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let entries = self.entries();
        let mut folders = Vec::new();
        for path in entries.keys() {
            for (end, _) in path.match_indices('/') {
                let folder = &path[..=end];
                if !folders.contains(&folder) {
                    folders.push(folder);
                    append(&mut builder, folder, EntryType::Directory, &[]);
                }
            }
            append(&mut builder, path, EntryType::Regular, &entries[path]);
        }
        builder.into_inner().expect("writing to memory succeeds")
    }

    fn add_phase(
        &self,
        entries: &mut BTreeMap<String, Vec<u8>>,
        phase: Phase,
        transition: Option<Transition>,
    ) {
        let mut responses: Vec<ResponseType> =
            self.logs.get(&phase).into_iter().flatten().cloned().map(ResponseType::Log).collect();
        if self.hanging.contains(&(phase, transition)) {
            let output = format!("{} waits", phase.name());
            responses.push(ResponseType::Log(Log { level: LogLevel::Info as i32, output }));
        } else {
            let error = self.failures.get(&(phase, transition)).cloned().unwrap_or_default();
            responses.push(self.complete(phase, error));
        }
        for (index, response) in responses.into_iter().enumerate() {
            let infix =
                transition.map(|transition| format!("{}.", transition.archive_name())).unwrap_or_default();
            let path = format!("{index}.{infix}{}.protobuf", phase.name());
            entries.insert(path, Response { kind: Some(response) }.encode_to_vec());
        }
    }

    fn complete(&self, phase: Phase, error: String) -> ResponseType {
        match phase {
            Phase::Parse => {
                let template_variables = if error.is_empty() { self.variables.clone() } else { Vec::new() };
                ResponseType::Parse(ParseComplete { error, template_variables, ..ParseComplete::default() })
            }
            Phase::Init => ResponseType::Init(InitComplete { error }),
            Phase::Plan => {
                let plan = if error.is_empty() { b"{}".to_vec() } else { Vec::new() };
                ResponseType::Plan(PlanComplete { error, plan })
            }
            Phase::Apply => ResponseType::Apply(ApplyComplete { error }),
            Phase::Graph => ResponseType::Graph(GraphComplete { error, ..self.graph.clone() }),
        }
    }
}

impl Agent {
    /// An agent with this name and no apps, which authenticates with a fixed token.
    pub fn new(name: &str) -> Self {
        // Coder wants UUIDs here but replaces the id; a fixed pair keeps equal archives equal.
        Self(crate::proto::Agent {
            id: "6f6e6531-0000-4000-8000-000000000001".into(),
            name: name.into(),
            token: "6f6e6531-0000-4000-8000-000000000002".into(),
            ..crate::proto::Agent::default()
        })
    }

    /// Adds an app.
    pub fn app(mut self, app: App) -> Self {
        self.0.apps.push(app.0);
        self
    }

    /// Sets operating system and architecture.
    pub fn platform(mut self, operating_system: &str, architecture: &str) -> Self {
        self.0.operating_system = operating_system.into();
        self.0.architecture = architecture.into();
        self
    }

    /// Sets the token (a UUID) with which the agent authenticates, for suites that play the agent.
    pub fn token(mut self, token: &str) -> Self {
        self.0.token = token.into();
        self
    }

    /// Sets after how many seconds an agent that never connected counts as timed out.
    pub fn connection_timeout(mut self, seconds: i32) -> Self {
        self.0.connection_timeout_seconds = seconds;
        self
    }
}

impl App {
    /// An app that the agent serves at `url`.
    pub fn new(slug: &str, display_name: &str, url: &str) -> Self {
        Self(crate::proto::App {
            slug: slug.into(),
            display_name: display_name.into(),
            url: url.into(),
            ..crate::proto::App::default()
        })
    }

    /// Adds a health check; without one the app's health is `disabled`.
    pub fn healthcheck(mut self, url: &str, interval: i32, threshold: i32) -> Self {
        self.0.healthcheck = Some(crate::proto::Healthcheck { url: url.into(), interval, threshold });
        self
    }
}

impl Parameter {
    /// `ParameterFormType.INPUT`.
    const FORM_INPUT: i32 = 4;
    /// `ParameterFormType.DROPDOWN`.
    const FORM_DROPDOWN: i32 = 3;

    /// A string parameter that must be given and never changes; the other methods loosen that.
    pub fn string(name: &str) -> Self {
        Self::typed(name, "string")
    }

    /// A number parameter that must be given and never changes.
    pub fn number(name: &str) -> Self {
        Self::typed(name, "number")
    }

    /// Gives it a default, so that it need not be given.
    pub fn default(mut self, value: &str) -> Self {
        self.0.default_value = value.into();
        self.0.required = false;
        self
    }

    /// Lets it change after the first build.
    pub fn mutable(mut self) -> Self {
        self.0.mutable = true;
        self
    }

    /// Sets the name people see.
    pub fn display_name(mut self, name: &str) -> Self {
        self.0.display_name = name.into();
        self
    }

    /// Bounds a number.
    pub fn range(mut self, min: i32, max: i32) -> Self {
        self.0.validation_min = Some(min);
        self.0.validation_max = Some(max);
        self
    }

    /// Allows one of these values only.
    pub fn options(mut self, values: &[&str]) -> Self {
        self.0.form_type = Self::FORM_DROPDOWN;
        self.0.options = values
            .iter()
            .map(|value| RichParameterOption {
                name: (*value).into(),
                value: (*value).into(),
                ..RichParameterOption::default()
            })
            .collect();
        self
    }

    fn typed(name: &str, r#type: &str) -> Self {
        Self(RichParameter {
            name: name.into(),
            r#type: r#type.into(),
            required: true,
            form_type: Self::FORM_INPUT,
            ..RichParameter::default()
        })
    }
}

fn append(builder: &mut tar::Builder<Vec<u8>>, path: &str, kind: EntryType, content: &[u8]) {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_size(content.len() as u64);
    builder.append_data(&mut header, path, content).expect("a relative path, written to memory");
}
