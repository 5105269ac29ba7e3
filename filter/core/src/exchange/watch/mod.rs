//! Watching: the verb, the streams that carry it, and the one worker that reads Coder for all of them.
//!
//! What is known lives in [`crate::watch`]; here are the calls. A watch costs no call to Coder: [`poll`] makes them, once for each process and Coder, and
//! only while somebody watches.

pub(super) mod bell;
mod carried;
mod leader;
mod poll;
mod verb;

pub use carried::Carried;
pub(super) use verb::{Watch, selector, watch};

use super::Exchange;
use super::caller::Caller;
use super::context::Cx;
use super::filter::Filter;
use super::port::Port;
use crate::planes::Mapping;
use crate::time::{Millis, has_come};
use crate::watch::{Hub, Kind, Subject, Touched, Want, Writer};
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// How long Coder goes on being read after the last that watched, in milliseconds: clients come back.
pub(super) const LINGER: Millis = 60_000;
/// Longest that a call takes which all who watch wait for, in milliseconds.
const CALL: Millis = 15_000;
/// How often a worker looks whether its streams are read for, in milliseconds.
const KEEP: Millis = 1_000;
/// How long watches are long polls after the bell was found not to work, in milliseconds.
const SILENT: Millis = 5_000;
/// How often it says that it has streams.
const SAY: Millis = 10_000;
/// After that long without a word, in milliseconds, this process has no streams of a subject.
const SAID: Millis = 25_000;
/// Words that a ring may have; where there are more it names all.
const WORDS: usize = 64;

/// What a worker's watches share beside the [`Hub`].
pub(super) struct Watching {
    pub(super) hub: Rc<Hub>,
    /// There while it is this worker's turn to read Coder.
    writer: RefCell<Option<Writer>>,
    /// The turn for which the writer was made.
    turn: Cell<u64>,
    /// What runs: namespaces that are read, and the bell (`""`).
    running: RefCell<Vec<String>>,
    /// What the next ring says; `None` when there is nothing to ring for.
    ring: RefCell<Option<Vec<String>>>,
    has_bell: bool,
    /// Whether this process finds changes by itself; others follow it. `None` until that has been found out.
    leads: Cell<Option<bool>>,
    /// When the bell was last found not to work; 0 when it does, as far as is known.
    bell_failed_at: Cell<Millis>,
    /// No Coder has answered since that moment, and one has failed; 0 when that is not so.
    failing_since: Cell<Millis>,
    /// Subjects with streams of this worker: how many there are, and when that was last said.
    watched: RefCell<Vec<(Subject, usize, Millis)>>,
    next_keep: Cell<Millis>,
    /// Whoever watches, each once though he may watch a thousand times.
    callers: RefCell<Vec<Weak<Caller>>>,
    /// Version of the bell's Lease that was last heard.
    heard: RefCell<String>,
}

impl Watching {
    pub(super) fn new(hub: Rc<Hub>, bell: bool) -> Self {
        let (writer, turn, running, ring, failing_since, watched, next_keep, callers, heard) =
            Default::default();
        let (leads, bell_failed_at) = (Cell::new((!bell).then_some(true)), Cell::new(0));
        if !bell {
            hub.alone(Some(true));
        }
        Self {
            hub,
            writer,
            turn,
            running,
            ring,
            has_bell: bell,
            leads,
            bell_failed_at,
            failing_since,
            watched,
            next_keep,
            callers,
            heard,
        }
    }

    /// The same caller once more, without holding his credentials twice.
    fn caller(&self, caller: &Caller) -> Rc<Caller> {
        let mut callers = self.callers.borrow_mut();
        callers.retain(|caller| caller.strong_count() > 0);
        let known = callers.iter().rev().filter_map(Weak::upgrade).find(|known| **known == *caller);
        known.unwrap_or_else(|| {
            let new = Rc::new(caller.clone());
            callers.push(Rc::downgrade(&new));
            new
        })
    }

    /// Counts the streams that watch a subject.
    fn counted(&self, subjects: &[Subject], more: bool, now: Millis) {
        let mut watched = self.watched.borrow_mut();
        for subject in subjects {
            match watched.iter_mut().find(|(of, ..)| of == subject) {
                Some((_, count, _)) if more => *count = count.saturating_add(1),
                Some((_, count, _)) => *count = count.saturating_sub(1),
                None if more => watched.push((subject.clone(), 1, 0)),
                None => {}
            }
        }
        watched.retain(|(_, count, _)| *count > 0);
        if more {
            self.next_keep.set(now);
        }
    }

    /// Something is to be told to all who watch; `what` names what others must read again.
    fn ring(&self, what: impl IntoIterator<Item = String>) {
        if !self.has_bell {
            return;
        }
        let mut ring = self.ring.borrow_mut();
        let all = ring.get_or_insert_default();
        for word in what {
            // One more than it may have says that there are more.
            if all.len() <= WORDS && !all.contains(&word) {
                all.push(word);
            }
        }
    }

    /// The bell has been found to work, or not to.
    fn bell(&self, works: bool, now: Millis) {
        self.bell_failed_at.set(if works { 0 } else { now });
    }

    /// Whether a watch can be carried, as far as is known. After a failure that is tried again soon.
    fn bell_works(&self, now: Millis) -> bool {
        let failed = self.bell_failed_at.get();
        failed == 0 || now.saturating_sub(failed) > SILENT
    }

    /// When [`keep`] wants to be called again.
    pub(super) fn wakes_at(&self) -> Option<Millis> {
        let busy = !self.watched.borrow().is_empty() || !self.running.borrow().is_empty();
        busy.then(|| self.next_keep.get())
    }
}

/// Sees to it that somebody reads Coder for this worker's streams: this worker, if it is nobody's turn.
pub(super) fn keep(filter: &Rc<Filter>, now: Millis) {
    let watching = &filter.watching;
    let Some(due) = watching.wakes_at() else { return };
    if !has_come(due, now, KEEP) {
        return;
    }
    watching.next_keep.set(now.saturating_add(KEEP));
    for (subject, _, said) in watching.watched.borrow_mut().iter_mut() {
        if now.saturating_sub(*said).unsigned_abs() >= SAY.unsigned_abs() {
            *said = now;
            watching.hub.wants.want(subject, Want { watched_at: now, own_at: now, ..Want::default() });
        }
    }
    let wanted = |namespace: &str| {
        Kind::ALL.into_iter().any(|kind| {
            let subject = Subject { namespace: namespace.to_owned(), kind };
            watching.hub.wants.of(&subject).is_watched(now, LINGER)
        })
    };
    let places = filter.planes.all();
    if !places.iter().any(|place| wanted(&place.plane.namespace)) {
        return;
    }
    let Some(turn) = watching.hub.take_turn(now) else { return };
    let subjects: Vec<Subject> = subjects(&places).collect();
    if watching.running.borrow().is_empty() {
        watching.turn.set(turn);
        watching.writer.replace(Some(Writer::new(watching.hub.clone(), &subjects)));
    }
    if let Some(writer) = watching.writer.borrow_mut().as_mut() {
        for subject in &subjects {
            writer.track(subject);
        }
    }
    for plane in places.iter().map(|place| &place.plane).filter(|plane| wanted(&plane.namespace)) {
        run(filter, &plane.namespace, now, |cx| poll::poll(cx, plane.clone()));
    }
    if let Some(bell) = &filter.config.watch.bell {
        run(filter, "", now, |cx| bell::keep(cx, bell.clone()));
    }
}

/// All that can be watched.
fn subjects(places: &[Mapping]) -> impl Iterator<Item = Subject> {
    let of =
        |place: &Mapping| Kind::ALL.map(|kind| Subject { namespace: place.plane.namespace.clone(), kind });
    places.iter().flat_map(of)
}

/// Begins what does not run yet.
fn run<F: Future<Output = ()> + 'static>(
    filter: &Rc<Filter>,
    name: &str,
    now: Millis,
    work: impl FnOnce(Rc<Cx>) -> F,
) {
    let mut running = filter.watching.running.borrow_mut();
    if running.iter().any(|other| other == name) {
        return;
    }
    running.push(name.to_owned());
    let port = Rc::new(Port::background(now, filter.config.limits.request_timeout().min(CALL)));
    let cx = Rc::new(Cx::new(filter.clone(), port.clone()));
    let (work, name) = (work(cx), name.to_owned());
    let filter_ = filter.clone();
    filter.spawn(Exchange::new(port, async move {
        work.await;
        filter_.watching.running.borrow_mut().retain(|other| *other != name);
        super::reply::Reply::quiet()
    }));
}

/// Notes down what a request has changed in Coder, so that who watches sees it at once.
pub(super) fn touched(cx: &Cx) {
    let touched = cx.touched.take();
    let hub = &cx.filter.watching.hub;
    let mut words = Vec::new();
    for (namespace, touched) in touched {
        let subject = Subject { namespace, kind: touched.kind };
        words.push(word(&subject, &touched.id, ""));
        hub.wants.touch(&subject.namespace, &[touched]);
    }
    // Where nobody reads for this process, others are told by whoever has changed something.
    if let Some(bell) = &cx.filter.config.watch.bell
        && !words.is_empty()
        && !hub.is_read(cx.now())
    {
        bell::ring_once(cx, bell, &words);
    }
}

/// What a ring says of an object: `w.<namespace>/<id>`, and behind `=` the state that was seen. Where Coder calls something an id that is none, all objects
/// are meant.
fn word(subject: &Subject, id: &str, state: &str) -> String {
    let (id, state) = if is_id(id) { (id, state) } else { ("", "") };
    [&subject.key(), "/", id, "=", state].concat()
}

/// Whether it can be an id of Coder's, and so stand in a Lease beside what concerns other Coders.
pub(in crate::exchange) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Reads [`word`].
fn read_word(word: &str) -> Option<(Subject, Touched)> {
    let (subject, of_it) = word.split_once('/')?;
    let subject = Subject::parse(subject)?;
    let (id, told) = of_it.split_once('=').unwrap_or((of_it, ""));
    Some((subject.clone(), Touched { kind: subject.kind, id: id.to_owned(), told: told.to_owned() }))
}
