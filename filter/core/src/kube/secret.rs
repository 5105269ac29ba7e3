//! Secrets: the value of one key, which stands there in base64 (RFC 4648, with padding).
//!
//! Values are handed over and never kept here, and nothing that holds one can be printed.

use crate::json::{self, Fields, object};
use std::borrow::Cow;

#[derive(Default)]
struct Secret<'a> {
    data: Fields<Cow<'a, str>, Cow<'a, str>>,
}

object!(Secret<'a> {} { data });

/// What a key of a Secret holds, by the JSON of the Secret. `None` where it has no such key, or this is no Secret.
pub fn value(secret: &[u8], key: &str) -> Option<Vec<u8>> {
    let secret: Secret<'_> = json::read(secret).ok()?;
    let (_, value) = secret.data.0.iter().find(|(name, _)| name == key)?;
    decode(value)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len());
    let (mut held, mut bits) = (0_u32, 0_u32);
    for c in text.bytes() {
        let digit = match c {
            b'A'..=b'Z' => c.wrapping_sub(b'A'),
            b'a'..=b'z' => c.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => c.wrapping_sub(b'0').wrapping_add(52),
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6) | u32::from(digit);
        bits = bits.wrapping_add(6);
        if bits >= 8 {
            bits = bits.wrapping_sub(8);
            let [.., byte] = (held >> (bits & 7)).to_be_bytes();
            bytes.push(byte);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let check = |json: &str, expect: Option<&str>| {
            assert_eq!(value(json.as_bytes(), "token").as_deref(), expect.map(str::as_bytes), "{json}");
        };
        // RFC 4648, section 10.
        for (text, expect) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
            ("Pz4/Pj8=", "?>?>?"),
        ] {
            check(&format!(r#"{{"kind":"Secret","data":{{"a":"YQ==","token":"{text}"}}}}"#), Some(expect));
        }
        check(r#"{"data":{"token":"a-b_"}}"#, None);
        check(r#"{"data":{"Token":"Zg=="}}"#, None);
        check(r#"{"data":null}"#, None);
        check("{}", None);
        check("<html>", None);
    }
}
