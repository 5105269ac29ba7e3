//! Control planes that are discovered: where their objects are looked for, and how they are called.
//!
//! Holds no token: those are read at run time, and stay in the worker's memory (`planes`).

use super::{ConfigError, error, is_authority, is_plain_path, not_empty, range};
use crate::json::object;
use crate::time::Millis;

/// Where `CoderControlPlane` objects are looked for, and how the Coders that they stand for are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Envoy cluster of kube-apiserver that adds the filter's own token.
    pub cluster: String,
    /// Envoy cluster that leads to the egress listener, which calls whatever host a request names.
    pub egress: String,
    /// How often the objects and their Secrets are read. 5 to 600.
    pub refresh_seconds: u32,
    /// As [`ControlPlane::delete_with_namespace`](super::ControlPlane::delete_with_namespace), for all that are discovered.
    pub delete_with_namespace: bool,
}

object!(
    Discovery { cluster, egress }
    { refresh_seconds as "refreshSeconds", delete_with_namespace as "deleteWithNamespace" }
    closed
);

impl Default for Discovery {
    fn default() -> Self {
        let (cluster, egress, delete_with_namespace) = Default::default();
        Self { cluster, egress, refresh_seconds: 30, delete_with_namespace }
    }
}

impl Discovery {
    /// [`refresh_seconds`](Self::refresh_seconds) in milliseconds.
    pub fn refresh(&self) -> Millis {
        Millis::from(self.refresh_seconds).saturating_mul(1000)
    }

    /// `others` are the clusters that must not add a token of the filter's.
    pub(super) fn check<'a>(
        &'a self,
        mut others: impl Iterator<Item = &'a str> + Clone,
        kubernetes: &'a str,
    ) -> Result<(), ConfigError> {
        not_empty("discovery.cluster", &self.cluster)?;
        not_empty("discovery.egress", &self.egress)?;
        range("discovery.refreshSeconds", self.refresh_seconds, 5, 600)?;
        let mut all = others.clone().chain([kubernetes, &self.cluster]);
        if all.any(|other| other == self.egress) {
            return Err(error(
                "discovery.egress",
                "must not be named elsewhere: it leads to any host, with a Coder's token",
            ));
        }
        if others.any(|other| other == self.cluster) {
            return Err(error(
                "discovery.cluster",
                "must not be a Coder's, nor where callers are judged: it adds the filter's own token",
            ));
        }
        Ok(())
    }
}

/// How a Coder that was discovered is called: what stands in its object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Egress {
    /// By TLS.
    pub https: bool,
    /// What its URL says before the path of a call; empty, or begins with `/` and does not end so.
    pub prefix: String,
    /// Tells this object and URL from all others: whatever was known of another Coder is not this one's.
    pub identity: u64,
}

/// Takes a base URL apart: by TLS, host with an optional port, path without a `/` at its end.
pub fn parse_url(url: &str) -> Option<(bool, &str, &str)> {
    let url = url.trim();
    let (https, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return None,
    };
    let at = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(at)?;
    let path = path.trim_end_matches('/');
    let port = host.rsplit_once(']').map_or(host, |(_, port)| port).split_once(':');
    let fits = is_authority(host)
        && !host.starts_with(':')
        && port.is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port != 0))
        && is_plain_path(path)
        && !path.split('/').any(|segment| matches!(segment, "." | ".."));
    fits.then_some((https, host, path))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn urls() {
        let check =
            |url: &str, expect: Option<(bool, &str, &str)>| assert_eq!(parse_url(url), expect, "{url}");
        check("http://coder.ns.svc.cluster.local:80", Some((false, "coder.ns.svc.cluster.local:80", "")));
        check(" https://coder.example.com/ ", Some((true, "coder.example.com", "")));
        check("https://h:8443/a/b//", Some((true, "h:8443", "/a/b")));
        check("https://[::1]:3000/x", Some((true, "[::1]:3000", "/x")));
        for url in [
            "",
            "coder",
            "ftp://h",
            "http://",
            "http:///x",
            "http://:80",
            "http://h:",
            "http://h:0",
            "http://h:65536",
            "http://u:p@h",
            "http://h/a?b",
            "http://h/#c",
            "http://h/../x",
            "http://h\r\nx: y",
            "http://h/a b",
        ] {
            check(url, None);
        }
    }

    #[test]
    fn errors_name_the_field() {
        let parse = |discovery: &str| {
            let json = format!(
                r#"{{"mode":"front","kubernetes":{{"cluster":"kube"}},"controlPlanes":[{{"namespace":"coder","cluster":"coder","authority":"coder:80","dashboardURL":"https://c"}}],"discovery":{discovery}}}"#
            );
            Config::parse(json.as_bytes()).map(|config| config.discovery)
        };
        let expect = Discovery {
            cluster: "kube-filter".to_owned(),
            egress: "egress".to_owned(),
            ..Discovery::default()
        };
        assert_eq!(parse(r#"{"cluster":"kube-filter","egress":"egress"}"#), Ok(Some(expect)));
        assert_eq!(parse("null"), Ok(None));
        let check = |discovery: &str, field: &str, problem: &str| {
            let e = parse(discovery).unwrap_err();
            assert_eq!(e.field, field, "{e}");
            assert!(e.problem.contains(problem), "{e}");
        };
        check("{}", "discovery", "missing field `cluster`");
        check(r#"{"cluster":"k","egress":"e","url":""}"#, "discovery.url", "unknown field `url`");
        check(r#"{"cluster":"","egress":"e"}"#, "discovery.cluster", "must not be empty");
        check(r#"{"cluster":"k","egress":""}"#, "discovery.egress", "must not be empty");
        check(r#"{"cluster":"coder","egress":"e"}"#, "discovery.cluster", "must not be a Coder's");
        check(r#"{"cluster":"kube","egress":"e"}"#, "discovery.cluster", "nor where callers are judged");
        for egress in ["coder", "kube", "k"] {
            check(
                &format!(r#"{{"cluster":"k","egress":"{egress}"}}"#),
                "discovery.egress",
                "named elsewhere",
            );
        }
        for seconds in [4, 601] {
            let discovery = format!(r#"{{"cluster":"k","egress":"e","refreshSeconds":{seconds}}}"#);
            check(&discovery, "discovery.refreshSeconds", "is not between 5 and 600");
        }
    }
}
