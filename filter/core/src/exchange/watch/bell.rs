//! The bell: a Lease in kube-apiserver. Whoever learns of a change rings it with a small PATCH of an annotation, and every stream of every replica, being
//! a watch of that Lease, wakes within milliseconds. The annotation says who rings and which objects the other replicas must read again.

use super::super::context::Cx;
use super::super::filter::Filter;
use super::super::port::{Call, Outcome, Port};
use super::super::reply::Reply;
use super::super::{Exchange, port::Pending};
use super::{WORDS, leader, read_word};
use crate::config::Bell;
use crate::json::{self, object};
use crate::time::{Millis, has_come};
use crate::watch::Touched;
use std::rc::Rc;

/// The annotation.
const RING: &str = "aggregation.coder.com/ring";
/// Least time between two rings of a process, in milliseconds: each wakes everybody.
const PAUSE: Millis = 250;
/// The same after one that did not come through.
const LONG_PAUSE: Millis = 1_000;
/// How often is looked whether there is something to ring for, in milliseconds.
const LOOK: Millis = 50;

/// Rings whenever there is something to ring for, and takes part in the election of who reads Coder, for as long as it is this worker's turn.
pub(super) async fn keep(cx: Rc<Cx>, bell: Bell) {
    let watching = &cx.filter.watching;
    let mut next_ring = 0;
    let mut election = leader::Election::default();
    while watching.hub.take_turn(cx.now()).is_some() && watching.running.borrow().len() > 1 {
        election.go_on(&cx, &bell).await;
        let rung = watching.ring.borrow().is_some();
        if rung && has_come(next_ring, cx.now(), LONG_PAUSE) {
            next_ring = cx.now().saturating_add(PAUSE);
            let words = watching.ring.take().unwrap_or_default();
            let done = ring(&cx, &bell, &words).await.is_ok_and(|answer| answer.status == 200);
            watching.bell(done, cx.now());
            if !done {
                watching.ring(words);
                next_ring = cx.now().saturating_add(LONG_PAUSE);
            }
        }
        cx.port.sleep_until(cx.now().saturating_add(LOOK)).await;
    }
    // In this worker's next turn that is to be found out anew.
    watching.leads.set(None);
    election.resign(&cx, &bell).await;
}

/// A change to a Lease of the filter's.
pub(in crate::exchange) fn patch<'a>(cx: &'a Cx, bell: &Bell, lease: &str, body: Vec<u8>) -> Pending<'a> {
    send(cx, bell, "PATCH", lease, body)
}

/// A call about a Lease of the filter's.
pub(in crate::exchange) fn send<'a>(
    cx: &'a Cx,
    bell: &Bell,
    method: &'static str,
    lease: &str,
    body: Vec<u8>,
) -> Pending<'a> {
    let mut headers = vec![
        ("accept".to_owned(), "application/json".to_owned()),
        ("user-agent".to_owned(), concat!("coder-kube-filter/", env!("CARGO_PKG_VERSION")).to_owned()),
    ];
    if !body.is_empty() {
        headers.push(("content-type".to_owned(), "application/merge-patch+json".to_owned()));
    }
    cx.port.call(Call {
        cluster: bell.cluster.clone(),
        method,
        authority: cx.filter.config.kubernetes.authority.clone(),
        path: format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{lease}", bell.namespace),
        headers,
        body,
        timeout_ms: 5_000,
    })
}

async fn ring(cx: &Cx, bell: &Bell, words: &[String]) -> Outcome {
    let mut text = cx.filter.watching.hub.process();
    // Two rings in a row must differ, or the second is no change.
    text.push_str(&format!(" {}", cx.now()));
    for word in words.iter().take(WORDS) {
        text.push(' ');
        text.push_str(word);
    }
    if words.len() > WORDS {
        for place in cx.filter.planes.all().iter() {
            text.push_str(&format!(" w.{0}/ t.{0}/", place.plane.namespace));
        }
    }
    patch(cx, bell, &bell.lease, annotation(RING, Some(&text))).await
}

/// A patch that sets an annotation, or takes it away.
pub(in crate::exchange) fn annotation(name: &str, value: Option<&str>) -> Vec<u8> {
    let value = value.map_or_else(|| "null".to_owned(), quoted);
    format!(r#"{{"metadata":{{"annotations":{{{}:{value}}}}}}}"#, quoted(name)).into_bytes()
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    let json = json::to_vec(text).ok().and_then(|json| String::from_utf8(json).ok());
    json.unwrap_or_else(|| r#""""#.to_owned())
}

/// Rings from a process in which nobody watches.
pub(in crate::exchange) fn ring_once(cx: &Cx, bell: &Bell, words: &[String]) {
    let port = Rc::new(Port::background(cx.now(), 5_000));
    let cx = Cx::new(cx.filter.clone(), port.clone());
    let (bell, words) = (bell.clone(), words.to_vec());
    cx.filter.clone().spawn(Exchange::new(port, async move {
        let _ = ring(&cx, &bell, &words).await;
        Reply::quiet()
    }));
}

/// An event of the Lease's watch, as far as it matters.
#[derive(Default)]
struct Event<'a> {
    kind: std::borrow::Cow<'a, str>,
    object: Lease<'a>,
}

object!(Event<'a> { kind as "type", object } {});

#[derive(Default)]
struct Lease<'a> {
    metadata: Metadata<'a>,
}

object!(Lease<'a> { metadata } {});

#[derive(Default)]
struct Metadata<'a> {
    version: std::borrow::Cow<'a, str>,
    annotations: Annotations<'a>,
}

object!(Metadata<'a> { version as "resourceVersion" } { annotations });

#[derive(Default)]
struct Annotations<'a> {
    ring: std::borrow::Cow<'a, str>,
}

object!(Annotations<'a> {} { ring as "aggregation.coder.com/ring" });

/// Listens to a part of a stream: whether kube-apiserver's bookmark is in it. What others have changed is noted down, once in each worker.
pub(super) fn hear(filter: &Filter, part: &[u8]) -> bool {
    let mut bookmark = false;
    for line in part.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match json::read::<Event<'_>>(line) {
            Ok(event) if event.kind == "BOOKMARK" => bookmark = true,
            Ok(event) => hear_ring(filter, &event),
            // Half of one: what it says is not known.
            Err(_) => lost(filter),
        }
    }
    bookmark
}

fn hear_ring(filter: &Filter, event: &Event<'_>) {
    let watching = &filter.watching;
    let Metadata { version, annotations } = &event.object.metadata;
    if *watching.heard.borrow() == **version {
        return;
    }
    watching.heard.replace(version.to_string());
    // What a stream begins with is the last ring. There may have been others before, since this process has heard the one that it knows, or has read
    // Coder and heard none yet.
    let known = watching.hub.heard(version);
    if event.kind == "ADDED" && known.is_none_or(|known| known != **version) {
        lost(filter);
    }
    let mut words = annotations.ring.split(' ');
    if words.next() != Some(&watching.hub.process()) {
        for (subject, touched) in words.filter_map(read_word) {
            watching.hub.wants.touch(&subject.namespace, &[touched]);
        }
    }
}

/// Rings may have been missed: everything is read again, unless there is nobody who would have rung.
fn lost(filter: &Filter) {
    let hub = &filter.watching.hub;
    if hub.alone(None) {
        return;
    }
    for place in filter.planes.all().iter() {
        hub.wants.touch(&place.plane.namespace, &Touched::lost());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one Coder says must not speak for others: wishes of all of them stand in one Lease.
    #[test]
    fn what_coder_calls_an_id_stays_in_its_place() {
        let hostile = r#"b","stop.aggregation.coder.com/other":"0 prod c"#;
        let patch: serde_json::Value = serde_json::from_slice(&annotation(hostile, Some(hostile))).unwrap();
        let annotations = patch["metadata"]["annotations"].as_object().unwrap();
        assert_eq!(annotations.iter().collect::<Vec<_>>(), [(&hostile.to_owned(), &hostile.into())]);
        let taken: serde_json::Value = serde_json::from_slice(&annotation("a", None)).unwrap();
        assert_eq!(taken["metadata"]["annotations"]["a"], serde_json::Value::Null);
        for id in [hostile, "", "a b", "a/b", "a=b", &"a".repeat(65)] {
            assert!(!super::super::is_id(id), "{id}");
        }
        assert!(super::super::is_id("5b4e7ba9-9c05-4a0c-9f0a-5b1b3ea33a1f"));
    }
}
