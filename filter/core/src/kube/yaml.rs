//! JSON to YAML, for answers to `Accept: application/yaml`. Order is kept, numbers stay as they are written.
//!
//! It does not read YAML. Text over several lines becomes a literal block where that keeps every character; whatever a
//! YAML reader could take for something else than a string is quoted.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::json::{self, Fields, Raw};

/// Deepest nesting that is written; our own documents stay far below.
const MAX_DEPTH: usize = 64;

/// Longest key, in bytes, that needs no mark before it: readers look for its colon no further than 1024 characters.
const MAX_KEY: usize = 1000;

/// Writes this JSON document as YAML; none when it is no JSON, or nested too deeply.
#[must_use]
pub fn from_json(json: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(json.len());
    let Raw(value) = json::read(json).ok()?;
    Value { out: &mut out, column: 0, depth: 0, place: Place::Top }.write(value)?;
    Some(out)
}

/// What stands before a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    AfterKey,
    AfterDash,
}

/// Writes one value.
struct Value<'a> {
    out: &'a mut String,
    /// Column at which the entries of the surrounding map or sequence begin.
    column: usize,
    depth: usize,
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

    /// Writes a value, and what is in it.
    fn write(mut self, json: &str) -> Option<()> {
        let depth = self.depth.checked_add(1).filter(|depth| *depth <= MAX_DEPTH)?;
        match json.as_bytes().first()? {
            b'{' => {
                let Fields::<Cow<'_, str>, Raw<'_>>(fields) = json::read(json.as_bytes()).ok()?;
                if fields.is_empty() {
                    self.scalar(format_args!("{{}}"));
                    return Some(());
                }
                let column = if self.place == Place::Top { 0 } else { self.column.saturating_add(2) };
                for (index, (key, Raw(value))) in fields.iter().enumerate() {
                    self.entry(index == 0, column);
                    let start = self.out.len();
                    if is_plain(key) {
                        self.out.push_str(key);
                    } else {
                        let _ = write!(self.out, "{}", Quoted(key));
                    }
                    if self.out.len().saturating_sub(start) > MAX_KEY {
                        self.out.insert_str(start, "? ");
                        self.out.push('\n');
                        spaces(self.out, column);
                    }
                    self.out.push(':');
                    Value { out: &mut *self.out, column, depth, place: Place::AfterKey }.write(value)?;
                }
            }
            b'[' => {
                let elements: Vec<Raw<'_>> = json::read(json.as_bytes()).ok()?;
                if elements.is_empty() {
                    self.scalar(format_args!("[]"));
                    return Some(());
                }
                // Dashes stand under the key that they belong to, as Kubernetes' own YAML has them.
                let column =
                    if self.place == Place::AfterDash { self.column.saturating_add(2) } else { self.column };
                for (index, Raw(value)) in elements.iter().enumerate() {
                    self.entry(index == 0, column);
                    self.out.push_str("- ");
                    Value { out: &mut *self.out, column, depth, place: Place::AfterDash }.write(value)?;
                }
            }
            b'"' => self.string(&json::read::<Cow<'_, str>>(json.as_bytes()).ok()?),
            _ => self.scalar(format_args!("{json}")),
        }
        Some(())
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
