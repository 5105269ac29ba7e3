//! ListOptions from the query, validated as kube-apiserver does (metav1 `ListOptions`, internalversion/validation).
//!
//! Unknown parameters are ignored, as Kubernetes ignores them.

use super::continue_token::ContinueToken;
use super::query::Query;
use super::quote::Quoted;
use super::selectors::{FieldSelector, LabelSelector};
use super::status::{Cause, GroupResource, Status};

/// From which state a list or watch is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResourceVersion {
    /// Not given: the most recent.
    #[default]
    Unset,
    /// `0`: any, a cached one too.
    Any,
    /// This one, read by [`ResourceVersionMatch`].
    At(u64),
}

/// How [`ResourceVersion::At`] is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceVersionMatch {
    /// Exactly that state.
    Exact,
    /// That state or a later one.
    NotOlderThan,
}

/// What a list, watch or deletecollection asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// By labels.
    pub label_selector: LabelSelector,
    /// By fields; only supported ones occur.
    pub field_selector: FieldSelector,
    /// Size of a page, in objects; none means all.
    pub limit: Option<u64>,
    /// Where a list goes on.
    pub continue_token: Option<ContinueToken>,
    /// From which state.
    pub resource_version: ResourceVersion,
    /// How `resource_version` is meant; none means Kubernetes' rules for old clients.
    pub resource_version_match: Option<ResourceVersionMatch>,
    /// Whether a watch is wanted.
    pub watch: bool,
    /// Whether a watcher understands bookmarks.
    pub allow_watch_bookmarks: bool,
    /// Whether a watch begins with the present state.
    pub send_initial_events: Option<bool>,
    /// Seconds after which a watch (or list) ends.
    pub timeout_seconds: Option<u64>,
}

impl ListOptions {
    /// Reads the query of a list, watch or deletecollection; `fields` are those that can be selected by.
    ///
    /// # Errors
    /// 400 for what cannot be read, 422 for combinations that Kubernetes forbids, 410 for a continue token that is not
    /// ours or cannot be read.
    pub fn parse(query: &Query, fields: &[&str]) -> Result<Self, Status> {
        let text = |name| query.get(name).filter(|value| !value.is_empty());
        let options = Self {
            label_selector: LabelSelector::parse(query.get("labelSelector").unwrap_or(""))?,
            field_selector: FieldSelector::parse(query.get("fieldSelector").unwrap_or(""))?,
            limit: integer(query, "limit")?.filter(|limit| *limit > 0),
            continue_token: None,
            resource_version: resource_version(text("resourceVersion"))?,
            resource_version_match: None,
            watch: query.flag("watch").unwrap_or(false),
            allow_watch_bookmarks: query.flag("allowWatchBookmarks").unwrap_or(false),
            send_initial_events: query.flag("sendInitialEvents"),
            timeout_seconds: integer(query, "timeoutSeconds")?.filter(|seconds| *seconds > 0),
        };
        let (version_match, token) = (text("resourceVersionMatch"), text("continue"));
        options.check(text("resourceVersion"), version_match, token)?;
        options.field_selector.check_supported(fields)?;
        let continue_token = match token {
            Some(_) if matches!(options.resource_version, ResourceVersion::At(_)) => {
                let message = "specifying resource version is not allowed when using continue";
                return Err(Status::bad_request(message));
            }
            other => other.map(ContinueToken::decode).transpose()?,
        };
        let resource_version_match = version_match.map(|value| match value {
            "Exact" => ResourceVersionMatch::Exact,
            _ => ResourceVersionMatch::NotOlderThan,
        });
        Ok(Self { continue_token, resource_version_match, ..options })
    }

    /// Whether any selector limits the answer; a page's `remainingItemCount` is only told when none does.
    #[must_use]
    pub fn has_selector(&self) -> bool {
        !(self.label_selector.is_empty() && self.field_selector.is_empty())
    }

    /// The combinations that internalversion/validation forbids.
    fn check(
        &self,
        version: Option<&str>,
        version_match: Option<&str>,
        token: Option<&str>,
    ) -> Result<(), Status> {
        const MATCH: &str = "resourceVersionMatch";
        let mut causes = Vec::new();
        let mut forbid = |field: &str, why: &str| causes.push(Cause::forbidden(field, why));
        let not_older = version_match == Some("NotOlderThan");
        if self.watch && self.send_initial_events.is_some() && !not_older {
            forbid(MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
        }
        if self.watch && version_match.is_some() && self.send_initial_events.is_none() {
            forbid(MATCH, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
        }
        if !self.watch && version_match.is_some() && version.is_none() {
            forbid(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if version_match.is_some() && token.is_some() {
            forbid(MATCH, "resourceVersionMatch is forbidden when continue is provided");
        }
        if self.watch && token.is_some() {
            forbid("continue", "continue is forbidden for watch");
        }
        if !self.watch && version_match == Some("Exact") && version == Some("0") {
            forbid(MATCH, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
        if !self.watch && self.send_initial_events.is_some() {
            forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
        }
        let supported: &[&str] = if self.watch { &["NotOlderThan"] } else { &["Exact", "NotOlderThan", ""] };
        if let Some(value) = version_match.filter(|value| !supported.contains(value)) {
            causes.push(Cause::not_supported(MATCH, value, supported));
        }
        if causes.is_empty() {
            return Ok(());
        }
        let kind = GroupResource { group: "meta.k8s.io", resource: "ListOptions" };
        Err(Status::invalid(kind, "", causes))
    }
}

fn integer(query: &Query, name: &str) -> Result<Option<u64>, Status> {
    let Some(value) = query.get(name) else { return Ok(None) };
    let problem = match value.parse::<i64>() {
        Ok(number) => match u64::try_from(number) {
            Ok(number) => return Ok(Some(number)),
            Err(_) => "must be greater than or equal to 0",
        },
        Err(_) => "must be an integer",
    };
    Err(bad_value(name, value, problem))
}

fn resource_version(value: Option<&str>) -> Result<ResourceVersion, Status> {
    let Some(value) = value else { return Ok(ResourceVersion::Unset) };
    match value.parse() {
        Ok(0) => Ok(ResourceVersion::Any),
        Ok(version) => Ok(ResourceVersion::At(version)),
        Err(_) => Err(bad_value("resourceVersion", value, "must be a decimal number")),
    }
}

fn bad_value(field: &str, value: &str, problem: &str) -> Status {
    Status::bad_request(format!("{field}: Invalid value: {}: {problem}", Quoted(value)))
}

#[cfg(test)]
mod tests;
