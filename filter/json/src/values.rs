//! What single values are read into: numbers, text, lists, maps, and JSON itself.

use super::{Array, Field, Object, Parts, Read, Scalar, Unfit};
use std::borrow::Cow;

/// Any value as its JSON, to be passed on or read later. Empty where there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw<'de>(pub &'de str);

impl<'de> Read<'de> for Raw<'de> {
    fn expected(&self) -> &'static str {
        "a value"
    }
    fn parts(&mut self) -> Parts<'_, 'de> {
        Parts::Raw(self)
    }
}

/// Any value, not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skip;

impl<'de> Read<'de> for Skip {
    fn expected(&self) -> &'static str {
        "a value"
    }
    fn parts(&mut self) -> Parts<'_, 'de> {
        Parts::Skip
    }
}

impl Read<'_> for bool {
    fn expected(&self) -> &'static str {
        "true or false"
    }
    fn scalar(&mut self, scalar: Scalar<'_>) -> Result<(), Unfit> {
        let Scalar::Boolean(value) = scalar else { return Err(Unfit::Kind) };
        *self = value;
        Ok(())
    }
}

macro_rules! whole_number {
    ($($type:ty)*) => {$(
        impl Read<'_> for $type {
            fn expected(&self) -> &'static str {
                "a whole number"
            }
            fn scalar(&mut self, scalar: Scalar<'_>) -> Result<(), Unfit> {
                let Scalar::Integer(value) = scalar else { return Err(Unfit::Kind) };
                *self = Self::try_from(value).map_err(|_| Unfit::Value(format!("{value} is out of range")))?;
                Ok(())
            }
        }
    )*};
}

whole_number!(i64 u64 u32);

impl<'de> Read<'de> for Cow<'de, str> {
    fn expected(&self) -> &'static str {
        "a string"
    }
    fn scalar(&mut self, scalar: Scalar<'de>) -> Result<(), Unfit> {
        let Scalar::Text(text) = scalar else { return Err(Unfit::Kind) };
        *self = text;
        Ok(())
    }
}

impl Read<'_> for String {
    fn expected(&self) -> &'static str {
        "a string"
    }
    fn scalar(&mut self, scalar: Scalar<'_>) -> Result<(), Unfit> {
        let Scalar::Text(text) = scalar else { return Err(Unfit::Kind) };
        *self = text.into_owned();
        Ok(())
    }
}

impl<'de, T: Read<'de> + Default> Read<'de> for Option<T> {
    fn expected(&self) -> &'static str {
        self.as_ref().map_or("null", |value| value.expected())
    }
    fn scalar(&mut self, scalar: Scalar<'de>) -> Result<(), Unfit> {
        if scalar == Scalar::Null {
            *self = None;
            return Ok(());
        }
        self.get_or_insert_default().scalar(scalar)
    }
    fn parts(&mut self) -> Parts<'_, 'de> {
        self.get_or_insert_default().parts()
    }
}

impl<'de, T: Read<'de> + Default> Read<'de> for Vec<T> {
    fn expected(&self) -> &'static str {
        "a sequence"
    }
    fn parts(&mut self) -> Parts<'_, 'de> {
        Parts::Array(self)
    }
}

impl<'de, T: Read<'de> + Default> Array<'de> for Vec<T> {
    fn clear(&mut self) {
        self.truncate(0);
    }
    fn element(&mut self) -> Option<&mut dyn Read<'de>> {
        self.push(T::default());
        self.last_mut().map(|element| element as &mut dyn Read<'de>)
    }
}

/// An object's fields in their order, whatever their names; `N` is `String` or a `Cow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields<N, T>(pub Vec<(N, T)>);

impl<N, T> Default for Fields<N, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, N: From<Cow<'de, str>> + PartialEq<str>, T: Read<'de> + Default> Read<'de> for Fields<N, T> {
    fn expected(&self) -> &'static str {
        "a map"
    }
    fn parts(&mut self) -> Parts<'_, 'de> {
        Parts::Object(self)
    }
}

impl<'de, N: From<Cow<'de, str>> + PartialEq<str>, T: Read<'de> + Default> Object<'de> for Fields<N, T> {
    fn field(&mut self, name: &Cow<'de, str>) -> Option<Field<'_, 'de>> {
        self.0.push((name.clone().into(), T::default()));
        let (_, value) = self.0.last_mut()?;
        Some(Field { target: value, required: None })
    }
    fn forget(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }
}
