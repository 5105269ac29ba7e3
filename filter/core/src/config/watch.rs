//! The settings of watches: how changes are found in Coder, and what wakes those who watch.
//!
//! Holds what the configuration says and checks it. What a bell is: `ARCHITECTURE.md`.

use super::{ConfigError, error, is_dns_label, not_empty, range};
use crate::json::object;
use crate::time::Millis;

/// How changes are found in Coder, and what wakes those who watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// What wakes every watcher of every replica. Without it a watch is a long poll: it ends after each batch of events.
    pub bell: Option<Bell>,
    /// How often Coder is asked for new provisioner jobs while somebody watches. 1 to 60.
    pub poll_seconds: u32,
    /// Least time between two full readings of Coder while somebody watches. 5 to 3600.
    pub reading_seconds: u32,
    /// Percent of the time that full readings may take: after one that took a second the next begins ten seconds after it did, with 10. 1 to 50.
    pub reading_share: u32,
}

object!(
    Watch
    {}
    {
        bell, poll_seconds as "pollSeconds", reading_seconds as "readingSeconds", reading_share as "readingShare"
    }
    closed
);

impl Default for Watch {
    fn default() -> Self {
        Self { bell: None, poll_seconds: 2, reading_seconds: 30, reading_share: 10 }
    }
}

/// A Lease that wakes watchers when it is changed, and the one whose holder asks Coder for all replicas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bell {
    /// Envoy cluster of kube-apiserver that adds the filter's own token.
    pub cluster: String,
    /// The namespace of both Leases.
    pub namespace: String,
    /// The Lease that is rung. Watches are carried by kube-apiserver's own watch of it.
    pub lease: String,
    /// The Lease whose holder asks Coder for all replicas. Not the bell, because its renewals must not wake anybody.
    pub poller_lease: String,
}

object!(Bell { cluster, namespace, lease, poller_lease as "pollerLease" } {} closed);

impl Watch {
    /// [`poll_seconds`](Self::poll_seconds) in milliseconds.
    pub fn poll(&self) -> Millis {
        Millis::from(self.poll_seconds).saturating_mul(1000)
    }

    /// [`reading_seconds`](Self::reading_seconds) in milliseconds.
    pub fn reading(&self) -> Millis {
        Millis::from(self.reading_seconds).saturating_mul(1000)
    }

    /// `others` are the clusters that are named elsewhere: a token of the filter must not be added to what a caller is judged by.
    pub(super) fn check<'a>(&self, others: impl Iterator<Item = &'a str>) -> Result<(), ConfigError> {
        range("watch.pollSeconds", self.poll_seconds, 1, 60)?;
        range("watch.readingSeconds", self.reading_seconds, 5, 3600)?;
        range("watch.readingShare", self.reading_share, 1, 50)?;
        self.bell.as_ref().map_or(Ok(()), |bell| bell.check(others))
    }
}

impl Bell {
    fn check<'a>(&self, mut others: impl Iterator<Item = &'a str>) -> Result<(), ConfigError> {
        not_empty("watch.bell.cluster", &self.cluster)?;
        if others.any(|other| other == self.cluster) {
            return Err(error(
                "watch.bell.cluster",
                "must not be named elsewhere: it adds the filter's own token to whatever is sent there",
            ));
        }
        let names =
            [("namespace", &self.namespace), ("lease", &self.lease), ("pollerLease", &self.poller_lease)];
        for (field, name) in names {
            if !is_dns_label(name) {
                return Err(error(
                    &format!("watch.bell.{field}"),
                    &format!("{name:?} is not a DNS label of at most 63 characters"),
                ));
            }
        }
        if self.lease == self.poller_lease {
            return Err(error(
                "watch.bell.pollerLease",
                "must not be watch.bell.lease: renewals would wake every watcher",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    const BELL: &str =
        r#"{"cluster":"kube-filter","namespace":"coder-kube-filter","lease":"bell","pollerLease":"poller"}"#;

    fn parse(watch: &str) -> Result<Watch, ConfigError> {
        let plane = r#"{"namespace":"coder","cluster":"coder","authority":"coder:80","dashboardURL":"https://coder.example.com"}"#;
        let kubernetes = r#"{"cluster":"kube","frontProxyCluster":"front"}"#;
        let json = format!(
            r#"{{"mode":"front","kubernetes":{kubernetes},"controlPlanes":[{plane}],"watch":{watch}}}"#
        );
        Config::parse(json.as_bytes()).map(|config| config.watch)
    }

    #[test]
    fn what_is_left_out_has_defaults() {
        let check = |json: &str, expect: Watch| assert_eq!(parse(json), Ok(expect), "{json}");
        check("{}", Watch::default());
        check(r#"{"bell":null}"#, Watch::default());
        check(
            r#"{"pollSeconds":1,"readingSeconds":3600,"readingShare":50}"#,
            Watch { poll_seconds: 1, reading_seconds: 3600, reading_share: 50, ..Watch::default() },
        );
        let bell = Bell {
            cluster: "kube-filter".to_owned(),
            namespace: "coder-kube-filter".to_owned(),
            lease: "bell".to_owned(),
            poller_lease: "poller".to_owned(),
        };
        check(&format!(r#"{{"bell":{BELL}}}"#), Watch { bell: Some(bell), ..Watch::default() });
        assert_eq!((Watch::default().poll(), Watch::default().reading()), (2000, 30_000));
    }

    #[test]
    fn in_aggregated_mode_one_cluster_is_enough() {
        let check = |mode: &str, expect: bool| {
            let json = format!(
                r#"{{"mode":"{mode}","kubernetes":{{"cluster":"kube-filter"}},"watch":{{"bell":{BELL}}}}}"#
            );
            assert_eq!(Config::parse(json.as_bytes()).is_ok(), expect, "{mode}");
        };
        check("aggregated", true);
        check("front", false);
    }

    #[test]
    fn errors_name_the_field() {
        let check = |watch: &str, field: &str, problem: &str| {
            let e = parse(watch).unwrap_err();
            assert_eq!(e.field, field, "{e}");
            assert!(e.problem.contains(problem), "{e}");
        };
        for (name, least, most) in
            [("pollSeconds", 1, 60), ("readingSeconds", 5, 3600), ("readingShare", 1, 50)]
        {
            let problem = format!("is not between {least} and {most}");
            for value in [least - 1, most + 1] {
                check(&format!(r#"{{"{name}":{value}}}"#), &format!("watch.{name}"), &problem);
            }
        }
        check(r#"{"pollMillis":1}"#, "watch.pollMillis", "unknown field `pollMillis`");
        check(r#"{"bell":{}}"#, "watch.bell", "missing field `cluster`");
        let bell = |old: &str, new: &str, field: &str, problem: &str| {
            assert!(BELL.contains(old), "{old}");
            let field = format!("watch.bell{field}");
            check(&format!(r#"{{"bell":{}}}"#, BELL.replace(old, new)), &field, problem);
        };
        bell(r#""lease":"bell","#, "", "", "missing field `lease`");
        bell(r#""lease":"bell","#, r#""lease":"bell","x":1,"#, ".x", "unknown field `x`");
        bell(r#""cluster":"kube-filter""#, r#""cluster":"""#, ".cluster", "must not be empty");
        for other in ["kube", "front", "coder"] {
            bell(
                r#""cluster":"kube-filter""#,
                &format!(r#""cluster":"{other}""#),
                ".cluster",
                "named elsewhere",
            );
        }
        for name in ["", "A", "a.b", "-a", "a/b", &"a".repeat(64)] {
            bell("\"coder-kube-filter\"", &format!("{name:?}"), ".namespace", "is not a DNS label");
            bell("\"bell\"", &format!("{name:?}"), ".lease", "is not a DNS label");
            bell("\"poller\"", &format!("{name:?}"), ".pollerLease", "is not a DNS label");
        }
        bell("\"poller\"", "\"bell\"", ".pollerLease", "must not be watch.bell.lease");
    }
}
