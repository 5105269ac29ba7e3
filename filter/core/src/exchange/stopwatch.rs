//! How long the calls to Coder took: the time during which at least one was on its way, so that calls made together count once.

use super::port::CallId;
use crate::time::Millis;
use std::cell::{Cell, RefCell};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    on_their_way: RefCell<Vec<CallId>>,
    since: Cell<Millis>,
    total: Cell<Millis>,
}

impl Stopwatch {
    /// A call begins.
    pub(super) fn begin(&self, id: CallId, now: Millis) {
        let mut calls = self.on_their_way.borrow_mut();
        if calls.is_empty() {
            self.since.set(now);
        }
        calls.push(id);
    }

    /// A call has ended; one that did not begin here is not counted.
    pub(super) fn end(&self, id: CallId, now: Millis) {
        let mut calls = self.on_their_way.borrow_mut();
        let Some(place) = calls.iter().position(|known| *known == id) else { return };
        calls.swap_remove(place);
        if calls.is_empty() {
            self.total.set(self.total.get().saturating_add(now.saturating_sub(self.since.get()).max(0)));
        }
    }

    /// Milliseconds up to the last moment at which none was on its way.
    pub(super) fn total(&self) -> Millis {
        self.total.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_once() {
        let watch = Stopwatch::default();
        watch.begin(1, 100);
        watch.begin(2, 110);
        watch.end(7, 115);
        watch.end(1, 120);
        watch.end(2, 150);
        assert_eq!(watch.total(), 50);
        watch.begin(3, 1000);
        watch.end(3, 1001);
        assert_eq!(watch.total(), 51);
    }
}
