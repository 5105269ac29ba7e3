//! Exchanges: one request of a client, from its headers to its answer.
//!
//! Events in (a request, the outcome of a call), [`Step`]s out (make these calls, answer this, wait). Each verb is a file and
//! reads from top to bottom as an `async fn`; the compiler makes the state machine, and [`Exchange`] drives it without any
//! runtime. Refuses to touch the host, a clock or a socket: everything comes in as a parameter.

mod aggregated;
mod authorize;
mod cache;
mod caller;
mod collection;
mod context;
mod credentials;
mod discovery;
mod filter;
mod join;
mod made_up;
mod namespace;
mod openapi;
mod planes;
mod port;
mod precondition;
mod random;
mod reply;
mod request;
mod request_body;
mod sent;
mod serve;
mod stopwatch;
mod templates;
mod watch;
mod workspaces;
mod write;

pub use caller::Forwarded;
pub use filter::{Filter, Verdict};
pub use port::{Answer, Call, CallId, Lost, Outcome, Pending, Port};
pub use reply::{Labels, Reply};
pub use request::{Certificate, Place, Request};
pub use watch::Carried;

use crate::time::Millis;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What the host does next.
#[derive(Debug)]
pub enum Step {
    /// Make these calls and hand in each outcome.
    Call(Vec<(CallId, Call)>),
    /// Answer the client. The exchange is over.
    Reply(Reply),
    /// Let the client's stream go on as a watch; the reply says what counters and the access log should know. The exchange is over.
    Carry(Box<Carried>, Reply),
    /// Nothing until another outcome comes in.
    Wait,
}

/// One request in work.
pub struct Exchange {
    port: Rc<Port>,
    work: Option<Pin<Box<dyn Future<Output = Reply>>>>,
    /// The answer, where the request has not ended yet, and until when its end is waited for.
    answer: Option<(Reply, Millis)>,
}

impl Exchange {
    fn new<F: Future<Output = Reply> + 'static>(port: Rc<Port>, work: F) -> Self {
        Self { port, work: Some(Box::pin(work)), answer: None }
    }

    /// Goes on as far as it can without a further outcome. The first step of every exchange.
    pub fn advance(&mut self) -> Step {
        if let Some((reply, until)) = self.answer.take() {
            return self.answer(reply, until);
        }
        let Some(work) = self.work.as_mut() else { return Step::Wait };
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(reply) => {
                self.work = None;
                match self.port.take_carried() {
                    Some(carried) => Step::Carry(carried, reply),
                    None => self.answer(reply, self.port.reads_until()),
                }
            }
            Poll::Pending => {
                let calls = self.port.drain();
                if calls.is_empty() { Step::Wait } else { Step::Call(calls) }
            }
        }
    }

    /// Over HTTP/2 Envoy resets a stream that is answered before its request has ended (RFC 9113, 8.1 allows it), and there are clients that lose the answer
    /// then, curl among them. So the rest of the request is read first, within reason.
    fn answer(&mut self, reply: Reply, until: Millis) -> Step {
        if self.port.body.is_complete() || self.port.now() >= until {
            return Step::Reply(reply);
        }
        self.answer = Some((reply, until));
        Step::Wait
    }

    /// Hands in the next part of the request's body and goes on; every request has a last part, which may be empty.
    pub fn body(&mut self, chunk: Vec<u8>, last: bool, now: Millis) -> Step {
        self.port.set_now(now);
        self.port.body.push(chunk, last);
        self.advance()
    }

    /// The moment that the exchange sleeps until, if it does.
    pub fn wakes_at(&self) -> Option<Millis> {
        self.answer.as_ref().map(|(_, until)| *until).or_else(|| self.port.wakes_at())
    }

    /// Goes on when that moment has come.
    pub fn wake(&mut self, now: Millis) -> Step {
        self.port.set_now(now);
        self.advance()
    }

    /// Whether there is an answer, which waits for the end of its request alone.
    pub fn is_answered(&self) -> bool {
        self.answer.is_some()
    }

    /// Whether it must run to its end though its client has left: it has begun to change something in Coder.
    pub fn outlives_client(&self) -> bool {
        self.port.writes()
    }

    /// Hands in what became of a call and goes on.
    pub fn resume(&mut self, id: CallId, outcome: Outcome, now: Millis) -> Step {
        self.port.set_now(now);
        self.port.hand_in(id, outcome);
        self.advance()
    }
}

#[cfg(test)]
mod tests;
