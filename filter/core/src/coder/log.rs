//! Lines of `GET /workspacebuilds/{id}/logs` and `GET /workspaceagents/{id}/logs`, oldest first.

use super::text::Text;
use crate::time::Timestamp;
use serde::Deserialize;

/// A line that a provisioner wrote (`codersdk.ProvisionerJobLog`).
#[derive(Clone, Debug, Deserialize)]
pub struct JobLog<'a> {
    /// When.
    pub created_at: Timestamp,
    /// `provisioner_daemon` or `provisioner`.
    #[serde(borrow, default)]
    pub log_source: Text<'a>,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    #[serde(borrow, default)]
    pub log_level: Text<'a>,
    /// The step of the build, for people: `Planning infrastructure`.
    #[serde(borrow, default)]
    pub stage: Text<'a>,
    /// The line; may be empty where a stage begins.
    #[serde(borrow, default)]
    pub output: Text<'a>,
}

/// A line of an agent (`codersdk.WorkspaceAgentLog`).
#[derive(Clone, Debug, Deserialize)]
pub struct AgentLog<'a> {
    /// When.
    pub created_at: Timestamp,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    #[serde(borrow, default)]
    pub level: Text<'a>,
    /// The line.
    #[serde(borrow, default)]
    pub output: Text<'a>,
}
