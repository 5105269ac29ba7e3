//! Reads an archive the way the echo provisioner does: for a phase and a transition the log lines, then how it ends.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use prost::Message;

use crate::proto::{GraphComplete, Log, Response, ResponseType, TemplateVariable};
use crate::terraform;

/// A phase of a provisioner job. An import runs init, parse, plan and graph; a build init, plan, apply and graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Reading the template's variables.
    Parse,
    /// Unpacking the template.
    Init,
    /// Finding out what would be done.
    Plan,
    /// Reading what the template asks for and makes.
    Graph,
    /// Doing it.
    Apply,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 5] = [Self::Parse, Self::Init, Self::Plan, Self::Graph, Self::Apply];

    /// The phase's part of its file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Init => "init",
            Self::Plan => "plan",
            Self::Graph => "graph",
            Self::Apply => "apply",
        }
    }
}

/// What a build does to its workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transition {
    /// Makes or starts it.
    Start,
    /// Stops it.
    Stop,
    /// Deletes it.
    Delete,
}

impl Transition {
    /// Every transition.
    pub const ALL: [Self; 3] = [Self::Start, Self::Stop, Self::Delete];

    /// The transition's part of archive file names: the provisioner calls deleting `destroy`.
    pub fn archive_name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Delete => "destroy",
        }
    }
}

/// How a phase ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It did what it should; only [`Phase::Graph`] has something to tell.
    Done(GraphComplete),
    /// It failed with this message.
    Failed(String),
    /// The archive has log lines but no end: the provisioner waits until the job is cancelled.
    Hangs,
}

/// Why an archive cannot be read at all. (One that can be read and lacks a phase fails in that phase, as in coderd.)
#[derive(Debug)]
pub struct ReadError(std::io::Error);

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read tar archive: {}", self.0)
    }
}

impl std::error::Error for ReadError {}

/// The answers in an archive.
#[derive(Clone, Debug, Default)]
pub struct Responses {
    files: BTreeMap<String, Vec<u8>>,
}

impl Responses {
    /// Reads a tar archive. Entries other than regular files are skipped.
    pub fn read(archive: &[u8]) -> Result<Self, ReadError> {
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(archive).entries().map_err(ReadError)? {
            let mut entry = entry.map_err(ReadError)?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = entry.path().map_err(ReadError)?.to_string_lossy().trim_start_matches("./").to_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(ReadError)?;
            files.insert(path, content);
        }
        Ok(Self { files })
    }

    /// Runs a phase: its log lines and its end. `transition` is `None` for an import (the provisioner then asks for the
    /// files of `start`, except for parse and init, which know no transition).
    pub fn run(&self, phase: Phase, transition: Option<Transition>) -> (Vec<Log>, Outcome) {
        let mut logs = Vec::new();
        for index in 0.. {
            let Some(content) = self.file(index, phase, transition) else {
                let missing = format!("{index}.{}.protobuf", phase.name());
                return match (index, phase) {
                    (0, _) => (
                        logs,
                        Outcome::Failed(format!("no state: stat {missing}: no such file or directory")),
                    ),
                    (_, Phase::Parse) => (logs, Outcome::Failed("complete response missing".into())),
                    _ => (logs, Outcome::Hangs),
                };
            };
            match Response::decode(content).map(|response| response.kind) {
                Ok(Some(ResponseType::Log(log))) => logs.push(log),
                Ok(Some(complete)) => {
                    if let Some(outcome) = ended(phase, complete) {
                        return (logs, outcome);
                    }
                }
                Ok(None) => {}
                Err(error) => return (logs, Outcome::Failed(format!("unmarshal: {error}"))),
            }
        }
        unreachable!("an archive has finitely many files")
    }

    /// The template's variables, which an import finds when it parses.
    pub fn variables(&self) -> Vec<TemplateVariable> {
        let content = self.files.get("0.parse.protobuf").map(Vec::as_slice).unwrap_or_default();
        match Response::decode(content).map(|response| response.kind) {
            Ok(Some(ResponseType::Parse(parse))) => parse.template_variables,
            _ => Vec::new(),
        }
    }

    /// Whether the template's own files declare this parameter. Only those that do take part in builds.
    pub fn declares(&self, parameter: &str) -> bool {
        let sources = self.files.iter().filter(|(path, _)| path.ends_with(".tf") && !path.contains('/'));
        sources
            .into_iter()
            .any(|(_, content)| terraform::declares(&String::from_utf8_lossy(content), parameter))
    }

    fn file(&self, index: usize, phase: Phase, transition: Option<Transition>) -> Option<&[u8]> {
        let infix = match phase {
            Phase::Parse | Phase::Init => None,
            _ => Some(transition.unwrap_or(Transition::Start).archive_name()),
        };
        let name = phase.name();
        infix
            .and_then(|infix| self.files.get(&format!("{index}.{infix}.{name}.protobuf")))
            .or_else(|| self.files.get(&format!("{index}.{name}.protobuf")))
            .map(Vec::as_slice)
    }
}

/// How this answer ends the phase; `None` when it belongs to another phase, which the provisioner ignores.
fn ended(phase: Phase, complete: ResponseType) -> Option<Outcome> {
    let (error, graph) = match (phase, complete) {
        (Phase::Parse, ResponseType::Parse(parse)) => (parse.error, GraphComplete::default()),
        (Phase::Init, ResponseType::Init(init)) => (init.error, GraphComplete::default()),
        (Phase::Plan, ResponseType::Plan(plan)) => (plan.error, GraphComplete::default()),
        (Phase::Apply, ResponseType::Apply(apply)) => (apply.error, GraphComplete::default()),
        (Phase::Graph, ResponseType::Graph(graph)) => (graph.error.clone(), graph),
        _ => return None,
    };
    Some(if error.is_empty() { Outcome::Done(graph) } else { Outcome::Failed(error) })
}
