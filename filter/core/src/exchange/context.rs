//! What a verb works with: the filter's state, the port of its exchange, and the calls to Coder and kube-apiserver.

use super::Exchange;
use super::collection::Listing;
use super::filter::Filter;
use super::planes::Again;
use super::port::{Answer, Call, Lost, Outcome, Pending, Port};
use super::reply::{Labels, Reply};
use super::watch;
use crate::coder::errors::{CoderError, Failure, Intent};
use crate::coder::requests::{Request as CoderRequest, Touches};
use crate::config::ControlPlane;
use crate::kube::percent;
use crate::time::Millis;
use crate::watch::{Kind, Touched};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// One exchange's view of the world.
pub(super) struct Cx {
    pub(super) filter: Rc<Filter>,
    pub(super) port: Rc<Port>,
    /// What the access log should know, as filter state names and values.
    pub(super) facts: RefCell<Vec<(&'static str, String)>>,
    /// What counters know the request by.
    pub(super) labels: Cell<Labels>,
    /// What the client should know beside the answer.
    pub(super) warnings: RefCell<Vec<String>>,
    /// The caller's name, once kube-apiserver has told it; Coder's audit trail gets it.
    pub(super) user: RefCell<String>,
    /// Objects that this request has changed in Coder, or may have, by namespace.
    pub(super) touched: RefCell<Vec<(String, Touched)>>,
    /// The list that is being made, from its beginning on.
    pub(super) listing: RefCell<Option<Listing>>,
    coder_calls: Cell<u32>,
}

impl Cx {
    pub(super) fn new(filter: Rc<Filter>, port: Rc<Port>) -> Self {
        let (facts, labels, warnings, user, touched, listing, coder_calls) = Default::default();
        Self { filter, port, facts, labels, warnings, user, touched, listing, coder_calls }
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

    /// Tells the client something that is no error.
    pub(super) fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// Goes on with work in the same caller's name after this request has been answered. Its reply is for the log.
    pub(super) fn spawn<F: Future<Output = Reply> + 'static>(&self, work: impl FnOnce(Rc<Self>) -> F) {
        let port = Rc::new(Port::background(self.now(), self.filter.config.limits.request_timeout()));
        let cx = Self::new(self.filter.clone(), port.clone());
        cx.user.replace(self.user.borrow().clone());
        let cx = Rc::new(cx);
        let work = work(cx.clone());
        self.filter.spawn(Exchange::new(port, async move {
            let reply = work.await;
            watch::touched(&cx);
            reply
        }));
    }

    /// Notes that an object has changed in Coder, or may have.
    pub(super) fn touch(&self, plane: &ControlPlane, kind: Kind, id: &str) {
        let mut touched = self.touched.borrow_mut();
        if !touched
            .iter()
            .any(|(namespace, other)| *namespace == plane.namespace && other.kind == kind && other.id == id)
        {
            touched.push((plane.namespace.clone(), Touched { kind, id: id.to_owned(), told: String::new() }));
        }
    }

    /// Sends a request to a Coder; await the result with [`settled`]. Only here do calls to Coder begin.
    pub(super) fn send_to_coder(&self, plane: &ControlPlane, request: CoderRequest) -> Pending<'_> {
        self.coder_calls.set(self.coder_calls.get().saturating_add(1));
        let mut headers = vec![
            ("accept".to_owned(), "application/json".to_owned()),
            ("user-agent".to_owned(), user_agent(&self.user.borrow())),
        ];
        if let Some(content_type) = request.content_type {
            headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        let changes = request.changes();
        match request.touches() {
            Some(Touches::Workspace(id)) => self.touch(plane, Kind::Workspaces, id),
            Some(Touches::Templates) => self.touch(plane, Kind::Templates, ""),
            None => {}
        }
        let mut call = Call {
            cluster: plane.cluster.clone(),
            method: request.method,
            authority: plane.authority.clone(),
            path: request.path,
            headers,
            body: request.body.unwrap_or_default(),
            timeout_ms: u32::MAX,
        };
        let Some(egress) = &plane.egress else { return self.port.call_coder(call, changes) };
        // Of one that was discovered: by the way that leads to any host, with the token that is known now.
        let Some(access) = self.filter.planes.access(&plane.namespace, egress.identity) else {
            return self.port.not_sent();
        };
        call.path.insert_str(0, &egress.prefix);
        let way = if egress.https { "https" } else { "http" };
        call.headers.push(("x-coder-kube-egress".to_owned(), way.to_owned()));
        self.port.call_with(Again::new(&self.filter, &plane.namespace, access, call), changes)
    }

    /// Asks Coder, to be waited for. An answer is a 2xx.
    pub(super) fn coder(&self, plane: &ControlPlane, intent: Intent, request: CoderRequest) -> Settled<'_> {
        settled(intent, self.send_to_coder(plane, request))
    }
}

/// Who calls, for Coder's audit trail: the filter, and in parentheses the user it acts for.
fn user_agent(user: &str) -> String {
    let mut agent = concat!("coder-kube-filter/", env!("CARGO_PKG_VERSION")).to_owned();
    if !user.is_empty() {
        agent.push_str(" (");
        agent.push_str(&percent::encode_comment(user));
        agent.push(')');
    }
    agent
}

/// A call to Coder on its way, to be judged when it is known what became of it. No `async fn`: it is waited for in so many places that what
/// each keeps of it, and drops, is much of the module.
pub(super) struct Settled<'a> {
    intent: Intent,
    pending: Pending<'a>,
}

impl Future for Settled<'_> {
    type Output = Result<Answer, CoderError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let intent = self.intent;
        Pin::new(&mut self.pending).poll(context).map(|outcome| judged(intent, outcome))
    }
}

/// Waits for a call to Coder: a 2xx is an answer, and for a write also 304, which says that it is so already; all else is an error by what the
/// call was meant to do.
pub(super) fn settled(intent: Intent, pending: Pending<'_>) -> Settled<'_> {
    Settled { intent, pending }
}

/// As [`settled`], when it is known what became of the call.
pub(super) fn judged(intent: Intent, outcome: Outcome) -> Result<Answer, CoderError> {
    match outcome {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(answer),
        Ok(answer) if answer.status == 304 && !intent.is_read() => Ok(answer),
        Ok(answer) => {
            let retry_after = answer.header("retry-after");
            Err(CoderError::new(
                intent,
                Failure::Answer { status: answer.status, body: &answer.body, retry_after },
            ))
        }
        Err(Lost::NotSent) => Err(CoderError::new(intent, Failure::NotSent)),
        Err(Lost::Unknown) => Err(CoderError::new(intent, Failure::Reset)),
    }
}
