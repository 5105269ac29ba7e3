//! A watch on its way: a stream of kube-apiserver's, a watch of the bell's Lease, in which every part is replaced by what this watcher is to be told.
//!
//! kube-apiserver sends a part when the bell is rung, and about once a minute to say that nothing has happened, which is when our bookmarks are due.

use super::super::Exchange;
use super::super::authorize::{Refusal, authorize};
use super::super::caller::Caller;
use super::super::context::Cx;
use super::super::filter::Filter;
use super::super::port::Port;
use super::super::reply::Reply;
use super::bell;
use crate::config::Bell;
use crate::kube::authorization::Attributes;
use crate::kube::request_info::ResourceRequest;
use crate::kube::status::Status;
use crate::time::{Millis, has_come};
use crate::watch::Watcher;
use std::fmt;
use std::rc::Rc;

/// How often it is asked again whether the caller may still watch, in milliseconds.
const CHECKED: Millis = 40_000;

/// See the module.
pub struct Carried {
    filter: Rc<Filter>,
    watcher: Watcher,
    caller: Rc<Caller>,
    info: Rc<ResourceRequest>,
    bell: Bell,
    timeout_seconds: u64,
    next_check: Millis,
    answer: Answered,
}

/// How kube-apiserver has answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    NotYet,
    /// It carries.
    Yes,
    /// It refuses, or cannot be reached.
    No,
}

impl Carried {
    pub(super) fn new(
        filter: Rc<Filter>,
        watcher: Watcher,
        (caller, info): (Rc<Caller>, Rc<ResourceRequest>),
        bell: Bell,
        timeout_seconds: u64,
        now: Millis,
    ) -> Self {
        filter.watching.counted(&watcher.wish().subjects, true, now);
        let next_check = now.saturating_add(CHECKED);
        Self { filter, watcher, caller, info, bell, timeout_seconds, next_check, answer: Answered::NotYet }
    }

    /// The request that takes the place of the client's: nothing of what he has sent goes on.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let Bell { namespace, lease, .. } = &self.bell;
        let path = format!(
            "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases?watch=true&fieldSelector=metadata.name%3D{lease}&allowWatchBookmarks=true&timeoutSeconds={}",
            self.timeout_seconds
        );
        vec![
            (":method", "GET".to_owned()),
            (":path", path),
            (":authority", self.filter.config.kubernetes.authority.clone()),
            ("accept", "application/json".to_owned()),
            ("user-agent", concat!("coder-kube-filter/", env!("CARGO_PKG_VERSION")).to_owned()),
            ("x-coder-kube-carrier", "1".to_owned()),
        ]
    }

    /// kube-apiserver has begun to answer. What the client is told instead: the status, and headers that take the place of all others.
    pub fn begins(&mut self, status: u16, now: Millis) -> (u16, Vec<(&'static str, String)>) {
        let carries = status == 200;
        self.answer = if carries { Answered::Yes } else { Answered::No };
        self.filter.watching.bell(carries, now);
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("cache-control", "no-cache, private".to_owned()),
        ];
        (if carries { 200 } else { 503 }, headers)
    }

    /// What takes the place of a part of kube-apiserver's answer; `last` when none follows.
    pub fn part(&mut self, part: &[u8], last: bool, now: Millis) -> Vec<u8> {
        match self.answer {
            // Envoy's own answer, of which the beginning was not seen; it is a Status.
            Answered::NotYet => return part.to_vec(),
            // Once, in place of whatever the refusal said.
            Answered::No if last => {
                let message = "the watch cannot be carried for the moment: kube-apiserver refuses it";
                return Status::service_unavailable(message).to_json();
            }
            Answered::No => return Vec::new(),
            Answered::Yes => {}
        }
        if part.is_empty() {
            return Vec::new();
        }
        let bookmark = bell::hear(&self.filter, part);
        self.watcher.pull(now, bookmark)
    }

    /// Whether [`Carried::check`] is due.
    pub fn is_due(&self, now: Millis) -> bool {
        has_come(self.next_check, now, CHECKED)
    }

    /// When it will be.
    pub fn checked_at(&self) -> Millis {
        self.next_check
    }

    /// Asks again whether the caller may still watch. The answer is 200, 401 or 403; anything else says nothing.
    pub fn check(&mut self, now: Millis) -> Exchange {
        self.next_check = now.saturating_add(CHECKED);
        let limits = &self.filter.config.limits;
        let port = Rc::new(Port::background(now, limits.request_timeout()));
        let cx = Cx::new(self.filter.clone(), port.clone());
        let (caller, info) = (self.caller.clone(), self.info.clone());
        Exchange::new(port, async move {
            match authorize(&cx, &caller, Attributes::Resource(&info)).await {
                Ok(()) => Reply::quiet(),
                Err(Refusal::Verbatim(reply)) => *reply,
                Err(Refusal::Status(status)) => Reply::from(&status),
            }
        })
    }
}

/// Credentials stay out of what is printed.
impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a watch of {}", self.info.resource)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        self.filter.watching.counted(&self.watcher.wish().subjects, false, 0);
    }
}
