//! Reads JSON objects into structs: what `derive(Deserialize)` does, for a fifth of the code, which V8 compiles whole at start.
//!
//! Objects only (never arrays in their place), unknown fields are skipped, an optional field that is absent or `null` has its
//! default (Go writes nil slices as `null`), of a repeated field the last counts.

use core::fmt;
use core::marker::PhantomData;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Visits the fields of a `T`.
pub(super) struct Fields<T>(pub(super) PhantomData<T>);

/// The name of a field; borrowed, as Coder's have no escapes. One that has is none of ours.
pub(super) struct Key<'a>(pub(super) &'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field")
            }
            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(name))
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Key<'de>, E> {
                Ok(Key(""))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

/// `read_object!(Type<'a> { required fields } { optional fields } { "name on the wire" => optional field })` implements
/// `Deserialize`. Every field of the struct must be named.
macro_rules! read_object {
    (
        $name:ident $(<$a:lifetime>)?
        { $($required:ident),* } { $($optional:ident),* } $({ $($wire:literal => $renamed:ident),* })?
    ) => {
        impl<'de $(: $a, $a)?> serde::Deserialize<'de> for $name $(<$a>)? {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map($crate::coder::object::Fields::<Self>(core::marker::PhantomData))
            }
        }

        impl<'de $(: $a, $a)?> serde::de::Visitor<'de> for $crate::coder::object::Fields<$name $(<$a>)?> {
            type Value = $name $(<$a>)?;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!("an object: ", stringify!($name)))
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                $(let mut $required = None;)*
                $(let mut $optional = None;)*
                $($(let mut $renamed = None;)*)?
                while let Some($crate::coder::object::Key(key)) = map.next_key()? {
                    match key {
                        $(stringify!($required) => $required = Some(map.next_value()?),)*
                        $(stringify!($optional) => $optional = map.next_value()?,)*
                        $($($wire => $renamed = map.next_value()?,)*)?
                        _ => {
                            map.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok($name {
                    $($required: match $required {
                        Some(value) => value,
                        None => return Err(serde::de::Error::missing_field(stringify!($required))),
                    },)*
                    $($optional: $optional.unwrap_or_default(),)*
                    $($($renamed: $renamed.unwrap_or_default(),)*)?
                })
            }
        }
    };
}

pub(super) use read_object;

#[cfg(test)]
mod tests {
    use crate::coder::Text;

    #[derive(Debug, PartialEq, Eq)]
    struct Thing<'a> {
        id: Text<'a>,
        parts: Vec<u8>,
    }

    read_object!(Thing<'a> { id } { parts });

    #[track_caller]
    fn check(json: &str, expect: Result<(&str, &[u8]), &str>) {
        let thing = serde_json::from_str::<Thing<'_>>(json).map_err(|error| error.to_string());
        let thing = thing.as_ref().map(|thing| (thing.id.as_str(), thing.parts.as_slice()));
        match (thing, expect) {
            (Err(error), Err(expect)) => assert!(error.starts_with(expect), "{json}: {error}"),
            (thing, expect) => assert_eq!(thing.ok(), expect.ok(), "{json}"),
        }
    }

    #[test]
    fn objects() {
        check(r#"{"id":"a","parts":[1,2]}"#, Ok(("a", &[1, 2])));
        check(r#"{"x":{"id":[1,{}]},"id":"a","parts":null}"#, Ok(("a", &[])));
        check(r#"{"id":"a","id":"b"}"#, Ok(("b", &[])));
        check(r#"{"i\u0064":"a","id":"b"}"#, Ok(("b", &[])));
        check("{}", Err("missing field `id`"));
        check(r#"["a",[]]"#, Err("invalid type: sequence, expected an object: Thing"));
        check(r#"{"id":1}"#, Err("invalid type: integer"));
        check(r#"{"id":"a""#, Err("EOF"));
    }
}
