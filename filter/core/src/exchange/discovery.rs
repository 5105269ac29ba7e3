//! Discovery: our own documents, and kube-apiserver's list of groups with ours in it.

use super::authorize::{Refusal, reached, send, verbatim};
use super::caller::Caller;
use super::context::Cx;
use super::reply::Reply;
use super::request::Request;
use crate::api::v1alpha1::{GROUP, VERSION};
use crate::kube::discovery::{
    GroupDescription, GroupVersionKind, ResourceDescription, SubresourceDescription,
};
use crate::kube::encoding::encode;
use crate::kube::etag::{etag, if_none_match};
use crate::kube::negotiation::{DiscoveryForm, negotiate, negotiate_discovery};
use crate::kube::scale;
use crate::kube::status::Status;

/// Verbs of both kinds.
const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// A subresource that answers with an object of the group.
const fn own(name: &'static str, kind: &'static str) -> SubresourceDescription {
    let response_kind = GroupVersionKind { group: GROUP, version: VERSION, kind };
    SubresourceDescription { name, response_kind, verbs: &["get"] }
}

/// What works. A verb stands here when it does, and not before.
const DESCRIPTION: GroupDescription = GroupDescription {
    group: GROUP,
    version: VERSION,
    resources: &[
        ResourceDescription {
            name: "coderworkspaces",
            singular: "coderworkspace",
            kind: "CoderWorkspace",
            short_names: &["cws"],
            categories: &["coder"],
            verbs: VERBS,
            subresources: &[
                own("log", "CoderWorkspace"),
                SubresourceDescription {
                    name: "scale",
                    response_kind: GroupVersionKind {
                        group: "autoscaling",
                        version: "v1",
                        kind: scale::KIND,
                    },
                    verbs: &["get", "patch", "update"],
                },
                own("status", "CoderWorkspace"),
            ],
        },
        ResourceDescription {
            name: "codertemplates",
            singular: "codertemplate",
            kind: "CoderTemplate",
            short_names: &["ctpl"],
            categories: &["coder"],
            verbs: VERBS,
            subresources: &[own("status", "CoderTemplate")],
        },
    ],
};

/// `GET /apis/aggregation.coder.com`.
pub(super) fn group(request: &Request) -> Result<Reply, Status> {
    document(request, DESCRIPTION.api_group()?)
}

/// `GET /apis/aggregation.coder.com/v1alpha1`.
pub(super) fn version(request: &Request) -> Result<Reply, Status> {
    document(request, DESCRIPTION.api_resource_list()?)
}

fn document(request: &Request, json: Vec<u8>) -> Result<Reply, Status> {
    let accepted = negotiate(
        request.header("accept").as_deref(),
        request.header("user-agent").as_deref(),
        &request.query()?,
    )?;
    Ok(Reply::new(200, accepted.encoding.content_type(), encode(json, &accepted)))
}

/// `GET /apis`: asked of kube-apiserver with the caller's credentials, so that who may not ask there may not ask here.
pub(super) async fn groups(cx: &Cx, caller: &Caller, request: &Request) -> Result<Reply, Refusal> {
    let form = negotiate_discovery(request.header("accept").as_deref())?;
    // An older kube-apiserver does not know the aggregated form and sends the plain list, with its own content type.
    let accept = match form {
        DiscoveryForm::Unaggregated => form.content_type().to_owned(),
        _ => format!("{},{}", form.content_type(), DiscoveryForm::Unaggregated.content_type()),
    };
    merged(cx, caller, request, &accept, |upstream, content_type| {
        let form = DiscoveryForm::from_content_type(content_type).ok_or_else(|| {
            Status::service_unavailable("the answer of kube-apiserver to /apis could not be read")
        })?;
        Ok((DESCRIPTION.merge(form, upstream)?, form.content_type()))
    })
    .await
}

/// The same of a server that has only this group.
pub(super) fn standalone(request: &Request) -> Result<Reply, Status> {
    let form = negotiate_discovery(request.header("accept").as_deref())?;
    Ok(tagged(request, DESCRIPTION.standalone(form)?, form.content_type()))
}

/// Asks kube-apiserver for a document and merges ours into it. The tag that is given out changes with either side.
pub(super) async fn merged(
    cx: &Cx,
    caller: &Caller,
    request: &Request,
    accept: &str,
    merge: impl FnOnce(&[u8], &str) -> Result<(Vec<u8>, &'static str), Status>,
) -> Result<Reply, Refusal> {
    if request.method() != "GET" {
        return Err(Status::method_not_allowed().into());
    }
    let agent = request.header("user-agent").unwrap_or_default();
    let headers = [("accept", accept), ("user-agent", agent.as_str())];
    let answer = reached(cx, send(cx, caller, "GET", request.path(), &headers, Vec::new()).await)?;
    if answer.status != 200 {
        return Ok(verbatim(answer));
    }
    let (document, content_type) = merge(&answer.body, answer.header("content-type").unwrap_or_default())?;
    Ok(tagged(request, document, content_type))
}

/// A document with its entity tag, or 304 where the client has it.
pub(super) fn tagged(request: &Request, document: Vec<u8>, content_type: &str) -> Reply {
    let tag = etag(&[&document]);
    let unchanged = request.header("if-none-match").is_some_and(|header| if_none_match(&header, &tag));
    let reply = match unchanged {
        true => Reply { headers: Vec::new(), ..Reply::new(304, content_type, Vec::new()) },
        false => Reply::new(200, content_type, document),
    };
    reply.with("etag", tag).with("vary", "Accept")
}
