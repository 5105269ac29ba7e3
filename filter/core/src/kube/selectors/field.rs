//! Field selectors, as k8s.io/apimachinery/pkg/fields parses them: terms with `=`, `==` or `!=`, joined by commas, with
//! `\` before `,`, `=` and `\` in values.

use std::fmt::{self, Display, Write};

use super::Lookup;
use crate::kube::status::Status;

/// One term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    /// The field, such as `metadata.name`.
    pub field: String,
    /// Whether the value must differ (`!=`) instead of being equal.
    pub negated: bool,
    /// The value, without escapes.
    pub value: String,
}

/// Terms that must all hold, in the order given. The default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

impl FieldSelector {
    /// Parses a selector; an empty one selects everything.
    ///
    /// # Errors
    /// 400 in apimachinery's words.
    pub fn parse(input: &str) -> Result<Self, Status> {
        let mut terms = Vec::new();
        for part in split_terms(input).filter(|part| !part.is_empty()) {
            let (field, negated, value) = split_term(part).ok_or_else(|| {
                Status::bad_request(format!("invalid selector: '{input}'; can't understand '{part}'"))
            })?;
            let value = unescape(value)?;
            // A bare operator says nothing, and Kubernetes drops it.
            if !(field.is_empty() && value.is_empty()) {
                terms.push(FieldTerm { field: field.to_owned(), negated, value });
            }
        }
        Ok(Self { terms })
    }

    /// Every term.
    #[must_use]
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that this field must equal, when a term demands one (the first, when several do).
    #[must_use]
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|term| term.field == field && !term.negated).map(|term| term.value.as_str())
    }

    /// The same without the terms about these fields.
    #[must_use]
    pub fn without(&self, fields: &[&str]) -> Self {
        let others = self.terms.iter().filter(|term| !fields.contains(&term.field.as_str()));
        Self { terms: others.cloned().collect() }
    }

    /// Refuses fields that cannot be selected by.
    ///
    /// # Errors
    /// 400 `field label not supported: …`.
    pub fn check_supported(&self, supported: &[&str]) -> Result<(), Status> {
        match self.terms.iter().find(|term| !supported.contains(&term.field.as_str())) {
            Some(term) => Err(Status::bad_request(format!("field label not supported: {}", term.field))),
            None => Ok(()),
        }
    }

    /// Whether an object is selected; a field that is absent reads as empty.
    #[must_use]
    pub fn matches(&self, lookup: &Lookup<'_>) -> bool {
        self.terms.iter().all(|term| (lookup(&term.field).unwrap_or("") == term.value) != term.negated)
    }
}

impl Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            f.write_str(&term.field)?;
            f.write_str(if term.negated { "!=" } else { "=" })?;
            for c in term.value.chars() {
                if matches!(c, '\\' | ',' | '=') {
                    f.write_char('\\')?;
                }
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Splits at commas that no `\` stands before.
fn split_terms(input: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    input.split(move |c| {
        let split = !escaped && c == ',';
        escaped = !escaped && c == '\\';
        split
    })
}

/// Splits at the first operator. Fields have no escapes, so the first `=` belongs to it.
fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    let (left, right) = term.split_once('=')?;
    Some(match left.strip_suffix('!') {
        Some(field) => (field, true, right),
        None => (left, false, right.strip_prefix('=').unwrap_or(right)),
    })
}

fn unescape(value: &str) -> Result<String, Status> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped @ ('\\' | ',' | '=')) => out.push(escaped),
                other => {
                    let mut sequence = String::from('\\');
                    sequence.extend(other);
                    let message = format!("invalid field selector: invalid escape sequence: {sequence}");
                    return Err(Status::bad_request(message));
                }
            },
            ',' | '=' => {
                let message =
                    format!("invalid field selector: unescaped character in value: {}", u32::from(c));
                return Err(Status::bad_request(message));
            }
            other => out.push(other),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(input: &str, expect: Result<&[(&str, bool, &str)], &str>) {
        let got = FieldSelector::parse(input);
        let got = got.as_ref().map_err(|status| status.message.as_str()).map(|selector| {
            selector.terms.iter().map(|t| (t.field.as_str(), t.negated, t.value.as_str())).collect::<Vec<_>>()
        });
        assert_eq!(got, expect.map(<[_]>::to_vec), "{input}");
    }

    #[test]
    fn grammar() {
        check("", Ok(&[]));
        check(",,", Ok(&[]));
        check("=,a=1,!=", Ok(&[("a", false, "1")]));
        check("metadata.name=a", Ok(&[("metadata.name", false, "a")]));
        check("b==2,a!=1", Ok(&[("b", false, "2"), ("a", true, "1")]));
        check("a=", Ok(&[("a", false, "")]));
        check(r"a=x\,y\=z\\", Ok(&[("a", false, r"x,y=z\")]));
        check("a!b=c", Ok(&[("a!b", false, "c")]));
        check("a", Err("invalid selector: 'a'; can't understand 'a'"));
        check("a=b=c", Err("invalid field selector: unescaped character in value: 61"));
        check(r"a=\n", Err(r"invalid field selector: invalid escape sequence: \n"));
        check(r"a=\", Err(r"invalid field selector: invalid escape sequence: \"));
        check("a===b", Err("invalid field selector: unescaped character in value: 61"));
    }

    #[test]
    fn matching() {
        let lookup = |field: &str| (field == "a").then_some("1");
        for (selector, expect) in
            [("", true), ("a=1", true), ("a!=1", false), ("b=", true), ("b!=x", true), ("a=1,b=2", false)]
        {
            assert_eq!(FieldSelector::parse(selector).unwrap().matches(&lookup), expect, "{selector}");
        }
    }

    #[test]
    fn exact_values_and_supported_fields() {
        let selector = FieldSelector::parse("metadata.name=a,x!=b").unwrap();
        assert_eq!(selector.exact("metadata.name"), Some("a"));
        assert_eq!(selector.exact("x"), None);
        assert_eq!(selector.check_supported(&["metadata.name", "x"]), Ok(()));
        let message = selector.check_supported(&["metadata.name"]).unwrap_err().message.clone();
        assert_eq!(message, "field label not supported: x");
    }

    proptest! {
        #[test]
        fn what_is_displayed_parses_to_the_same(
            terms in prop::collection::vec(("[a-z.]{1,8}", any::<bool>(), "\\PC{0,8}"), 0..5)
        ) {
            let selector = FieldSelector {
                terms: terms.into_iter().map(|(field, negated, value)| FieldTerm { field, negated, value }).collect(),
            };
            prop_assert_eq!(FieldSelector::parse(&selector.to_string()).unwrap(), selector);
        }

        #[test]
        fn any_text_is_read_or_refused(input in "\\PC{0,40}") {
            let _ = FieldSelector::parse(&input);
        }
    }
}
