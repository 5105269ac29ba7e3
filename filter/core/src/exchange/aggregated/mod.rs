//! Behind an APIService: who is asking, and may he? Found out with the filter's own rights, because the caller's credentials do not come along.
//!
//! `X-Remote-*` is believed from kube-apiserver alone: the connection's certificate was signed by the request-header authority, which Envoy has verified,
//! and bears an allowed name. Both stand in a ConfigMap that is read again every few seconds. Whoever calls past kube-apiserver shows a certificate of
//! the cluster's clients, or a token. All else is 401, and nothing of it reaches Coder.

mod authorities;
mod open;

pub(super) use open::open;

use super::authorize::{Refusal, ask, reached, send};
use super::caller::{Caller, Claim, unauthorized};
use super::context::Cx;
use super::port::{Answer, Outcome};
use super::request::{Proof, Request};
use crate::kube::authentication::{TOKEN_REVIEW_PATH, parse_token_user, token_review};
use crate::kube::authorization::{
    Attributes, Decision, SUBJECT_ACCESS_REVIEW_PATH, parse_decision_about, subject_access_review,
};
use crate::kube::request_header::{Authentication, CONFIG_MAP_PATH};
use crate::kube::status::Status;
use crate::kube::user::UserInfo;
use std::rc::Rc;

/// The caller, once it is known whom a certificate speaks for. Others are known by what they show.
pub(super) async fn identified(cx: &Cx, mut caller: Caller, request: &Request) -> Result<Caller, Status> {
    let user = match (&caller.claim, request.proof()) {
        (Claim::FrontProxy(name), _) => {
            let headers = request.headers().iter();
            // What is not text names nobody: none of it may be left out unseen.
            let named: Option<Vec<(&str, &str)>> = headers
                .filter(|(name, _)| !name.starts_with(':'))
                .map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value).ok()?)))
                .collect();
            let named = named.ok_or_else(unauthorized)?;
            authentication(cx)
                .await?
                .user(name, named.iter().copied())
                .ok_or_else(unauthorized)?
                .authenticated()
        }
        // An authority that is no longer published has no certificates, whatever Envoy still believes.
        (Claim::User(_), Proof::Client(_)) if authentication(cx).await?.client_authority.is_empty() => {
            return Err(unauthorized());
        }
        _ => return Ok(caller),
    };
    caller.claim = Claim::User(user);
    Ok(caller)
}

/// The caller's name, and what RBAC says of what he wants.
pub(super) async fn judged(
    cx: &Cx,
    caller: &Caller,
    attributes: Attributes<'_>,
) -> Result<(String, Decision), Refusal> {
    let user = match &caller.claim {
        Claim::User(user) => Rc::new(user.clone()),
        Claim::Token(token) => owner(cx, caller, token).await?,
        Claim::Headers | Claim::FrontProxy(_) => return Err(unauthorized().into()),
    };
    let review = subject_access_review(&user, attributes);
    if let Some(known) = cx.filter.decisions.get(&review, cx.now()) {
        return Ok((user.name.clone(), known));
    }
    let answer = answered(cx, ask(cx, caller, SUBJECT_ACCESS_REVIEW_PATH, review.clone()).await)?;
    let decision = parse_decision_about(&answer.body)?;
    cx.filter.decisions.put(review, decision.clone(), cx.now());
    Ok((user.name.clone(), decision))
}

/// Whose token this is. Only what is somebody's is remembered: what anybody may send must not fill the memory.
async fn owner(cx: &Cx, caller: &Caller, token: &str) -> Result<Rc<UserInfo>, Status> {
    let key = token.as_bytes();
    if let Some(known) = cx.filter.tokens.get(key, cx.now()) {
        return Ok(known);
    }
    let answer = answered(cx, ask(cx, caller, TOKEN_REVIEW_PATH, token_review(token)).await)?;
    let user = Rc::new(parse_token_user(&answer.body)?);
    cx.filter.tokens.put(key.to_vec(), user.clone(), cx.now());
    Ok(user)
}

/// How kube-apiserver proves itself, as it was published a few seconds ago at most.
async fn authentication(cx: &Cx) -> Result<Rc<Authentication>, Status> {
    if let Some(known) = cx.filter.authentication.get(b"", cx.now()) {
        return Ok(known);
    }
    let own = Caller::own(&cx.filter.config);
    let headers = [("accept", "application/json")];
    let answer = answered(cx, send(cx, &own, "GET", CONFIG_MAP_PATH, &headers, Vec::new()).await)?;
    let published = Rc::new(Authentication::parse(&answer.body)?);
    cx.filter.authentication.put(Vec::new(), published.clone(), cx.now());
    Ok(published)
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
