//! TokenReview: who has this bearer token? kube-apiserver says so.

use serde::Serialize;

use super::authorization::{parse_review, to_json};
use super::status::Status;
use super::user::UserInfo;
use crate::json::object;

/// Path of TokenReview; `POST`, answered 201.
pub const TOKEN_REVIEW_PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// Body of the question whose token this is. For kube-apiserver's own audience: a token made for somebody else is nobody's here.
#[must_use]
pub fn token_review(token: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Spec<'a> {
        token: &'a str,
    }
    to_json("authentication.k8s.io/v1", "TokenReview", Some(Spec { token }))
}

/// Reads the answer to [`token_review`], a body that came with 201.
///
/// # Errors
/// 401 where the token is nobody's, 503 when it is no such answer.
pub fn parse_token_user(body: &[u8]) -> Result<UserInfo, Status> {
    #[derive(Default)]
    struct Reviewed {
        authenticated: bool,
        user: UserInfo,
    }
    object!(Reviewed {} { authenticated, user });
    let reviewed: Reviewed = parse_review(body, "TokenReview")?;
    match reviewed.authenticated && !reviewed.user.name.is_empty() {
        true => Ok(reviewed.user),
        false => Err(Status::unauthorized("Unauthorized")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_question() {
        let body: Value = serde_json::from_slice(&token_review("a\"b")).unwrap();
        let expect = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "a\"b"}});
        assert_eq!(body, expect);
    }

    #[test]
    fn answers() {
        let check = |status: Value, expect: Result<&str, u16>| {
            let body = json!({"kind": "TokenReview", "spec": {"token": "t"}, "status": status}).to_string();
            let got = parse_token_user(body.as_bytes());
            assert_eq!(got.map(|user| user.name).map_err(|e| e.code), expect.map(str::to_owned), "{body}");
        };
        check(json!({"authenticated": true, "user": {"username": "alice", "groups": ["a"]}}), Ok("alice"));
        check(json!({"authenticated": false, "user": {"username": "alice"}}), Err(401));
        check(json!({"user": {"username": "alice"}}), Err(401));
        check(json!({"error": "expired"}), Err(401));
        check(json!({"authenticated": true, "user": {}}), Err(401));
        check(json!({"authenticated": "yes", "user": {"username": "alice"}}), Err(503));
        check(json!(null), Err(503));
        assert_eq!(parse_token_user(b"{}").unwrap_err().code, 503);
        assert_eq!(parse_token_user(br#"{"kind":"Status","status":"Failure"}"#).unwrap_err().code, 503);
    }
}
