//! Reads the objects and, where that is wanted or they are new, their Secrets, and puts what they say in the place of what was known.

use super::super::context::Cx;
use super::super::port::Outcome;
use super::object::{List, Object, PATH, path};
use super::{changed, question};
use crate::config::{ControlPlane, Discovery, Egress, parse_url};
use crate::json;
use crate::kube::status::Status;
use crate::kube::{percent, secret};
use crate::planes::{Access, Mapping, Token, identity_of};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use twox_hash::XxHash64;

/// Reads all objects; `tokens` reads all Secrets again, too.
///
/// # Errors
/// 503 where kube-apiserver does not say which objects there are. Then what was known stays.
pub(super) async fn read(cx: &Cx, tokens: bool) -> Result<(), Status> {
    let Some(discovery) = &cx.filter.config.discovery else { return Ok(()) };
    let (planes, reading) = (&cx.filter.planes, cx.filter.planes.begin(cx.now()));
    let outcome = cx.port.call(question(&cx.filter, discovery, PATH.to_owned())).await;
    let unreadable = |why: &str| {
        Status::service_unavailable(format!(
            "kube-apiserver cannot be asked which CoderControlPlane objects there are{why}"
        ))
    };
    let body = match outcome {
        Ok(answer) if answer.status == 200 => answer.body,
        // No such kind: nobody has installed it, or it has been taken away with all of its objects.
        Ok(answer) if answer.status == 404 => br#"{"items":[]}"#.to_vec(),
        Ok(answer) if answer.status == 403 => {
            return Err(unreadable(": it does not allow that (control-planes-rbac.yaml)"));
        }
        _ => return Err(unreadable("")),
    };
    let list: List<'_> = json::read(&body).map_err(|_| unreadable(": its answer is of no use"))?;
    let mut found = Vec::new();
    let mut asked = Vec::new();
    for namespace in namespaces(&list).into_iter().filter(|namespace| !planes.is_fixed(namespace)) {
        let before = planes.mapping(namespace);
        // One that is served counts for as long as it is there and not disabled: that its operator is not content at the moment must neither make
        // everything in it vanish nor put another in its place.
        let is_served = |object: &Object<'_>| {
            let known = before.as_ref().filter(|before| !before.uid.is_empty());
            object.is_enabled() && known.is_some_and(|known| known.uid == object.metadata.uid)
        };
        let of_it = list.items.iter().filter(|object| object.metadata.namespace == namespace);
        let counting: Vec<&Object<'_>> =
            of_it.filter(|object| object.is_eligible() || is_served(object)).collect();
        let is_well = before.as_ref().is_some_and(|before| before.broken.is_none());
        match counting.as_slice() {
            [] => {}
            [object] if is_well && !object.is_eligible() => found.extend(before),
            [object] if !object.is_callable() => {
                let broken = Some(unusable(object, "its status names no URL or no Secret"));
                found.extend(before.map(|before| Mapping { broken, access: None, ..before }));
            }
            [object] => match plane(discovery, object) {
                Ok(plane) => {
                    let known = planes.access(namespace, identity_of(&plane));
                    let known = known.filter(|access| object.secret() == Some((&access.secret, &access.key)));
                    if known.is_some() && !tokens {
                        found.push(mapping(object, plane, None, known));
                    } else {
                        let path = secret_path(namespace, object.secret().unwrap_or_default().0);
                        asked.push((
                            cx.port.call(question(&cx.filter, discovery, path)),
                            plane,
                            *object,
                            known,
                        ));
                    }
                }
                Err(mapping) => found.push(mapping),
            },
            several => found.push(too_many(discovery, before, namespace, several)),
        }
    }
    let mut new = Vec::new();
    for (pending, plane, object, known) in asked {
        let (name, key) = object.secret().unwrap_or_default();
        match token(pending.await, &plane.namespace, name, key) {
            Ok(token) if known.as_ref().is_some_and(|known| *known.token.borrow() == token) => {
                found.push(mapping(object, plane, None, known));
            }
            Ok(token) => {
                let path = path(&plane.namespace, &object.metadata.name);
                new.push((cx.port.call(question(&cx.filter, discovery, path)), plane, object, token, known));
            }
            // kube-apiserver does not say: what was known holds.
            Err((_, false)) if known.is_some() => found.push(mapping(object, plane, None, known)),
            Err((why, _)) => found.push(mapping(object, plane, Some(&why), None)),
        }
    }
    // A new token may be for a new address, and is nothing for whoever has the one that was read before it.
    for (pending, plane, object, token, known) in new {
        let named = object.secret().unwrap_or_default();
        found.push(match is_same(&pending.await, identity_of(&plane), named) {
            true => {
                let access = access(object, identity_of(&plane), named, token);
                mapping(object, plane, None, Some(access))
            }
            false if known.is_some() => mapping(object, plane, None, known),
            false => {
                mapping(object, plane, Some("its token waits until the object has been read once more"), None)
            }
        });
    }
    if planes.discovered(found, reading) {
        changed(cx);
    }
    Ok(())
}

/// What one object makes of its namespace.
fn mapping(
    object: &Object<'_>,
    plane: ControlPlane,
    broken: Option<&str>,
    access: Option<Rc<Access>>,
) -> Mapping {
    let broken = broken.map(|why| unusable(object, why));
    Mapping { uid: object.metadata.uid.to_string(), broken, access, ..Mapping::of(plane) }
}

/// Whether kube-apiserver has answered with an object that still stands for the same Coder and names that Secret.
pub(super) fn is_same(outcome: &Outcome, of: u64, secret: (&str, &str)) -> bool {
    let answer = outcome.as_ref().ok().filter(|answer| answer.status == 200);
    let object = answer.and_then(|answer| json::read::<Object<'_>>(&answer.body).ok());
    object.is_some_and(|object| {
        object.is_enabled() && identity(&object) == of && object.secret() == Some(secret)
    })
}

/// The path of a Secret.
pub(super) fn secret_path(namespace: &str, name: &str) -> String {
    ["/api/v1/namespaces/", namespace, "/secrets/", &percent::encode_segment(name)].concat()
}

fn access(object: &Object<'_>, identity: u64, (secret, key): (&str, &str), token: Token) -> Rc<Access> {
    Rc::new(Access {
        object: object.metadata.name.to_string(),
        identity,
        secret: secret.to_owned(),
        key: key.to_owned(),
        token: RefCell::new(token),
        checked_at: Cell::default(),
    })
}

/// The token in a Secret, or why there is none, and whether that is certain.
pub(super) fn token(
    outcome: Outcome,
    namespace: &str,
    name: &str,
    key: &str,
) -> Result<Token, (String, bool)> {
    let secret = format!("Secret \"{namespace}/{name}\"");
    match outcome {
        Ok(answer) if answer.status == 200 => match secret::value(&answer.body, key) {
            Some(value) => Token::new(&value)
                .ok_or_else(|| (format!("{secret} holds no token in its key \"{key}\""), true)),
            None => Err((format!("{secret} has no key \"{key}\""), true)),
        },
        Ok(answer) if answer.status == 404 => Err((format!("{secret} does not exist"), true)),
        Ok(answer) if answer.status == 403 => Err((format!("{secret} may not be read"), true)),
        _ => Err((format!("{secret} cannot be read for the moment"), false)),
    }
}

fn namespaces<'a>(list: &'a List<'_>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for object in &list.items {
        if !names.contains(&&*object.metadata.namespace) {
            names.push(&object.metadata.namespace);
        }
    }
    names
}

/// How the Coder of an object is called.
fn plane(discovery: &Discovery, object: &Object<'_>) -> Result<ControlPlane, Mapping> {
    let url = object.status.url.trim();
    let identity = identity(object);
    let mut plane = ControlPlane {
        namespace: object.metadata.namespace.to_string(),
        cluster: discovery.egress.clone(),
        dashboard_url: url.trim_end_matches('/').to_owned(),
        delete_with_namespace: discovery.delete_with_namespace,
        egress: Some(Egress { identity, ..Egress::default() }),
        ..ControlPlane::default()
    };
    let Some((https, authority, prefix)) = parse_url(url) else {
        return Err(mapping(object, plane, Some("status.url is not an http or https URL of a Coder"), None));
    };
    plane.authority = authority.to_owned();
    plane.egress = Some(Egress { https, prefix: prefix.to_owned(), identity });
    Ok(plane)
}

/// Of the same object with the same URL it is the same, and never 0.
pub(super) fn identity(object: &Object<'_>) -> u64 {
    let seed = XxHash64::oneshot(0, object.metadata.uid.as_bytes());
    XxHash64::oneshot(seed, object.status.url.trim().trim_end_matches('/').as_bytes()).max(1)
}

/// Whoever asks is told, and those who watch the one that was served so far keep their streams.
fn too_many(
    discovery: &Discovery,
    before: Option<Mapping>,
    namespace: &str,
    objects: &[&Object<'_>],
) -> Mapping {
    let mut names: Vec<&str> = objects.iter().map(|object| &*object.metadata.name).collect();
    crate::sort::sort_by(&mut names, Ord::cmp);
    let broken = Some(Status::bad_request(format!(
        "namespace \"{namespace}\" has {} CoderControlPlane objects that could be served, and there may be one: {}",
        names.len(),
        names.join(", ")
    )));
    let before = before.unwrap_or_else(|| Mapping::of(ControlPlane::default()));
    let among = objects.iter().find(|object| object.metadata.uid == before.uid);
    let plane = match among.filter(|object| identity(object) == identity_of(&before.plane)) {
        Some(_) => before.plane,
        None => {
            let egress = Some(Egress { identity: 1, ..Egress::default() });
            let (namespace, cluster) = (namespace.to_owned(), discovery.egress.clone());
            Rc::new(ControlPlane { namespace, cluster, egress, ..ControlPlane::default() })
        }
    };
    let uid = among.map(|object| object.metadata.uid.to_string()).unwrap_or_default();
    Mapping { plane, uid, broken, access: None }
}

fn unusable(object: &Object<'_>, why: &str) -> Status {
    let metadata = &object.metadata;
    Status::service_unavailable(format!(
        "CoderControlPlane {} of namespace \"{}\" cannot be used: {why}",
        metadata.name, metadata.namespace
    ))
}
