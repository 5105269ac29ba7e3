//! The index at `/openapi/v3`: merges the path of one group version into kube-apiserver's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::status::Status;

/// Key of a group version in the index, which is also its path below `/openapi/v3/`.
#[must_use]
pub fn path(group: &str, version: &str) -> String {
    format!("apis/{group}/{version}")
}

/// The address that the index gives out: `hash` (the document's entity tag) makes it cacheable for ever.
#[must_use]
pub fn server_relative_url(group: &str, version: &str, etag: &str) -> String {
    let hash = etag.trim_matches('"');
    format!("/openapi/v3/{}?hash={hash}", path(group, version))
}

#[derive(Deserialize, Serialize)]
struct Index<'a> {
    #[serde(borrow)]
    paths: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

#[derive(Serialize)]
struct Entry {
    #[serde(rename = "serverRelativeURL")]
    server_relative_url: String,
}

/// Adds this group version to kube-apiserver's index, or replaces its entry. `etag` is that of our document.
///
/// # Errors
/// 503 when the upstream's answer is no index.
pub fn merge_index(upstream: &[u8], group: &str, version: &str, etag: &str) -> Result<Vec<u8>, Status> {
    merge(upstream, group, version, etag).ok_or_else(|| {
        Status::service_unavailable("the answer of kube-apiserver to /openapi/v3 could not be read")
    })
}

fn merge(upstream: &[u8], group: &str, version: &str, etag: &str) -> Option<Vec<u8>> {
    let url = server_relative_url(group, version, etag);
    let entry = serde_json::value::to_raw_value(&Entry { server_relative_url: url }).ok()?;
    let mut index: Index<'_> = serde_json::from_slice(upstream).ok()?;
    index.paths.insert(Cow::Owned(path(group, version)), &entry);
    serde_json::to_vec(&index).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(upstream: &str, expect: Result<&str, u16>) {
        let got = merge_index(upstream.as_bytes(), "g.example.com", "v1", "\"AB\"");
        let got = got.map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|status| status.code);
        assert_eq!(got, expect.map(str::to_owned), "{upstream}");
    }

    #[test]
    fn merging() {
        let ours =
            r#""apis/g.example.com/v1":{"serverRelativeURL":"/openapi/v3/apis/g.example.com/v1?hash=AB"}"#;
        check(r#"{"paths":{}}"#, Ok(&format!(r#"{{"paths":{{{ours}}}}}"#)));
        check(
            r#"{"paths":{"api/v1":{"x": 1},"version":{}}}"#,
            Ok(&format!(r#"{{"paths":{{"api/v1":{{"x": 1}},{ours},"version":{{}}}}}}"#)),
        );
        check(r#"{"paths":{"apis/g.example.com/v1":{"old":1}}}"#, Ok(&format!(r#"{{"paths":{{{ours}}}}}"#)));
        check("{}", Err(503));
        check("not found", Err(503));
        check(r#"{"paths":[]}"#, Err(503));
    }
}
