//! The folder is the architecture: dependencies inside `filter/core/src` run one way.
//!
//! Reads the sources as text: every `crate::` path, and every `super::` path that leads out of its folder, in code that is not
//! a test. Does not parse Rust; a path that a macro puts together is not seen.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a test may fail loudly"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What code in each module may name. `kube::meta` allows that part alone; `*` allows everything. Every module may name itself.
const ALLOWED: &[(&str, &[&str])] = &[
    ("names", &[]),
    ("sort", &[]),
    ("time", &["json"]),
    ("config", &["json", "time"]),
    ("planes", &["config", "kube::status", "sort", "time"]),
    ("kube", &["json", "time"]),
    ("coder", &["json", "names", "time"]),
    ("api", &["json", "kube::meta", "kube::status", "time"]),
    ("convert", &["api", "coder", "json", "kube", "names", "time"]),
    ("watch", &["api", "coder", "config", "convert", "json", "kube", "names", "planes", "sort", "time"]),
    ("exchange", &["*"]),
];

#[test]
fn dependencies_run_one_way() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let place = place(&file);
        let Some(module) = place.first() else { continue };
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| name == module) else {
            wrong.push(format!("{}: say in ALLOWED what `{module}` may name", file.display()));
            continue;
        };
        for named in named(&without_tests(&text), &place) {
            let fits =
                |rule: &&str| *rule == "*" || named == **rule || named.starts_with(&format!("{rule}::"));
            let own = named.split("::").next() == Some(module);
            if !own && !allowed.iter().any(fits) {
                wrong.push(format!("{}: {module} may not name {named}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn core_knows_no_host() {
    let manifest = fs::read_to_string(crate_folder().join("Cargo.toml")).unwrap();
    for host in ["proxy-wasm", "coder-kube-filter", "tokio", "ureq"] {
        assert!(!manifest.contains(host), "filter/core/Cargo.toml names {host}");
    }
    for (file, text) in sources() {
        for outside in ["std::net", "std::process", "std::fs", "SystemTime", "Instant::now", "extern \"C\""] {
            assert!(!without_tests(&text).contains(outside), "{}: {outside}", file.display());
        }
    }
}

#[test]
fn paths_are_found() {
    let check = |text: &str, place: &[&str], expect: &[&str]| {
        let place: Vec<String> = place.iter().map(|part| (*part).to_owned()).collect();
        let expect: BTreeSet<String> = expect.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(named(&without_tests(text), &place), expect, "{text}");
    };
    check("use crate::kube::meta::{A, B};", &["api"], &["kube::meta"]);
    check("use crate::{coder, kube::status::Status};", &["convert"], &["coder", "kube::status"]);
    check("use crate::coder::{self, Build};", &["convert"], &["coder"]);
    check("fn f() -> crate::time::Millis {}", &["kube", "table"], &["time"]);
    check("use super::super::kube::x;", &["coder", "query"], &["kube::x"]);
    check("use super::query::X;", &["coder", "errors"], &[]);
    check("// use crate::kube::x;\n", &["coder"], &[]);
    check("#[cfg(test)]\nmod tests { use crate::kube; }", &["coder"], &[]);
}

/// Top-level modules that a text names, each with the part of it that follows (`kube::meta`), where that is a module's name.
fn named(text: &str, place: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        add(&text[at + "crate::".len()..], &mut found);
    }
    let supers = "super::";
    let mut rest = text;
    while let Some(at) = rest.find(supers) {
        let chain = &rest[at..];
        let after = chain.trim_start_matches(supers);
        if (chain.len() - after.len()) / supers.len() >= place.len() {
            add(after, &mut found);
        }
        rest = after;
    }
    found
}

/// Adds what stands behind `crate::`: one path, or several in braces.
fn add(text: &str, found: &mut BTreeSet<String>) {
    let Some(group) = text.strip_prefix('{') else {
        found.insert(first_two(text));
        return;
    };
    let (mut depth, mut start) = (0_usize, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                found.extend(Some(first_two(group[start..at].trim())).filter(|path| !path.is_empty()));
                start = at + 1;
                if c == '}' {
                    return;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
}

/// `kube::meta::ObjectMeta` → `kube::meta`; `names::join` → `names::join`; `coder::{…}` → `coder`.
fn first_two(path: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut parts =
        path.split("::").map(|part| (part, part.find(|c| !word(c)).map_or(part, |end| &part[..end])));
    let mut named = Vec::new();
    for (whole, part) in parts.by_ref().take(2) {
        if part.is_empty() || part.starts_with(char::is_uppercase) || (part == "self" && !named.is_empty()) {
            break;
        }
        named.push(part);
        if whole != part {
            break;
        }
    }
    named.join("::")
}

/// Everything before the tests, which stand at the end of a file, without comments.
fn without_tests(text: &str) -> String {
    let code = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    code.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// `kube/selectors/label.rs` → `kube`, `selectors`, `label`; `kube/mod.rs` → `kube`; `lib.rs` → nothing.
fn place(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix(crate_folder().join("src")).unwrap().with_extension("");
    let mut place: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if matches!(place.last().map(String::as_str), Some("mod" | "lib")) {
        place.pop();
    }
    place
}

/// The sources that are not tests, with their text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![crate_folder().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if name == "tests" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 40, "the sources are elsewhere");
    found
}

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
