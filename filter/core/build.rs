//! Puts the OpenAPI document into the build without its whitespace and packed (LZ4, with its size before it): it is committed for
//! people to read and included for machines, and repeats itself so much that unpacking it is the smaller part of the module.

use std::path::Path;
use std::{env, fs};

fn main() -> std::io::Result<()> {
    let source = "openapi/v1alpha1.json";
    println!("cargo::rerun-if-changed={source}");
    println!("cargo::rerun-if-changed=build.rs");
    let target = env::var_os("OUT_DIR").unwrap_or_default();
    let packed = lz4_flex::block::compress_prepend_size(&minified(&fs::read(source)?));
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
