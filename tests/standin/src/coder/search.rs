//! Query strings: paging, and Coder's search language (`coderd/searchquery`).

use std::collections::BTreeMap;

use uuid::Uuid;

use super::reply::Failure;
use super::state::State;
use crate::query::{pairs, value};

/// `limit`, `offset` and `after_id`, beside the other parameters of a request.
pub(crate) struct Page {
    pairs: Vec<(String, String)>,
    limit: usize,
    offset: usize,
    pub(crate) after: Option<Uuid>,
}

impl Page {
    /// Parses a query string.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Failure> {
        let pairs = pairs(query);
        let mut failure = Failure::bad_request("Query parameters have invalid values.");
        let mut number = |name: &str| match positive(value(&pairs, name)) {
            Ok(number) => number,
            Err(reason) => {
                let detail =
                    format!("Query param \"{name}\" must be a valid 32-bit positive integer: {reason}");
                failure.push(name, detail);
                0
            }
        };
        let (limit, offset) = (number("limit"), number("offset"));
        let after = value(&pairs, "after_id").and_then(|text| Uuid::parse_str(text).ok());
        failure.if_fields()?;
        Ok(Self { pairs, limit, offset, after })
    }

    /// Another parameter.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        value(&self.pairs, name)
    }

    /// The page of these rows; limit 0 is all.
    pub(crate) fn cut<T>(&self, rows: Vec<T>) -> Vec<T> {
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        rows.into_iter().skip(self.offset).take(limit).collect()
    }
}

/// Reads a 32-bit number that is not negative; absent is 0. The error is Go's.
pub(crate) fn positive(text: Option<&str>) -> Result<usize, String> {
    match text.filter(|text| !text.is_empty()).map(str::parse::<i32>) {
        None => Ok(0),
        Some(Ok(value)) => usize::try_from(value).map_err(|_| "value is negative".into()),
        Some(Err(_)) => {
            Err(format!("strconv.ParseInt: parsing {:?}: invalid syntax", text.unwrap_or_default()))
        }
    }
}

/// The terms of a search.
pub(crate) struct Terms {
    values: BTreeMap<String, Vec<String>>,
    failure: Failure,
}

impl Terms {
    /// Splits `key:value` terms; `word` says which keys the remaining words stand for.
    pub(crate) fn parse(
        query: &str,
        message: &str,
        word: impl Fn(&str) -> Result<Vec<(&'static str, String)>, String>,
    ) -> Result<Self, Failure> {
        let query = query.to_lowercase();
        let failure = || Failure::bad_request(message);
        let tokens = split(&query, ' ');
        let (mut elements, words): (Vec<&str>, Vec<&str>) =
            tokens.into_iter().partition(|token| token.contains(':'));
        let words = words.join(" ");
        if !words.is_empty() {
            elements.push(&words);
        }
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for element in elements {
            if element.starts_with(':') || element.ends_with(':') {
                let detail = format!("Query element {element:?} cannot start or end with ':'");
                return Err(failure().field("q", detail));
            }
            let parts: Vec<&str> =
                split(element, ':').into_iter().map(|part| part.trim_matches('"')).collect();
            match parts[..] {
                [key, value] => values.entry(key.into()).or_default().push(value.into()),
                [_] => {
                    for (key, value) in word(element).map_err(|detail| failure().field("q", detail))? {
                        values.entry(key.into()).or_default().push(value);
                    }
                }
                _ => {
                    let detail = format!("Query element {element:?} can only contain 1 ':'");
                    return Err(failure().field("q", detail));
                }
            }
        }
        Ok(Self { values, failure: failure() })
    }

    /// A key that may be given once.
    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        let mut values = self.values.remove(key)?;
        if values.len() > 1 {
            let detail = format!(
                "Query param \"{key}\" provided more than once, found {} times. Only provide 1 instance of this query param.",
                values.len()
            );
            self.failure.push(key, detail);
        }
        values.pop()
    }

    /// A key that may be given often, with lists.
    pub(crate) fn list(&mut self, key: &str) -> Vec<String> {
        let values = self.values.remove(key).unwrap_or_default();
        values.iter().flat_map(|value| value.split(',')).map(str::to_owned).collect()
    }

    /// A key with a boolean.
    pub(crate) fn boolean(&mut self, key: &str) -> Option<bool> {
        let value = self.text(key)?;
        match value.as_str() {
            "1" | "t" | "true" => Some(true),
            "0" | "f" | "false" => Some(false),
            other => {
                let reason = format!("strconv.ParseBool: parsing {other:?}: invalid syntax");
                self.refuse(key, &format!("must be a valid boolean: {reason}"));
                None
            }
        }
    }

    /// A key with UUIDs.
    pub(crate) fn ids(&mut self, key: &str) -> Vec<Uuid> {
        let parsed: Option<Vec<Uuid>> =
            self.list(key).iter().map(|text| Uuid::parse_str(text).ok()).collect();
        parsed.unwrap_or_else(|| {
            self.refuse(key, "must be a valid uuid");
            Vec::new()
        })
    }

    /// The organization, by id or name.
    pub(crate) fn organization(&mut self, state: &State) -> Option<Uuid> {
        let text = self.text("organization")?;
        let found = match Uuid::parse_str(&text) {
            Ok(id) => Some(id),
            Err(_) => {
                state.organizations.iter().find(|row| row.name.eq_ignore_ascii_case(&text)).map(|row| row.id)
            }
        };
        if found.is_none() {
            let reason = "either does not exist, or you are unauthorized to view it";
            self.refuse("organization", &format!("has invalid value: organization {text:?} {reason}"));
        }
        found
    }

    /// Refuses a key's value.
    pub(crate) fn refuse(&mut self, key: &str, reason: &str) {
        self.failure.push(key, format!("Query param \"{key}\" {reason}"));
    }

    /// Refuses the keys that nobody asked for, and reports what was refused.
    pub(crate) fn done(mut self) -> Result<(), Failure> {
        for key in self.values.keys() {
            self.failure.push(key, format!("{key:?} is not a valid query param"));
        }
        self.failure.if_fields()
    }
}

/// Splits outside quotes; empty parts do not count.
fn split(text: &str, delimiter: char) -> Vec<&str> {
    let mut quoted = false;
    let parts = text.split(|c| {
        quoted ^= c == '"';
        !quoted && c == delimiter
    });
    parts.filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::Terms;

    fn check(query: &str, expect: &[(&str, &str)]) {
        let word = |word: &str| Ok(vec![("name", word.to_owned())]);
        let mut terms = Terms::parse(query, "bad", word).unwrap();
        for (key, value) in expect {
            assert_eq!(terms.text(key).as_deref(), Some(*value), "{query}");
        }
        assert!(terms.done().is_ok(), "{query}");
    }

    #[test]
    fn searches_split_as_coder_splits_them() {
        check("owner:alice status:running", &[("owner", "alice"), ("status", "running")]);
        check("OWNER:Alice ws", &[("owner", "alice"), ("name", "ws")]);
        check("owner:\"a b\"", &[("owner", "a b")]);
        check("\"owner:alice\"", &[("name", "\"owner:alice\"")]);
        check("one two", &[("name", "one two")]);
    }
}
