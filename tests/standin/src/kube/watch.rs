//! Watches of stored objects: one JSON object a line, until `timeoutSeconds`. They can be cut, and told how often to send bookmarks.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::form::Form;
use super::objects::{Change, Selection, Store};
use crate::query::value;

/// How long a watch lasts that does not say.
const LONGEST: Duration = Duration::from_secs(1800);
/// How often a watch that wants bookmarks gets one, unless it was told otherwise.
const BOOKMARK: Duration = Duration::from_secs(60);
/// So long before its end it gets another one.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is told to all watches.
#[derive(Clone)]
pub(crate) struct Watches {
    interval: watch::Sender<Duration>,
    cut: broadcast::Sender<Cut>,
}

/// How watches are cut.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cut {
    /// As if their time were over.
    End,
    /// In the middle: HTTP/1.1 closes the connection, HTTP/2 resets the stream.
    Reset,
}

impl Default for Watches {
    fn default() -> Self {
        Self { interval: watch::Sender::new(BOOKMARK), cut: broadcast::Sender::new(8) }
    }
}

impl Watches {
    /// How often bookmarks come, in those that are open as well.
    pub(crate) fn bookmarks_every(&self, interval: Duration) {
        self.interval.send_replace(interval);
    }

    /// Ends those that are open.
    pub(crate) fn cut(&self, how: Cut) {
        // An error says that none is open.
        let _ = self.cut.send(how);
    }
}

struct Watch {
    selection: Selection,
    form: Form,
    changes: broadcast::Receiver<Change>,
    interval: watch::Receiver<Duration>,
    cut: broadcast::Receiver<Cut>,
    /// Lines that wait to be sent.
    first: VecDeque<String>,
    bookmarks: bool,
    version: u64,
    headers: bool,
    last_bookmark: Instant,
    end: Instant,
}

/// Streams what a selection sees from now on; without a resource version, or with 0, what is there comes first.
pub(crate) fn stream(
    store: &Store,
    watches: &Watches,
    selection: Selection,
    form: Form,
    query: &[(String, String)],
) -> Response<Body> {
    let (objects, version, changes) = store.list(&selection);
    let timeout = value(query, "timeoutSeconds")
        .and_then(|seconds| seconds.parse().ok())
        .filter(|seconds| *seconds > 0);
    let now = Instant::now();
    let mut watch = Watch {
        selection,
        form,
        changes,
        interval: watches.interval.subscribe(),
        cut: watches.cut.subscribe(),
        first: VecDeque::new(),
        bookmarks: value(query, "allowWatchBookmarks") == Some("true"),
        version,
        headers: true,
        last_bookmark: now,
        end: now + timeout.map_or(LONGEST, Duration::from_secs),
    };
    let from_the_start = matches!(value(query, "resourceVersion"), None | Some("" | "0"));
    if from_the_start || value(query, "sendInitialEvents") == Some("true") {
        for object in objects {
            let line = watch.line("ADDED", object);
            watch.first.push_back(line);
        }
        if watch.bookmarks {
            let line = watch.bookmark(true);
            watch.first.push_back(line);
        }
    }
    let lines = stream::unfold(watch, |mut watch| async {
        let line = watch.next().await?;
        Some((line.map(Bytes::from), watch))
    });
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response()
}

impl Watch {
    async fn next(&mut self) -> Option<io::Result<String>> {
        if let Some(first) = self.first.pop_front() {
            return Some(Ok(first));
        }
        loop {
            let bookmark = self.next_bookmark();
            tokio::select! {
                () = sleep_until(self.end) => return None,
                () = sleep_until(bookmark), if self.bookmarks => {
                    self.last_bookmark = bookmark;
                    return Some(Ok(self.bookmark(false)));
                }
                // Counts anew.
                Ok(()) = self.interval.changed() => {}
                Ok(cut) = self.cut.recv() => return match cut {
                    Cut::End => None,
                    Cut::Reset => Some(Err(io::ErrorKind::ConnectionReset.into())),
                },
                change = self.changes.recv() => match change {
                    Ok(change) => {
                        let version = change.object["metadata"]["resourceVersion"].as_str();
                        self.version = version.and_then(|version| version.parse().ok()).unwrap_or(self.version);
                        if change.resource == self.selection.kind.resource && self.selection.matches(&change.object) {
                            return Some(Ok(self.line(change.kind, change.object)));
                        }
                    }
                    Err(RecvError::Lagged(_)) => return None,
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    /// As often as was said, and once more before the end.
    fn next_bookmark(&self) -> Instant {
        let next = self.last_bookmark + *self.interval.borrow();
        let farewell = self.end - FAREWELL;
        if farewell > self.last_bookmark { next.min(farewell) } else { next }
    }

    fn line(&mut self, kind: &str, object: Value) -> String {
        let object = self.form.object(self.selection.kind, object, std::mem::take(&mut self.headers));
        format!("{}\n", json!({"type": kind, "object": object}))
    }

    fn bookmark(&mut self, initial: bool) -> String {
        let kind = self.selection.kind;
        let mut metadata = json!({"resourceVersion": self.version.to_string(), "creationTimestamp": null});
        if initial {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        self.line(
            "BOOKMARK",
            json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata}),
        )
    }
}
