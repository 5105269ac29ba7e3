//! Watches of stored objects: one JSON object a line, until `timeoutSeconds`.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::form::Form;
use super::objects::{Change, Selection, Store};
use crate::query::value;

/// How long a watch lasts that does not say.
const LONGEST: Duration = Duration::from_secs(1800);
/// How often a watch that wants bookmarks gets one.
const BOOKMARK: Duration = Duration::from_secs(60);

struct Watch {
    selection: Selection,
    form: Form,
    changes: Receiver<Change>,
    /// Lines that wait to be sent.
    first: Option<String>,
    bookmarks: bool,
    version: u64,
    headers: bool,
    next_bookmark: Instant,
    end: Instant,
}

/// Streams what a selection sees from now on; without a resource version, or with 0, what is there comes first.
pub(crate) fn stream(
    store: &Store,
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
        first: None,
        bookmarks: value(query, "allowWatchBookmarks") == Some("true"),
        version,
        headers: true,
        next_bookmark: now + BOOKMARK,
        end: now + timeout.map_or(LONGEST, Duration::from_secs),
    };
    let mut first = String::new();
    let initial = value(query, "sendInitialEvents") == Some("true");
    if initial || matches!(value(query, "resourceVersion"), None | Some("" | "0")) {
        for object in objects {
            first.push_str(&watch.line("ADDED", object));
        }
    }
    if initial && watch.bookmarks {
        first.push_str(&watch.bookmark(true));
    }
    watch.first = Some(first);
    let lines = stream::unfold(watch, |mut watch| async {
        let line = watch.next().await?;
        Some((Ok::<Bytes, Infallible>(line.into()), watch))
    });
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response()
}

impl Watch {
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Some(first);
        }
        loop {
            tokio::select! {
                () = sleep_until(self.end) => return None,
                () = sleep_until(self.next_bookmark), if self.bookmarks => {
                    self.next_bookmark += BOOKMARK;
                    return Some(self.bookmark(false));
                }
                change = self.changes.recv() => match change {
                    Ok(change) => {
                        let version = change.object["metadata"]["resourceVersion"].as_str();
                        self.version = version.and_then(|version| version.parse().ok()).unwrap_or(self.version);
                        if change.resource == self.selection.kind.resource && self.selection.matches(&change.object) {
                            return Some(self.line(change.kind, change.object));
                        }
                    }
                    Err(RecvError::Lagged(_)) => return None,
                    Err(RecvError::Closed) => return None,
                },
            }
        }
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
