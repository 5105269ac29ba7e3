//! Reads one Coder for all who watch it, for as long as somebody does and it is this worker's turn.
//!
//! One call after the other, so that what was read later is newer. What we have changed ourselves comes first, then what somebody waits for, then a look at
//! Coder's jobs, and a full reading when it is time: that one takes long, and is kept to a share of Coder's time.

mod jobs;
mod reading;
mod schedule;
mod take_in;

use super::super::context::Cx;
use super::{LINGER, word};
use crate::config::ControlPlane;
use crate::kube::status::Status;
use crate::planes::{Mapping, identity_of};
use crate::time::{Millis, has_come};
use crate::watch::{Kind, Seen, Subject, Touched, Writer};
use jobs::{Jobs, News};
use schedule::{Schedule, jittered};
use std::rc::Rc;
use take_in::Found;

/// How often is looked whether there is something to do, in milliseconds.
const LOOK: Millis = 100;
/// The same before it is known whether this process leads.
const SOON: Millis = 10;
/// Workspaces that are read one by one; where there are more, all are read.
const ONE_BY_ONE: usize = 40;
/// After so long a failure, in milliseconds, everything is read again.
const LASTING: Millis = 5_000;
/// How often objects are read again at once because two of them had the same name.
const TRIES: usize = 3;
/// Coder's clock and ours may be so far apart, in milliseconds.
const APART: Millis = 2_000;
/// First and longest pause after Coder has failed.
const PAUSE: (Millis, Millis) = (500, 10_000);

/// What is known of one Coder's reading.
struct Poll {
    cx: Rc<Cx>,
    plane: Rc<ControlPlane>,
    jobs: Jobs,
    next_jobs: Millis,
    /// Workspaces have been wanted in the last turn.
    follows: bool,
    /// Something may have been missed: jobs are looked at once, also where another leads.
    deaf: bool,
    /// Ids of workspaces to be read again.
    due: Vec<String>,
    /// Ids of those that were built while nobody looked: where the next full reading lacks them they have come and gone, and another may have shown them.
    unseen: Vec<String>,
    /// What others have told of some: their ids, and the state that they have seen. Of that they need not be told.
    heard: Vec<(String, String)>,
    /// Ids of those that are settling, and until when that is believed.
    settling: Vec<(String, Millis)>,
    kinds: [Schedule; 2],
    /// This Coder has failed since that moment, without an answer in between; 0 when it has not.
    failing_since: Millis,
    pause: Millis,
    /// Coder is left alone until then.
    paused_until: Millis,
}

pub(super) async fn poll(cx: Rc<Cx>, plane: Rc<ControlPlane>) {
    let mut poll = Poll::new(cx, plane);
    loop {
        let now = poll.cx.now();
        let wanted = Kind::ALL.map(|kind| poll.is_wanted(kind));
        let Some(mapping) = poll.mapping().filter(|_| wanted != [false; 2] && poll.is_our_turn()) else {
            return;
        };
        if has_come(poll.paused_until, now, PAUSE.1.saturating_mul(2)) {
            let read = match mapping.broken {
                Some(status) => Err(status),
                None => poll.turn(wanted).await,
            };
            match read {
                Ok(true) => {
                    (poll.pause, poll.failing_since) = (0, 0);
                    poll.cx.filter.watching.failing_since.set(0);
                }
                Ok(false) => {}
                Err(status) => poll.failed(&status, wanted),
            }
        }
        let look = if poll.cx.filter.watching.leads.get().is_some() { LOOK } else { SOON };
        let until = poll.cx.now().saturating_add(look);
        poll.cx.port.sleep_until(until).await;
    }
}

impl Poll {
    fn new(cx: Rc<Cx>, plane: Rc<ControlPlane>) -> Self {
        let kinds = Kind::ALL.map(Schedule::new);
        let (jobs, next_jobs, follows, deaf, due, unseen, heard, settling) = Default::default();
        let (failing_since, pause, paused_until) = Default::default();
        Self {
            cx,
            plane,
            jobs,
            next_jobs,
            follows,
            deaf,
            due,
            unseen,
            heard,
            settling,
            kinds,
            failing_since,
            pause,
            paused_until,
        }
    }

    fn subject(&self, kind: Kind) -> Subject {
        Subject { namespace: self.plane.namespace.clone(), kind }
    }

    /// Whether this worker still is the one that reads. One that has lost its turn, while it waited for Coder, must not write; nor when it has got another
    /// one since, for in between somebody else may have written.
    fn is_our_turn(&self) -> bool {
        let watching = &self.cx.filter.watching;
        let ours = watching.hub.take_turn(self.cx.now()) == Some(watching.turn.get());
        if !ours {
            watching.writer.take();
        }
        ours && watching.writer.borrow().is_some() && self.mapping().is_some()
    }

    /// How this Coder is reached. `None` when another stands behind its namespace, which is read by another poll and knows nothing of this one.
    fn mapping(&self) -> Option<Mapping> {
        let mapping = self.cx.filter.planes.mapping(&self.plane.namespace)?;
        (identity_of(&mapping.plane) == identity_of(&self.plane)).then_some(mapping)
    }

    fn is_wanted(&self, kind: Kind) -> bool {
        self.cx.filter.watching.hub.wants.of(&self.subject(kind)).is_watched(self.cx.now(), LINGER)
    }

    /// Does what is due. Whether Coder was asked.
    async fn turn(&mut self, wanted: [bool; 2]) -> Result<bool, Status> {
        let (cx, now) = (self.cx.clone(), self.cx.now());
        let watching = &cx.filter.watching;
        let Some(leads) = watching.leads.get() else { return Ok(false) };
        for (kind, wanted) in self.kinds.iter_mut().zip(wanted) {
            kind.follow(leads, wanted);
        }
        let ticket = watching.hub.wants.last_ticket();
        for touched in watching.hub.wants.take_touched(&self.plane.namespace) {
            if !touched.told.is_empty() {
                self.heard.push((touched.id.clone(), touched.told.clone()));
            }
            match touched.kind {
                Kind::Workspaces if !touched.id.is_empty() => self.is_due(touched.id),
                kind => {
                    self.deaf |= kind == Kind::Workspaces;
                    let schedule = self.schedule(kind);
                    schedule.due = true;
                    schedule.led &= touched.told != Touched::LOST;
                }
            }
        }
        let mut asked = false;
        let between = cx.filter.config.watch.poll();
        let follows = wanted.first() == Some(&true);
        if follows && !self.follows {
            // What has happened meanwhile was nobody's concern here.
            (self.jobs, self.next_jobs, self.deaf) = (Jobs::default(), 0, true);
        }
        self.follows = follows;
        // Nobody goes on from what was before the first reading.
        self.deaf = self.deaf && follows && watching.hub.state(&self.subject(Kind::Workspaces)).since != 0;
        if !leads && !self.deaf {
            // What another sees from now on he will tell.
            (self.jobs, self.next_jobs) = Default::default();
        }
        if (leads && has_come(self.next_jobs, now, between.saturating_mul(2))) || self.deaf {
            // Before a first full reading: what happens from now on will be seen.
            self.next_jobs = now.saturating_add(jittered(&cx, between));
            self.look_at_jobs().await?;
            asked = true;
        }
        if self.due.len() > ONE_BY_ONE {
            self.schedule(Kind::Workspaces).due = true;
        }
        for (kind, wanted) in Kind::ALL.into_iter().zip(wanted) {
            if wanted && self.is_reading_due(kind, leads) {
                self.read_all(kind, leads).await?;
                asked = true;
            }
        }
        if follows && !self.due.is_empty() {
            self.read_due().await?;
            asked = true;
        }
        self.heard.clear();
        if !follows {
            self.unseen.clear();
        }
        if !self.due.is_empty() {
            self.due.clear();
            self.schedule(Kind::Workspaces).due = true;
        }
        // Who has lost his turn has told nothing of what he has read.
        if !self.is_our_turn() {
            return Ok(asked);
        }
        // What was touched has been read, unless a full reading is to do that and is yet to come.
        for kind in self.kinds.iter().filter(|schedule| !schedule.due).map(|schedule| schedule.kind) {
            watching.hub.seen(&self.subject(kind), ticket);
        }
        Ok(asked)
    }

    fn schedule(&mut self, kind: Kind) -> &mut Schedule {
        let [workspaces, templates] = &mut self.kinds;
        match kind {
            Kind::Workspaces => workspaces,
            Kind::Templates => templates,
        }
    }

    fn is_due(&mut self, id: String) {
        if !self.due.contains(&id) {
            self.due.push(id);
        }
    }

    /// Looks for what has happened since the last look, or since the last full reading if there was none: all that was there then is known.
    async fn look_at_jobs(&mut self) -> Result<(), Status> {
        let cx = self.cx.clone();
        let state = cx.filter.watching.hub.state(&self.subject(Kind::Workspaces));
        let read_at = if state.since == 0 { Millis::MAX } else { state.read_at.min(cx.now()) };
        let unseen_since = read_at.saturating_sub(APART);
        let news = self.jobs.look(&cx, &self.plane, unseen_since).await?;
        self.deaf = false;
        self.take(news);
        Ok(())
    }

    fn take(&mut self, news: News) {
        let now = self.cx.now();
        for id in news.workspaces {
            self.is_due(id);
        }
        self.unseen.extend(news.unseen);
        self.settling.retain(|(_, until)| now < *until);
        for id in self.settling.clone() {
            self.is_due(id.0);
        }
        if news.all {
            self.schedule(Kind::Workspaces).due = true;
        }
        if news.all || news.templates {
            self.schedule(Kind::Templates).due = true;
        }
    }

    fn is_reading_due(&mut self, kind: Kind, leads: bool) -> bool {
        let (hub, subject, now) = (&self.cx.filter.watching.hub, self.subject(kind), self.cx.now());
        let state = hub.state(&subject);
        let waited_for = state.since == 0 || hub.wants.of(&subject).fresh_from > state.read_at;
        self.schedule(kind).is_due(now, leads, waited_for)
    }

    /// A full reading, by the one that leads or by another.
    async fn read_all(&mut self, kind: Kind, leads: bool) -> Result<(), Status> {
        let cx = self.cx.clone();
        let (hub, subject) = (&cx.filter.watching.hub, self.subject(kind));
        self.schedule(kind).due = false;
        let mut due = Vec::new();
        if kind == Kind::Workspaces {
            self.jobs.forget_organizations();
            due = std::mem::take(&mut self.due);
            let mut unseen = std::mem::take(&mut self.unseen);
            self.with_writer(|writer| unseen.retain(|id| !writer.has_departed(id)));
            due.extend(unseen);
        }
        let began = cx.now();
        let version = hub.clock.log_version(began);
        let read = match reading::all(&cx, &self.plane, kind).await {
            Ok(read) => read,
            Err(status) => {
                self.schedule(kind).due = true;
                // What has been named may have gone without having been known here.
                due.into_iter().for_each(|id| self.is_due(id));
                return Err(status);
            }
        };
        let age = self.schedule(kind).forgets_after(&cx.filter.config.watch);
        let goes_on = self.with_writer(|writer| writer.goes_on(&subject, cx.now(), age)).unwrap_or(false);
        let mut read = Found { observed: self.settle(read), ..Found::default() };
        if goes_on {
            // Also what others have told of and was never seen here: if it has gone, they wait to be told.
            due.retain(|id| !read.observed.iter().any(|object| object.id == *id));
            let missing = self.with_writer(|writer| writer.missing(&subject, &read.observed));
            due.extend(missing.unwrap_or_default());
            crate::sort::sort_by(&mut due, Ord::cmp);
            due.dedup();
            read.extend(self.read_each(kind, due).await);
        }
        self.read_doubles(kind, &mut read).await;
        let failure = read.failure.take();
        if goes_on {
            // Also where another leads: what he has told of has been heard and read.
            let after_gap = !self.schedule(kind).led;
            self.take_in(&subject, Seen { at: began, after_gap }, read);
        } else if failure.is_none() && self.is_our_turn() {
            self.with_writer(|writer| writer.begin(&subject, read.observed, version));
            self.read_again(kind);
        }
        // What is not known to be as Coder has it must not pass for that.
        if let Some(status) = failure {
            self.schedule(kind).due = true;
            return Err(status);
        }
        if kind == Kind::Workspaces {
            self.read_due().await?;
        }
        if !self.is_our_turn() {
            return Ok(());
        }
        self.with_writer(|writer| writer.read(&subject, began, version));
        let begins_to_lead = self.schedule(kind).rest(&cx, began, leads);
        if begins_to_lead {
            // Others read everything once, too; what changes from now on is found here.
            cx.filter.watching.ring([word(&subject, "", "")]);
        } else if !goes_on {
            // Nothing to tell, but somebody waits to be told that.
            cx.filter.watching.ring([]);
        }
        Ok(())
    }

    /// Workspaces one by one, as long as that shows that others must be, too.
    async fn read_due(&mut self) -> Result<(), Status> {
        for _ in 0..TRIES {
            if self.due.is_empty() {
                break;
            }
            self.read_some().await?;
        }
        Ok(())
    }

    /// Workspaces one by one.
    async fn read_some(&mut self) -> Result<(), Status> {
        let subject = self.subject(Kind::Workspaces);
        let began = self.cx.now();
        let ids = std::mem::take(&mut self.due);
        let mut read = self.read_each(Kind::Workspaces, ids).await;
        let failure = read.failure.take();
        self.take_in(&subject, Seen { at: began, after_gap: false }, read);
        failure.map_or(Ok(()), Err)
    }

    fn with_writer<T>(&self, work: impl FnOnce(&mut Writer) -> T) -> Option<T> {
        self.cx.filter.watching.writer.borrow_mut().as_mut().map(work)
    }

    /// Coder has failed: those who wait are told, and it is left alone for a while.
    fn failed(&mut self, status: &Status, wanted: [bool; 2]) {
        let (cx, now) = (self.cx.clone(), self.cx.now());
        self.pause = self.pause.saturating_mul(2).clamp(PAUSE.0, PAUSE.1);
        self.paused_until = now.saturating_add(jittered(&cx, self.pause));
        // Who leads finds out at once, then, whether it still fails.
        self.next_jobs = 0;
        let all_failing = &cx.filter.watching.failing_since;
        if all_failing.get() == 0 {
            all_failing.set(now);
        }
        if self.failing_since == 0 {
            self.failing_since = now;
        }
        let lasting = now.saturating_sub(self.failing_since) >= LASTING;
        for (kind, wanted) in Kind::ALL.into_iter().zip(wanted) {
            if wanted {
                cx.filter.watching.hub.failed(&self.subject(kind), now, &status.message);
                self.schedule(kind).due |= lasting;
            }
        }
    }
}
