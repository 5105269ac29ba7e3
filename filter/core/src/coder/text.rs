//! A string of Coder's answer, borrowed where JSON allows it.
//!
//! `Cow` alone would not do: Go's `null` is to read as empty.

use crate::json::{Read, Scalar, Unfit};
use core::fmt;
use core::ops::Deref;
use std::borrow::Cow;

/// Text that is copied only when it has escapes. `null` reads as empty.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    /// The text with its own lifetime.
    pub fn into_cow(self) -> Cow<'a, str> {
        self.0
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a `Cow` that borrows from this value.
    pub fn cow(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }

    /// Like [`Text::cow`], and `None` for the empty text, which is how Coder omits a string.
    pub fn non_empty(&self) -> Option<Cow<'_, str>> {
        (!self.0.is_empty()).then(|| self.cow())
    }
}

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<'a> Read<'a> for Text<'a> {
    fn expected(&self) -> &'static str {
        "a string"
    }
    fn scalar(&mut self, scalar: Scalar<'a>) -> Result<(), Unfit> {
        self.0 = match scalar {
            Scalar::Text(text) => text,
            Scalar::Null => Cow::default(),
            _ => return Err(Unfit::Kind),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borrows_unless_escaped() {
        let plain: Text<'_> = crate::json::read(br#""alice""#).unwrap();
        assert!(matches!(plain.0, Cow::Borrowed("alice")));
        let escaped: Text<'_> = crate::json::read(br#""a\nb""#).unwrap();
        assert!(matches!(escaped.0, Cow::Owned(_)) && escaped.as_str() == "a\nb");
        let null: Option<Text<'_>> = crate::json::read(b"null").unwrap();
        assert!(null.is_none());
        let null: Text<'_> = crate::json::read(b"null").unwrap();
        assert_eq!((null.as_str(), null.non_empty()), ("", None));
    }
}
