//! Who is asking (`user.Info`), as SelfSubjectReview tells it and as the front-proxy headers carry it.

use super::headers;
use crate::json::{Fields, object};

/// An authenticated user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// User name.
    pub name: String,
    /// UID, where the authenticator knows one.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// What else the authenticator knows.
    pub extra: Fields<String, Vec<String>>,
}

object!(UserInfo {} { name as "username", uid, groups, extra });

/// Group of all whose name is known.
const AUTHENTICATED: &str = "system:authenticated";
/// Group of those whose name is not, and the name they are given.
const UNAUTHENTICATED: &str = "system:unauthenticated";
const ANONYMOUS: &str = "system:anonymous";

impl UserInfo {
    /// The same as one of those whose name is known, unless it says itself that it is not (apiserver's `AuthenticatedGroupAdder`).
    #[must_use]
    pub fn authenticated(mut self) -> Self {
        let known = self.groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED);
        if !known && self.name != ANONYMOUS {
            self.groups.push(AUTHENTICATED.to_owned());
        }
        self
    }

    /// The headers that tell kube-apiserver who this is, to be sent with the front-proxy certificate only.
    #[must_use]
    pub fn front_proxy_headers(&self) -> Vec<(String, String)> {
        let mut all = vec![(headers::REMOTE_USER.to_owned(), self.name.clone())];
        if !self.uid.is_empty() {
            all.push((headers::REMOTE_UID.to_owned(), self.uid.clone()));
        }
        all.extend(self.groups.iter().map(|group| (headers::REMOTE_GROUP.to_owned(), group.clone())));
        for (key, values) in &self.extra.0 {
            let name = format!("{}{}", headers::REMOTE_EXTRA_PREFIX, headers::escape_extra_key(key));
            all.extend(values.iter().map(|value| (name.clone(), value.clone())));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_known_is_authenticated() {
        let check = |name: &str, groups: &[&str], expect: &[&str]| {
            let groups = groups.iter().map(|group| (*group).to_owned()).collect();
            let user = UserInfo { name: name.into(), groups, ..UserInfo::default() };
            assert_eq!(user.authenticated().groups, expect, "{name}");
        };
        check("alice", &["dev"], &["dev", "system:authenticated"]);
        check("alice", &["system:authenticated", "dev"], &["system:authenticated", "dev"]);
        check("system:anonymous", &["system:unauthenticated"], &["system:unauthenticated"]);
        check("system:anonymous", &[], &[]);
    }

    #[test]
    fn front_proxy_headers() {
        let user = UserInfo {
            name: "alice".into(),
            uid: "u".into(),
            groups: vec!["dev".into(), "ops".into()],
            extra: Fields(vec![("example.com/scopes".into(), vec!["a".into(), "b".into()])]),
        };
        let headers = user.front_proxy_headers();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            headers,
            [
                ("x-remote-user", "alice"),
                ("x-remote-uid", "u"),
                ("x-remote-group", "dev"),
                ("x-remote-group", "ops"),
                ("x-remote-extra-example.com%2fscopes", "a"),
                ("x-remote-extra-example.com%2fscopes", "b"),
            ]
        );
        let nobody = UserInfo { name: "bob".into(), ..UserInfo::default() };
        assert_eq!(nobody.front_proxy_headers(), [("x-remote-user".to_owned(), "bob".to_owned())]);
    }
}
