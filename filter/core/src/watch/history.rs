//! The changes, in one row: a ring of numbered places in shared data, bounded in number and bytes. What has fallen off is gone for everybody.

use super::bytes::{Packer, Unpacker};
use super::shared::SharedData;
use super::subject::Subject;
use crate::time::Millis;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Places of the ring.
const PLACES: u64 = 8192;
/// Most bytes of changes that are kept.
const BYTES: u64 = 24 * 1024 * 1024;
/// Changes that a worker keeps at hand, and their bytes.
const AT_HAND: usize = 512;
const AT_HAND_BYTES: usize = 2 * 1024 * 1024;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Modified,
    Deleted,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) version: u64,
    /// When the reading began that has seen it, by our own clock.
    pub(super) seen_at: Millis,
    /// Something may have been missed before: another replica may have shown states in between that are not known here.
    pub(super) after_gap: bool,
    /// [`Subject::key`].
    pub(super) subject: String,
    pub(super) change: Change,
    /// Coder's.
    pub(super) id: String,
    /// Ours.
    pub(super) name: String,
    /// The object before, if there was one. See [`super::view`].
    pub(super) before: Vec<u8>,
    /// The object afterwards, if there is one.
    pub(super) after: Vec<u8>,
}

/// Where the row begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The next change's place in the row.
    pub(super) next: u64,
    /// The first that is still there.
    pub(super) oldest: u64,
    /// Bytes of all that are there.
    bytes: u64,
    /// Version of the last that was written; 0 before the first.
    pub(super) version: u64,
    /// Version of the last that has fallen off; 0 when none has.
    pub(super) dropped: u64,
    /// By which it is changed.
    number: u32,
}

/// See the module.
pub(super) struct History {
    shared: Rc<dyn SharedData>,
    prefix: String,
    head: String,
    at_hand: RefCell<VecDeque<(u64, Rc<Event>)>>,
}

impl History {
    pub(super) fn new(shared: Rc<dyn SharedData>, prefix: &str) -> Self {
        let head = [prefix, "head"].concat();
        Self { shared, prefix: prefix.to_owned(), head, at_hand: RefCell::default() }
    }

    pub(super) fn head(&self) -> Head {
        let Some((bytes, number)) = self.shared.get(&self.head) else { return Head::default() };
        let mut bytes = Unpacker(&bytes);
        let mut next = || bytes.number().unwrap_or_default();
        Head { next: next(), oldest: next(), bytes: next(), version: next(), dropped: next(), number }
    }

    fn key(&self, place: u64) -> String {
        format!("{}event.{}", self.prefix, place % PLACES)
    }

    /// The change at that place of the row; nothing when it has fallen off.
    pub(super) fn event(&self, place: u64) -> Option<Rc<Event>> {
        if let Some((_, event)) = self.at_hand.borrow().iter().rev().find(|(at, _)| *at == place) {
            return Some(event.clone());
        }
        let (bytes, _) = self.shared.get(&self.key(place))?;
        let event = Rc::new(unpack(&bytes, place)?);
        self.keep(place, &event);
        Some(event)
    }

    fn keep(&self, place: u64, event: &Rc<Event>) {
        let mut at_hand = self.at_hand.borrow_mut();
        // Who goes back looks things up; only the newest are wanted by many.
        if at_hand.back().is_some_and(|(last, _)| *last >= place) {
            return;
        }
        at_hand.push_back((place, event.clone()));
        let mut bytes: usize = at_hand.iter().map(|(_, event)| size(event)).fold(0, usize::saturating_add);
        while at_hand.len() > AT_HAND || bytes > AT_HAND_BYTES {
            let Some((_, event)) = at_hand.pop_front() else { break };
            bytes = bytes.saturating_sub(size(&event));
        }
    }

    /// The place of the first change above a version. `None` when it may have fallen off.
    pub(super) fn first_above(&self, version: u64) -> Option<u64> {
        let head = self.head();
        if version < head.dropped {
            return None;
        }
        let (mut low, mut high) = (head.oldest, head.next);
        while low < high {
            let middle = low.midpoint(high);
            if self.event_quietly(middle)?.version > version {
                high = middle;
            } else {
                low = middle.saturating_add(1);
            }
        }
        Some(low)
    }

    fn event_quietly(&self, place: u64) -> Option<Event> {
        let (bytes, _) = self.shared.get(&self.key(place))?;
        unpack(&bytes, place)
    }

    /// The place of the first change whose reading began at a moment or later. What has fallen off is not told.
    pub(super) fn first_seen(&self, moment: Millis) -> u64 {
        let head = self.head();
        let mut place = head.next;
        while place > head.oldest {
            let before = place.saturating_sub(1);
            match self.event_quietly(before) {
                Some(event) if event.seen_at >= moment => place = before,
                _ => break,
            }
        }
        place
    }

    /// Adds changes at the end. `false` when somebody else has written meanwhile: then nothing was added.
    pub(super) fn append(&self, head: &mut Head, events: &[Event]) -> bool {
        let mut new = *head;
        for event in events {
            let packed = pack(event, new.next);
            let length = u64::try_from(packed.len()).unwrap_or(u64::MAX);
            while new.next.saturating_sub(new.oldest) >= PLACES
                || (new.bytes.saturating_add(length) > BYTES && new.oldest < new.next)
            {
                self.drop_oldest(&mut new);
            }
            if !self.shared.set(&self.key(new.next), &packed, 0) {
                return false;
            }
            new.next = new.next.saturating_add(1);
            new.bytes = new.bytes.saturating_add(length);
            new.version = event.version;
        }
        let packed = Packer::default()
            .number(new.next)
            .number(new.oldest)
            .number(new.bytes)
            .number(new.version)
            .number(new.dropped);
        let done = self.shared.set(&self.head, &packed.0, head.number);
        if done {
            *head = self.head();
        }
        done
    }

    fn drop_oldest(&self, head: &mut Head) {
        let key = self.key(head.oldest);
        if let Some((bytes, _)) = self.shared.get(&key) {
            if let Some(event) = unpack(&bytes, head.oldest) {
                head.dropped = event.version;
            }
            head.bytes = head.bytes.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            self.shared.set(&key, &[], 0);
        }
        head.oldest = head.oldest.saturating_add(1);
    }
}

impl Event {
    pub(super) fn is_of(&self, subjects: &[Subject]) -> bool {
        subjects.iter().any(|subject| subject.key() == self.subject)
    }
}

fn size(event: &Event) -> usize {
    event.before.len().saturating_add(event.after.len()).saturating_add(256)
}

fn pack(event: &Event, place: u64) -> Vec<u8> {
    let change = match event.change {
        Change::Added => 0,
        Change::Modified => 1,
        Change::Deleted => 2,
    };
    Packer::default()
        .number(place)
        .number(event.version)
        .number(event.seen_at.cast_unsigned())
        .number(u64::from(event.after_gap))
        .text(&event.subject)
        .number(change)
        .text(&event.id)
        .text(&event.name)
        .bytes(&event.before)
        .bytes(&event.after)
        .0
}

fn unpack(bytes: &[u8], place: u64) -> Option<Event> {
    let mut bytes = Unpacker(bytes);
    // The ring has gone round since.
    if bytes.number()? != place {
        return None;
    }
    Some(Event {
        version: bytes.number()?,
        seen_at: bytes.moment()?,
        after_gap: bytes.number()? != 0,
        subject: bytes.text()?.to_owned(),
        change: match bytes.number()? {
            0 => Change::Added,
            1 => Change::Modified,
            _ => Change::Deleted,
        },
        id: bytes.text()?.to_owned(),
        name: bytes.text()?.to_owned(),
        before: bytes.bytes()?.to_vec(),
        after: bytes.bytes()?.to_vec(),
    })
}
