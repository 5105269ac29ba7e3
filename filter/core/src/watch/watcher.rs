//! One watch: where it stands in the history, what it wants, and what it is to be told next.
//!
//! It holds no events. Whenever its stream can be written to, it is asked for everything that has happened since; a watcher that cannot keep up
//! falls off the end of the history, and is told so.

use super::history::{Change, Event};
use super::hub::Hub;
use super::seed::Seed;
use super::store::Record;
use super::subject::{Kind, Subject};
use super::view::view;
use crate::api::v1alpha1::{CoderTemplate, CoderWorkspace};
use crate::convert::resource_version::{HASH_MASK, resource_version};
use crate::convert::selectable::{CHANGING_FIELDS, CHANGING_LABELS};
use crate::kube::negotiation::Form;
use crate::kube::selectors::{FieldSelector, LabelSelector};
use crate::kube::status::Status;
use crate::kube::watch_event::{Bare, EventType, append_bookmark, append_deleted, append_error};
use crate::planes::{Mapping, identities};
use crate::time::Millis;
use std::rc::Rc;

/// What a watch is of.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The kind.
    pub kind: Kind,
    /// That kind of these Coders; none where no Coder stands behind the namespace.
    pub subjects: Vec<Subject>,
    /// The namespace that is watched, if it is one.
    pub namespace: Option<String>,
    /// [`crate::planes::identities`] when the watch began: it is over when these are others.
    pub identities: Vec<(String, u64)>,
    /// By labels.
    pub labels: LabelSelector,
    /// By fields.
    pub fields: FieldSelector,
    /// How events are written.
    pub form: Form,
    /// Whether the client understands bookmarks.
    pub bookmarks: bool,
}

/// Where a watch begins.
#[derive(Clone, Debug)]
pub enum Start {
    /// At that place of the history, after that version.
    At(u64, u64),
    /// With all that is there; a bookmark tells when that is over, if one is wanted.
    Present(bool),
    /// After a list, of which is known what it has said.
    List(u64, Vec<Seed>),
    /// After that version, of which the client may know more than the history did: what was told from that place on is told once more, each object as it
    /// now is.
    Again(u64, u64),
}

/// For so long, in milliseconds, one that comes from another replica may have been shown what is yet to be found here.
const CATCHES_UP: Millis = 120_000;
/// Objects whose events are counted meanwhile; where there are more, that is long enough.
const CAUGHT_UP: usize = 256;

/// How often a bookmark is tried to be put behind what has just come.
const TRIES: u32 = 8;

/// What is told again of an object: the last event about it, and what was before.
struct Told {
    place: u64,
    event: Rc<Event>,
    /// It was selected when all this began.
    there: bool,
    /// It was selected at any time before the event.
    selected: bool,
}

/// See the module.
pub struct Watcher {
    hub: Rc<Hub>,
    wish: Wish,
    /// What it selects by labels and fields that do not change.
    lasting: (LabelSelector, FieldSelector),
    /// The Coders of which is known that they are those that it began with.
    planes: Option<Rc<[Mapping]>>,
    start: Option<Start>,
    /// Place of the next event.
    place: u64,
    /// Version of the last that was told.
    version: u64,
    /// Version of the last event of anything up to that place.
    passed: u64,
    /// The bookmark after all that is there has yet to be told.
    end_is_due: bool,
    /// Subjects, ids and names of what was told to be there no more because a list had shown it: the history may tell of that later, if it does.
    missed: Vec<[String; 3]>,
    /// Until then the client may know of objects what is not known here, unless they are among these, of which it has been told.
    catches_up: (Millis, Vec<(String, String)>),
    /// A table has described its columns.
    columns_told: bool,
    over: bool,
}

impl Watcher {
    /// A watch that has been told nothing yet.
    pub fn new(hub: Rc<Hub>, wish: Wish, start: Start) -> Self {
        hub.count(true);
        Self {
            hub,
            lasting: (wish.labels.without(CHANGING_LABELS), wish.fields.without(CHANGING_FIELDS)),
            wish,
            planes: None,
            start: Some(start),
            place: 0,
            version: 0,
            passed: 0,
            end_is_due: false,
            missed: Vec::new(),
            catches_up: (0, Vec::new()),
            columns_told: false,
            over: false,
        }
    }

    /// What it is of.
    pub fn wish(&self) -> &Wish {
        &self.wish
    }

    /// Whether it has been told that it is over; nothing follows.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Everything that has happened since; `bookmark` if it is time for one.
    pub fn pull(&mut self, now: Millis, bookmark: bool) -> Vec<u8> {
        let mut out = Vec::new();
        if self.over {
            return out;
        }
        let told = match self.start.take() {
            _ if !self.is_served() => {
                Err(Status::expired("another Coder stands behind a namespace that is watched"))
            }
            Some(start) => self.begin(&mut out, start, now),
            None => Ok(()),
        };
        if self.start.is_some() {
            return out;
        }
        let told = told.and_then(|()| self.go_on(&mut out, now));
        let told = match told {
            Ok(()) if self.end_is_due || (bookmark && self.wish.bookmarks) => self.bookmark(&mut out, now),
            other => other,
        };
        if let Err(status) = told {
            append_error(&mut out, &status);
            self.over = true;
        }
        out
    }

    /// Whether the Coders still are those that it began with. Where they are not, neither is what it was told; what there is now a list shows.
    fn is_served(&mut self) -> bool {
        let now = self.hub.planes.all();
        if self.planes.as_ref().is_some_and(|before| Rc::ptr_eq(before, &now)) {
            return true;
        }
        let same = identities(&now, self.wish.namespace.as_deref()) == self.wish.identities;
        self.planes = same.then_some(now);
        same
    }

    /// Begins, or leaves that to the next time: what is there may just be changing.
    fn begin(&mut self, out: &mut Vec<u8>, start: Start, now: Millis) -> Result<(), Status> {
        match start {
            Start::At(place, version) => {
                (self.place, self.version) = (place, version);
                Ok(())
            }
            Start::Present(end) => {
                let Some((head, records)) = self.hub.present(&self.wish.subjects) else {
                    self.start = Some(start);
                    return Ok(());
                };
                for record in &records {
                    if self.selects(record) {
                        self.tell(out, record, EventType::Added, record.version, now);
                    }
                    self.version = self.version.max(record.version);
                }
                (self.place, self.passed, self.end_is_due) = (head.next, head.version, end);
                Ok(())
            }
            Start::List(version, lists) => self.after_list(out, version, lists, now),
            Start::Again(place, version) => {
                self.version = version;
                self.again(out, place, now)
            }
        }
    }

    /// The events of the history that have come since.
    fn go_on(&mut self, out: &mut Vec<u8>, now: Millis) -> Result<(), Status> {
        let head = self.hub.history.head();
        if self.place < head.oldest {
            return Err(too_old());
        }
        while self.place < head.next {
            let place = self.place;
            let event = self.hub.history.event(place).ok_or_else(too_old)?;
            self.place = place.saturating_add(1);
            if !event.is_of(&self.wish.subjects) || self.is_known_to_have_gone(&event) {
                continue;
            }
            let before = !event.before.is_empty() && self.matches(place, &event, false);
            let after = !event.after.is_empty() && self.matches(place, &event, true);
            let is_first = self.is_first(&event, now);
            let event_type = match (before, after) {
                (false, true) => EventType::Added,
                (true, true) => EventType::Modified,
                (true, false) => EventType::Deleted,
                // Who comes from another replica may have seen it selected.
                (false, false)
                    if (is_first || event.after_gap) && self.may_have_been_selected(place, &event) =>
                {
                    EventType::Deleted
                }
                (false, false) => continue,
            };
            self.tell_event(out, place, &event, event_type, now);
        }
        self.passed = head.version;
        Ok(())
    }

    /// Whether an event is the first about its object of a watch that comes from another replica. It is counted; where everything is selected nobody asks.
    fn is_first(&mut self, event: &Event, now: Millis) -> bool {
        let (until, known) = &mut self.catches_up;
        if now >= *until || known.len() >= CAUGHT_UP {
            // What is not needed any more is not kept for as long as the watch lasts.
            self.catches_up = (0, Vec::new());
            return false;
        }
        let one = (&event.subject, &event.id);
        let first = !known.iter().any(|(subject, id)| (subject, id) == one);
        if first {
            known.push((event.subject.clone(), event.id.clone()));
        }
        first
    }

    /// Whether all that an event says has been told by a comparison with a list. Of each object that can only be the first one.
    fn is_known_to_have_gone(&mut self, event: &Event) -> bool {
        let Event { subject, id, name, .. } = event;
        let told = self.missed.iter().position(|missed| missed.each_ref() == [subject, id, name]);
        let told = told.map(|at| self.missed.swap_remove(at));
        told.is_some() && event.change == Change::Deleted
    }

    fn matches(&self, place: u64, event: &Event, after: bool) -> bool {
        if self.selects_all() {
            return true;
        }
        self.hub.facts(place, event, after).matches(&self.wish.labels, &self.wish.fields)
    }

    fn tell_event(
        &mut self,
        out: &mut Vec<u8>,
        place: u64,
        event: &Event,
        event_type: EventType,
        now: Millis,
    ) {
        if let Some(line) = self.hub.line(place, event, event_type, self.wish.form, now, !self.columns_told) {
            out.extend_from_slice(&line);
            self.columns_told = true;
            self.version = self.version.max(event.version);
        }
    }

    /// What has changed since a list, which is told by comparing.
    fn after_list(
        &mut self,
        out: &mut Vec<u8>,
        version: u64,
        lists: Vec<Seed>,
        now: Millis,
    ) -> Result<(), Status> {
        self.version = version;
        // All changes so far are below this, and none that will come.
        let present = self.hub.clock.log_version(now);
        let Some((head, mut records)) = self.hub.present(&self.wish.subjects) else {
            self.start = Some(Start::List(version, lists));
            return Ok(());
        };
        for list in &lists {
            self.tell_missing(out, list, &records)?;
        }
        for record in records.iter_mut().filter(|record| record.version <= version) {
            record.version = resource_version(super::moment(present).saturating_sub(1), record.hash);
        }
        crate::sort::sort_by(&mut records, |a, b| a.version.cmp(&b.version));
        for record in &records {
            let list = lists.iter().find(|list| list.subject == record.subject);
            let known = list.and_then(|list| list.entry(&record.id, &record.name));
            let same = known.is_some_and(|known| known.hash == record.hash & HASH_MASK);
            let event_type = match (known, self.selects(record)) {
                _ if same => continue,
                (Some(_), true) => EventType::Modified,
                (None, true) => EventType::Added,
                (Some(_), false) if list.is_some_and(|list| self.was_selected(list, record)) => {
                    EventType::Deleted
                }
                (_, false) => continue,
            };
            self.tell(out, record, event_type, record.version, now);
            self.version = self.version.max(record.version);
        }
        self.place = head.next;
        Ok(())
    }

    /// What was told from a place on, each object once and as it now is.
    fn again(&mut self, out: &mut Vec<u8>, first: u64, now: Millis) -> Result<(), Status> {
        let head = self.hub.history.head();
        let mut all: Vec<Told> = Vec::new();
        for place in first..head.next {
            let event = self.hub.history.event(place).ok_or_else(too_old)?;
            if !event.is_of(&self.wish.subjects) {
                continue;
            }
            let before = !event.before.is_empty() && self.matches(place, &event, false);
            // A rename is a deletion of one and an addition of another.
            let same = |told: &Told| {
                let Event { subject, id, name, .. } = &*told.event;
                *subject == event.subject && *id == event.id && *name == event.name
            };
            let earlier = all.iter().rposition(same).map(|at| all.remove(at));
            let there = earlier.as_ref().map_or(before, |told| told.there);
            let selected = before || earlier.is_some_and(|told| told.selected);
            all.push(Told { place, event, there, selected });
        }
        if !self.selects_all() {
            self.catches_up.0 = now.saturating_add(CATCHES_UP);
        }
        for Told { place, event, there, selected } in all {
            self.is_first(&event, now);
            let after = !event.after.is_empty() && self.matches(place, &event, true);
            let event_type = match (there, after) {
                (false, true) => EventType::Added,
                (true, true) => EventType::Modified,
                // Whoever has seen more than was known here may have seen it selected.
                (_, false) if selected || self.may_have_been_selected(place, &event) => EventType::Deleted,
                (_, false) => continue,
            };
            self.tell_event(out, place, &event, event_type, now);
        }
        self.place = head.next;
        Ok(())
    }

    /// Tells that what a list has shown is there no more.
    fn tell_missing(&mut self, out: &mut Vec<u8>, list: &Seed, records: &[Record]) -> Result<(), Status> {
        let Some((plane, kind)) = self.hub.plane(&list.subject) else { return Ok(()) };
        let namespace = plane.namespace.clone();
        let of_it = records.iter().filter(|record| record.subject == list.subject);
        let mut there: Vec<(&str, &str)> =
            of_it.map(|record| (record.id.as_str(), record.name.as_str())).collect();
        crate::sort::sort_by(&mut there, Ord::cmp);
        for entry in &list.entries {
            if !self.is_named(&entry.name) || there.binary_search(&(&entry.id, &entry.name)).is_ok() {
                continue;
            }
            let (name, uid) = (&entry.name, &entry.id);
            // Next to the list's: whoever goes on from there is told all that follows.
            self.version = self.version.saturating_add(1);
            let resource_version = self.version;
            let bare = Bare { namespace: &namespace, name, uid, resource_version, ..Bare::default() };
            let (form, columns) = (self.wish.form, !self.columns_told);
            match kind {
                Kind::Workspaces => append_deleted::<CoderWorkspace<'_>>(out, form, bare, columns)?,
                Kind::Templates => append_deleted::<CoderTemplate<'_>>(out, form, bare, columns)?,
            }
            self.columns_told = true;
            self.missed.push([list.subject.clone(), entry.id.clone(), entry.name.clone()]);
        }
        Ok(())
    }

    /// Whether an object that a list has shown may have been selected then. One that was made by the same selectors has shown no other.
    fn was_selected(&self, list: &Seed, record: &Record) -> bool {
        let (labels, fields) = &self.lasting;
        let shown = || self.shows(record, labels, fields).unwrap_or(true);
        !list.selector.is_empty() || (self.is_named(&record.name) && shown())
    }

    /// Whether an object may have been selected in some state, as labels and fields that do not change tell. What never was is nobody's to know here.
    fn may_have_been_selected(&self, place: u64, event: &Event) -> bool {
        let (labels, fields) = &self.lasting;
        let facts = || self.hub.facts(place, event, !event.after.is_empty());
        self.is_named(&event.name) && facts().matches(labels, fields)
    }

    fn selects_all(&self) -> bool {
        self.wish.labels.is_empty() && self.wish.fields.is_empty()
    }

    fn is_named(&self, name: &str) -> bool {
        self.wish.fields.exact("metadata.name").is_none_or(|wanted| wanted == name)
    }

    fn selects(&self, record: &Record) -> bool {
        if self.selects_all() {
            return true;
        }
        self.shows(record, &self.wish.labels, &self.wish.fields).unwrap_or(false)
    }

    /// Whether an object has those labels and fields. `None` where that cannot be said.
    fn shows(&self, record: &Record, labels: &LabelSelector, fields: &FieldSelector) -> Option<bool> {
        let (plane, kind) = self.hub.plane(&record.subject)?;
        view(&plane, kind, &record.parts, |shown| shown.matches(labels, fields))
    }

    fn tell(&mut self, out: &mut Vec<u8>, record: &Record, event_type: EventType, version: u64, now: Millis) {
        let Some((plane, kind)) = self.hub.plane(&record.subject) else { return };
        let (form, columns) = (self.wish.form, !self.columns_told);
        let length = out.len();
        let told = view(&plane, kind, &record.parts, |shown| {
            shown.append(out, event_type, form, version, now, columns)
        });
        match told {
            Some(Ok(())) => self.columns_told = true,
            _ => out.truncate(length),
        }
    }

    /// Says up to which version everything has been told, unless changes are just being told.
    fn bookmark(&mut self, out: &mut Vec<u8>, now: Millis) -> Result<(), Status> {
        // A place in the history that nothing has come after: what comes later gets a later version. Without subjects there is nothing to come.
        let moment = if self.wish.subjects.is_empty() { now } else { 0 };
        let mut version = self.hub.clock.log_version_of(&self.wish.subjects, moment);
        let all_is_told = |watcher: &Self| {
            // In this order: what has an older version has been told, or is being told at this moment.
            !watcher.hub.clock.is_telling() && watcher.hub.history.head().version == watcher.passed
        };
        let mut tries = 0_u32;
        while !all_is_told(self) {
            tries = tries.saturating_add(1);
            if tries > TRIES {
                return Ok(());
            }
            self.go_on(out, now)?;
            version = self.hub.clock.log_version_of(&self.wish.subjects, moment);
        }
        let end = std::mem::take(&mut self.end_is_due);
        let bare = Bare { resource_version: version, initial_events_end: end, ..Bare::default() };
        let (form, columns) = (self.wish.form, !self.columns_told);
        match self.wish.kind {
            Kind::Workspaces => append_bookmark::<CoderWorkspace<'_>>(out, form, bare, columns)?,
            Kind::Templates => append_bookmark::<CoderTemplate<'_>>(out, form, bare, columns)?,
        }
        self.columns_told = true;
        self.version = version;
        Ok(())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.hub.count(false);
    }
}

fn too_old() -> Status {
    Status::expired("too old resource version: what has changed since then is not known any more")
}
