//! Any JSON as a [`Value`], for what is patched before it is read. Repeated fields are told like those of structs.

use super::{Name, Problem, Report};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Reads the next value.
pub(super) fn read<'de, D: Deserializer<'de>>(
    value: &mut Value,
    report: &mut Report,
    deserializer: D,
) -> Result<(), D::Error> {
    *value = Tree { report }.deserialize(deserializer)?;
    Ok(())
}

struct Tree<'r> {
    report: &'r mut Report,
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.report.spend()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Value, S::Error> {
        let mut array = Vec::new();
        loop {
            let before = self.report.count();
            match seq.next_element_seed(Tree { report: &mut *self.report })? {
                Some(value) => {
                    self.report.found_within(before, format_args!("[{}]", array.len()));
                    array.push(value);
                }
                None => return Ok(Value::Array(array)),
            }
        }
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Value, M::Error> {
        let mut object = Map::new();
        while let Some(Name(name)) = map.next_key()? {
            if object.contains_key(&*name) {
                self.report.find(Problem::Duplicate, &name);
            }
            let before = self.report.count();
            let value = map.next_value_seed(Tree { report: &mut *self.report })?;
            self.report.found_within(before, format_args!("{name}"));
            object.insert(name.into_owned(), value);
        }
        Ok(Value::Object(object))
    }
}
