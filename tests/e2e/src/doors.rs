//! The two listeners of an Envoy behind kube-apiserver, and how kube-apiserver itself proves who it is there.

use crate::{Endpoint, Lab};
use std::fs;

/// What kube-apiserver says of an administrator.
pub const MASTERS: [(&str, &str); 2] = [("X-Remote-User", "admin"), ("X-Remote-Group", "system:masters")];

/// The listener that kube-apiserver calls, without credentials.
///
/// # Panics
/// When `ENVOY_CA` cannot be read; so with the others.
pub fn behind(lab: &Lab) -> Endpoint {
    Endpoint::from_url(&lab.envoy_url).with_ca(&fs::read(&lab.envoy_ca).expect("ENVOY_CA"))
}

/// The listener for those who call past kube-apiserver, without credentials.
///
/// # Panics
/// Also where Envoy stands in front.
pub fn past(lab: &Lab) -> Endpoint {
    let url = lab.envoy_direct_url.as_ref().expect("ENVOY_DIRECT_URL");
    Endpoint::from_url(url).with_ca(&fs::read(&lab.envoy_ca).expect("ENVOY_CA"))
}

/// With kube-apiserver's own certificate.
///
/// # Panics
/// As [`past`].
#[must_use]
pub fn as_proxy(lab: &Lab, endpoint: Endpoint) -> Endpoint {
    let (certificate, key) = lab.front_proxy.as_ref().expect("FRONT_PROXY_CERT");
    let read = |file| fs::read(file).expect("the front proxy's certificate");
    endpoint.with_identity(&read(certificate), &read(key))
}
