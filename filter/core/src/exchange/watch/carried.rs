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

/// How long a watch goes on while kube-apiserver does not say whether it may, in milliseconds.
const UNCHECKED: Millis = 300_000;

/// See the module.
pub struct Carried {
    filter: Rc<Filter>,
    watcher: Watcher,
    caller: Rc<Caller>,
    info: Rc<ResourceRequest>,
    bell: Bell,
    timeout_seconds: u64,
    next_check: Millis,
    /// When it was last allowed.
    allowed_at: Millis,
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
        let answer = Answered::NotYet;
        Self { filter, watcher, caller, info, bell, timeout_seconds, next_check, allowed_at: now, answer }
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

    /// Asks again whether the caller may still watch; what comes of it is for [`Carried::checked`].
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

    /// Takes the answer to a check. Whether the watch is over because of it: anything but 200, 401 and 403 says nothing, but not for ever.
    pub fn checked(&mut self, status: u16, now: Millis) -> bool {
        if status == 200 {
            self.allowed_at = now;
        }
        let is_late = has_come(self.allowed_at.saturating_add(UNCHECKED), now, UNCHECKED);
        matches!(status, 401 | 403) || is_late
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

#[cfg(test)]
mod tests {
    use super::super::super::caller::Caller;
    use super::super::super::tests::NOW;
    use super::*;
    use crate::config::Config;
    use crate::kube::negotiation::Form;
    use crate::kube::query::Query;
    use crate::kube::request_info::{RequestInfo, parse};
    use crate::watch::{Kind, Start, Wish};

    #[test]
    fn a_watch_lasts_while_it_is_allowed_and_a_little_longer_where_nobody_says() {
        let config = r#"{"mode":"front","kubernetes":{"cluster":"kube"},"watch":{"bell":{
            "cluster":"kube-filter","namespace":"n","lease":"bell","pollerLease":"poller"}}}"#;
        let filter = Filter::new(Config::parse(config.as_bytes()).unwrap());
        let path = "/apis/aggregation.coder.com/v1alpha1/coderworkspaces";
        let RequestInfo::Resource(info) = parse("GET", path, &Query::default()).unwrap() else { panic!() };
        let wish = Wish {
            kind: Kind::Workspaces,
            subjects: Vec::new(),
            namespace: None,
            identities: Vec::new(),
            labels: Default::default(),
            fields: Default::default(),
            form: Form::Object,
            bookmarks: false,
        };
        let watcher = Watcher::new(filter.watching.hub.clone(), wish, Start::At(0, 0));
        let who = (Rc::new(Caller::own(&filter.config)), Rc::new(info));
        let bell = filter.config.watch.bell.clone().unwrap();
        let mut watch = Carried::new(filter.clone(), watcher, who, bell, 60, NOW);
        assert!(watch.checked(401, NOW) && watch.checked(403, NOW));
        assert!(!watch.checked(503, NOW + 240_000));
        assert!(!watch.checked(200, NOW + 280_000));
        assert!(!watch.checked(429, NOW + 500_000), "from the last time that it was allowed");
        assert!(watch.checked(503, NOW + 580_000));
        assert!(!watch.checked(200, NOW + 600_000));
    }
}
