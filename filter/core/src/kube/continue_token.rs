//! Continue tokens: opaque to clients, bounded, and refused as expired when they cannot be read.
//!
//! They are not signed: one that a client made up selects nothing that the client could not list anyway.

use std::fmt::Write as _;

use super::status::Status;

/// Version of the encoding; a token of another version is expired. Inside is the version, the resourceVersion, the
/// namespace and the name, with NUL between them; outside it is hexadecimal, which looks as opaque as base64 and needs no code to
/// speak of.
const VERSION: &str = "v1";
/// Longest token that is looked at, in bytes: twice what the longest names make.
const MAX_LENGTH: usize = 1024;

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContinueToken {
    /// resourceVersion of the first page, which every page carries.
    pub resource_version: u64,
    /// Namespace of the last object that was listed.
    pub namespace: String,
    /// Name of the last object that was listed.
    pub name: String,
}

impl ContinueToken {
    /// The token as clients send it back.
    #[must_use]
    pub fn encode(&self) -> String {
        let Self { resource_version, namespace, name } = self;
        to_hex(format!("{VERSION}\0{resource_version}\0{namespace}\0{name}").as_bytes())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 410 Expired, so that clients begin a new list.
    pub fn decode(token: &str) -> Result<Self, Status> {
        Self::read(token).ok_or_else(|| {
            Status::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new \
                 list without the continue parameter.",
            )
        })
    }

    fn read(token: &str) -> Option<Self> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let bytes = from_hex(token)?;
        let mut parts = std::str::from_utf8(&bytes).ok()?.split('\0');
        let (version, resource_version) = (parts.next()?, parts.next()?.parse::<u64>().ok()?);
        let (namespace, name) = (parts.next()?, parts.next()?);
        let complete = parts.next().is_none() && !namespace.is_empty() && !name.is_empty();
        // What we give out lies below 2⁶³; a list would carry it on.
        let valid = version == VERSION && (1..1 << 63).contains(&resource_version) && complete;
        valid.then(|| Self { resource_version, namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// Whether this object comes after the last one listed; the order is namespace, then name.
    #[must_use]
    pub fn is_before(&self, namespace: &str, name: &str) -> bool {
        (self.namespace.as_str(), self.name.as_str()) < (namespace, name)
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len().saturating_mul(2)), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(resource_version: u64, namespace: &str, name: &str) -> ContinueToken {
        ContinueToken { resource_version, namespace: namespace.into(), name: name.into() }
    }

    #[test]
    fn what_cannot_be_read_is_expired() {
        let ours = |text: &str| to_hex(text.replace('|', "\0").as_bytes());
        for bad in [
            String::new(),
            "?".into(),
            ours("{}"),
            ours("v2|1|a|b"),
            ours("v1|0|a|b"),
            ours("v1|x|a|b"),
            ours("v1|1|ab"),
            ours("v1|1||b"),
            ours("v1|1|a|"),
            ours("v1|1|a|b|c"),
            to_hex(&[0xff]),
            ours("v1|1|a|b").split_off(1),
            token(1, &"n".repeat(2000), "x").encode(),
            token(1 << 63, "a", "b").encode(),
        ] {
            let status = ContinueToken::decode(&bad).unwrap_err();
            assert_eq!((status.code, status.reason), (410, crate::kube::status::Reason::Expired), "{bad}");
        }
        assert!(
            ContinueToken::decode(&token(u64::MAX >> 1, &"n".repeat(63), &"x".repeat(253)).encode()).is_ok()
        );
    }

    #[test]
    fn order_is_namespace_then_name() {
        let at = token(1, "b", "m");
        for (namespace, name, after) in
            [("a", "z", false), ("b", "l", false), ("b", "m", false), ("b", "ma", true), ("c", "a", true)]
        {
            assert_eq!(at.is_before(namespace, name), after, "{namespace}/{name}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(rv in 1_u64..1 << 63, namespace in "[a-z0-9-]{1,63}", name in "[a-z0-9.-]{1,98}") {
            let token = token(rv, &namespace, &name);
            prop_assert_eq!(ContinueToken::decode(&token.encode()).unwrap(), token);
        }

        #[test]
        fn any_text_is_read_or_expired(text in "\\PC{0,60}") {
            let _ = ContinueToken::decode(&text);
        }
    }
}
