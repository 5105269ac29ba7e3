//! HTTP requests and responses as plain values, free enough to say what no well-behaved client would.

use serde_json::Value;

/// A request. Target and headers are written as they stand: nothing is normalised, merged or checked.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, or anything else.
    pub method: String,
    /// The request target, usually a path with its query.
    pub target: String,
    /// Header lines in order, duplicates and odd case included.
    pub headers: Vec<(String, String)>,
    /// The body; sent with `Content-Length` when it is not empty.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, target: &str) -> Request {
        Request { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A GET.
    pub fn get(target: &str) -> Request {
        Request::new("GET", target)
    }

    /// A POST of a JSON document.
    pub fn post(target: &str, body: &Value) -> Request {
        Request::new("POST", target).json(body)
    }

    /// Adds one header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds `Accept`.
    #[must_use]
    pub fn accept(self, value: &str) -> Request {
        self.header("Accept", value)
    }

    /// Sets the body with its type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self.header("Content-Type", content_type)
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Request {
        self.body("application/json", body.to_string())
    }

    /// Sets a body that is sent in chunks of about a megabyte, without saying its length beforehand. For HTTP/1.1.
    #[must_use]
    pub fn chunked(self, content_type: &str, body: &[u8]) -> Request {
        let mut bytes = Vec::with_capacity(body.len() + 1024);
        for chunk in body.chunks(1_000_000) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        self.body(content_type, bytes).header("Transfer-Encoding", "chunked")
    }

    /// Whether a header line of that name is there.
    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }
}

/// Status and headers of a response.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Header lines in order.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first header line of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// A whole response.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// Status and headers.
    pub head: Head,
    /// The body, with transfer coding removed and content coding kept.
    pub body: Vec<u8>,
}

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The first header line of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// `Content-Type`, or nothing.
    pub fn content_type(&self) -> &str {
        self.header("content-type").unwrap_or_default()
    }

    /// The body as text, for messages of failing tests too.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// With the response in the message when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("not JSON ({e}): {} {}", self.status(), self.excerpt()))
    }

    /// The start of the body, for messages.
    pub fn excerpt(&self) -> String {
        self.text().chars().take(600).collect()
    }
}
