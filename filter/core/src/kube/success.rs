//! The `Status` that answers a deletion of something that is gone at once.

use super::status::{Details, GroupResource};
use serde::Serialize;

/// The body, content type `application/json`, as kube-apiserver writes it after a deletion.
#[must_use]
pub fn deleted(resource: GroupResource<'_>, name: &str, uid: &str) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        kind: &'static str,
        api_version: &'static str,
        metadata: Metadata,
        status: &'static str,
        details: Details,
    }
    #[derive(Serialize)]
    struct Metadata {}
    let details = Details {
        name: name.to_owned(),
        group: resource.group.to_owned(),
        kind: resource.resource.to_owned(),
        uid: uid.to_owned(),
        ..Details::default()
    };
    let wire = Wire { kind: "Status", api_version: "v1", metadata: Metadata {}, status: "Success", details };
    // Strings and structs always serialise; the empty fallback only keeps a panic out.
    crate::json::to_vec(&wire).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_kube_apiserver_writes_it() {
        let resource = GroupResource { group: "g.example.com", resource: "things" };
        assert_eq!(
            String::from_utf8(deleted(resource, "a", "u-1")).unwrap(),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","details":{"name":"a","group":"g.example.com","kind":"things","uid":"u-1"}}"#
        );
    }
}
