//! A client's request as the host saw it, and the places that are ours.

use crate::api::v1alpha1::GROUP;
use crate::kube::query::Query;
use crate::kube::status::Status;
use std::fmt;

/// The headers of a request and what Envoy knows of its connection.
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    proof: Proof,
}

/// What Envoy vouches for, by the route that was taken: the mere presence of a certificate proves nothing, for a listener may accept those it cannot
/// verify. Subjects are RFC 2253.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing.
    None,
    /// A verified certificate of the cluster's clients.
    Client(Certificate),
    /// One that the request-header authority has signed: kube-apiserver's, if its name is allowed.
    FrontProxy(Certificate),
    /// Envoy itself asks, for an authority's certificates.
    Envoy(Authority),
}

/// Who signs certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authority {
    /// Of the cluster's clients.
    Client,
    /// Of kube-apiserver when it calls.
    RequestHeader,
}

/// What Envoy says of a certificate that it has *verified*.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Its subject (RFC 2253).
    pub subject: Vec<u8>,
    /// The SHA-256 of all of it, in hexadecimal digits; empty where Envoy does not say.
    pub sha256: Vec<u8>,
}

/// Headers carry credentials and stay out of what is printed.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path())
    }
}

impl Request {
    /// `headers` with names in lower case, pseudo-headers among them; `client_certificate` one that Envoy has *verified*.
    pub fn new(headers: Vec<(String, Vec<u8>)>, client_certificate: Option<Certificate>) -> Self {
        let text = |name: &str| {
            let value = headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.clone());
            String::from_utf8(value.unwrap_or_default()).unwrap_or_default()
        };
        let proof = client_certificate.map_or(Proof::None, Proof::Client);
        Self { method: text(":method"), target: text(":path"), headers, proof }
    }

    /// A request that came by this route; `certificate` is the connection's, whether or not it was verified. Routes that match only verified certificates
    /// have names that begin `client-certificate` or `front-proxy`.
    pub fn by_route(
        headers: Vec<(String, Vec<u8>)>,
        route: &[u8],
        certificate: impl FnOnce() -> Certificate,
    ) -> Self {
        let proof = match route {
            b"authority-client" => Proof::Envoy(Authority::Client),
            b"authority-request-header" => Proof::Envoy(Authority::RequestHeader),
            route if route.starts_with(b"client-certificate") => Proof::Client(certificate()),
            route if route.starts_with(b"front-proxy") => Proof::FrontProxy(certificate()),
            _ => Proof::None,
        };
        Self { proof, ..Self::new(headers, None) }
    }

    /// HTTP method; empty when it was not text.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Path as sent, without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The query, decoded.
    pub fn query(&self) -> Result<Query, Status> {
        Query::parse(self.target.split_once('?').map_or("", |(_, query)| query))
    }

    /// All headers, in order.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// The values of a header, comma-joined as RFC 9110 §5.2 allows; `None` when absent or not text.
    pub fn header(&self, name: &str) -> Option<String> {
        let mut values = self
            .headers
            .iter()
            .filter(|(header, _)| header == name)
            .map(|(_, value)| std::str::from_utf8(value));
        let mut joined = values.next()?.ok()?.to_owned();
        for value in values {
            joined.push(',');
            joined.push_str(value.ok()?);
        }
        Some(joined)
    }

    /// What Envoy vouches for.
    pub(super) fn proof(&self) -> &Proof {
        &self.proof
    }

    /// Which of our places is asked for; `None` is kube-apiserver's.
    pub fn place(&self) -> Option<Place> {
        let path = self.path();
        match path {
            "/apis" | "/apis/" => return Some(Place::Groups),
            "/openapi/v3" => return Some(Place::OpenApiIndex),
            "/openapi/v3/apis/aggregation.coder.com/v1alpha1" => return Some(Place::OpenApiDocument),
            _ => {}
        }
        let below = path.strip_prefix("/apis/")?.strip_prefix(GROUP)?;
        (below.is_empty() || below.starts_with('/')).then_some(Place::Group)
    }
}

/// The places that the filter serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `/apis`: kube-apiserver's list of groups, with ours.
    Groups,
    /// `/apis/aggregation.coder.com` and everything below.
    Group,
    /// `/openapi/v3`: kube-apiserver's index, with ours.
    OpenApiIndex,
    /// `/openapi/v3/apis/aggregation.coder.com/v1alpha1`.
    OpenApiDocument,
    /// Anything else, where there is no kube-apiserver behind us.
    Nowhere,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> Request {
        Request::new(vec![(":method".into(), b"GET".into()), (":path".into(), path.into())], None)
    }

    #[test]
    fn places_are_literal() {
        let check = |path: &str, expect: Option<Place>| assert_eq!(request(path).place(), expect, "{path}");
        check("/apis", Some(Place::Groups));
        check("/apis?timeout=32s", Some(Place::Groups));
        check("/apis/", Some(Place::Groups));
        check("/apis/aggregation.coder.com", Some(Place::Group));
        check("/apis/aggregation.coder.com/", Some(Place::Group));
        check("/apis/aggregation.coder.com/v1alpha1/../..", Some(Place::Group));
        check("/apis/aggregation.coder.com.evil/v1", None);
        check("/apis/Aggregation.coder.com/v1alpha1", None);
        check("/apis/apps/v1/../../aggregation.coder.com", None);
        check("//apis/aggregation.coder.com", None);
        check("/openapi/v3", Some(Place::OpenApiIndex));
        check("/openapi/v3/apis/aggregation.coder.com/v1alpha1?hash=x", Some(Place::OpenApiDocument));
        check("/openapi/v3/apis/apps/v1", None);
        check("*", None);
    }

    #[test]
    fn repeated_headers_are_joined() {
        let headers = vec![
            ("accept".into(), b"a".to_vec()),
            ("x".into(), vec![0xff]),
            ("accept".into(), b"b".to_vec()),
        ];
        let request = Request::new(headers, None);
        assert_eq!(request.header("accept").as_deref(), Some("a,b"));
        assert_eq!(request.header("x"), None);
        assert_eq!(request.header("y"), None);
    }
}
