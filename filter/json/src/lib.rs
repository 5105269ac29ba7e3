//! JSON: reads it into structs, with the path of what does not fit, and writes it.
//!
//! `derive(Deserialize)` makes a parser for every type, together half of the module that V8 compiles whole at start. Here
//! serde_json's parser is there once and hands what it finds to a [`Read`] that knows its own fields; [`object`] writes one for a
//! struct. Unknown fields are skipped, an optional field that is absent or `null` keeps its default (Go writes nil slices as
//! `null`), and of a repeated field the last counts. What people have written is read by [`read_strictly`], which tells such fields.
//! Refuses fractions: nothing that is read here has them, a [`Value`] aside.
//!
//! A crate of its own because lists of a thousand are read and written here, and it is compiled for speed where the rest is for size. It
//! knows no type that it reads or writes.

mod findings;
mod object;
mod tree;
mod values;
mod writer;

pub use findings::{Finding, Problem};
#[doc(hidden)]
pub use object::is;
pub use tree::Names;
pub use values::{Fields, Raw, Skip};
pub use writer::{Unwritable, append, to_vec};

use findings::Report;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A value that has no parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar<'de> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A string, copied only when it has escapes.
    Text(Cow<'de, str>),
}

/// Why a scalar was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Another kind of value is wanted.
    Kind,
    /// The kind is right and the value is not: why.
    Value(String),
}

/// What takes the parts of a value that has some.
pub enum Parts<'r, 'de> {
    /// It takes scalars only.
    Scalar,
    /// It takes an object.
    Object(&'r mut dyn Object<'de>),
    /// It takes an array.
    Array(&'r mut dyn Array<'de>),
    /// It takes any value as its JSON.
    Raw(&'r mut Raw<'de>),
    /// It takes any value as a tree.
    Tree(&'r mut Value),
    /// It takes any value and keeps none.
    Skip,
}

/// Something that a JSON value can be read into, in place.
pub trait Read<'de> {
    /// What it takes, for messages: `a string`.
    fn expected(&self) -> &'static str;

    /// Takes a scalar.
    fn scalar(&mut self, scalar: Scalar<'de>) -> Result<(), Unfit> {
        let _ = scalar;
        Err(Unfit::Kind)
    }

    /// What takes an object, an array or the JSON itself.
    fn parts(&mut self) -> Parts<'_, 'de> {
        Parts::Scalar
    }
}

/// A field that is known.
pub struct Field<'r, 'de> {
    /// Takes its value.
    pub target: &'r mut dyn Read<'de>,
    /// Its place in [`Object::required`], if it has one.
    pub required: Option<u32>,
}

/// Takes an object field by field.
pub trait Object<'de> {
    /// Fields that must be there, at most 32.
    fn required(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether unknown fields are refused.
    fn is_closed(&self) -> bool {
        false
    }

    /// What takes the field of that name.
    fn field(&mut self, name: &Cow<'de, str>) -> Option<Field<'_, 'de>>;

    /// Forgets a field that is about to be read again, where each reading leaves something behind.
    fn forget(&mut self, name: &str) {
        let _ = name;
    }
}

/// Takes an array element by element.
pub trait Array<'de> {
    /// Forgets what is there.
    fn clear(&mut self);

    /// Adds an element, to be read into.
    fn element(&mut self) -> Option<&mut dyn Read<'de>>;
}

/// Where something did not fit, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Error {
    /// Path of the value, such as `workspaces[3].latest_build`; empty for the whole.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
    /// It is no JSON at all, rather than JSON that does not fit.
    pub is_syntax: bool,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.problem)
    }
}

/// Reads one JSON document, borrowing from it.
///
/// # Errors
/// It is not UTF-8, not JSON, or does not fit.
pub fn read<'de, T: Read<'de> + Default>(json: &'de [u8]) -> Result<T, Error> {
    let mut value = T::default();
    read_into(json, &mut value)?;
    Ok(value)
}

/// As [`read`]; what was read before an error stays.
///
/// # Errors
/// As [`read`].
pub fn read_into<'de>(json: &'de [u8], target: &mut dyn Read<'de>) -> Result<(), Error> {
    read_with(json, target, &mut Report::default())
}

/// As [`read_into`], for what people have written: tells the fields that are unknown or repeated, in the order of the document and at
/// most a hundred. More repeated ones than that are refused, and so are documents of more than 200,000 values.
///
/// # Errors
/// As [`read`].
pub fn read_strictly<'de>(json: &'de [u8], target: &mut dyn Read<'de>) -> Result<Vec<Finding>, Error> {
    let mut report = Report::collecting();
    read_with(json, target, &mut report)?;
    Ok(report.finish())
}

fn read_with<'de>(json: &'de [u8], target: &mut dyn Read<'de>, report: &mut Report) -> Result<(), Error> {
    // Checking the whole at once is cheaper than string by string: a third of the time of a long list.
    let text = std::str::from_utf8(json).map_err(|_| Error {
        path: String::new(),
        problem: "is not UTF-8".to_owned(),
        is_syntax: true,
    })?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let read = Target { target, optional: false, report }.deserialize(&mut parser);
    read.and_then(|()| parser.end()).map_err(|e| Error {
        path: std::mem::take(&mut report.path),
        problem: e.to_string(),
        is_syntax: !e.is_data(),
    })
}

/// A place that the next value goes to.
struct Target<'r, 'de> {
    target: &'r mut dyn Read<'de>,
    /// Whether `null` stands for the default that is there already.
    optional: bool,
    report: &'r mut Report,
}

impl<'de> Target<'_, 'de> {
    fn scalar<E: serde::de::Error>(self, scalar: Scalar<'de>) -> Result<(), E> {
        let kind = match scalar {
            Scalar::Null if self.optional => "",
            Scalar::Null => "null",
            Scalar::Boolean(_) => "boolean",
            Scalar::Integer(_) => "integer",
            Scalar::Text(_) => "string",
        };
        match self.target.scalar(scalar) {
            Err(Unfit::Kind) if !kind.is_empty() => Err(self.unfit(kind)),
            Err(Unfit::Value(why)) => Err(E::custom(why)),
            _ => Ok(()),
        }
    }

    /// A number that only a tree takes.
    fn number<E: serde::de::Error>(self, number: impl Into<Value>, kind: &str) -> Result<(), E> {
        if let Parts::Tree(value) = self.target.parts() {
            *value = number.into();
            return Ok(());
        }
        Err(self.unfit(kind))
    }

    fn unfit<E: serde::de::Error>(&self, kind: &str) -> E {
        E::custom(format_args!("invalid type: {kind}, expected {}", self.target.expected()))
    }
}

impl<'de> DeserializeSeed<'de> for Target<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.report.spend()?;
        match self.target.parts() {
            Parts::Raw(raw) => raw.0 = <&RawValue>::deserialize(deserializer)?.get(),
            Parts::Skip => drop(IgnoredAny::deserialize(deserializer)?),
            _ => return deserializer.deserialize_any(self),
        }
        Ok(())
    }
}

/// The next element of an array, added when it is there.
struct Element<'r, 'de> {
    array: &'r mut dyn Array<'de>,
    report: &'r mut Report,
}

impl<'de> DeserializeSeed<'de> for Element<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Some(target) = self.array.element() else { return Err(D::Error::custom("too long")) };
        Target { target, optional: false, report: self.report }.deserialize(deserializer)
    }
}

/// The name of a field.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E: serde::de::Error>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

impl<'de> Visitor<'de> for Target<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.target.expected())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        // To a tree `null` is a value, also where it may be absent.
        if let Parts::Tree(value) = self.target.parts() {
            *value = Value::Null;
            return Ok(());
        }
        self.scalar(Scalar::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.scalar(Scalar::Boolean(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.scalar(Scalar::Integer(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.scalar(Scalar::Integer(value)),
            Err(_) => self.number(value, "integer out of range"),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.number(value, "fraction")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<(), E> {
        self.scalar(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.scalar(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        let (array, is_tree) = match self.target.parts() {
            Parts::Array(array) => (Some(array), false),
            Parts::Tree(value) => (tree::array(value), true),
            _ => (None, false),
        };
        let Some(array) = array else { return Err(self.unfit("sequence")) };
        array.clear();
        for index in 0_usize.. {
            let before = self.report.count();
            match seq.next_element_seed(Element { array: &mut *array, report: &mut *self.report }) {
                Ok(Some(())) => self.report.found_within(before, format_args!("[{index}]")),
                Ok(None) => break,
                Err(e) => {
                    if !is_tree {
                        self.report.failed_within(format_args!("[{index}]"));
                    }
                    return Err(e);
                }
            }
        }
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let (object, is_tree) = match self.target.parts() {
            Parts::Object(object) => (Some(object), false),
            Parts::Tree(value) => (tree::object(value), true),
            _ => (None, false),
        };
        let Some(object) = object else { return Err(self.unfit("map")) };
        let closed = object.is_closed();
        let mut seen = 0_u32;
        let mut names = Names::default();
        while let Some(Name(name)) = map.next_key()? {
            if names.contains(&name) {
                object.forget(&name);
                // Forgetting takes time, so there is an end to it.
                if !self.report.find(Problem::Duplicate, &name) && !is_tree {
                    return Err(M::Error::custom("too many fields are unknown or repeated"));
                }
            }
            let mut before = self.report.count();
            let read = match object.field(&name) {
                Some(Field { target, required }) => {
                    seen |= required.map_or(0, |place| 1_u32.wrapping_shl(place));
                    if self.report.collects() {
                        names.insert(&name);
                    }
                    map.next_value_seed(Target {
                        target,
                        optional: required.is_none(),
                        report: &mut *self.report,
                    })
                }
                None if closed => Err(M::Error::custom(format_args!("unknown field `{name}`"))),
                None => {
                    self.report.find(Problem::Unknown, &name);
                    before = self.report.count();
                    map.next_value::<IgnoredAny>().map(|_| ())
                }
            };
            match read {
                Ok(()) => self.report.found_within(before, format_args!("{name}")),
                Err(e) => {
                    if !is_tree {
                        self.report.failed_within(format_args!("{name}"));
                    }
                    return Err(e);
                }
            }
        }
        for (place, name) in (0_u32..).zip(object.required()) {
            if seen & 1_u32.wrapping_shl(place) == 0 {
                return Err(M::Error::custom(format_args!("missing field `{name}`")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
