//! One worker's access to what all workers of the process know.

use super::LAGS;
use super::bytes::{Packer, Unpacker};
use super::clock::Clock;
use super::history::{Event, Head, History};
use super::seed::{Page, Seed, Seeds};
use super::shared::{NEVER_SET, SharedData, change};
use super::store::{Record, State, Store};
use super::subject::{Kind, Subject};
use super::view::{Facts, view};
use super::wants::Wants;
use crate::config::ControlPlane;
use crate::kube::negotiation::Form;
use crate::kube::watch_event::EventType;
use crate::planes::{Planes, identity_of};
use crate::time::{Millis, has_come};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use twox_hash::XxHash64;

/// How long a worker is the one that reads Coder, unless it says again that it is, in milliseconds.
const TURN: Millis = 4_000;
/// Renewed when less than this is left.
const RENEWED: Millis = 2_000;
/// Events that are kept as they were written, for the many watchers that want the same.
const WRITTEN: usize = 32;
/// How often the present state is looked at again while it changes.
const TRIES: u32 = 20;

/// How an event is written: what must be equal for the bytes to be.
#[derive(Clone, Copy, PartialEq)]
struct Writing {
    place: u64,
    event_type: EventType,
    form: Form,
    /// Ages in tables.
    second: Millis,
    columns: bool,
}

/// The object of the event at a place, before or after it.
type Asked = (u64, bool);

/// See the module.
pub struct Hub {
    pub(super) planes: Rc<Planes>,
    shared: Rc<dyn SharedData>,
    /// Versions.
    pub clock: Clock,
    /// What is to be read.
    pub wants: Wants,
    pub(super) history: History,
    pub(super) store: Store,
    seeds: Seeds,
    turn: String,
    alone: String,
    heard: String,
    changed: String,
    workers: String,
    /// Tells this worker from all others of the process, also from the one whose VM this one's replaces; 0 while it has no number.
    worker: Cell<u64>,
    /// Tells this process from all others.
    process: u64,
    /// Streams of this worker.
    watchers: Cell<usize>,
    written: RefCell<VecDeque<(Writing, Rc<[u8]>)>>,
    facts: RefCell<VecDeque<(Asked, Rc<Facts>)>>,
}

impl Hub {
    /// What workers with the same Coders share lies below a prefix. `random` differs from process to process; not always from worker to worker, for hosts'
    /// clocks are coarse and workers begin together.
    pub fn new(shared: Rc<dyn SharedData>, planes: Rc<Planes>, prefix: &str, random: u64) -> Rc<Self> {
        let key = |name: &str| [prefix, name].concat();
        for name in ["newest", "head", "seeds", "tickets", "turn"] {
            shared.set(&key(name), &[], NEVER_SET);
        }
        // Of a moment the lowest bits say least, and those are what versions are marked with.
        let random = XxHash64::oneshot(0, &random.to_le_bytes());
        let mut process = random;
        change(&*shared, &key("process"), &mut |old| match Unpacker(old).number() {
            Some(known) => {
                process = known;
                None
            }
            None => {
                process = random;
                Some(Packer::default().number(random).0)
            }
        });
        let wants = Wants::new(shared.clone(), prefix);
        for place in planes.all().iter() {
            wants.prepare(&place.plane.namespace);
        }
        Rc::new(Self {
            planes,
            clock: Clock::new(shared.clone(), prefix, process),
            wants,
            history: History::new(shared.clone(), prefix),
            store: Store::new(shared.clone(), prefix),
            seeds: Seeds::new(shared.clone(), prefix),
            turn: key("turn"),
            alone: key("alone"),
            heard: key("heard"),
            changed: key("planes"),
            workers: key("workers"),
            shared,
            worker: Cell::default(),
            process,
            watchers: Cell::default(),
            written: RefCell::default(),
            facts: RefCell::default(),
        })
    }

    /// Tells this process from its replicas.
    pub fn process(&self) -> String {
        format!("{:016x}", self.process)
    }

    /// What is known of a subject. What was read of another Coder that stood behind this namespace before is not of this one.
    pub fn state(&self, subject: &Subject) -> State {
        let identity = self.planes.plane(&subject.namespace).map_or(0, |plane| identity_of(&plane));
        let state = self.store.state(subject);
        if state.identity == identity { state } else { State { identity, ..State::default() } }
    }

    /// When a worker of this process last found that other Coders are served; `Some` says that this one has, by a reading that began then.
    pub fn planes_changed(&self, read_from: Option<Millis>, now: Millis) -> Millis {
        let mut newest = 0;
        change(&*self.shared, &self.changed, &mut |old| {
            // What lies ahead was said before the clock was set back.
            let known = Unpacker(old).moment().filter(|known| *known <= now).unwrap_or_default();
            newest = known.max(read_from.unwrap_or_default());
            (newest > known).then(|| Packer::default().number(newest.cast_unsigned()).0)
        });
        newest
    }

    /// Notes that a reading of a subject has failed.
    pub fn failed(&self, subject: &Subject, now: Millis, message: &str) {
        let state = State { failed_at: now, failure: message.to_owned(), ..self.state(subject) };
        self.store.set_state(subject, &state);
    }

    /// Notes that everything has been read that was touched by those who have a ticket up to that one.
    pub fn seen(&self, subject: &Subject, ticket: u64) {
        let state = self.state(subject);
        if state.seen < ticket {
            self.store.set_state(subject, &State { seen: ticket, ..state });
        }
    }

    /// Whether no other replica serves the same; `None` asks, anything else says so.
    pub fn alone(&self, is: Option<bool>) -> bool {
        let known = self.shared.get(&self.alone).is_some_and(|(known, _)| known == [1]);
        if let Some(is) = is.filter(|is| *is != known) {
            self.shared.set(&self.alone, &[u8::from(is)], 0);
        }
        is.unwrap_or(known)
    }

    /// Notes down which ring was heard last. Returns the one before, if this process has heard one.
    pub fn heard(&self, version: &str) -> Option<String> {
        let before = self.shared.get(&self.heard).and_then(|(before, _)| String::from_utf8(before).ok());
        if before.as_deref() != Some(version) {
            self.shared.set(&self.heard, version.as_bytes(), 0);
        }
        before.filter(|before| !before.is_empty())
    }

    /// Remembers another page of a list.
    pub fn remember_more(&self, version: u64, subject: &Subject, selector: &str, page: &Page<'_>) {
        self.seeds.add(version, &subject.key(), selector, page);
    }

    /// Remembers a list, or its first page. If it is the whole of the only subject that was listed, and that is just what is known, it need not be kept.
    pub fn remember(&self, mut seed: Seed, whole: bool) {
        let head = self.history.head();
        if whole
            && seed.followed
            && let Some(subject) = Subject::parse(&seed.subject)
            && let state = self.state(&subject)
            && state.since <= seed.version
            && (state.sum, state.sum_at.max(head.next)) == (seed.sum(), head.next)
            && self.history.head() == head
        {
            seed.same_at = Some(head.next);
            seed.entries.clear();
        }
        self.seeds.put(&seed);
    }

    pub(super) fn seed(&self, version: u64, subject: &Subject, selector: &str) -> Option<Seed> {
        self.seeds.find(version, &subject.key(), selector)
    }

    /// This worker's number. `None` where too many take one in the same moment: later, then.
    fn worker(&self) -> Option<u64> {
        if self.worker.get() == 0 {
            let mut number = 0;
            let taken = change(&*self.shared, &self.workers, &mut |old| {
                number = Unpacker(old).number().unwrap_or_default().saturating_add(1);
                Some(Packer::default().number(number).0)
            });
            self.worker.set(if taken { number } else { 0 });
        }
        Some(self.worker.get()).filter(|number| *number != 0)
    }

    /// Takes, or keeps, this worker's turn at reading Coder: which one it is of all that workers have had. `None` when it is another's.
    pub fn take_turn(&self, now: Millis) -> Option<u64> {
        let worker = self.worker()?;
        let mut mine = None;
        let done = change(&*self.shared, &self.turn, &mut |old| {
            let mut old = Unpacker(old);
            let (owner, until) = (old.number(), old.moment().unwrap_or_default());
            let number = old.number().unwrap_or_default();
            let (left, taken) = (until.saturating_sub(now), !is_over(until, now));
            mine = match owner == Some(worker) {
                true => Some(number),
                false => (!taken).then(|| number.saturating_add(1)),
            };
            let number = mine.filter(|_| !taken || left < RENEWED)?;
            let until = now.saturating_add(TURN).cast_unsigned();
            Some(Packer::default().number(worker).number(until).number(number).0)
        });
        mine.filter(|_| done)
    }

    /// Whether it is some worker's turn at this moment.
    pub fn is_read(&self, now: Millis) -> bool {
        let Some((bytes, _)) = self.shared.get(&self.turn) else { return false };
        let mut bytes = Unpacker(&bytes);
        let _ = bytes.number();
        !is_over(bytes.moment().unwrap_or_default(), now)
    }

    /// Streams of this worker that watch.
    pub fn watchers(&self) -> usize {
        self.watchers.get()
    }

    pub(super) fn count(&self, more: bool) {
        let count = self.watchers.get();
        self.watchers.set(if more { count.saturating_add(1) } else { count.saturating_sub(1) });
    }

    pub(super) fn plane(&self, subject: &str) -> Option<(Rc<ControlPlane>, Kind)> {
        let subject = Subject::parse(subject)?;
        Some((self.planes.plane(&subject.namespace)?, subject.kind))
    }

    /// The objects of these subjects, and where the history stood then. `None` when it went on all the while, or when some of them are newer than it tells.
    pub(super) fn present(&self, subjects: &[Subject]) -> Option<(Head, Vec<Record>)> {
        for _ in 0..TRIES {
            let (head, telling) = (self.history.head(), self.clock.is_telling());
            let mut records = Vec::new();
            let mut since = Vec::new();
            for subject in subjects {
                let (key, state) = (subject.key(), self.state(subject));
                since.push(state.since);
                let found = state.places.into_iter().filter_map(|place| self.store.record(place));
                records.extend(found.filter(|record| record.subject == key && !record.deleted));
            }
            // A new beginning is none of the history, and is not written at once.
            let same = |(subject, since): (&Subject, &u64)| self.state(subject).since == *since;
            let told = !telling && !self.clock.is_telling() && self.history.head() == head;
            if told && subjects.iter().zip(&since).all(same) {
                crate::sort::sort_by(&mut records, |a, b| (&a.subject, &a.name).cmp(&(&b.subject, &b.name)));
                return Some((head, records));
            }
        }
        None
    }

    /// A later version in place of a list's: one above that moment, unless the history has told of changes in between.
    pub fn raised(&self, version: u64, moment: Millis) -> u64 {
        let raised = self.clock.list_version(moment.saturating_add(1));
        let told = self.history.first_above(version) != Some(self.history.head().next);
        if told { version } else { raised }
    }

    /// What is known of these subjects, if their changes are being written down and they have been read of late: of each object its namespace, version and
    /// parts. Otherwise a watch that went on from it would lack what has changed since.
    pub fn known(
        &self,
        subjects: &[Subject],
        now: Millis,
        (age, linger): (Millis, Millis),
    ) -> Option<Vec<(String, u64, Vec<u8>)>> {
        let is_fresh = |subject: &Subject| {
            now.saturating_sub(self.state(subject).read_at) <= age && self.is_followed(subject, now, linger)
        };
        if subjects.is_empty() || !subjects.iter().all(is_fresh) {
            return None;
        }
        let (_, records) = self.present(subjects)?;
        let known = records.into_iter().filter_map(|record| {
            Some((Subject::parse(&record.subject)?.namespace, record.version, record.parts))
        });
        Some(known.collect())
    }

    /// Whether an object of that name is known.
    pub fn has(&self, subjects: &[Subject], name: &str) -> bool {
        self.present(subjects).is_some_and(|(_, records)| records.iter().any(|record| record.name == name))
    }

    /// Whether changes of a subject are being written down, so that a watch can go on from a list that is made now.
    pub fn is_followed(&self, subject: &Subject, now: Millis, linger: Millis) -> bool {
        self.is_read(now) && self.state(subject).since != 0 && self.wants.of(subject).is_watched(now, linger)
    }

    /// What selectors can ask of an event's object, before or afterwards.
    pub(super) fn facts(&self, place: u64, event: &Event, after: bool) -> Rc<Facts> {
        let key = (place, after);
        if let Some((_, facts)) = self.facts.borrow().iter().rev().find(|(of, _)| *of == key) {
            return facts.clone();
        }
        let parts = if after { &event.after } else { &event.before };
        let facts = self
            .plane(&event.subject)
            .and_then(|(plane, kind)| view(&plane, kind, parts, |shown| Rc::new(shown.facts())))
            .unwrap_or_default();
        let mut all = self.facts.borrow_mut();
        all.push_back((key, facts.clone()));
        while all.len() > WRITTEN {
            all.pop_front();
        }
        facts
    }

    /// An event as a line.
    pub(super) fn line(
        &self,
        place: u64,
        event: &Event,
        event_type: EventType,
        form: Form,
        now: Millis,
        columns: bool,
    ) -> Option<Rc<[u8]>> {
        let second = if matches!(form, Form::Table(..)) { now / 1000 } else { 0 };
        let writing = Writing { place, event_type, form, second, columns };
        if let Some((_, line)) = self.written.borrow().iter().rev().find(|(of, _)| *of == writing) {
            return Some(line.clone());
        }
        // Kubernetes shows what is not selected any more as it was before, where that is known.
        let before_is_known = !event.before.is_empty() && (!event.after_gap || event.after.is_empty());
        let before = event_type == EventType::Deleted && before_is_known;
        let parts = if before { &event.before } else { &event.after };
        let (plane, kind) = self.plane(&event.subject)?;
        let line = view(&plane, kind, parts, |shown| {
            let mut out = Vec::with_capacity(4096);
            shown.append(&mut out, event_type, form, event.version, now, columns).ok()?;
            Some(Rc::<[u8]>::from(out))
        })??;
        let mut all = self.written.borrow_mut();
        all.push_back((writing, line.clone()));
        while all.len() > WRITTEN {
            all.pop_front();
        }
        Some(line)
    }
}

/// Whether a turn is over.
fn is_over(until: Millis, now: Millis) -> bool {
    has_come(until, now, TURN.saturating_add(LAGS))
}
