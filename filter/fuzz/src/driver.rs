//! Drives an exchange to its reply, with a function in the place of Coder and kube-apiserver.
//!
//! Time moves with every call, so that an exchange which never has enough meets its deadline.

use coder_kube_core::config::Config;
use coder_kube_core::exchange::{Answer, Call, Filter, Outcome, Reply, Request, Step, Verdict};
use std::collections::VecDeque;
use std::rc::Rc;

/// A moment for exchanges to begin at, in milliseconds since the Unix epoch.
pub const NOW: i64 = 1_795_255_200_000;
/// How long a call takes, in milliseconds.
const CALL: i64 = 500;
/// More calls than any exchange can make before its deadline.
const CALLS_MAX: usize = 1000;

/// A filter with two Coders, in the namespaces `coder` and `other`, that asks each for `page_size` workspaces at once.
pub fn filter(page_size: u32) -> Rc<Filter> {
    let plane = |namespace: &str| {
        format!(
            r#"{{"namespace":"{namespace}","cluster":"coder-{namespace}","authority":"coder","dashboardURL":"https://coder.example.com"}}"#
        )
    };
    let config = format!(
        r#"{{"mode":"front","kubernetes":{{"cluster":"kube","frontProxyCluster":"front-proxy"}},"controlPlanes":[{},{}],"limits":{{"listPageSize":{page_size}}}}}"#,
        plane("coder"),
        plane("other")
    );
    Filter::new(Config::parse(config.as_bytes()).expect("the configuration is good"))
}

/// Sends a request through a filter at `now`. `None` when it is not ours. `newest_first` answers the last of several calls first.
pub fn run(
    filter: &Rc<Filter>,
    mut now: i64,
    request: Request,
    newest_first: bool,
    mut world: impl FnMut(&Call) -> Outcome,
) -> Option<Reply> {
    let Verdict::Serve(mut exchange) = filter.receive(request, now, 0) else { return None };
    let mut waiting = VecDeque::new();
    let mut step = exchange.body(Vec::new(), true, now);
    for _ in 0..CALLS_MAX {
        match step {
            Step::Reply(reply) | Step::Carry(_, reply) => return Some(reply),
            Step::Call(calls) => waiting.extend(calls),
            Step::Wait => {}
        }
        let next = if newest_first { waiting.pop_back() } else { waiting.pop_front() };
        let (id, call) = next.expect("the exchange waits for something");
        assert!(call.timeout_ms > 0, "{call:?} has no time");
        now += CALL;
        step = exchange.resume(id, world(&call), now);
    }
    panic!("the exchange does not end");
}

/// kube-apiserver's answer to a review: the caller is `alice`, who may do everything; and to reading a namespace: it stays. `None` for
/// other calls.
pub fn allow(call: &Call) -> Option<Outcome> {
    if call.cluster == "kube" && call.path.starts_with("/api/v1/namespaces/") {
        let body = r#"{"kind":"Namespace","metadata":{}}"#;
        return Some(Ok(Answer { status: 200, headers: Vec::new(), body: body.into() }));
    }
    if call.method != "POST" || call.cluster.starts_with("coder") {
        return None;
    }
    let body = match call.path.contains("selfsubjectreviews") {
        true => r#"{"kind":"SelfSubjectReview","status":{"userInfo":{"username":"alice"}}}"#,
        false => r#"{"kind":"SelfSubjectAccessReview","status":{"allowed":true}}"#,
    };
    Some(Ok(Answer { status: 201, headers: Vec::new(), body: body.into() }))
}

/// A request with these headers, pseudo-headers aside.
pub fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request {
    let pseudo = [(":method", method), (":path", target)];
    let all = pseudo.iter().chain(headers);
    Request::new(all.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(), None)
}
