//! Template archives for coderd's echo provisioner, built and read.
//!
//! The echo provisioner runs a template whose archive holds its own answers: one small protobuf file per phase
//! (`0.parse.protobuf`, `0.init.protobuf`, `0.plan.protobuf`, `0.graph.protobuf`, `0.apply.protobuf`), optionally one
//! per workspace transition (`0.stop.apply.protobuf`). [`Archive`] writes such archives for the lab and the suites;
//! [`Responses`] reads them back, so that the stand-in Coder runs exactly what coderd would run.
//!
//! It refuses to be more than that: no Terraform, no module files, no provisioner session.

mod archive;
pub mod proto;
mod responses;
mod terraform;

pub use archive::{Agent, App, Archive, Parameter};
pub use responses::{Outcome, Phase, ReadError, Responses, Transition};
