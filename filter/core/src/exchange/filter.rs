//! The filter: one for each plugin and worker. Takes requests in, and holds what exchanges share.

use super::cache::Cache;
use super::caller::{Caller, Forwarded};
use super::context::Cx;
use super::namespace::Phase;
use super::planes::{self, Discovering};
use super::port::Port;
use super::random::Random;
use super::reply::Reply;
use super::request::{Place, Request};
use super::request_body::{BodyBudget, RequestBody};
use super::watch::{self, Watching};
use super::{Exchange, aggregated, credentials, serve, templates};
use crate::config::{Config, Limits, Mode};
use crate::kube::authorization::Decision;
use crate::kube::request_header::Authentication;
use crate::kube::status::Status;
use crate::kube::user::UserInfo;
use crate::planes::Planes;
use crate::time::Millis;
use crate::watch::{Alone, Hub, SharedData};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Decisions and callers that are remembered at once.
const REMEMBERED_DECISIONS: usize = 4096;
/// Builds whose parameters are remembered at once.
const REMEMBERED_BUILDS: usize = 512;
/// How long it is believed how kube-apiserver proves itself, in milliseconds.
const AUTHENTICATION_LIFETIME: Millis = 5_000;
/// How long the parameters of a build are remembered, in milliseconds. They never change; memory is what is limited.
const BUILDS_LIFETIME: Millis = 600_000;
/// How long an import that has ended is not looked at again, in milliseconds.
const JUDGED_LIFETIME: Millis = 86_400_000;
/// How long nobody else in this worker is sent to stop the same workspace, in milliseconds: as long as that may take.
const WISHES_LIFETIME: Millis = 3_600_000;
/// How long nobody else is sent to promote the same version, in milliseconds.
const PROMOTIONS_LIFETIME: Millis = 10_000;

/// See the module.
pub struct Filter {
    pub(super) config: Config,
    /// The Coders there are.
    pub(super) planes: Rc<Planes>,
    /// How further ones are found.
    pub(super) discovering: Discovering,
    /// RBAC's decisions, by credentials and question.
    pub(super) decisions: Cache<Decision>,
    /// Whether namespaces are being deleted, by credentials and namespace.
    pub(super) namespaces: Cache<Phase>,
    /// Names of callers, by credentials.
    pub(super) users: Cache<String>,
    /// Who has which bearer token, in aggregated mode.
    pub(super) tokens: Cache<Rc<UserInfo>>,
    /// How kube-apiserver proves itself, in aggregated mode; its key is empty.
    pub(super) authentication: Cache<Rc<Authentication>>,
    /// When the log was last told that who signs certificates cannot be found out.
    pub(super) authorities_said_at: Cell<Millis>,
    /// Parameters of builds as Coder's JSON, by namespace and build.
    pub(super) parameters: Cache<Rc<[u8]>>,
    /// Versions that this worker has just gone to promote, by namespace and version.
    pub(super) promotions: Cache<()>,
    /// Workspaces that this worker is about to stop because that was wished when they were made, by Coder's id.
    pub(super) wishes: Cache<()>,
    /// What names that are made up are made of.
    pub(super) random: Random,
    /// Imports of versions of ours that have ended and of which nothing is left to do, by namespace and job.
    pub(super) judged_imports: Cache<()>,
    /// Who watches, and who reads Coder for them.
    pub(super) watching: Watching,
    /// What the bodies of all requests in work take.
    bodies: Rc<BodyBudget>,
    /// Work that goes on after its request was answered, until the host takes it up.
    background: RefCell<Vec<Exchange>>,
}

/// What becomes of a request.
pub enum Verdict {
    /// It is kube-apiserver's: it goes on with these changes.
    Forward(Forwarded),
    /// It is ours: the exchange answers it.
    Serve(Exchange),
}

impl Filter {
    /// A filter with a checked configuration, which shares nothing with other workers.
    pub fn new(config: Config) -> Rc<Self> {
        Self::sharing(config, Rc::new(Alone::default()), 0)
    }

    /// A filter with a checked configuration. `shared` is what all workers of this process share; `random` differs from worker to worker, from process
    /// to process, and from one VM of a worker to the next.
    pub fn sharing(config: Config, shared: Rc<dyn SharedData>, random: u64) -> Rc<Self> {
        let prefix = format!("coder-kube-filter.watch.v3.{}.", coders(&config));
        let planes = Planes::new(&config.control_planes);
        let hub = Hub::new(shared, planes.clone(), &prefix, random);
        let lifetime = config.limits.decision_cache();
        Rc::new(Self {
            decisions: Cache::new(lifetime, REMEMBERED_DECISIONS),
            namespaces: Cache::new(lifetime, REMEMBERED_DECISIONS),
            users: Cache::new(lifetime, REMEMBERED_DECISIONS),
            tokens: Cache::new(lifetime, REMEMBERED_DECISIONS),
            authentication: Cache::new(AUTHENTICATION_LIFETIME, 1),
            authorities_said_at: Cell::new(0),
            parameters: Cache::new(BUILDS_LIFETIME, REMEMBERED_BUILDS),
            promotions: Cache::new(PROMOTIONS_LIFETIME, REMEMBERED_BUILDS),
            wishes: Cache::new(WISHES_LIFETIME, REMEMBERED_DECISIONS),
            random: Random::default(),
            judged_imports: Cache::new(JUDGED_LIFETIME, REMEMBERED_DECISIONS),
            watching: Watching::new(hub, config.watch.bell.is_some()),
            bodies: Rc::default(),
            background: RefCell::default(),
            planes,
            discovering: Discovering::default(),
            config,
        })
    }

    /// Work that goes on after its request was answered, to be driven like an exchange without a client. Its reply is for the log.
    pub fn take_background(&self) -> Vec<Exchange> {
        self.background.take()
    }

    pub(super) fn spawn(&self, exchange: Exchange) {
        self.background.borrow_mut().push(exchange);
    }

    /// Asks every Coder what the token that Envoy adds allows. The reply is for the log: 200 all is well, 403 it does not allow enough, 503 to be asked again.
    pub fn check_credentials(self: &Rc<Self>, now: Millis) -> Exchange {
        self.discovering.checks.set(true);
        let port = Rc::new(Port::background(now, self.config.limits.request_timeout()));
        Exchange::new(port.clone(), credentials::check(Cx::new(self.clone(), port)))
    }

    /// Looks for versions of templates that are to be made active and that nobody waits for any more. To be done at start and about once a
    /// minute, by one worker of all that have the same [`Filter::coders`]. The reply is for the log.
    pub fn promote(self: &Rc<Self>, now: Millis) -> Exchange {
        let port = Rc::new(Port::background(now, self.config.limits.request_timeout()));
        Exchange::new(port.clone(), templates::scan::scan(Cx::new(self.clone(), port)))
    }

    /// Which Coders there are: the same for all workers that have the same ones.
    pub fn coders(&self) -> String {
        coders(&self.config)
    }

    /// To be called after every event: sees to it that Coder is read for this worker's watches, and that new Coders are found.
    pub fn keep(self: &Rc<Self>, now: Millis) {
        planes::keep(self, now);
        watch::keep(self, now);
    }

    /// When [`Filter::keep`] wants to be called next.
    pub fn wakes_at(&self) -> Option<Millis> {
        self.watching.wakes_at().into_iter().chain(self.discovering.wakes_at(self)).min()
    }

    /// Takes a request in. `in_work` is how many exchanges this worker has under way.
    pub fn receive(self: &Rc<Self>, request: Request, now: Millis, in_work: usize) -> Verdict {
        let is_aggregated = self.config.mode == Mode::Aggregated;
        let limits = &self.config.limits;
        let body = RequestBody::new(body_limit(&request, limits), self.bodies.clone(), limits.bodies());
        let port = Rc::new(Port::new(now, now.saturating_add(limits.request_timeout()), body));
        // Never refused for want of room: who finds no discovery believes that there is no such API.
        if is_aggregated && let Some(exchange) = aggregated::open(self, &port, &request) {
            return Verdict::Serve(exchange);
        }
        let caller = Caller::of(&request, &self.config);
        let place = match (request.place().or(is_aggregated.then_some(Place::Nowhere)), &caller) {
            (None, Ok(caller)) => return Verdict::Forward(caller.forwarded(&request)),
            (None, Err(status)) => {
                let reply = Reply::from(status);
                return Verdict::Serve(Exchange::new(port, async { reply }));
            }
            (Some(place), _) => place,
        };
        if in_work >= usize::try_from(self.config.limits.concurrent_requests).unwrap_or(usize::MAX) {
            let busy =
                Reply::from(&Status::too_many_requests("too many requests are in work, please try again", 1));
            return Verdict::Serve(Exchange::new(port, async { busy }));
        }
        let cx = Cx::new(self.clone(), port.clone());
        Verdict::Serve(Exchange::new(port, serve::serve(cx, place, request, caller)))
    }
}

fn coders(config: &Config) -> String {
    let planes = config.control_planes.iter().map(|plane| (plane.namespace.as_str(), &plane.cluster));
    let found = config.discovery.iter().map(|discovery| ("*", &discovery.egress));
    planes.chain(found).map(|(namespace, cluster)| format!("{namespace}={cluster};")).collect()
}

/// Most bytes of body that a request may have. Templates hold whole archives; Kubernetes' own limit holds for all else.
fn body_limit(request: &Request, limits: &Limits) -> usize {
    match request.method() {
        "GET" | "HEAD" => 0,
        "POST" | "PUT" | "PATCH" if request.path().contains("/codertemplates") => limits.template_body(),
        _ => limits.body(),
    }
}
