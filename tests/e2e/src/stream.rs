//! One answer that goes on, such as a watch: its lines with the times at which they came, and how it ended. Over HTTP/1.1 and HTTP/2.
//!
//! A thread of its own reads, so that a test can do something else meanwhile: even the head of a long poll may take half a minute.

use crate::{
    Endpoint, Http1, http2,
    message::{Head, Request, Response},
};
use serde_json::Value;
use std::{
    net::{Shutdown, TcpStream},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Longer than Envoy lets a watch be silent (90 s), and than anything of the suite lasts.
const SILENCE: Duration = Duration::from_secs(120);

/// How a request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, a connection for each request.
    Http1,
    /// HTTP/2, a connection for each request.
    Http2,
}

/// Both.
pub const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// What an answer that goes on says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A line, without its end.
    Line(String),
    /// It has ended: properly, or with this error.
    Ended(Result<(), String>),
    /// Nothing within the time that was given.
    Quiet,
}

/// See the module. The connection is closed with this value.
#[derive(Debug)]
pub struct Stream {
    title: String,
    pieces: Receiver<Piece>,
    head: Option<Head>,
    buffer: Vec<u8>,
    end: Option<Result<(), String>>,
    /// When the last piece came.
    pub last: Instant,
    _stop: Stop,
}

/// What the reading thread hands over.
#[derive(Debug)]
enum Piece {
    Head(Head),
    Body(Instant, Vec<u8>),
    End(Instant, Result<(), String>),
}

/// Ends the reading thread.
#[derive(Debug)]
enum Stop {
    Socket(TcpStream),
    Signal { _dropped: oneshot::Sender<()> },
}

impl Drop for Stop {
    fn drop(&mut self) {
        if let Stop::Socket(socket) = self {
            // A connection that is gone already needs no end.
            drop(socket.shutdown(Shutdown::Both));
        }
    }
}

impl Stream {
    /// Sends a request and returns when it is on its way.
    ///
    /// # Panics
    /// When the server cannot be reached.
    #[track_caller]
    pub fn open(endpoint: &Endpoint, protocol: Protocol, request: &Request) -> Stream {
        let opened = Stream::try_open(endpoint, protocol, request);
        opened.unwrap_or_else(|e| panic!("{protocol:?} {} {}: {e}", request.method, request.target))
    }

    /// As [`Stream::open`].
    ///
    /// # Errors
    /// Where that panics.
    pub fn try_open(
        endpoint: &Endpoint,
        protocol: Protocol,
        request: &Request,
    ) -> Result<Stream, Box<dyn std::error::Error + Send + Sync>> {
        let title = format!("{protocol:?} {} {}", request.method, request.target);
        let (sender, pieces) = mpsc::channel();
        let stop = match protocol {
            Protocol::Http1 => over_http1(endpoint, request, sender),
            Protocol::Http2 => over_http2(endpoint, request, sender),
        }?;
        let last = Instant::now();
        Ok(Stream { title, pieces, head: None, buffer: Vec::new(), end: None, last, _stop: stop })
    }

    /// A GET.
    ///
    /// # Panics
    /// As [`Stream::open`].
    #[track_caller]
    pub fn get(endpoint: &Endpoint, protocol: Protocol, target: &str) -> Stream {
        Stream::open(endpoint, protocol, &Request::get(target))
    }

    /// Status and headers, waited for.
    ///
    /// # Panics
    /// When none come.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        let deadline = Instant::now() + SILENCE;
        while self.head.is_none() && self.end.is_none() {
            self.take(deadline).unwrap_or_else(|()| panic!("{}: no answer in {SILENCE:?}", self.title));
        }
        self.head.clone().unwrap_or_else(|| panic!("{}: no answer, but {:?}", self.title, self.end))
    }

    /// What comes next, for at most `within`.
    pub fn next(&mut self, within: Duration) -> Next {
        let deadline = Instant::now() + within;
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).take(end).collect();
                // White space between values: all that a long poll without an event says.
                if line.is_empty() {
                    continue;
                }
                return Next::Line(String::from_utf8_lossy(&line).into_owned());
            }
            if let Some(end) = &self.end {
                if !self.buffer.is_empty() {
                    let rest = std::mem::take(&mut self.buffer);
                    return Next::Line(String::from_utf8_lossy(&rest).into_owned());
                }
                return Next::Ended(end.clone());
            }
            if self.take(deadline).is_err() {
                return Next::Quiet;
            }
        }
    }

    /// The next line as JSON.
    ///
    /// # Panics
    /// When none comes within `within`, or one that is no JSON.
    #[track_caller]
    pub fn event(&mut self, within: Duration) -> Value {
        match self.next(within) {
            Next::Line(line) => {
                serde_json::from_str(&line).unwrap_or_else(|e| panic!("{}: {e}: {line}", self.title))
            }
            other => panic!("{}: no event within {within:?}, but {other:?}", self.title),
        }
    }

    /// All lines that still come, as JSON, and the proper end.
    ///
    /// # Panics
    /// When it does not end in time, or with an error.
    #[track_caller]
    pub fn rest(&mut self, within: Duration) -> Vec<Value> {
        let deadline = Instant::now() + within;
        let mut events = Vec::new();
        loop {
            match self.next(deadline.saturating_duration_since(Instant::now())) {
                Next::Line(line) => events.push(
                    serde_json::from_str(&line).unwrap_or_else(|e| panic!("{}: {e}: {line}", self.title)),
                ),
                Next::Ended(Ok(())) => return events,
                other => {
                    panic!("{}: no proper end within {within:?}, but {other:?} after {events:?}", self.title)
                }
            }
        }
    }

    /// The whole answer, for those that are not expected to go on.
    ///
    /// # Panics
    /// As [`Stream::rest`].
    #[track_caller]
    pub fn response(mut self, within: Duration) -> Response {
        let head = self.head();
        let deadline = Instant::now() + within;
        while self.end.is_none() {
            self.take(deadline).unwrap_or_else(|()| panic!("{}: no end within {within:?}", self.title));
        }
        assert_eq!(self.end, Some(Ok(())), "{}", self.title);
        Response { head, body: std::mem::take(&mut self.buffer) }
    }

    /// Takes over what the thread has read.
    fn take(&mut self, deadline: Instant) -> Result<(), ()> {
        match self.pieces.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Piece::Head(head)) => self.head = Some(head),
            Ok(Piece::Body(at, bytes)) => {
                self.last = at;
                self.buffer.extend(bytes);
            }
            Ok(Piece::End(at, end)) => {
                self.last = at;
                self.end = Some(end);
            }
            Err(RecvTimeoutError::Timeout) => return Err(()),
            Err(RecvTimeoutError::Disconnected) => self.end = Some(Err("the reading thread is gone".into())),
        }
        Ok(())
    }
}

/// Whether the stream is still wanted.
fn hand(sender: &Sender<Piece>, piece: Piece) -> bool {
    sender.send(piece).is_ok()
}

fn over_http1(
    endpoint: &Endpoint,
    request: &Request,
    sender: Sender<Piece>,
) -> Result<Stop, Box<dyn std::error::Error + Send + Sync>> {
    let mut client = Http1::connect(endpoint)?;
    client.set_read_timeout(SILENCE)?;
    client.send(request)?;
    let stop = Stop::Socket(client.socket()?);
    let method = request.method.clone();
    thread::spawn(move || {
        let end = client.read_head(&method).and_then(|head| {
            hand(&sender, Piece::Head(head));
            while let Some(bytes) = client.next_piece()? {
                hand(&sender, Piece::Body(Instant::now(), bytes));
            }
            Ok(())
        });
        hand(&sender, Piece::End(Instant::now(), end.map_err(|e| e.to_string())));
    });
    Ok(stop)
}

fn over_http2(
    endpoint: &Endpoint,
    request: &Request,
    sender: Sender<Piece>,
) -> Result<Stop, Box<dyn std::error::Error + Send + Sync>> {
    let (stop, stopped) = oneshot::channel();
    let (endpoint, request) = (endpoint.clone(), request.clone());
    let (started, start) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let work = async {
                let (client, _driver) = http2::connect(&endpoint).await?;
                let head = http2::http_request(&endpoint, &request)?;
                let mut client = client.ready().await?;
                let (response, mut body) = client.send_request(head, request.body.is_empty())?;
                if !request.body.is_empty() {
                    body.send_data(request.body.clone().into(), true)?;
                }
                let _ = started.send(());
                let response = response.await?;
                hand(&sender, Piece::Head(http2::head(&response)));
                let mut body = response.into_body();
                while let Some(bytes) = body.data().await {
                    let bytes = bytes?;
                    body.flow_control().release_capacity(bytes.len())?;
                    hand(&sender, Piece::Body(Instant::now(), bytes.to_vec()));
                }
                Ok::<(), http2::Error>(())
            };
            tokio::select! {
                end = work => {
                    hand(&sender, Piece::End(Instant::now(), end.map_err(|e| e.to_string())));
                }
                _ = stopped => {}
            }
        });
    });
    // Also when it failed before: the end then says why.
    let _ = start.recv();
    Ok(Stop::Signal { _dropped: stop })
}
