//! The lab's environment: read once per test, checked as a whole, never guessed.
//!
//! A person's own `KUBECONFIG` alone never makes the suite run: the lab counts as present only when variables that nothing
//! but `.lab/env` sets are there.

use crate::{Endpoint, Kubectl};
use std::{
    env,
    fs::File,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// kube-apiserver with etcd, or coderd with PostgreSQL.
    Real,
    /// The project's stand-in.
    Standin,
}

/// Where Envoy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Clients of the cluster come through Envoy.
    Front,
    /// kube-apiserver sends Envoy what is ours, as an APIService says.
    Aggregated,
}

/// One running lab, held by a test for as long as the test runs.
///
/// Most tests share the lab; those that inject faults, count upstream requests, rotate tokens or kill the VM hold it alone. Those that
/// write share it with each other, because readers compare lists that must not change meanwhile.
/// The lock is a file, so it also holds between test binaries that run at the same time.
#[derive(Debug)]
pub struct Lab {
    /// Where Envoy stands.
    pub mode: Mode,
    /// What Coder is.
    pub parts: Parts,
    /// What kube-apiserver is.
    pub kube: Parts,
    /// Whether kube-controller-manager runs.
    pub controllers: bool,
    /// kubeconfig of clients of the cluster (through Envoy, where it stands in front); contexts: the current one (admin, bearer token), `cert` and `alice`.
    pub kubeconfig: PathBuf,
    /// kubeconfig of kube-apiserver itself, as admin.
    pub kubeconfig_direct: PathBuf,
    /// Bearer token of the admin.
    pub admin_token: String,
    /// Bearer token of a user who has no rights at all.
    pub user_token: String,
    /// The namespace that is mapped to Coder.
    pub namespace: String,
    /// Base URL of Coder.
    pub coder_url: String,
    /// A session token of Coder's owner, the one Envoy injects.
    pub coder_token: String,
    /// The SDS file that Envoy reads that token from.
    pub coder_token_file: PathBuf,
    /// Base URL of Envoy's admin interface.
    pub envoy_admin: String,
    /// Where clients of the cluster come in: Envoy, or kube-apiserver when Envoy stands behind it.
    pub front_url: String,
    /// PEM file of the CA that signed that server's certificate.
    pub front_ca: PathBuf,
    /// Base URL of Envoy's main listener: for clients, or for kube-apiserver.
    pub envoy_url: String,
    /// Base URL of Envoy's listener for those who do not come through kube-apiserver, where Envoy stands behind it.
    pub envoy_direct_url: Option<String>,
    /// Certificate and key with which kube-apiserver connects to Envoy, where it does.
    pub front_proxy: Option<(PathBuf, PathBuf)>,
    /// PEM file of the CA that signed Envoy's certificate.
    pub envoy_ca: PathBuf,
    /// Envoy's own log and its access log, where the lab says where they are.
    logs: Vec<PathBuf>,
    /// A Python that has the official Kubernetes client, where there is one.
    pub python: Option<PathBuf>,
    /// Base URL of the stand-in's control interface; only with [`Parts::Standin`].
    pub standin_url: Option<String>,
    /// Whether the module was built with the `chaos` feature.
    pub chaos: bool,
    /// Whether watches stay open; without a bell they are long polls.
    pub bell: bool,
    /// The kubectl binary.
    pub kubectl_path: PathBuf,
    lock: Arc<File>,
}

/// The lock that all writing tests of this process hold together.
static WRITERS: Mutex<Weak<File>> = Mutex::new(Weak::new());

/// Variables that only `.lab/env` sets; if none is there, there is no lab.
const LAB_ONLY: [&str; 4] = ["ENVOY_URL", "ENVOY_ADMIN", "LAB_PARTS", "KUBECONFIG_DIRECT"];

impl Lab {
    /// The lab, shared with other tests; `None` (after a line that says so) when there is none.
    ///
    /// # Panics
    /// When the environment is there in part, or missing although `E2E_REQUIRED=1`.
    pub fn shared() -> Option<Lab> {
        let lab = Lab::from_env()?;
        lab.lock.lock_shared().expect("the suite's lock file can be locked");
        Some(lab)
    }

    /// The lab, for this test alone; otherwise as [`Lab::shared`].
    ///
    /// # Panics
    /// As [`Lab::shared`].
    pub fn exclusive() -> Option<Lab> {
        let lab = Lab::from_env()?;
        lab.lock.lock().expect("the suite's lock file can be locked");
        Some(lab)
    }

    /// The lab, shared with the other tests of this process that write, and with nobody else.
    ///
    /// # Panics
    /// As [`Lab::shared`].
    pub fn writing() -> Option<Lab> {
        let mut lab = Lab::from_env()?;
        let mut writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        match writers.upgrade() {
            Some(lock) => lab.lock = lock,
            None => {
                lab.lock.lock().expect("the suite's lock file can be locked");
                *writers = Arc::downgrade(&lab.lock);
            }
        }
        Some(lab)
    }

    /// The lab alone, with the stand-in for Coder, for tests that only it can serve; `None` when Coder is real, or there is no lab.
    ///
    /// # Panics
    /// As [`Lab::shared`].
    pub fn exclusive_standin() -> Option<Lab> {
        let lab = Lab::exclusive()?;
        if lab.parts == Parts::Standin {
            return Some(lab);
        }
        skip("needs the stand-in, which can be told to misbehave");
        None
    }

    /// True with a real kube-apiserver; otherwise says what was skipped.
    pub fn is_real(&self, what: &str) -> bool {
        holds(self.kube == Parts::Real, &format!("{what}: the stand-in has none"))
    }

    /// True where kube-apiserver is the stand-in, which can be told to misbehave; otherwise says that this was skipped.
    pub fn kube_misbehaves(&self) -> bool {
        holds(self.kube == Parts::Standin, "a real kube-apiserver cannot be told to misbehave")
    }

    /// True where Envoy stands in front of kube-apiserver; otherwise says why this was skipped. For what has no counterpart behind it.
    pub fn front_only(&self, why: &str) -> bool {
        holds(self.mode == Mode::Front, &format!("only in front of kube-apiserver: {why}"))
    }

    /// True where Envoy stands behind kube-apiserver; otherwise says that this was skipped.
    pub fn aggregated_only(&self) -> bool {
        holds(self.mode == Mode::Aggregated, "only behind kube-apiserver")
    }

    /// The setting that says the mode, as the filter's configuration has it: where a test puts others beside it.
    pub fn mode_setting(&self) -> &'static str {
        match self.mode {
            Mode::Front => "\"mode\": \"front\",",
            Mode::Aggregated => "\"mode\": \"aggregated\",",
        }
    }

    /// kubectl where clients of the cluster come in, as the kubeconfig's current user (admin by bearer token).
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(&self.kubectl_path, &self.kubeconfig)
    }

    /// kubectl at kube-apiserver itself, past Envoy.
    pub fn kubectl_direct(&self) -> Kubectl {
        Kubectl::new(&self.kubectl_path, &self.kubeconfig_direct)
    }

    /// Where clients of the cluster come in, as the admin by bearer token.
    pub fn front(&self) -> Endpoint {
        self.front_anonymous().with_token(&self.admin_token)
    }

    /// Where clients of the cluster come in, as the user who has no rights.
    pub fn front_user(&self) -> Endpoint {
        self.front_anonymous().with_token(&self.user_token)
    }

    /// Where clients of the cluster come in, without any credentials.
    pub fn front_anonymous(&self) -> Endpoint {
        self.anonymous_at(&self.front_url)
    }

    /// Where clients of the cluster come in, as the admin, by another way to the same server.
    pub fn front_at(&self, url: &str) -> Endpoint {
        self.anonymous_at(url).with_token(&self.admin_token)
    }

    fn anonymous_at(&self, url: &str) -> Endpoint {
        let ca = std::fs::read(&self.front_ca).expect("FRONT_CA can be read");
        Endpoint::from_url(url).with_ca(&ca)
    }

    /// Where clients of the cluster come in, as the admin by client certificate.
    pub fn front_cert(&self) -> Endpoint {
        self.kubectl().context("cert").endpoint()
    }

    /// kube-apiserver itself, as the admin.
    pub fn direct(&self) -> Endpoint {
        self.kubectl_direct().endpoint()
    }

    /// kube-apiserver itself, as the user who has no rights.
    pub fn direct_user(&self) -> Endpoint {
        self.kubectl_direct().server().with_token(&self.user_token)
    }

    /// kube-apiserver itself, without any credentials.
    pub fn direct_anonymous(&self) -> Endpoint {
        self.kubectl_direct().server()
    }

    /// Coder itself, with the owner's token in the header that Coder reads.
    pub fn coder(&self) -> Endpoint {
        Endpoint::from_url(&self.coder_url).with_header("Coder-Session-Token", &self.coder_token)
    }

    /// The path of a collection in the mapped namespace, or of what `rest` says below it.
    pub fn path(&self, rest: &str) -> String {
        format!("{}/namespaces/{}/{rest}", crate::GROUP_VERSION, self.namespace)
    }

    /// Envoy's own log and its access log, where the lab says where they are.
    pub fn logs(&self) -> &[PathBuf] {
        &self.logs
    }

    fn from_env() -> Option<Lab> {
        let required = env::var("E2E_REQUIRED").is_ok_and(|v| v == "1");
        if !required && LAB_ONLY.iter().all(|name| env::var_os(name).is_none()) {
            skip("no lab in the environment (cargo xtask lab up; set -a; . .lab/env)");
            return None;
        }
        let parts = |name: &str| match var(name).as_str() {
            "real" => Parts::Real,
            "standin" => Parts::Standin,
            other => panic!("{name} is {other:?}; expected real or standin"),
        };
        let mode = match var("LAB_MODE").as_str() {
            "front" => Mode::Front,
            "aggregated" => Mode::Aggregated,
            other => panic!("LAB_MODE is {other:?}; expected front or aggregated"),
        };
        let coder = parts("LAB_PARTS");
        let behind = mode == Mode::Aggregated;
        let lock = env::temp_dir().join("coder-kube-e2e.lock");
        Some(Lab {
            mode,
            parts: coder,
            kube: parts("LAB_KUBE"),
            controllers: env::var("LAB_CONTROLLERS").is_ok_and(|v| v == "1"),
            kubeconfig: var("KUBECONFIG").into(),
            kubeconfig_direct: var("KUBECONFIG_DIRECT").into(),
            admin_token: var("ADMIN_TOKEN"),
            user_token: var("USER_TOKEN"),
            namespace: var("NS"),
            coder_url: var("CODER_URL"),
            coder_token: var("CODER_TOKEN"),
            coder_token_file: var("CODER_TOKEN_FILE").into(),
            envoy_admin: var("ENVOY_ADMIN"),
            front_url: var("FRONT_URL"),
            front_ca: var("FRONT_CA").into(),
            envoy_url: var("ENVOY_URL"),
            envoy_direct_url: behind.then(|| var("ENVOY_DIRECT_URL")),
            front_proxy: behind.then(|| (var("FRONT_PROXY_CERT").into(), var("FRONT_PROXY_KEY").into())),
            envoy_ca: var("ENVOY_CA").into(),
            logs: ["ENVOY_LOG", "ENVOY_ACCESS_LOG"]
                .into_iter()
                .filter_map(env::var_os)
                .map(PathBuf::from)
                .collect(),
            python: env::var_os("PYTHON_KUBERNETES").filter(|path| !path.is_empty()).map(PathBuf::from),
            standin_url: (coder == Parts::Standin).then(|| var("STANDIN_URL")),
            chaos: env::var("LAB_CHAOS").is_ok_and(|v| v == "1"),
            bell: env::var("WATCH").is_ok_and(|watch| watch == "bell"),
            kubectl_path: var("KUBECTL").into(),
            lock: Arc::new(File::create(lock).expect("the suite's lock file can be made")),
        })
    }
}

fn var(name: &str) -> String {
    match env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!("{name} is not set: the suite needs the whole environment of .lab/env"),
    }
}

/// Whether a test's condition holds; otherwise says why it was skipped.
fn holds(condition: bool, why: &str) -> bool {
    if !condition {
        skip(why);
    }
    condition
}

/// Says what a test leaves out, and why. libtest shows it with `--show-output`.
pub fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    println!("skipped {test}: {why}");
}
