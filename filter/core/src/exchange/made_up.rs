//! Names that are made up for `metadata.generateName`.

use super::write::Write;
use crate::kube::generate_name;
use crate::kube::object_writer::content_hash;
use crate::names;

/// Names for one request.
pub(super) struct MadeUp<'a> {
    beginning: &'a str,
    /// What makes them differ from those of other requests.
    salt: String,
    attempts: u32,
}

impl<'a> MadeUp<'a> {
    pub(super) fn new(write: Write<'_>, beginning: &'a str) -> Self {
        // Envoy gives every request an id; who asks and when will do as well.
        let id = write.request.header("x-request-id").unwrap_or_default();
        let salt = format!("{id} {} {}", write.cx.user.borrow(), write.cx.now());
        Self { beginning, salt, attempts: 0 }
    }

    /// How many names there were.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Another name.
    pub(super) fn next(&mut self) -> String {
        self.attempts = self.attempts.saturating_add(1);
        let seed = content_hash(&(&self.salt, self.attempts), &mut Vec::new()).unwrap_or_default();
        names::generated(self.beginning, &generate_name::suffix(seed))
    }
}
