//! `metav1.DeleteOptions`: from the query and, which is where kubectl puts them, from the body.
//!
//! kube-apiserver does not look at the query when there is a body. Here a body that does not say something leaves it to the query: a `dryRun`
//! that is not heard would delete.

use super::document;
use super::query::Query;
use super::quote::Quoted;
use super::status::{Cause, Status};
use super::write_options::{dry_run, invalid};
use crate::json::{self, object};

/// What becomes of dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum PropagationPolicy {
    Orphan,
    Background,
    Foreground,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Every check is made and nothing is changed.
    pub dry_run: bool,
    /// What becomes of dependents.
    pub propagation_policy: Option<PropagationPolicy>,
    /// The object must have this uid.
    pub uid: Option<String>,
    /// The object must have this version.
    pub resource_version: Option<String>,
}

/// The body. Unknown fields are ignored, as kube-apiserver does it here.
#[derive(Default)]
struct Wire {
    kind: String,
    api_version: String,
    dry_run: Vec<String>,
    propagation_policy: Option<String>,
    orphan_dependents: Option<bool>,
    grace_period_seconds: Option<i64>,
    preconditions: Preconditions,
}

object!(Wire {} {
    kind, api_version as "apiVersion", dry_run as "dryRun", propagation_policy as "propagationPolicy",
    orphan_dependents as "orphanDependents", grace_period_seconds as "gracePeriodSeconds", preconditions
});

#[derive(Default)]
struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

object!(Preconditions {} { uid, resource_version as "resourceVersion" });

impl DeleteOptions {
    /// Reads them; an empty body has none.
    ///
    /// # Errors
    /// 400 for what cannot be read, 422 for values that do not exist or contradict each other, 415 for another kind of body.
    pub fn read(query: &Query, content_type: Option<&str>, body: Vec<u8>) -> Result<Self, Status> {
        let mut wire = Wire::default();
        if body.is_empty() {
            wire.preconditions = Preconditions {
                uid: query.get("uid").map(str::to_owned),
                resource_version: query.get("resourceVersion").map(str::to_owned),
            };
        } else {
            let document = document::read(content_type, body)?;
            json::read_strictly(&document.json, &mut wire).map_err(|e| Status::bad_request(e.to_string()))?;
            check_type(&wire)?;
        }
        if let Some(seconds) = query.get("gracePeriodSeconds")
            && seconds.parse::<i64>().is_err()
        {
            let why = format!("strconv.ParseInt: parsing {}: invalid syntax", Quoted(seconds));
            return Err(Status::bad_request(why));
        }
        let mut causes = Vec::new();
        let asked: Vec<&str> =
            wire.dry_run.iter().map(String::as_str).chain(query.get_all("dryRun")).collect();
        let propagation_policy = policy(query, &wire, &mut causes);
        let dry_run = dry_run(&asked, &mut causes);
        if !causes.is_empty() {
            return Err(invalid("DeleteOptions", causes));
        }
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let Preconditions { uid, resource_version } = wire.preconditions;
        Ok(Self { dry_run, propagation_policy, uid: given(uid), resource_version: given(resource_version) })
    }
}

/// Clients name the core version, that of `meta.k8s.io`, that of the resource's own group, or nothing.
fn check_type(wire: &Wire) -> Result<(), Status> {
    if matches!(wire.kind.as_str(), "" | "DeleteOptions") {
        return Ok(());
    }
    let version = if wire.api_version.is_empty() { "meta.k8s.io/v1" } else { &wire.api_version };
    let why = format!("no kind {} is registered for version {}", Quoted(&wire.kind), Quoted(version));
    Err(Status::bad_request(why))
}

fn policy(query: &Query, wire: &Wire, causes: &mut Vec<Cause>) -> Option<PropagationPolicy> {
    const FIELD: &str = "propagationPolicy";
    let in_body = wire.propagation_policy.is_some() || wire.orphan_dependents.is_some();
    let (policy, orphan) = match in_body {
        true => (wire.propagation_policy.as_deref(), wire.orphan_dependents),
        false => (query.get(FIELD), query.flag("orphanDependents")),
    };
    match (policy, orphan) {
        (Some(policy), Some(_)) => {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            causes.push(Cause::invalid(FIELD, policy, why));
        }
        (None, Some(orphan)) => {
            return Some(if orphan { PropagationPolicy::Orphan } else { PropagationPolicy::Background });
        }
        _ => {}
    }
    match policy? {
        "Orphan" => Some(PropagationPolicy::Orphan),
        "Background" => Some(PropagationPolicy::Background),
        "Foreground" => Some(PropagationPolicy::Foreground),
        other => {
            causes.push(Cause::not_supported(FIELD, other, &["Foreground", "Background", "Orphan", "nil"]));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PropagationPolicy::{Background, Foreground, Orphan};

    fn read(query: &str, content_type: Option<&str>, body: &str) -> Result<DeleteOptions, Status> {
        DeleteOptions::read(&Query::parse(query).unwrap(), content_type, body.into())
    }

    #[track_caller]
    fn check(query: &str, body: &str, expect: &DeleteOptions) {
        assert_eq!(read(query, None, body).as_ref(), Ok(expect), "{query} {body}");
    }

    #[track_caller]
    fn refused(query: &str, body: &str, code: u16, message: &str) {
        let status = read(query, None, body).expect_err(body);
        assert_eq!((status.code, status.message.as_str()), (code, message), "{query} {body}");
    }

    #[test]
    fn what_clients_send() {
        let none = DeleteOptions::default();
        let policy = |policy| DeleteOptions { propagation_policy: Some(policy), ..none.clone() };
        check("", "", &none);
        check("", "{}", &none);
        // kubectl.
        check("", r#"{"propagationPolicy":"Background"}"#, &policy(Background));
        check(
            "",
            r#"{"propagationPolicy":"Background","dryRun":["All"]}"#,
            &DeleteOptions { dry_run: true, ..policy(Background) },
        );
        // client-go, and clients of single groups.
        for api_version in ["v1", "meta.k8s.io/v1", "aggregation.coder.com/v1alpha1"] {
            let body = format!(
                r#"{{"kind":"DeleteOptions","apiVersion":"{api_version}","gracePeriodSeconds":0,"preconditions":{{"uid":"u","resourceVersion":"7"}}}}"#
            );
            check(
                "",
                &body,
                &DeleteOptions { uid: Some("u".into()), resource_version: Some("7".into()), ..none.clone() },
            );
        }
        check("", r#"{"orphanDependents":true,"unknown":1}"#, &policy(Orphan));
        check("", r#"{"orphanDependents":false}"#, &policy(Background));
        check(
            "propagationPolicy=Foreground&dryRun=All&gracePeriodSeconds=0",
            "",
            &DeleteOptions { dry_run: true, ..policy(Foreground) },
        );
        check("orphanDependents=true", "", &policy(Orphan));
        check("uid=u&resourceVersion=", "", &DeleteOptions { uid: Some("u".into()), ..none.clone() });
        // Both.
        check(
            "dryRun=All&propagationPolicy=Orphan&uid=u",
            "{}",
            &DeleteOptions { dry_run: true, ..policy(Orphan) },
        );
        check("propagationPolicy=Orphan", r#"{"propagationPolicy":"Foreground"}"#, &policy(Foreground));
        let yaml = read("", Some("application/yaml"), "propagationPolicy: Background\n");
        assert_eq!(yaml, Ok(policy(Background)));
    }

    #[test]
    fn what_is_refused() {
        refused("", "{", 400, "EOF while parsing an object at line 1 column 1");
        refused(
            "",
            r#"{"kind":"Pod","apiVersion":"v1"}"#,
            400,
            r#"no kind "Pod" is registered for version "v1""#,
        );
        refused(
            "",
            r#"{"dryRun":"All"}"#,
            400,
            "dryRun: invalid type: string, expected a sequence at line 1 column 15",
        );
        refused("gracePeriodSeconds=x", "", 400, r#"strconv.ParseInt: parsing "x": invalid syntax"#);
        refused(
            "",
            r#"{"dryRun":["None"],"propagationPolicy":"background"}"#,
            422,
            r#"DeleteOptions.meta.k8s.io "" is invalid: [propagationPolicy: Unsupported value: "background": supported values: "Foreground", "Background", "Orphan", "nil", dryRun: Unsupported value: ["None"]: supported values: "All"]"#,
        );
        refused(
            "",
            r#"{"orphanDependents":false,"propagationPolicy":"Orphan"}"#,
            422,
            r#"DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set"#,
        );
        assert_eq!(read("", Some("text/plain"), "{}").unwrap_err().code, 415);
        assert!(read("", Some("text/plain"), "").is_ok());
    }
}
