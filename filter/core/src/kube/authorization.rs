//! Questions to the cluster's own RBAC in the caller's name, their answers, and the refusal in Kubernetes' words.
//!
//! Selectors are not sent along: they can only narrow what is asked, and asking for more than is needed is the safe side.

use std::borrow::Cow;

use serde::Serialize;

use super::quote::Quoted;
use super::request_info::ResourceRequest;
use super::status::Status;
use super::user::UserInfo;
use crate::json::{self, Raw, Read, object};

/// Path of SelfSubjectAccessReview; `POST`, answered 201.
pub const SELF_SUBJECT_ACCESS_REVIEW_PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
/// Path of SelfSubjectReview; `POST`, answered 201.
pub const SELF_SUBJECT_REVIEW_PATH: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// What is to be allowed.
#[derive(Clone, Copy, Debug)]
pub enum Attributes<'a> {
    /// A verb on a resource.
    Resource(&'a ResourceRequest),
    /// An HTTP method, in lower case, on a path.
    NonResource {
        /// Path without query.
        path: &'a str,
        /// Method in lower case.
        verb: &'a str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<S> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<S>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Spec<'a> {
    ResourceAttributes(ResourceAttributes<'a>),
    NonResourceAttributes { path: &'a str, verb: &'a str },
}

#[derive(Serialize)]
struct ResourceAttributes<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    verb: &'static str,
    group: &'a str,
    version: &'a str,
    resource: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subresource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

/// Body of the question whether the caller may do this.
#[must_use]
pub fn self_subject_access_review(attributes: Attributes<'_>) -> Vec<u8> {
    let spec = match attributes {
        Attributes::Resource(request) => Spec::ResourceAttributes(ResourceAttributes {
            namespace: request.namespace.as_deref(),
            verb: request.verb.as_str(),
            group: &request.group,
            version: &request.version,
            resource: &request.resource,
            subresource: request.subresource.as_deref(),
            name: request.name.as_deref(),
        }),
        Attributes::NonResource { path, verb } => Spec::NonResourceAttributes { path, verb },
    };
    to_json("authorization.k8s.io/v1", "SelfSubjectAccessReview", Some(spec))
}

/// Body of the question who the caller is.
#[must_use]
pub fn self_subject_review() -> Vec<u8> {
    to_json::<()>("authentication.k8s.io/v1", "SelfSubjectReview", None)
}

fn to_json<S: Serialize>(api_version: &'static str, kind: &'static str, spec: Option<S>) -> Vec<u8> {
    // Strings and structs always serialise; the empty fallback only keeps a panic out, and is refused by the server.
    json::to_vec(&Review { api_version, kind, spec }).unwrap_or_default()
}

/// The decision of an access review.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Whether it is denied whatever other authorizers say.
    pub denied: bool,
    /// Why.
    pub reason: String,
    /// What went wrong on the way; the decision stands all the same.
    pub evaluation_error: String,
}

object!(Decision { allowed } { denied, reason, evaluation_error as "evaluationError" });

/// Reads the answer to [`self_subject_access_review`], a body that came with 201.
///
/// # Errors
/// 503 when it is no such answer: nobody is let in on garbage.
pub fn parse_decision(body: &[u8]) -> Result<Decision, Status> {
    let decision: Decision = parse_review(body, "SelfSubjectAccessReview")?;
    Ok(Decision { allowed: decision.allowed && !decision.denied, ..decision })
}

/// Reads the answer to [`self_subject_review`], a body that came with 201.
///
/// # Errors
/// 503 when it is no such answer.
pub fn parse_user(body: &[u8]) -> Result<UserInfo, Status> {
    #[derive(Default)]
    struct WhoAmI {
        user_info: UserInfo,
    }
    object!(WhoAmI { user_info as "userInfo" } {});
    parse_review::<WhoAmI>(body, "SelfSubjectReview").map(|status| status.user_info)
}

fn parse_review<'a, T: Read<'a> + Default>(body: &'a [u8], kind: &str) -> Result<T, Status> {
    #[derive(Default)]
    struct Review<'a> {
        kind: Cow<'a, str>,
        status: Raw<'a>,
    }
    object!(Review<'a> { kind, status } {});
    let status = json::read::<Review<'_>>(body).ok().filter(|review| review.kind == kind);
    status
        .and_then(|review| json::read(review.status.0.as_bytes()).ok())
        .ok_or_else(|| Status::service_unavailable(format!("the {kind} of kube-apiserver could not be read")))
}

/// The refusal that kube-apiserver itself gives (responsewriters.ForbiddenStatusError). `reason` may be empty.
#[must_use]
pub fn forbidden(user: &str, attributes: Attributes<'_>, reason: &str) -> Status {
    let user = Quoted(user);
    let why = |what: String| {
        let what = escape_html(&what);
        if reason.is_empty() { what } else { format!("{what}: {reason}") }
    };
    match attributes {
        Attributes::NonResource { path, verb } => {
            Status::forbidden_path(&why(format!("User {user} cannot {verb} path {}", Quoted(path))))
        }
        Attributes::Resource(request) => {
            let mut resource = request.resource.clone();
            if let Some(subresource) = &request.subresource {
                resource.push('/');
                resource.push_str(subresource);
            }
            let place = match &request.namespace {
                Some(namespace) => format!("in the namespace {}", Quoted(namespace)),
                None => "at the cluster scope".to_owned(),
            };
            let what = format!(
                "User {user} cannot {} resource {} in API group {} {place}",
                request.verb.as_str(),
                Quoted(&resource),
                Quoted(&request.group)
            );
            Status::forbidden(request.group_resource(), request.name.as_deref().unwrap_or(""), &why(what))
        }
    }
}

/// Kubernetes keeps its refusals from looking like HTML.
fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
