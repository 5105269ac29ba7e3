//! Placeholder.
pub mod api;
pub mod coder;
pub mod convert;
pub mod kube;
pub mod names;
pub mod time;
