//! Misbehaviour on demand, and a record of what was asked. A fault waits for a request that matches it, spoils so many of
//! them, and is gone.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};

/// Which of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Coder.
    Coder,
    /// kube-apiserver.
    Kube,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Answers with `status`, `headers` and `body`.
    Status,
    /// Waits `delay` milliseconds, then answers as always. With `after` the request takes effect before the wait.
    Delay,
    /// Closes the connection (HTTP/2: resets the stream) without an answer.
    Reset,
    /// Announces the whole body, sends half of it and closes the connection (at once, when there is no body).
    Truncate,
    /// Answers with the right status (200 where it would have no body) and type, and a body that is no JSON.
    Garbage,
    /// Never answers.
    Hang,
}

/// One planned misbehaviour.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Whose requests.
    pub side: Side,
    /// Their method; absent or `*` is any.
    #[serde(default = "any")]
    pub method: String,
    /// A prefix of their path; absent or `*` is any, and a segment `*` is any segment (`/api/v2/workspaces/*/builds`).
    #[serde(default = "any")]
    pub path: String,
    /// What their `User-Agent` contains; absent is anything.
    #[serde(default)]
    pub user_agent: String,
    /// How many such requests it lets pass first.
    #[serde(default)]
    pub skip: u32,
    /// How many requests it spoils; absent is all, until it is removed.
    #[serde(default)]
    pub count: Option<u32>,
    /// What goes wrong.
    pub kind: Kind,
    /// For `status`: the code.
    #[serde(default)]
    pub status: Option<u16>,
    /// For `status`: the body; for `garbage`, what is sent instead of the usual rubbish.
    #[serde(default)]
    pub body: Option<String>,
    /// For `status`: further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// For `delay`: milliseconds.
    #[serde(default)]
    pub delay: u64,
    /// Whether the request takes effect although it is answered badly: a write whose answer is lost. Absent, `truncate`,
    /// `garbage` and `delay` let it take effect, `status`, `reset` and `hang` do not.
    #[serde(default)]
    pub after: Option<bool>,
}

/// One request, from the moment of its arrival.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Seen {
    /// Counted from 1 over everything that was ever seen.
    number: u64,
    side: Side,
    method: String,
    /// Path with query, as it came.
    path: String,
    /// Who asked, by its own word.
    user_agent: String,
    /// Bytes of its body.
    received: u64,
    /// The answer's code; 0 when there was none, or is none yet.
    status: u16,
    /// Bytes of the answer's body, where they are known before it is sent.
    sent: u64,
}

/// The planned faults and the seen requests of both servers.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    planned: Vec<Fault>,
    seen: Vec<Seen>,
    /// How many were ever seen, forgotten ones too.
    count: u64,
}

/// Why a connection ends without an answer.
#[derive(Debug)]
pub(crate) struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

impl Faults {
    /// Requests that are remembered; older ones are forgotten.
    const REMEMBERED: usize = 20_000;

    pub(crate) fn plan(&self, faults: Vec<Fault>) {
        self.with(|inner| inner.planned.extend(faults));
    }

    pub(crate) fn planned(&self) -> Vec<Fault> {
        self.with(|inner| inner.planned.clone())
    }

    pub(crate) fn clear(&self) {
        self.with(|inner| inner.planned.clear());
    }

    /// What was seen after the one of this number.
    pub(crate) fn seen(&self, after: u64) -> Vec<Seen> {
        self.with(|inner| inner.seen.iter().filter(|seen| seen.number > after).cloned().collect())
    }

    pub(crate) fn forget(&self) {
        self.with(|inner| inner.seen.clear());
    }

    /// Answers a request through `next`, unless a fault says otherwise, and remembers it.
    pub(crate) async fn answer<F, R>(
        &self,
        side: Side,
        request: Request<Body>,
        next: F,
    ) -> Result<Response<Body>, Dropped>
    where
        F: FnOnce(Request<Body>) -> R,
        R: Future<Output = Response<Body>>,
    {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let seen = Seen {
            number: 0,
            side,
            method: request.method().to_string(),
            path: request.uri().path_and_query().map_or_else(String::new, ToString::to_string),
            user_agent: request.headers().get(header::USER_AGENT).map_or_else(String::new, text),
            received: request.body().size_hint().exact().unwrap_or(0),
            status: 0,
            sent: 0,
        };
        let fault = self.take(&seen, request.uri().path());
        let number = self.remember(seen);
        let answer = match fault {
            Some(fault) => spoil(fault, request, next).await,
            None => Ok(next(request).await),
        };
        if let Ok(answer) = &answer {
            let (status, sent) = (answer.status().as_u16(), answer.body().size_hint().exact().unwrap_or(0));
            self.with(|inner| {
                if let Some(seen) = inner.seen.iter_mut().rev().find(|seen| seen.number == number) {
                    (seen.status, seen.sent) = (status, sent);
                }
            });
        }
        answer
    }

    /// Returns the request's number.
    fn remember(&self, seen: Seen) -> u64 {
        self.with(|inner| {
            if inner.seen.len() >= Self::REMEMBERED {
                inner.seen.drain(..Self::REMEMBERED / 2);
            }
            inner.count += 1;
            inner.seen.push(Seen { number: inner.count, ..seen });
            inner.count
        })
    }

    fn take(&self, seen: &Seen, path: &str) -> Option<Fault> {
        self.with(|inner| {
            let matches = |fault: &&mut Fault| {
                fault.side == seen.side
                    && (fault.method == "*" || fault.method == seen.method)
                    && begins(path, &fault.path)
                    && seen.user_agent.contains(&fault.user_agent)
                    && fault.count != Some(0)
            };
            let mut waiting = inner.planned.iter_mut().filter(matches);
            // Every fault counts for itself what it lets pass.
            let fault = waiting.find_map(|fault| match fault.skip.checked_sub(1) {
                Some(left) => {
                    fault.skip = left;
                    None
                }
                None => Some(fault),
            })?;
            if let Some(count) = &mut fault.count {
                *count -= 1;
            }
            let fault = fault.clone();
            inner.planned.retain(|fault| fault.count != Some(0));
            Some(fault)
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn spoil<F, R>(fault: Fault, request: Request<Body>, next: F) -> Result<Response<Body>, Dropped>
where
    F: FnOnce(Request<Body>) -> R,
    R: Future<Output = Response<Body>>,
{
    let after = fault.after.unwrap_or(matches!(fault.kind, Kind::Truncate | Kind::Garbage));
    if fault.kind == Kind::Delay {
        let wait = Duration::from_millis(fault.delay);
        if after {
            let answer = next(request).await;
            tokio::time::sleep(wait).await;
            return Ok(answer);
        }
        tokio::time::sleep(wait).await;
        return Ok(next(request).await);
    }
    let answer = if after { next(request).await } else { empty_object() };
    match fault.kind {
        Kind::Truncate => truncated(answer).await,
        Kind::Garbage => {
            let (mut parts, _) = answer.into_parts();
            parts.headers.remove(header::CONTENT_LENGTH);
            if parts.status == StatusCode::NO_CONTENT || parts.status == StatusCode::NOT_MODIFIED {
                parts.status = StatusCode::OK;
            }
            Ok(Response::from_parts(parts, fault.body.unwrap_or_else(|| "{\"id\": <garbage>".into()).into()))
        }
        Kind::Status => Ok(planned_answer(fault)),
        Kind::Hang => std::future::pending().await,
        Kind::Reset | Kind::Delay => Err(Dropped),
    }
}

/// Whether a path begins as a pattern does, whose segments `*` are any.
fn begins(path: &str, pattern: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let mut segments = path.split('/');
    let mut wanted = pattern.split('/').peekable();
    while let Some(want) = wanted.next() {
        let last = wanted.peek().is_none();
        let fits = segments
            .next()
            .is_some_and(|segment| want == "*" || segment == want || (last && segment.starts_with(want)));
        if !fits {
            return false;
        }
    }
    true
}

/// An answer to what was never asked.
fn empty_object() -> Response<Body> {
    let mut answer = Response::new(Body::from("{}"));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn planned_answer(fault: Fault) -> Response<Body> {
    let status =
        fault.status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::IM_A_TEAPOT);
    let mut answer = Response::new(Body::from(fault.body.unwrap_or_default()));
    *answer.status_mut() = status;
    for (name, value) in &fault.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

async fn truncated(answer: Response<Body>) -> Result<Response<Body>, Dropped> {
    let (mut parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
    if body.is_empty() {
        return Err(Dropped);
    }
    let half: Bytes = body.slice(..body.len() / 2);
    let chunks = stream::iter([Ok(half), Err(io::Error::from(io::ErrorKind::ConnectionReset))]);
    Ok(Response::from_parts(parts, Body::from_stream(chunks)))
}

fn any() -> String {
    "*".into()
}

#[cfg(test)]
mod tests {
    use super::begins;

    #[test]
    fn patterns_begin_paths() {
        let check = |path: &str, pattern: &str, expect: bool| {
            assert_eq!(begins(path, pattern), expect, "{pattern} of {path}");
        };
        check("/a/b", "*", true);
        check("/a/b", "/a", true);
        check("/a/b", "/a/", true);
        check("/abc/d", "/ab", true);
        check("/a/b/c", "/a/*/c", true);
        check("/a/b/c/d", "/a/*/c", true);
        check("/a/b/c", "/a/*/d", false);
        check("/a", "/a/b", false);
    }
}
