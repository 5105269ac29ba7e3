//! What is special about namespaces: a deleted one terminates, and goes when nothing finalizes it any more. There is no
//! namespace controller here, as there is none in the lab: `PUT …/finalize` is how one ends, and what was in it stays.

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::json_answer;
use super::objects::{BODY_LIMIT, Store};
use super::request::Resource;
use super::status::{Status, Subject};
use crate::clock::Instant;

/// Namespaces that nobody may delete.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

/// Whether content may be made in a namespace.
pub(super) fn admit(store: &Store, resource: &Resource) -> Result<(), Status> {
    let name = &resource.namespace;
    let namespace = store.namespace(name).ok_or_else(|| Status::not_found(subject(name)))?;
    if namespace["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {name} because it is being terminated");
    Err(Status::forbidden(resource.subject(), &why).cause(
        "NamespaceTerminating",
        &format!("namespace {name} is being terminated"),
        "metadata.namespace",
    ))
}

/// Why a namespace that is there cannot be made.
pub(super) fn already_exists(store: &Store, name: &str) -> Status {
    let terminating =
        store.namespace(name).is_some_and(|held| !held["metadata"]["deletionTimestamp"].is_null());
    let status = Status::already_exists(subject(name));
    if terminating { status.prefixed("object is being deleted: ") } else { status }
}

/// `DELETE /api/v1/namespaces/{name}`.
pub(super) fn delete(store: &Store, name: &str, dry_run: bool) -> Result<Response<Body>, Status> {
    if IMMORTAL.contains(&name) {
        return Err(Status::forbidden(subject(name), "this namespace may not be deleted"));
    }
    let terminate = |namespace: &mut Value| {
        if namespace["metadata"]["deletionTimestamp"].is_null() {
            namespace["metadata"]["deletionTimestamp"] = json!(Instant::now().seconds());
            namespace["status"]["phase"] = json!("Terminating");
        }
    };
    let namespace = store.change_namespace(name, dry_run, terminate);
    namespace
        .map(|namespace| json_answer(StatusCode::OK, &namespace))
        .ok_or_else(|| Status::not_found(subject(name)))
}

/// `PUT /api/v1/namespaces/{name}/finalize`.
pub(super) async fn finalize(
    store: &Store,
    name: &str,
    request: Request<Body>,
) -> Result<Response<Body>, Status> {
    let body = to_bytes(request.into_body(), BODY_LIMIT).await.map_err(|_| Status::too_large(BODY_LIMIT))?;
    let sent: Value =
        serde_json::from_slice(&body).map_err(|error| Status::bad_request(error.to_string()))?;
    let named = sent["metadata"]["name"].as_str().unwrap_or_default();
    if named != name {
        let message = format!("the name of the object ({named}) does not match the name on the URL ({name})");
        return Err(Status::bad_request(message));
    }
    let finalizers =
        sent["spec"]["finalizers"].as_array().filter(|finalizers| !finalizers.is_empty()).cloned();
    let set = |namespace: &mut Value| {
        namespace["spec"] =
            finalizers.map_or_else(|| json!({}), |finalizers| json!({"finalizers": finalizers}));
    };
    let namespace =
        store.change_namespace(name, false, set).ok_or_else(|| Status::not_found(subject(name)))?;
    if !namespace["metadata"]["deletionTimestamp"].is_null() && namespace["spec"] == json!({}) {
        store.remove_namespace(name);
    }
    Ok(json_answer(StatusCode::OK, &namespace))
}

fn subject(name: &str) -> Subject<'_> {
    Subject { group: "", resource: "namespaces", name }
}
