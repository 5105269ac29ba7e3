//! The seam between an exchange and the world: calls go out as values, their outcomes come back as values.
//!
//! An exchange is an `async fn`; awaiting a call parks it until the host hands in the outcome. There is no executor and no
//! waker: the host polls when something has happened. Holds the exchange's only view of time.

use super::planes::Again;
use super::request_body::RequestBody;
use super::stopwatch::Stopwatch;
use super::watch::Carried;
use crate::kube::status::Status;
use crate::time::Millis;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// How long the end of a request is waited for that has its answer already, in milliseconds.
const READ_ON: Millis = 1_000;
/// A clock that goes back by more was set back, in milliseconds.
const STEP_BACK: Millis = 1_000;

/// Names a call within its exchange.
pub type CallId = u32;

/// An HTTP request to one of Envoy's clusters.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// Envoy cluster.
    pub cluster: String,
    /// HTTP method.
    pub method: &'static str,
    /// `:authority`.
    pub authority: String,
    /// Path and query, already encoded.
    pub path: String,
    /// Further headers. May hold the caller's credentials.
    pub headers: Vec<(String, String)>,
    /// Body; empty is none.
    pub body: Vec<u8>,
    /// When Envoy gives up, in milliseconds.
    pub timeout_ms: u32,
}

/// Credentials and bodies stay out of what is printed.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.method, self.path, self.cluster)
    }
}

/// An HTTP answer.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// HTTP status; Envoy's own 503 and 504 (no connection, time-out) look like any other.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bytes", self.status, self.body.len())
    }
}

impl Answer {
    /// The first header of that name, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// It was never sent: no such cluster, or no time was left.
    NotSent,
    /// It was sent, and then broke: reset, cut short, larger than Envoy holds. Whether it had an effect is unknown.
    Unknown,
}

/// What became of a call.
pub type Outcome = Result<Answer, Lost>;

/// When the calls of an exchange end.
#[derive(Debug, Clone, Copy)]
enum Deadline {
    /// At this moment, whenever they began: somebody waits for the answer.
    At(Millis),
    /// That long after each began: nobody waits.
    Each(Millis),
}

/// One exchange's calls, clock and request body.
pub struct Port {
    now: Cell<Millis>,
    deadline: Deadline,
    next: Cell<CallId>,
    outbox: RefCell<Vec<(CallId, Call)>>,
    outcomes: RefCell<Vec<(CallId, Outcome)>>,
    /// What is done where these calls are refused.
    agains: RefCell<Vec<(CallId, Box<Again>)>>,
    wakes_at: Cell<Option<Millis>>,
    writes: Cell<bool>,
    /// What the client's stream becomes.
    carried: RefCell<Option<Box<Carried>>>,
    coder: Stopwatch,
    pub(super) body: RequestBody,
}

impl Port {
    /// A port whose calls end by `deadline`, for a request with this body.
    pub fn new(now: Millis, deadline: Millis, body: RequestBody) -> Self {
        Self::with(now, Deadline::At(deadline), body)
    }

    /// A port for work that nobody waits for: each call may take that long.
    pub fn background(now: Millis, call: Millis) -> Self {
        Self::with(now, Deadline::Each(call), RequestBody::none())
    }

    fn with(now: Millis, deadline: Deadline, body: RequestBody) -> Self {
        let (outbox, outcomes, wakes_at, writes, carried, coder) = Default::default();
        Self {
            now: Cell::new(now),
            deadline,
            next: Cell::new(0),
            outbox,
            outcomes,
            agains: RefCell::default(),
            wakes_at,
            writes,
            carried,
            coder,
            body,
        }
    }

    /// The client's stream goes on as a watch once the exchange is over.
    pub(super) fn carry(&self, carried: Carried) {
        self.carried.replace(Some(Box::new(carried)));
    }

    pub(super) fn take_carried(&self) -> Option<Box<Carried>> {
        self.carried.take()
    }

    /// When the exchange must have answered; it has no such moment when nobody waits.
    pub(super) fn deadline(&self) -> Option<Millis> {
        match self.deadline {
            Deadline::At(moment) => Some(moment),
            Deadline::Each(_) => None,
        }
    }

    /// Parks until the clock has reached `moment`. One that is set back meanwhile prolongs that by nothing.
    pub async fn sleep_until(&self, mut moment: Millis) {
        let mut last = self.now();
        std::future::poll_fn(|_| {
            let now = self.now();
            moment = moment.saturating_sub(last.saturating_sub(now).max(0));
            last = now;
            if now >= moment {
                self.wakes_at.set(None);
                return Poll::Ready(());
            }
            self.wakes_at.set(Some(moment));
            Poll::Pending
        })
        .await;
    }

    /// Waits for the whole of the request's body and takes it, until the deadline of its calls: one that trickles in for longer could no
    /// longer be acted upon.
    ///
    /// # Errors
    /// 413 or 429 by the limits of [`RequestBody`], 504 at the deadline.
    pub(super) async fn take_body(&self) -> Result<Vec<u8>, Status> {
        std::future::poll_fn(|_| {
            self.wakes_at.set(None);
            if let Some(body) = self.body.take() {
                return Poll::Ready(body);
            }
            match self.deadline {
                Deadline::At(moment) if self.now() >= moment => {
                    Poll::Ready(Err(Status::timeout("the body of the request did not arrive in time")))
                }
                Deadline::At(moment) => {
                    self.wakes_at.set(Some(moment));
                    Poll::Pending
                }
                Deadline::Each(_) => Poll::Pending,
            }
        })
        .await
    }

    /// There is an answer. Until when the rest of the request is read, of which nothing is kept any more.
    pub(super) fn reads_until(&self) -> Millis {
        self.body.forget();
        let until = self.now().saturating_add(READ_ON);
        self.deadline().map_or(until, |deadline| deadline.min(until))
    }

    /// The moment that this exchange sleeps until.
    pub(super) fn wakes_at(&self) -> Option<Millis> {
        self.wakes_at.get()
    }

    /// Whether a call that may change something in Coder has been sent.
    pub(super) fn writes(&self) -> bool {
        self.writes.get()
    }

    /// Milliseconds during which a call to Coder was on its way.
    pub(super) fn coder_milliseconds(&self) -> Millis {
        self.coder.total()
    }

    /// [`Port::call`] to Coder: its time is Coder's. Once one has been sent that `changes` something, the exchange outlives its client.
    pub(super) fn call_coder(&self, call: Call, changes: bool) -> Pending<'_> {
        self.coder.begin(self.next.get(), self.now());
        let pending = self.call(call);
        self.writes.set(self.writes.get() || changes);
        pending
    }

    /// The time of the newest event, in milliseconds since the Unix epoch.
    pub fn now(&self) -> Millis {
        self.now.get()
    }

    /// Sends a call. It is on its way even before the returned future is awaited, so calls sent together run together.
    pub fn call(&self, call: Call) -> Pending<'_> {
        let id = self.number();
        self.send(id, call);
        Pending { port: self, id }
    }

    fn number(&self) -> CallId {
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        id
    }

    fn send(&self, id: CallId, mut call: Call) {
        let left = match self.deadline {
            Deadline::At(moment) => moment.saturating_sub(self.now()),
            Deadline::Each(duration) => duration,
        };
        let left = u32::try_from(left).unwrap_or(0);
        if left == 0 {
            self.hand_in(id, Err(Lost::NotSent));
        } else {
            call.timeout_ms = call.timeout_ms.min(left);
            self.outbox.borrow_mut().push((id, call));
        }
    }

    /// A call that cannot be made.
    pub(super) fn not_sent(&self) -> Pending<'_> {
        let id = self.number();
        self.hand_in(id, Err(Lost::NotSent));
        Pending { port: self, id }
    }

    /// Small steps back are none: the clock is being adjusted. Large ones are followed, or all that waits would wait for as long.
    pub(super) fn set_now(&self, now: Millis) {
        if now > self.now() || self.now().saturating_sub(now) > STEP_BACK {
            self.now.set(now);
        }
    }

    pub(super) fn hand_in(&self, id: CallId, outcome: Outcome) {
        self.coder.end(id, self.now());
        let mut agains = self.agains.borrow_mut();
        let again = agains.iter().position(|(of, _)| *of == id).map(|place| agains.swap_remove(place).1);
        drop(agains);
        let next = match again {
            Some(again) => again.next(self.now(), outcome),
            None => Err(outcome),
        };
        // Whoever waits does not see that another call has taken the place of his.
        match next {
            Ok((call, again)) => self.send_again(id, call, again),
            Err(outcome) => self.outcomes.borrow_mut().push((id, outcome)),
        }
    }

    fn send_again(&self, id: CallId, call: Call, again: Option<Box<Again>>) {
        if let Some(again) = again {
            self.agains.borrow_mut().push((id, again));
        }
        self.coder.begin(id, self.now());
        self.send(id, call);
    }

    /// As [`Port::call_coder`], with what is done where Coder refuses the token.
    pub(super) fn call_with(&self, (call, again): (Call, Box<Again>), changes: bool) -> Pending<'_> {
        let id = self.number();
        self.writes.set(self.writes.get() || changes);
        self.send_again(id, call, Some(again));
        Pending { port: self, id }
    }

    pub(super) fn drain(&self) -> Vec<(CallId, Call)> {
        self.outbox.take()
    }
}

/// A call on its way.
pub struct Pending<'a> {
    port: &'a Port,
    id: CallId,
}

impl Future for Pending<'_> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Outcome> {
        let mut outcomes = self.port.outcomes.borrow_mut();
        match outcomes.iter().position(|(id, _)| *id == self.id) {
            Some(place) => Poll::Ready(outcomes.swap_remove(place).1),
            None => Poll::Pending,
        }
    }
}
