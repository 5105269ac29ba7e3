//! Coder's wire: what its REST API answers (only the fields we use), the requests we send, and how its
//! errors read. Field names are Coder's own.
//!
//! Knows no Kubernetes type and sends nothing: requests are values.

pub mod errors;
mod job;
mod log;
mod parameters;
pub mod query;
pub mod requests;
mod template;
mod text;
mod user;
mod workspace;

pub use job::{JobInput, JobMetadata, ProvisionerJob};
pub use log::{AgentLog, JobLog};
pub use parameters::{
    Diagnostic, DiagnosticExtra, EvaluatedParameter, EvaluatedValue, Evaluation, Preset, PresetParameter,
};
pub use template::{Organization, Template, TemplateSettings, TemplateVersion, Upload};
pub use text::Text;
pub use user::User;
pub use workspace::{
    Agent, AgentHealth, App, AppStatus, Build, BuildParameter, Resource, Workspace, WorkspaceHealth,
    WorkspaceList,
};

use crate::json::{self, Read};

/// Reads an answer of Coder's, borrowing from it. An error means that the body is not what Coder sends (cut
/// off, or from somebody else): `errors::Failure::Garbage`.
///
/// # Errors
/// The body is not UTF-8, not JSON, or not of this shape.
pub fn parse<'a, T: Read<'a> + Default>(body: &'a [u8]) -> Result<T, json::Error> {
    json::read(body)
}
