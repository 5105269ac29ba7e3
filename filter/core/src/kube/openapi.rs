//! The index at `/openapi/v3`: merges the path of one group version into kube-apiserver's.

use std::borrow::Cow;

use super::object_writer::serialize;
use super::status::Status;
use crate::json::{self, Fields, Raw, object};

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

#[derive(Default)]
struct Index<'a> {
    paths: Fields<Cow<'a, str>, Raw<'a>>,
}

object!(Index<'a> { paths } {});

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
    let Fields(mut paths) = json::read::<Index<'_>>(upstream).ok()?.paths;
    let path = path(group, version);
    let entry = format!("{{\"serverRelativeURL\":\"{}\"}}", server_relative_url(group, version, etag));
    paths.retain(|(existing, _)| **existing != *path);
    // kube-apiserver sorts them.
    let place = paths.iter().take_while(|(existing, _)| **existing < *path).count();
    paths.insert(place, (Cow::Owned(path), Raw(&entry)));
    let mut out = Vec::with_capacity(upstream.len().saturating_add(256));
    out.extend_from_slice(b"{\"paths\":");
    for (index, (path, Raw(entry))) in paths.iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        serialize(&mut out, &**path).ok()?;
        out.push(b':');
        out.extend_from_slice(entry.as_bytes());
    }
    out.extend_from_slice(b"}}");
    Some(out)
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
