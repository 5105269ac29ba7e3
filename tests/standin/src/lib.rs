//! A stand-in for the two servers behind Envoy, in one process: a stateful Coder, and just enough of a kube-apiserver to
//! authenticate, to say who may, to publish discovery and to be passed through to.
//!
//! What both answer was taken from coderd v2.30.0 and kube-apiserver v1.36 and is held to them by the end-to-end suite,
//! which runs unchanged on either. Both can be told to misbehave ([`faults`]) and to tell what they were asked, by
//! `/standin/…` on Coder's listener (`control`).
//!
//! It refuses to be a server for anybody: no persistence, no protobuf, no websockets but an echo, RBAC as a flat list of
//! rules.

mod clock;
mod coder;
pub mod config;
mod control;
pub mod faults;
mod kube;
mod query;
mod server;

pub use config::Config;
pub use server::{Handle, StartError, run};
