//! Puts the OpenAPI document into the build without its whitespace and packed (LZ4, with its size before it): it is committed for
//! people to read and included for machines, and repeats itself so much that unpacking it is the smaller part of the module.
//!
//! The paths of the older form (OpenAPI v2, which only kube-apiserver asks for) follow it on a line of their own; its definitions are the same.
//!
//! Packs by itself, because compressors in Rust look for matches in a hurry: this one looks everywhere and saves a fifth.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "runs on the builder's machine, where it may fail loudly"
)]

use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::{env, fs};

fn main() -> std::io::Result<()> {
    let source = "openapi/v1alpha1.json";
    println!("cargo::rerun-if-changed={source}");
    println!("cargo::rerun-if-changed=build.rs");
    let target = env::var_os("OUT_DIR").unwrap_or_default();
    let document = fs::read(source)?;
    let mut all = minified(&document);
    all.push(b'\n');
    all.extend(older_paths(&serde_json::from_slice(&document)?).to_string().into_bytes());
    fs::write(Path::new(&target).join("v1alpha1.json.lz4"), packed(&all))
}

/// The paths of a document of OpenAPI v3 as v2 writes them.
fn older_paths(document: &Value) -> Value {
    let mut paths = document["paths"].clone();
    for path in paths.as_object_mut().into_iter().flat_map(Map::values_mut) {
        for (key, part) in path.as_object_mut().into_iter().flatten() {
            match key.as_str() {
                "parameters" => older_parameters(part),
                _ => older_operation(part),
            }
        }
    }
    paths
}

/// What a parameter's schema says stands in the parameter itself.
fn older_parameters(parameters: &mut Value) {
    for parameter in parameters.as_array_mut().into_iter().flatten() {
        let schema = parameter["schema"].take();
        parameter.as_object_mut().map(|fields| fields.remove("schema"));
        for (key, value) in schema.as_object().into_iter().flatten() {
            parameter[key] = value.clone();
        }
    }
}

/// Media types stand beside what they are the types of, and the body is a parameter.
fn older_operation(operation: &mut Value) {
    let types = |content: &Value| -> Value {
        content.as_object().into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>().into()
    };
    let schema = |content: &Value| {
        let schema = content.as_object().and_then(|content| content.values().next());
        let mut schema = schema.map_or(Value::Null, |media| media["schema"].clone());
        if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
            schema = json!({"$ref": format!("#/definitions/{name}")});
        }
        schema
    };
    if operation.get("parameters").is_some() {
        older_parameters(&mut operation["parameters"]);
    }
    let body = operation["requestBody"].take();
    operation.as_object_mut().map(|fields| fields.remove("requestBody"));
    if body.is_object() {
        let is_required = body["required"] == true;
        let parameter = json!({"name": "body", "in": "body", "required": is_required, "schema": schema(&body["content"])});
        operation["consumes"] = types(&body["content"]);
        match operation.get_mut("parameters").and_then(Value::as_array_mut) {
            Some(parameters) => parameters.push(parameter),
            None => operation["parameters"] = json!([parameter]),
        }
    }
    let mut produces = Value::Null;
    for answer in operation["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        let content = answer["content"].take();
        answer.as_object_mut().map(|fields| fields.remove("content"));
        if content.is_object() {
            answer["schema"] = schema(&content);
            produces = types(&content);
        }
    }
    if produces.is_array() {
        operation["produces"] = produces;
    }
}

/// JSON without whitespace between its tokens.
fn minified(json: &[u8]) -> Vec<u8> {
    let (mut in_string, mut escaped) = (false, false);
    let mut keep = |c: u8| {
        if in_string {
            in_string = escaped || c != b'"';
            escaped = !escaped && c == b'\\';
            return true;
        }
        in_string = c == b'"';
        !c.is_ascii_whitespace()
    };
    json.iter().copied().filter(|c| keep(*c)).collect()
}

/// Shortest match, last bytes that are literals, and how far the last match begins before the end: the rules of the LZ4 block format.
const MATCH_MIN: usize = 4;
const LITERALS_LAST: usize = 5;
const MATCH_LAST: usize = 12;
/// How far back a match may lie.
const WINDOW: usize = 65_535;

/// An LZ4 block with its unpacked size before it.
fn packed(data: &[u8]) -> Vec<u8> {
    let mut seen: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let mut out = u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    let (mut literals, mut at) = (0, 0);
    let mut pending = None;
    while at + MATCH_LAST < data.len() {
        let found = pending.take().unwrap_or_else(|| longest(data, at, &seen));
        seen.entry(&data[at..at + MATCH_MIN]).or_default().push(at);
        let next = longest(data, at + 1, &seen);
        if found.0 < MATCH_MIN || next.0 > found.0 {
            pending = Some(next);
            at += 1;
            continue;
        }
        sequence(&mut out, &data[literals..at], Some(found));
        for passed in at + 1..(at + found.0).min(data.len() - MATCH_MIN) {
            seen.entry(&data[passed..passed + MATCH_MIN]).or_default().push(passed);
        }
        at += found.0;
        literals = at;
    }
    sequence(&mut out, &data[literals..], None);
    out
}

/// Length and distance of the longest match at a place, the nearest of equals; a length of 0 without one.
fn longest(data: &[u8], at: usize, seen: &HashMap<&[u8], Vec<usize>>) -> (usize, usize) {
    let mut best = (0, 0);
    if at + MATCH_LAST > data.len() {
        return best;
    }
    let most = data.len() - LITERALS_LAST - at;
    for &from in seen.get(&data[at..at + MATCH_MIN]).into_iter().flatten().rev() {
        if at - from > WINDOW {
            break;
        }
        let length = data[from..].iter().zip(&data[at..]).take(most).take_while(|(a, b)| a == b).count();
        if length > best.0 {
            best = (length, at - from);
        }
    }
    best
}

/// Literals, then a match; the last sequence has none.
fn sequence(out: &mut Vec<u8>, literals: &[u8], found: Option<(usize, usize)>) {
    let beyond = found.map_or(0, |(length, _)| length - MATCH_MIN);
    out.push((literals.len().min(15) << 4 | beyond.min(15)) as u8);
    lengths(out, literals.len());
    out.extend_from_slice(literals);
    if let Some((_, distance)) = found {
        out.extend_from_slice(&(distance as u16).to_le_bytes());
        lengths(out, beyond);
    }
}

/// The rest of a length that does not fit into four bits.
fn lengths(out: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(15) else { return };
    while rest >= 255 {
        out.push(255);
        rest -= 255;
    }
    out.push(rest as u8);
}
