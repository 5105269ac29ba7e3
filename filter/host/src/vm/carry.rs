//! Streams that go on as watches: their requests become a watch of the bell's Lease, and every part of what comes back is replaced.
//!
//! Nothing of what kube-apiserver sends there may reach a client; where it cannot be replaced the stream is reset.

use super::{Vm, refuse, set_facts};
use crate::host::{self, Buffer, HeaderMap, Level};
use crate::work::{ContextId, For, Work};
use coder_kube_core::exchange::{Carried, Reply};

impl Vm {
    /// Lets a client's stream go on as a watch.
    pub(super) fn carry(&mut self, work: &Work, carried: Box<Carried>, reply: &Reply) {
        let For::Client(context) = work.whom else { return };
        let Some(stream) = self.streams.get_mut(context) else { return };
        stream.work = None;
        self.counters.count(reply);
        if host::set_effective_context(context).is_err() {
            return;
        }
        set_facts(reply);
        // Envoy chooses no route without the second of these.
        let schemes = [":scheme", "x-forwarded-proto"]
            .map(|name| (name, host::header(HeaderMap::Request, name).unwrap_or_else(|| "https".to_owned())));
        let headers = carried.headers();
        let mut headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // The access log shows this one.
        let path = host::header(HeaderMap::Request, ":path").unwrap_or_default();
        headers.push(("x-envoy-original-path", &path));
        headers.extend(schemes.iter().map(|(name, value)| (*name, value.as_str())));
        let arriving = stream.arriving;
        self.watches.insert(context, work.root, carried);
        let done = host::set_headers(HeaderMap::Request, &headers)
            .and_then(|()| if arriving { Ok(()) } else { host::continue_request() });
        if let Err(e) = done {
            self.watches.remove(context);
            host::log(Level::Error, &format!("a watch cannot be carried: host status {}", e.0));
            refuse();
        }
    }

    /// kube-apiserver begins to carry a watch, or refuses.
    pub(crate) fn response(&mut self, context: ContextId) {
        let Some(carried) = self.watches.get_mut(context) else { return };
        let status = host::header(HeaderMap::Response, ":status").and_then(|status| status.parse().ok());
        let answered = status.unwrap_or(503);
        if answered != 200 {
            host::log(
                Level::Error,
                &format!("a watch cannot be carried: the bell's Lease answers {answered}"),
            );
        }
        let (status, headers) = carried.begins(answered, host::now());
        let status = status.to_string();
        let mut all = vec![(":status", status.as_str())];
        all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        if host::set_headers(HeaderMap::Response, &all).is_err() {
            self.watches.remove(context);
            let _ = host::reset_stream();
        }
    }

    /// A part of what carries a watch; the watch's own events take its place.
    pub(crate) fn response_body(&mut self, context: ContextId, size: usize, last: bool) {
        let Some(carried) = self.watches.get_mut(context) else { return };
        let told = host::buffer(Buffer::ResponseBody, size)
            .map(|part| carried.part(&part, last, host::now()))
            .and_then(|told| host::set_buffer(Buffer::ResponseBody, size, &told));
        if told.is_err() {
            // What is not replaced must not be seen.
            self.watches.remove(context);
            let _ = host::reset_stream();
        }
    }

    /// Its client may not watch any more.
    pub(super) fn cut_off(&mut self, context: ContextId) {
        if self.watches.remove(context) {
            host::log(
                Level::Info,
                "a watch is cut off: its client may not watch any more, or nobody says so",
            );
            let _ = host::set_effective_context(context).and_then(|()| host::reset_stream());
        }
    }
}
