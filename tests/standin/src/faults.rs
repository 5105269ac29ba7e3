//! Misbehaviour on demand, and a record of what was asked. A fault waits for a request that matches it, spoils so many of
//! them, and is gone.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
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
    /// Waits `delay` milliseconds, then answers as always.
    Delay,
    /// Closes the connection (HTTP/2: resets the stream) without an answer.
    Reset,
    /// Announces the whole body, sends half of it and closes the connection.
    Truncate,
    /// Answers with the right status and type, and a body that is no JSON.
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
    /// A prefix of their path; absent or `*` is any.
    #[serde(default = "any")]
    pub path: String,
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
    /// Whether the request takes effect first: a write whose answer is lost. (`delay`, `truncate` and `garbage` always
    /// do.)
    #[serde(default)]
    pub after: bool,
}

/// One request that was answered (or was refused an answer).
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
    /// The answer's code; 0 when there was none.
    status: u16,
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
        let method = request.method().to_string();
        let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
        let user_agent = request.headers().get(header::USER_AGENT);
        let user_agent =
            user_agent.map_or_else(String::new, |v| String::from_utf8_lossy(v.as_bytes()).into());
        let answer = match self.take(side, &method, request.uri().path()) {
            Some(fault) => spoil(fault, request, next).await,
            None => Ok(next(request).await),
        };
        let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
        self.with(|inner| {
            if inner.seen.len() >= Self::REMEMBERED {
                inner.seen.drain(..Self::REMEMBERED / 2);
            }
            inner.count += 1;
            let number = inner.count;
            inner.seen.push(Seen { number, side, method, path, user_agent, status });
        });
        answer
    }

    fn take(&self, side: Side, method: &str, path: &str) -> Option<Fault> {
        self.with(|inner| {
            let matches = |fault: &Fault| {
                fault.side == side
                    && (fault.method == "*" || fault.method == method)
                    && (fault.path == "*" || path.starts_with(&fault.path))
                    && fault.count != Some(0)
            };
            let fault = inner.planned.iter_mut().find(|fault| matches(fault))?;
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
    match fault.kind {
        Kind::Delay => {
            tokio::time::sleep(Duration::from_millis(fault.delay)).await;
            Ok(next(request).await)
        }
        Kind::Truncate => truncated(next(request).await).await,
        Kind::Garbage => {
            let (mut parts, _) = next(request).await.into_parts();
            parts.headers.remove(header::CONTENT_LENGTH);
            Ok(Response::from_parts(parts, fault.body.unwrap_or_else(|| "{\"id\": <garbage>".into()).into()))
        }
        kind => {
            if fault.after {
                next(request).await;
            }
            match kind {
                Kind::Status => Ok(planned_answer(fault)),
                Kind::Hang => std::future::pending().await,
                _ => Err(Dropped),
            }
        }
    }
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
    let half: Bytes = body.slice(..body.len() / 2);
    let chunks = stream::iter([Ok(half), Err(io::Error::from(io::ErrorKind::ConnectionReset))]);
    Ok(Response::from_parts(parts, Body::from_stream(chunks)))
}

fn any() -> String {
    "*".into()
}
