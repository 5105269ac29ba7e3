//! Conditions of both kinds. `lastTransitionTime` is always Coder's: where Coder stamps no moment for a change
//! (a promotion, say), the nearest earlier one that it does stamp.

use super::Import;
use crate::coder::{Agent, Build, ProvisionerJob, Template, Workspace};
use crate::kube::meta::{Condition, ConditionStatus};
use crate::time::Timestamp;
use std::borrow::Cow;

/// Most bytes of a job's error that are shown.
const ERROR_MAX: usize = 4096;

/// Why a condition is as it is.
type Why<'a> = (Cow<'a, str>, Cow<'a, str>);

fn why<'a>(reason: &'static str, message: &'static str) -> Why<'a> {
    (Cow::Borrowed(reason), Cow::Borrowed(message))
}

/// Where the latest build is.
#[derive(Clone, Copy)]
enum Phase {
    Under(&'static str, &'static str),
    Succeeded,
    Failed,
    Canceled,
}

impl Phase {
    fn of(build: &Build<'_>) -> Self {
        match (build.job.status.as_str(), build.transition.as_str()) {
            ("succeeded", _) => Self::Succeeded,
            ("canceled", _) => Self::Canceled,
            ("pending", _) => Self::Under("BuildPending", "The build waits for a provisioner."),
            ("canceling", _) => Self::Under("BuildCanceling", "The build is being canceled."),
            ("running", "start") => Self::Under("Starting", "The workspace is being started."),
            ("running", "stop") => Self::Under("Stopping", "The workspace is being stopped."),
            ("running", _) => Self::Under("Deleting", "The workspace is being deleted."),
            // Coder, too, reads a job in an unknown state as failed.
            _ => Self::Failed,
        }
    }
}

/// `status.observedGeneration`: the number of the last build that has finished.
pub fn observed_generation(build: &Build<'_>) -> i64 {
    if build.job.is_finished() { build.build_number } else { build.build_number.saturating_sub(1) }
}

/// An error of Coder's, cut to a length that a condition may have.
pub fn bounded(error: &str) -> &str {
    error.get(..error.floor_char_boundary(ERROR_MAX)).unwrap_or_default()
}

/// `Ready`, `Progressing`, `BuildSucceeded`, `Dormant`, `Outdated`.
pub fn workspace<'a>(w: &'a Workspace<'a>) -> [Condition<'a>; 5] {
    use ConditionStatus::{False, True, Unknown};
    let build = &w.latest_build;
    let (began, ended) = (build.created_at, build.job.since());
    let (ready, progressing, succeeded) = match Phase::of(build) {
        Phase::Under(reason, message) => (
            (False, began, why(reason, message)),
            (True, began, why(reason, message)),
            (Unknown, began, why(reason, message)),
        ),
        Phase::Succeeded => {
            (ready(build), idle(ended), (True, ended, why("BuildSucceeded", "The latest build succeeded.")))
        }
        Phase::Failed => {
            let why = failure(&build.job, "BuildFailed");
            ((False, began, why.clone()), idle(ended), (False, ended, why))
        }
        Phase::Canceled => {
            let why = why("BuildCanceled", "The latest build was canceled.");
            ((False, began, why.clone()), idle(ended), (False, ended, why))
        }
    };
    let dormant = match w.dormant_at {
        Some(since) => (True, since, why("Dormant", "The workspace is dormant and cannot be started.")),
        None => (False, w.created_at, why("Active", "The workspace is not dormant.")),
    };
    let outdated = if w.outdated {
        (True, began, why("NewVersion", "The template has another active version."))
    } else {
        (False, began, why("UpToDate", "The latest build used the template's active version."))
    };
    [
        ("Ready", ready),
        ("Progressing", progressing),
        ("BuildSucceeded", succeeded),
        ("Dormant", dormant),
        ("Outdated", outdated),
    ]
    .map(|(condition_type, state)| condition(condition_type, build.build_number, state))
}

type State<'a> = (ConditionStatus, Timestamp, Why<'a>);

fn condition<'a>(condition_type: &'static str, generation: i64, state: State<'a>) -> Condition<'a> {
    let (status, last_transition_time, (reason, message)) = state;
    Condition {
        condition_type,
        status,
        observed_generation: generation,
        last_transition_time,
        reason,
        message,
    }
}

/// `Progressing` when the latest build has ended.
fn idle<'a>(ended: Timestamp) -> State<'a> {
    (ConditionStatus::False, ended, why("BuildFinished", "No build is under way."))
}

/// `Ready` once the latest build has succeeded.
fn ready<'a>(build: &'a Build<'a>) -> State<'a> {
    use ConditionStatus::{False, True};
    let ended = build.job.since();
    match build.transition.as_str() {
        "stop" => return (True, ended, why("Stopped", "The workspace is stopped, as asked.")),
        "start" => {}
        _ => return (False, build.created_at, why("Deleted", "The workspace is deleted.")),
    }
    // Agents of development containers come and go with their parent, which answers for them; Coder's own health
    // leaves them out too.
    let mut agents = build.agents().filter(|agent| agent.parent_id.is_none()).peekable();
    if agents.peek().is_none() {
        return (True, ended, why("Running", "The workspace runs. It has no agents."));
    }
    let mut complaints = String::new();
    let mut all_since = ended;
    let mut lost_since = build.created_at;
    for agent in agents {
        all_since = all_since.max(agent.since());
        if let Some(complaint) = complaint(agent) {
            if agent.first_connected_at.is_some() {
                lost_since = lost_since.max(agent.since());
            }
            let separator = if complaints.is_empty() { "" } else { "; " };
            for part in [separator, "agent ", &agent.name, " ", complaint] {
                complaints.push_str(part);
            }
        }
    }
    if complaints.is_empty() {
        return (
            True,
            all_since,
            why("AgentsReady", "The workspace runs, every agent is connected and healthy."),
        );
    }
    (False, lost_since, (Cow::Borrowed("AgentsNotReady"), Cow::Owned(complaints)))
}

/// What keeps an agent from being ready. Coder calls one healthy that is still connecting; we do not call it ready.
fn complaint<'a>(agent: &'a Agent<'_>) -> Option<&'a str> {
    match agent.status.as_str() {
        "connected" if agent.health.healthy => None,
        "connected" => Some(agent.health.reason.strip_prefix("agent ").unwrap_or("is not healthy")),
        "connecting" => Some("is connecting"),
        "timeout" => Some("is taking too long to connect"),
        _ => Some("has lost connection"),
    }
}

/// `Ready`, `Importing`, `ImportSucceeded`, as the import of the active version has them.
pub fn template<'a>(t: &'a Template<'a>, import: Import<'a>) -> [Condition<'a>; 3] {
    use ConditionStatus::{False, True, Unknown};
    match import {
        Import::Succeeded => {
            let why = why("Imported", "The active version has been imported.");
            import_conditions([True, False, True], t.created_at, why)
        }
        Import::Unknown => {
            let message = "Coder does not allow the filter to read provisioner jobs.";
            import_conditions([Unknown; 3], t.created_at, why("ImportUnknown", message))
        }
        Import::Job(job) => unfinished(job),
    }
}

/// The same, as the import of a version has them that is to be promoted.
pub fn wanted<'a>(job: &'a ProvisionerJob<'a>) -> [Condition<'a>; 3] {
    use ConditionStatus::{False, True};
    if job.status.as_str() == "succeeded" {
        let why =
            why("Promoting", "The new version has been imported and is about to become the active one.");
        return import_conditions([False, False, True], job.since(), why);
    }
    unfinished(job)
}

/// An import that has not succeeded.
fn unfinished<'a>(job: &'a ProvisionerJob<'a>) -> [Condition<'a>; 3] {
    use ConditionStatus::{False, True, Unknown};
    let under = [False, True, Unknown];
    let (statuses, since, why) = match job.status.as_str() {
        "pending" => (under, job.created_at, why("ImportPending", "The version waits for a provisioner.")),
        "running" => (under, job.created_at, why("Importing", "The version is being imported.")),
        "canceling" => (under, job.created_at, why("ImportCanceling", "The import is being canceled.")),
        "canceled" => ([False; 3], job.since(), why("ImportCanceled", "The import was canceled.")),
        _ => ([False; 3], job.since(), failure(job, "ImportFailed")),
    };
    import_conditions(statuses, since, why)
}

fn import_conditions<'a>(
    statuses: [ConditionStatus; 3],
    since: Timestamp,
    why: Why<'a>,
) -> [Condition<'a>; 3] {
    let [ready, importing, succeeded] = statuses;
    [("Ready", ready), ("Importing", importing), ("ImportSucceeded", succeeded)]
        .map(|(condition_type, status)| condition(condition_type, 0, (status, since, why.clone())))
}

/// Puts the end of an import's log behind the words of what says how the import ended.
pub fn add_log(conditions: &mut [Condition<'_>; 3], log: &str) {
    let [.., succeeded] = conditions;
    if !log.is_empty() {
        let message = succeeded.message.to_mut();
        message.push('\n');
        message.push_str(log);
    }
}

/// A failed job's reason (its error code in CamelCase, when it has one) and message.
fn failure<'a>(job: &'a ProvisionerJob<'a>, otherwise: &'static str) -> Why<'a> {
    let reason = camel_case(&job.error_code).map_or(Cow::Borrowed(otherwise), Cow::Owned);
    let message = match bounded(&job.error) {
        "" => "Coder gives no reason.",
        error => error,
    };
    (reason, Cow::Borrowed(message))
}

/// `INSUFFICIENT_QUOTA` → `InsufficientQuota`; `None` when that gives no valid reason.
fn camel_case(code: &str) -> Option<String> {
    let mut word = String::new();
    let mut start = true;
    for c in code.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(if start { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
        }
        start = !c.is_ascii_alphanumeric();
    }
    word.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(word)
}
