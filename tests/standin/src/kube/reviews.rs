//! The reviews: who am I, may I, may they, what may I.

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::authentication::User;
use super::authorization::Authorizer;
use super::json_answer;
use super::kinds::REVIEWS;
use super::objects::read_body;
use super::request::{Attributes, Resource, Target};
use super::status::{Status, Subject};
use crate::clock::Instant;

const AUTHORIZATION: &str = "authorization.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// Whether a resource is one of the reviews.
pub(crate) fn is_review(resource: &Resource) -> bool {
    resource.version == "v1" && [AUTHORIZATION, AUTHENTICATION].contains(&resource.group.as_str())
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    resource_attributes: Option<ResourceAttributes>,
    non_resource_attributes: Option<NonResourceAttributes>,
    user: String,
    groups: Vec<String>,
    namespace: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResourceAttributes {
    namespace: String,
    verb: String,
    group: String,
    version: String,
    resource: String,
    subresource: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NonResourceAttributes {
    path: String,
    verb: String,
}

/// Answers a review.
pub(crate) async fn review(
    authorizer: &Authorizer,
    user: &User,
    resource: &Resource,
    request: Request<Body>,
) -> Result<Response<Body>, Status> {
    let name = resource.resource.as_str();
    let known = REVIEWS.iter().find(|review| review.0 == resource.group && review.1 == name);
    let (_, _, kind, _) = known.ok_or_else(Status::no_such_resource)?;
    if request.method() != axum::http::Method::POST {
        return Err(Status::method_not_allowed());
    }
    let mut body = read_body(request, kind).await?;
    if name == "selfsubjectreviews" {
        return Ok(json_answer(
            StatusCode::CREATED,
            &json!({
                "kind": "SelfSubjectReview",
                "apiVersion": "authentication.k8s.io/v1",
                "metadata": {"creationTimestamp": Instant::now().seconds()},
                "status": {"userInfo": user.json()},
            }),
        ));
    }
    let spec = serde_json::from_value::<Spec>(body["spec"].clone());
    let spec = if body["spec"].is_null() {
        Spec::default()
    } else {
        spec.map_err(|error| Status::bad_request(error.to_string()))?
    };
    let status = match name {
        "selfsubjectaccessreviews" => decide(authorizer, user, &spec)?,
        "selfsubjectrulesreviews" => rules(authorizer, user, &spec),
        _ => {
            let user = User { name: spec.user.clone(), groups: spec.groups.clone(), ..User::default() };
            decide(authorizer, &user, &spec)?
        }
    };
    Ok(json_answer(
        StatusCode::CREATED,
        &json!({
            "kind": kind,
            "apiVersion": "authorization.k8s.io/v1",
            "metadata": {},
            "spec": body["spec"].take(),
            "status": status,
        }),
    ))
}

fn decide(authorizer: &Authorizer, user: &User, spec: &Spec) -> Result<Value, Status> {
    let unnamed = Subject { group: AUTHORIZATION, resource: "", name: "" };
    let attributes = match (&spec.resource_attributes, &spec.non_resource_attributes) {
        (Some(asked), None) => Attributes {
            verb: asked.verb.clone(),
            target: Target::Resource(Resource {
                group: asked.group.clone(),
                version: asked.version.clone(),
                namespace: asked.namespace.clone(),
                resource: asked.resource.clone(),
                subresource: asked.subresource.clone(),
                name: asked.name.clone(),
            }),
        },
        (None, Some(asked)) => {
            Attributes { verb: asked.verb.clone(), target: Target::Path(asked.path.clone()) }
        }
        (None, None) => {
            let why = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified";
            return Err(Status::invalid(unnamed, "spec.resourceAttributes", "FieldValueInvalid", why));
        }
        (Some(_), Some(_)) => {
            let why = "Invalid value: cannot be specified in combination with resourceAttributes";
            return Err(Status::invalid(unnamed, "spec.nonResourceAttributes", "FieldValueInvalid", why));
        }
    };
    Ok(match authorizer.decide(user, &attributes) {
        None => json!({"allowed": false}),
        Some(reason) if reason.is_empty() => json!({"allowed": true}),
        Some(reason) => json!({"allowed": true, "reason": reason}),
    })
}

fn rules(authorizer: &Authorizer, user: &User, spec: &Spec) -> Value {
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    if user.groups.iter().any(|group| group == "system:masters") {
        resources.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
        paths.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
    }
    for rule in authorizer.rules_for(user, &spec.namespace) {
        if rule.non_resource_urls.is_empty() {
            let mut listed =
                json!({"verbs": rule.verbs, "apiGroups": rule.api_groups, "resources": rule.resources});
            if !rule.names.is_empty() {
                listed["resourceNames"] = json!(rule.names);
            }
            resources.push(listed);
        } else {
            paths.push(json!({"verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls}));
        }
    }
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}
