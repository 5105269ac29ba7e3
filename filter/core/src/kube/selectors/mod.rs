//! Label and field selectors: parsing, matching, and what they demand exactly, so that callers can push it down.

mod field;
mod label;
mod lexer;

pub use field::{FieldSelector, FieldTerm};
pub use label::{LabelSelector, Operator, Requirement};

/// Looks a label or field up in the object being matched.
pub type Lookup<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;
