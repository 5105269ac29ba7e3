//! JSON Patch (RFC 6902), with JSON Pointer (RFC 6901).
//!
//! Bounded where a small patch can make much work: the number of operations, what `copy` copies, how deep the result is, and what is moved about.

use super::read_into;
use crate::json::{Array, Finding, Parts, Read, object};
use crate::kube::quote::Quoted;
use crate::kube::status::Status;
use serde_json::Value;

/// Most operations of a patch, as in kube-apiserver.
const OPERATIONS_MAX: usize = 10_000;
/// Bytes that `copy` may copy, as in kube-apiserver.
const COPIED_MAX: usize = 3 << 20;
/// Values and elements that may be touched to move them about.
const WORK_MAX: usize = 20_000_000;
/// Deepest result; readers of JSON stop at 128.
const DEPTH_MAX: usize = 120;

/// One operation as it was sent.
#[derive(Debug, Default)]
struct Wire {
    op: String,
    path: Option<String>,
    from: Option<String>,
    value: Option<Value>,
}

object!(Wire {} { op, path, from, value });

/// The operations of a patch.
#[derive(Debug, Default)]
pub(super) struct Operations {
    list: Vec<Wire>,
    too_many: bool,
}

impl<'de> Read<'de> for Operations {
    fn expected(&self) -> &'static str {
        "a sequence"
    }
    fn parts(&mut self) -> Parts<'_, 'de> {
        Parts::Array(self)
    }
}

impl<'de> Array<'de> for Operations {
    fn clear(&mut self) {}

    fn element(&mut self) -> Option<&mut dyn Read<'de>> {
        if self.list.len() >= OPERATIONS_MAX {
            self.too_many = true;
            return None;
        }
        self.list.push(Wire::default());
        self.list.last_mut().map(|operation| operation as &mut dyn Read<'de>)
    }
}

/// Reads a patch.
pub(super) fn read(body: &[u8]) -> Result<(Operations, Vec<Finding>), Status> {
    let mut operations = Operations::default();
    let found = read_into(body, &mut operations);
    if operations.too_many {
        return Err(Status::request_entity_too_large(&format!(
            "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}"
        )));
    }
    Ok((operations, found?))
}

/// Changes a document, or leaves it half changed with an error.
pub(super) fn carry_out(document: &mut Value, operations: Operations) -> Result<(), Status> {
    let mut work = Work { copied: 0, left: WORK_MAX };
    for (place, operation) in operations.list.into_iter().enumerate() {
        let Wire { op, path, from, value } = operation;
        let result = Operation::of(&op, path.as_deref(), from.as_deref(), value)
            .and_then(|operation| work.carry_out(document, operation));
        result.map_err(|problem| {
            let why =
                problem.say(&op, path.as_deref().unwrap_or_default(), from.as_deref().unwrap_or_default());
            Status::unprocessable_patch(&format!("operation {place}: {why}"))
        })?;
    }
    Ok(())
}

/// Why an operation cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    UnknownOperation,
    Lacks(&'static str),
    NoPointer,
    NotThere,
    FromNotThere,
    IntoItself,
    TestFailed,
    CopiesTooMuch,
    TooMuchWork,
    TooDeep,
}

impl Problem {
    /// As far as there are words for it in github.com/evanphx/json-patch, these.
    fn say(self, op: &str, path: &str, from: &str) -> String {
        match self {
            Self::UnknownOperation => format!("Unexpected kind: {op}"),
            Self::Lacks(field) => format!("{op} operation is missing {field} field: missing value"),
            Self::NoPointer => {
                format!(
                    "{op} operation has no JSON pointer as path or from: {} {}",
                    Quoted(path),
                    Quoted(from)
                )
            }
            Self::NotThere => {
                format!("{op} operation does not apply: doc is missing path: {}: missing value", Quoted(path))
            }
            Self::FromNotThere => {
                format!(
                    "{op} operation does not apply: doc is missing from path: {}: missing value",
                    Quoted(from)
                )
            }
            Self::IntoItself => {
                format!("{op} operation does not apply: {} is inside of {}", Quoted(path), Quoted(from))
            }
            Self::TestFailed => format!("testing value {path} failed: test failed"),
            Self::CopiesTooMuch => {
                format!(
                    "Unable to complete the copy, the accumulated size increase of copy exceeds the limit {COPIED_MAX}"
                )
            }
            Self::TooMuchWork => "the patch takes too much work".to_owned(),
            Self::TooDeep => format!("{op} operation makes a document that is nested too deeply"),
        }
    }
}

type Pointer = Vec<String>;

enum Operation {
    Add(Pointer, Value),
    Remove(Pointer),
    Replace(Pointer, Value),
    Move { from: Pointer, path: Pointer },
    Copy { from: Pointer, path: Pointer },
    Test(Pointer, Value),
}

impl Operation {
    fn of(op: &str, path: Option<&str>, from: Option<&str>, value: Option<Value>) -> Result<Self, Problem> {
        let path = || pointer(path.ok_or(Problem::Lacks("path"))?);
        let from = || pointer(from.ok_or(Problem::Lacks("from"))?);
        let value = || value.ok_or(Problem::Lacks("value"));
        Ok(match op {
            "add" => Self::Add(path()?, value()?),
            "remove" => Self::Remove(path()?),
            "replace" => Self::Replace(path()?, value()?),
            "move" => Self::Move { from: from()?, path: path()? },
            "copy" => Self::Copy { from: from()?, path: path()? },
            "test" => Self::Test(path()?, value()?),
            _ => return Err(Problem::UnknownOperation),
        })
    }
}

/// The steps of a JSON pointer.
fn pointer(text: &str) -> Result<Pointer, Problem> {
    let Some(steps) = text.strip_prefix('/') else {
        return if text.is_empty() { Ok(Vec::new()) } else { Err(Problem::NoPointer) };
    };
    let step = |step: &str| {
        let mut tildes = step.split('~').skip(1);
        if tildes.any(|after| !after.starts_with(['0', '1'])) {
            return Err(Problem::NoPointer);
        }
        Ok(step.replace("~1", "/").replace("~0", "~"))
    };
    steps.split('/').map(step).collect()
}

/// What a patch has taken so far.
struct Work {
    copied: usize,
    left: usize,
}

impl Work {
    fn carry_out(&mut self, document: &mut Value, operation: Operation) -> Result<(), Problem> {
        match operation {
            Operation::Add(path, value) => self.add(document, &path, value),
            Operation::Remove(path) => self.remove(document, &path).map(drop),
            Operation::Replace(path, value) => {
                self.spend(0, &path, &value)?;
                *find_mut(document, &path).ok_or(Problem::NotThere)? = value;
                Ok(())
            }
            Operation::Move { from, path } => {
                if path.len() > from.len() && path.starts_with(&from) {
                    return Err(Problem::IntoItself);
                }
                if path == from {
                    return find(document, &from).map(|_| ()).ok_or(Problem::FromNotThere);
                }
                let value = self.remove(document, &from).map_err(|problem| match problem {
                    Problem::NotThere => Problem::FromNotThere,
                    problem => problem,
                })?;
                self.add(document, &path, value)
            }
            Operation::Copy { from, path } => {
                let value = find(document, &from).ok_or(Problem::FromNotThere)?;
                self.copied = self.copied.saturating_add(size(value));
                if self.copied > COPIED_MAX {
                    return Err(Problem::CopiesTooMuch);
                }
                let value = value.clone();
                self.add(document, &path, value)
            }
            Operation::Test(path, value) => {
                let found = find(document, &path).ok_or(Problem::NotThere)?;
                if *found == value { Ok(()) } else { Err(Problem::TestFailed) }
            }
        }
    }

    fn add(&mut self, document: &mut Value, path: &[String], value: Value) -> Result<(), Problem> {
        let Some((last, parents)) = path.split_last() else {
            self.spend(0, path, &value)?;
            *document = value;
            return Ok(());
        };
        match find_mut(document, parents).ok_or(Problem::NotThere)? {
            Value::Object(object) => {
                self.spend(0, path, &value)?;
                object.insert(last.clone(), value);
            }
            Value::Array(array) => {
                let place = if last == "-" { Some(array.len()) } else { index(last) };
                let place = place.filter(|place| *place <= array.len()).ok_or(Problem::NotThere)?;
                self.spend(array.len().saturating_sub(place), path, &value)?;
                array.insert(place, value);
            }
            _ => return Err(Problem::NotThere),
        }
        Ok(())
    }

    fn remove(&mut self, document: &mut Value, path: &[String]) -> Result<Value, Problem> {
        let (last, parents) = path.split_last().ok_or(Problem::NotThere)?;
        match find_mut(document, parents).ok_or(Problem::NotThere)? {
            Value::Object(object) => object.remove(last).ok_or(Problem::NotThere),
            Value::Array(array) => {
                let place = index(last).filter(|place| *place < array.len()).ok_or(Problem::NotThere)?;
                self.spend(array.len().saturating_sub(place), &[], &Value::Null)?;
                Ok(array.remove(place))
            }
            _ => Err(Problem::NotThere),
        }
    }

    /// Counts what it takes to put a value into a place where so many elements make room for it.
    fn spend(&mut self, shifted: usize, path: &[String], value: &Value) -> Result<(), Problem> {
        self.left = self.left.checked_sub(shifted).ok_or(Problem::TooMuchWork)?;
        if path.len().saturating_add(self.depth(value)?) > DEPTH_MAX {
            return Err(Problem::TooDeep);
        }
        Ok(())
    }

    /// How deep a value is, no deeper than one that was read or put together here.
    fn depth(&mut self, value: &Value) -> Result<usize, Problem> {
        self.left = self.left.checked_sub(1).ok_or(Problem::TooMuchWork)?;
        let mut deepest = 0;
        match value {
            Value::Array(array) => {
                for value in array {
                    deepest = deepest.max(self.depth(value)?);
                }
            }
            Value::Object(object) => {
                for value in object.values() {
                    deepest = deepest.max(self.depth(value)?);
                }
            }
            _ => return Ok(0),
        }
        Ok(deepest.saturating_add(1))
    }
}

/// About the length of a value as JSON.
fn size(value: &Value) -> usize {
    let sum = |sizes: &mut dyn Iterator<Item = usize>| sizes.fold(2, usize::saturating_add);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
        Value::String(text) => text.len().saturating_add(2),
        Value::Array(array) => sum(&mut array.iter().map(|value| size(value).saturating_add(1))),
        Value::Object(object) => sum(&mut object
            .iter()
            .map(|(name, value)| size(value).saturating_add(name.len()).saturating_add(4))),
    }
}

fn find<'a>(document: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(document, |value, step| match value {
        Value::Object(object) => object.get(step),
        Value::Array(array) => array.get(index(step)?),
        _ => None,
    })
}

fn find_mut<'a>(document: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(document, |value, step| match value {
        Value::Object(object) => object.get_mut(step),
        Value::Array(array) => array.get_mut(index(step)?),
        _ => None,
    })
}

/// An index without leading zeros (RFC 6901 §4).
fn index(step: &str) -> Option<usize> {
    let plain = step.bytes().all(|byte| byte.is_ascii_digit()) && (step == "0" || !step.starts_with('0'));
    if plain { step.parse().ok() } else { None }
}
