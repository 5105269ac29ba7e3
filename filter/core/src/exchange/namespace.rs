//! Whether a namespace is being deleted. Then Kubernetes deletes all that is in it, and people's workspaces must not go with it.

use super::authorize::{reached, send};
use super::caller::Caller;
use super::context::Cx;
use crate::config::Mode;
use crate::json::{self, object};
use crate::kube::percent;
use crate::kube::quote::Quoted;
use crate::kube::status::{Cause, CauseType, GroupResource, Status};
use crate::time::Timestamp;

/// Where a namespace is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It stays.
    Active,
    /// It is being deleted.
    Terminating,
}

#[derive(Default)]
struct Namespace {
    metadata: Metadata,
}

object!(Namespace { metadata } {});

#[derive(Default)]
struct Metadata {
    deletion_timestamp: Option<Timestamp>,
}

object!(Metadata {} { deletion_timestamp as "deletionTimestamp" });

/// Asks kube-apiserver in the caller's name. A caller who may not know is not the one who empties namespaces, and a namespace that is not there is
/// not being deleted.
pub(super) async fn phase(cx: &Cx, caller: &Caller, namespace: &str) -> Result<Phase, Status> {
    let path = format!("/api/v1/namespaces/{}", percent::encode_segment(namespace));
    let pending = send(cx, caller, "GET", &path, &[("accept", "application/json")], Vec::new());
    let unreadable = || {
        Status::service_unavailable(format!(
            "kube-apiserver cannot be asked whether namespace {} is being deleted",
            Quoted(namespace)
        ))
    };
    let answer = reached(cx, pending.await).map_err(|_| unreadable())?;
    match answer.status {
        200..=299 => {
            let namespace: Namespace = json::read(&answer.body).map_err(|_| unreadable())?;
            Ok(match namespace.metadata.deletion_timestamp {
                Some(_) => Phase::Terminating,
                None => Phase::Active,
            })
        }
        404 => Ok(Phase::Active),
        // Asked with the filter's own token, a refusal says nothing of the caller.
        403 if cx.filter.config.mode == Mode::Front => Ok(Phase::Active),
        _ => Err(unreadable()),
    }
}

/// 403 for what would be made in a namespace that is being deleted, as the NamespaceLifecycle admission plugin says it.
pub(super) fn terminating(namespace: &str, resource: GroupResource<'_>, name: &str) -> Status {
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut status = Status::forbidden(resource, name, &why);
    if let Some(details) = &mut status.details {
        details.causes.push(Cause {
            cause_type: Some(CauseType::NamespaceTerminating),
            message: format!("namespace {namespace} is being terminated"),
            field: "metadata.namespace".to_owned(),
        });
    }
    status
}

/// As [`phase`]; that it stays may be a few seconds old: good enough for what only reads. That it goes is asked each time, for when it is made again
/// everything is there again.
pub(super) async fn recent_phase(cx: &Cx, caller: &Caller, namespace: &str) -> Result<Phase, Status> {
    let key = [&caller.key(), b"/".as_slice(), namespace.as_bytes()].concat();
    if let Some(known) = cx.filter.namespaces.get(&key, cx.now()) {
        return Ok(known);
    }
    let phase = phase(cx, caller, namespace).await?;
    if phase == Phase::Active {
        cx.filter.namespaces.put(key, phase, cx.now());
    }
    Ok(phase)
}
