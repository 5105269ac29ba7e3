//! What a request below `/apis/{group}` asks for, as k8s.io/apiserver's requestinfo.go reads it.
//!
//! The deprecated `/watch/` and `/proxy/` path prefixes are not understood (they become a resource of that name, which
//! nobody has), and a path that could mean two things to two readers is refused rather than cleaned.

use super::percent::{self, DecodeError};
use super::query::Query;
use super::selectors::FieldSelector;
use super::status::{GroupResource, Status};

/// The verbs of RBAC on resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    /// The verb as RBAC rules and discovery spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// A request for a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRequest {
    /// What is to be done.
    pub verb: Verb,
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural resource name.
    pub resource: String,
    /// Namespace of the path; none means all of them.
    pub namespace: Option<String>,
    /// Name of the path, or the one that `fieldSelector=metadata.name=` of a list or watch demands: the name that
    /// authorisation asks for.
    pub name: Option<String>,
    /// Subresource, such as `log`.
    pub subresource: Option<String>,
    /// `fieldSelector` of what is about a collection, as sent.
    pub field_selector: Option<String>,
    /// `labelSelector` of the same.
    pub label_selector: Option<String>,
}

impl ResourceRequest {
    /// Group and resource, as messages name them.
    #[must_use]
    pub fn group_resource(&self) -> GroupResource<'_> {
        GroupResource { group: &self.group, resource: &self.resource }
    }
}

/// A parsed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestInfo {
    /// `GET /apis/{group}`.
    Group {
        /// API group.
        group: String,
    },
    /// `GET /apis/{group}/{version}`.
    Version {
        /// API group.
        group: String,
        /// API version.
        version: String,
    },
    /// A resource or subresource.
    Resource(ResourceRequest),
    /// Not below `/apis/{group}`.
    NonResource,
}

/// Parses a request.
///
/// `path` is raw and without the query. Each segment is decoded once; one trailing slash is tolerated.
///
/// # Errors
/// 404 for segments that are empty, `.`, `..`, or hold `/`, `%`, control characters or bytes that are not UTF-8 after
/// decoding, and for paths longer than Kubernetes' own; 400 for broken percent encoding; 405 for methods that no verb
/// stands for.
pub fn parse(method: &str, path: &str, query: &Query) -> Result<RequestInfo, Status> {
    let Some(rest) = path.strip_prefix("/apis/") else { return Ok(RequestInfo::NonResource) };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() && path == "/apis/" {
        return Ok(RequestInfo::NonResource);
    }
    let mut segments = rest.split('/').map(segment);
    let mut next = || segments.next().transpose();

    let group = next()?.unwrap_or_default();
    let Some(version) = next()? else {
        return only_get(method, RequestInfo::Group { group });
    };
    let Some(mut resource) = next()? else {
        return only_get(method, RequestInfo::Version { group, version });
    };
    let mut namespace = None;
    let mut name = next()?;
    let mut subresource = next()?;
    if resource == "namespaces" {
        namespace.clone_from(&name);
        if let Some(inner) = subresource.take() {
            resource = inner;
            name = next()?;
            subresource = next()?;
        }
    }
    if next()?.is_some() {
        return Err(Status::unknown_path());
    }
    let mut request = ResourceRequest {
        verb: Verb::Get,
        group,
        version,
        resource,
        namespace,
        name,
        subresource,
        field_selector: None,
        label_selector: None,
    };
    request.verb = verb(method, &request, query)?;
    if matches!(request.verb, Verb::List | Verb::Watch) {
        request.name = selected_name(query);
    }
    if matches!(request.verb, Verb::List | Verb::Watch | Verb::DeleteCollection) {
        let sent = |name| query.get(name).filter(|selector| !selector.is_empty()).map(str::to_owned);
        request.field_selector = sent("fieldSelector");
        request.label_selector = sent("labelSelector");
    }
    Ok(RequestInfo::Resource(request))
}

fn only_get(method: &str, info: RequestInfo) -> Result<RequestInfo, Status> {
    if method == "GET" { Ok(info) } else { Err(Status::method_not_allowed()) }
}

/// Decodes one segment and refuses what another reader could understand differently.
fn segment(raw: &str) -> Result<String, Status> {
    let decoded = percent::decode(raw, false).map_err(|error| match error {
        DecodeError::Escape => Status::bad_request("invalid URL escape in the path"),
        DecodeError::Utf8 => Status::unknown_path(),
    })?;
    if is_path_segment(&decoded) { Ok(decoded.into_owned()) } else { Err(Status::unknown_path()) }
}

/// Whether every reader of a path would take this for the same single segment.
fn is_path_segment(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.chars().any(|c| c == '/' || c == '%' || c.is_control())
}

fn verb(method: &str, request: &ResourceRequest, query: &Query) -> Result<Verb, Status> {
    let named = request.name.is_some();
    match method {
        "GET" if named => Ok(Verb::Get),
        "GET" if query.flag("watch") == Some(true) => Ok(Verb::Watch),
        "GET" => Ok(Verb::List),
        "POST" if !named || request.subresource.is_some() => Ok(Verb::Create),
        "PUT" if named => Ok(Verb::Update),
        "PATCH" if named => Ok(Verb::Patch),
        "DELETE" if named => Ok(Verb::Delete),
        "DELETE" => Ok(Verb::DeleteCollection),
        other => {
            let action = other.to_ascii_lowercase();
            Err(Status::method_not_supported(request.group_resource(), &action))
        }
    }
}

/// The one name that a list or watch is limited to. A selector that cannot be read is reported later, by
/// [`super::list_options::ListOptions::parse`]; Kubernetes ignores it here too.
fn selected_name(query: &Query) -> Option<String> {
    let selector = FieldSelector::parse(query.get("fieldSelector")?).ok()?;
    let name = selector.exact("metadata.name")?;
    is_path_segment(name).then(|| name.to_owned())
}

#[cfg(test)]
mod tests;
