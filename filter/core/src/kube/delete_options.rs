//! `metav1.DeleteOptions`: from the query and, which is where kubectl puts them, from the body.

use super::query::Query;
use super::status::Status;
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

#[derive(Default)]
struct Wire {
    dry_run: Vec<String>,
    propagation_policy: Option<String>,
    preconditions: Preconditions,
}

object!(Wire {} { dry_run as "dryRun", propagation_policy as "propagationPolicy", preconditions });

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
    /// 400 for what cannot be read, 422 for values that do not exist, 415 for another kind of body.
    pub fn read(query: &Query, _content_type: Option<&str>, body: &[u8]) -> Result<Self, Status> {
        let wire: Wire = match body {
            [] => Wire::default(),
            body => json::read(body).map_err(|e| Status::bad_request(e.to_string()))?,
        };
        let policy = wire.propagation_policy.as_deref().or(query.get("propagationPolicy"));
        Ok(Self {
            dry_run: wire.dry_run.iter().map(String::as_str).chain(query.get("dryRun")).any(|v| v == "All"),
            propagation_policy: match policy {
                Some("Orphan") => Some(PropagationPolicy::Orphan),
                Some("Foreground") => Some(PropagationPolicy::Foreground),
                Some("Background") => Some(PropagationPolicy::Background),
                _ => None,
            },
            uid: wire.preconditions.uid,
            resource_version: wire.preconditions.resource_version,
        })
    }
}
