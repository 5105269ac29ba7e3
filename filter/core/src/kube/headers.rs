//! Request headers that say who is asking: which are copied to kube-apiserver with every question, and which only we
//! may set and clients may not send.
//!
//! Names are compared without regard to case; Envoy hands them over in lower case.

use super::status::Status;

/// User name, believed by kube-apiserver over the front-proxy certificate.
pub const REMOTE_USER: &str = "x-remote-user";
/// UID (since Kubernetes 1.33).
pub const REMOTE_UID: &str = "x-remote-uid";
/// One group; repeated for each.
pub const REMOTE_GROUP: &str = "x-remote-group";
/// Beginning of headers that carry extra attributes; the key follows, percent-encoded.
pub const REMOTE_EXTRA_PREFIX: &str = "x-remote-extra-";
/// Credentials.
pub const AUTHORIZATION: &str = "authorization";

/// Protocols that a client of a websocket offers.
pub const PROTOCOLS: &str = "sec-websocket-protocol";
/// Beginning of the one that is a bearer token, for browsers cannot send `Authorization` (k8s.io/apiserver, authentication/request/websocket).
const TOKEN_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// Beginnings of headers that are ours alone.
const RESERVED: [&str; 1] = ["x-remote-"];
/// Beginning of the headers of impersonation.
const IMPERSONATE: &str = "impersonate-";

/// Whether clients may not send this header: it is stripped from what they send.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|prefix| has_prefix(name, prefix))
}

/// The headers that carry the caller's own identity, in the order sent, to be copied to every question that is asked in
/// the caller's name: `Authorization` and all of `Impersonate-User`, `-Uid`, `-Group` and `-Extra-*`.
///
/// # Errors
/// 401 for a second `Authorization`: two readers could believe different ones.
pub fn identity<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<(&'a str, &'a str)>, Status> {
    let mut identity = Vec::new();
    let mut authorized = false;
    for (name, value) in headers {
        let authorization = name.eq_ignore_ascii_case(AUTHORIZATION);
        if authorization && authorized {
            return Err(Status::unauthorized("Unauthorized"));
        }
        authorized |= authorization;
        if authorization || has_prefix(name, IMPERSONATE) {
            identity.push((name, value));
        }
    }
    Ok(identity)
}

/// Whether the caller asks to act as somebody else.
#[must_use]
pub fn is_impersonation(name: &str) -> bool {
    has_prefix(name, IMPERSONATE)
}

/// The protocols that a client offers, without one that is a token; `None` where no other is left or they are not text.
#[must_use]
pub fn protocols_without_token(value: &[u8]) -> Option<String> {
    let offered = std::str::from_utf8(value).ok()?.split(',').map(str::trim);
    let others: Vec<&str> =
        offered.filter(|one| !one.is_empty() && !has_prefix(one, TOKEN_PROTOCOL)).collect();
    (!others.is_empty()).then(|| others.join(", "))
}

/// Percent-encodes what cannot stand in a header's name, and upper case, which would be lost on the way.
pub(super) fn escape_extra_key(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

/// The token of an `Authorization` header, as k8s.io/apiserver's bearertoken.go reads it; none where it is of another kind.
#[must_use]
pub fn bearer_token(authorization: &str) -> Option<&str> {
    let mut parts = authorization.trim().splitn(3, ' ');
    let scheme = parts.next()?;
    parts.next().filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

pub(super) fn has_prefix(name: &str, prefix: &str) -> bool {
    name.as_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_is_copied_whole() {
        let sent = [
            (":path", "/"),
            ("authorization", "Bearer t"),
            ("accept", "*/*"),
            ("Impersonate-User", "bob"),
            ("impersonate-group", "a"),
            ("impersonate-group", "b"),
            ("impersonate-extra-scopes", "x"),
            ("impersonate-uid", "u"),
            ("x-remote-user", "root"),
        ];
        let copied = identity(sent).unwrap();
        assert_eq!(copied, [sent[1], sent[3], sent[4], sent[5], sent[6], sent[7]]);
        assert_eq!(identity([]), Ok(Vec::new()));
    }

    #[test]
    fn a_second_authorization_is_refused() {
        let status = identity([("authorization", "Bearer a"), ("Authorization", "Bearer a")]).unwrap_err();
        assert_eq!(status.code, 401);
    }

    #[test]
    fn reserved_names() {
        for (name, expect) in [
            ("x-remote-user", true),
            ("X-Remote-Group", true),
            ("x-remote-extra-a", true),
            ("x-remote", false),
            ("x-request-id", false),
            ("authorization", false),
        ] {
            assert_eq!(is_reserved(name), expect, "{name}");
        }
        assert!(is_impersonation("Impersonate-User") && !is_impersonation("impersonate"));
    }

    #[test]
    fn bearer_tokens() {
        for (header, expect) in [
            ("Bearer t", Some("t")),
            ("bEARER t", Some("t")),
            (" Bearer t ", Some("t")),
            ("Bearer t u", Some("t")),
            ("Bearer  t", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic t", None),
            ("t", None),
            ("", None),
        ] {
            assert_eq!(bearer_token(header), expect, "{header}");
        }
    }

    #[test]
    fn extra_keys() {
        for (key, expect) in [("scopes", "scopes"), ("Ab/c", "%41b%2fc"), ("é", "%c3%a9"), ("a%b", "a%25b")]
        {
            assert_eq!(escape_extra_key(key), expect);
        }
    }
}
