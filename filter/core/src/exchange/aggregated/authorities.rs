//! Who signs certificates, as Envoy asks for it (SDS over REST): out of the ConfigMap that kube-apiserver publishes. What is told here is no secret.
//!
//! Where there is nothing to tell Envoy keeps what it knows; as long as it knows nothing, it lets nobody in.

use super::super::Exchange;
use super::super::context::Cx;
use super::super::port::Port;
use super::super::reply::Reply;
use super::super::request::Authority;
use crate::json;
use crate::kube::etag::etag;
use crate::kube::status::Status;
use crate::time::Millis;
use serde::Serialize;
use std::rc::Rc;

/// Envoy's type of what is told.
const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

#[derive(Serialize)]
struct DiscoveryResponse<'a> {
    version_info: &'a str,
    type_url: &'static str,
    resources: [Secret<'a>; 1],
}

#[derive(Serialize)]
struct Secret<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    name: &'static str,
    validation_context: ValidationContext<'a>,
}

#[derive(Serialize)]
struct ValidationContext<'a> {
    trusted_ca: TrustedCa<'a>,
}

#[derive(Serialize)]
struct TrustedCa<'a> {
    inline_string: &'a str,
}

/// How often the log is told that something is wrong, in milliseconds.
const SAID: Millis = 30_000;

/// Answers Envoy, which asks every second. What goes wrong is nothing new to it, and for our own log now and then.
pub(super) async fn answer(cx: &Cx, authority: Authority) -> Reply {
    match certificates(cx, authority).await {
        Ok(reply) => reply,
        Err(status) => {
            let said_at = &cx.filter.authorities_said_at;
            if cx.now().saturating_sub(said_at.get()).unsigned_abs() >= SAID.unsigned_abs() {
                said_at.set(cx.now());
                let said = format!("who signs certificates cannot be found out: {}", status.message);
                let port = Rc::new(Port::background(cx.now(), 0));
                let log = Reply::new(503, "text/plain", said.into_bytes());
                cx.filter.spawn(Exchange::new(port, async { log }));
            }
            Reply { headers: Vec::new(), ..Reply::new(304, "", Vec::new()) }
        }
    }
}

async fn certificates(cx: &Cx, authority: Authority) -> Result<Reply, Status> {
    let published = super::authentication(cx).await?;
    let (name, what, certificates) = match authority {
        Authority::Client => ("authority-client", "client-ca-file", &published.client_authority),
        Authority::RequestHeader => {
            ("authority-request-header", "requestheader-client-ca-file", &published.request_header_authority)
        }
    };
    if certificates.is_empty() {
        let message = format!("extension-apiserver-authentication in kube-system has no {what}");
        return Err(Status::service_unavailable(message));
    }
    let validation_context = ValidationContext { trusted_ca: TrustedCa { inline_string: certificates } };
    let response = DiscoveryResponse {
        version_info: &etag(&[certificates.as_bytes()]),
        type_url: SECRET,
        resources: [Secret { kind: SECRET, name, validation_context }],
    };
    let body =
        json::to_vec(&response).map_err(|_| Status::internal_error("certificates could not be written"))?;
    Ok(Reply::new(200, "application/json", body))
}
