//! JSON to YAML, for answers to `Accept: application/yaml`. Order is kept, and nothing is built in memory but the text.
//!
//! It does not read YAML. Text over several lines becomes a literal block where that keeps every character; whatever a
//! YAML reader could take for something else than a string is quoted.

use std::fmt::Write as _;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Writes this JSON document as YAML; none when it is no JSON.
#[must_use]
pub fn from_json(json: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(json.len());
    let mut reader = serde_json::Deserializer::from_slice(json);
    Value { out: &mut out, column: 0, place: Place::Top }.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(out)
}

/// What stands before a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    AfterKey,
    AfterDash,
}

/// Writes the value that the deserializer comes to.
struct Value<'a> {
    out: &'a mut String,
    /// Column at which the entries of the surrounding map or sequence begin.
    column: usize,
    place: Place,
}

impl Value<'_> {
    fn scalar(self, text: std::fmt::Arguments<'_>) {
        if self.place == Place::AfterKey {
            self.out.push(' ');
        }
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(text);
        self.out.push('\n');
    }

    fn string(self, text: &str) {
        if is_block(text) && self.place != Place::Top {
            self.block(text);
        } else if is_plain(text) {
            self.scalar(format_args!("{text}"));
        } else {
            self.scalar(format_args!("{}", Quoted(text)));
        }
    }

    fn block(self, text: &str) {
        let (body, chomping) = match text.strip_suffix('\n') {
            None => (text, "-"),
            Some(body) if body.ends_with('\n') => (body, "+"),
            Some(body) => (body, ""),
        };
        let column = self.column.saturating_add(2);
        self.out.push_str(if self.place == Place::AfterKey { " |" } else { "|" });
        self.out.push_str(chomping);
        self.out.push('\n');
        for line in body.split('\n') {
            if !line.is_empty() {
                spaces(self.out, column);
                self.out.push_str(line);
            }
            self.out.push('\n');
        }
    }

    /// Begins the first or a further entry of a map or sequence at this column.
    fn entry(&mut self, first: bool, column: usize) {
        match self.place {
            _ if !first => spaces(self.out, column),
            Place::AfterKey => {
                self.out.push('\n');
                spaces(self.out, column);
            }
            Place::Top | Place::AfterDash => {}
        }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.scalar(format_args!("null"));
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.scalar(format_args!("{value}"));
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.scalar(format_args!("{value}"));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.scalar(format_args!("{value}"));
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.scalar(format_args!("{value:?}"));
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.string(text);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let column = if self.place == Place::Top { 0 } else { self.column.saturating_add(2) };
        let mut first = true;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            self.entry(first, column);
            first = false;
            if is_plain(&key) {
                self.out.push_str(&key);
            } else {
                let _ = write!(self.out, "{}", Quoted(&key));
            }
            self.out.push(':');
            map.next_value_seed(Value { out: &mut *self.out, column, place: Place::AfterKey })?;
        }
        if first {
            self.scalar(format_args!("{{}}"));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        // Dashes stand under the key that they belong to, as Kubernetes' own YAML has them.
        let column = if self.place == Place::AfterDash { self.column.saturating_add(2) } else { self.column };
        let mut first = true;
        loop {
            // The dash is only known to be wanted when the element is there, so it is taken back at the end.
            let before = self.out.len();
            self.entry(first, column);
            self.out.push_str("- ");
            let element = Value { out: &mut *self.out, column, place: Place::AfterDash };
            if seq.next_element_seed(element)?.is_none() {
                self.out.truncate(before);
                break;
            }
            first = false;
        }
        if first {
            self.scalar(format_args!("[]"));
        }
        Ok(())
    }
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// Whether a plain (unquoted) scalar reads back as this string, in YAML 1.1 and 1.2 alike. Stricter than it need be.
fn is_plain(text: &str) -> bool {
    const TAKEN: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let inside =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '/' | '@' | '+' | ':');
    text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/'))
        && text.chars().all(inside)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !TAKEN.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a literal block keeps this string as it is.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !text.chars().any(|c| c != '\n' && c != '\t' && is_special(c))
}

/// Characters that YAML does not print as they are, or takes for line breaks.
fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A double-quoted scalar.
struct Quoted<'a>(&'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                c if is_special(c) => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests;
