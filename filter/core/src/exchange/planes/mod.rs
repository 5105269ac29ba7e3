//! Coders that are discovered: found by their `CoderControlPlane` objects ([`discover`]), called with the tokens in their Secrets ([`again`] renews
//! one that Coder refuses), and looked up here by whoever serves a request.
//!
//! Each worker reads the objects for itself, now and then and before it says of a namespace that no Coder stands behind it.

mod again;
mod discover;
mod object;

pub(super) use again::Again;

use super::Exchange;
use super::context::Cx;
use super::filter::Filter;
use super::port::{Call, Port};
use super::reply::Reply;
use super::{credentials, watch};
use crate::config::Discovery;
use crate::kube::request_info::Verb;
use crate::kube::status::Status;
use crate::planes::{Mapping, identity_of};
use crate::time::{Millis, has_come, is_recent};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// How old what was read may be for who asks for all Coders, or for one that could not be called, in milliseconds.
const RECENT: Millis = 1_000;
/// Pause after a reading that has failed, at most.
const PAUSE: Millis = 5_000;
/// How often is looked whether another worker has found something.
const LOOK: Millis = 1_000;
/// Longest that kube-apiserver is waited for, in milliseconds.
const CALL: u32 = 5_000;

/// When a worker reads the objects, and what came of it.
#[derive(Default)]
pub(super) struct Discovering {
    /// The next reading that nobody waits for.
    next: Cell<Millis>,
    next_look: Cell<Millis>,
    running: Cell<bool>,
    /// What was last said in the log.
    said: RefCell<String>,
    /// This worker asks Coders what their tokens allow, and says so in the log.
    pub(super) checks: Cell<bool>,
    /// Those that it has asked.
    checked: RefCell<Vec<u64>>,
}

impl Discovering {
    /// When [`keep`] wants to be called again.
    pub(super) fn wakes_at(&self, filter: &Filter) -> Option<Millis> {
        let waits = filter.config.discovery.is_some() && !self.running.get();
        waits.then(|| self.next.get())
    }

    /// What was read is not true any more: it is read again as soon as may be.
    fn hurry(&self) {
        self.next.set(0);
    }
}

/// Sees to it that the objects are read when it is time.
pub(super) fn keep(filter: &Rc<Filter>, now: Millis) {
    let (state, Some(discovery)) = (&filter.discovering, &filter.config.discovery) else { return };
    if state.running.get() {
        return;
    }
    if !is_recent(state.next_look.get(), now, LOOK) {
        state.next_look.set(now);
        if filter.watching.hub.planes_changed(None, now) > filter.planes.read_from() {
            state.hurry();
        }
    }
    if !has_come(state.next.get(), now, discovery.refresh().saturating_mul(2)) {
        return;
    }
    state.running.set(true);
    let port = Rc::new(Port::background(now, Millis::from(CALL)));
    let cx = Cx::new(filter.clone(), port.clone());
    filter.spawn(Exchange::new(port, async move {
        let read = discover::read(&cx, true).await;
        let state = &cx.filter.discovering;
        state.running.set(false);
        let refresh = cx.filter.config.discovery.as_ref().map_or(PAUSE, Discovery::refresh);
        // A little later each time, so that workers and replicas do not all come at once.
        let late = i64::try_from(cx.filter.random.next(cx.now()) % 10).unwrap_or_default();
        let pause = if read.is_ok() {
            refresh.saturating_add((refresh / 100).saturating_mul(late))
        } else {
            refresh.min(PAUSE)
        };
        state.next.set(cx.now().saturating_add(pause));
        report(&cx, read.err()).await
    }));
}

/// What has changed, for the log; quiet where that was said before.
async fn report(cx: &Cx, failure: Option<Status>) -> Reply {
    let mut lines: Vec<String> = failure.iter().map(|status| status.message.clone()).collect();
    if lines.is_empty() {
        for Mapping { plane, broken, access, .. } in cx.filter.planes.all().iter() {
            match (broken, access) {
                (Some(status), _) => lines.push(status.message.clone()),
                (None, Some(access)) => lines.push(format!(
                    "Coder of namespace \"{}\" was discovered: CoderControlPlane {}",
                    plane.namespace, access.object
                )),
                (None, None) => {}
            }
        }
    }
    let mut text = lines.join("\n");
    let mut code = if failure.is_some() { 503 } else { 200 };
    if *cx.filter.discovering.said.borrow() == text {
        return Reply::quiet();
    }
    cx.filter.discovering.said.replace(text.clone());
    if cx.filter.discovering.checks.get() && failure.is_none() {
        let all = cx.filter.planes.all();
        let callable = all.iter().filter(|mapping| mapping.access.is_some()).map(|mapping| &*mapping.plane);
        let (known, new) = (cx.filter.discovering.checked.take(), callable.clone());
        let new: Vec<_> = new.filter(|plane| !known.contains(&identity_of(plane))).collect();
        cx.filter.discovering.checked.replace(callable.map(identity_of).collect());
        let (worst, said) = credentials::ask(cx, &new).await;
        code = worst;
        text = [text, said].join("\n");
    }
    Reply::new(code, "text/plain", text.into_bytes())
}

/// The Coder behind a namespace, if there is one, or all of them, by namespace.
///
/// # Errors
/// What is to be said where the one of this namespace cannot be called, or one of all that a list is to be made of; 503 where the objects cannot be
/// read and that matters: never is a Coder taken for absent because kube-apiserver does not say.
pub(super) async fn reach(cx: &Cx, namespace: Option<&str>, verb: Verb) -> Result<Vec<Mapping>, Status> {
    let planes = &cx.filter.planes;
    let find = || match namespace {
        Some(namespace) => planes.mapping(namespace).into_iter().collect(),
        None => planes.all().to_vec(),
    };
    let is_broken = |mappings: &[Mapping]| mappings.iter().any(|mapping| mapping.broken.is_some());
    let mut mappings = find();
    if cx.filter.config.discovery.is_some() {
        let recent = planes.read_from() != 0 && is_recent(planes.read_from(), cx.now(), RECENT);
        let look = match namespace {
            Some(_) if mappings.is_empty() => true,
            Some(_) => is_broken(&mappings) && !recent,
            None => !recent,
        };
        if look {
            if let Err(status) = discover::read(cx, false).await {
                // What was known holds: nothing is lost by an empty list where there was nothing.
                let many = matches!(verb, Verb::List | Verb::Watch | Verb::DeleteCollection);
                if planes.read_from() == 0 || (mappings.is_empty() && !many) {
                    return Err(status);
                }
            }
            mappings = find();
        }
    }
    // A stream of all goes on for the others.
    let spared = namespace.is_none() && verb == Verb::Watch;
    match mappings.iter().find_map(|mapping| mapping.broken.as_ref()) {
        Some(status) if !spared => Err(status.clone()),
        _ => Ok(mappings),
    }
}

/// A question to kube-apiserver, with the filter's own token.
fn question(filter: &Filter, discovery: &Discovery, path: String) -> Call {
    Call {
        cluster: discovery.cluster.clone(),
        method: "GET",
        authority: filter.config.kubernetes.authority.clone(),
        path,
        headers: vec![
            ("accept".to_owned(), "application/json".to_owned()),
            ("user-agent".to_owned(), concat!("coder-kube-filter/", env!("CARGO_PKG_VERSION")).to_owned()),
        ],
        body: Vec::new(),
        timeout_ms: CALL,
    }
}

/// Other Coders are served now: whoever watches must begin anew, on this worker and, in a moment, on the others of this process.
fn changed(cx: &Cx) {
    let filter = &cx.filter;
    let hub = &filter.watching.hub;
    for mapping in filter.planes.all().iter() {
        hub.wants.prepare(&mapping.plane.namespace);
    }
    hub.planes_changed(Some(filter.planes.read_from()), cx.now());
    if let Some(bell) = &filter.config.watch.bell
        && hub.watchers() > 0
    {
        watch::bell::ring_once(cx, bell, &[]);
    }
}
