//! One more Envoy beside the lab's own, for one test: with its configuration, changed where the test says so. It can be killed and
//! started again, which the lab's own Envoy is not for.
//!
//! Where Envoy stands behind kube-apiserver nobody leads kube-apiserver to it (a [`crate::Balancer`] can): the test speaks to it as
//! kube-apiserver does, with the front proxy's certificate and headers that say who is asking.

use crate::{Endpoint, Lab, Mode, envoy::eventually};
use std::sync::atomic::{AtomicU16, Ordering};
use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Envoy compiles the module at its start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where an Envoy behind kube-apiserver is asked for its CAs, by itself.
const SOCKET: &str = "authorities.sock";

/// See the module. The process ends with this value.
#[derive(Debug)]
pub struct Replica {
    program: PathBuf,
    folder: PathBuf,
    url: String,
    /// For those who do not come through kube-apiserver.
    direct_url: String,
    admin: String,
    ca: Vec<u8>,
    caller: Caller,
    workers: u16,
    child: Option<Child>,
}

/// How the admin is known to it.
#[derive(Debug)]
enum Caller {
    Token(String),
    Proxy { certificate: Vec<u8>, key: Vec<u8> },
}

impl Caller {
    fn of(lab: &Lab) -> Caller {
        let read = |file: &PathBuf| fs::read(file).expect("the front proxy's certificate");
        match &lab.front_proxy {
            Some((certificate, key)) => Caller::Proxy { certificate: read(certificate), key: read(key) },
            None => Caller::Token(lab.admin_token.clone()),
        }
    }
}

impl Replica {
    /// Starts it with one worker. Each change is a literal of the configuration and what stands in its place.
    ///
    /// # Panics
    /// When a literal does not occur, or Envoy does not start.
    pub fn start(lab: &Lab, changes: &[(&str, &str)]) -> Replica {
        Replica::with_workers(lab, changes, 1)
    }

    /// Starts it with so many workers.
    ///
    /// # Panics
    /// As [`Replica::start`].
    pub fn with_workers(lab: &Lab, changes: &[(&str, &str)], workers: u16) -> Replica {
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let mut config = fs::read_to_string(variable("ENVOY_CONFIG")).expect("ENVOY_CONFIG can be read");
        let folder = std::env::temp_dir().join(format!("coder-kube-{}", crate::scratch::unique()));
        fs::create_dir_all(&folder).expect("a folder for a replica");
        let port = |url: &str| url.rsplit(':').next().expect("a port").to_owned();
        let probes = variable("ENVOY_PROBES");
        let mut listeners = vec![&lab.envoy_url, &lab.envoy_admin, &probes];
        listeners.extend(&lab.envoy_direct_url);
        let ports: Vec<(String, String)> = listeners
            .iter()
            .map(|old| (format!("port_value: {} ", port(old)), format!("port_value: {} ", free_port())))
            .collect();
        let log = folder.join("access.log").display().to_string();
        let mut fixed = vec![(variable("ENVOY_ACCESS_LOG"), log)];
        if lab.mode == Mode::Aggregated {
            let socket = PathBuf::from(variable("ENVOY_CONFIG")).with_file_name(SOCKET);
            fixed.push((socket.display().to_string(), folder.join(SOCKET).display().to_string()));
        }
        let changes = changes.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned()));
        for (old, new) in ports.iter().cloned().chain(fixed).chain(changes) {
            assert!(config.contains(&old), "the lab's configuration does not say {old:?}");
            config = config.replace(&old, &new);
        }
        fs::write(folder.join("envoy.yaml"), config).expect("the replica's configuration");
        let number = |index: usize| ports[index].1.trim_start_matches("port_value: ").trim().to_owned();
        let mut replica = Replica {
            program: variable("ENVOY_BIN").into(),
            folder,
            url: format!("https://127.0.0.1:{}", number(0)),
            direct_url: format!("https://127.0.0.1:{}", number(if lab.mode == Mode::Front { 0 } else { 3 })),
            admin: format!("http://127.0.0.1:{}", number(1)),
            ca: fs::read(&lab.envoy_ca).expect("ENVOY_CA can be read"),
            caller: Caller::of(lab),
            workers,
            child: None,
        };
        replica.launch();
        replica
    }

    /// This Envoy, as the admin: by bearer token, or as kube-apiserver says it.
    pub fn front(&self) -> Endpoint {
        let endpoint = Endpoint::from_url(&self.url).with_ca(&self.ca);
        match &self.caller {
            Caller::Token(token) => endpoint.with_token(token),
            Caller::Proxy { certificate, key } => endpoint
                .with_identity(certificate, key)
                .with_header("X-Remote-User", "admin")
                .with_header("X-Remote-Group", "system:masters"),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.url.trim_start_matches("https://").to_owned()
    }

    /// A kubeconfig that leads there, otherwise the lab's: to where clients come in that do not come through kube-apiserver.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn kubeconfig(&self, lab: &Lab) -> PathBuf {
        let text = fs::read_to_string(&lab.kubeconfig).expect("KUBECONFIG can be read");
        let changed = text.replace(&lab.front_url, &self.direct_url);
        assert_ne!(text, changed, "KUBECONFIG does not name {}", lab.front_url);
        let path = |file: &PathBuf| file.display().to_string();
        let changed = changed.replace(&path(&lab.front_ca), &path(&lab.envoy_ca));
        let file = self.folder.join("kubeconfig");
        fs::write(&file, changed).expect("the replica's kubeconfig");
        file
    }

    /// Base URL of its admin interface.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Its access log so far.
    pub fn access_log(&self) -> String {
        fs::read_to_string(self.folder.join("access.log")).unwrap_or_default()
    }

    /// Ends it without any farewell.
    ///
    /// # Panics
    /// When the process cannot be ended.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("Envoy can be killed");
            child.wait().expect("Envoy can be waited for");
        }
    }

    /// Starts it (again).
    ///
    /// # Panics
    /// When it does not serve in time.
    pub fn launch(&mut self) {
        let log = fs::File::create(self.folder.join("envoy.log")).expect("the replica's log");
        let errors = log.try_clone().expect("the replica's log");
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).args(["--config-path", "envoy.yaml"]);
        command.args(["--disable-hot-restart", "--log-level", "warning", "--concurrency"]);
        command.arg(self.workers.to_string());
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        self.child = Some(command.spawn().expect("Envoy can be started"));
        let admin = Endpoint::from_url(&self.admin);
        eventually("the replica serves", PATIENCE, || {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            let log = || fs::read_to_string(self.folder.join("envoy.log")).unwrap_or_default();
            assert!(ended.is_none(), "the replica has ended: {}", log());
            let ready = admin.try_send(&crate::Request::get("/ready"));
            ready.is_ok_and(|ready| ready.status() == 200).then_some(())
        });
        if matches!(self.caller, Caller::Proxy { .. }) {
            let front = self.front();
            eventually("the replica knows the CA of kube-apiserver", PATIENCE, || {
                let ready = front.try_send(&crate::Request::get("/readyz"));
                ready.is_ok_and(|ready| ready.status() == 200).then_some(())
            });
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Nothing better can be done about a process that is gone already.
            drop(child.kill());
            drop(child.wait());
        }
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

/// A port that nobody listens on, and that nobody else has been given: Envoy would share one with it and not complain. Below the range from which
/// the kernel takes the local ends of connections.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % 6000).expect("small");
    loop {
        let port = 14_000 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 6000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
