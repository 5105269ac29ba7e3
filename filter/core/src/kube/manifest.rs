//! An object as a client wrote it: type, metadata and a typed spec, with what is unknown or repeated in it.
//!
//! Checks what kube-apiserver's handlers check before they hand an object on (k8s.io/apiserver, pkg/endpoints/handlers), in its words. What the
//! spec means is for others; what is in `status` is not looked at.

mod metadata;

pub use metadata::ManifestMeta;

use super::document::{Document, Origin};
use super::quote::Quoted;
use super::status::{Cause, GroupResource, Status};
use super::write_options::FieldValidation;
use crate::json::{self, Field, Finding, Object, Parts, Problem, Read, Skip};
use std::borrow::Cow;

/// Bytes of a body that is no object that an error shows.
const SUMMARY: usize = 30;

/// Which object a manifest must be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Group and version, as `g.example.com/v1`.
    pub api_version: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Resource, for messages.
    pub resource: GroupResource<'a>,
    /// Namespace of the request.
    pub namespace: &'a str,
    /// Name of the request; none on create.
    pub name: Option<&'a str>,
}

/// A manifest whose spec is a `T`.
#[derive(Debug, Default)]
pub struct Manifest<T> {
    /// Its metadata.
    pub metadata: ManifestMeta,
    /// What is asked for.
    pub spec: T,
    /// For those who should know: what is unknown or repeated, where that is no error.
    pub warnings: Vec<String>,
}

impl<T> Manifest<T> {
    /// Reads and checks it: type, namespace and name must be those of the request. What it does not say of those is taken from the request,
    /// but for the name where there must be one.
    ///
    /// # Errors
    /// 400 as kube-apiserver words it; 422 on `patch` where a patch made a document that does not fit.
    pub fn read<'a>(
        document: &'a Document,
        expected: &Expected<'_>,
        validation: FieldValidation,
    ) -> Result<Self, Status>
    where
        T: Read<'a> + Default,
    {
        let mut spec = T::default();
        let (metadata, warnings) = read(document, expected, validation, &mut spec)?;
        Ok(Self { metadata, spec, warnings })
    }
}

/// Once for all kinds of spec.
fn read<'a>(
    document: &'a Document,
    expected: &Expected<'_>,
    validation: FieldValidation,
    spec: &mut dyn Read<'a>,
) -> Result<(ManifestMeta, Vec<String>), Status> {
    let mut wire = Wire { head: Head::default(), spec, status: Skip };
    let outcome = json::read_strictly(&document.json, &mut wire);
    let Head { api_version, kind, metadata } = wire.head;
    let unfit = Unfit { document, expected, api_version: &api_version, kind: &kind };
    // An object of another kind is not told what its fields lack to be one of this kind.
    if !matches!(&outcome, Err(e) if e.is_syntax) {
        unfit.check_type()?;
    }
    let mut findings = document.findings.clone();
    findings.extend(outcome.map_err(|e| unfit.because(&e))?.iter().map(finding));
    if validation == FieldValidation::Strict && !findings.is_empty() {
        return Err(unfit.status(&format!("strict decoding error: {}", findings.join(", "))));
    }
    if !metadata.namespace.is_empty() && metadata.namespace != expected.namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(why));
    }
    match expected.name {
        Some(name) if metadata.name.is_empty() => {
            return Err(Status::bad_request(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            )));
        }
        Some(name) if metadata.name != name => {
            return Err(Status::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({name})",
                metadata.name
            )));
        }
        _ => {}
    }
    if validation == FieldValidation::Ignore {
        findings.clear();
    }
    Ok((metadata, findings))
}

/// As sigs.k8s.io/json says it.
pub(super) fn finding(finding: &Finding) -> String {
    let what = match finding.problem {
        Problem::Unknown => "unknown",
        Problem::Duplicate => "duplicate",
    };
    format!("{what} field {}", Quoted(&finding.path))
}

/// Makes the refusal of a document.
struct Unfit<'a> {
    document: &'a Document,
    expected: &'a Expected<'a>,
    api_version: &'a str,
    kind: &'a str,
}

impl Unfit<'_> {
    fn check_type(&self) -> Result<(), Status> {
        if !self.kind.is_empty() && self.kind != self.expected.kind {
            let api_version = self.api_version();
            return Err(self.status(&format!(
                "no kind {} is registered for version {}",
                Quoted(self.kind),
                Quoted(api_version)
            )));
        }
        if self.api_version() != self.expected.api_version {
            return Err(Status::bad_request(format!(
                "the API version in the data ({}) does not match the expected API version ({})",
                self.api_version, self.expected.api_version
            )));
        }
        Ok(())
    }

    fn api_version(&self) -> &str {
        if self.api_version.is_empty() { self.expected.api_version } else { self.api_version }
    }

    fn because(&self, error: &json::Error) -> Status {
        match (error.is_syntax, self.document.origin) {
            (true, Origin::Body) => Status::bad_request(format!(
                "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: {} ({})",
                self.expected.kind,
                error.problem,
                summary(&self.document.json)
            )),
            // The path says where; the line is that of JSON which a client may never have seen.
            _ => {
                let why = error.to_string();
                self.status(why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why))
            }
        }
    }

    fn status(&self, why: &str) -> Status {
        match self.document.origin {
            Origin::Body => {
                let kind = if self.kind.is_empty() { self.expected.kind } else { self.kind };
                let api_version = self.api_version();
                let version = api_version.rsplit_once('/').map_or(api_version, |(_, version)| version);
                Status::bad_request(format!(
                    "{kind} in version {} cannot be handled as a {}: {why}",
                    Quoted(version),
                    self.expected.kind
                ))
            }
            // kube-apiserver shows the whole object here; it may be large, and hold what is not to be shown.
            Origin::Patch => {
                let kind = GroupResource { resource: self.expected.kind, ..self.expected.resource };
                let name = self.expected.name.unwrap_or_default();
                Status::invalid(kind, name, vec![Cause::invalid_without_value("patch", why)])
            }
        }
    }
}

/// How kube-apiserver shows the beginning of a body that it does not recognize.
fn summary(body: &[u8]) -> String {
    let (shown, more) = match body.split_at_checked(SUMMARY) {
        Some((shown, rest)) if !rest.is_empty() => (shown, " ..."),
        _ => (body, ""),
    };
    match shown.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(shown)),
        Some(_) => shown.iter().map(|byte| format!("{byte:02x}")).chain([more.to_owned()]).collect(),
    }
}

/// What every manifest has.
#[derive(Default)]
struct Head {
    api_version: String,
    kind: String,
    metadata: ManifestMeta,
}

struct Wire<'r, 'de> {
    head: Head,
    spec: &'r mut dyn Read<'de>,
    status: Skip,
}

impl<'de> Read<'de> for Wire<'_, 'de> {
    fn expected(&self) -> &'static str {
        "an object"
    }
    fn parts(&mut self) -> Parts<'_, 'de> {
        Parts::Object(self)
    }
}

impl<'de> Object<'de> for Wire<'_, 'de> {
    fn field(&mut self, name: &Cow<'de, str>) -> Option<Field<'_, 'de>> {
        let target: &mut dyn Read<'de> = match &**name {
            "apiVersion" => &mut self.head.api_version,
            "kind" => &mut self.head.kind,
            "metadata" => &mut self.head.metadata,
            "spec" => &mut *self.spec,
            "status" => &mut self.status,
            _ => return None,
        };
        Some(Field { target, required: None })
    }
}

#[cfg(test)]
mod tests;
