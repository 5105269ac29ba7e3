//! `Warning` headers (RFC 7234 §5.5): what a client should know beside its answer; kubectl prints them.

/// Longest text of one warning, in bytes; kube-apiserver cuts at the same length once there are many.
const TEXT_MAX: usize = 256;

/// The header's value: `299 - "text"`. Control characters become spaces, and what is too long is cut.
#[must_use]
pub fn header(text: &str) -> String {
    let mut value = "299 - \"".to_owned();
    for c in text.get(..text.floor_char_boundary(TEXT_MAX)).unwrap_or_default().chars() {
        match c {
            '"' | '\\' => value.extend(['\\', c]),
            c if c.is_control() => value.push(' '),
            c => value.push(c),
        }
    }
    value.push('"');
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let check = |text: &str, expect: &str| assert_eq!(header(text), expect);
        check("unknown field \"spec.x\"", r#"299 - "unknown field \"spec.x\"""#);
        check("a\\b\nc", r#"299 - "a\\b c""#);
        assert_eq!(header(&"ü".repeat(500)).len(), TEXT_MAX + 8);
    }
}
