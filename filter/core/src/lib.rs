//! Placeholder.
pub mod coder;
pub mod names;
pub mod time;
