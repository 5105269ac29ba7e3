//! Label selectors: the whole grammar of k8s.io/apimachinery/pkg/labels, its validation and its wording.

use std::fmt::{self, Display};

use super::Lookup;
use super::lexer::{Lexer, Token};
use crate::kube::quote::Quoted;
use crate::kube::status::Status;

/// How a requirement relates key and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum Operator {
    Equals,
    DoubleEquals,
    NotEquals,
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Label key.
    pub key: String,
    /// Relation.
    pub operator: Operator,
    /// Values as given: one for the comparisons, none for existence.
    pub values: Vec<String>,
}

/// Requirements that must all hold, in the order given. The default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

impl LabelSelector {
    /// Parses a selector; an empty one selects everything.
    ///
    /// # Errors
    /// 400 in apimachinery's words, with the first complaint about a key or value.
    pub fn parse(input: &str) -> Result<Self, Status> {
        let mut lexer = Lexer::new(input);
        let mut requirements = Vec::new();
        loop {
            match lexer.peek() {
                Token::Word(_) | Token::Not => {}
                Token::End => break,
                other => return Err(expected(other, "!, identifier, or 'end of string'")),
            }
            let requirement = requirement(&mut lexer).map_err(|mut status| {
                status.message.insert_str(0, "unable to parse requirement: ");
                status
            })?;
            requirements.push(requirement);
            match lexer.next() {
                Token::End => break,
                Token::Comma if matches!(lexer.peek(), Token::Word(_) | Token::Not) => {}
                Token::Comma => return Err(expected(lexer.peek(), "identifier after ','")),
                other => return Err(expected(other, "',' or 'end of string'")),
            }
        }
        Ok(Self { requirements })
    }

    /// Every requirement.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether everything is selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The one value that this label must have, when a requirement demands one.
    #[must_use]
    pub fn exact(&self, key: &str) -> Option<&str> {
        self.requirements.iter().filter(|requirement| requirement.key == key).find_map(Requirement::exact)
    }

    /// The same without the requirements of these labels.
    #[must_use]
    pub fn without(&self, labels: &[&str]) -> Self {
        let others =
            self.requirements.iter().filter(|requirement| !labels.contains(&requirement.key.as_str()));
        Self { requirements: others.cloned().collect() }
    }

    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn matches(&self, lookup: &Lookup<'_>) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(lookup(&requirement.key)))
    }
}

impl Requirement {
    fn exact(&self) -> Option<&str> {
        match (self.operator, self.values.as_slice()) {
            (Operator::Equals | Operator::DoubleEquals | Operator::In, [value, rest @ ..])
                if rest.iter().all(|other| other == value) =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    /// Whether a label with this value (or without one) is allowed.
    #[must_use]
    pub fn matches(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|wanted| wanted == value);
        let compared = |value: &str| {
            let wanted = self.values.first()?.parse::<i64>().ok()?;
            Some(value.parse::<i64>().ok()?.cmp(&wanted))
        };
        match self.operator {
            Operator::Equals | Operator::DoubleEquals | Operator::In => value.is_some_and(listed),
            Operator::NotEquals | Operator::NotIn => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => value.and_then(compared).is_some_and(std::cmp::Ordering::is_gt),
            Operator::LessThan => value.and_then(compared).is_some_and(std::cmp::Ordering::is_lt),
        }
    }
}

impl Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after, close) = match self.operator {
            Operator::Equals => ("", "=", ""),
            Operator::DoubleEquals => ("", "==", ""),
            Operator::NotEquals => ("", "!=", ""),
            Operator::In => ("", " in (", ")"),
            Operator::NotIn => ("", " notin (", ")"),
            Operator::Exists => ("", "", ""),
            Operator::DoesNotExist => ("!", "", ""),
            Operator::GreaterThan => ("", ">", ""),
            Operator::LessThan => ("", "<", ""),
        };
        write!(f, "{before}{}{after}", self.key)?;
        for (index, value) in self.values.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            f.write_str(value)?;
        }
        f.write_str(close)
    }
}

fn expected(found: Token<'_>, what: &str) -> Status {
    Status::bad_request(format!("found '{}', expected: {what}", found.text()))
}

fn requirement(lexer: &mut Lexer<'_>) -> Result<Requirement, Status> {
    let negated = lexer.peek() == Token::Not;
    if negated {
        lexer.next();
    }
    let key = match lexer.next() {
        Token::Word(key) => key,
        other => return Err(expected(other, "identifier")),
    };
    check_key(key)?;
    let (operator, values) = match lexer.peek() {
        _ if negated => (Operator::DoesNotExist, Vec::new()),
        Token::End | Token::Comma => (Operator::Exists, Vec::new()),
        _ => {
            let operator = operator(lexer)?;
            let values = match operator {
                Operator::In | Operator::NotIn => value_set(lexer)?,
                _ => vec![exact_value(lexer)?],
            };
            (operator, values)
        }
    };
    for (index, value) in values.iter().enumerate() {
        check_value(key, index, operator, value)?;
    }
    Ok(Requirement { key: key.to_owned(), operator, values: values.into_iter().map(str::to_owned).collect() })
}

fn operator(lexer: &mut Lexer<'_>) -> Result<Operator, Status> {
    match lexer.next() {
        Token::Word("in") => Ok(Operator::In),
        Token::Word("notin") => Ok(Operator::NotIn),
        Token::Equals => Ok(Operator::Equals),
        Token::DoubleEquals => Ok(Operator::DoubleEquals),
        Token::NotEquals => Ok(Operator::NotEquals),
        Token::Greater => Ok(Operator::GreaterThan),
        Token::Less => Ok(Operator::LessThan),
        other => Err(expected(other, "in, notin, =, ==, !=, gt, lt")),
    }
}

/// `(a,,b)`: an empty place is the empty value.
fn value_set<'a>(lexer: &mut Lexer<'a>) -> Result<Vec<&'a str>, Status> {
    match lexer.next() {
        Token::Open => {}
        other => return Err(Status::bad_request(format!("found '{}' expected: '('", other.text()))),
    }
    let mut values = Vec::new();
    loop {
        match lexer.peek() {
            Token::Word(word) => {
                values.push(word);
                lexer.next();
            }
            Token::Comma | Token::Close => values.push(""),
            other => return Err(expected(other, "',', ')' or identifier")),
        }
        match lexer.next() {
            Token::Comma => {}
            Token::Close => return Ok(values),
            other => return Err(expected(other, "',' or ')'")),
        }
    }
}

fn exact_value<'a>(lexer: &mut Lexer<'a>) -> Result<&'a str, Status> {
    match lexer.peek() {
        Token::End | Token::Comma => Ok(""),
        Token::Word(word) => {
            lexer.next();
            Ok(word)
        }
        other => Err(expected(other, "identifier")),
    }
}

/// Kubernetes names the path of what failed: none (`<nil>`) for a key, `values[0][key]` for a value.
fn invalid(path: &str, value: &str, problem: &str) -> Status {
    Status::bad_request(format!("{path}: Invalid value: {}: {problem}", Quoted(value)))
}

const CHARACTERS: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                          alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc')";

fn check_key(key: &str) -> Result<(), Status> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let problem = if name.contains('/') {
        format!(
            "a valid label key {CHARACTERS} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )
    } else if prefix == Some("") {
        "prefix part must be non-empty".to_owned()
    } else if prefix.is_some_and(|prefix| !is_dns_subdomain(prefix)) {
        "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
         and must start and end with an alphanumeric character (e.g. 'example.com')"
            .to_owned()
    } else if name.is_empty() {
        "name part must be non-empty".to_owned()
    } else if name.len() > 63 {
        "name part must be no more than 63 bytes".to_owned()
    } else if !is_label_text(name) {
        format!("name part {CHARACTERS}")
    } else {
        return Ok(());
    };
    Err(invalid("<nil>", key, &problem))
}

fn check_value(key: &str, index: usize, operator: Operator, value: &str) -> Result<(), Status> {
    let path = || format!("values[{index}][{key}]");
    if matches!(operator, Operator::GreaterThan | Operator::LessThan) && value.parse::<i64>().is_err() {
        let problem = "for 'Gt', 'Lt' operators, the value must be an integer";
        return Err(invalid(&format!("values[{index}]"), value, problem));
    }
    if value.len() > 63 {
        return Err(invalid(&path(), value, "must be no more than 63 bytes"));
    }
    if !value.is_empty() && !is_label_text(value) {
        let problem = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
                       and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or \
                       '12345')";
        return Err(invalid(&path(), value, problem));
    }
    Ok(())
}

/// `([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]`.
fn is_label_text(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric());
    edge(text.bytes().next())
        && edge(text.bytes().next_back())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// RFC 1123 subdomain, lower case, at most 253 bytes.
fn is_dns_subdomain(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 253
        && text.split('.').all(|label| {
            edge(label.bytes().next())
                && edge(label.bytes().next_back())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

#[cfg(test)]
mod tests;
