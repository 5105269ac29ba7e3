//! May this caller do this? The cluster's own RBAC says so, in answer to a review that carries the caller's own credentials, or in aggregated mode
//! is about him ([`aggregated::judged`]).
//!
//! Everything but a readable `allowed: true` is a refusal. Decisions are remembered for a few seconds.

use super::aggregated;
use super::caller::Caller;
use super::context::Cx;
use super::port::{Answer, Call, Outcome, Pending};
use super::reply::Reply;
use crate::config::Mode;
use crate::json::{self, object};
use crate::kube::authorization::{
    Attributes, Decision, SELF_SUBJECT_ACCESS_REVIEW_PATH, SELF_SUBJECT_REVIEW_PATH, forbidden,
    parse_decision, parse_user, self_subject_access_review, self_subject_review,
};
use crate::kube::status::Status;

/// Whom Kubernetes sees where there are no credentials.
const ANONYMOUS: &str = "system:anonymous";

/// Why a request ends here: our own refusal, or kube-apiserver's, passed on as it is.
pub(super) enum Refusal {
    Status(Status),
    Verbatim(Box<Reply>),
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// Lets an allowed request go on.
pub(super) async fn authorize(cx: &Cx, caller: &Caller, attributes: Attributes<'_>) -> Result<(), Refusal> {
    let (user, decision) = match cx.filter.config.mode {
        Mode::Front => judged_as_itself(cx, caller, attributes).await?,
        Mode::Aggregated => aggregated::judged(cx, caller, attributes).await?,
    };
    cx.user.replace(user.clone());
    cx.note("kube.user", user.as_str());
    cx.note("kube.decision", if decision.allowed { "allow" } else { "forbid" });
    if decision.allowed { Ok(()) } else { Err(forbidden(&user, attributes, &decision.reason).into()) }
}

/// The caller's name and what he may do, asked with his own credentials.
async fn judged_as_itself(
    cx: &Cx,
    caller: &Caller,
    attributes: Attributes<'_>,
) -> Result<(String, Decision), Refusal> {
    let review = self_subject_access_review(attributes);
    let who = caller.key();
    let what = [who.as_slice(), &review].concat();
    let known = cx.filter.decisions.get(&what, cx.now());
    // Both questions are on their way before the first is waited for.
    let decision = known.is_none().then(|| ask(cx, caller, SELF_SUBJECT_ACCESS_REVIEW_PATH, review));
    let known_user = cx.filter.users.get(&who, cx.now());
    let user = known_user.is_none().then(|| ask(cx, caller, SELF_SUBJECT_REVIEW_PATH, self_subject_review()));

    let decision: Decision = match (known, decision) {
        (Some(known), _) => known,
        (None, Some(pending)) => {
            let decision = parse_decision(&created(cx, caller, attributes, pending.await)?.body)?;
            cx.filter.decisions.put(what, decision.clone(), cx.now());
            decision
        }
        (None, None) => return Err(Status::internal_error("an access review was not asked for").into()),
    };
    let user = match (known_user, user) {
        (Some(known), _) => known,
        (None, Some(pending)) => {
            let user = parse_user(&created(cx, caller, attributes, pending.await)?.body)?.name;
            cx.filter.users.put(who, user.clone(), cx.now());
            user
        }
        (None, None) => String::new(),
    };
    Ok((user, decision))
}

/// Sends a request to kube-apiserver in the caller's name.
pub(super) fn ask<'a>(cx: &'a Cx, caller: &Caller, path: &str, body: Vec<u8>) -> Pending<'a> {
    let headers = [("accept", "application/json"), ("content-type", "application/json")];
    send(cx, caller, "POST", path, &headers, body)
}

/// Sends any request to kube-apiserver in the caller's name.
pub(super) fn send<'a>(
    cx: &'a Cx,
    caller: &Caller,
    method: &'static str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Pending<'a> {
    let own = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    cx.port.call(Call {
        cluster: caller.cluster.clone(),
        method,
        authority: cx.filter.config.kubernetes.authority.clone(),
        path: path.to_owned(),
        headers: own.chain(caller.headers.iter().cloned()).collect(),
        body,
        timeout_ms: u32::MAX,
    })
}

/// The answer of kube-apiserver, or what to say when there is none: it is a success or a refusal, and nothing else is believed.
pub(super) fn reached(cx: &Cx, outcome: Outcome) -> Result<Answer, Refusal> {
    match outcome {
        Ok(answer) if matches!(answer.status, 200..=299 | 400..=499) => {
            // Every answer has a random UUID of its own.
            cx.filter.random.stir(answer.header("audit-id").unwrap_or_default().as_bytes());
            Ok(answer)
        }
        _ => Err(Status::service_unavailable("kube-apiserver cannot be reached to check the request").into()),
    }
}

/// A review that was made; a refusal to make one is passed on in kube-apiserver's own words.
fn created(
    cx: &Cx,
    caller: &Caller,
    attributes: Attributes<'_>,
    outcome: Outcome,
) -> Result<Answer, Refusal> {
    let answer = reached(cx, outcome)?;
    match answer.status {
        200..=299 => Ok(answer),
        // An anonymous caller may not even ask; what it was refused is what it came for.
        403 if caller.is_anonymous() => Err(forbidden(ANONYMOUS, attributes, "").into()),
        _ if is_refusal(&answer) => Err(Refusal::Verbatim(Box::new(verbatim(answer)))),
        _ => Err(Status::service_unavailable(
            "kube-apiserver gave no answer of use to the check of the request",
        )
        .into()),
    }
}

/// Whether this is a `Status` that may be shown. A 404 is about the review, and would read as one about the object.
fn is_refusal(answer: &Answer) -> bool {
    #[derive(Default)]
    struct Kind {
        kind: String,
    }
    object!(Kind { kind } {});
    answer.status != 404 && json::read::<Kind>(&answer.body).is_ok_and(|body| body.kind == "Status")
}

/// Passes on an answer of kube-apiserver's: its status, its body, and the headers that belong to them.
pub(super) fn verbatim(answer: Answer) -> Reply {
    let content_type = answer.header("content-type").unwrap_or("application/json").to_owned();
    let mut reply = Reply::new(answer.status, &content_type, Vec::new());
    for name in ["www-authenticate", "retry-after", "warning"] {
        if let Some(value) = answer.header(name) {
            reply = reply.with(name, value);
        }
    }
    Reply { body: answer.body, ..reply }
}
