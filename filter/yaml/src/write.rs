//! Writes JSON value by value, and knows where in the document it is.

use crate::scalar::Scalar;
use std::borrow::Cow;
use std::ops::Range;

/// What a collection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// An array.
    Sequence,
    /// An object.
    Mapping,
}

/// A collection that has been opened.
struct Open {
    level: Level,
    anchor: usize,
    start: usize,
    is_empty: bool,
    /// In a mapping: a key has been written and its value has not.
    has_key: bool,
}

/// See the module.
pub(crate) struct Writer {
    out: Vec<u8>,
    open: Vec<Open>,
}

/// What comes next.
#[derive(PartialEq, Eq)]
enum Place {
    Key,
    Value,
}

impl Writer {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity), open: Vec::new() }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.out.is_empty() {
            self.out.extend_from_slice(b"null");
        }
        self.out
    }

    /// Collections that are open.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Bytes so far.
    pub(crate) fn position(&self) -> usize {
        self.out.len()
    }

    /// Writes what stands before the next value.
    fn begin(&mut self) -> Place {
        let Some(open) = self.open.last_mut() else { return Place::Value };
        if open.level == Level::Mapping && open.has_key {
            open.has_key = false;
            self.out.push(b':');
            return Place::Value;
        }
        if !open.is_empty {
            self.out.push(b',');
        }
        open.is_empty = false;
        open.has_key = open.level == Level::Mapping;
        if open.has_key { Place::Key } else { Place::Value }
    }

    /// Returns where it begins.
    pub(crate) fn scalar(&mut self, scalar: &Scalar<'_>) -> Result<usize, Cow<'static, str>> {
        let place = self.begin();
        let start = self.out.len();
        match (scalar, place) {
            (Scalar::Literal(json), Place::Value) => self.out.extend_from_slice(json.as_bytes()),
            (Scalar::Literal(json), Place::Key) if json == "null" => return Err("a key is null".into()),
            (Scalar::Literal(json), Place::Key) => self.string(json),
            (Scalar::Text(text), _) => self.string(text),
            (Scalar::Merge, Place::Value) => self.string("<<"),
            (Scalar::Merge, Place::Key) => return Err("merge keys (<<) are not supported".into()),
        }
        Ok(start)
    }

    pub(crate) fn open(&mut self, level: Level, anchor: usize) -> Result<(), Cow<'static, str>> {
        if self.begin() == Place::Key {
            return Err("a key is no scalar".into());
        }
        self.open.push(Open { level, anchor, start: self.out.len(), is_empty: true, has_key: false });
        self.out.push(if level == Level::Mapping { b'{' } else { b'[' });
        Ok(())
    }

    /// Returns the anchor of what was closed, and where it begins.
    pub(crate) fn close(&mut self) -> Option<(usize, usize)> {
        let open = self.open.pop()?;
        self.out.push(if open.level == Level::Mapping { b'}' } else { b']' });
        Some((open.anchor, open.start))
    }

    /// Writes once more what is there already.
    pub(crate) fn copy(&mut self, range: Range<usize>) -> Result<(), Cow<'static, str>> {
        let is_key = self.begin() == Place::Key;
        let is_string = self.out.get(range.start) == Some(&b'"');
        match self.out.get(range.clone()) {
            Some(b"null" | [b'{' | b'[', ..]) if is_key => return Err("a key is no scalar".into()),
            Some(_) if is_key && !is_string => {
                self.out.push(b'"');
                self.out.extend_from_within(range);
                self.out.push(b'"');
            }
            Some(_) => self.out.extend_from_within(range),
            None => {}
        }
        Ok(())
    }

    fn string(&mut self, text: &str) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.out.push(b'"');
        let mut plain = text.as_bytes();
        while let Some(at) = plain.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f)) {
            let (before, rest) = plain.split_at(at);
            self.out.extend_from_slice(before);
            let Some((&byte, rest)) = rest.split_first() else { break };
            match byte {
                b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', byte]),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                _ => {
                    self.out.extend_from_slice(b"\\u00");
                    let hex = |digit: u8| HEX.get(usize::from(digit)).copied().unwrap_or(b'0');
                    self.out.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
                }
            }
            plain = rest;
        }
        self.out.extend_from_slice(plain);
        self.out.push(b'"');
    }
}
