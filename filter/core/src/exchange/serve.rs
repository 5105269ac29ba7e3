//! From a request on one of our places to the verb that answers it: read, authorise, dispatch.

use super::authorize::{Refusal, authorize};
use super::caller::Caller;
use super::context::Cx;
use super::namespace::{self, Phase};
use super::planes::reach;
use super::reply::{Labels, Reply};
use super::request::{Place, Request};
use super::write::Write;
use super::{aggregated, discovery, openapi, templates, watch, workspaces};
use crate::api::v1alpha1::{GROUP, TEMPLATES, VERSION, WORKSPACES};
use crate::config::ControlPlane;
use crate::kube::authorization::Attributes;
use crate::kube::negotiation::{negotiate, negotiate_text};
use crate::kube::query::Query;
use crate::kube::quote::Quoted;
use crate::kube::request_info::{self, RequestInfo, ResourceRequest, Verb};
use crate::kube::status::Status;
use crate::kube::warning;
use crate::planes::{Mapping, identities};
use crate::watch::Kind;

/// Answers a request, whatever happens.
pub(super) async fn serve(cx: Cx, place: Place, request: Request, caller: Result<Caller, Status>) -> Reply {
    let mut reply = match answer(&cx, place, &request, caller).await {
        Ok(reply) => reply,
        Err(Refusal::Verbatim(reply)) => *reply,
        Err(Refusal::Status(status)) => Reply::from(&status),
    };
    watch::touched(&cx);
    for warning in cx.warnings.take() {
        reply = reply.with("warning", warning::header(&warning));
    }
    cx.note("kube.coder_calls", cx.coder_calls().to_string());
    cx.note("kube.coder_milliseconds", cx.port.coder_milliseconds().to_string());
    reply.facts = cx.facts.take();
    reply.labels = cx.labels.get();
    reply
}

async fn answer(
    cx: &Cx,
    place: Place,
    request: &Request,
    caller: Result<Caller, Status>,
) -> Result<Reply, Refusal> {
    let caller = aggregated::identified(cx, caller?, request).await?;
    let document = |resource| {
        cx.labels.set(Labels { verb: if request.method() == "GET" { "get" } else { "other" }, resource })
    };
    match place {
        Place::Groups => document("discovery"),
        Place::OpenApiIndex | Place::OpenApiDocument => document("openapi"),
        Place::Group | Place::Nowhere => {}
    }
    match place {
        Place::Groups => discovery::groups(cx, &caller, request).await,
        Place::OpenApiIndex => openapi::index(cx, &caller, request).await,
        Place::OpenApiDocument => {
            authorize_path(cx, &caller, request).await?;
            Ok(openapi::document(request)?)
        }
        Place::Nowhere => {
            let verb = request.method().to_ascii_lowercase();
            authorize(cx, &caller, Attributes::NonResource { path: request.path(), verb: &verb }).await?;
            Err(Status::unknown_path().into())
        }
        Place::Group => {
            let query = request.query()?;
            match request_info::parse(request.method(), request.path(), &query)? {
                RequestInfo::Group { .. } => {
                    document("discovery");
                    authorize_path(cx, &caller, request).await?;
                    Ok(discovery::group(request)?)
                }
                RequestInfo::Version { version, .. } => {
                    document("discovery");
                    authorize_path(cx, &caller, request).await?;
                    if version != VERSION {
                        return Err(Status::unknown_path().into());
                    }
                    Ok(discovery::version(request)?)
                }
                RequestInfo::Resource(info) => {
                    cx.labels.set(labels(&info));
                    cx.note("kube.verb", info.verb.as_str());
                    cx.note("kube.resource", info.resource.as_str());
                    authorize(cx, &caller, Attributes::Resource(&info)).await?;
                    resource(cx, &caller, request, &query, &info).await
                }
                RequestInfo::NonResource => Err(Status::unknown_path().into()),
            }
        }
    }
}

/// What counters know a request for a resource by.
fn labels(info: &ResourceRequest) -> Labels {
    let resource = match (info.resource.as_str(), info.subresource.as_deref()) {
        ("coderworkspaces", None) => "coderworkspaces",
        ("coderworkspaces", Some("log")) => "coderworkspaces/log",
        ("coderworkspaces", Some("scale")) => "coderworkspaces/scale",
        ("coderworkspaces", Some("status")) => "coderworkspaces/status",
        ("codertemplates", None) => "codertemplates",
        ("codertemplates", Some("status")) => "codertemplates/status",
        _ => Labels::default().resource,
    };
    Labels { verb: info.verb.as_str(), resource }
}

/// Documents are paths, not resources, to RBAC.
async fn authorize_path(cx: &Cx, caller: &Caller, request: &Request) -> Result<(), Refusal> {
    if request.method() != "GET" {
        return Err(Status::method_not_allowed().into());
    }
    authorize(cx, caller, Attributes::NonResource { path: request.path(), verb: "get" }).await
}

/// The verbs, once allowed.
async fn resource(
    cx: &Cx,
    caller: &Caller,
    request: &Request,
    query: &Query,
    info: &ResourceRequest,
) -> Result<Reply, Refusal> {
    if info.group != GROUP || info.version != VERSION {
        return Err(Status::unknown_path().into());
    }
    match info.verb {
        Verb::Get | Verb::List | Verb::Watch => read(cx, caller, request, query, info).await,
        Verb::Create | Verb::Update | Verb::Patch | Verb::Delete | Verb::DeleteCollection => {
            // Apart, so that what only reads does not carry the frame of what writes: half of its size.
            Box::pin(change(cx, caller, request, query, info)).await
        }
    }
}

async fn read(
    cx: &Cx,
    caller: &Caller,
    request: &Request,
    query: &Query,
    info: &ResourceRequest,
) -> Result<Reply, Refusal> {
    let accept = request.header("accept");
    let accept = accept.as_deref();
    let accepted = || negotiate(accept, request.header("user-agent").as_deref(), query);
    let namespace = info.namespace.as_deref();
    let mappings = mapped(cx, caller, namespace, info.verb).await?;
    let mut planes: Vec<&ControlPlane> = mappings.iter().map(|mapping| &*mapping.plane).collect();
    // A named object always has a namespace; where no Coder stands behind it there is nothing of that name.
    let name = info.name.as_deref().unwrap_or_default();
    let plane = || match (namespace, planes.first()) {
        (Some(_), Some(plane)) => Ok(*plane),
        (Some(_), None) => Err(Status::not_found(info.group_resource(), name)),
        (None, _) => Err(Status::unknown_path()),
    };
    if info.verb == Verb::Watch {
        let kind = match (info.resource.as_str(), info.subresource.as_deref()) {
            ("coderworkspaces", None) => Kind::Workspaces,
            ("codertemplates", None) => Kind::Templates,
            _ => return Err(not_served(info).into()),
        };
        let accepted = &accepted()?;
        let identities = identities(&mappings, namespace);
        let brief = terminates(cx, caller, namespace, &planes).await?;
        if brief {
            planes.clear();
        }
        let asked = watch::Watch { caller, info, kind, planes: &planes, identities, brief, query, accepted };
        return Ok(watch::watch(cx, asked).await?);
    }
    let reply = match (info.resource.as_str(), info.subresource.as_deref(), info.verb) {
        ("coderworkspaces", None | Some("status"), Verb::Get) => {
            workspaces::get::get(cx, plane()?, name, &accepted()?).await
        }
        ("coderworkspaces", Some("scale"), Verb::Get) => {
            workspaces::scale::get(cx, plane()?, name, &accepted()?).await
        }
        ("coderworkspaces", Some("log"), Verb::Get) => {
            negotiate_text(accept)?;
            workspaces::log::log(cx, plane()?, name, query).await
        }
        ("codertemplates", None | Some("status"), Verb::Get) => {
            templates::get::get(cx, plane()?, name, &accepted()?).await
        }
        ("coderworkspaces" | "codertemplates", None, Verb::List) => {
            let accepted = accepted()?;
            if terminates(cx, caller, namespace, &planes).await? {
                planes.clear();
            }
            match info.resource.as_str() {
                "coderworkspaces" => workspaces::list::list(cx, &planes, query, &accepted).await,
                _ => templates::list::list(cx, &planes, query, &accepted).await,
            }
        }
        _ => Err(not_served(info)),
    };
    Ok(reply?)
}

async fn change(
    cx: &Cx,
    caller: &Caller,
    request: &Request,
    query: &Query,
    info: &ResourceRequest,
) -> Result<Reply, Refusal> {
    let accept = request.header("accept");
    let accepted = &negotiate(accept.as_deref(), request.header("user-agent").as_deref(), query)?;
    let name = info.name.as_deref().unwrap_or_default();
    let Some(namespace) = info.namespace.as_deref() else { return Err(not_served(info).into()) };
    let Some(mapping) = mapped(cx, caller, Some(namespace), info.verb).await?.pop() else {
        return Err(match info.verb {
            // Kubernetes empties every namespace that it deletes, also where there is nothing of ours in it.
            Verb::DeleteCollection if info.subresource.is_none() => match info.resource.as_str() {
                "coderworkspaces" => return Ok(workspaces::list::list(cx, &[], query, accepted).await?),
                "codertemplates" => return Ok(templates::list::list(cx, &[], query, accepted).await?),
                _ => not_served(info),
            },
            Verb::Create => {
                let why = format!("no Coder stands behind namespace {}", Quoted(namespace));
                Status::forbidden(info.group_resource(), name, &why)
            }
            _ => Status::not_found(info.group_resource(), name),
        }
        .into());
    };
    let write = Write { cx, caller, request, query, info, plane: &mapping.plane, name, accepted };
    match (info.resource.as_str(), info.subresource.as_deref(), info.verb) {
        ("coderworkspaces", None, Verb::Create) => workspaces::create::create(write).await,
        ("coderworkspaces", None, Verb::Update | Verb::Patch) => workspaces::update::update(write).await,
        ("coderworkspaces", Some("scale"), Verb::Update | Verb::Patch) => {
            workspaces::scale::update(write).await
        }
        ("coderworkspaces", None, Verb::Delete) => workspaces::delete::delete(write).await,
        ("coderworkspaces", None, Verb::DeleteCollection) => {
            workspaces::delete_collection::delete_collection(write).await
        }
        ("codertemplates", None, Verb::Create) => templates::create::create(write).await,
        ("codertemplates", None, Verb::Update | Verb::Patch) => templates::update::update(write).await,
        ("codertemplates", None, Verb::Delete) => templates::delete::delete(write).await,
        ("codertemplates", None, Verb::DeleteCollection) => {
            templates::delete_collection::delete_collection(write).await
        }
        _ => Err(not_served(info).into()),
    }
}

/// The Coders behind a namespace, or all of them. One that cannot be called does not stand in the way of its namespace's deletion, in which its Secret
/// may have gone first.
async fn mapped(
    cx: &Cx,
    caller: &Caller,
    namespace: Option<&str>,
    verb: Verb,
) -> Result<Vec<Mapping>, Refusal> {
    let status = match reach(cx, namespace, verb).await {
        Ok(mappings) => return Ok(mappings),
        Err(status) => status,
    };
    let spares =
        cx.filter.config.discovery.as_ref().is_some_and(|discovery| !discovery.delete_with_namespace);
    if let Some(namespace) =
        namespace.filter(|_| spares && matches!(verb, Verb::List | Verb::DeleteCollection))
        && namespace::recent_phase(cx, caller, namespace).await? == Phase::Terminating
    {
        return Ok(Vec::new());
    }
    Err(status.into())
}

/// Whether a namespace is being deleted, and nothing in Coder with it: what that leaves behind is not there for those who wait for it to be empty.
async fn terminates(
    cx: &Cx,
    caller: &Caller,
    namespace: Option<&str>,
    planes: &[&ControlPlane],
) -> Result<bool, Refusal> {
    Ok(match (namespace, planes) {
        (Some(namespace), [plane]) if !plane.delete_with_namespace => {
            namespace::recent_phase(cx, caller, namespace).await? == Phase::Terminating
        }
        _ => false,
    })
}

/// 405 for a verb that a resource does not serve, 404 for a resource that there is not.
fn not_served(info: &ResourceRequest) -> Status {
    match (info.resource.as_str(), info.subresource.as_deref()) {
        ("coderworkspaces", None | Some("log" | "scale" | "status")) => {
            Status::method_not_supported(WORKSPACES, info.verb.as_str())
        }
        ("codertemplates", None | Some("status")) => {
            Status::method_not_supported(TEMPLATES, info.verb.as_str())
        }
        _ => Status::unknown_path(),
    }
}
