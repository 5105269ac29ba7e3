//! Between the two wires: Coder's answers become objects of `aggregation.coder.com/v1alpha1`, with conditions,
//! resourceVersion, selectable fields and table cells; Coder's errors become `Status`.
//!
//! Objects borrow from the parsed answer. Nothing here calls anybody or reads a clock.

pub mod archive;
mod columns;
pub mod conditions;
pub mod errors;
pub mod files;
pub mod logs;
pub mod parameter_check;
pub mod paths;
pub mod resource_version;
mod schedule;
pub mod selectable;
mod template;
pub mod template_change;
pub mod template_check;
pub mod version;
mod workspace;
pub mod workspace_change;
pub mod workspace_check;

pub use template::{Import, View, conditions_of, details, template};
pub use workspace::{parameters, workspace};

#[cfg(test)]
mod tests;

use std::borrow::Cow;

/// Coder's spelling of a name in the lower case that names and labels have here.
fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|c| c.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}
