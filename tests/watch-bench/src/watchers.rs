//! Many watches over a few HTTP/2 connections, and when each of them saw an object. Streams are read as they come, lines are searched and not
//! parsed: one core has to keep up with ten thousand of them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use e2e::Endpoint;
use h2::client::SendRequest;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// Watches on one connection; the shipped configuration allows twice as many.
const ON_A_CONNECTION: usize = 500;
/// So that both workers of Envoy get some, also of a few.
const CONNECTIONS: usize = 4;
/// Watches that are being opened at once.
const OPENING: usize = 200;
/// Until all of them must be open.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two tries of one that was refused.
const PAUSE: Duration = Duration::from_millis(500);

/// Open watches. They end with this value.
pub(crate) struct Watchers {
    shared: Arc<Shared>,
    count: usize,
    _runtime: Runtime,
}

#[derive(Default)]
struct Shared {
    /// What is waited for, by its name.
    marks: RwLock<HashMap<Vec<u8>, Arc<Seen>>>,
    open: AtomicUsize,
    marked: AtomicUsize,
    ended: AtomicUsize,
    errors: AtomicUsize,
    refusals: AtomicUsize,
    /// Why the last one was refused.
    refused: Mutex<Option<String>>,
}

/// When each watch saw an object first.
struct Seen {
    /// Counted from 0.
    number: usize,
    at: Mutex<Vec<Instant>>,
}

/// An object that the watches are waiting for.
pub(crate) struct Mark {
    shared: Arc<Shared>,
    name: Vec<u8>,
    seen: Arc<Seen>,
    count: usize,
}

impl Watchers {
    /// Returns when all of them are open.
    pub(crate) fn open(endpoint: &Endpoint, path: &str, count: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let shared = Arc::new(Shared::default());
        let opening = Arc::new(Semaphore::new(OPENING));
        let connections = CONNECTIONS.min(count).max(count.div_ceil(ON_A_CONNECTION));
        for connection in 0..connections {
            let client = runtime.block_on(connect(endpoint)).context("cannot connect to Envoy")?;
            // The first connections take what is left over.
            let watches = count / connections + usize::from(connection < count % connections);
            for _ in 0..watches {
                let request = request(endpoint, path)?;
                let (shared, opening, client) = (shared.clone(), opening.clone(), client.clone());
                runtime.spawn(async move { shared.watch(client, request, &opening).await });
            }
        }
        let begun = Instant::now();
        while shared.open.load(Ordering::Relaxed) < count {
            if begun.elapsed() > PATIENCE {
                let refused = lock(&shared.refused).clone().unwrap_or_else(|| "no answer".to_owned());
                bail!("{} of {count} watches are open: {refused}", shared.open.load(Ordering::Relaxed));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { shared, count, _runtime: runtime })
    }

    /// From now on every watch writes down when it first sees an object of this name.
    pub(crate) fn mark(&self, name: &str) -> Mark {
        let name = name.as_bytes().to_vec();
        let number = self.shared.marked.fetch_add(1, Ordering::Relaxed);
        let seen = Arc::new(Seen { number, at: Mutex::default() });
        self.shared.marks.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), seen.clone());
        Mark { shared: self.shared.clone(), name, seen, count: self.count }
    }

    /// How many are not open any more, and how many were told of an error.
    pub(crate) fn lost(&self) -> (usize, usize) {
        (self.shared.ended.load(Ordering::Relaxed), self.shared.errors.load(Ordering::Relaxed))
    }

    /// How often one was refused while they were opened.
    pub(crate) fn refused(&self) -> usize {
        self.shared.refusals.load(Ordering::Relaxed)
    }
}

impl Mark {
    /// How long after `start` each watch saw it; nothing for those that have not `until` then.
    pub(crate) fn delays_since(&self, start: Instant, until: Instant) -> Vec<Option<Duration>> {
        while lock(&self.seen.at).len() < self.count && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let at = lock(&self.seen.at);
        let mut delays: Vec<_> = at.iter().map(|at| Some(at.saturating_duration_since(start))).collect();
        if delays.len() < self.count {
            let name = String::from_utf8_lossy(&self.name);
            eprintln!("*** a change of {name} was not seen by {} watches ***", self.count - delays.len());
        }
        delays.resize(self.count, None);
        delays
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.shared.marks.write().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

impl Shared {
    /// Opens one watch, again and again when it is refused, and reads it to its end.
    async fn watch(&self, mut client: SendRequest<Bytes>, request: http::Request<()>, opening: &Semaphore) {
        let mut body = loop {
            let Ok(permit) = opening.acquire().await else { return };
            let answer = match self.ask(&mut client, &request).await {
                Ok(answer) => answer,
                Err(error) => {
                    *lock(&self.refused) = Some(error.to_string());
                    return;
                }
            };
            if answer.status() == 200 {
                break answer.into_body();
            }
            drop(permit);
            self.refusals.fetch_add(1, Ordering::Relaxed);
            *lock(&self.refused) = Some(format!("the last one that was refused: {}", answer.status()));
            tokio::time::sleep(PAUSE).await;
        };
        self.open.fetch_add(1, Ordering::Relaxed);
        let (mut rest, mut told) = (Vec::new(), HashSet::new());
        while let Some(Ok(piece)) = body.data().await {
            let at = Instant::now();
            // Fails when the stream has ended, which is seen next.
            let _ = body.flow_control().release_capacity(piece.len());
            rest.extend_from_slice(&piece);
            let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
            for line in rest[..end].split(|byte| *byte == b'\n') {
                self.line(line, at, &mut told);
            }
            rest.drain(..=end);
        }
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    async fn ask(
        &self,
        client: &mut SendRequest<Bytes>,
        request: &http::Request<()>,
    ) -> Result<http::Response<h2::RecvStream>, h2::Error> {
        let mut client = client.clone().ready().await?;
        client.send_request(request.clone(), true)?.0.await
    }

    /// Looks for what is waited for; `told` are those that this watch has seen.
    fn line(&self, line: &[u8], at: Instant, told: &mut HashSet<usize>) {
        if contains(&line[..line.len().min(40)], b"\"type\":\"ERROR\"") {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = name(line).and_then(|name| marks.get(name))
            && told.insert(seen.number)
        {
            lock(&seen.at).push(at);
        }
    }
}

async fn connect(endpoint: &Endpoint) -> Result<SendRequest<Bytes>> {
    let (config, name) = endpoint.tls(b"h2").context("watches need TLS")?;
    let stream = tokio::net::TcpStream::connect(endpoint.address()).await?;
    stream.set_nodelay(true)?;
    let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await?;
    let (client, connection) = h2::client::Builder::new()
        .initial_connection_window_size(1 << 30)
        .initial_window_size(1 << 20)
        .handshake::<_, Bytes>(stream)
        .await?;
    // An error of the connection also reaches every stream on it.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

fn request(endpoint: &Endpoint, path: &str) -> Result<http::Request<()>> {
    let mut builder = http::Request::get(format!("https://{}{path}", endpoint.authority()));
    for (name, value) in endpoint.default_headers() {
        builder = builder.header(name, value);
    }
    Ok(builder.header("accept", "application/json").body(())?)
}

/// The object's name: metadata come before all else that could be called so.
fn name(line: &[u8]) -> Option<&[u8]> {
    const FIELD: &[u8] = b"\"name\":\"";
    let value = line.get(line.windows(FIELD.len()).position(|window| window == FIELD)? + FIELD.len()..)?;
    value.get(..value.iter().position(|byte| *byte == b'"')?)
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
