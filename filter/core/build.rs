//! Puts the OpenAPI document into the build without its whitespace and packed (LZ4, with its size before it): it is committed for
//! people to read and included for machines, and repeats itself so much that unpacking it is the smaller part of the module.
//!
//! Packs by itself, because compressors in Rust look for matches in a hurry: this one looks everywhere and saves a fifth.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "runs on the builder's machine, where it may fail loudly"
)]

use std::collections::HashMap;
use std::path::Path;
use std::{env, fs};

fn main() -> std::io::Result<()> {
    let source = "openapi/v1alpha1.json";
    println!("cargo::rerun-if-changed={source}");
    println!("cargo::rerun-if-changed=build.rs");
    let target = env::var_os("OUT_DIR").unwrap_or_default();
    let packed = packed(&minified(&fs::read(source)?));
    fs::write(Path::new(&target).join("v1alpha1.json.lz4"), packed)
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
