//! The subject of a verified client certificate, in the RFC 2253 text that Envoy gives, to the user that Kubernetes sees
//! in it: common name is the name, organizations are the groups (apiserver's `CommonNameUserConversion`).
//!
//! What cannot be read is refused: half a subject would be another user.

use super::percent::hex_digit;
use super::user::UserInfo;

/// Kubernetes' own attribute for a user's UID (k8s.io/apiserver, asn1util.X509UID).
const UID_OID: &str = "1.3.6.1.4.1.57683.2";

/// Why a subject names no user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectError {
    /// The text is not an RFC 2253 name.
    Syntax,
    /// A value that counts is not text, or holds control characters.
    Value,
    /// There is no common name, or an empty one.
    NoCommonName,
    /// There are several UIDs, or an empty one.
    Uid,
}

/// Reads the user out of a subject such as `CN=alice,O=dev+O=ops`.
///
/// # Errors
/// The subject cannot be read in full, or has no common name.
pub fn parse(subject: &str) -> Result<UserInfo, SubjectError> {
    let mut user = UserInfo::default();
    let mut reader = Reader { rest: subject };
    // The text begins with the certificate's last attribute. Of several common names Go keeps the certificate's last.
    let mut named = false;
    while !reader.rest.is_empty() {
        let key = reader.key()?;
        let raw = reader.value()?;
        match key {
            "CN" | "2.5.4.3" if named => {}
            "CN" | "2.5.4.3" => {
                user.name = raw.text()?;
                named = true;
            }
            "O" | "2.5.4.10" => user.groups.push(raw.text()?),
            UID_OID if user.uid.is_empty() => {
                user.uid = raw.text()?;
                if user.uid.is_empty() {
                    return Err(SubjectError::Uid);
                }
            }
            UID_OID => return Err(SubjectError::Uid),
            _ => {}
        }
    }
    if user.name.is_empty() {
        return Err(SubjectError::NoCommonName);
    }
    user.groups.reverse();
    Ok(user)
}

/// A value as it was written.
enum RawValue {
    /// Characters, escapes resolved.
    Bytes(Vec<u8>),
    /// `#` and the hexadecimal DER of a string.
    Der(Vec<u8>),
}

impl RawValue {
    fn text(self) -> Result<String, SubjectError> {
        let bytes = match self {
            Self::Bytes(bytes) => bytes,
            Self::Der(der) => der_string(&der).ok_or(SubjectError::Value)?.to_vec(),
        };
        let text = String::from_utf8(bytes).map_err(|_| SubjectError::Value)?;
        // Names end up in headers and logs.
        if text.chars().any(char::is_control) { Err(SubjectError::Value) } else { Ok(text) }
    }
}

/// The bytes of a DER UTF8String, PrintableString or IA5String.
fn der_string(der: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, content) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 => {
            let (length, content) = rest.split_first()?;
            (usize::from(*length), content)
        }
        0x82 => {
            let (length, content) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), content)
        }
        _ => return None,
    };
    (matches!(tag, 0x0c | 0x13 | 0x16) && content.len() == length).then_some(content)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// The attribute type and its `=`.
    fn key(&mut self) -> Result<&'a str, SubjectError> {
        let (key, rest) = self.rest.split_once('=').ok_or(SubjectError::Syntax)?;
        let key = key.trim_matches(' ');
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if key.is_empty() || !key.chars().all(valid) {
            return Err(SubjectError::Syntax);
        }
        self.rest = rest;
        Ok(key.strip_prefix("OID.").unwrap_or(key))
    }

    /// The value, and the separator after it.
    fn value(&mut self) -> Result<RawValue, SubjectError> {
        self.skip_spaces();
        let value = if let Some(rest) = self.rest.strip_prefix('"') {
            self.rest = rest;
            self.quoted()?
        } else if let Some(rest) = self.rest.strip_prefix('#') {
            self.rest = rest;
            self.der()?
        } else {
            self.plain()?
        };
        self.skip_spaces();
        match self.next() {
            None => Ok(value),
            // A separator promises another attribute.
            Some(',' | ';' | '+') if !self.rest.is_empty() => Ok(value),
            Some(_) => Err(SubjectError::Syntax),
        }
    }

    /// Characters up to a separator, which stays. Spaces at the end count only when escaped.
    fn plain(&mut self) -> Result<RawValue, SubjectError> {
        let mut bytes = Vec::new();
        let mut kept = 0;
        while let Some(c) = self.rest.chars().next().filter(|c| !matches!(c, ',' | ';' | '+')) {
            self.next();
            match c {
                '\\' => self.escape(&mut bytes)?,
                '"' => return Err(SubjectError::Syntax),
                c => push(&mut bytes, c),
            }
            if c != ' ' {
                kept = bytes.len();
            }
        }
        bytes.truncate(kept);
        Ok(RawValue::Bytes(bytes))
    }

    /// Characters up to the closing quote, which is taken.
    fn quoted(&mut self) -> Result<RawValue, SubjectError> {
        let mut bytes = Vec::new();
        loop {
            match self.next().ok_or(SubjectError::Syntax)? {
                '"' => return Ok(RawValue::Bytes(bytes)),
                '\\' => self.escape(&mut bytes)?,
                c => push(&mut bytes, c),
            }
        }
    }

    fn der(&mut self) -> Result<RawValue, SubjectError> {
        let mut der = Vec::new();
        while self.rest.starts_with(|c: char| c.is_ascii_hexdigit()) {
            der.push(self.hex_byte()?);
        }
        if der.is_empty() { Err(SubjectError::Syntax) } else { Ok(RawValue::Der(der)) }
    }

    /// What follows a backslash: a special character, or two hexadecimal digits.
    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), SubjectError> {
        let special = self
            .rest
            .chars()
            .next()
            .filter(|c| matches!(c, ',' | ';' | '+' | '"' | '\\' | '<' | '>' | '=' | '#' | ' '));
        match special {
            Some(c) => {
                self.next();
                push(bytes, c);
            }
            None => bytes.push(self.hex_byte()?),
        }
        Ok(())
    }

    fn hex_byte(&mut self) -> Result<u8, SubjectError> {
        let mut digit = || {
            let next = self.next().and_then(|c| u8::try_from(c).ok());
            next.and_then(hex_digit).ok_or(SubjectError::Syntax)
        };
        Ok(digit()? << 4 | digit()?)
    }
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests;
