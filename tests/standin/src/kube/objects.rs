//! Stored objects: namespaces, pods and a few more, with create, get, list, watch, patch, update and delete. Selectors are
//! `metadata.name`, `metadata.namespace` and equality of labels; others select nothing away.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::change::Target;
use super::form::Form;
use super::kinds::{GROUPS, KINDS, Kind};
use super::request::Resource;
use super::status::{Status, Subject};
use super::watch::Watches;
use super::{json_answer, namespaces, protobuf, table, watch};
use crate::clock::Instant;
use crate::config::KubeConfig;
use crate::query::{pairs, value};

/// Largest request body, as kube-apiserver's.
pub(super) const BODY_LIMIT: usize = 3 << 20;

/// Resource, namespace, name.
pub(super) type Key = (&'static str, String, String);

/// A change, as a watch tells it.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) kind: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) object: Value,
}

/// Every object.
pub(crate) struct Store {
    inner: Mutex<Inner>,
    changes: broadcast::Sender<Change>,
}

struct Inner {
    version: u64,
    objects: BTreeMap<Key, Value>,
}

impl Store {
    pub(crate) fn new(config: &KubeConfig) -> Self {
        let inner = Mutex::new(Inner { version: 1, objects: BTreeMap::new() });
        let store = Self { inner, changes: broadcast::Sender::new(1024) };
        let kind =
            |resource: &str| KINDS.iter().find(|kind| kind.resource == resource).expect("a kind that exists");
        for name in &config.namespaces {
            store.insert(kind("namespaces"), "", json!({"metadata": {"name": name}}), false);
        }
        for lease in &config.leases {
            let object = json!({"metadata": {"name": lease.name}, "spec": {}});
            store.insert(kind("leases"), &lease.namespace, object, false);
        }
        for pod in &config.pods {
            let object = json!({"metadata": {"name": pod.name}, "spec": {"containers": [{"name": "main", "image": "main"}]}});
            store.insert(kind("pods"), &pod.namespace, object, false);
        }
        store
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills in what the server sets, and stores the object unless it is only tried.
    fn insert(&self, kind: &'static Kind, namespace: &str, mut object: Value, dry_run: bool) -> Value {
        let mut inner = self.lock();
        inner.version += 1;
        object["kind"] = json!(kind.kind);
        object["apiVersion"] = json!(kind.api_version());
        let metadata = &mut object["metadata"];
        if kind.namespaced {
            metadata["namespace"] = json!(namespace);
        }
        metadata["uid"] = json!(Uuid::new_v4());
        metadata["resourceVersion"] = json!(inner.version.to_string());
        metadata["creationTimestamp"] = json!(Instant::now().seconds());
        let name = metadata["name"].as_str().unwrap_or_default().to_owned();
        match kind.resource {
            "namespaces" => {
                metadata["labels"]["kubernetes.io/metadata.name"] = json!(name);
                object["spec"] = json!({"finalizers": ["kubernetes"]});
                object["status"] = json!({"phase": "Active"});
            }
            "pods" => {
                let ready = json!([{"name": "main", "ready": true, "restartCount": 0}]);
                object["status"] = json!({"phase": "Running", "containerStatuses": ready});
            }
            _ => {}
        }
        if !dry_run {
            inner.objects.insert((kind.resource, namespace.into(), name), object.clone());
            let _ =
                self.changes.send(Change { kind: "ADDED", resource: kind.resource, object: object.clone() });
        }
        object
    }

    fn remove(&self, key: &Key, dry_run: bool) -> Option<Value> {
        let mut inner = self.lock();
        if dry_run {
            return inner.objects.get(key).cloned();
        }
        let mut object = inner.objects.remove(key)?;
        inner.version += 1;
        object["metadata"]["resourceVersion"] = json!(inner.version.to_string());
        let _ = self.changes.send(Change { kind: "DELETED", resource: key.0, object: object.clone() });
        Some(object)
    }

    /// A namespace.
    pub(super) fn namespace(&self, name: &str) -> Option<Value> {
        self.lock().objects.get(&namespace_key(name)).cloned()
    }

    /// Changes a namespace, unless that is only tried; a change that changes nothing is none.
    pub(super) fn change_namespace(
        &self,
        name: &str,
        dry_run: bool,
        change: impl FnOnce(&mut Value),
    ) -> Option<Value> {
        let changed = self.change(&namespace_key(name), dry_run, |namespace| {
            change(namespace);
            Ok(())
        });
        changed.and_then(Result::ok)
    }

    /// Changes an object that is there, unless that is only tried or refused; a change that changes nothing is none.
    pub(super) fn change(
        &self,
        key: &Key,
        dry_run: bool,
        change: impl FnOnce(&mut Value) -> Result<(), Status>,
    ) -> Option<Result<Value, Status>> {
        let mut inner = self.lock();
        let mut object = inner.objects.get(key)?.clone();
        if let Err(status) = change(&mut object) {
            return Some(Err(status));
        }
        if dry_run || inner.objects.get(key) == Some(&object) {
            return Some(Ok(object));
        }
        inner.version += 1;
        object["metadata"]["resourceVersion"] = json!(inner.version.to_string());
        inner.objects.insert(key.clone(), object.clone());
        let _ = self.changes.send(Change { kind: "MODIFIED", resource: key.0, object: object.clone() });
        Some(Ok(object))
    }

    /// Removes a namespace and nothing that is in it.
    pub(super) fn remove_namespace(&self, name: &str) {
        self.remove(&namespace_key(name), false);
    }

    /// What a list selects, its version, and the changes from there on.
    pub(crate) fn list(&self, selection: &Selection) -> (Vec<Value>, u64, broadcast::Receiver<Change>) {
        let inner = self.lock();
        let objects = inner.objects.iter().filter(|((resource, ..), object)| {
            *resource == selection.kind.resource && selection.matches(object)
        });
        (objects.map(|(_, object)| object.clone()).collect(), inner.version, self.changes.subscribe())
    }
}

fn namespace_key(name: &str) -> Key {
    ("namespaces", String::new(), name.into())
}

/// What a list or watch selects.
#[derive(Clone)]
pub(crate) struct Selection {
    pub(crate) kind: &'static Kind,
    namespace: String,
    fields: Vec<(String, String)>,
    labels: Vec<(String, String)>,
}

impl Selection {
    fn of(kind: &'static Kind, resource: &Resource, query: &[(String, String)]) -> Self {
        let terms = |name: &str| -> Vec<(String, String)> {
            let text = value(query, name).unwrap_or_default();
            let terms = text.split(',').filter_map(|term| term.split_once('='));
            terms
                .map(|(key, value)| (key.trim_end_matches('=').into(), value.trim_start_matches('=').into()))
                .collect()
        };
        let namespace = if kind.namespaced { resource.namespace.clone() } else { String::new() };
        Self { kind, namespace, fields: terms("fieldSelector"), labels: terms("labelSelector") }
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let field = |(key, value): &(String, String)| match key.as_str() {
            "metadata.name" => metadata["name"] == *value,
            "metadata.namespace" => metadata["namespace"] == *value,
            _ => true,
        };
        (self.namespace.is_empty() || metadata["namespace"] == self.namespace)
            && self.fields.iter().all(field)
            && self.labels.iter().all(|(key, value)| metadata["labels"][key] == *value)
    }
}

/// Answers a request for a stored resource.
pub(crate) async fn serve(
    store: &Store,
    watches: &Watches,
    resource: &Resource,
    verb: &str,
    request: Request<Body>,
) -> Result<Response<Body>, Status> {
    let kind = KINDS.iter().find(|kind| {
        kind.group == resource.group && kind.version == resource.version && kind.resource == resource.resource
    });
    let known =
        resource.version == "v1" && (resource.group.is_empty() || GROUPS.contains(&resource.group.as_str()));
    let absent = || if known { Status::no_such_resource() } else { Status::page_not_found() };
    let kind = kind.ok_or_else(absent)?;
    if kind.resource == "namespaces" && resource.subresource == "finalize" {
        return match verb {
            "update" => namespaces::finalize(store, &resource.name, request).await,
            _ => Err(Status::method_not_allowed()),
        };
    }
    if !resource.subresource.is_empty() {
        return Err(absent());
    }
    let query = pairs(request.uri().query());
    let dry_run = value(&query, "dryRun") == Some("All");
    let form = Form::of(request.headers());
    let namespace = if kind.namespaced { resource.namespace.clone() } else { String::new() };
    let key = (kind.resource, namespace, resource.name.clone());
    match verb {
        "get" => {
            let found = store.lock().objects.get(&key).cloned();
            let object = found.ok_or_else(|| Status::not_found(resource.subject()))?;
            Ok(json_answer(StatusCode::OK, &form.object(kind, object, true)))
        }
        "list" => Ok(list(store, &Selection::of(kind, resource, &query), form, &query)),
        "watch" => Ok(watch::stream(store, watches, Selection::of(kind, resource, &query), form, &query)),
        "create" => {
            let object = read_body(request, kind.kind).await?;
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            if name.is_empty() {
                let why = "Required value: name or generateName is required";
                let subject = Subject { group: kind.group, resource: kind.kind, name: "" };
                return Err(Status::invalid(subject, "metadata.name", "FieldValueRequired", why));
            }
            let named = Resource { name: name.into(), ..resource.clone() };
            if kind.namespaced {
                namespaces::admit(store, &named)?;
            }
            if store.lock().objects.contains_key(&(key.0, key.1.clone(), named.name.clone())) {
                return Err(match kind.resource {
                    "namespaces" => namespaces::already_exists(store, &named.name),
                    _ => Status::already_exists(named.subject()),
                });
            }
            let object = store.insert(kind, &key.1, object, dry_run);
            Ok(json_answer(StatusCode::CREATED, &form.object(kind, object, true)))
        }
        "patch" | "update" => {
            let target = Target { store, kind, key: &key, resource, dry_run };
            let object =
                if verb == "patch" { target.patch(request).await? } else { target.put(request).await? };
            Ok(json_answer(StatusCode::OK, &form.object(kind, object, true)))
        }
        "delete" => {
            let body = body(request).await?;
            let options: Value = serde_json::from_slice(&body).unwrap_or_default();
            let dry_run = dry_run || options["dryRun"] == json!(["All"]);
            if kind.resource == "namespaces" {
                return namespaces::delete(store, &resource.name, dry_run);
            }
            let object = store.remove(&key, dry_run).ok_or_else(|| Status::not_found(resource.subject()))?;
            let details =
                json!({"name": resource.name, "kind": kind.resource, "uid": object["metadata"]["uid"]});
            let answer = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
            Ok(json_answer(StatusCode::OK, &answer))
        }
        _ => Err(Status::method_not_allowed()),
    }
}

/// One page; the continue token is the last key.
fn list(store: &Store, selection: &Selection, form: Form, query: &[(String, String)]) -> Response<Body> {
    let (mut objects, version, _) = store.list(selection);
    let place = |object: &Value| {
        let part = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        format!("{}/{}", part("namespace"), part("name"))
    };
    if let Some(after) = value(query, "continue") {
        objects.retain(|object| place(object).as_str() > after);
    }
    let limit = value(query, "limit").and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
    let rest = objects.len().saturating_sub(limit.unwrap_or(usize::MAX));
    objects.truncate(limit.unwrap_or(usize::MAX));
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if let Some(last) = objects.last().filter(|_| rest > 0) {
        metadata["continue"] = json!(place(last));
        metadata["remainingItemCount"] = json!(rest);
    }
    let kind = selection.kind;
    let answer = match form {
        Form::Table => table::of(kind, &objects, metadata, true),
        Form::Metadata => json!({
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "items": objects.into_iter().map(|object| form.object(kind, object, true)).collect::<Vec<_>>(),
        }),
        Form::Object => {
            for object in &mut objects {
                let fields = object.as_object_mut().expect("objects are objects");
                fields.remove("kind");
                fields.remove("apiVersion");
            }
            json!({
                "kind": format!("{}List", kind.kind),
                "apiVersion": kind.api_version(),
                "metadata": metadata,
                "items": objects,
            })
        }
    };
    json_answer(StatusCode::OK, &answer)
}

/// A request's body, which should be of this kind: JSON, or the protobuf of kubectl's typed clients.
pub(crate) async fn read_body(request: Request<Body>, kind: &str) -> Result<Value, Status> {
    let content_type =
        request.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let content_type =
        content_type.and_then(|text| text.split(';').next()).unwrap_or("application/json").trim();
    let parse = match content_type {
        "application/json" => {
            |body: &[u8], _: &str| serde_json::from_slice(body).map_err(|error| error.to_string())
        }
        protobuf::CONTENT_TYPE => |body: &[u8], kind: &str| {
            protobuf::decode(body, kind).ok_or_else(|| "provided data is not protobuf".into())
        },
        _ => return Err(Status::unsupported_media_type()),
    };
    let body = body(request).await?;
    parse(&body, kind).map_err(|why: String| {
        let why = format!("couldn't get version/kind; json parse error: {why}");
        Status::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {why}"))
    })
}

pub(super) async fn body(request: Request<Body>) -> Result<Bytes, Status> {
    to_bytes(request.into_body(), BODY_LIMIT).await.map_err(|_| Status::too_large(BODY_LIMIT))
}
