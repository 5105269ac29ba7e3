//! What a verb works with: the filter's state, the port of its exchange, and the calls to Coder and kube-apiserver.

use super::filter::Filter;
use super::port::{Answer, Call, Lost, Pending, Port};
use crate::coder::errors::{CoderError, Failure, Intent};
use crate::coder::requests::Request as CoderRequest;
use crate::config::ControlPlane;
use crate::time::Millis;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// One exchange's view of the world.
pub(super) struct Cx {
    pub(super) filter: Rc<Filter>,
    pub(super) port: Rc<Port>,
    /// What the access log should know, as filter state names and values.
    pub(super) facts: RefCell<Vec<(&'static str, String)>>,
    coder_calls: Cell<u32>,
}

impl Cx {
    pub(super) fn new(filter: Rc<Filter>, port: Rc<Port>) -> Self {
        Self { filter, port, facts: RefCell::default(), coder_calls: Cell::new(0) }
    }

    /// Milliseconds since the Unix epoch.
    pub(super) fn now(&self) -> Millis {
        self.port.now()
    }

    /// Calls made to Coder so far.
    pub(super) fn coder_calls(&self) -> u32 {
        self.coder_calls.get()
    }

    /// Notes something for the access log.
    pub(super) fn note(&self, name: &'static str, value: impl Into<String>) {
        self.facts.borrow_mut().push((name, value.into()));
    }

    /// Sends a request to a Coder; await the result with [`settled`]. Only here do calls to Coder begin.
    pub(super) fn send_to_coder(&self, plane: &ControlPlane, request: CoderRequest) -> Pending<'_> {
        self.coder_calls.set(self.coder_calls.get().saturating_add(1));
        let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
        if let Some(content_type) = request.content_type {
            headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        self.port.call(Call {
            cluster: plane.cluster.clone(),
            method: request.method,
            authority: plane.authority.clone(),
            path: request.path,
            headers,
            body: request.body.unwrap_or_default(),
            timeout_ms: u32::MAX,
        })
    }

    /// Asks Coder and waits. An answer is a 2xx.
    pub(super) async fn coder(
        &self,
        plane: &ControlPlane,
        intent: Intent,
        request: CoderRequest,
    ) -> Result<Answer, CoderError> {
        settled(intent, self.send_to_coder(plane, request)).await
    }
}

/// Waits for a call to Coder: a 2xx is an answer, all else an error by what the call was meant to do.
pub(super) async fn settled(intent: Intent, pending: Pending<'_>) -> Result<Answer, CoderError> {
    match pending.await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(answer),
        Ok(answer) => {
            let retry_after = answer.header("retry-after");
            Err(CoderError::new(
                intent,
                Failure::Answer { status: answer.status, body: &answer.body, retry_after },
            ))
        }
        Err(Lost::NotSent) => Err(CoderError::new(intent, Failure::Timeout)),
        Err(Lost::Unknown) => Err(CoderError::new(intent, Failure::Reset)),
    }
}
