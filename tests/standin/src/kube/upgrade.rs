//! Upgraded connections: `pods/exec`, `attach` and `portforward` switch protocols, as asked, and then give back every byte.
//! Enough to see that upgrades pass; no kubectl is served by it.

use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;

use super::request::Resource;

/// Whether a request wants to switch protocols on a subresource that does.
pub(crate) fn is_upgrade(resource: &Resource, request: &Request<Body>) -> bool {
    resource.resource == "pods"
        && ["exec", "attach", "portforward"].contains(&resource.subresource.as_str())
        && request.headers().contains_key(header::UPGRADE)
}

/// Switches to the protocol that is asked for, and echoes.
pub(crate) fn echo(request: Request<Body>) -> Response<Body> {
    let protocol = request.headers().get(header::UPGRADE).cloned();
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(header::UPGRADE, protocol.unwrap_or(HeaderValue::from_static("websocket")));
    response
}
