//! Questions to the cluster's own RBAC, in the caller's name or about him, their answers, and the refusal in Kubernetes' words.

use std::borrow::Cow;

use serde::Serialize;

use super::quote::Quoted;
use super::request_info::ResourceRequest;
use super::status::Status;
use super::user::UserInfo;
use crate::json::{self, Raw, Read, object};

/// Path of SelfSubjectAccessReview; `POST`, answered 201.
pub const SELF_SUBJECT_ACCESS_REVIEW_PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
/// Path of SubjectAccessReview; `POST`, answered 201.
pub const SUBJECT_ACCESS_REVIEW_PATH: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
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

/// What is to be allowed, and whom it is about where that is not who asks.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    groups: &'a [String],
    #[serde(skip_serializing_if = "Extra::is_empty")]
    extra: Extra<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_attributes: Option<ResourceAttributes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    non_resource_attributes: Option<NonResourceAttributes<'a>>,
}

#[derive(Serialize)]
struct NonResourceAttributes<'a> {
    path: &'a str,
    verb: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Selector<'a> {
    raw_selector: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    field_selector: Option<Selector<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label_selector: Option<Selector<'a>>,
}

/// Body of the question whether the caller may do this.
#[must_use]
pub fn self_subject_access_review(attributes: Attributes<'_>) -> Vec<u8> {
    to_json("authorization.k8s.io/v1", "SelfSubjectAccessReview", Some(spec(attributes)))
}

/// Body of the question whether this user may do this.
#[must_use]
pub fn subject_access_review(user: &UserInfo, attributes: Attributes<'_>) -> Vec<u8> {
    let spec = Spec {
        user: &user.name,
        uid: &user.uid,
        groups: &user.groups,
        extra: Extra(&user.extra.0),
        ..spec(attributes)
    };
    to_json("authorization.k8s.io/v1", "SubjectAccessReview", Some(spec))
}

fn spec(attributes: Attributes<'_>) -> Spec<'_> {
    fn selector(sent: &Option<String>) -> Option<Selector<'_>> {
        sent.as_deref().map(|raw_selector| Selector { raw_selector })
    }
    match attributes {
        Attributes::Resource(request) => Spec {
            resource_attributes: Some(ResourceAttributes {
                namespace: request.namespace.as_deref(),
                verb: request.verb.as_str(),
                group: &request.group,
                version: &request.version,
                resource: &request.resource,
                subresource: request.subresource.as_deref(),
                name: request.name.as_deref(),
                field_selector: selector(&request.field_selector),
                label_selector: selector(&request.label_selector),
            }),
            ..Spec::default()
        },
        Attributes::NonResource { path, verb } => {
            Spec { non_resource_attributes: Some(NonResourceAttributes { path, verb }), ..Spec::default() }
        }
    }
}

/// Body of the question who the caller is.
#[must_use]
pub fn self_subject_review() -> Vec<u8> {
    to_json::<()>("authentication.k8s.io/v1", "SelfSubjectReview", None)
}

pub(super) fn to_json<S: Serialize>(
    api_version: &'static str,
    kind: &'static str,
    spec: Option<S>,
) -> Vec<u8> {
    // Strings and structs always serialise; the empty fallback only keeps a panic out, and is refused by the server.
    json::to_vec(&Review { api_version, kind, spec }).unwrap_or_default()
}

/// What else is known of a user, as a map.
#[derive(Default)]
struct Extra<'a>(&'a [(String, Vec<String>)]);

impl Extra<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Extra<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, values)| (key, values)))
    }
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
    decision(body, "SelfSubjectAccessReview")
}

/// Reads the answer to [`subject_access_review`], a body that came with 201.
///
/// # Errors
/// As [`parse_decision`].
pub fn parse_decision_about(body: &[u8]) -> Result<Decision, Status> {
    decision(body, "SubjectAccessReview")
}

fn decision(body: &[u8], kind: &str) -> Result<Decision, Status> {
    let decision: Decision = parse_review(body, kind)?;
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

pub(super) fn parse_review<'a, T: Read<'a> + Default>(body: &'a [u8], kind: &str) -> Result<T, Status> {
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
