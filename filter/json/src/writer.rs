//! Writes JSON: what serde's `Serialize` hands out, as serde_json writes it.
//!
//! serde_json's writer is generic, so it is compiled wherever a type is written, once more for each kind of output and as fast or as small
//! as the code around it. Here what takes time is in functions that are there once, and each type only calls them. Refuses bytes, `f32`,
//! tuple variants and keys that are no text: nothing that is written here has them.

use serde::ser::{self, Impossible};
use serde::{Serialize, Serializer};
use std::fmt::{self, Write as _};

/// Something in it has no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwritable;

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it cannot be written as JSON")
    }
}

impl std::error::Error for Unwritable {}

impl ser::Error for Unwritable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// A value as JSON.
///
/// # Errors
/// It has no JSON.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Unwritable> {
    let mut out = Vec::with_capacity(128);
    append(&mut out, value)?;
    Ok(out)
}

/// Appends a value as JSON.
///
/// # Errors
/// It has no JSON; what was written of it stays.
pub fn append<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), Unwritable> {
    value.serialize(Writer(out))
}

/// Takes one value.
struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    fn literal(self, literal: &str) -> Result<(), Unwritable> {
        self.0.extend_from_slice(literal.as_bytes());
        Ok(())
    }

    fn begin(self, open: u8, close: &'static str) -> Result<Parts<'a>, Unwritable> {
        self.0.push(open);
        Ok(Parts { out: self.0, empty: true, close })
    }

    /// The one field of an object that tells the variant of what is in it.
    fn variant(self, variant: &str) -> &'a mut Vec<u8> {
        self.0.push(b'{');
        quote(self.0, variant);
        self.0.push(b':');
        self.0
    }

    fn display(self, value: impl fmt::Display) -> Result<(), Unwritable> {
        // Writing to memory cannot fail; a Display can.
        write!(Unquoted(self.0), "{value}").map_err(|_| Unwritable)
    }
}

/// Puts text between quotes.
fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape(out, text);
    out.push(b'"');
}

/// Escapes as serde_json does: what must be, and no more.
fn escape(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = special(rest) {
        let Some((plain, [special, after @ ..])) = rest.split_at_checked(at) else { break };
        out.extend_from_slice(plain);
        let short = match special {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            _ => b'u',
        };
        out.extend_from_slice(&[b'\\', short]);
        if short == b'u' {
            let _ = write!(Unquoted(out), "{special:04x}");
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Where the first byte is that must be escaped. Eight at a time: with one at a time this was a tenth of a long list.
fn special(text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const fn every(byte: u8) -> u64 {
        ONES.wrapping_mul(byte as u64)
    }
    // The highest bit of each byte that is below 0x20, or equal, up to the first such byte; what follows it may be wrong.
    let below = |word: u64| word.wrapping_sub(every(b' ')) & !word;
    let equal = |word: u64| word.wrapping_sub(ONES) & !word;
    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = below(word) | equal(word ^ every(b'"')) | equal(word ^ every(b'\\'));
        let found = found & every(0x80);
        if found != 0 {
            return Some(index.wrapping_mul(8).wrapping_add((found.trailing_zeros() / 8) as usize));
        }
    }
    let at = tail.iter().position(|byte| (*byte < b' ') | (*byte == b'"') | (*byte == b'\\'))?;
    Some(words.as_flattened().len().wrapping_add(at))
}

/// Takes what is formatted, as it is.
struct Unquoted<'a>(&'a mut Vec<u8>);

impl fmt::Write for Unquoted<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Takes what is formatted as the inside of a string.
struct Quoted<'a>(&'a mut Vec<u8>);

impl fmt::Write for Quoted<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Impossible<(), Unwritable>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), Unwritable> {
        self.literal(if value { "true" } else { "false" })
    }
    fn serialize_i8(self, value: i8) -> Result<(), Unwritable> {
        self.serialize_i64(value.into())
    }
    fn serialize_i16(self, value: i16) -> Result<(), Unwritable> {
        self.serialize_i64(value.into())
    }
    fn serialize_i32(self, value: i32) -> Result<(), Unwritable> {
        self.serialize_i64(value.into())
    }
    fn serialize_i64(self, value: i64) -> Result<(), Unwritable> {
        self.display(value)
    }
    fn serialize_u8(self, value: u8) -> Result<(), Unwritable> {
        self.serialize_u64(value.into())
    }
    fn serialize_u16(self, value: u16) -> Result<(), Unwritable> {
        self.serialize_u64(value.into())
    }
    fn serialize_u32(self, value: u32) -> Result<(), Unwritable> {
        self.serialize_u64(value.into())
    }
    fn serialize_u64(self, value: u64) -> Result<(), Unwritable> {
        self.display(value)
    }
    fn serialize_f32(self, _: f32) -> Result<(), Unwritable> {
        Err(Unwritable)
    }
    fn serialize_f64(self, value: f64) -> Result<(), Unwritable> {
        match serde_json::Number::from_f64(value) {
            Some(number) => self.display(number),
            None => self.serialize_unit(),
        }
    }
    fn serialize_char(self, value: char) -> Result<(), Unwritable> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, value: &str) -> Result<(), Unwritable> {
        quote(self.0, value);
        Ok(())
    }
    fn serialize_bytes(self, _: &[u8]) -> Result<(), Unwritable> {
        Err(Unwritable)
    }
    fn serialize_none(self) -> Result<(), Unwritable> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unwritable> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), Unwritable> {
        self.literal("null")
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unwritable> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Unwritable> {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        let out = self.variant(variant);
        append(out, value)?;
        out.push(b'}');
        Ok(())
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Unwritable> {
        self.begin(b'[', "]")
    }
    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Unwritable> {
        self.begin(b'[', "]")
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Unwritable> {
        self.begin(b'[', "]")
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unwritable> {
        Err(Unwritable)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>, Unwritable> {
        self.begin(b'{', "}")
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Unwritable> {
        self.begin(b'{', "}")
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Unwritable> {
        Writer(self.variant(variant)).begin(b'{', "}}")
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Unwritable> {
        self.0.push(b'"');
        write!(Quoted(self.0), "{value}").map_err(|_| Unwritable)?;
        self.0.push(b'"');
        Ok(())
    }
}

/// Takes the elements of an array or the fields of an object.
struct Parts<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
    close: &'static str,
}

impl Parts<'_> {
    fn comma(&mut self) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
    }

    fn name(&mut self, name: &str) {
        self.comma();
        quote(self.out, name);
        self.out.push(b':');
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        self.comma();
        append(self.out, value)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Unwritable> {
        self.name(name);
        append(self.out, value)
    }

    fn close(self) -> Result<(), Unwritable> {
        Writer(self.out).literal(self.close)
    }
}

macro_rules! elements {
    ($($of:ident $add:ident)*) => {$(
        impl ser::$of for Parts<'_> {
            type Ok = ();
            type Error = Unwritable;
            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
                self.element(value)
            }
            fn end(self) -> Result<(), Unwritable> {
                self.close()
            }
        }
    )*};
}

elements!(SerializeSeq serialize_element SerializeTuple serialize_element SerializeTupleStruct serialize_field);

macro_rules! fields {
    ($($of:ident)*) => {$(
        impl ser::$of for Parts<'_> {
            type Ok = ();
            type Error = Unwritable;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unwritable> {
                self.field(name, value)
            }
            fn end(self) -> Result<(), Unwritable> {
                self.close()
            }
        }
    )*};
}

fields!(SerializeStruct SerializeStructVariant);

impl ser::SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unwritable> {
        self.comma();
        let start = self.out.len();
        append(self.out, key)?;
        if self.out.get(start) != Some(&b'"') {
            return Err(Unwritable);
        }
        self.out.push(b':');
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        append(self.out, value)
    }

    fn end(self) -> Result<(), Unwritable> {
        self.close()
    }
}

#[cfg(test)]
mod tests {
    //! serde_json's writer is the model.

    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        Plain,
        Around(Option<i8>),
        Fields { a: u8, b: &'static str },
    }

    #[derive(Serialize)]
    struct All<'a> {
        text: &'a str,
        map: BTreeMap<String, f64>,
        numbers: (i64, u64),
        unit: (),
        letter: char,
        kinds: [Kind; 3],
        nothing: Vec<u8>,
    }

    #[track_caller]
    fn check<T: Serialize + ?Sized>(value: &T) {
        assert_eq!(String::from_utf8(to_vec(value).unwrap()).unwrap(), serde_json::to_string(value).unwrap());
    }

    proptest! {
        #[test]
        fn as_serde_json(text in ".*|[\\x00-\\x7f]*", numbers: (i64, u64), float: f64, letter: char) {
            check(&All {
                text: &text,
                map: [(text.clone(), float), ("x".to_owned(), 0.5)].into(),
                numbers,
                unit: (),
                letter,
                kinds: [Kind::Plain, Kind::Around(Some(-1)), Kind::Fields { a: 1, b: "\u{1f}" }],
                nothing: Vec::new(),
            });
            check(&serde_json::json!({ text.clone(): [text, float, null, {}, { "a": [], "b": true }] }));
        }
    }

    #[test]
    fn each_byte_at_each_place() {
        for place in 0..17 {
            for byte in 0..0x80_u8 {
                let mut text = "é234567890123456".to_owned();
                text.insert(place + usize::from(place > 0), char::from(byte));
                check(&text);
            }
        }
    }

    #[test]
    fn what_is_formatted_is_escaped() {
        let mut out = b"x".to_vec();
        assert_eq!(Writer(&mut out).collect_str(&format_args!("{}\"{}", 3, '\n')), Ok(()));
        assert_eq!(out, b"x\"3\\\"\\n\"");
    }

    #[test]
    fn what_has_no_json() {
        assert_eq!(to_vec(&BTreeMap::from([(1, 2)])), Err(Unwritable));
        #[derive(Serialize)]
        enum Pair {
            Of(u8, u8),
        }
        assert_eq!(to_vec(&Pair::Of(1, 2)), Err(Unwritable));
    }
}
