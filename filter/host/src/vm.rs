//! One worker's state: the plugins, their streams, the exchanges in work and the callouts on their way.
//!
//! Every callout belongs to its plugin's root context, not to the stream it serves: the host drops a stream's callouts silently
//! when the client leaves, and would never tell. So a table leads from the callout's token to the exchange that waits for it.

mod carry;

use crate::alarm::Alarm;
use crate::counters::Counters;
use crate::host::{self, Buffer, HeaderMap, Level};
use crate::table::Table;
use crate::watches::Watches;
use crate::work::{ContextId, For, Millis, Work, WorkId, Works};
use coder_kube_core::config::Config;
use coder_kube_core::exchange::{
    Answer, Call, CallId, Certificate, Exchange, Filter, Lost, Outcome, Reply, Request, Step, Verdict,
};
use coder_kube_core::time::has_come;
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
const FIRST_CHECK: Millis = 100;
const NEXT_CHECK: Millis = 30_000;

/// Shared data: when versions of templates were last looked for that are to be made active; the Coders that were looked at follow.
const PROMOTION: &str = "coder-kube-filter.v1.promotion:";
/// Milliseconds until they are first looked for, and between two looks of a process.
const FIRST_PROMOTION: Millis = 2_000;
const NEXT_PROMOTION: Millis = 60_000;

/// Sleepers that one tick wakes; the next tick comes at once. Some hundreds of streams answered in one callback exhaust Envoy's stack.
const WOKEN_AT_ONCE: usize = 32;

/// A plugin: a configuration of the filter.
#[derive(Default)]
struct Plugin {
    /// Until it is configured there is none.
    filter: Option<Rc<Filter>>,
    alarm: Alarm,
    /// When Coder's tokens are looked at next; never, once that is known.
    next_check: Option<Millis>,
    /// When this worker next asks whether it is its turn to look for versions to be made active.
    next_promotion: Option<Millis>,
}

/// A request's stream.
#[derive(Clone, Copy, Default)]
struct Stream {
    /// The plugin that it belongs to.
    root: ContextId,
    /// It was let go on to its route's cluster, and all that follows goes the same way.
    forwarded: bool,
    /// The exchange that will answer it.
    work: Option<WorkId>,
    /// Its headers are being looked at in this very callback.
    arriving: bool,
}

/// See the module.
pub(crate) struct Vm {
    plugins: Table<Plugin>,
    /// Streams of requests.
    streams: Table<Stream>,
    works: Works,
    /// Callouts on their way, by the host's token: the exchange and the call it answers. Each is answered in the end, by its time-out if by
    /// nothing else, so none stays.
    callouts: Table<(WorkId, CallId)>,
    counters: Counters,
    watches: Watches,
    /// This worker has taken on the check of Coder's tokens.
    checks_credentials: bool,
}

impl Vm {
    const fn new() -> Self {
        Self {
            plugins: Table::new(),
            streams: Table::new(),
            works: Works::new(),
            callouts: Table::new(),
            counters: Counters::new(),
            watches: Watches::new(),
            checks_credentials: false,
        }
    }

    /// A plugin or a stream begins.
    pub(crate) fn create(&mut self, context: ContextId, root: ContextId) {
        if root == 0 {
            self.plugins.insert(context, Plugin::default());
        } else {
            self.streams.insert(context, Stream { root, ..Stream::default() });
        }
    }

    /// Reads a plugin's configuration; `false` when it cannot be used.
    pub(crate) fn configure(&mut self, root: ContextId, size: usize) -> bool {
        let parsed = host::buffer(Buffer::PluginConfiguration, size)
            .map_err(|e| format!("the plugin configuration cannot be read: host status {}", e.0))
            .and_then(|json| Config::parse(&json).map_err(|e| e.to_string()));
        match parsed {
            Ok(config) => {
                let now = host::now();
                let next_check = Some(now.saturating_add(FIRST_CHECK));
                let next_promotion = Some(now.saturating_add(FIRST_PROMOTION));
                let filter = Some(Filter::sharing(config, Rc::new(host::Shared), host::nanoseconds()));
                let plugin = Plugin { filter, next_check, next_promotion, ..Plugin::default() };
                self.plugins.insert(root, plugin);
                self.set_alarm(root);
                true
            }
            Err(message) => {
                host::log(Level::Critical, &message);
                false
            }
        }
    }

    /// Wakes what sleeps, asks Coder what its tokens allow, and looks for versions to be made active, each if no other worker does.
    pub(crate) fn tick(&mut self, root: ContextId) {
        let Some(plugin) = self.plugins.get_mut(root) else { return };
        plugin.alarm.ticked();
        let now = host::now();
        if plugin.next_check.is_some_and(|moment| has_come(moment, now, NEXT_CHECK)) {
            self.check_credentials(root, now);
        }
        self.promote(root, now);
        for (context, exchange) in self.watches.due(root, now, WOKEN_AT_ONCE) {
            self.begin(root, For::Watch(context), exchange);
        }
        for id in self.works.due(root, now, WOKEN_AT_ONCE) {
            let Some(mut work) = self.works.take(id) else { continue };
            let step = work.exchange.wake(now);
            self.carry_out(id, work, step);
        }
        self.settle(root);
    }

    fn check_credentials(&mut self, root: ContextId, now: Millis) {
        let Some(plugin) = self.plugins.get_mut(root) else { return };
        plugin.next_check = None;
        let Some(filter) = plugin.filter.clone() else { return };
        if !self.checks_credentials {
            if host::has_shared(CREDENTIALS_CHECK) || !host::set_shared(CREDENTIALS_CHECK) {
                return;
            }
            self.checks_credentials = true;
        }
        self.begin(root, For::Credentials, filter.check_credentials(now));
    }

    /// Looks for versions to be made active, when it is time and this worker's turn.
    fn promote(&mut self, root: ContextId, now: Millis) {
        let Some(plugin) = self.plugins.get_mut(root) else { return };
        let Some(filter) = plugin.filter.clone() else { return };
        if !plugin.next_promotion.is_some_and(|moment| has_come(moment, now, NEXT_PROMOTION)) {
            return;
        }
        plugin.next_promotion = Some(now.saturating_add(NEXT_PROMOTION));
        // Workers do not tick at the same moment: nobody waits for another's turn to be over to the millisecond.
        let interval = NEXT_PROMOTION / 6 * 5;
        if host::take_turn(&format!("{PROMOTION}{}", filter.coders()), now, interval) {
            self.begin(root, For::Answered, filter.promote(now));
        }
    }

    /// The headers of a request, which may be all of it. `true` lets it go on to its route's cluster.
    pub(crate) fn request(&mut self, context: ContextId, ends: bool) -> bool {
        let forwarded = self.receive(context, ends);
        if let Some(stream) = self.streams.get_mut(context) {
            stream.forwarded = forwarded;
        }
        forwarded
    }

    fn receive(&mut self, context: ContextId, ends: bool) -> bool {
        let root = self.streams.get(context).copied().unwrap_or_default().root;
        let filter = self.plugins.get(root).and_then(|plugin| plugin.filter.clone());
        let (Some(filter), Ok(headers)) = (filter, host::headers(HeaderMap::Request)) else {
            refuse();
            return false;
        };
        let route = host::property("xds\0route_name").unwrap_or_default();
        let property = |name: &str| host::property(name).unwrap_or_default();
        let request = Request::by_route(headers, &route, || Certificate {
            subject: property("connection\0subject_peer_certificate"),
            sha256: property("connection\0sha256_peer_certificate_digest"),
        });
        #[cfg(feature = "chaos")]
        chaos(&request);
        let now = host::now();
        match filter.receive(request, now, self.works.requests()) {
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
                    refuse();
                }
                result.is_ok()
            }
            Verdict::Serve(mut exchange) => {
                let step = if ends { exchange.body(Vec::new(), true, now) } else { exchange.advance() };
                let id = self.works.number();
                if let Some(stream) = self.streams.get_mut(context) {
                    (stream.work, stream.arriving) = (Some(id), true);
                }
                self.carry_out(id, Work { root, whom: For::Client(context), exchange }, step);
                if let Some(stream) = self.streams.get_mut(context) {
                    stream.arriving = false;
                }
                self.settle(root);
                // A watch that could begin at once.
                self.watches.has(context)
            }
        }
    }

    /// A part of a request after its headers, with so many bytes; trailers have none, and end it. `true` lets it go on. What is ours must
    /// not: letting it pass would send the headers on as well.
    pub(crate) fn body(&mut self, context: ContextId, size: usize, last: bool) -> bool {
        let stream = self.streams.get(context).copied().unwrap_or_default();
        if stream.forwarded && !self.watches.has(context) {
            return true;
        }
        // Once it is answered, whatever else comes of it is dropped.
        let Some((id, mut work)) = stream.work.and_then(|id| Some((id, self.works.take(id)?))) else {
            return false;
        };
        match host::buffer(Buffer::RequestBody, size) {
            Ok(chunk) => {
                let step = work.exchange.body(chunk, last, host::now());
                self.carry_out(id, work, step);
                self.settle(stream.root);
            }
            // A body with a part missing must not be taken for a whole one.
            Err(_) => refuse(),
        }
        false
    }

    /// A callout's answer, or its failure.
    pub(crate) fn call_response(&mut self, root: ContextId, token: u32, answered: bool, body_size: usize) {
        let Some((id, call)) = self.callouts.remove(token) else { return };
        let Some(mut work) = self.works.take(id) else { return };
        let outcome = if answered { answer(body_size) } else { Err(Lost::Unknown) };
        let step = work.exchange.resume(call, outcome, host::now());
        self.carry_out(id, work, step);
        self.settle(root);
    }

    /// A stream (or, when Envoy stops, a plugin) ends.
    pub(crate) fn delete(&mut self, context: ContextId) {
        if let Some(id) = self.streams.remove(context).and_then(|stream| stream.work) {
            self.works.abandon(id);
        }
        self.watches.remove(context);
        self.plugins.remove(context);
    }

    /// Takes up an exchange that has no stream.
    fn begin(&mut self, root: ContextId, whom: For, mut exchange: Exchange) {
        let step = exchange.advance();
        let id = self.works.number();
        self.carry_out(id, Work { root, whom, exchange }, step);
    }

    /// Does what the exchange asks for, and keeps it for as long as it waits.
    fn carry_out(&mut self, id: WorkId, mut work: Work, step: Step) {
        let mut steps = VecDeque::from([step]);
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Reply(reply) => return self.finish(&work, &reply),
                Step::Carry(carried, reply) => return self.carry(&work, carried, &reply),
                Step::Wait => {}
                Step::Call(calls) => {
                    for (call_id, call) in calls {
                        match host::set_effective_context(work.root).and_then(|()| dispatch(&call)) {
                            Ok(token) => {
                                self.callouts.insert(token, (id, call_id));
                            }
                            Err(e) => {
                                host::log(
                                    Level::Error,
                                    &format!("{call:?} could not be sent: host status {}", e.0),
                                );
                                let step = work.exchange.resume(call_id, Err(Lost::NotSent), host::now());
                                steps.push_back(step);
                            }
                        }
                    }
                }
            }
        }
        self.works.keep(id, work);
    }

    fn finish(&mut self, work: &Work, reply: &Reply) {
        match work.whom {
            For::Client(context) => {
                if let Some(stream) = self.streams.get_mut(context) {
                    stream.work = None;
                }
                self.counters.count(reply);
                send(context, reply);
            }
            For::Departed => {
                self.counters.count(reply);
                let level = if reply.status < 500 { Level::Info } else { Level::Warn };
                let facts: Vec<String> =
                    reply.facts.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
                let line = format!("a client left before it was told {}: {}", reply.status, facts.join(" "));
                host::log(level, &line);
            }
            For::Answered => report(reply),
            For::Watch(context) => {
                let watch = self.watches.get_mut(context);
                if watch.is_some_and(|watch| watch.checked(reply.status, host::now())) {
                    self.cut_off(context);
                }
            }
            For::Credentials => {
                report(reply);
                // What could not be found out is asked again.
                if reply.status == 503
                    && let Some(plugin) = self.plugins.get_mut(work.root)
                {
                    plugin.next_check = Some(host::now().saturating_add(NEXT_CHECK));
                }
            }
        }
    }

    /// The end of a callback: takes up work that goes on after its request was answered, and asks for a tick where one is needed.
    fn settle(&mut self, root: ContextId) {
        let Some(filter) = self.plugins.get(root).and_then(|plugin| plugin.filter.clone()) else { return };
        filter.keep(host::now());
        loop {
            let background = filter.take_background();
            if background.is_empty() {
                break;
            }
            for exchange in background {
                self.begin(root, For::Answered, exchange);
            }
        }
        self.set_alarm(root);
    }

    fn set_alarm(&mut self, root: ContextId) {
        let wakes_at = self.works.wakes_at(root);
        let Some(plugin) = self.plugins.get_mut(root) else { return };
        let of_filter = plugin.filter.as_ref().and_then(|filter| filter.wakes_at());
        let moments = wakes_at.into_iter().chain(of_filter).chain(self.watches.checked_at());
        let moment = moments.chain(plugin.next_check).chain(plugin.next_promotion).min();
        if let Some(period) = plugin.alarm.set(moment, host::now())
            && let Err(e) = host::set_effective_context(root).and_then(|()| host::set_tick_period(period))
        {
            host::log(Level::Error, &format!("no tick can be had: host status {}", e.0));
        }
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

/// Writes what nobody waits for to the log.
fn report(reply: &Reply) {
    let level = if reply.status == 200 { Level::Info } else { Level::Warn };
    for line in String::from_utf8_lossy(&reply.body).lines() {
        host::log(level, line);
    }
}

/// Envoy's own words for a request that cannot be looked at: `local_reply_config` makes a Status of them.
fn refuse() {
    let _ = host::send_local_response(503, &[], b"");
}

/// Answers a stream, which may have gone: then there is nobody to tell.
fn send(context: ContextId, reply: &Reply) {
    if host::set_effective_context(context).is_err() {
        return;
    }
    // Tells `local_reply_config` that this answer is ours and not Envoy's own.
    let _ = host::add_header(HeaderMap::Request, ANSWERED, "1");
    set_facts(reply);
    let headers: Vec<(&str, &str)> =
        reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    if let Err(e) = host::send_local_response(reply.status, &headers, &reply.body) {
        host::log(Level::Warn, &format!("an answer could not be sent: host status {}", e.0));
    }
}

/// What the access log should know.
fn set_facts(reply: &Reply) {
    for (name, value) in &reply.facts {
        let _ = host::set_property(name, value);
    }
}

#[cfg(feature = "chaos")]
#[allow(clippy::panic)]
fn chaos(request: &Request) {
    if request.path().ends_with("/chaos/panic") {
        panic!("chaos: a panic was asked for");
    }
}
