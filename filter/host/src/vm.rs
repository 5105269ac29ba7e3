//! One worker's state: the plugins, their streams, the exchanges in work and the callouts on their way.
//!
//! Every callout belongs to its plugin's root context, not to the stream it serves: the host drops a stream's callouts silently
//! when the client leaves, and would never tell. So a table leads from the callout's token to the exchange that waits for it.

use crate::host::{self, Buffer, HeaderMap, Level};
use crate::table::Table;
use coder_kube_core::config::Config;
use coder_kube_core::exchange::{
    Answer, Call, CallId, Exchange, Filter, Lost, Outcome, Reply, Request, Step, Verdict,
};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

thread_local! {
    /// The VM is single-threaded: this is the only one there is.
    static VM: RefCell<Vm> = const { RefCell::new(Vm::new()) };
}

/// Runs one callback. The host never calls in while it is called, so the state is free; should it do so all the same, `None` refuses
/// where a panic would end everybody's requests.
pub(crate) fn with<T>(callback: impl FnOnce(&mut Vm) -> T) -> Option<T> {
    VM.with(|vm| Some(callback(&mut *vm.try_borrow_mut().ok()?)))
}

/// Request header that marks an exchange as answered by the filter; clients cannot send it (see `envoy/front.yaml`).
const ANSWERED: &str = "x-coder-kube-answered";

/// Shared data: a worker has taken it on to find out what Coder's tokens allow, and to say so in the log. Two that come at the same moment
/// say it twice, which does no harm.
const CREDENTIALS_CHECK: &str = "coder-kube-filter.v1.credentials-check";
/// Milliseconds until Coder is first asked what its tokens allow, and between tries.
const FIRST_CHECK: u32 = 100;
const NEXT_CHECK: u32 = 30_000;

/// A context identifier of the host.
type ContextId = u32;

/// A request's stream.
#[derive(Clone, Copy, Default)]
struct Stream {
    /// The plugin that it belongs to.
    root: ContextId,
    /// It was let go on to its route's cluster, and all that follows goes the same way.
    forwarded: bool,
}

/// See the module.
pub(crate) struct Vm {
    plugins: Table<Option<Rc<Filter>>>,
    /// Streams of requests.
    streams: Table<Stream>,
    /// Exchanges in work, by their stream.
    work: Table<Exchange>,
    /// Callouts on their way, by the host's token: the stream and the call it answers.
    callouts: Table<(ContextId, CallId)>,
    /// This worker has taken on the check of Coder's tokens.
    checks_credentials: bool,
}

impl Vm {
    const fn new() -> Self {
        Self {
            plugins: Table::new(),
            streams: Table::new(),
            work: Table::new(),
            callouts: Table::new(),
            checks_credentials: false,
        }
    }

    /// A plugin or a stream begins.
    pub(crate) fn create(&mut self, context: ContextId, root: ContextId) {
        if root == 0 {
            self.plugins.insert(context, None);
        } else {
            self.streams.insert(context, Stream { root, forwarded: false });
        }
    }

    /// Reads a plugin's configuration; `false` when it cannot be used.
    pub(crate) fn configure(&mut self, root: ContextId, size: usize) -> bool {
        let parsed = host::buffer(Buffer::PluginConfiguration, size)
            .map_err(|e| format!("the plugin configuration cannot be read: host status {}", e.0))
            .and_then(|json| Config::parse(&json).map_err(|e| e.to_string()));
        match parsed {
            Ok(config) => {
                self.plugins.insert(root, Some(Filter::new(config)));
                // Without a tick the check is not made, and nothing else depends on it.
                let _ = host::set_tick_period(FIRST_CHECK);
                true
            }
            Err(message) => {
                host::log(Level::Critical, &message);
                false
            }
        }
    }

    /// Asks Coder what its tokens allow, if no other worker does.
    pub(crate) fn tick(&mut self, root: ContextId) {
        let Some(filter) = self.plugins.get(root).cloned().flatten() else { return };
        if !self.checks_credentials {
            if host::has_shared(CREDENTIALS_CHECK) || host::set_shared(CREDENTIALS_CHECK).is_err() {
                let _ = host::set_tick_period(0);
                return;
            }
            self.checks_credentials = true;
        }
        let _ = host::set_tick_period(NEXT_CHECK);
        let mut exchange = filter.check_credentials(host::now());
        let step = exchange.advance();
        // An exchange of the plugin's own has no stream; its reply goes to the log.
        self.carry_out(root, root, exchange, step);
    }

    /// The headers of a request. `true` lets it go on to its route's cluster.
    pub(crate) fn request(&mut self, context: ContextId) -> bool {
        let forwarded = self.receive(context);
        if let Some(stream) = self.streams.get_mut(context) {
            stream.forwarded = forwarded;
        }
        forwarded
    }

    /// Whether a part of a request that follows its headers goes on. What is ours must not: letting it pass would send the headers
    /// on as well.
    pub(crate) fn goes_on(&self, context: ContextId) -> bool {
        self.streams.get(context).is_some_and(|stream| stream.forwarded)
    }

    fn receive(&mut self, context: ContextId) -> bool {
        let root = self.streams.get(context).copied().unwrap_or_default().root;
        let filter = self.plugins.get(root).cloned().flatten();
        let (Some(filter), Ok(headers)) = (filter, host::headers(HeaderMap::Request)) else {
            let _ = host::send_local_response(503, &[], b"");
            return false;
        };
        let request = Request::new(headers, client_certificate());
        #[cfg(feature = "chaos")]
        chaos(&request);
        match filter.receive(request, host::now(), self.work.len()) {
            Verdict::Forward(identity) => {
                let mut result = Ok(());
                for name in &identity.remove {
                    result = result.and(host::remove_header(HeaderMap::Request, name));
                }
                for (name, value) in &identity.add {
                    result = result.and(host::add_header(HeaderMap::Request, name, value));
                }
                if result.is_err() {
                    // Half an identity must not reach kube-apiserver.
                    let _ = host::send_local_response(503, &[], b"");
                }
                result.is_ok()
            }
            Verdict::Serve(mut exchange) => {
                let step = exchange.advance();
                self.carry_out(root, context, exchange, step);
                false
            }
        }
    }

    /// A callout's answer, or its failure.
    pub(crate) fn call_response(&mut self, root: ContextId, token: u32, answered: bool, body_size: usize) {
        let Some((context, call)) = self.callouts.remove(token) else { return };
        let Some(mut exchange) = self.work.remove(context) else { return };
        let outcome = if answered { answer(body_size) } else { Err(Lost::Unknown) };
        let step = exchange.resume(call, outcome, host::now());
        self.carry_out(root, context, exchange, step);
    }

    /// A stream (or, when Envoy stops, a plugin) ends.
    pub(crate) fn delete(&mut self, context: ContextId) {
        self.streams.remove(context);
        self.work.remove(context);
        self.plugins.remove(context);
    }

    /// Does what the exchange asks for, and keeps it for as long as it waits.
    fn carry_out(&mut self, root: ContextId, context: ContextId, mut exchange: Exchange, step: Step) {
        let mut steps = VecDeque::from([step]);
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Reply(reply) if context == root => return report(&reply),
                Step::Reply(reply) => return send(context, &reply),
                Step::Wait => {}
                Step::Call(calls) => {
                    for (id, call) in calls {
                        match host::set_effective_context(root).and_then(|()| dispatch(&call)) {
                            Ok(token) => {
                                self.callouts.insert(token, (context, id));
                            }
                            Err(e) => {
                                host::log(
                                    Level::Error,
                                    &format!("{call:?} could not be sent: host status {}", e.0),
                                );
                                steps.push_back(exchange.resume(id, Err(Lost::NotSent), host::now()));
                            }
                        }
                    }
                }
            }
        }
        self.work.insert(context, exchange);
    }
}

fn dispatch(call: &Call) -> Result<u32, host::HostError> {
    let mut headers = Vec::with_capacity(call.headers.len().saturating_add(3));
    headers.extend([
        (":method", call.method),
        (":path", call.path.as_str()),
        (":authority", call.authority.as_str()),
    ]);
    headers.extend(call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    host::http_call(&call.cluster, &headers, &call.body, call.timeout_ms)
}

fn answer(body_size: usize) -> Outcome {
    let headers = host::headers(HeaderMap::CalloutAnswer).map_err(|_| Lost::Unknown)?;
    let body = host::buffer(Buffer::CalloutAnswer, body_size).map_err(|_| Lost::Unknown)?;
    let mut answer = Answer { status: 0, headers, body };
    answer.status = answer.header(":status").and_then(|status| status.parse().ok()).ok_or(Lost::Unknown)?;
    Ok(answer)
}

/// Says in the log what Coder's tokens allow. What could not be found out is asked again at the next tick.
fn report(reply: &Reply) {
    if reply.status != 503 {
        let _ = host::set_tick_period(0);
    }
    let level = if reply.status == 200 { Level::Info } else { Level::Warn };
    for line in String::from_utf8_lossy(&reply.body).lines() {
        host::log(level, line);
    }
}

/// Answers a stream, which may have gone: then there is nobody to tell.
fn send(context: ContextId, reply: &Reply) {
    if host::set_effective_context(context).is_err() {
        return;
    }
    // Tells `local_reply_config` that this answer is ours and not Envoy's own.
    let _ = host::add_header(HeaderMap::Request, ANSWERED, "1");
    for (name, value) in &reply.facts {
        let _ = host::set_property(name, value);
    }
    let headers: Vec<(&str, &str)> =
        reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    if let Err(e) = host::send_local_response(reply.status, &headers, &reply.body) {
        host::log(Level::Warn, &format!("an answer could not be sent: host status {}", e.0));
    }
}

/// The subject of the client's certificate (RFC 2253), where a route that demands a *validated* one was taken. The mere presence of
/// a certificate proves nothing: a listener may accept those it cannot verify.
fn client_certificate() -> Option<Vec<u8>> {
    let route = host::property("xds\0route_name")?;
    if !route.starts_with(b"client-certificate") {
        return None;
    }
    host::property("connection\0subject_peer_certificate")
}

#[cfg(feature = "chaos")]
#[allow(clippy::panic)]
fn chaos(request: &Request) {
    if request.path().ends_with("/chaos/panic") {
        panic!("chaos: a panic was asked for");
    }
}
