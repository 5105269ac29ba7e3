//! Exchanges: one request of a client, from its headers to its answer.
//!
//! Events in (a request, the outcome of a call), [`Step`]s out (make these calls, answer this, wait). Each verb is a file and
//! reads from top to bottom as an `async fn`; the compiler makes the state machine, and [`Exchange`] drives it without any
//! runtime. Refuses to touch the host, a clock or a socket: everything comes in as a parameter.

mod port;

pub use port::{Answer, Call, CallId, Lost, Outcome, Pending, Port};

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
    /// Nothing until another outcome comes in.
    Wait,
}

/// An answer to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers, `content-type` among them.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// One request in work.
pub struct Exchange {
    port: Rc<Port>,
    work: Option<Pin<Box<dyn Future<Output = Reply>>>>,
}

impl Exchange {
    fn new<F: Future<Output = Reply> + 'static>(port: Rc<Port>, work: F) -> Self {
        Self { port, work: Some(Box::pin(work)) }
    }

    /// Goes on as far as it can without a further outcome. The first step of every exchange.
    pub fn advance(&mut self) -> Step {
        let Some(work) = self.work.as_mut() else { return Step::Wait };
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(reply) => {
                self.work = None;
                Step::Reply(reply)
            }
            Poll::Pending => {
                let calls = self.port.drain();
                if calls.is_empty() { Step::Wait } else { Step::Call(calls) }
            }
        }
    }

    /// Hands in what became of a call and goes on.
    pub fn resume(&mut self, id: CallId, outcome: Outcome, now: Millis) -> Step {
        self.port.set_now(now);
        self.port.hand_in(id, outcome);
        self.advance()
    }
}
