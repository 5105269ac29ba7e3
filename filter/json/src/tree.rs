//! Any JSON as a [`Value`], for what is patched before it is read. Repeated fields are told like those of structs; an error within names only
//! the path of the whole.

use super::{Array, Field, Object, Parts, Read, Scalar, Unfit};
use serde_json::{Map, Value};
use std::borrow::Cow;

impl<'de> Read<'de> for Value {
    fn expected(&self) -> &'static str {
        "a value"
    }
    fn scalar(&mut self, scalar: Scalar<'de>) -> Result<(), Unfit> {
        *self = match scalar {
            Scalar::Null => Self::Null,
            Scalar::Boolean(value) => Self::Bool(value),
            Scalar::Integer(value) => value.into(),
            Scalar::Text(text) => Self::String(text.into_owned()),
        };
        Ok(())
    }
    fn parts(&mut self) -> Parts<'_, 'de> {
        Parts::Tree(self)
    }
}

/// Makes it an array, to be filled.
pub(super) fn array<'r, 'de>(value: &'r mut Value) -> Option<&'r mut dyn Array<'de>> {
    *value = Value::Array(Vec::new());
    value.as_array_mut().map(|array| array as &mut dyn Array<'de>)
}

/// Makes it an object, to be filled.
pub(super) fn object<'r, 'de>(value: &'r mut Value) -> Option<&'r mut dyn Object<'de>> {
    *value = Value::Object(Map::new());
    value.as_object_mut().map(|object| object as &mut dyn Object<'de>)
}

impl<'de> Object<'de> for Map<String, Value> {
    fn field(&mut self, name: &Cow<'de, str>) -> Option<Field<'_, 'de>> {
        Some(Field { target: self.entry(name.as_ref()).or_insert(Value::Null), required: None })
    }
}

/// Names, each once. The map below is there already; a set of its own would be as much code again.
#[derive(Clone, Debug, Default)]
pub struct Names(Map<String, Value>);

impl Names {
    /// Adds a name. False when it is there.
    pub fn insert(&mut self, name: &str) -> bool {
        self.0.insert(name.to_owned(), Value::Null).is_none()
    }

    /// Whether it is there.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
