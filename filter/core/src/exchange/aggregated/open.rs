//! What everybody is told, without being asked who he is and without any other server: health, discovery and OpenAPI of a server that has only this
//! group. kube-apiserver takes the group away from everybody when it cannot be had.

use super::super::context::Cx;
use super::super::filter::Filter;
use super::super::port::Port;
use super::super::reply::{Labels, Reply};
use super::super::request::{Place, Proof, Request};
use super::super::{Exchange, discovery, openapi};
use super::authorities;
use crate::api::v1alpha1::{GROUP, VERSION};
use crate::kube::request_info::{self, RequestInfo};
use crate::kube::status::Status;
use std::rc::Rc;

/// Makes a document, as the request wants it.
type Document = fn(&Request) -> Result<Reply, Status>;

/// The answer, where the request is for such a thing.
pub(in crate::exchange) fn open(filter: &Rc<Filter>, port: &Rc<Port>, request: &Request) -> Option<Exchange> {
    if let Proof::Envoy(authority) = *request.proof() {
        let cx = Cx::new(filter.clone(), port.clone());
        return Some(Exchange::new(port.clone(), async move { authorities::answer(&cx, authority).await }));
    }
    let (resource, answer): (_, Document) = match (request.path(), request.place()) {
        ("/healthz" | "/livez" | "/readyz", _) => {
            ("health", |_| Ok(Reply::new(200, "text/plain", b"ok".to_vec())))
        }
        ("/openapi/v2", _) => ("openapi", openapi::older),
        (_, Some(Place::Groups)) => ("discovery", discovery::standalone),
        (_, Some(Place::OpenApiIndex)) => ("openapi", openapi::standalone_index),
        (_, Some(Place::OpenApiDocument)) => ("openapi", openapi::document),
        (path, Some(Place::Group)) => match request_info::parse("GET", path, &request.query().ok()?).ok()? {
            RequestInfo::Group { group } if group == GROUP => ("discovery", discovery::group),
            RequestInfo::Version { group, version } if group == GROUP && version == VERSION => {
                ("discovery", discovery::version)
            }
            _ => return None,
        },
        _ => return None,
    };
    let is_get = request.method() == "GET";
    let answer = if is_get { answer(request) } else { Err(Status::method_not_allowed()) };
    let mut reply = answer.unwrap_or_else(|status| Reply::from(&status));
    reply.labels = Labels { verb: if is_get { "get" } else { "other" }, resource };
    Some(Exchange::new(port.clone(), async { reply }))
}
