//! Reads the YAML of a manifest as JSON: one document, YAML 1.2 with its core schema.
//!
//! Text is written as it comes, so a large document is never there as a tree, and keys that are repeated stay repeated: whoever reads the JSON
//! can say where. Plain words mean what they mean to every reader of YAML: `yes` and `on`, numbers with leading zeros or underscores and moments
//! stay text, because readers differ about them. Refuses what JSON cannot hold (keys that are no scalars, tags of one's own) and merge keys.

mod scalar;
mod write;

use saphyr_parser::{Event, Parser, Tag};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use write::{Level, Writer};

/// Deepest nesting; readers of JSON stop at 128.
pub const DEPTH_MAX: usize = 100;

/// Most values of a document; each takes the parser as long as hundreds of bytes of text.
pub const VALUES_MAX: usize = 200_000;

/// Bytes that aliases may add to a document beyond its own length.
const ALIASED: usize = 1 << 20;

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: Cow<'static, str>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "yaml: line {}: {}", self.line, self.problem)
    }
}

/// Writes the document as JSON; `null` where there is none.
///
/// # Errors
/// It is not YAML, not one document, nested too deeply, or has what JSON cannot hold; aliases make much more of it than it is.
pub fn to_json(yaml: &str) -> Result<Vec<u8>, Error> {
    let mut reading = Reading {
        writer: Writer::new(yaml.len()),
        anchors: Vec::new(),
        budget: yaml.len().saturating_add(ALIASED),
        documents: 0,
        values: 0,
    };
    for event in Parser::new_from_str(yaml) {
        let (event, span) =
            event.map_err(|e| Error { line: e.marker().line(), problem: Cow::Owned(e.info().to_owned()) })?;
        reading.take(event).map_err(|problem| Error { line: span.start.line(), problem })?;
    }
    Ok(reading.writer.finish())
}

type Outcome = Result<(), Cow<'static, str>>;

/// A document as far as it has been read.
struct Reading {
    writer: Writer,
    /// Where the JSON of what was anchored is, by the parser's number; empty as long as it is not complete.
    anchors: Vec<Range<usize>>,
    /// Bytes that aliases may still add.
    budget: usize,
    documents: usize,
    values: usize,
}

impl Reading {
    fn take(&mut self, event: Event<'_>) -> Outcome {
        self.values = self.values.saturating_add(usize::from(matches!(
            event,
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_)
        )));
        if self.values > VALUES_MAX {
            return Err("the document has too many values".into());
        }
        match event {
            Event::DocumentStart(_) => {
                self.documents = self.documents.saturating_add(1);
                if self.documents > 1 {
                    return Err("there is more than one document".into());
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = scalar::resolve(&text, style, tag.as_deref())?;
                let start = self.writer.scalar(&scalar)?;
                self.anchored(anchor, start);
            }
            Event::SequenceStart(anchor, tag) => {
                collection(tag.as_deref(), "seq")?;
                self.open(Level::Sequence, anchor)?;
            }
            Event::MappingStart(anchor, tag) => {
                collection(tag.as_deref(), "map")?;
                self.open(Level::Mapping, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((anchor, start)) = self.writer.close() {
                    self.anchored(anchor, start);
                }
            }
            Event::Alias(anchor) => {
                let range = self.anchors.get(anchor).cloned().unwrap_or_default();
                if range.is_empty() {
                    return Err("an anchor's value contains itself".into());
                }
                self.budget =
                    self.budget.checked_sub(range.len()).ok_or("the document contains excessive aliasing")?;
                self.writer.copy(range)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn open(&mut self, level: Level, anchor: usize) -> Outcome {
        if self.writer.depth() >= DEPTH_MAX {
            return Err("the document is nested too deeply".into());
        }
        self.writer.open(level, anchor)
    }

    /// The JSON from `start` on can be named.
    fn anchored(&mut self, anchor: usize, start: usize) {
        if anchor == 0 {
            return;
        }
        if self.anchors.len() <= anchor {
            self.anchors.resize(anchor.saturating_add(1), 0..0);
        }
        if let Some(range) = self.anchors.get_mut(anchor) {
            *range = start..self.writer.position();
        }
    }
}

/// A collection may say what it is, and nothing else.
fn collection(tag: Option<&Tag>, core: &str) -> Outcome {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == core) => Err(unknown_tag(tag)),
        _ => Ok(()),
    }
}

fn unknown_tag(tag: &Tag) -> Cow<'static, str> {
    format!("the tag {} is not supported", shown(tag)).into()
}

/// A tag as people write it.
fn shown(tag: &Tag) -> String {
    let handle = if tag.is_yaml_core_schema() { "!!" } else { &tag.handle };
    format!("{handle}{}", tag.suffix)
}

#[cfg(test)]
mod tests;
