//! `watch`: finds where the client's watch begins, and lets its stream go on as one ([`Carried`]); without a bell it is a long poll, which ends after
//! each batch of events.

use super::super::caller::Caller;
use super::super::collection::options;
use super::super::context::Cx;
use super::super::reply::Reply;
use super::Carried;
use crate::config::ControlPlane;
use crate::kube::list_options::{ListOptions, ResourceVersion};
use crate::kube::negotiation::{Accepted, Encoding};
use crate::kube::query::Query;
use crate::kube::request_info::ResourceRequest;
use crate::kube::status::Status;
use crate::kube::watch_event::append_error;
use crate::time::Millis;
use crate::watch::{From, Kind, Position, Start, Subject, Waited, Want, Watcher, Wish};
use std::rc::Rc;

/// Pauses between two looks at whether something has been read or has happened, in milliseconds.
const LOOK: Millis = 25;
const LONG_LOOK: Millis = 200;
/// Shortest and longest that a long poll is held, in milliseconds. Clients take a watch that ends sooner, and without events, for a failure.
const HELD: (Millis, Millis) = (1_200, 25_000);
/// Seconds that a stream goes on where the client does not say: so many, and up to as many more.
const TIMEOUT: u64 = 1800;
/// The same, at most, where the namespace is being deleted: it may be made again.
const BRIEF: u64 = 30;

/// What is asked for.
pub(in crate::exchange) struct Watch<'a> {
    pub(in crate::exchange) caller: &'a Caller,
    pub(in crate::exchange) info: &'a ResourceRequest,
    pub(in crate::exchange) kind: Kind,
    /// None where no Coder stands behind the namespace.
    pub(in crate::exchange) planes: &'a [&'a ControlPlane],
    /// [`crate::planes::identities`] of what is watched.
    pub(in crate::exchange) identities: Vec<(String, u64)>,
    /// The namespace is being deleted, so nothing of it is shown.
    pub(in crate::exchange) brief: bool,
    pub(in crate::exchange) query: &'a Query,
    pub(in crate::exchange) accepted: &'a Accepted,
}

pub(in crate::exchange) async fn watch(cx: &Cx, asked: Watch<'_>) -> Result<Reply, Status> {
    let options = options(cx, asked.kind, asked.query)?;
    if asked.accepted.encoding != Encoding::Json {
        return Err(Status::not_acceptable("application/json"));
    }
    let watching = &cx.filter.watching;
    if watching.hub.watchers() >= usize::try_from(cx.filter.config.limits.watches).unwrap_or(usize::MAX) {
        return Err(Status::too_many_requests("too many watches are open, please try again", 1));
    }
    let subjects: Vec<Subject> = asked
        .planes
        .iter()
        .map(|plane| Subject { namespace: plane.namespace.clone(), kind: asked.kind })
        .collect();
    let start = match begin(cx, &asked, &options, &subjects).await? {
        Some(start) => start,
        None => return Ok(expired()),
    };
    let wish = Wish {
        kind: asked.kind,
        subjects,
        namespace: asked.info.namespace.clone(),
        identities: asked.identities,
        form: asked.accepted.form,
        bookmarks: options.allow_watch_bookmarks,
        labels: options.label_selector,
        fields: options.field_selector,
    };
    let watcher = Watcher::new(watching.hub.clone(), wish, start);
    let random = cx.filter.random.next(cx.now()) % TIMEOUT;
    let seconds = options.timeout_seconds.unwrap_or(TIMEOUT.saturating_add(random));
    let seconds = if asked.brief { seconds.min(BRIEF) } else { seconds };
    match &cx.filter.config.watch.bell {
        Some(bell) if watching.bell_works(cx.now()) => {
            let who = (watching.caller(asked.caller), Rc::new(asked.info.clone()));
            let (filter, bell) = (cx.filter.clone(), bell.clone());
            cx.port.carry(Carried::new(filter, watcher, who, bell, seconds, cx.now()));
            Ok(Reply::quiet())
        }
        _ => Ok(long_poll(cx, watcher, seconds).await),
    }
}

/// Where the watch begins; `None` where what has changed since then is not known any more.
async fn begin(
    cx: &Cx,
    asked: &Watch<'_>,
    options: &ListOptions,
    subjects: &[Subject],
) -> Result<Option<Start>, Status> {
    let (hub, arrived) = (&cx.filter.watching.hub, cx.now());
    // Whoever is asked for the present may be shown it as it was when the request came in, or later; any is any.
    let (initial, fresh) = match (options.resource_version, options.send_initial_events) {
        (_, Some(true)) | (ResourceVersion::Unset, _) => {
            (true, options.resource_version != ResourceVersion::Any)
        }
        (ResourceVersion::Any, _) => (true, false),
        (ResourceVersion::At(_), _) => (false, false),
    };
    // One that is not known may have been made since the last look.
    let name = options.field_selector.exact("metadata.name");
    let fresh = fresh || (initial && name.is_some_and(|name| !hub.has(subjects, name)));
    // From nothing in particular, and without what is there: from now on.
    let initial = initial && options.send_initial_events != Some(false);
    let selector = selector(asked.query);
    let fresh_from = if fresh { arrived } else { 0 };
    let mut waited = Waited::Not;
    let mut want = Want { watched_at: arrived, own_at: arrived, fresh_from };
    loop {
        (want.watched_at, want.own_at) = (cx.now(), cx.now());
        for subject in subjects {
            hub.wants.want(subject, want);
        }
        let states: Vec<_> = subjects.iter().map(|subject| hub.state(subject)).collect();
        let is_read = states.iter().all(|state| state.since != 0 && state.read_at >= want.fresh_from);
        match options.resource_version {
            // Kubernetes sends the bookmark to whoever understands it, asked for or not.
            _ if initial && is_read => return Ok(Some(Start::Present(options.allow_watch_bookmarks))),
            ResourceVersion::At(version) if !initial => {
                let from = From {
                    version,
                    subjects,
                    selector: &selector,
                    name,
                    arrived,
                    reading: cx.filter.config.watch.reading(),
                    waited,
                };
                match hub.position(from) {
                    Position::Found(start) => return Ok(Some(start)),
                    Position::Expired => return Ok(None),
                    Position::Unread => want.fresh_from = arrived,
                    Position::Unseen(objects) => {
                        for group in objects.chunk_by(|(one, _), (other, _)| one == other) {
                            let [(namespace, _), ..] = group else { continue };
                            let touched: Vec<_> = group.iter().map(|(_, object)| object.clone()).collect();
                            hub.wants.touch(namespace, &touched);
                        }
                        waited = match (hub.wants.ticket(), waited) {
                            (Some(ticket), Waited::Not) => Waited::Once(ticket),
                            (Some(ticket), _) => Waited::Twice(ticket),
                            // Once more, then.
                            (None, _) => waited,
                        };
                    }
                    Position::Wait => {}
                }
            }
            _ if !initial && is_read => {
                let version = hub.clock.log_version_of(subjects, cx.now());
                let from =
                    From { version, subjects, selector: "", name: None, arrived: 0, reading: 0, waited };
                if let Position::Found(start) = hub.position(from) {
                    return Ok(Some(start));
                }
            }
            _ => {}
        }
        if let Some(state) = states.iter().find(|state| state.failed_at >= arrived) {
            return Err(Status::service_unavailable(state.failure.clone()));
        }
        if cx.port.deadline().is_some_and(|deadline| cx.now() >= deadline.saturating_sub(LOOK)) {
            return Err(Status::timeout("Coder was not read in time"));
        }
        wait(cx, subjects, LOOK).await;
    }
}

/// Waits a little, and is counted among those who watch meanwhile.
async fn wait(cx: &Cx, subjects: &[Subject], look: Millis) {
    struct Counted<'a>(&'a Cx, &'a [Subject]);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.filter.watching.counted(self.1, false, 0);
        }
    }
    cx.filter.watching.counted(subjects, true, cx.now());
    let _counted = Counted(cx, subjects);
    cx.port.sleep_until(cx.now().saturating_add(look)).await;
}

/// Held until there is something to tell, or for so long.
async fn long_poll(cx: &Cx, mut watcher: Watcher, seconds: u64) -> Reply {
    let began = cx.now();
    let asked = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
    let deadline = cx.port.deadline().unwrap_or(i64::MAX).saturating_sub(HELD.0);
    let end = began.saturating_add(asked.min(HELD.1)).min(deadline);
    let subjects = watcher.wish().subjects.clone();
    let mut body = watcher.pull(cx.now(), false);
    while body.is_empty() && cx.now() < end {
        wait(cx, &subjects, LONG_LOOK.min(end.saturating_sub(cx.now()))).await;
        body = watcher.pull(cx.now(), false);
    }
    if !watcher.is_over() {
        body.extend(watcher.pull(cx.now(), true));
    }
    // Without any body the answer would have no type.
    if body.is_empty() {
        body.push(b'\n');
    }
    Reply::new(200, Encoding::Json.content_type(), body)
}

/// The selectors as the client has written them, to be compared with those of a list.
pub(in crate::exchange) fn selector(query: &Query) -> String {
    let of = |name| query.get(name).unwrap_or_default();
    match (of("labelSelector"), of("fieldSelector")) {
        ("", "") => String::new(),
        (labels, fields) => [labels, "\n", fields].concat(),
    }
}

/// 410 as watches say it: an event, in an answer that is 200.
fn expired() -> Reply {
    let mut body = Vec::new();
    append_error(
        &mut body,
        &Status::expired("too old resource version: what has changed since then is not known"),
    );
    Reply::new(200, Encoding::Json.content_type(), body)
}
