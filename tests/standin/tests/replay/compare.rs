//! Answers as they are written down: without what is different each time, and cut to what a script asks for.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::client::Answer;
use crate::script::{Script, Statement};

/// Lines up to this long hold a whole answer.
const WIDTH: usize = 120;

/// Names for what is different each time.
#[derive(Default)]
pub(crate) struct Names {
    /// A value and what stands for it, e.g. an id and `$alice`.
    known: Vec<(String, String)>,
    unknown: usize,
}

impl Names {
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.known.retain(|(_, held)| held != &format!("${name}"));
        self.known.push((value.to_owned(), format!("${name}")));
        // A longer value first: it may contain a shorter one.
        self.known.sort_by_key(|(value, name)| (std::cmp::Reverse(value.len()), name.clone()));
    }

    /// A script's text with the values in it.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut names: Vec<_> = self.known.iter().collect();
        names.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
        names.iter().fold(text.to_owned(), |text, (value, name)| text.replace(name.as_str(), value))
    }

    /// The opposite, with times and unknown ids hidden.
    fn hide(&mut self, text: &str) -> String {
        let mut text =
            self.known.iter().fold(text.to_owned(), |text, (value, name)| text.replace(value, name));
        while let Some(id) = find_id(&text) {
            let id = text[id..id + 36].to_owned();
            self.unknown += 1;
            let name = format!("$id{}", self.unknown);
            text = text.replace(&id, &name);
            self.known.push((id, name));
        }
        hide_times(&text)
    }
}

/// What is written down of an answer.
pub(crate) fn written(answer: &Answer, fields: &[String], names: &mut Names) -> Vec<String> {
    let status = answer.status;
    if answer.body.is_empty() {
        return vec![status.to_string()];
    }
    if !answer.content_type.starts_with("application/json") {
        let text = std::str::from_utf8(&answer.body).unwrap_or_default();
        let text = if text.contains('\0') { String::new() } else { names.hide(text.trim_end()) };
        let line = format!("{status} {}, {} bytes {text}", answer.content_type, answer.body.len());
        return line.trim_end().lines().map(String::from).collect();
    }
    let mut value = answer.json();
    if !fields.is_empty() {
        value = cut(&value, fields);
    }
    forget(&mut value);
    let mut text = format!("{status} ");
    print(&mut text, &value, 2);
    text.lines().map(|line| names.hide(line)).collect()
}

/// Writes a value on one line where it fits, and else each of its parts on one.
fn print(text: &mut String, value: &Value, indent: usize) {
    let short = serde_json::to_string(value).unwrap();
    let (open, close, parts): (_, _, Vec<(String, &Value)>) = match value {
        Value::Array(items) if short.len() + indent > WIDTH => {
            ('[', ']', items.iter().map(|item| (String::new(), item)).collect())
        }
        Value::Object(fields) if short.len() + indent > WIDTH => {
            ('{', '}', fields.iter().map(|(name, field)| (format!("{name:?}:"), field)).collect())
        }
        _ => return text.push_str(&short),
    };
    text.push(open);
    let last = parts.len().saturating_sub(1);
    for (index, (name, part)) in parts.into_iter().enumerate() {
        write!(text, "\n{:indent$}{name}", "").unwrap();
        print(text, part, indent + 2);
        text.push_str(if index < last { "," } else { "" });
    }
    write!(text, "\n{:width$}{close}", "", width = indent - 2).unwrap();
}

/// Only these fields, by their paths (`latest_build.status`); of every element, when it is a list.
fn cut(value: &Value, fields: &[String]) -> Value {
    if let Value::Array(items) = value {
        return items.iter().map(|item| cut(item, fields)).collect();
    }
    let mut kept = Map::new();
    for field in fields {
        let found = field.split('.').try_fold(value, |value, part| match value {
            Value::Array(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
            value => value.get(part),
        });
        kept.insert(field.clone(), found.cloned().unwrap_or_else(|| json!("(absent)")));
    }
    Value::Object(kept)
}

/// What depends on the machine and on who else uses it.
fn forget(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(forget);
            // Parameters of builds come in any order.
            if items.iter().all(|item| item.as_object().is_some_and(|item| item.keys().eq(["name", "value"])))
            {
                items.sort_by_key(|item| item["name"].to_string());
            }
        }
        Value::Object(fields) => {
            for field in [
                "queue_position",
                "queue_size",
                "worker_id",
                "worker_name",
                "matched_provisioners",
                "avatar_url",
                "last_seen_at",
            ] {
                fields.remove(field);
            }
            fields.values_mut().for_each(forget);
        }
        _ => {}
    }
}

fn find_id(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len().saturating_sub(35)).find(|start| {
        let candidate = &bytes[*start..start + 36];
        let shaped = candidate.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
        // The nil id and such, that scripts spell out, stay.
        shaped && candidate.iter().filter(|byte| **byte == b'0').count() < 24
    })
}

fn hide_times(text: &str) -> String {
    let mut hidden = String::new();
    let mut rest = text;
    while let Some(position) = rest.find("\"20") {
        let (before, from) = rest.split_at(position + 1);
        hidden += before;
        let end = from.find('"').unwrap_or(from.len());
        let (inner, after) = from.split_at(end);
        let time = inner.len() >= 20 && inner.as_bytes()[10] == b'T' && inner.ends_with('Z');
        hidden += if time { "<time>" } else { inner };
        rest = after;
    }
    hidden + rest
}

/// Every request of a script whose answer is not the recorded one.
pub(crate) fn differences(name: &str, script: &Script, answers: &[Vec<String>]) -> String {
    let requests = script.lines().iter().filter(|line| matches!(line.statement, Statement::Request(_)));
    let mut told = String::new();
    for (line, answer) in requests.zip(answers) {
        if line.recorded == *answer {
            continue;
        }
        writeln!(told, "{name}:{}: {}", line.number, line.text).unwrap();
        for recorded in line.recorded.iter().filter(|recorded| !answer.contains(recorded)) {
            writeln!(told, "  - {recorded}").unwrap();
        }
        for answered in answer.iter().filter(|answered| !line.recorded.contains(answered)) {
            writeln!(told, "  + {answered}").unwrap();
        }
    }
    told
}
