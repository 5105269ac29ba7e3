//! Streams that go on as watches, and when it is next asked whether they may.

use crate::table::Table;
use crate::work::{ContextId, Millis};
use coder_kube_core::exchange::{Carried, Exchange};

/// A stream, and the plugin that it belongs to.
struct Watch {
    root: ContextId,
    carried: Box<Carried>,
}

/// See the module.
pub(crate) struct Watches {
    all: Table<Watch>,
    /// No check is due before.
    next: Millis,
    /// When that was last looked for. Where it is later than the present, the clock was set back.
    last: Millis,
}

impl Watches {
    pub(crate) const fn new() -> Self {
        Self { all: Table::new(), next: Millis::MAX, last: 0 }
    }

    pub(crate) fn insert(&mut self, context: ContextId, root: ContextId, carried: Box<Carried>) {
        self.next = self.next.min(carried.checked_at());
        self.all.insert(context, Watch { root, carried });
    }

    pub(crate) fn has(&self, context: ContextId) -> bool {
        self.all.get(context).is_some()
    }

    pub(crate) fn get_mut(&mut self, context: ContextId) -> Option<&mut Carried> {
        self.all.get_mut(context).map(|watch| &mut *watch.carried)
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, context: ContextId) -> bool {
        self.all.remove(context).is_some()
    }

    /// When a check is next due, if ever.
    pub(crate) fn checked_at(&self) -> Option<Millis> {
        (self.next < Millis::MAX).then_some(self.next)
    }

    /// Begins the checks of a plugin's streams that are due, at most so many; the others follow.
    pub(crate) fn due(&mut self, root: ContextId, now: Millis, most: usize) -> Vec<(ContextId, Exchange)> {
        let mut due = Vec::new();
        let last = std::mem::replace(&mut self.last, now);
        if (last..self.next).contains(&now) {
            return due;
        }
        let mut next = Millis::MAX;
        for (context, watch) in self.all.iter_mut() {
            if watch.root == root && watch.carried.is_due(now) && due.len() < most {
                due.push((*context, watch.carried.check(now)));
            }
            next = next.min(watch.carried.checked_at());
        }
        self.next = next;
        due
    }
}
