//! Placeholder.
pub mod coder;
pub mod kube;
pub mod names;
pub mod time;
