//! Who is asking, as far as it can be told without asking: the credentials, and how they travel to kube-apiserver.
//!
//! Judges nothing; kube-apiserver does, each time it is shown them. Never printed.

use super::request::Request;
use crate::config::Config;
use crate::kube::headers::{self, AUTHORIZATION};
use crate::kube::status::Status;
use crate::kube::{subject, user::UserInfo};

/// Header prefix of what only the proxy may tell the filter and itself.
const INTERNAL: &str = "x-coder-kube-";

/// The credentials of a request.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The Envoy cluster by which these credentials may travel.
    pub(super) cluster: String,
    /// Headers that carry them, impersonation included.
    pub(super) headers: Vec<(String, String)>,
    /// The user that a client certificate names.
    certificate: Option<UserInfo>,
}

/// How the headers of a request change when it goes on to kube-apiserver.
#[derive(PartialEq, Eq)]
pub struct Forwarded {
    /// Names of headers that go.
    pub remove: Vec<String>,
    /// Headers that are added afterwards.
    pub add: Vec<(String, String)>,
}

impl Caller {
    /// Reads the credentials of a request. A verified client certificate comes before a bearer token, as in kube-apiserver.
    pub(super) fn of(request: &Request, config: &Config) -> Result<Self, Status> {
        let mut text = Vec::with_capacity(request.headers().len());
        for (name, value) in request.headers() {
            if name.eq_ignore_ascii_case(AUTHORIZATION) || headers::is_impersonation(name) {
                // A value that is not text cannot be copied faithfully, so nothing is asked in its name.
                let value = std::str::from_utf8(value).map_err(|_| Status::unauthorized("Unauthorized"))?;
                text.push((name.as_str(), value));
            }
        }
        let identity = headers::identity(text)?;
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let Some(subject) = request.client_certificate() else {
            let headers = identity.into_iter().map(owned).collect();
            return Ok(Self { cluster: config.kubernetes.cluster.clone(), headers, certificate: None });
        };
        let user = std::str::from_utf8(subject).ok().and_then(|subject| subject::parse(subject).ok());
        let (Some(user), Some(cluster)) = (user, &config.kubernetes.front_proxy_cluster) else {
            return Err(Status::unauthorized("Unauthorized"));
        };
        let mut headers = user.front_proxy_headers();
        // The bearer token stays behind: beside the front-proxy certificate it could speak for the front proxy.
        headers.extend(identity.into_iter().filter(|(name, _)| headers::is_impersonation(name)).map(owned));
        Ok(Self { cluster: cluster.clone(), headers, certificate: Some(user) })
    }

    /// Whether there are no credentials at all.
    pub(super) fn is_anonymous(&self) -> bool {
        self.headers.is_empty()
    }

    /// The whole of the credentials as a cache's key; equal keys are equal callers.
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(256);
        let mut part = |text: &str| {
            key.extend_from_slice(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            key.extend_from_slice(text.as_bytes());
        };
        part(&self.cluster);
        for (name, value) in &self.headers {
            part(name);
            part(value);
        }
        key
    }

    /// How this request travels on to kube-apiserver: without what only we may set, and where a certificate was verified, with its user.
    pub(super) fn forwarded(&self, request: &Request) -> Forwarded {
        let certified = self.certificate.is_some();
        let goes = |name: &str| {
            let name = name.to_ascii_lowercase();
            headers::is_reserved(&name) || name.starts_with(INTERNAL) || (certified && name == AUTHORIZATION)
        };
        let mut remove: Vec<String> =
            request.headers().iter().map(|(name, _)| name).filter(|name| goes(name)).cloned().collect();
        remove.dedup();
        let add = self.certificate.as_ref().map(UserInfo::front_proxy_headers).unwrap_or_default();
        Forwarded { remove, add }
    }
}
