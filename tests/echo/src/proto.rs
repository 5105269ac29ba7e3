//! The provisioner's protobuf messages, declared by hand with the field numbers of Coder v2.30's
//! `provisionersdk/proto/provisioner.proto`. Only the fields that the lab and the stand-in use are named; prost skips
//! the others when it reads.

use std::collections::HashMap;

use prost::{Enumeration, Message, Oneof};

/// `provisioner.Response`: one message of a provisioner session, and the content of one archive file.
#[derive(Clone, PartialEq, Message)]
pub struct Response {
    /// What kind of answer it is; absent only in a file that is not an answer.
    #[prost(oneof = "ResponseType", tags = "1, 2, 3, 4, 5, 6")]
    pub kind: Option<ResponseType>,
}

/// The answers a phase can give.
#[derive(Clone, PartialEq, Oneof)]
pub enum ResponseType {
    /// A log line before the end of the phase.
    #[prost(message, tag = "1")]
    Log(Log),
    /// The end of parsing.
    #[prost(message, tag = "2")]
    Parse(ParseComplete),
    /// The end of initialising.
    #[prost(message, tag = "3")]
    Init(InitComplete),
    /// The end of planning.
    #[prost(message, tag = "4")]
    Plan(PlanComplete),
    /// The end of applying.
    #[prost(message, tag = "5")]
    Apply(ApplyComplete),
    /// The end of reading the graph: what the template makes.
    #[prost(message, tag = "6")]
    Graph(GraphComplete),
}

/// `provisioner.LogLevel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum LogLevel {
    /// Finest.
    Trace = 0,
    /// For the template's author.
    Debug = 1,
    /// For everybody.
    Info = 2,
    /// Something to look at.
    Warn = 3,
    /// Something that failed.
    Error = 4,
}

/// The name Coder's REST API gives a level (`log_level` of a provisioner job's log).
pub fn log_level_name(level: i32) -> &'static str {
    match LogLevel::try_from(level) {
        Ok(LogLevel::Trace) => "trace",
        Ok(LogLevel::Debug) => "debug",
        Ok(LogLevel::Warn) => "warn",
        Ok(LogLevel::Error) => "error",
        Ok(LogLevel::Info) | Err(_) => "info",
    }
}

/// `provisioner.Log`.
#[derive(Clone, PartialEq, Message)]
pub struct Log {
    /// A `LogLevel`; see [`log_level_name`].
    #[prost(int32, tag = "1")]
    pub level: i32,
    /// The line, without its end.
    #[prost(string, tag = "2")]
    pub output: String,
}

/// `provisioner.TemplateVariable`: a Terraform variable that an import finds.
#[derive(Clone, PartialEq, Message)]
pub struct TemplateVariable {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// For people.
    #[prost(string, tag = "2")]
    pub description: String,
    /// Terraform's type.
    #[prost(string, tag = "3")]
    pub r#type: String,
    /// Used when nothing is given.
    #[prost(string, tag = "4")]
    pub default_value: String,
    /// Whether an import without a value fails.
    #[prost(bool, tag = "5")]
    pub required: bool,
    /// Whether its value is never shown.
    #[prost(bool, tag = "6")]
    pub sensitive: bool,
}

/// `provisioner.ParseComplete`.
#[derive(Clone, PartialEq, Message)]
pub struct ParseComplete {
    /// Why it failed; empty when it did not.
    #[prost(string, tag = "1")]
    pub error: String,
    /// Variables of the template.
    #[prost(message, repeated, tag = "2")]
    pub template_variables: Vec<TemplateVariable>,
    /// The template's README.
    #[prost(bytes = "vec", tag = "3")]
    pub readme: Vec<u8>,
    /// Tags that choose a provisioner.
    #[prost(map = "string, string", tag = "4")]
    pub workspace_tags: HashMap<String, String>,
}

/// `provisioner.InitComplete`.
#[derive(Clone, PartialEq, Message)]
pub struct InitComplete {
    /// Why it failed; empty when it did not.
    #[prost(string, tag = "1")]
    pub error: String,
}

/// `provisioner.PlanComplete`.
#[derive(Clone, PartialEq, Message)]
pub struct PlanComplete {
    /// Why it failed; empty when it did not.
    #[prost(string, tag = "1")]
    pub error: String,
    /// Terraform's plan; coderd refuses an empty one, so a successful plan is at least `{}`.
    #[prost(bytes = "vec", tag = "3")]
    pub plan: Vec<u8>,
}

/// `provisioner.ApplyComplete`.
#[derive(Clone, PartialEq, Message)]
pub struct ApplyComplete {
    /// Why it failed; empty when it did not.
    #[prost(string, tag = "2")]
    pub error: String,
}

/// `provisioner.GraphComplete`: what a template asks for and makes.
#[derive(Clone, PartialEq, Message)]
pub struct GraphComplete {
    /// Why it failed; empty when it did not.
    #[prost(string, tag = "1")]
    pub error: String,
    /// What a build makes.
    #[prost(message, repeated, tag = "3")]
    pub resources: Vec<Resource>,
    /// What a build can be told.
    #[prost(message, repeated, tag = "4")]
    pub parameters: Vec<RichParameter>,
    /// Named sets of parameters.
    #[prost(message, repeated, tag = "6")]
    pub presets: Vec<Preset>,
}

/// `provisioner.Resource`.
#[derive(Clone, PartialEq, Message)]
pub struct Resource {
    /// Its name in the template.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Terraform's resource type.
    #[prost(string, tag = "2")]
    pub r#type: String,
    /// Agents that run in it.
    #[prost(message, repeated, tag = "3")]
    pub agents: Vec<Agent>,
    /// Hidden in the dashboard.
    #[prost(bool, tag = "5")]
    pub hide: bool,
    /// Picture for the dashboard.
    #[prost(string, tag = "6")]
    pub icon: String,
    /// What a day of it costs, in credits.
    #[prost(int32, tag = "8")]
    pub daily_cost: i32,
}

/// `provisioner.Agent`.
#[derive(Clone, PartialEq, Message)]
pub struct Agent {
    /// Any UUID; coderd gives the agent one of its own.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its name, unique in a workspace.
    #[prost(string, tag = "2")]
    pub name: String,
    /// `linux`, `windows`, `darwin`.
    #[prost(string, tag = "5")]
    pub operating_system: String,
    /// `amd64`, `arm64`.
    #[prost(string, tag = "6")]
    pub architecture: String,
    /// What it serves.
    #[prost(message, repeated, tag = "8")]
    pub apps: Vec<App>,
    /// With what the agent authenticates to Coder; a UUID.
    #[prost(string, tag = "9")]
    pub token: String,
    /// After how many seconds an agent that never connected counts as timed out; 0 is never.
    #[prost(int32, tag = "11")]
    pub connection_timeout_seconds: i32,
    /// Position in the dashboard.
    #[prost(int64, tag = "23")]
    pub order: i64,
}

/// `provisioner.App`.
#[derive(Clone, PartialEq, Message)]
pub struct App {
    /// Identifier, safe in URLs and host names.
    #[prost(string, tag = "1")]
    pub slug: String,
    /// For people.
    #[prost(string, tag = "2")]
    pub display_name: String,
    /// Command to run in a terminal.
    #[prost(string, tag = "3")]
    pub command: String,
    /// Where it listens, seen from the agent.
    #[prost(string, tag = "4")]
    pub url: String,
    /// Picture for the dashboard.
    #[prost(string, tag = "5")]
    pub icon: String,
    /// Served under a host name of its own.
    #[prost(bool, tag = "6")]
    pub subdomain: bool,
    /// How its health is found; without one its health is `disabled`.
    #[prost(message, optional, tag = "7")]
    pub healthcheck: Option<Healthcheck>,
    /// Opened by the browser directly.
    #[prost(bool, tag = "9")]
    pub external: bool,
    /// Position in the dashboard.
    #[prost(int64, tag = "10")]
    pub order: i64,
    /// Not in the dashboard.
    #[prost(bool, tag = "11")]
    pub hidden: bool,
    /// UUID; when empty coderd makes one for each build (a fixed one would move from workspace to workspace).
    #[prost(string, tag = "14")]
    pub id: String,
}

/// `provisioner.Healthcheck`.
#[derive(Clone, PartialEq, Message)]
pub struct Healthcheck {
    /// What is asked.
    #[prost(string, tag = "1")]
    pub url: String,
    /// Seconds between two questions.
    #[prost(int32, tag = "2")]
    pub interval: i32,
    /// Failures until it is unhealthy.
    #[prost(int32, tag = "3")]
    pub threshold: i32,
}

/// `provisioner.RichParameter`.
#[derive(Clone, PartialEq, Message)]
pub struct RichParameter {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// For people.
    #[prost(string, tag = "2")]
    pub description: String,
    /// `string`, `number`, `bool`, `list(string)`.
    #[prost(string, tag = "3")]
    pub r#type: String,
    /// May change after the first build.
    #[prost(bool, tag = "4")]
    pub mutable: bool,
    /// Used when nothing is given.
    #[prost(string, tag = "5")]
    pub default_value: String,
    /// Picture for the dashboard.
    #[prost(string, tag = "6")]
    pub icon: String,
    /// The values it can have, when not any.
    #[prost(message, repeated, tag = "7")]
    pub options: Vec<RichParameterOption>,
    /// What a string must match.
    #[prost(string, tag = "8")]
    pub validation_regex: String,
    /// What is said when it does not.
    #[prost(string, tag = "9")]
    pub validation_error: String,
    /// Smallest number.
    #[prost(int32, optional, tag = "10")]
    pub validation_min: Option<i32>,
    /// Largest number.
    #[prost(int32, optional, tag = "11")]
    pub validation_max: Option<i32>,
    /// `increasing` or `decreasing`.
    #[prost(string, tag = "12")]
    pub validation_monotonic: String,
    /// No default: a build without a value is refused.
    #[prost(bool, tag = "13")]
    pub required: bool,
    /// For people.
    #[prost(string, tag = "15")]
    pub display_name: String,
    /// Position in forms.
    #[prost(int32, tag = "16")]
    pub order: i32,
    /// Not kept after the build.
    #[prost(bool, tag = "17")]
    pub ephemeral: bool,
    /// A `ParameterFormType`, how forms show it; see [`form_type_name`].
    #[prost(int32, tag = "18")]
    pub form_type: i32,
}

/// The name Terraform and Coder's REST API give a `ParameterFormType`; empty for the default.
pub fn form_type_name(form_type: i32) -> &'static str {
    match form_type {
        1 => "error",
        2 => "radio",
        3 => "dropdown",
        4 => "input",
        5 => "textarea",
        6 => "slider",
        7 => "checkbox",
        8 => "switch",
        9 => "tag-select",
        10 => "multi-select",
        _ => "",
    }
}

/// `provisioner.RichParameterOption`.
#[derive(Clone, PartialEq, Message)]
pub struct RichParameterOption {
    /// For people.
    #[prost(string, tag = "1")]
    pub name: String,
    /// For people.
    #[prost(string, tag = "2")]
    pub description: String,
    /// What the parameter becomes.
    #[prost(string, tag = "3")]
    pub value: String,
    /// Picture for the dashboard.
    #[prost(string, tag = "4")]
    pub icon: String,
}

/// `provisioner.Preset`.
#[derive(Clone, PartialEq, Message)]
pub struct Preset {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it sets.
    #[prost(message, repeated, tag = "2")]
    pub parameters: Vec<PresetParameter>,
    /// Chosen by forms when nothing else is.
    #[prost(bool, tag = "4")]
    pub default: bool,
    /// For people.
    #[prost(string, tag = "5")]
    pub description: String,
    /// Picture for the dashboard.
    #[prost(string, tag = "6")]
    pub icon: String,
}

/// `provisioner.PresetParameter`.
#[derive(Clone, PartialEq, Message)]
pub struct PresetParameter {
    /// The parameter.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}
