//! A string of Coder's answer, borrowed where JSON allows it.
//!
//! `Cow` alone would not do: serde borrows it only outside of `Option`, and Go's `null` is to read as empty.

use core::fmt;
use core::ops::Deref;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
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

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_none<E: Error>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text<'de>, D::Error> {
                deserializer.deserialize_str(self)
            }
        }
        deserializer.deserialize_option(Borrow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borrows_unless_escaped() {
        let plain: Text<'_> = serde_json::from_str(r#""alice""#).unwrap();
        assert!(matches!(plain.0, Cow::Borrowed("alice")));
        let escaped: Text<'_> = serde_json::from_str(r#""a\nb""#).unwrap();
        assert!(matches!(escaped.0, Cow::Owned(_)) && escaped.as_str() == "a\nb");
        let null: Option<Text<'_>> = serde_json::from_str("null").unwrap();
        assert!(null.is_none());
        let null: Text<'_> = serde_json::from_str("null").unwrap();
        assert_eq!((null.as_str(), null.non_empty()), ("", None));
    }
}
