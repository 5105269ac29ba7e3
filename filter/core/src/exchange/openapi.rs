//! OpenAPI v3: kube-apiserver's index with our group version in it, and our document.

use super::authorize::Refusal;
use super::caller::Caller;
use super::context::Cx;
use super::discovery::{merged, tagged};
use super::reply::Reply;
use super::request::Request;
use crate::api::v1alpha1::{GROUP, VERSION, openapi, openapi_v2};
use crate::kube::etag::etag;
use crate::kube::negotiation::negotiate;
use crate::kube::openapi::merge_index;
use crate::kube::status::Status;

/// `GET /openapi/v3`.
pub(super) async fn index(cx: &Cx, caller: &Caller, request: &Request) -> Result<Reply, Refusal> {
    merged(cx, caller, request, "application/json", |upstream, _| {
        Ok((merge_index(upstream, GROUP, VERSION, &etag(&[&openapi()?]))?, "application/json"))
    })
    .await
}

/// The same of a server that has only this group version.
pub(super) fn standalone_index(request: &Request) -> Result<Reply, Status> {
    let index = merge_index(br#"{"paths":{}}"#, GROUP, VERSION, &etag(&[&openapi()?]))?;
    Ok(tagged(request, index, "application/json"))
}

/// `GET /openapi/v3/apis/aggregation.coder.com/v1alpha1`, JSON only. An old `?hash=` gets the present document.
pub(super) fn document(request: &Request) -> Result<Reply, Status> {
    negotiate(request.header("accept").as_deref(), None, &request.query()?)?;
    Ok(tagged(request, openapi()?, "application/json"))
}

/// `GET /openapi/v2` of a server that has only this group version, JSON only.
pub(super) fn older(request: &Request) -> Result<Reply, Status> {
    negotiate(request.header("accept").as_deref(), None, &request.query()?)?;
    Ok(tagged(request, openapi_v2()?, "application/json"))
}
