//! The stand-in kube-apiserver: who calls, what they want, whether they may, and then little enough of an API.

mod authentication;
mod authorization;
mod change;
mod discovery;
mod form;
mod impersonation;
mod kinds;
mod namespaces;
mod objects;
mod openapi;
mod protobuf;
mod request;
mod reviews;
mod status;
mod table;
pub(crate) mod tls;
mod upgrade;
pub(crate) mod watch;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use uuid::Uuid;

use self::authentication::Authenticator;
use self::authorization::Authorizer;
use self::objects::Store;
use self::request::{Attributes, Target};
use self::status::Status;
use self::watch::Watches;
use crate::config::KubeConfig;

/// The Kubernetes version it says it is.
const VERSION: &str = "v1.36.3";

/// The server, as its handlers see it.
pub(crate) struct Kube {
    address: SocketAddr,
    authenticator: Authenticator,
    authorizer: Authorizer,
    store: Store,
    watches: Watches,
}

/// The one route there is: paths are taken literally, as kube-apiserver does.
pub(crate) fn router(
    config: KubeConfig,
    address: SocketAddr,
    watches: Watches,
) -> Result<Router, tls::TlsError> {
    let kube = Kube {
        address,
        authenticator: Authenticator::new(&config)?,
        store: Store::new(&config),
        authorizer: Authorizer::new(config.rules),
        watches,
    };
    Ok(Router::new().fallback(answer).with_state(Arc::new(kube)))
}

async fn answer(Shared(kube): Shared<Arc<Kube>>, request: Request<Body>) -> Response<Body> {
    let mut response = match kube.handle(request).await {
        Ok(response) => response,
        Err(status) => status.into_response(),
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(Uuid::new_v4().to_string()) {
        headers.insert("audit-id", id);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
    response
}

impl Kube {
    async fn handle(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, Status> {
        let user = self.authenticator.authenticate(&request)?;
        let attributes = Attributes::of(&request);
        let user = impersonation::impersonate(&self.authorizer, user, &attributes, request.headers())?;
        if self.authorizer.decide(&user, &attributes).is_none() {
            return Err(attributes.forbidden(&user));
        }
        match &attributes.target {
            Target::Path(path) => self.non_resource(&attributes.verb, path, &request),
            Target::Resource(resource) if reviews::is_review(resource) => {
                reviews::review(&self.authorizer, &user, resource, request).await
            }
            Target::Resource(resource) if upgrade::is_upgrade(resource, &request) => {
                Ok(upgrade::echo(request))
            }
            Target::Resource(resource) => {
                objects::serve(&self.store, &self.watches, resource, &attributes.verb, request).await
            }
        }
    }

    fn non_resource(
        &self,
        verb: &str,
        path: &str,
        request: &Request<Body>,
    ) -> Result<Response<Body>, Status> {
        if !["get", "head"].contains(&verb) {
            return Err(Status::method_not_allowed());
        }
        let probe =
            |name: &str| path == name || path.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
        if ["/healthz", "/livez", "/readyz"].into_iter().any(probe) {
            return Ok(text(StatusCode::OK, "ok"));
        }
        if path.trim_end_matches('/') == "/version" {
            return Ok(json_answer(StatusCode::OK, &version()));
        }
        discovery::serve(path, request.headers(), self.address)
            .or_else(|| openapi::serve(path, request.headers()))
            .ok_or_else(Status::page_not_found)
    }
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": VERSION,
        "gitCommit": "standin",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": "linux/amd64",
    })
}

fn serialised(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("values serialise")
}

/// SHA-512 in upper-case hex, as kube-apiserver's ETags and hashes.
fn digest(bytes: &[u8]) -> String {
    Sha512::digest(bytes).iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A JSON answer.
fn json_answer(status: StatusCode, value: &Value) -> Response<Body> {
    let mut body = serialised(value);
    body.push(b'\n');
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A text answer.
fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// An answer with an ETag, which a client that has it need not get again.
fn tagged(value: &Value, content_type: &str, headers: &HeaderMap) -> Response<Body> {
    let body = serialised(value);
    let tag = format!("\"{}\"", digest(&body));
    let held = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let fresh = held.flat_map(|value| value.split(',')).any(|held| held.trim() == tag || held.trim() == "*");
    let named = [(header::ETAG, tag.as_str()), (header::CACHE_CONTROL, "public"), (header::VARY, "Accept")];
    if fresh {
        return (StatusCode::NOT_MODIFIED, named).into_response();
    }
    (StatusCode::OK, named, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// The verb of a request that names no resource: its method, in lower case.
fn method_verb(method: &Method) -> String {
    method.as_str().to_lowercase()
}
