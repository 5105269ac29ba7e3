//! The last step of an answer: JSON as it is, indented for people, or turned into YAML.

use super::negotiation::{Accepted, Encoding};
use super::yaml;

/// Turns compact JSON into what was negotiated. What is not JSON passes unchanged.
#[must_use]
pub fn encode(mut json: Vec<u8>, accepted: &Accepted) -> Vec<u8> {
    match accepted.encoding {
        Encoding::Yaml => yaml::from_json(&json).map_or(json, String::into_bytes),
        Encoding::Json if accepted.pretty => indent(&json),
        Encoding::Json => {
            json.push(b'\n');
            json
        }
    }
}

/// Indents compact JSON by two spaces, as Go's `json.MarshalIndent` does for kube-apiserver.
fn indent(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len().saturating_mul(2));
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut bytes = json.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            _ if in_string => {
                in_string = escaped || byte != b'"';
                escaped = byte == b'\\' && !escaped;
                out.push(byte);
            }
            b'"' => {
                in_string = true;
                out.push(byte);
            }
            b'{' | b'[' => {
                out.push(byte);
                if let Some(close) = bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    out.push(close);
                } else {
                    depth = depth.saturating_add(1);
                    new_line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            other => out.push(other),
        }
    }
    out.push(b'\n');
    out
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', depth.saturating_mul(2)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::negotiation::Form;
    use serde_json::{Value, json};

    fn encoded(json: &Value, encoding: Encoding, pretty: bool) -> String {
        let accepted = Accepted { form: Form::Object, encoding, pretty };
        String::from_utf8(encode(json.to_string().into_bytes(), &accepted)).unwrap()
    }

    #[test]
    fn every_encoding_ends_its_line() {
        let json = json!({"a": "b"});
        assert_eq!(encoded(&json, Encoding::Json, false), "{\"a\":\"b\"}\n");
        assert_eq!(encoded(&json, Encoding::Json, true), "{\n  \"a\": \"b\"\n}\n");
        assert_eq!(encoded(&json, Encoding::Yaml, true), "a: b\n");
    }

    #[test]
    fn indents_like_serde_json() {
        for json in [
            json!({}),
            json!([]),
            json!({"a": [], "b": {}, "c": [1, {"d": null}], "e": "x,{}[]:\"\\\n", "f\\\"": [[true]]}),
            json!("\\"),
        ] {
            let expect = format!("{}\n", serde_json::to_string_pretty(&json).unwrap());
            assert_eq!(encoded(&json, Encoding::Json, true), expect);
        }
    }
}
