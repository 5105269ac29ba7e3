//! What a request is about: verb and resource or path, as `k8s.io/apiserver/pkg/endpoints/request` finds them.

use axum::body::Body;
use axum::http::{Method, Request};

use super::authentication::User;
use super::method_verb;
use super::status::{Status, Subject};
use crate::query::{decode, pairs, value};

/// What authorisation asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) verb: String,
    pub(crate) target: Target,
}

/// What a request reaches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A path that is no resource.
    Path(String),
    /// A resource, or an object of it.
    Resource(Resource),
}

/// A resource; absent parts are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) name: String,
}

impl Attributes {
    pub(crate) fn of(request: &Request<Body>) -> Self {
        let path = decode(request.uri().path());
        let query = pairs(request.uri().query());
        let Some(mut resource) = Resource::parse(&path) else {
            return Self { verb: method_verb(request.method()), target: Target::Path(path) };
        };
        let watches = matches!(value(&query, "watch"), Some("true" | "1"));
        let verb = match *request.method() {
            Method::GET | Method::HEAD if watches => "watch",
            Method::GET | Method::HEAD if resource.name.is_empty() => "list",
            Method::GET | Method::HEAD => "get",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if resource.name.is_empty() => "deletecollection",
            Method::DELETE => "delete",
            _ => "",
        };
        if ["list", "watch"].contains(&verb) && resource.name.is_empty() {
            let selector = value(&query, "fieldSelector").unwrap_or_default();
            let name = selector.split(',').find_map(|term| term.strip_prefix("metadata.name="));
            resource.name = name.map(|name| name.trim_start_matches('=').into()).unwrap_or_default();
        }
        Self { verb: verb.into(), target: Target::Resource(resource) }
    }

    /// The error of somebody who may not.
    pub(crate) fn forbidden(&self, user: &User) -> Status {
        match &self.target {
            Target::Path(path) => {
                Status::forbidden_path(&format!("User {:?} cannot {} path {path:?}", user.name, self.verb))
            }
            Target::Resource(resource) => {
                let place = match resource.namespace.as_str() {
                    "" => "at the cluster scope".into(),
                    namespace => format!("in the namespace {namespace:?}"),
                };
                let why = format!(
                    "User {:?} cannot {} resource {:?} in API group {:?} {place}",
                    user.name,
                    self.verb,
                    resource.full_name(),
                    resource.group
                );
                Status::forbidden(resource.subject(), &why)
            }
        }
    }
}

impl Resource {
    fn parse(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let mut parts = path.strip_suffix('/').unwrap_or(path).split('/').collect::<Vec<_>>();
        let (group, version) = match parts[..] {
            ["api", version, _, ..] => ("", version),
            ["apis", group, version, _, ..] => (group, version),
            _ => return None,
        };
        parts.drain(..if group.is_empty() { 2 } else { 3 });
        let mut found = Self { group: group.into(), version: version.into(), ..Self::default() };
        if let ["namespaces", namespace, rest @ ..] = &parts[..] {
            found.namespace = (*namespace).into();
            if !rest.is_empty() && !["status", "finalize"].contains(&rest[0]) {
                parts.drain(..2);
            }
        }
        let mut parts = parts.into_iter().map(String::from);
        found.resource = parts.next()?;
        found.name = parts.next().unwrap_or_default();
        found.subresource = parts.next().unwrap_or_default();
        Some(found)
    }

    /// `pods/log`.
    pub(crate) fn full_name(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }

    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject { group: &self.group, resource: &self.resource, name: &self.name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, uri: &str, verb: &str, expect: [&str; 5]) {
        let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        let attributes = Attributes::of(&request);
        let Target::Resource(found) = &attributes.target else { panic!("{uri} is a resource") };
        let found = [&found.group, &found.namespace, &found.resource, &found.name, &found.subresource];
        assert_eq!((attributes.verb.as_str(), found.map(String::as_str)), (verb, expect), "{uri}");
    }

    #[test]
    fn requests_are_read_as_kube_apiserver_reads_them() {
        check(Method::GET, "/api/v1/pods", "list", ["", "", "pods", "", ""]);
        check(Method::GET, "/api/v1/pods?watch=1", "watch", ["", "", "pods", "", ""]);
        check(Method::GET, "/api/v1/namespaces/a", "get", ["", "a", "namespaces", "a", ""]);
        check(Method::GET, "/api/v1/namespaces/a/pods/b/log", "get", ["", "a", "pods", "b", "log"]);
        check(
            Method::DELETE,
            "/apis/g/v1/namespaces/a/things",
            "deletecollection",
            ["g", "a", "things", "", ""],
        );
        check(
            Method::GET,
            "/apis/g/v1/things?fieldSelector=metadata.name%3Db",
            "list",
            ["g", "", "things", "b", ""],
        );
    }

    #[test]
    fn paths_that_are_no_resources() {
        for uri in ["/", "/apis", "/apis/g/v1", "/api/v1", "/version"] {
            let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
            assert_eq!(Attributes::of(&request).target, Target::Path(uri.into()));
        }
    }
}
