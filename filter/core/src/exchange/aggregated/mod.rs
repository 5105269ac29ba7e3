//! Behind an APIService: who is asking, and may he? Found out with the filter's own rights, because the caller's credentials do not come along.
//!
//! `X-Remote-*` is believed from kube-apiserver alone: the connection's certificate was signed by the request-header authority, which Envoy has verified,
//! and bears an allowed name. Both stand in a ConfigMap that is read again every few seconds. Whoever calls past kube-apiserver shows a certificate of
//! the cluster's clients, or a token. All else is 401, and nothing of it reaches Coder.

mod authorities;
mod open;

pub(super) use open::open;

use super::authorize::{Refusal, reached, send};
use super::caller::{Caller, Claim, unauthorized};
use super::context::Cx;
use super::port::{Answer, Outcome, Pending};
use super::request::{Proof, Request};
use crate::config::Mode;
use crate::kube::authentication::{TOKEN_REVIEW_PATH, parse_token_user, token_review};
use crate::kube::authorization::{
    Attributes, Decision, SUBJECT_ACCESS_REVIEW_PATH, parse_decision_about, subject_access_review,
};
use crate::kube::request_header::{Authentication, CONFIG_MAP_PATH};
use crate::kube::status::Status;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// The caller, once it is known whom a certificate speaks for. Others are known by what they show.
pub(super) async fn identified(cx: &Cx, mut caller: Caller, request: &Request) -> Result<Caller, Status> {
    if matches!(request.proof(), Proof::None) || cx.filter.config.mode == Mode::Front {
        return Ok(caller);
    }
    let authentication = authentication(cx).await?;
    match &caller.claim {
        Claim::FrontProxy(name) => {
            let mut headers = Vec::with_capacity(request.headers().len());
            for (name, value) in request.headers() {
                match std::str::from_utf8(value) {
                    Ok(value) => headers.push((name.as_str(), value)),
                    // What is not text names nobody: none of it may be left out unseen.
                    Err(_) if authentication.reads(name) => return Err(unauthorized()),
                    Err(_) => {}
                }
            }
            let user = authentication.user(name, &headers).ok_or_else(unauthorized)?;
            caller.claim = Claim::User(Rc::new(user.authenticated()));
        }
        // An authority that is no longer published has no certificates, whatever Envoy still believes.
        _ if authentication.client_authority.is_empty() => return Err(unauthorized()),
        _ => {}
    }
    Ok(caller)
}

/// The caller's name, and what RBAC says of what he wants.
pub(super) async fn judged(
    cx: &Cx,
    caller: &Caller,
    attributes: Attributes<'_>,
) -> Result<(String, Decision), Refusal> {
    let user = match &caller.claim {
        Claim::User(user) => user.clone(),
        Claim::Token(token) => match cx.filter.tokens.get(token.as_bytes(), cx.now()) {
            Some(known) => known,
            None => {
                let answer = asked(cx, "POST", TOKEN_REVIEW_PATH, token_review(token)).await?;
                let user = Rc::new(parse_token_user(&answer.body)?);
                // Only what is somebody's is remembered: what anybody may send must not fill the memory.
                cx.filter.tokens.put(token.as_bytes().to_vec(), user.clone(), cx.now());
                user
            }
        },
        Claim::Headers | Claim::FrontProxy(_) => return Err(unauthorized().into()),
    };
    let review = subject_access_review(&user, attributes);
    let decision = match cx.filter.decisions.get(&review, cx.now()) {
        Some(known) => known,
        None => {
            let answer = asked(cx, "POST", SUBJECT_ACCESS_REVIEW_PATH, review.clone()).await?;
            let decision = parse_decision_about(&answer.body)?;
            cx.filter.decisions.put(review, decision.clone(), cx.now());
            decision
        }
    };
    Ok((user.name.clone(), decision))
}

/// How kube-apiserver proves itself, as it was published a few seconds ago at most.
async fn authentication(cx: &Cx) -> Result<Rc<Authentication>, Status> {
    if let Some(known) = cx.filter.authentication.get(b"", cx.now()) {
        return Ok(known);
    }
    let answer = asked(cx, "GET", CONFIG_MAP_PATH, Vec::new()).await?;
    let published = Rc::new(Authentication::parse(&answer.body)?);
    cx.filter.authentication.put(Vec::new(), published.clone(), cx.now());
    Ok(published)
}

/// A question of the filter's own on its way. No `async fn`: it is waited for in several places, and what each keeps of it is much of the module.
struct Asked<'a> {
    cx: &'a Cx,
    pending: Pending<'a>,
}

impl Future for Asked<'_> {
    type Output = Result<Answer, Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let cx = self.cx;
        Pin::new(&mut self.pending).poll(context).map(|outcome| answered(cx, outcome))
    }
}

/// Asks kube-apiserver with the filter's own token, which Envoy adds.
fn asked<'a>(cx: &'a Cx, method: &'static str, path: &str, body: Vec<u8>) -> Asked<'a> {
    // The type of a body where there is none does no harm.
    let headers = [("accept", "application/json"), ("content-type", "application/json")];
    let own = Caller::own(&cx.filter.config);
    Asked { cx, pending: send(cx, &own, method, path, &headers, body) }
}

/// kube-apiserver's answer to the filter's own question. That the filter is refused is not the caller's fault, and not for him to be told as his.
fn answered(cx: &Cx, outcome: Outcome) -> Result<Answer, Status> {
    let unreached = || Status::service_unavailable("kube-apiserver cannot be reached to check the request");
    let answer = reached(cx, outcome).map_err(|_| unreached())?;
    match answer.status {
        200..=299 => Ok(answer),
        // Nothing has been done yet.
        429 => Err(Status::too_many_requests(
            "kube-apiserver has no room to check the request, please try again",
            1,
        )),
        code => Err(Status::service_unavailable(format!(
            "kube-apiserver answers {code} where the filter asks it to check the request"
        ))),
    }
}
