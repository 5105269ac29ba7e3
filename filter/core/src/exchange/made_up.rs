//! Names that are made up for `metadata.generateName`.

use super::context::Cx;
use super::write::Write;
use crate::kube::generate_name;
use crate::names;

/// Names for one request.
pub(super) struct MadeUp<'a> {
    cx: &'a Cx,
    beginning: &'a str,
    attempts: u32,
}

impl<'a> MadeUp<'a> {
    pub(super) fn new(write: Write<'a>, beginning: &'a str) -> Self {
        Self { cx: write.cx, beginning, attempts: 0 }
    }

    /// How many names there were.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Another name.
    pub(super) fn next(&mut self) -> String {
        self.attempts = self.attempts.saturating_add(1);
        let suffix = generate_name::suffix(self.cx.filter.random.next(self.cx.now()));
        names::generated(self.beginning, &suffix)
    }
}
