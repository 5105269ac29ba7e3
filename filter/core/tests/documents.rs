//! What is written for people stays true: paths exist, commands exist, fields are described, files keep to the style.
//!
//! `UPDATE=1 cargo test -p coder-kube-core --test documents` writes the tables of `docs/api.md` anew: what fields are, from the schema, and
//! what becomes of them, from `api/v1alpha1/fields.rs`. Says nothing about prose.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a test may fail loudly"
)]

use coder_kube_core::api::v1alpha1::fields::{self, Absent, Create, Field, Read, Update};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are made, not kept.
const MADE: &[&str] = &["target", "dist", ".lab", ".git"];
/// Files of a deployment, not of this repository.
const DEPLOYED: &[&str] = &[
    "coder-token/secret.yaml",
    "kube-token/secret.yaml",
    "tls/secret.yaml",
    "research-token/secret.yaml",
    "research-token.yaml",
    "secret.yaml",
];
/// Words that end so name a file.
const EXTENSIONS: &[&str] = &["rs", "md", "toml", "yaml", "json"];
/// Longest source file, in lines.
const LINES_MAX: usize = 500;

#[test]
fn paths_in_documents_exist() {
    let there = repository();
    let mut wrong = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let folder = document.parent().unwrap();
        for word in words(&text) {
            if !exists(word, folder, &there) {
                wrong.push(format!("{}: {word}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these do not exist:\n{}\n", wrong.join("\n"));
}

#[test]
fn commands_in_documents_exist() {
    let commands = fs::read_to_string(root().join("xtask/src/main.rs")).unwrap();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for (at, asked) in text.match_indices("cargo xtask ") {
            let rest = &text[at + asked.len()..];
            let name = rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
            let variant: String = name[..1].to_ascii_uppercase() + &name[1..];
            assert!(
                commands.contains(&format!("    {variant}(")),
                "{}: cargo xtask {name}",
                document.display()
            );
        }
    }
}

#[test]
fn every_setting_is_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap().to_lowercase();
    let settings = |file: &str, end: &str| {
        let text = fs::read_to_string(root().join("filter/core/src").join(file)).unwrap();
        text.split_once(end).unwrap().0.to_owned()
    };
    let settings = settings("config.rs", "impl Default for Limits").replace("pub egress: Option<Egress>", "")
        + &settings("config/watch.rs", "impl Watch")
        + &settings("config/discovery.rs", "impl Default for Discovery");
    let fields = settings.lines().filter_map(|line| line.strip_prefix("    pub ")?.split_once(':'));
    let names: Vec<String> = fields.map(|(name, _)| name.replace('_', "")).collect();
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        let shown = [format!("`{name}`"), format!(".{name}`")].iter().any(|form| readme.contains(form));
        assert!(shown, "README.md does not describe {name}");
    }
}

#[test]
fn tables_in_api_reference_are_those_of_the_code() {
    let path = root().join("docs/api.md");
    let document = fs::read(root().join("filter/core/openapi/v1alpha1.json")).unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    let mut shown = BTreeSet::new();
    let expect = fs::read_to_string(&path).unwrap();
    let expect = filled(&expect, "fields", |name| {
        shown.insert(name.to_owned());
        table(&document["components"]["schemas"][format!("com.coder.aggregation.v1alpha1.{name}")])
    });
    let expect = filled(&expect, "writing", |name| {
        shown.insert(format!("writing {name}"));
        match name {
            "metadata" => writing(fields::METADATA),
            "CoderWorkspace" => writing(fields::WORKSPACE),
            "CoderTemplate" => writing(fields::TEMPLATE),
            _ => panic!("{name}"),
        }
    });
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &expect).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    assert!(text == expect, "docs/api.md is stale; the first lines of this file say how to refresh it");
    for name in ["metadata", "CoderWorkspace", "CoderTemplate"] {
        assert!(shown.contains(&format!("writing {name}")), "docs/api.md does not say how {name} is written");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        let ours =
            name.strip_prefix("com.coder.aggregation.v1alpha1.").filter(|name| !name.ends_with("List"));
        assert!(ours.is_none_or(|name| shown.contains(name)), "docs/api.md has no fields of {name}");
    }
}

/// A text with a new table behind each `<!-- kind: name -->`.
fn filled(text: &str, kind: &str, mut table: impl FnMut(&str) -> String) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    let begin = format!("<!-- {kind}: ");
    while let Some((before, after)) = rest.split_once(&begin) {
        let (name, after) = after.split_once(" -->").unwrap();
        let (_, after) = after.split_once("<!-- end -->").unwrap();
        write!(filled, "{before}{begin}{name} -->\n{}<!-- end -->", table(name)).unwrap();
        rest = after;
    }
    filled + rest
}

#[test]
fn sources_keep_to_the_style() {
    let mut wrong = Vec::new();
    for file in repository().iter().filter(|path| path.ends_with(".rs")) {
        let text = fs::read_to_string(root().join(file)).unwrap();
        if !text.starts_with("//!") {
            wrong.push(format!("{file} does not open with //!"));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{file} has {lines} lines, more than {LINES_MAX}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn words_are_found() {
    let check = |text: &str, expect: &[&str]| assert_eq!(words(text), expect, "{text}");
    check("see `filter/core/src/lib.rs`, [it](docs/api.md).", &["filter/core/src/lib.rs", "docs/api.md"]);
    check("below filter/core/, or lib.rs", &["filter/core/", "lib.rs"]);
    check("https://x.dev/a.md and /etc/x/secret.yaml and ~/.cache/x", &[]);
    check("aggregation.coder.com/v1alpha1, coderworkspaces/log, 1.5, e.g.", &[]);
    check(".lab/env, dist/coder_kube_filter.wasm", &[]);
}

/// The rows that describe a schema's fields.
fn table(schema: &Value) -> String {
    let mut rows = String::from("| field | type | |\n|---|---|---|\n");
    for (field, property) in schema["properties"].as_object().unwrap() {
        let description = property["description"].as_str().unwrap().replace('|', "\\|").replace('\n', " ");
        writeln!(rows, "| `{field}` | {} | {description} |", kind(property)).unwrap();
    }
    rows
}

/// The rows that say what becomes of fields.
fn writing(table: &[Field]) -> String {
    let mut rows =
        String::from("| field | create | update: given | update: left out | read |\n|---|---|---|---|---|\n");
    for field in table {
        let create = match field.create {
            Create::Required => "**required**".to_owned(),
            Create::Optional(absent) => format!("optional: {absent}"),
            Create::Ignored => "ignored".to_owned(),
            Create::Warned => "not kept; a warning says so".to_owned(),
        };
        let (given, absent) = match field.update {
            Update::Changes(how, Absent::Cleared) => (how, "**cleared**"),
            Update::Changes(how, Absent::Kept) => (how, "kept"),
            Update::Required(how) => (how, "422"),
            Update::Immutable => ("422 unless unchanged", "kept"),
            Update::Identity(how) => (how, ""),
            Update::Ignored => ("ignored", ""),
            Update::Warned => ("not kept; a warning says so", ""),
        };
        let read = match field.read {
            Read::Always => "always",
            Read::WhenSet => "when set",
            Read::GetOnly => "get only",
            Read::Never => "never",
        };
        writeln!(rows, "| `{}` | {create} | {given} | {absent} | {read} |", field.path).unwrap();
    }
    rows
}

/// A property's type in a word or two.
fn kind(property: &Value) -> String {
    if let Some(reference) = property["allOf"][0]["$ref"].as_str() {
        return reference.rsplit('.').next().unwrap_or_default().to_owned();
    }
    match property["type"].as_str().unwrap_or_default() {
        "array" => format!("list of {}", kind(&property["items"])),
        "object" => "map of string".to_owned(),
        _ if property["format"] == "date-time" => "time".to_owned(),
        other => other.to_owned(),
    }
}

/// Words of a text that name something in the repository.
fn words(text: &str) -> Vec<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let words = text.split(|c| !part(c)).map(|word| word.trim_end_matches('.'));
    words.filter(|word| names_something(word)).collect()
}

fn names_something(word: &str) -> bool {
    let first = word.split('/').next().unwrap_or_default();
    // What a person makes by a command of the same page is in a folder of that name.
    if first.is_empty() || word.ends_with("/made") || MADE.contains(&first) || DEPLOYED.contains(&word) {
        return false;
    }
    let extension = word.rsplit_once('.').map(|(stem, extension)| (!stem.is_empty(), extension));
    let file = extension.is_some_and(|(stem, extension)| stem && EXTENSIONS.contains(&extension));
    file || (word.contains('/') && root().join(first).exists())
}

/// A path from the root or from the document; a file may also be named by the end of its path.
fn exists(word: &str, folder: &Path, there: &BTreeSet<String>) -> bool {
    if root().join(word).exists() || folder.join(word).exists() {
        return true;
    }
    let end = format!("/{word}");
    there.iter().any(|path| path.ends_with(&end))
}

fn documents() -> Vec<PathBuf> {
    let all = repository();
    let ours = |path: &&String| path.ends_with(".md") && (!path.contains('/') || path.starts_with("docs/"));
    let documents: Vec<PathBuf> = all.iter().filter(ours).map(|path| root().join(path)).collect();
    assert!(documents.len() > 4);
    documents
}

/// Every file that is kept, from the root.
fn repository() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if MADE.contains(&path.file_name().unwrap().to_string_lossy().as_ref()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
