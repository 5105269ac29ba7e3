//! Percent decoding that refuses what is malformed instead of guessing. Each piece is decoded once, never twice.

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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, plus: bool, expect: Result<&str, DecodeError>) {
        assert_eq!(decode(input, plus).as_deref().map_err(|e| *e), expect, "{input}");
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
