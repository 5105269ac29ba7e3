//! A blocking HTTP/1.1 client that writes what it is given and reads bodies piece by piece.
//!
//! It follows no redirects, keeps no cookies and repairs nothing, so tests can send odd request lines and watch streams.

use crate::{
    Endpoint,
    message::{Head, Request, Response},
};
use rustls::{ClientConnection, StreamOwned};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Longer than any answer may take: the filter's own deadline is 30 s, Envoy's idle timeout 40 s.
const READ_TIMEOUT: Duration = Duration::from_secs(70);

/// One connection.
pub struct Http1 {
    stream: Stream,
    buffer: Vec<u8>,
    endpoint_headers: Vec<(String, String)>,
    authority: String,
    body: Body,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// How the rest of the current response's body is delimited.
#[derive(Clone, Copy, PartialEq)]
enum Body {
    Ended,
    Length(usize),
    Chunked,
    UntilClose,
}

impl Http1 {
    /// Connects, over TLS when the endpoint says so.
    ///
    /// # Errors
    /// When the server cannot be reached or the handshake fails.
    pub fn connect(endpoint: &Endpoint) -> io::Result<Http1> {
        let tcp = TcpStream::connect(endpoint.address())?;
        tcp.set_read_timeout(Some(READ_TIMEOUT))?;
        tcp.set_write_timeout(Some(READ_TIMEOUT))?;
        tcp.set_nodelay(true)?;
        let stream = match endpoint.tls(b"http/1.1") {
            None => Stream::Plain(tcp),
            Some((config, name)) => {
                let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
                Stream::Tls(Box::new(StreamOwned::new(tls, tcp)))
            }
        };
        Ok(Http1 {
            stream,
            buffer: Vec::new(),
            endpoint_headers: endpoint.default_headers().to_vec(),
            authority: endpoint.authority(),
            body: Body::Ended,
        })
    }

    /// How long a read waits before it fails.
    ///
    /// # Errors
    /// When the socket refuses.
    pub fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match &self.stream {
            Stream::Plain(tcp) => tcp.set_read_timeout(Some(timeout)),
            Stream::Tls(tls) => tls.sock.set_read_timeout(Some(timeout)),
        }
    }

    /// The socket itself: whoever shuts it down ends a read that waits in another thread.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn socket(&self) -> io::Result<TcpStream> {
        match &self.stream {
            Stream::Plain(tcp) => tcp.try_clone(),
            Stream::Tls(tls) => tls.sock.try_clone(),
        }
    }

    /// Writes a request, with the endpoint's headers unless the request has its own of that name.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send(&mut self, request: &Request) -> io::Result<()> {
        let mut text = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
        let mut line = |name: &str, value: &str| text.push_str(&format!("{name}: {value}\r\n"));
        if !request.has("host") {
            line("Host", &self.authority);
        }
        for (name, value) in self.endpoint_headers.iter().filter(|(name, _)| !request.has(name)) {
            line(name, value);
        }
        for (name, value) in &request.headers {
            line(name, value);
        }
        if !request.body.is_empty() && !request.has("transfer-encoding") {
            line("Content-Length", &request.body.len().to_string());
        }
        text.push_str("\r\n");
        self.write(text.as_bytes())?;
        self.write(&request.body)
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes),
            Stream::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        }
    }

    /// Reads status line and headers; interim responses other than 101 are skipped.
    ///
    /// # Errors
    /// When the connection fails or what arrives is not HTTP/1.
    pub fn read_head(&mut self, method: &str) -> io::Result<Head> {
        loop {
            let head = parse_head(&self.read_lines_until_blank()?)?;
            if (100..200).contains(&head.status) && head.status != 101 {
                continue;
            }
            self.body = body_kind(&head, method);
            return Ok(head);
        }
    }

    /// Reads one head, interim or not, and returns its status.
    ///
    /// # Errors
    /// As [`Http1::read_head`].
    pub fn read_interim(&mut self) -> io::Result<u16> {
        Ok(parse_head(&self.read_lines_until_blank()?)?.status)
    }

    /// The next piece of the body as it arrives; `None` at its proper end.
    ///
    /// # Errors
    /// `UnexpectedEof` when the connection ends before the body does.
    pub fn next_piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self.body {
            Body::Ended => Ok(None),
            Body::Length(left) => {
                if self.buffer.is_empty() {
                    self.fill()?;
                }
                let piece: Vec<u8> = self.buffer.drain(..left.min(self.buffer.len())).collect();
                self.body = if piece.len() == left { Body::Ended } else { Body::Length(left - piece.len()) };
                Ok(Some(piece))
            }
            Body::Chunked => self.next_chunk(),
            Body::UntilClose => {
                if self.buffer.is_empty() && self.fill().is_err() {
                    self.body = Body::Ended;
                    return Ok(None);
                }
                Ok(Some(std::mem::take(&mut self.buffer)))
            }
        }
    }

    /// Reads head and body.
    ///
    /// # Errors
    /// As [`Http1::read_head`] and [`Http1::next_piece`].
    pub fn read_response(&mut self, method: &str) -> io::Result<Response> {
        let head = self.read_head(method)?;
        let mut body = Vec::new();
        while let Some(piece) = self.next_piece()? {
            body.extend_from_slice(&piece);
        }
        Ok(Response { head, body })
    }

    /// Reads exactly this many bytes past the head: for connections that were upgraded.
    ///
    /// # Errors
    /// When the connection ends before.
    pub fn read_raw(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            self.fill()?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    fn next_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.read_line()?;
        let digits = line.split(|b| *b == b';').next().unwrap_or_default();
        let size = std::str::from_utf8(digits).ok().and_then(|d| usize::from_str_radix(d.trim(), 16).ok());
        let size = size.ok_or_else(|| invalid("a chunk size"))?;
        if size == 0 {
            while !self.read_line()?.is_empty() {}
            self.body = Body::Ended;
            return Ok(None);
        }
        let chunk = self.read_raw(size)?;
        self.read_line()?;
        Ok(Some(chunk))
    }

    fn read_lines_until_blank(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                return Ok(lines);
            }
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
    }

    fn read_line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let mut line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                line.truncate(end);
                return Ok(line);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16384];
        let count = match &mut self.stream {
            Stream::Plain(tcp) => tcp.read(&mut bytes)?,
            Stream::Tls(tls) => tls.read(&mut bytes)?,
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(())
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("expected {what}"))
}

fn parse_head(lines: &[String]) -> io::Result<Head> {
    let mut lines = lines.iter();
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok());
    let status = status.ok_or_else(|| invalid("an HTTP/1 status line"))?;
    let headers = lines
        .map(|line| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned())))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| invalid("header lines"))?;
    Ok(Head { status, headers })
}

fn body_kind(head: &Head, method: &str) -> Body {
    if method == "HEAD" || matches!(head.status, 101 | 204 | 304) {
        return Body::Ended;
    }
    if head.header("transfer-encoding").is_some_and(|v| v.to_ascii_lowercase().contains("chunked")) {
        return Body::Chunked;
    }
    match head.header("content-length").and_then(|v| v.parse().ok()) {
        Some(0) => Body::Ended,
        Some(length) => Body::Length(length),
        None => Body::UntilClose,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], method: &str, expect: (u16, bool)) {
        let lines: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        let head = parse_head(&lines).unwrap();
        assert_eq!((head.status, body_kind(&head, method) == Body::Ended), expect);
    }

    #[test]
    fn heads() {
        check(&["HTTP/1.1 200 OK", "Content-Length: 2"], "GET", (200, false));
        check(&["HTTP/1.1 200 OK", "content-length: 2"], "HEAD", (200, true));
        check(&["HTTP/1.1 304 Not Modified", "etag: x"], "GET", (304, true));
        check(&["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"], "GET", (200, false));
    }

    #[test]
    fn what_is_no_http_is_an_error() {
        assert!(parse_head(&["SSH-2.0".into()]).is_err());
        assert!(parse_head(&["HTTP/1.1 200 OK".into(), "no colon".into()]).is_err());
    }
}
