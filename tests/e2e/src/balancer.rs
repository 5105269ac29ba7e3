//! A balancer of TCP connections, as a Service is, that can be cut: one of several Envoys takes each connection, or nobody.
//!
//! With one server behind it, it is a wire that a test can cut and mend.

use crate::{Endpoint, GROUP_VERSION, Lab, Mode, Request, Response, envoy::eventually, replica::free_port};
use serde_json::json;
use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// The name of our APIService, and of the Service that it names, with that one's namespace.
const APISERVICE: &str = "v1alpha1.aggregation.coder.com";
const SERVICE: &str = "coder-kube-filter";

/// See the module. It ends, with every connection, with this value.
#[derive(Debug)]
pub struct Balancer {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    servers: Vec<String>,
    next: AtomicUsize,
    cut: AtomicBool,
    over: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Balancer {
    /// Before these servers, each `host:port`.
    ///
    /// # Panics
    /// When there is no port to listen on.
    pub fn before(servers: &[String]) -> Balancer {
        let port = free_port();
        let shared = Arc::new(Shared {
            servers: servers.to_vec(),
            next: AtomicUsize::default(),
            cut: AtomicBool::default(),
            over: AtomicBool::default(),
            open: Mutex::default(),
        });
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port for the balancer");
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&accepting, port, Some(listener)));
        Balancer { port, shared }
    }

    /// Where it listens, as a URL of that scheme.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Refuses connections from now on, and ends those that are open.
    pub fn cut(&self) {
        self.shared.cut.store(true, Ordering::SeqCst);
        self.shuffle();
    }

    /// Takes connections again.
    ///
    /// # Panics
    /// When it does not within seconds.
    pub fn mend(&self) {
        self.shared.cut.store(false, Ordering::SeqCst);
        eventually("the balancer listens again", Duration::from_secs(10), || {
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    /// Ends all connections: who comes again may come to another server.
    pub fn shuffle(&self) {
        for stream in lock(&self.shared.open).drain(..) {
            // Whoever has ended it by then needs no telling.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    fn ends(&self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.cut();
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.ends();
    }
}

/// kube-apiserver is led to other Envoys for as long as this is there, where it leads to Envoy at all.
#[derive(Debug)]
pub struct Led<'lab> {
    lab: &'lab Lab,
    front: Endpoint,
}

impl<'lab> Led<'lab> {
    /// Clients of the cluster come to these Envoys by way of the balancer; returns when they serve workspaces of that namespace.
    ///
    /// # Panics
    /// When kube-apiserver does not follow.
    pub fn to(lab: &'lab Lab, balancer: &Balancer, namespace: &str) -> Led<'lab> {
        let front = match lab.mode {
            Mode::Front => {
                let ca = std::fs::read(&lab.envoy_ca).expect("ENVOY_CA can be read");
                Endpoint::from_url(&balancer.url("https")).with_ca(&ca).with_token(&lab.admin_token)
            }
            Mode::Aggregated => {
                lead(lab, balancer.port);
                lab.front()
            }
        };
        let target = format!("{GROUP_VERSION}/namespaces/{namespace}/coderworkspaces");
        let led = Led { lab, front };
        led.until(&target, |answer| answer.json()["items"].get(0).is_some());
        led
    }

    /// Where clients come in, as the admin by bearer token.
    pub fn front(&self) -> Endpoint {
        self.front.clone()
    }

    /// Waits until a GET is answered as wanted.
    fn until(&self, target: &str, wanted: impl Fn(&Response) -> bool) {
        eventually(&format!("{target} is served"), Duration::from_secs(60), || {
            let answer = self.front.try_send(&Request::get(target)).ok()?;
            (answer.status() == 200 && wanted(&answer)).then_some(())
        });
    }
}

impl Drop for Led<'_> {
    fn drop(&mut self) {
        if self.lab.mode == Mode::Aggregated {
            let port = self.lab.envoy_url.rsplit(':').next().and_then(|port| port.parse().ok());
            lead(self.lab, port.expect("ENVOY_URL has a port"));
        }
    }
}

/// Has kube-apiserver find our group on that port of loopback.
fn lead(lab: &Lab, port: u16) {
    let kubectl = lab.kubectl_direct();
    let patch = |what: &[&str], patch: serde_json::Value| {
        let patch = patch.to_string();
        kubectl.run_args(&[&["patch"], what, &["--type=merge", "-p", &patch]].concat()).ok();
    };
    patch(&["service", SERVICE, "-n", SERVICE], json!({"spec": {"ports": [{"port": port}]}}));
    patch(&["apiservice", APISERVICE], json!({"spec": {"service": {"port": port}}}));
}

fn accept(shared: &Arc<Shared>, port: u16, first: Option<TcpListener>) {
    let mut listener = first;
    while !shared.over.load(Ordering::SeqCst) {
        if shared.cut.load(Ordering::SeqCst) {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(("127.0.0.1", port)).ok();
        }
        let taken = listener.as_ref().and_then(|listener| {
            listener.set_nonblocking(true).ok()?;
            listener.accept().ok()
        });
        match taken {
            // Dropped when nobody takes it: its client sees that it ends.
            Some((client, _)) => drop(connect(shared, client)),
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Joins a client to the next server that takes it.
fn connect(shared: &Arc<Shared>, client: TcpStream) -> io::Result<()> {
    client.set_nonblocking(false)?;
    let first = shared.next.fetch_add(1, Ordering::Relaxed);
    let count = shared.servers.len();
    let mut servers = (0..count).map(|step| &shared.servers[(first + step) % count]);
    let Some(server) = servers.find_map(|server| TcpStream::connect(server).ok()) else {
        return client.shutdown(Shutdown::Both);
    };
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    for (from, to) in [(client.try_clone()?, server.try_clone()?), (server.try_clone()?, client.try_clone()?)]
    {
        thread::spawn(move || carry(from, to));
    }
    let mut open = lock(&shared.open);
    open.extend([client, server]);
    drop(open);
    // A cut that came in between has not seen this one.
    if shared.cut.load(Ordering::SeqCst) {
        lock(&shared.open).drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }
    Ok(())
}

/// Copies until either end has had enough, and ends both directions then.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    drop(io::copy(&mut from, &mut to));
    for stream in [from, to] {
        drop(stream.shutdown(Shutdown::Both));
    }
}

fn lock(open: &Mutex<Vec<TcpStream>>) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
