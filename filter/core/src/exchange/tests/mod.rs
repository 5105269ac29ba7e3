//! Exchanges against a scripted world: what is asked of Coder and kube-apiserver, and what the client is told.

mod access;
mod aggregated;
mod bodies;
mod coder;
mod control_planes;
mod documents;
mod faults;
mod lists;
mod reads;
mod template_coder;
mod template_faults;
mod template_promote;
mod template_write;
mod workspace_create;
mod workspace_delete;
mod workspace_faults;
mod workspace_laws;
mod workspace_scale;
mod workspace_update;
mod workspace_wish;

use super::{Answer, Call, Certificate, Exchange, Filter, Lost, Outcome, Reply, Request, Step, Verdict};
use crate::config::Config;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

/// A moment of the recorded answers, in milliseconds.
pub(super) const NOW: i64 = 1_795_255_200_000;

const API: &str = "/apis/aggregation.coder.com/v1alpha1";

/// Answers a call to Coder, and is told how often Coder has been called before.
type Answers = Box<dyn Fn(&Call, usize) -> Outcome>;

/// A filter and the world that it calls.
pub(super) struct World {
    filter: Rc<Filter>,
    coder: Answers,
    /// Answers reviews.
    kube: Box<dyn Fn(&Call) -> Outcome>,
    pub(super) calls: RefCell<Vec<Call>>,
    pub(super) now: i64,
}

impl World {
    /// Everybody may do everything; Coder answers so.
    pub(super) fn new(coder: impl Fn(&str, usize) -> Outcome + 'static) -> Self {
        Self::with(
            r#"{"namespace":"coder","cluster":"coder","authority":"coder","dashboardURL":"https://coder.example.com"}"#,
            "{}",
            coder,
        )
    }

    /// The same with these control planes and limits.
    pub(super) fn with(planes: &str, limits: &str, coder: impl Fn(&str, usize) -> Outcome + 'static) -> Self {
        let config = format!(
            r#"{{"mode":"front","kubernetes":{{"cluster":"kube","frontProxyCluster":"kube-front-proxy"}},"controlPlanes":[{planes}],"limits":{limits}}}"#
        );
        Self::configured(&config, move |call, before| coder(&call.path, before))
    }

    /// The same with this configuration; clusters whose names begin with `coder` are Coders.
    pub(super) fn configured(config: &str, coder: impl Fn(&Call, usize) -> Outcome + 'static) -> Self {
        let filter = Filter::new(Config::parse(config.as_bytes()).unwrap());
        Self {
            filter,
            coder: Box::new(coder),
            kube: Box::new(|call| allow(call, true)),
            calls: RefCell::default(),
            now: NOW,
        }
    }

    /// Everybody may do everything; what Coder is and does is up to this, which may keep state.
    pub(super) fn stateful(coder: impl Fn(&Call) -> Outcome + 'static) -> Self {
        let world = Self::new(|_, _| panic!("never asked"));
        Self { coder: Box::new(move |call, _| coder(call)), ..world }
    }

    /// The same with another kube-apiserver.
    pub(super) fn kube(mut self, kube: impl Fn(&Call) -> Outcome + 'static) -> Self {
        self.kube = Box::new(kube);
        self
    }

    /// Sends a `GET` with a bearer token for a path below the group version.
    pub(super) fn get(&self, path: &str) -> Reply {
        self.send(request("GET", &format!("{API}{path}"), &[("authorization", "Bearer t")]))
    }

    /// Sends a request with this JSON as its body for a path below the group version.
    pub(super) fn write(&self, method: &str, path: &str, content_type: &str, body: &Value) -> Reply {
        let headers = [("authorization", "Bearer t"), ("content-type", content_type)];
        self.send_with(request(method, &format!("{API}{path}"), &headers), body.to_string().into_bytes())
    }

    /// Sends any request of ours, without a body, to its end.
    pub(super) fn send(&self, request: Request) -> Reply {
        self.send_with(request, Vec::new())
    }

    /// Sends any request of ours to its end.
    pub(super) fn send_with(&self, request: Request, body: Vec<u8>) -> Reply {
        let Verdict::Serve(mut exchange) = self.filter.receive(request, self.now, 0) else {
            panic!("it was forwarded")
        };
        let first = exchange.body(body, true, self.now);
        self.drive(&mut exchange, first, self.now).expect("the exchange waits for nothing")
    }

    /// Lets the filter do what it does by itself.
    pub(super) fn keep(&self) -> Vec<(Reply, i64)> {
        self.filter.keep(self.now);
        self.background()
    }

    /// Lets the filter ask Coders what their tokens allow, as one worker of all does.
    pub(super) fn check(&self) -> Reply {
        let mut exchange = self.filter.check_credentials(self.now);
        let first = exchange.advance();
        self.drive(&mut exchange, first, self.now).expect("the exchange waits for nothing")
    }

    /// Lets the filter look for what is to be promoted.
    pub(super) fn scan(&self) -> Reply {
        let mut exchange = self.filter.promote(self.now);
        let first = exchange.advance();
        self.drive(&mut exchange, first, self.now).expect("the exchange waits for nothing")
    }

    /// Drives the work that goes on after its requests were answered, sleeps included. Returns what it has to say, in the order in which it
    /// began, and the moment of its end.
    pub(super) fn background(&self) -> Vec<(Reply, i64)> {
        let mut said = Vec::new();
        let mut begun: std::collections::VecDeque<_> = self.filter.take_background().into();
        while let Some(mut exchange) = begun.pop_front() {
            let mut now = self.now;
            let mut step = exchange.advance();
            let reply = loop {
                if let Some(reply) = self.drive(&mut exchange, step, now) {
                    break reply;
                }
                now = exchange.wakes_at().expect("it waits for nothing");
                step = exchange.wake(now);
            };
            said.push((reply, now));
            begun.extend(self.filter.take_background());
        }
        said
    }

    /// Answers calls until there is a reply, or nothing but time to wait for.
    fn drive(&self, exchange: &mut Exchange, first: Step, now: i64) -> Option<Reply> {
        let mut steps = vec![first];
        loop {
            match steps.pop()? {
                Step::Reply(reply) | Step::Carry(_, reply) => return Some(reply),
                Step::Wait => {}
                Step::Call(calls) => {
                    for (id, call) in calls {
                        let before = self.to("coder").len();
                        self.calls.borrow_mut().push(call.clone());
                        let outcome = match call.cluster.starts_with("coder") {
                            true => (self.coder)(&call, before),
                            false => (self.kube)(&call),
                        };
                        let step = exchange.resume(id, outcome, now);
                        if let Step::Reply(reply) = step {
                            return Some(reply);
                        }
                        steps.insert(0, step);
                    }
                }
            }
        }
    }

    /// What becomes of a request.
    pub(super) fn verdict(&self, request: Request) -> Verdict {
        self.filter.receive(request, self.now, 0)
    }

    /// Whether Coder was asked anything.
    pub(super) fn coder_asked(&self) -> bool {
        !self.to("coder").is_empty()
    }

    /// Calls to Coder that are no `GET`: method, path and body. Evaluating parameters changes nothing and is left out.
    pub(super) fn writes(&self) -> Vec<String> {
        let calls = self.calls.borrow();
        let coder = calls.iter().filter(|call| call.cluster.starts_with("coder") && call.method != "GET");
        coder
            .filter(|call| !call.path.ends_with("/evaluate"))
            .map(|call| format!("{} {} {}", call.method, call.path, String::from_utf8_lossy(&call.body)))
            .collect()
    }

    /// Paths of the calls to clusters that begin so.
    pub(super) fn to(&self, cluster: &str) -> Vec<String> {
        let calls = self.calls.borrow();
        calls.iter().filter(|call| call.cluster.starts_with(cluster)).map(|call| call.path.clone()).collect()
    }
}

/// A request with these headers.
pub(super) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    let mut all = vec![(":method".to_owned(), method.into()), (":path".to_owned(), path.into())];
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())));
    Request::new(all, None)
}

/// A JSON answer.
pub(super) fn answer(status: u16, body: &Value) -> Outcome {
    let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
    Ok(Answer { status, headers, body: body.to_string().into_bytes() })
}

/// kube-apiserver's answer to either review: the caller is `alice`; and to reading a namespace: it stays.
pub(super) fn allow(call: &Call, allowed: bool) -> Outcome {
    if call.path.starts_with("/api/v1/namespaces/") {
        return answer(200, &json!({"kind": "Namespace", "metadata": {"name": "coder"}}));
    }
    match call.path.contains("selfsubjectreviews") {
        true => answer(
            201,
            &json!({"kind": "SelfSubjectReview", "status": {"userInfo": {"username": "alice", "groups": ["g"]}}}),
        ),
        false => answer(201, &json!({"kind": "SelfSubjectAccessReview", "status": {"allowed": allowed}})),
    }
}

/// Recorded answers of coderd.
pub(super) fn recorded() -> (Value, Value) {
    let parse = |text: &str| serde_json::from_str(text).unwrap();
    (
        parse(include_str!("../../convert/recorded/workspaces.json")),
        parse(include_str!("../../convert/recorded/templates.json")),
    )
}

/// A recorded workspace under another name, with an id that is made of it.
pub(super) fn workspace(owner: &str, name: &str) -> Value {
    let (list, _) = recorded();
    let mut workspace = list["workspaces"][0].clone();
    workspace["owner_name"] = owner.into();
    workspace["name"] = name.into();
    workspace["id"] = format!("{owner}/{name}").into();
    workspace
}

/// The body of a reply.
pub(super) fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

/// Checks a refusal: code, reason, and a part of the message.
#[track_caller]
pub(super) fn refused(reply: &Reply, code: u16, reason: &str, message: &str) {
    let body = body(reply);
    assert_eq!((reply.status, body["reason"].as_str()), (code, Some(reason)), "{body}");
    assert_eq!(body["code"], code);
    assert!(body["message"].as_str().unwrap().contains(message), "{body}");
}

/// A call that broke.
pub(super) const BROKEN: Outcome = Err(Lost::Unknown);
