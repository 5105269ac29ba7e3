//! What is sent to be written: JSON or YAML by its content type, as one JSON document with the paths of what it repeats.
//!
//! Whether the JSON is any is found when it is read: [`super::manifest`], [`super::patch`].

use super::status::Status;
use crate::json::{self, Skip};

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

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Json,
    Yaml,
}

/// Reads a body.
///
/// # Errors
/// 415 for another kind of body, 400 for YAML that is broken or holds what JSON cannot.
pub fn read(content_type: Option<&str>, body: Vec<u8>) -> Result<Document, Status> {
    let json = match encoding(content_type)? {
        Encoding::Json => body,
        Encoding::Yaml => from_yaml(body)?,
    };
    Ok(Document { json, ..Document::default() })
}

/// JSON out of YAML. JSON is YAML, too, and what calls itself YAML is mostly JSON: that stays as it is.
pub(super) fn from_yaml(body: Vec<u8>) -> Result<Vec<u8>, Status> {
    if body.is_empty() || json::read_into(&body, &mut Skip).is_ok() {
        return Ok(body);
    }
    let text =
        std::str::from_utf8(&body).map_err(|_| Status::bad_request("yaml: the document is not UTF-8"))?;
    coder_kube_yaml::to_json(text).map_err(|e| Status::bad_request(e.to_string()))
}

/// By content type, whose parameters do not matter; JSON where there is none.
fn encoding(content_type: Option<&str>) -> Result<Encoding, Status> {
    let Some(text) = content_type.filter(|text| !text.is_empty()) else { return Ok(Encoding::Json) };
    let media_type = text.split(';').next().unwrap_or_default().trim();
    [("application/json", Encoding::Json), ("application/yaml", Encoding::Yaml)]
        .into_iter()
        .find_map(|(known, encoding)| media_type.eq_ignore_ascii_case(known).then_some(encoding))
        .ok_or_else(|| Status::unsupported_media_type("application/json, application/yaml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: Option<&str>, body: &str, expect: Result<&str, (u16, &str)>) {
        let got = read(content_type, body.into()).map(|document| String::from_utf8(document.json).unwrap());
        let got = got.as_deref().map_err(|status| (status.code, status.message.as_str()));
        assert_eq!(got, expect, "{content_type:?} {body}");
    }

    #[test]
    fn json_stays_as_it_is() {
        for content_type in [
            None,
            Some(""),
            Some("application/json"),
            Some("Application/JSON; charset=utf-8"),
            Some("application/yaml"),
        ] {
            check(content_type, r#"{"a": 1, "a": "\ud83d\ude00"} "#, Ok(r#"{"a": 1, "a": "\ud83d\ude00"} "#));
            check(content_type, "", Ok(""));
        }
        // The reader of the manifest says what is wrong with it.
        check(None, "{", Ok("{"));
    }

    #[test]
    fn yaml_becomes_json() {
        let yaml = Some("application/yaml");
        check(yaml, "a: 1\nb: [x]\na: 2\n", Ok(r#"{"a":1,"b":["x"],"a":2}"#));
        check(yaml, "{a: b}", Ok(r#"{"a":"b"}"#));
        check(yaml, "# nothing", Ok("null"));
        check(yaml, "a: 1\n---\nb: 1\n", Err((400, "yaml: line 2: there is more than one document")));
        assert_eq!(read(yaml, b"a: \xff".to_vec()).unwrap_err().code, 400);
    }

    #[test]
    fn other_kinds_of_body() {
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/vnd.kubernetes.protobuf",
            "application/json, application/json",
            "application/jsonx",
            ";",
        ] {
            check(
                Some(content_type),
                "{}",
                Err((
                    415,
                    "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml",
                )),
            );
        }
    }
}
