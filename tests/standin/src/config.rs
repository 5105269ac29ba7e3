//! The stand-in's configuration: a JSON file for the program, a value for the library. Unknown fields are refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// Both servers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The stand-in Coder.
    pub coder: CoderConfig,
    /// The stand-in kube-apiserver.
    pub kube: KubeConfig,
}

/// The stand-in Coder: plain HTTP, empty until somebody creates the first user.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoderConfig {
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
    /// What it says its URL is (`/buildinfo`); its address when absent.
    #[serde(default)]
    pub access_url: Option<String>,
    /// Organizations beside the default one, `coder`. Coder makes them with a licence only, so the suite that is shared
    /// with coderd does without.
    #[serde(default)]
    pub organizations: Vec<String>,
    /// Which provisioners have a daemon; versions for another one stay pending for ever.
    #[serde(default = "echo_only")]
    pub provisioners: Vec<String>,
    /// Whether options that need a licence are kept (deprecation, required active version, schedules of templates).
    #[serde(default)]
    pub licensed: bool,
    /// How long jobs take.
    #[serde(default)]
    pub clock: JobClock,
}

/// How long provisioner jobs take, in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobClock {
    /// From creation until a daemon takes the job.
    pub pending_ms: i64,
    /// From then until it is done.
    pub running_ms: i64,
    /// From cancelling a running job until it ends.
    pub canceling_ms: i64,
}

impl Default for JobClock {
    fn default() -> Self {
        Self { pending_ms: 10, running_ms: 60, canceling_ms: 500 }
    }
}

/// The stand-in kube-apiserver: TLS only, HTTP/2 and HTTP/1.1.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeConfig {
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
    /// Certificates.
    pub tls: TlsConfig,
    /// Bearer tokens and whom they stand for.
    #[serde(default)]
    pub tokens: Vec<Token>,
    /// Who may do what, beyond what every cluster allows. `system:masters` may do everything.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Namespaces that exist at start.
    #[serde(default = "usual_namespaces")]
    pub namespaces: Vec<String>,
    /// Pods that exist at start.
    #[serde(default)]
    pub pods: Vec<Placed>,
    /// Leases that exist at start.
    #[serde(default)]
    pub leases: Vec<Placed>,
}

/// PEM files of the kube listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The server's certificate, followed by what chains it to its root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whose client certificates name users (CN) and their groups (O).
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// Whose client certificates may set `X-Remote-*`.
    #[serde(default)]
    pub front_proxy_ca: Option<PathBuf>,
    /// Common names that may; empty means any name the front-proxy CA signed.
    #[serde(default)]
    pub front_proxy_names: Vec<String>,
}

/// A bearer token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What clients send.
    pub token: String,
    /// User name.
    pub user: String,
    /// User id.
    #[serde(default)]
    pub uid: String,
    /// Groups, without `system:authenticated`, which everybody gets.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Further attributes.
    #[serde(default)]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// One rule with its subjects: a ClusterRole and its binding (a Role, when it names namespaces). `*` stands for all, as in
/// RBAC; a list that is absent matches nothing, except `names` and `namespaces`, which then match everything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Rule {
    /// The binding's and the role's name in the reason of an access review.
    pub name: String,
    /// Users it is for.
    pub users: Vec<String>,
    /// Groups it is for.
    pub groups: Vec<String>,
    /// `get`, `list`, `impersonate`, …
    pub verbs: Vec<String>,
    /// API groups; `""` is the core group.
    pub api_groups: Vec<String>,
    /// Plural resource names, subresources as `coderworkspaces/log`.
    pub resources: Vec<String>,
    /// Object names.
    pub names: Vec<String>,
    /// Namespaces.
    pub namespaces: Vec<String>,
    /// Paths that are no resources; a trailing `*` matches a prefix.
    #[serde(rename = "nonResourceURLs")]
    pub non_resource_urls: Vec<String>,
}

/// A namespaced object that exists at start; a pod runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// Its namespace, which must exist too.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

fn echo_only() -> Vec<String> {
    vec!["echo".into()]
}

fn usual_namespaces() -> Vec<String> {
    ["default", "kube-node-lease", "kube-public", "kube-system"].map(String::from).to_vec()
}
