//! The stand-in's own suite: what it answers, asked over its own listeners.

mod common;
mod faults;
mod kube;
mod leases;
mod templates;
mod workspaces;
