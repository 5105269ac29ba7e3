//! Whom kube-apiserver speaks for: the ConfigMap in which it publishes how it proves itself and in which headers it names its caller, and the user
//! in those headers (k8s.io/apiserver, authentication/request/headerrequest).
//!
//! Verifies no certificate: that is Envoy's, with the authority that is named here.

use std::borrow::Cow;

use super::headers::has_prefix;
use super::percent;
use super::status::Status;
use super::user::UserInfo;
use crate::json::{self, object};

/// Path of the ConfigMap.
pub const CONFIG_MAP_PATH: &str =
    "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";

/// How this cluster's kube-apiserver proves itself to those it calls, and who signs the cluster's client certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authentication {
    /// Who signs client certificates, as PEM; empty where the cluster has no such certificates.
    pub client_authority: String,
    /// Who signs the certificate with which kube-apiserver calls, as PEM; empty where it calls nobody.
    pub request_header_authority: String,
    /// Common names that certificate may have; none is any.
    allowed_names: Vec<String>,
    user_headers: Vec<String>,
    uid_headers: Vec<String>,
    group_headers: Vec<String>,
    extra_prefixes: Vec<String>,
}

/// The ConfigMap, as far as it matters. Lists are JSON within it.
#[derive(Default)]
struct ConfigMap<'a> {
    data: Data<'a>,
}

object!(ConfigMap<'a> { data } {});

#[derive(Default)]
struct Data<'a> {
    client_authority: String,
    request_header_authority: String,
    allowed_names: Cow<'a, str>,
    user_headers: Cow<'a, str>,
    uid_headers: Cow<'a, str>,
    group_headers: Cow<'a, str>,
    extra_prefixes: Cow<'a, str>,
}

object!(
    Data<'a>
    {}
    {
        client_authority as "client-ca-file", request_header_authority as "requestheader-client-ca-file",
        allowed_names as "requestheader-allowed-names", user_headers as "requestheader-username-headers",
        uid_headers as "requestheader-uid-headers", group_headers as "requestheader-group-headers",
        extra_prefixes as "requestheader-extra-headers-prefix"
    }
);

impl Authentication {
    /// Reads the ConfigMap.
    ///
    /// # Errors
    /// 503 when it cannot be read in full: half of it could let in whom the whole refuses.
    pub fn parse(body: &[u8]) -> Result<Self, Status> {
        Self::read(body).ok_or_else(|| {
            Status::service_unavailable("extension-apiserver-authentication in kube-system could not be read")
        })
    }

    fn read(body: &[u8]) -> Option<Self> {
        let data = json::read::<ConfigMap<'_>>(body).ok()?.data;
        let list = |json: &str| match json.trim().is_empty() {
            true => Some(Vec::new()),
            false => json::read::<Vec<String>>(json.as_bytes()).ok(),
        };
        Some(Self {
            allowed_names: list(&data.allowed_names)?,
            user_headers: list(&data.user_headers)?,
            uid_headers: list(&data.uid_headers)?,
            group_headers: list(&data.group_headers)?,
            extra_prefixes: list(&data.extra_prefixes)?,
            client_authority: data.client_authority,
            request_header_authority: data.request_header_authority,
        })
    }

    /// Whether a header says anything of a user.
    #[must_use]
    pub fn reads(&self, header: &str) -> bool {
        let named = [&self.user_headers, &self.uid_headers, &self.group_headers];
        named.iter().any(|names| names.iter().any(|name| header.eq_ignore_ascii_case(name)))
            || self.extra_prefixes.iter().any(|prefix| has_prefix(header, prefix))
    }

    /// The user that is named in headers which came with a certificate of that common name; none where that name is not allowed, or no user named.
    #[must_use]
    pub fn user(&self, common_name: &str, headers: &[(&str, &str)]) -> Option<UserInfo> {
        // Without an authority no certificate can have been verified by it.
        if self.request_header_authority.is_empty() {
            return None;
        }
        if !self.allowed_names.is_empty() && !self.allowed_names.iter().any(|name| name == common_name) {
            return None;
        }
        let mut user = UserInfo {
            name: all(headers, &self.user_headers).into_iter().next()?,
            uid: all(headers, &self.uid_headers).into_iter().next().unwrap_or_default(),
            groups: all(headers, &self.group_headers),
            ..UserInfo::default()
        };
        for prefix in &self.extra_prefixes {
            for (header, value) in headers.iter().filter(|(header, _)| has_prefix(header, prefix)) {
                let key = header.get(prefix.len()..).unwrap_or_default().to_ascii_lowercase();
                let key = percent::decode(&key, false).map(Cow::into_owned).unwrap_or_else(|_| key.clone());
                let extra = &mut user.extra.0;
                match extra.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, values)) => values.push((*value).to_owned()),
                    None => extra.push((key, vec![(*value).to_owned()])),
                }
            }
        }
        Some(user)
    }
}

/// The values of these headers that are not empty, in the order of the names.
fn all(headers: &[(&str, &str)], names: &[String]) -> Vec<String> {
    let mut values = Vec::new();
    for name in names {
        for (header, value) in headers {
            if header.eq_ignore_ascii_case(name) && !value.is_empty() {
                values.push((*value).to_owned());
            }
        }
    }
    values
}

#[cfg(test)]
mod tests;
