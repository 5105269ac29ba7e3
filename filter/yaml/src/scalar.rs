//! What a scalar is: YAML 1.2's core schema (YAML 1.2.2 §10.3.2), without the forms that readers of YAML understand differently.

use crate::{shown, unknown_tag};
use saphyr_parser::{ScalarStyle, Tag};
use std::borrow::Cow;

/// A scalar's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    /// As JSON: `null`, `true`, `false` or a number.
    Literal(Cow<'a, str>),
    /// Text.
    Text(&'a str),
    /// A plain `<<`.
    Merge,
}

/// Reads a scalar.
pub(crate) fn resolve<'a>(
    text: &'a str,
    style: ScalarStyle,
    tag: Option<&Tag>,
) -> Result<Scalar<'a>, Cow<'static, str>> {
    let Some(tag) = tag else {
        return Ok(match style {
            ScalarStyle::Plain if text == "<<" => Scalar::Merge,
            ScalarStyle::Plain => literal(text).map_or(Scalar::Text(text), Scalar::Literal),
            _ => Scalar::Text(text),
        });
    };
    if tag.handle.is_empty() && tag.suffix == "!" {
        return Ok(Scalar::Text(text));
    }
    if !tag.is_yaml_core_schema() {
        return Err(unknown_tag(tag));
    }
    let of = |fits: fn(&str) -> bool| match literal(text) {
        Some(json) if fits(&json) => Ok(Scalar::Literal(json)),
        _ => Err(Cow::Owned(format!("it is no {}", shown(tag)))),
    };
    let is_number = |json: &str| !matches!(json, "null" | "true" | "false");
    match tag.suffix.as_str() {
        "str" => Ok(Scalar::Text(text)),
        "null" => of(|json| json == "null"),
        "bool" => of(|json| matches!(json, "true" | "false")),
        "int" => of(|json| json.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit())),
        "float" => of(is_number),
        _ => Err(unknown_tag(tag)),
    }
}

/// The JSON of a plain scalar that is no text.
fn literal(text: &str) -> Option<Cow<'_, str>> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => "null".into(),
        "true" | "True" | "TRUE" => "true".into(),
        "false" | "False" | "FALSE" => "false".into(),
        _ => {
            let radix = |prefix, radix| u64::from_str_radix(digits(text.strip_prefix(prefix)?)?, radix).ok();
            match radix("0x", 16).or_else(|| radix("0o", 8)) {
                Some(number) => number.to_string().into(),
                None => return number(text),
            }
        }
    })
}

/// Only digits: `from_str_radix` takes signs, too.
fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(text)
}

/// A decimal number as JSON writes it. One with leading zeros is octal to some readers and decimal to others.
fn number(text: &str) -> Option<Cow<'_, str>> {
    let (minus, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => unsigned.split_at_checked(at)?,
        None => (unsigned, ""),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let power =
        exponent.strip_prefix(['e', 'E']).map(|power| power.strip_prefix(['-', '+']).unwrap_or(power));
    let is_power = power.is_none_or(|power| !power.is_empty() && all_digits(power));
    let has_digits = !whole.is_empty() || fraction.is_some_and(|fraction| !fraction.is_empty());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if !(all_digits(whole) && all_digits(fraction.unwrap_or_default()) && is_power && has_digits)
        || leading_zero
    {
        return None;
    }
    if fraction.is_none() && minus.is_empty() && unsigned.len() == text.len() {
        return Some(text.into());
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(match fraction {
        None => format!("{minus}{whole}{exponent}").into(),
        Some("") => format!("{minus}{whole}.0{exponent}").into(),
        Some(fraction) => format!("{minus}{whole}.{fraction}{exponent}").into(),
    })
}
