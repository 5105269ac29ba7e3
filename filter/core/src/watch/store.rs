//! The present state of what is watched: an object in each numbered place, and for each subject which places are its own.

use super::bytes::{Packer, Unpacker};
use super::shared::SharedData;
use super::subject::Subject;
use crate::time::Millis;
use std::rc::Rc;

/// What is known of a subject. Written by the one writer alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// [`crate::planes::identity_of`] of the Coder that this was read of.
    pub(super) identity: u64,
    /// Changes are in the history from this version on; 0 where nothing is known.
    pub since: u64,
    /// When the last complete reading began.
    pub read_at: Millis,
    /// The version of that moment: what changed before it has been seen.
    pub read_version: u64,
    /// The last of [`super::Wants::ticket`] whose owner need not wait any more.
    pub seen: u64,
    /// When Coder was last seen to fail.
    pub failed_at: Millis,
    /// How it failed, for those who wait.
    pub failure: String,
    /// [`super::seed::sum`] of its objects.
    pub(super) sum: u64,
    /// Where the history ends, or will in a moment, once it tells of all that the sum counts.
    pub(super) sum_at: u64,
    /// Places of its objects.
    pub(super) places: Vec<u64>,
}

/// An object in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// [`Subject::key`]; empty in a place that is free.
    pub(super) subject: String,
    /// Coder's.
    pub(super) id: String,
    /// Ours.
    pub(super) name: String,
    pub(super) version: u64,
    pub(super) hash: u64,
    /// Deleted, and the history may not say so yet.
    pub(super) deleted: bool,
    /// See [`super::view`].
    pub(super) parts: Vec<u8>,
}

/// See the module.
pub(super) struct Store {
    shared: Rc<dyn SharedData>,
    prefix: String,
}

impl Store {
    pub(super) fn new(shared: Rc<dyn SharedData>, prefix: &str) -> Self {
        Self { shared, prefix: prefix.to_owned() }
    }

    fn state_key(&self, subject: &Subject) -> String {
        [&self.prefix, "subject.", &subject.key()].concat()
    }

    fn place_key(&self, place: u64) -> String {
        format!("{}object.{place}", self.prefix)
    }

    pub(super) fn state(&self, subject: &Subject) -> State {
        let Some((bytes, _)) = self.shared.get(&self.state_key(subject)) else { return State::default() };
        unpack_state(&bytes).unwrap_or_default()
    }

    pub(super) fn set_state(&self, subject: &Subject, state: &State) -> bool {
        let mut packer = Packer::default()
            .number(state.identity)
            .number(state.since)
            .number(state.read_at.cast_unsigned())
            .number(state.read_version)
            .number(state.seen)
            .number(state.sum)
            .number(state.sum_at)
            .number(state.failed_at.cast_unsigned())
            .text(&state.failure);
        for place in &state.places {
            packer = packer.number(*place);
        }
        self.shared.set(&self.state_key(subject), &packer.0, 0)
    }

    pub(super) fn record(&self, place: u64) -> Option<Record> {
        let (bytes, _) = self.shared.get(&self.place_key(place))?;
        let mut bytes = Unpacker(&bytes);
        Some(Record {
            subject: bytes.text()?.to_owned(),
            id: bytes.text()?.to_owned(),
            name: bytes.text()?.to_owned(),
            version: bytes.number()?,
            hash: bytes.number()?,
            deleted: bytes.number()? != 0,
            parts: bytes.bytes()?.to_vec(),
        })
    }

    pub(super) fn set_record(&self, place: u64, record: &Record) -> bool {
        let packer = Packer::default()
            .text(&record.subject)
            .text(&record.id)
            .text(&record.name)
            .number(record.version)
            .number(record.hash)
            .number(u64::from(record.deleted))
            .bytes(&record.parts);
        self.shared.set(&self.place_key(place), &packer.0, 0)
    }

    /// Makes a place free, and gives its memory back.
    pub(super) fn clear(&self, place: u64) {
        self.shared.set(&self.place_key(place), &[], 0);
    }
}

fn unpack_state(bytes: &[u8]) -> Option<State> {
    let mut bytes = Unpacker(bytes);
    let mut state = State {
        identity: bytes.number()?,
        since: bytes.number()?,
        read_at: bytes.moment()?,
        read_version: bytes.number()?,
        seen: bytes.number()?,
        sum: bytes.number()?,
        sum_at: bytes.number()?,
        failed_at: bytes.moment()?,
        failure: bytes.text()?.to_owned(),
        places: Vec::new(),
    };
    while let Some(place) = bytes.number() {
        state.places.push(place);
    }
    Some(state)
}
