//! Percent decoding that refuses what is malformed instead of guessing. Each piece is decoded once, never twice.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;

/// Why a piece of a URL could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A `%` without two hexadecimal digits after it.
    Escape,
    /// The decoded bytes are not UTF-8.
    Utf8,
}

/// Decodes `%XX`; with `plus_is_space` also `+`, as in query strings (RFC 3986; WHATWG form encoding).
///
/// # Errors
/// A broken escape, or bytes that are not UTF-8.
pub fn decode(input: &str, plus_is_space: bool) -> Result<Cow<'_, str>, DecodeError> {
    if !input.bytes().any(|b| b == b'%' || (plus_is_space && b == b'+')) {
        return Ok(Cow::Borrowed(input));
    }
    let mut out = Vec::with_capacity(input.len());
    let mut bytes = input.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let high = bytes.next().and_then(hex_digit).ok_or(DecodeError::Escape)?;
                let low = bytes.next().and_then(hex_digit).ok_or(DecodeError::Escape)?;
                out.push(high << 4 | low);
            }
            b'+' if plus_is_space => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| DecodeError::Utf8)
}

/// The value of one hexadecimal digit, either case.
pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Encodes one segment of a path: all but RFC 3986's unreserved characters, and the dot, because `..` must never be a segment.
#[must_use]
pub fn encode_segment(text: &str) -> String {
    const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Encodes what cannot stand in a comment of a header (RFC 9110 §5.6.5), and cuts what is very long.
#[must_use]
pub fn encode_comment(text: &str) -> String {
    const KEPT: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'(').add(b')').add(b'\\').add(b'"');
    const MAX: usize = 256;
    utf8_percent_encode(text.get(..text.floor_char_boundary(MAX)).unwrap_or_default(), KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, plus: bool, expect: Result<&str, DecodeError>) {
        assert_eq!(decode(input, plus).as_deref().map_err(|e| *e), expect, "{input}");
    }

    #[test]
    fn comments_cannot_be_left() {
        let check = |text: &str, expect: &str| assert_eq!(encode_comment(text), expect);
        check("system:serviceaccount:ns:name", "system:serviceaccount:ns:name");
        check("alice@example.com", "alice@example.com");
        check("a) (b\r\nx: y%", "a%29%20%28b%0D%0Ax:%20y%25");
        check("ü", "%C3%BC");
    }

    #[test]
    fn decodes_once() {
        check("abc", true, Ok("abc"));
        check("a%20b", true, Ok("a b"));
        check("a+b", true, Ok("a b"));
        check("a+b", false, Ok("a+b"));
        check("%252f", false, Ok("%2f"));
        check("%C3%A9", false, Ok("é"));
        check("%c3%a9", false, Ok("é"));
        check("%", false, Err(DecodeError::Escape));
        check("%2", false, Err(DecodeError::Escape));
        check("%zz", false, Err(DecodeError::Escape));
        check("%ff", false, Err(DecodeError::Utf8));
        check("%+1", true, Err(DecodeError::Escape));
    }
}
