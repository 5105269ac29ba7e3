//! What a reading tells beside its outcome: where an error was, and which fields are unknown or repeated.
//!
//! Paths grow from their end while a value's reader returns to that of the value around it, so that nothing is spent on the path of a value
//! in which all is well.

use serde::de::Error;
use std::fmt;

/// Findings that are told, as in sigs.k8s.io/json.
const MOST: usize = 100;

/// Most values that a document of people may have: each may take a hundred times the memory that it took in the document.
const VALUES: usize = 200_000;

/// What is wrong with a field that could be read nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is no such field.
    Unknown,
    /// It is there more than once.
    Duplicate,
}

/// A field that is unknown or repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong with it.
    pub problem: Problem,
    /// Its path, such as `spec.parameters[1].nme`.
    pub path: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Where the error was, as far as it has made its way out.
    pub(super) path: String,
    /// None where nobody asks.
    findings: Option<Vec<Finding>>,
    /// Values so far, where findings are collected.
    values: usize,
}

impl Report {
    /// One that collects findings.
    pub(super) fn collecting() -> Self {
        Self { path: String::new(), findings: Some(Vec::new()), values: 0 }
    }

    /// Counts one more value.
    pub(super) fn spend<E: Error>(&mut self) -> Result<(), E> {
        self.values = self.values.saturating_add(1);
        if self.collects() && self.values > VALUES {
            return Err(E::custom("too many values"));
        }
        Ok(())
    }

    pub(super) fn collects(&self) -> bool {
        self.findings.is_some()
    }

    /// Findings so far.
    pub(super) fn count(&self) -> usize {
        self.findings.as_ref().map_or(0, Vec::len)
    }

    /// Adds one, if there is room.
    pub(super) fn find(&mut self, problem: Problem, name: &str) -> bool {
        let Some(findings) = self.findings.as_mut().filter(|findings| findings.len() < MOST) else {
            return false;
        };
        findings.push(Finding { problem, path: name.to_owned() });
        true
    }

    /// What has been found since there were `before` findings is inside this step.
    pub(super) fn found_within(&mut self, before: usize, step: fmt::Arguments<'_>) {
        for finding in self.findings.iter_mut().flatten().skip(before) {
            within(&mut finding.path, step);
        }
    }

    /// The error is inside this step.
    pub(super) fn failed_within(&mut self, step: fmt::Arguments<'_>) {
        within(&mut self.path, step);
    }

    /// What was found, each once.
    pub(super) fn finish(self) -> Vec<Finding> {
        let mut told: Vec<Finding> = Vec::new();
        for finding in self.findings.into_iter().flatten() {
            if !told.contains(&finding) {
                told.push(finding);
            }
        }
        told
    }
}

/// Puts one more step before a path.
fn within(path: &mut String, step: fmt::Arguments<'_>) {
    if !path.is_empty() && !path.starts_with('[') {
        path.insert(0, '.');
    }
    path.insert_str(0, &step.to_string());
}
