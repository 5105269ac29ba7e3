//! Lines of `GET /workspacebuilds/{id}/logs` and `GET /workspaceagents/{id}/logs`, oldest first.

use super::text::Text;
use crate::json::object;
use crate::time::Timestamp;

/// A line that a provisioner wrote (`codersdk.ProvisionerJobLog`).
#[derive(Clone, Debug, Default)]
pub struct JobLog<'a> {
    /// When.
    pub created_at: Timestamp,
    /// `provisioner_daemon` or `provisioner`.
    pub log_source: Text<'a>,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub log_level: Text<'a>,
    /// The step of the build, for people: `Planning infrastructure`.
    pub stage: Text<'a>,
    /// The line; may be empty where a stage begins.
    pub output: Text<'a>,
}

object!(JobLog<'a> { created_at } { log_source, log_level, stage, output });

/// A line of an agent (`codersdk.WorkspaceAgentLog`).
#[derive(Clone, Debug, Default)]
pub struct AgentLog<'a> {
    /// When.
    pub created_at: Timestamp,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: Text<'a>,
    /// The line.
    pub output: Text<'a>,
}

object!(AgentLog<'a> { created_at } { level, output });
