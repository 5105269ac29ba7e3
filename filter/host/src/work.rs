//! The exchanges that a worker has in work, by numbers of our own.
//!
//! Not by their streams: an exchange may outlive its stream, or never have had one, and the host's numbers say nothing about those.
//! Pure: nothing is asked of the host here.

use crate::table::Table;
use coder_kube_core::exchange::Exchange;

/// A context identifier of the host.
pub(crate) type ContextId = u32;
/// Names an exchange in work.
pub(crate) type WorkId = u32;
/// Milliseconds since the Unix epoch.
pub(crate) type Millis = i64;

/// Whom an exchange works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// The client of this stream.
    Client(ContextId),
    /// A client who has left after a change had begun.
    Departed,
    /// A request that has been answered.
    Answered,
    /// The check of what Coder's tokens allow.
    Credentials,
}

/// An exchange in work.
pub(crate) struct Work {
    /// The plugin that it belongs to; its callouts are that plugin's.
    pub(crate) root: ContextId,
    pub(crate) whom: For,
    pub(crate) exchange: Exchange,
}

/// See the module.
pub(crate) struct Works {
    all: Table<Work>,
    /// Those that sleep: their plugin and until when.
    sleepers: Table<(ContextId, Millis)>,
    next: WorkId,
}

impl Works {
    pub(crate) const fn new() -> Self {
        Self { all: Table::new(), sleepers: Table::new(), next: 0 }
    }

    /// How many there are that a request is held up by. Work that goes on afterwards may wait for an hour, and must not keep requests out.
    pub(crate) fn requests(&self) -> usize {
        self.all.iter().filter(|(_, work)| work.whom != For::Answered).count()
    }

    /// A number that no exchange in work has.
    pub(crate) fn number(&mut self) -> WorkId {
        loop {
            self.next = self.next.wrapping_add(1);
            if self.all.get(self.next).is_none() {
                return self.next;
            }
        }
    }

    /// Takes an exchange out, to go on with it.
    pub(crate) fn take(&mut self, id: WorkId) -> Option<Work> {
        self.sleepers.remove(id);
        self.all.remove(id)
    }

    /// Keeps an exchange that waits.
    pub(crate) fn keep(&mut self, id: WorkId, work: Work) {
        if let Some(moment) = work.exchange.wakes_at() {
            self.sleepers.insert(id, (work.root, moment));
        }
        self.all.insert(id, work);
    }

    /// A client has left: what it began to change goes on without it, all else ends here.
    pub(crate) fn abandon(&mut self, id: WorkId) {
        if let Some(mut work) = self.take(id)
            && work.exchange.outlives_client()
        {
            work.whom = For::Departed;
            self.keep(id, work);
        }
    }

    /// When the first of a plugin's exchanges wants to be woken.
    pub(crate) fn wakes_at(&self, root: ContextId) -> Option<Millis> {
        self.sleepers.iter().filter(|(_, (of, _))| *of == root).map(|(_, (_, moment))| *moment).min()
    }

    /// Those of a plugin's exchanges whose moment has come, at most so many.
    pub(crate) fn due(&self, root: ContextId, now: Millis, most: usize) -> Vec<WorkId> {
        let due = self.sleepers.iter().filter(|(_, (of, moment))| *of == root && *moment <= now);
        due.map(|(id, _)| *id).take(most).collect()
    }
}
