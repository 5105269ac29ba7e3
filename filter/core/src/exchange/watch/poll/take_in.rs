//! What is read of some objects, and what becomes of it: what differs from what is known is written down, and rung for.

use super::super::super::join;
use super::super::word;
use super::reading::{self, One, Read};
use super::{ONE_BY_ONE, Poll, TRIES};
use crate::kube::status::Status;
use crate::time::Millis;
use crate::watch::{Gone, Kind, Observed, Seen, Subject, Touched};

/// How long a workspace is read again and again because its agents are coming up.
const SETTLING: Millis = 300_000;
/// The state of what has been deleted.
const GONE: &str = "gone";
/// Calls to Coder at once where several workspaces are read.
const AT_ONCE: usize = 4;

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) observed: Vec<Observed>,
    pub(super) gone: Gone,
    pub(super) failure: Option<Status>,
}

impl Found {
    pub(super) fn extend(&mut self, more: Self) {
        self.observed.extend(more.observed);
        self.gone.ids.extend(more.gone.ids);
        self.gone.last.extend(more.gone.last);
        self.failure = self.failure.take().or(more.failure);
    }
}

impl Poll {
    /// Reads objects by their ids. What Coder does not tell is looked at again later.
    pub(super) async fn read_each(&mut self, kind: Kind, ids: Vec<String>) -> Found {
        let poll = &*self;
        let found = join::each(AT_ONCE, ids, |id| async move { (poll.read_one(kind, &id).await, id) }).await;
        let (mut there, mut read, mut failed) = (Vec::new(), Found::default(), Vec::new());
        for (one, id) in found {
            match one {
                One::There(object) => there.push(object),
                One::Gone(last) => {
                    read.gone.last.extend(last);
                    read.gone.ids.push(id);
                }
                One::Unknown(None) => {}
                One::Unknown(Some(status)) => {
                    read.failure = Some(status);
                    failed.push(id);
                }
            }
        }
        read.observed = self.settle(there);
        let again = |id| Touched { kind, id, told: String::new() };
        let failed: Vec<Touched> = failed.into_iter().map(again).collect();
        if !failed.is_empty() {
            self.cx.filter.watching.hub.wants.touch(&self.plane.namespace, &failed);
        }
        read
    }

    /// Reads an object by its id, and one that has gone as it was last, unless all has been told of it: a list may have shown that alone.
    async fn read_one(&self, kind: Kind, id: &str) -> One {
        let one = reading::one(&self.cx, &self.plane, kind, id).await;
        let told = || self.with_writer(|writer| writer.has_departed(id)).unwrap_or(true);
        if kind == Kind::Templates || !matches!(one, One::Gone(_)) || told() {
            return one;
        }
        reading::departed(&self.cx, &self.plane, id).await
    }

    /// Reads those again that have the same name: it went from one to the other while they were read.
    pub(super) async fn read_doubles(&mut self, kind: Kind, read: &mut Found) {
        for _ in 0..TRIES {
            let doubles = Observed::take_doubles(&mut read.observed);
            if doubles.is_empty() || read.failure.is_some() {
                return;
            }
            let again = self.read_each(kind, doubles).await;
            read.extend(again);
        }
    }

    /// Objects that are not as they are known: their ids, and the state that they are in.
    fn changed(&self, subject: &Subject, observed: &[Observed]) -> Vec<(String, String)> {
        let changed = self.with_writer(|writer| {
            let differs = observed.iter().filter(|object| writer.differs(subject, object));
            differs.map(|object| (object.id.clone(), format!("{:x}", object.hash))).collect::<Vec<_>>()
        });
        changed.unwrap_or_default()
    }

    /// Remembers which of them are settling.
    pub(super) fn settle(&mut self, read: Vec<Read>) -> Vec<Observed> {
        let until = self.cx.now().saturating_add(SETTLING);
        let mut observed = Vec::with_capacity(read.len());
        for (object, settling) in read {
            let at = self.settling.iter().position(|(id, _)| *id == object.id);
            match at {
                Some(at) if !settling => drop(self.settling.swap_remove(at)),
                None if settling && self.settling.len() < ONE_BY_ONE / 2 => {
                    self.settling.push((object.id.clone(), until));
                }
                _ => {}
            }
            observed.push(object);
        }
        observed
    }

    /// Writes down what has changed, and rings. Other replicas read again what is named: what they may not have been told of.
    pub(super) fn take_in(&mut self, subject: &Subject, seen: Seen, read: Found) {
        let cx = self.cx.clone();
        let watching = &cx.filter.watching;
        let mut changed = self.changed(subject, &read.observed);
        if !self.is_our_turn() {
            return;
        }
        changed.extend(read.gone.ids.iter().map(|id| (id.clone(), GONE.to_owned())));
        let written =
            self.with_writer(|writer| writer.take_in(subject, read.observed, &read.gone, seen, cx.now()));
        self.read_again(subject.kind);
        match written {
            Some(Some(0)) | None => {}
            Some(Some(_)) => {
                changed.retain(|seen| !self.heard.contains(seen));
                watching.ring(changed.iter().map(|(id, state)| word(subject, id, state)));
            }
            Some(None) => drop(watching.writer.take()),
        }
    }

    /// What has lost its name, or may have, is read before anybody is told that all has been seen.
    pub(super) fn read_again(&mut self, kind: Kind) {
        for id in self.with_writer(|writer| std::mem::take(&mut writer.evicted)).unwrap_or_default() {
            match kind {
                Kind::Workspaces => self.is_due(id),
                Kind::Templates => self.schedule(kind).due = true,
            }
        }
    }
}
