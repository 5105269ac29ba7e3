//! What the client can read: walks `Accept` by quality, then order, and takes the first clause that can be served.
//!
//! Protobuf and CBOR are never served, so their clauses are passed over; only a header with nothing else in it is 406.

use super::query::Query;
use super::quote::Quoted;
use super::status::Status;

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const META_GROUP: &str = "meta.k8s.io";

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`.
    Json,
    /// `application/yaml`.
    Yaml,
}

impl Encoding {
    /// The `Content-Type` of an answer.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Yaml => YAML,
        }
    }
}

/// Version of the meta.k8s.io group that a transformed answer is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaVersion {
    /// `meta.k8s.io/v1`.
    V1,
    /// `meta.k8s.io/v1beta1`.
    V1beta1,
}

impl MetaVersion {
    /// As `apiVersion` says it.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// What a table's rows carry beside their cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// The object's metadata.
    #[default]
    Metadata,
    /// The whole object.
    Object,
    /// Nothing.
    None,
}

/// In which shape objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Object,
    /// As `PartialObjectMetadata`, or a list of them: which one depends on the request, not on the clause.
    PartialObjectMetadata(MetaVersion),
    /// As rows of a `Table`.
    Table(MetaVersion, IncludeObject),
}

/// The outcome of negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Shape.
    pub form: Form,
    /// Bytes.
    pub encoding: Encoding,
    /// Whether JSON is indented for people.
    pub pretty: bool,
}

/// Negotiates the answer to a get, list or watch.
///
/// # Errors
/// 406 when no clause can be served, 400 for an `includeObject` that a Table does not know.
pub fn negotiate(accept: Option<&str>, user_agent: Option<&str>, query: &Query) -> Result<Accepted, Status> {
    let for_people = || user_agent.is_some_and(is_for_people);
    let pretty = query.get("pretty").filter(|value| !value.is_empty()).map_or_else(for_people, parse_bool);
    for clause in clauses(accept) {
        let Some(encoding) = clause.encoding() else { continue };
        let Some(form) = clause.form() else { continue };
        let form = match form {
            Form::Table(version, _) => Form::Table(version, include_object(query)?),
            other => other,
        };
        return Ok(Accepted { form, encoding, pretty: pretty || clause.parameter("pretty") == Some("1") });
    }
    Err(Status::not_acceptable("application/json, application/yaml"))
}

/// In which form discovery of groups (`/apis`) is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscoveryForm {
    /// `APIGroupList`, or an `APIGroup` or `APIResourceList` below it.
    Unaggregated,
    /// `APIGroupDiscoveryList` of apidiscovery.k8s.io/v2.
    V2,
    /// `APIGroupDiscoveryList` of apidiscovery.k8s.io/v2beta1, which Kubernetes 1.37 no longer asks for.
    V2beta1,
}

impl DiscoveryForm {
    /// The `Content-Type` of an answer, which is also what to `Accept` to be given one.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Unaggregated => JSON,
            Self::V2 => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            Self::V2beta1 => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        }
    }

    /// Recognises an answer by its `Content-Type`; servers that do not know the form asked for send another.
    #[must_use]
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let clause = clauses(Some(content_type)).into_iter().next()?;
        match clause.media_type {
            JSON => clause.discovery_form(),
            _ => None,
        }
    }
}

/// Negotiates the answer to `/apis`. As in Kubernetes, a client that names an aggregated form at all is given it.
///
/// # Errors
/// 406 when no clause can be served as JSON.
pub fn negotiate_discovery(accept: Option<&str>) -> Result<DiscoveryForm, Status> {
    let clauses = clauses(accept);
    let mut forms = clauses
        .iter()
        .filter(|clause| clause.encoding() == Some(Encoding::Json))
        .filter_map(Clause::discovery_form);
    let first = forms.next();
    first
        .filter(|form| *form != DiscoveryForm::Unaggregated)
        .or_else(|| forms.find(|form| *form != DiscoveryForm::Unaggregated))
        .or(first)
        .ok_or_else(|| Status::not_acceptable(JSON))
}

/// Whether plain text (a log) can be sent. Clients ask for logs with the `Accept` of everything else, so JSON counts.
///
/// # Errors
/// 406 when no clause fits.
pub fn negotiate_text(accept: Option<&str>) -> Result<(), Status> {
    let fits = |clause: &Clause<'_>| {
        clause.encoding().is_some() || matches!(clause.media_type, "text/plain" | "text/*")
    };
    if clauses(accept).iter().any(fits) { Ok(()) } else { Err(Status::not_acceptable("text/plain")) }
}

/// Browsers and command line HTTP tools get indented JSON unless they say otherwise.
fn is_for_people(user_agent: &str) -> bool {
    ["curl", "Wget", "Mozilla/5.0"].iter().any(|tool| user_agent.starts_with(tool))
}

/// Go's `strconv.ParseBool`, with false for what is neither.
fn parse_bool(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

fn include_object(query: &Query) -> Result<IncludeObject, Status> {
    match query.get("includeObject").unwrap_or("") {
        "" | "Metadata" => Ok(IncludeObject::Metadata),
        "Object" => Ok(IncludeObject::Object),
        "None" => Ok(IncludeObject::None),
        other => Err(Status::bad_request(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: {}: must be 'Metadata', 'Object', \
             'None', or empty",
            Quoted(other)
        ))),
    }
}

/// One clause of `Accept`.
#[derive(Clone, Copy)]
struct Clause<'a> {
    media_type: &'a str,
    /// What follows the first `;`.
    parameters: &'a str,
    /// Thousandths.
    quality: u16,
}

impl<'a> Clause<'a> {
    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.split(';').filter_map(|pair| pair.split_once('=')).find_map(|(key, value)| {
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
        })
    }

    fn encoding(&self) -> Option<Encoding> {
        match self.media_type {
            JSON | "application/*" | "*/*" | "*" => Some(Encoding::Json),
            YAML => Some(Encoding::Yaml),
            _ => None,
        }
    }

    /// The shape that `as`, `g` and `v` ask for; none when it cannot be served, so that the clause is passed over.
    fn form(&self) -> Option<Form> {
        let [kind, group, version] = ["as", "g", "v"].map(|name| self.parameter(name));
        if self.parameter("sv").is_some_and(|version| !version.is_empty())
            || self.parameter("stream").is_some_and(|stream| !matches!(stream, "" | "watch"))
        {
            return None;
        }
        if [kind, group, version] == [None; 3] {
            return Some(Form::Object);
        }
        let version = match (group, version) {
            (Some(META_GROUP), Some("v1")) => MetaVersion::V1,
            (Some(META_GROUP), Some("v1beta1")) => MetaVersion::V1beta1,
            _ => return None,
        };
        match kind {
            Some("Table") => Some(Form::Table(version, IncludeObject::Metadata)),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => {
                Some(Form::PartialObjectMetadata(version))
            }
            _ => None,
        }
    }

    fn discovery_form(&self) -> Option<DiscoveryForm> {
        match ["as", "g", "v"].map(|name| self.parameter(name)) {
            [None, None, None] => Some(DiscoveryForm::Unaggregated),
            [Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2")] => {
                Some(DiscoveryForm::V2)
            }
            [Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2beta1")] => {
                Some(DiscoveryForm::V2beta1)
            }
            _ => None,
        }
    }
}

/// The clauses in order of preference. An absent or empty header accepts anything; of an absurd one only the beginning
/// is read.
fn clauses(accept: Option<&str>) -> Vec<Clause<'_>> {
    const MOST: usize = 100;
    let header = accept.map(str::trim).filter(|header| !header.is_empty()).unwrap_or("*/*");
    // Wildcards come after what is named at the same quality (goautoneg).
    let rank = |clause: &Clause<'_>| (std::cmp::Reverse(clause.quality), clause.media_type.contains('*'));
    let mut clauses: Vec<Clause<'_>> = Vec::new();
    for clause in header.split(',').take(MOST) {
        let (media_type, parameters) = clause.split_once(';').unwrap_or((clause, ""));
        let mut clause = Clause { media_type: canonical(media_type.trim()), parameters, quality: 1000 };
        clause.quality = clause.parameter("q").map_or(1000, thousandths);
        if clause.quality > 0 {
            // The standard library's sorts weigh several kB of module each; few clauses need none.
            let at = clauses.partition_point(|before| rank(before) <= rank(&clause));
            clauses.insert(at, clause);
        }
    }
    clauses
}

/// Media types are compared without regard to case (RFC 9110 §8.3.1).
fn canonical(media_type: &str) -> &str {
    [JSON, YAML, "text/plain"]
        .into_iter()
        .find(|known| media_type.eq_ignore_ascii_case(known))
        .unwrap_or(media_type)
}

/// A quality as RFC 9110 writes it, at most three decimals; what cannot be read counts as 0, like in goautoneg.
fn thousandths(quality: &str) -> u16 {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let mut digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let fraction = digits.try_fold(0_u16, |sum, digit| {
        let digit = u16::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        sum.checked_mul(10)?.checked_add(digit)
    });
    match (whole, fraction) {
        ("1", _) => 1000,
        ("0" | "", Some(fraction)) => fraction,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
