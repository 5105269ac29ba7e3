//! Compares what was read of Coder with what is known, and writes the difference into the history. There is one at a time in a process.
//!
//! Readings come one after the other, so a later one is newer: no object goes back to an earlier state. What is written is there for everybody before the
//! history says so; a writer that dies in between leaves nothing that its successor would not find and say again.

use super::history::{Change, Event, Head};
use super::hub::Hub;
use super::seed::sum;
use super::store::{Record, State};
use super::subject::Subject;
use crate::convert::resource_version::resource_version;
use crate::time::Millis;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// How many deletions are remembered.
const DEPARTED: u64 = 256;

/// An object as it was just read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Coder's.
    pub id: String,
    /// Ours.
    pub name: String,
    /// Hash of what lists show of it.
    pub hash: u64,
    /// The newest moment that Coder stamped on it.
    pub newest: Millis,
    /// What is kept of it; see [`super::view`].
    pub parts: Vec<u8>,
}

impl Observed {
    /// Takes out those that have the same name, and returns their ids.
    pub fn take_doubles(all: &mut Vec<Self>) -> Vec<String> {
        let mut names: Vec<&str> = all.iter().map(|object| object.name.as_str()).collect();
        crate::sort::sort_by(&mut names, Ord::cmp);
        let twice = names.windows(2).filter_map(|pair| match pair {
            [one, other] if one == other => Some((*one).to_owned()),
            _ => None,
        });
        let doubles: Vec<String> = twice.collect();
        let mut ids = Vec::new();
        all.retain(|object| {
            let double = doubles.contains(&object.name);
            if double && !ids.contains(&object.id) {
                ids.push(object.id.clone());
            }
            !double
        });
        ids
    }
}

/// What has been deleted.
#[derive(Clone, Debug, Default)]
pub struct Gone {
    /// Ids.
    pub ids: Vec<String>,
    /// Those of which Coder still shows what they were: they may have been made or renamed since they were looked at.
    pub last: Vec<Observed>,
}

/// How changes were found.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When the reading began that has seen them.
    pub at: Millis,
    /// Something may have been missed before.
    pub after_gap: bool,
}

/// An object that is known.
#[derive(Clone, Debug)]
struct Known {
    place: u64,
    name: String,
    /// 0 where the history may lack what is known of it.
    hash: u64,
}

/// The objects of a subject.
struct Table {
    subject: Subject,
    objects: BTreeMap<String, Known>,
}

/// See the module.
pub struct Writer {
    hub: Rc<Hub>,
    head: Head,
    tables: Vec<Table>,
    /// Ids of objects that have been deleted of late, and of which that has been told.
    departed: VecDeque<String>,
    /// Ids of objects that have lost their name, or may have, and of which is not known what has become.
    pub evicted: Vec<String>,
    /// Places that are free.
    free: Vec<u64>,
    /// The first place that was never used.
    unused: u64,
}

impl Writer {
    /// Takes up what the one before has left.
    pub fn new(hub: Rc<Hub>, subjects: &[Subject]) -> Self {
        let head = hub.history.head();
        // What one before has begun to tell is looked for again.
        hub.clock.told();
        let (tables, departed, evicted, free, unused) = Default::default();
        let mut writer = Self { hub, head, tables, departed, evicted, free, unused };
        for place in head.next.saturating_sub(DEPARTED).max(head.oldest)..head.next {
            if let Some(event) = writer.hub.history.event(place) {
                writer.note(&event);
            }
        }
        let mut used = Vec::new();
        for subject in subjects {
            let mut objects = BTreeMap::new();
            let mut state = writer.hub.state(subject);
            let places = std::mem::take(&mut state.places);
            for place in places {
                let Some(record) = writer.hub.store.record(place) else { continue };
                if record.subject != subject.key() || (record.deleted && record.version <= head.version) {
                    continue;
                }
                let told = record.version <= head.version.max(state.since) && !record.deleted;
                let hash = if told { record.hash } else { 0 };
                objects.insert(record.id, Known { place, name: record.name, hash });
                state.places.push(place);
                used.push(place);
            }
            writer.hub.store.set_state(subject, &state);
            writer.tables.push(Table { subject: subject.clone(), objects });
        }
        crate::sort::sort_by(&mut used, u64::cmp);
        for place in used {
            while writer.unused < place {
                writer.free.push(writer.unused);
                writer.unused = writer.unused.saturating_add(1);
            }
            writer.unused = place.saturating_add(1);
        }
        writer
    }

    /// Takes care of a further subject, of which nothing is known.
    pub fn track(&mut self, subject: &Subject) {
        if self.table(subject).is_none() {
            let state = State { identity: self.hub.state(subject).identity, ..State::default() };
            self.hub.store.set_state(subject, &state);
            self.tables.push(Table { subject: subject.clone(), objects: BTreeMap::new() });
        }
    }

    fn table(&self, subject: &Subject) -> Option<&Table> {
        self.tables.iter().find(|table| table.subject == *subject)
    }

    fn place(&mut self) -> u64 {
        self.free.pop().unwrap_or_else(|| {
            let place = self.unused;
            self.unused = place.saturating_add(1);
            place
        })
    }

    /// Ids of known objects that a complete reading lacks. Whether they are gone is to be asked.
    pub fn missing(&self, subject: &Subject, observed: &[Observed]) -> Vec<String> {
        let Some(table) = self.table(subject) else { return Vec::new() };
        let mut ids: Vec<&str> = observed.iter().map(|object| object.id.as_str()).collect();
        crate::sort::sort_by(&mut ids, Ord::cmp);
        let lacks = table.objects.keys().filter(|id| ids.binary_search(&id.as_str()).is_err());
        lacks.cloned().collect()
    }

    /// Whether an object is not as it is known.
    pub fn differs(&self, subject: &Subject, object: &Observed) -> bool {
        let known = self.table(subject).and_then(|table| table.objects.get(&object.id));
        known.is_none_or(|known| known.hash != object.hash || known.name != object.name)
    }

    /// Whether all has been told of an object that has been deleted.
    pub fn has_departed(&self, id: &str) -> bool {
        self.departed.iter().any(|departed| departed == id)
    }

    /// Remembers who has departed; one that is there again has lost a name only.
    fn note(&mut self, event: &Event) {
        self.departed.retain(|departed| *departed != event.id);
        if event.change == Change::Deleted {
            self.departed.push_back(event.id.clone());
            while self.departed.len() > usize::try_from(DEPARTED).unwrap_or(usize::MAX) {
                self.departed.pop_front();
            }
        }
    }

    /// Takes in objects as they were read, and ids of those that are gone. Returns how many changes that made; `None` when another writer has taken over.
    pub fn take_in(
        &mut self,
        subject: &Subject,
        observed: Vec<Observed>,
        gone: &Gone,
        seen: Seen,
        now: Millis,
    ) -> Option<usize> {
        let key = subject.key();
        let observed = self.without_doubles(observed);
        let Some(table) = self.table(subject) else { return Some(0) };
        let mut changes: Vec<(Option<Millis>, Event, Option<Observed>)> = Vec::new();
        let event = |change, (id, name): (&str, &str), before, after| Event {
            version: 0,
            seen_at: seen.at,
            after_gap: seen.after_gap,
            subject: key.clone(),
            change,
            id: id.to_owned(),
            name: name.to_owned(),
            before,
            after,
        };
        let parts =
            |known: &Known| self.hub.store.record(known.place).map(|record| record.parts).unwrap_or_default();
        // What nobody here has ever seen, or not by this name: a list may have shown it. Not so where another has the name already, which has taken its place.
        let is_taken = |name: &str| table.objects.values().any(|known| known.name == name);
        for object in gone.last.iter().filter(|object| !is_taken(&object.name)) {
            let last = event(Change::Deleted, (&object.id, &object.name), object.parts.clone(), Vec::new());
            changes.push((None, Event { after_gap: true, ..last }, None));
        }
        for id in &gone.ids {
            if let Some(known) = table.objects.get(id) {
                changes.push((
                    None,
                    event(Change::Deleted, (id, &known.name), parts(known), Vec::new()),
                    None,
                ));
            }
        }
        for object in observed {
            let (change, before) = match table.objects.get(&object.id) {
                Some(known) if known.name != object.name => {
                    changes.push((
                        None,
                        event(Change::Deleted, (&object.id, &known.name), parts(known), Vec::new()),
                        None,
                    ));
                    (Change::Added, Vec::new())
                }
                Some(known) if known.hash == object.hash => continue,
                Some(known) => (Change::Modified, parts(known)),
                None => (Change::Added, Vec::new()),
            };
            let stamp = Some(object.newest);
            changes.push((
                stamp,
                event(change, (&object.id, &object.name), before, object.parts.clone()),
                Some(object),
            ));
        }
        if changes.is_empty() {
            return Some(0);
        }
        // A name has one owner: who is known by a name that another has now has lost it, by a rename or a deletion that is not known yet.
        let mut evicted = Vec::new();
        for (_, _, object) in &changes {
            let Some(object) = object else { continue };
            let owner =
                table.objects.iter().find(|(id, known)| known.name == object.name && **id != object.id);
            if let Some((id, known)) = owner
                && !changes.iter().any(|(_, event, _)| event.id == *id && event.change == Change::Deleted)
            {
                evicted.push((id.clone(), known.name.clone(), parts(known)));
            }
        }
        for (id, name, before) in evicted {
            changes.push((None, event(Change::Deleted, (&id, &name), before, Vec::new()), None));
            self.evicted.push(id);
        }
        // Deletions come first: another object may have taken the name. The rest as Coder has stamped it, so that its moments can be versions.
        crate::sort::sort_by(&mut changes, |(a, ..), (b, ..)| a.cmp(b));
        self.write(subject, changes, now)
    }

    /// Without those that have the same name: which of them has it now is to be asked.
    fn without_doubles(&mut self, mut observed: Vec<Observed>) -> Vec<Observed> {
        self.evicted.extend(Observed::take_doubles(&mut observed));
        observed
    }

    fn write(
        &mut self,
        subject: &Subject,
        changes: Vec<(Option<Millis>, Event, Option<Observed>)>,
        now: Millis,
    ) -> Option<usize> {
        let stamps: Vec<_> = changes
            .iter()
            .map(|(stamp, _, object)| (*stamp, object.as_ref().map_or(0, |object| object.hash)))
            .collect();
        let versions = self.hub.clock.versions(now, &stamps);
        let key = subject.key();
        let mut state = self.hub.state(subject);
        let mut events = Vec::with_capacity(changes.len());
        let mut cleared = Vec::new();
        for ((_, mut event, object), version) in changes.into_iter().zip(versions) {
            event.version = version;
            let known = self.table(subject).and_then(|table| table.objects.get(&event.id)).cloned();
            let mut record =
                Record { subject: key.clone(), id: event.id.clone(), version, ..Record::default() };
            match object {
                Some(object) => {
                    let place = match known {
                        Some(known) => known.place,
                        None => {
                            let place = self.place();
                            state.places.push(place);
                            place
                        }
                    };
                    let known = Known { place, name: object.name.clone(), hash: object.hash };
                    (record.name, record.hash, record.parts) = (object.name, object.hash, object.parts);
                    self.hub.store.set_record(place, &record);
                    self.set(subject, event.id.clone(), Some(known));
                }
                None => {
                    if let Some(known) = known {
                        (record.name, record.deleted) = (known.name, true);
                        record.parts.clone_from(&event.before);
                        self.hub.store.set_record(known.place, &record);
                        cleared.push(known.place);
                    }
                    self.set(subject, event.id.clone(), None);
                }
            }
            self.note(&event);
            events.push(event);
        }
        state.sum = self.sum(subject);
        state.sum_at = self.head.next.saturating_add(u64::try_from(events.len()).unwrap_or(u64::MAX));
        self.hub.store.set_state(subject, &state);
        let told = self.hub.history.append(&mut self.head, &events);
        self.hub.clock.told();
        if !told {
            return None;
        }
        state.places.retain(|place| !cleared.contains(place));
        self.hub.store.set_state(subject, &state);
        for place in cleared {
            self.hub.store.clear(place);
            self.free.push(place);
        }
        Some(events.len())
    }

    fn sum(&self, subject: &Subject) -> u64 {
        let Some(table) = self.table(subject) else { return 0 };
        sum(table.objects.iter().map(|(id, known)| (id.as_str(), known.name.as_str(), known.hash)))
    }

    fn set(&mut self, subject: &Subject, id: String, known: Option<Known>) {
        if let Some(table) = self.tables.iter_mut().find(|table| table.subject == *subject) {
            match known {
                Some(known) => table.objects.insert(id, known),
                None => table.objects.remove(&id),
            };
        }
    }

    /// Whether a complete reading that begins now goes on from what is known, if that is at most so old; else it is a new beginning, and no change is told.
    pub fn goes_on(&self, subject: &Subject, now: Millis, age: Millis) -> bool {
        let state = self.hub.state(subject);
        state.since != 0 && now.saturating_sub(state.read_at.max(state.failed_at)) < age
    }

    /// Takes in a complete reading as a new beginning. `version` was given out when it began.
    pub fn begin(&mut self, subject: &Subject, observed: Vec<Observed>, version: u64) {
        let observed = self.without_doubles(observed);
        let mut state = self.hub.state(subject);
        // Also those of another Coder that stood behind this namespace, of which the state says nothing any more.
        let mut before = std::mem::take(&mut state.places);
        if let Some(table) = self.tables.iter_mut().find(|table| table.subject == *subject) {
            before.extend(std::mem::take(&mut table.objects).into_values().map(|known| known.place));
        }
        // Not above the version of the whole.
        let newest = super::moment(version).saturating_sub(1);
        for object in observed {
            let place = self.place();
            state.places.push(place);
            let record = Record {
                subject: subject.key(),
                id: object.id.clone(),
                name: object.name.clone(),
                version: resource_version(object.newest.min(newest), object.hash),
                hash: object.hash,
                deleted: false,
                parts: object.parts,
            };
            self.hub.store.set_record(place, &record);
            let known = Known { place, name: object.name, hash: object.hash };
            self.set(subject, object.id, Some(known));
        }
        state.since = version;
        (state.sum, state.sum_at) = (self.sum(subject), self.head.next);
        self.hub.store.set_state(subject, &state);
        // Other workers may be reading what was there before: see `Hub::present`.
        crate::sort::sort_by(&mut before, Ord::cmp);
        before.dedup();
        for place in before {
            self.hub.store.clear(place);
            self.free.push(place);
        }
    }

    /// A complete reading has been taken in: it began at that moment, and that version was given out then.
    pub fn read(&self, subject: &Subject, began: Millis, version: u64) {
        // Should that have failed before: it is said a few times a minute.
        self.hub.clock.told();
        let state = self.hub.state(subject);
        let state =
            State { read_at: began, read_version: version, failure: String::new(), failed_at: 0, ..state };
        self.hub.store.set_state(subject, &state);
    }
}
