//! Table output (KEP-583, server-side printing): column definitions, and the cells of a row written as they come.

use std::fmt;

use serde::Serialize;

use crate::json;

/// `metav1.TableColumnDefinition`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnDefinition {
    /// Heading, as `Last Used`.
    pub name: &'static str,
    /// OpenAPI type: `string`, `integer`, `number`, `boolean` or `date`.
    #[serde(rename = "type")]
    pub column_type: &'static str,
    /// OpenAPI format; `name` marks the column that names the object.
    pub format: &'static str,
    /// For people.
    pub description: &'static str,
    /// 0 is always shown, 1 and above only in wide output.
    pub priority: i32,
}

/// Writes the cells of one row; as many as there are column definitions, in their order.
pub struct Row<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Row<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'[');
        Self { out, empty: true }
    }

    pub(super) fn end(self) {
        self.out.push(b']');
    }

    /// A string.
    pub fn string(&mut self, value: &str) {
        self.cell(value);
    }

    /// A string that is formatted straight into the answer.
    pub fn display(&mut self, value: fmt::Arguments<'_>) {
        self.cell(&value);
    }

    /// An integer.
    pub fn integer(&mut self, value: i64) {
        self.cell(&value);
    }

    /// A boolean.
    pub fn boolean(&mut self, value: bool) {
        self.cell(&value);
    }

    /// Nothing, which kubectl shows as `<none>`.
    pub fn null(&mut self) {
        self.cell(&());
    }

    fn cell<T: Serialize + ?Sized>(&mut self, value: &T) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        let start = self.out.len();
        if json::append(self.out, value).is_err() {
            // Only a failing Display gets here; the row keeps its width.
            self.out.truncate(start);
            self.out.extend_from_slice(b"null");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_json() {
        let mut out = Vec::new();
        let mut row = Row::begin(&mut out);
        row.string("a\"b");
        row.display(format_args!("{}d", 3));
        row.integer(-4);
        row.boolean(true);
        row.null();
        row.end();
        assert_eq!(String::from_utf8(out).unwrap(), r#"["a\"b","3d",-4,true,null]"#);
        let mut out = Vec::new();
        Row::begin(&mut out).end();
        assert_eq!(out, b"[]");
    }
}
