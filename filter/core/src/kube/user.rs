//! Who is asking (`user.Info`), as SelfSubjectReview tells it and as the front-proxy headers carry it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::headers;

/// An authenticated user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct UserInfo {
    /// User name.
    #[serde(rename = "username", default)]
    pub name: String,
    /// UID, where the authenticator knows one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What else the authenticator knows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// The headers that tell kube-apiserver who this is, to be sent with the front-proxy certificate only.
    #[must_use]
    pub fn front_proxy_headers(&self) -> Vec<(String, String)> {
        let mut all = vec![(headers::REMOTE_USER.to_owned(), self.name.clone())];
        if !self.uid.is_empty() {
            all.push((headers::REMOTE_UID.to_owned(), self.uid.clone()));
        }
        all.extend(self.groups.iter().map(|group| (headers::REMOTE_GROUP.to_owned(), group.clone())));
        for (key, values) in &self.extra {
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
    fn front_proxy_headers() {
        let user = UserInfo {
            name: "alice".into(),
            uid: "u".into(),
            groups: vec!["dev".into(), "ops".into()],
            extra: BTreeMap::from([("example.com/scopes".into(), vec!["a".into(), "b".into()])]),
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
