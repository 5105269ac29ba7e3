//! Who calls: the front proxy's headers, a client certificate, a bearer token, in kube-apiserver's order; nobody at all is
//! `system:anonymous`.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::status::Status;
use super::tls::{Authority, Peer, TlsError};
use crate::config::{KubeConfig, Token};
use crate::query::decode;

/// The group of everybody who is known.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
/// The group of everybody who is not.
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The user who is not known.
pub(crate) const ANONYMOUS: &str = "system:anonymous";

/// `user.Info`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// `authenticationv1.UserInfo`.
    pub(crate) fn json(&self) -> Value {
        let mut info = json!({"username": self.name});
        if !self.uid.is_empty() {
            info["uid"] = json!(self.uid);
        }
        if !self.groups.is_empty() {
            info["groups"] = json!(self.groups);
        }
        if !self.extra.is_empty() {
            info["extra"] = json!(self.extra);
        }
        info
    }

    /// Adds the group of those who are known.
    pub(crate) fn authenticated(mut self) -> Self {
        let known = [AUTHENTICATED, UNAUTHENTICATED];
        if self.name == ANONYMOUS || self.groups.iter().any(|group| known.contains(&group.as_str())) {
            return self;
        }
        self.groups.push(AUTHENTICATED.into());
        self
    }
}

/// Finds out who calls.
pub(crate) struct Authenticator {
    tokens: Vec<Token>,
    client_ca: Option<Authority>,
    front_proxy_ca: Option<Authority>,
    front_proxy_names: Vec<String>,
}

impl Authenticator {
    pub(crate) fn new(config: &KubeConfig) -> Result<Self, TlsError> {
        let load = |path: &Option<std::path::PathBuf>| path.as_deref().map(Authority::load).transpose();
        Ok(Self {
            tokens: config.tokens.clone(),
            client_ca: load(&config.tls.client_ca)?,
            front_proxy_ca: load(&config.tls.front_proxy_ca)?,
            front_proxy_names: config.tls.front_proxy_names.clone(),
        })
    }

    /// The caller, or 401 when what they show is not good enough.
    pub(crate) fn authenticate(&self, request: &Request<Body>) -> Result<User, Status> {
        let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
        let headers = request.headers();
        if let Some(user) = self.front_proxy(&peer, headers).or_else(|| self.certificate(&peer)) {
            return Ok(user.authenticated());
        }
        let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = token
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match token {
            Some((_, token)) => self.token(token.trim()).ok_or_else(Status::unauthorized),
            None if !peer.0.is_empty() => Err(Status::unauthorized()),
            None => {
                Ok(User { name: ANONYMOUS.into(), groups: vec![UNAUTHENTICATED.into()], ..User::default() })
            }
        }
    }

    fn front_proxy(&self, peer: &Peer, headers: &HeaderMap) -> Option<User> {
        let authority = self.front_proxy_ca.as_ref()?;
        let (name, _) = subject(peer)?;
        let allowed = self.front_proxy_names.is_empty() || self.front_proxy_names.contains(&name);
        if !allowed || !authority.signed(peer) {
            return None;
        }
        let all = |name: &str| -> Vec<String> {
            let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
            values.filter(|value| !value.is_empty()).map(String::from).collect()
        };
        let name = all("x-remote-user").into_iter().next()?;
        Some(User {
            name,
            uid: all("x-remote-uid").into_iter().next().unwrap_or_default(),
            groups: all("x-remote-group"),
            extra: extra(headers, "x-remote-extra-"),
        })
    }

    fn certificate(&self, peer: &Peer) -> Option<User> {
        self.client_ca.as_ref().filter(|authority| authority.signed(peer))?;
        let (name, groups) = subject(peer)?;
        let digest: String =
            Sha256::digest(peer.0.first()?).iter().map(|byte| format!("{byte:02x}")).collect();
        let credential = vec![format!("X509SHA256={digest}")];
        let extra = BTreeMap::from([("authentication.kubernetes.io/credential-id".into(), credential)]);
        Some(User { name, uid: String::new(), groups, extra })
    }

    fn token(&self, token: &str) -> Option<User> {
        let known = self.tokens.iter().find(|known| known.token == token)?;
        let user = User {
            name: known.user.clone(),
            uid: known.uid.clone(),
            groups: known.groups.clone(),
            extra: known.extra.clone(),
        };
        Some(user.authenticated())
    }
}

/// Common name and organizations of a client's certificate.
fn subject(peer: &Peer) -> Option<(String, Vec<String>)> {
    let (_, certificate) = X509Certificate::from_der(peer.0.first()?).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let groups =
        subject.iter_organization().filter_map(|group| group.as_str().ok()).map(String::from).collect();
    Some((name, groups))
}

/// Extra attributes from headers with this prefix; the rest of the name is percent-encoded.
pub(crate) fn extra(headers: &HeaderMap, prefix: &str) -> BTreeMap<String, Vec<String>> {
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let (Some(key), Ok(value)) = (name.as_str().strip_prefix(prefix), value.to_str()) {
            extra.entry(decode(key).to_lowercase()).or_default().push(value.into());
        }
    }
    extra
}
