//! An answer to the client.

use crate::kube::status::Status;

/// An answer to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers, `content-type` among them.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// What the access log should know: names of filter state and their values.
    pub facts: Vec<(&'static str, String)>,
    /// What counters know it by.
    pub labels: Labels,
}

/// What counters know an answer by, beside its status. Words of ours alone: what a client wrote must never become the name of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labels {
    /// Kubernetes' verb.
    pub verb: &'static str,
    /// The resource with its subresource, or what else was asked for.
    pub resource: &'static str,
}

/// Of a request that was not understood.
impl Default for Labels {
    fn default() -> Self {
        Self { verb: "other", resource: "other" }
    }
}

impl Reply {
    /// An answer that no cache may keep, as all of kube-apiserver's are.
    pub(super) fn new(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        let headers = vec![
            ("content-type", content_type.to_owned()),
            ("cache-control", "no-cache, private".to_owned()),
        ];
        Self { status, headers, body, facts: Vec::new(), labels: Labels::default() }
    }

    /// What work has to say that nobody waits for and of which nothing is worth a line in the log.
    pub(super) fn quiet() -> Self {
        Self::new(200, "text/plain", Vec::new())
    }

    /// The same with one more header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<&Status> for Reply {
    fn from(status: &Status) -> Self {
        let reply = Self::new(status.code, "application/json", status.to_json());
        match status.retry_after_seconds() {
            Some(seconds) => reply.with("retry-after", seconds.to_string()),
            None => reply,
        }
    }
}
