//! Who is asking, as far as it can be told without asking: the credentials, and how they travel to kube-apiserver.
//!
//! Judges nothing; kube-apiserver does, each time it is shown them. Never printed.

use super::request::{Certificate, Proof, Request};
use crate::config::{Config, Mode};
use crate::json::Fields;
use crate::kube::headers::{self, AUTHORIZATION, PROTOCOLS};
use crate::kube::status::Status;
use crate::kube::subject::{self, SubjectError};
use crate::kube::user::UserInfo;
use std::rc::Rc;

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
    /// In aggregated mode, who it is said to be.
    pub(super) claim: Claim,
}

/// Who somebody says he is, where it is the filter that has to find out.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// kube-apiserver finds out, from the headers.
    Headers,
    /// Whoever has this bearer token.
    Token(String),
    /// It is known who.
    User(Rc<UserInfo>),
    /// Whom kube-apiserver names, if the holder of a verified certificate with this common name is kube-apiserver.
    FrontProxy(String),
}

/// What a request in aggregated mode shows for itself. A verified client certificate comes before a bearer token, as in kube-apiserver.
fn claim(request: &Request, identity: &[(&str, &str)]) -> Result<Claim, Status> {
    // kube-apiserver has dealt with impersonation before it calls; for others it would take rights that nobody here checks.
    if identity.iter().any(|(name, _)| headers::is_impersonation(name)) {
        return Err(Status::forbidden_path("impersonation is for kube-apiserver: send the request there"));
    }
    match request.proof() {
        Proof::FrontProxy(certificate) => match parsed(certificate) {
            Ok(user) => Ok(Claim::FrontProxy(user.name)),
            // Where kube-apiserver says that any name will do, so will none.
            Err(SubjectError::NoCommonName) => Ok(Claim::FrontProxy(String::new())),
            Err(_) => Err(unauthorized()),
        },
        Proof::Client(certificate) => Ok(Claim::User(Rc::new(certified(certificate)?.authenticated()))),
        Proof::None => {
            let token = identity.iter().find_map(|(_, value)| headers::bearer_token(value));
            token.map(|token| Claim::Token(token.to_owned())).ok_or_else(unauthorized)
        }
        Proof::Envoy(_) => Err(unauthorized()),
    }
}

/// The user of a verified certificate, and which certificate it was, as kube-apiserver tells it (k8s.io/apiserver, authentication/request/x509).
fn certified(certificate: &Certificate) -> Result<UserInfo, Status> {
    let mut user = parsed(certificate).map_err(|_| unauthorized())?;
    if let Ok(digest) = std::str::from_utf8(&certificate.sha256)
        && !digest.is_empty()
    {
        let credential = vec![["X509SHA256=", digest].concat()];
        user.extra = Fields(vec![("authentication.kubernetes.io/credential-id".to_owned(), credential)]);
    }
    Ok(user)
}

fn parsed(certificate: &Certificate) -> Result<UserInfo, SubjectError> {
    subject::parse(std::str::from_utf8(&certificate.subject).map_err(|_| SubjectError::Value)?)
}

pub(super) fn unauthorized() -> Status {
    Status::unauthorized("Unauthorized")
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
                let value = std::str::from_utf8(value).map_err(|_| unauthorized())?;
                text.push((name.as_str(), value));
            }
        }
        let identity = headers::identity(text)?;
        if config.mode == Mode::Aggregated {
            let claim = claim(request, &identity)?;
            // Questions about the caller are asked with the filter's own token, which Envoy adds.
            return Ok(Self { claim, ..Self::own(config) });
        }
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let (user, cluster) = match (request.proof(), &config.kubernetes.front_proxy_cluster) {
            (Proof::None, _) => {
                let headers = identity.into_iter().map(owned).collect();
                return Ok(Self { headers, ..Self::own(config) });
            }
            (Proof::Client(certificate), Some(cluster)) => (certified(certificate)?, cluster),
            _ => return Err(unauthorized()),
        };
        let mut headers = user.front_proxy_headers();
        // The bearer token stays behind: beside the front-proxy certificate it could speak for the front proxy.
        headers.extend(identity.into_iter().filter(|(name, _)| headers::is_impersonation(name)).map(owned));
        Ok(Self { cluster: cluster.clone(), headers, certificate: Some(user), claim: Claim::Headers })
    }

    /// Who has shown nothing; where Envoy adds the filter's own token, the filter.
    pub(super) fn own(config: &Config) -> Self {
        let cluster = config.kubernetes.cluster.clone();
        Self { cluster, headers: Vec::new(), certificate: None, claim: Claim::Headers }
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
            let credentials = matches!(&*name, AUTHORIZATION | PROTOCOLS);
            headers::is_reserved(&name) || name.starts_with(INTERNAL) || (certified && credentials)
        };
        let mut remove: Vec<String> =
            request.headers().iter().map(|(name, _)| name).filter(|name| goes(name)).cloned().collect();
        remove.dedup();
        let mut add = self.certificate.as_ref().map(UserInfo::front_proxy_headers).unwrap_or_default();
        // Among the protocols of a websocket a token may be; the others go on.
        let offered = request.headers().iter().filter(|(name, _)| certified && *name == PROTOCOLS);
        let others = offered.filter_map(|(_, value)| headers::protocols_without_token(value));
        add.extend(others.map(|others| (PROTOCOLS.to_owned(), others)));
        Forwarded { remove, add }
    }
}
