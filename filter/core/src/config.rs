//! The plugin's configuration: JSON in, a checked [`Config`] out, or a message that names the field.
//!
//! Holds names of Envoy clusters and places, never a credential: tokens are injected by Envoy's own upstream filters.

mod discovery;
mod watch;

pub use discovery::{Discovery, Egress, parse_url};
pub use watch::{Bell, Watch};

use crate::json::{self, Read, Scalar, Unfit, object};
use crate::time::Millis;
use std::fmt;

/// What the filter is told at start. One value for every worker; it does not change while Envoy runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// How the filter stands in the path.
    pub mode: Mode,
    /// How kube-apiserver is reached.
    pub kubernetes: Kubernetes,
    /// The Coders that are served, each in a namespace of its own.
    pub control_planes: Vec<ControlPlane>,
    /// Bounds that protect Coder, kube-apiserver and the worker.
    pub limits: Limits,
    /// How changes are found in Coder, and what wakes those who watch.
    pub watch: Watch,
    /// Further Coders, by their `CoderControlPlane` objects. Without it there are none but [`control_planes`](Self::control_planes).
    pub discovery: Option<Discovery>,
}

object!(Config { mode, kubernetes } { control_planes as "controlPlanes", limits, watch, discovery } closed);

/// How the filter stands in the path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Envoy stands in front of kube-apiserver; callers bring their own credentials.
    #[default]
    Front,
    /// kube-apiserver calls Envoy, because an APIService says so; it tells over mutual TLS who its caller is.
    Aggregated,
}

impl Read<'_> for Mode {
    fn expected(&self) -> &'static str {
        "a string"
    }
    fn scalar(&mut self, scalar: Scalar<'_>) -> Result<(), Unfit> {
        *self = match scalar {
            Scalar::Text(mode) if mode == "front" => Self::Front,
            Scalar::Text(mode) if mode == "aggregated" => Self::Aggregated,
            Scalar::Text(mode) => {
                return Err(Unfit::Value(format!(
                    "unknown variant `{mode}`, expected `front` or `aggregated`"
                )));
            }
            _ => return Err(Unfit::Kind),
        };
        Ok(())
    }
}

/// How kube-apiserver is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubernetes {
    /// Envoy cluster without a client certificate. In front of kube-apiserver for what carries its own bearer token; in aggregated mode it adds the
    /// filter's own token, and all questions go there.
    pub cluster: String,
    /// Envoy cluster with the front-proxy certificate: for callers whose client certificate Envoy has verified.
    /// Without it such callers are refused. Not in aggregated mode, where nothing is passed on.
    pub front_proxy_cluster: Option<String>,
    /// Host name sent to kube-apiserver.
    pub authority: String,
}

object!(Kubernetes { cluster } { front_proxy_cluster as "frontProxyCluster", authority } closed);

impl Default for Kubernetes {
    fn default() -> Self {
        let (cluster, front_proxy_cluster) = Default::default();
        Self { cluster, front_proxy_cluster, authority: "kubernetes.default.svc".to_owned() }
    }
}

/// One Coder and the namespace that stands for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlPlane {
    /// The namespace whose workspaces and templates are this Coder's.
    pub namespace: String,
    /// Envoy cluster of Coder's API; that cluster adds the session token.
    pub cluster: String,
    /// Host name sent to Coder.
    pub authority: String,
    /// Where people open Coder's dashboard; `status.url` begins with it.
    pub dashboard_url: String,
    /// Whether deleting the namespace deletes its workspaces and templates in Coder. Without it they survive: losing a namespace must not lose
    /// people's work.
    pub delete_with_namespace: bool,
    /// Only of one that was discovered, never in the configuration: how it is called.
    pub egress: Option<Egress>,
}

object!(
    ControlPlane { namespace, cluster, authority, dashboard_url as "dashboardURL" }
    { delete_with_namespace as "deleteWithNamespace" }
    closed
);

/// Bounds that protect Coder, kube-apiserver and the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest a request may take, calls to Coder and kube-apiserver included. 1 to 55: kube-apiserver gives up at 60.
    pub request_timeout_seconds: u32,
    /// How long a decision of the cluster's RBAC is believed. 0 to 60; 0 asks every time.
    pub decision_cache_seconds: u32,
    /// Requests in work at once on one worker; the next is answered 429. 1 to 100000.
    pub concurrent_requests: u32,
    /// Watches open at once on one worker; the next is answered 429. 1 to 1000000.
    pub watches: u32,
    /// Workspaces asked of Coder in one call when a list is read. 1 to 5000.
    pub list_page_size: u32,
    /// Longest body of a request that is not a template's, in bytes. 1024 to 33554432.
    pub body_bytes: u32,
    /// Longest body of a request that is a template's, in bytes: JSON can make an archive six times as long. 1024 to 134217728.
    pub template_body_bytes: u32,
    /// All request bodies that one worker holds at once, in bytes; the next is answered 429. 1048576 to 1073741824.
    pub held_body_bytes: u32,
    /// Largest archive made of a template's files, in bytes. Coder's provisioner refuses jobs above 4 MiB. 10240 to 104857600.
    pub template_archive_bytes: u32,
}

object!(
    Limits
    {}
    {
        request_timeout_seconds as "requestTimeoutSeconds", decision_cache_seconds as "decisionCacheSeconds",
        concurrent_requests as "concurrentRequests", watches, list_page_size as "listPageSize", body_bytes as "bodyBytes",
        template_body_bytes as "templateBodyBytes", held_body_bytes as "heldBodyBytes",
        template_archive_bytes as "templateArchiveBytes"
    }
    closed
);

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_timeout_seconds: 30,
            decision_cache_seconds: 10,
            concurrent_requests: 1000,
            watches: 20_000,
            list_page_size: 2000,
            body_bytes: 3 * 1024 * 1024,
            template_body_bytes: 32 * 1024 * 1024,
            held_body_bytes: 256 * 1024 * 1024,
            template_archive_bytes: 4_100_000,
        }
    }
}

impl Limits {
    /// [`request_timeout_seconds`](Self::request_timeout_seconds) in milliseconds.
    pub fn request_timeout(&self) -> Millis {
        Millis::from(self.request_timeout_seconds).saturating_mul(1000)
    }

    /// [`body_bytes`](Self::body_bytes) as a length.
    pub fn body(&self) -> usize {
        length(self.body_bytes)
    }

    /// [`template_body_bytes`](Self::template_body_bytes) as a length.
    pub fn template_body(&self) -> usize {
        length(self.template_body_bytes)
    }

    /// [`held_body_bytes`](Self::held_body_bytes) as a length.
    pub fn bodies(&self) -> usize {
        length(self.held_body_bytes)
    }

    /// [`template_archive_bytes`](Self::template_archive_bytes) as a length.
    pub fn template_archive(&self) -> usize {
        length(self.template_archive_bytes)
    }

    /// [`decision_cache_seconds`](Self::decision_cache_seconds) in milliseconds.
    pub fn decision_cache(&self) -> Millis {
        Millis::from(self.decision_cache_seconds).saturating_mul(1000)
    }
}

fn length(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Why a configuration cannot be used: the field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Path of the field, such as `controlPlanes[1].namespace`; `.` is the whole.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid configuration: {}: {}", self.field, self.problem)
    }
}

impl Config {
    /// Reads and checks the plugin's `configuration` (a JSON object).
    pub fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        if json.iter().all(u8::is_ascii_whitespace) {
            return Err(error(".", "is empty; a JSON object with mode and kubernetes is needed"));
        }
        let mut config: Self =
            json::read(json).map_err(|e| error(if e.path.is_empty() { "." } else { &e.path }, &e.problem))?;
        config.check()?;
        for plane in &mut config.control_planes {
            let bare = plane.dashboard_url.trim_end_matches('/').len();
            plane.dashboard_url.truncate(bare);
        }
        Ok(config)
    }

    /// The Coder behind a namespace.
    pub fn control_plane(&self, namespace: &str) -> Option<&ControlPlane> {
        self.control_planes.iter().find(|plane| plane.namespace == namespace)
    }

    fn check(&self) -> Result<(), ConfigError> {
        not_empty("kubernetes.cluster", &self.kubernetes.cluster)?;
        authority("kubernetes.authority", &self.kubernetes.authority)?;
        let aggregated = self.mode == Mode::Aggregated;
        if let Some(cluster) = &self.kubernetes.front_proxy_cluster {
            if aggregated {
                let problem = "is of no use in aggregated mode: nothing is passed on to kube-apiserver";
                return Err(error("kubernetes.frontProxyCluster", problem));
            }
            not_empty("kubernetes.frontProxyCluster", cluster)?;
            if *cluster == self.kubernetes.cluster {
                return Err(error(
                    "kubernetes.frontProxyCluster",
                    "must not be kubernetes.cluster: a bearer token sent with the front-proxy certificate could act as the front proxy",
                ));
            }
        }
        for (index, plane) in self.control_planes.iter().enumerate() {
            let field = |name: &str| format!("controlPlanes[{index}].{name}");
            if !is_dns_label(&plane.namespace) {
                return Err(error(
                    &field("namespace"),
                    &format!(
                        "{:?} is not a namespace name (a DNS label of at most 63 characters)",
                        plane.namespace
                    ),
                ));
            }
            if self.control_planes.iter().take(index).any(|earlier| earlier.namespace == plane.namespace) {
                return Err(error(&field("namespace"), &format!("{:?} is named twice", plane.namespace)));
            }
            not_empty(&field("cluster"), &plane.cluster)?;
            if aggregated && plane.cluster == self.kubernetes.cluster {
                let problem = "must not be kubernetes.cluster, which adds the filter's own token";
                return Err(error(&field("cluster"), problem));
            }
            authority(&field("authority"), &plane.authority)?;
            if !is_base_url(&plane.dashboard_url) {
                return Err(error(
                    &field("dashboardURL"),
                    &format!(
                        "{:?} is not an http or https URL without query or fragment",
                        plane.dashboard_url
                    ),
                ));
            }
        }
        let limits = &self.limits;
        range("limits.requestTimeoutSeconds", limits.request_timeout_seconds, 1, 55)?;
        range("limits.decisionCacheSeconds", limits.decision_cache_seconds, 0, 60)?;
        range("limits.concurrentRequests", limits.concurrent_requests, 1, 100_000)?;
        range("limits.watches", limits.watches, 1, 1_000_000)?;
        range("limits.listPageSize", limits.list_page_size, 1, 5000)?;
        let front_proxy = self.kubernetes.front_proxy_cluster.iter();
        let clusters = self.control_planes.iter().map(|plane| &plane.cluster).chain(front_proxy);
        // Where callers bring their own credentials, they must be judged by those alone.
        let judging = (!aggregated).then_some(&self.kubernetes.cluster);
        let clusters = clusters.chain(judging).map(String::as_str);
        if let Some(discovery) = &self.discovery {
            discovery.check(clusters.clone(), &self.kubernetes.cluster)?;
        }
        self.watch.check(clusters.chain(self.discovery.iter().map(|discovery| discovery.egress.as_str())))
    }
}

fn error(field: &str, problem: &str) -> ConfigError {
    ConfigError { field: field.to_owned(), problem: problem.to_owned() }
}

fn not_empty(field: &str, value: &str) -> Result<(), ConfigError> {
    if value.is_empty() { Err(error(field, "must not be empty")) } else { Ok(()) }
}

fn authority(field: &str, value: &str) -> Result<(), ConfigError> {
    if is_authority(value) {
        return Ok(());
    }
    Err(error(field, &format!("{value:?} is not a host name with an optional port")))
}

fn is_authority(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
    !value.is_empty() && value.chars().all(plain)
}

/// Paths are appended to it, so it ends with its host or a path.
fn is_base_url(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return false;
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    is_authority(host) && is_plain_path(path)
}

fn is_plain_path(path: &str) -> bool {
    path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '"' | '\\' | '<' | '>'))
}

fn range(field: &str, value: u32, least: u32, most: u32) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(error(field, &format!("{value} is not between {least} and {most}")))
}

fn is_dns_label(name: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let edge = |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let bytes = name.as_bytes();
    bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().copied().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANE: &str = r#"{"namespace":"coder","cluster":"coder","authority":"coder:80","dashboardURL":"https://coder.example.com"}"#;

    fn with(plane: &str, rest: &str) -> String {
        format!(r#"{{"mode":"front","kubernetes":{{"cluster":"kube"}},"controlPlanes":[{plane}]{rest}}}"#)
    }

    #[test]
    fn a_small_one_is_enough() {
        let config = Config::parse(with(PLANE, "").as_bytes()).unwrap();
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.kubernetes.authority, "kubernetes.default.svc");
        assert!(config.control_plane("coder").is_some());
        assert!(config.control_plane("other").is_none());
    }

    #[test]
    fn errors_name_the_field() {
        let check = |json: &str, field: &str, problem: &str| {
            let e = Config::parse(json.as_bytes()).unwrap_err();
            assert_eq!(e.field, field, "{e}");
            assert!(e.problem.contains(problem), "{e}");
        };
        check("", ".", "is empty");
        check("[]", ".", "invalid type");
        check(r#"{"mode":"front"}"#, ".", "missing field `kubernetes`");
        check(r#"{"mode":"sideways","kubernetes":{"cluster":"k"}}"#, "mode", "unknown variant `sideways`");
        check(
            r#"{"mode":"aggregated","kubernetes":{"cluster":"k","frontProxyCluster":"f"}}"#,
            "kubernetes.frontProxyCluster",
            "of no use",
        );
        check(
            &with(PLANE, "").replace("front", "aggregated").replace("kube\"}", "coder\"}"),
            "controlPlanes[0].cluster",
            "must not be kubernetes.cluster",
        );
        check(r#"{"mode":"front","kubernetes":{"cluster":"k"}} x"#, ".", "trailing characters");
        check(r#"{"mode":"front","kubernetes":{"cluster":""}}"#, "kubernetes.cluster", "must not be empty");
        check(&with("", r#","limit":{}"#), "limit", "unknown field `limit`");
        check(
            &with(PLANE, r#","limits":{"listPageSize":0}"#),
            "limits.listPageSize",
            "0 is not between 1 and 5000",
        );
        check(
            &with(PLANE, r#","limits":{"listPageSize":"1"}"#),
            "limits.listPageSize",
            "invalid type: string",
        );
        check(&with(&format!("{PLANE},{PLANE}"), ""), "controlPlanes[1].namespace", "named twice");
        check(
            &with(&PLANE.replace("\"coder\",\"cluster", "\"Coder\",\"cluster"), ""),
            "controlPlanes[0].namespace",
            "not a namespace",
        );
        check(
            &with(&PLANE.replace("https://", "ftp://"), ""),
            "controlPlanes[0].dashboardURL",
            "not an http or https URL",
        );
        check(
            &with(&PLANE.replace("example.com", "example.com/?a"), ""),
            "controlPlanes[0].dashboardURL",
            "without query",
        );
        check(
            &with(&PLANE.replace("coder:80", "co der"), ""),
            "controlPlanes[0].authority",
            "not a host name",
        );
        check(
            r#"{"mode":"front","kubernetes":{"cluster":"k","frontProxyCluster":"k"}}"#,
            "kubernetes.frontProxyCluster",
            "must not be kubernetes.cluster",
        );
    }
}
