//! Quoting for messages, as Go's `%q` prints ordinary text. It does not escape what is unprintable in Unicode alone.

use std::fmt::{self, Display, Write};

/// Displays a string between double quotes with `"`, `\` and control characters escaped.
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_like_go() {
        for (input, expect) in
            [("a", r#""a""#), ("a\"b\\c", r#""a\"b\\c""#), ("\n\t\r\0", r#""\n\t\r\x00""#), ("é", r#""é""#)]
        {
            assert_eq!(Quoted(input).to_string(), expect);
        }
    }
}
