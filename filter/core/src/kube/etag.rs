//! Entity tags of documents that are made of several parts, and the comparison for `If-None-Match` (RFC 9110).

use twox_hash::XxHash64;

/// A strong entity tag, quoted, that changes with every part. A part is a document, or an upstream's own tag for one.
#[must_use]
pub fn etag(parts: &[&[u8]]) -> String {
    // Each part's hash seeds the next, so that bytes moving from one part to another change the tag too.
    let hash = parts.iter().fold(0, |seed, part| XxHash64::oneshot(seed, part));
    format!("\"{hash:016X}\"")
}

/// Whether `If-None-Match` names this tag (weak comparison), so that the answer is 304.
#[must_use]
pub fn if_none_match(header: &str, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().strip_prefix("W/").unwrap_or(tag.trim()).to_owned();
    let etag = opaque(etag);
    // A comma inside a tag would be cut here; none of ours has one, so a cut piece only fails to match.
    header.trim() == "*" || header.split(',').any(|tag| opaque(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_with_every_part() {
        let tags = [
            etag(&[b"a", b"b"]),
            etag(&[b"a", b"c"]),
            etag(&[b"c", b"b"]),
            etag(&[b"ab", b""]),
            etag(&[b"", b"ab"]),
            etag(&[b"b", b"a"]),
        ];
        for (index, tag) in tags.iter().enumerate() {
            assert_eq!(tag.len(), 18);
            assert!(tags.iter().skip(index + 1).all(|other| other != tag));
        }
        assert_eq!(etag(&[b"a", b"b"]), tags[0]);
    }

    #[test]
    fn matches_lists_weak_tags_and_the_star() {
        for (header, expect) in [
            ("\"A\"", true),
            ("W/\"A\"", true),
            ("\"B\", \"A\"", true),
            ("\"B\" ,W/\"A\" ", true),
            ("*", true),
            ("\"B\"", false),
            ("A", false),
            ("", false),
        ] {
            assert_eq!(if_none_match(header, "\"A\""), expect, "{header}");
        }
        assert!(if_none_match("\"A\"", "W/\"A\""));
    }
}
