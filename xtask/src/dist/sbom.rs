//! What is in the module, as CycloneDX 1.6 in JSON: the crates that cargo resolves for it, Rust's standard library, and nothing else.
//!
//! From `cargo tree`, which alone tells a package's own features from the workspace's; macros and build scripts run while compiling and are not in the
//! module. cargo-cyclonedx would write one document for each crate of the workspace, with this machine's folders and the time in them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};

use super::sha256;
use crate::{command, module, paths, tools};

/// A document, as far as we use the format: <https://cyclonedx.org/docs/1.6/json/>.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Value,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    reference: String,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Value>,
    licenses: Vec<Value>,
    /// Where it can be had; not for crates of this workspace, which are not published.
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    of: String,
    depends_on: BTreeSet<String>,
}

/// A crate as `cargo tree` shows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Crate {
    name: String,
    version: String,
    licence: String,
    local: bool,
}

/// The document for a module that this compiler has made, and how many components it lists.
pub(super) fn of(module: &[u8], compiler: &str) -> Result<(Vec<u8>, usize)> {
    let (root, uses) = read(&tree()?)?;
    let lock = std::fs::read_to_string(paths::root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let checksums = checksums(&lock);
    let digest = sha256(module);
    let std = Component {
        kind: "library",
        reference: format!("rust-std@{compiler}"),
        name: "rust-std".to_owned(),
        version: compiler.to_owned(),
        hashes: Vec::new(),
        licenses: licence("MIT OR Apache-2.0"),
        purl: Some(format!("pkg:generic/rust-std@{compiler}")),
    };
    let whole = Component { kind: "application", hashes: hash(&digest), ..component(&root, &checksums) };
    let mut dependencies: Vec<Dependency> = uses
        .iter()
        .map(|(of, on)| Dependency {
            of: of.reference(),
            depends_on: on.iter().map(Crate::reference).collect(),
        })
        .collect();
    for dependency in &mut dependencies {
        dependency.depends_on.insert(std.reference.clone());
    }
    let mut components: Vec<Component> =
        uses.keys().filter(|one| **one != root).map(|one| component(one, &checksums)).collect();
    components.push(std);
    let count = components.len();
    let bom = Bom {
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: serial(&digest)?,
        version: 1,
        metadata: json!({ "component": whole }),
        components,
        dependencies,
    };
    let mut text = serde_json::to_vec_pretty(&bom)?;
    text.push(b'\n');
    Ok((text, count))
}

fn tree() -> Result<String> {
    let mut cargo = tools::cargo::cargo();
    cargo.args(["tree", "--quiet", "--locked", "--package", module::PACKAGE, "--target", module::TARGET]);
    cargo.args([
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "depth",
        "--no-dedupe",
        "--format",
        "\t{p}\t{l}",
    ]);
    command::output(&mut cargo)
}

/// The crate at the root, and what each uses by itself.
fn read(tree: &str) -> Result<(Crate, BTreeMap<Crate, BTreeSet<Crate>>)> {
    let mut uses = BTreeMap::<Crate, BTreeSet<Crate>>::new();
    let mut above: Vec<Crate> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut fields = line.split('\t');
        let (Some(depth), Some(package), Some(licence)) = (fields.next(), fields.next(), fields.next())
        else {
            bail!("`cargo tree` says what is not understood: {line}")
        };
        let mut words = package.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next().and_then(|v| v.strip_prefix('v')))
        else {
            bail!("`cargo tree` names no version: {line}")
        };
        let local = words.next().is_some_and(|place| place.starts_with("(/"));
        let [name, version, licence] = [name, version, licence].map(str::to_owned);
        let one = Crate { name, version, licence, local };
        above.truncate(depth.parse().with_context(|| format!("no depth: {line}"))?);
        if let Some(user) = above.last() {
            uses.entry(user.clone()).or_default().insert(one.clone());
        }
        uses.entry(one.clone()).or_default();
        above.push(one);
    }
    let root = above.into_iter().next().context("`cargo tree` says nothing")?;
    Ok((root, uses))
}

/// SHA-256 of each published crate, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let field = |package: &str, name: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
        Some(line?.trim_end_matches('"').to_owned())
    };
    let packages = lock.split("[[package]]").skip(1);
    packages
        .filter_map(|package| {
            Some(((field(package, "name")?, field(package, "version")?), field(package, "checksum")?))
        })
        .collect()
}

impl Crate {
    /// The name by which the document speaks of it.
    fn reference(&self) -> String {
        let prefix = if self.local { "" } else { "pkg:cargo/" };
        format!("{prefix}{}@{}", self.name, self.version)
    }
}

fn component(one: &Crate, checksums: &BTreeMap<(String, String), String>) -> Component {
    let checksum = checksums.get(&(one.name.clone(), one.version.clone()));
    Component {
        kind: "library",
        reference: one.reference(),
        name: one.name.clone(),
        version: one.version.clone(),
        hashes: checksum.map(|checksum| hash(checksum)).unwrap_or_default(),
        licenses: licence(&one.licence),
        purl: (!one.local).then(|| one.reference()),
    }
}

fn hash(sha256: &str) -> Vec<Value> {
    vec![json!({ "alg": "SHA-256", "content": sha256 })]
}

/// An SPDX expression. Old crates separate alternatives with a slash.
fn licence(expression: &str) -> Vec<Value> {
    vec![json!({ "expression": expression.replace('/', " OR ") })]
}

/// A UUID of the module's digest (version 8, RFC 9562): another module, another document.
fn serial(digest: &str) -> Result<String> {
    let part = |from: usize, to: usize| digest.get(from..to).context("a digest has 64 digits");
    Ok(format!(
        "urn:uuid:{}-{}-8{}-8{}-{}",
        part(0, 8)?,
        part(8, 12)?,
        part(12, 15)?,
        part(15, 18)?,
        part(18, 30)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lists_what_is_in_the_module_alone() {
        let (text, count) = of(b"module", "1.2.3").unwrap();
        let bom: Value = serde_json::from_slice(&text).unwrap();
        let components = bom["components"].as_array().unwrap();
        assert_eq!(components.len(), count);
        let names: BTreeSet<&str> = components.iter().map(|one| one["name"].as_str().unwrap()).collect();
        for there in ["coder-kube-core", "coder-kube-json", "serde_json", "tar", "saphyr-parser", "rust-std"]
        {
            assert!(names.contains(there), "{there} is missing: {names:?}");
        }
        for absent in ["serde_derive", "proc-macro2", "schemars", "proptest", "insta", "coder-kube-filter"] {
            assert!(!names.contains(absent), "{absent} is not in the module");
        }
        for one in components {
            let published = one["purl"].as_str().is_some_and(|purl| purl.starts_with("pkg:cargo/"));
            assert_eq!(published, one["hashes"].is_array(), "{one}");
            assert_ne!(one["licenses"][0]["expression"], "", "{one}");
        }
        let references: BTreeSet<&str> =
            components.iter().filter_map(|one| one["bom-ref"].as_str()).collect();
        for dependency in bom["dependencies"].as_array().unwrap() {
            let on = dependency["dependsOn"].as_array().unwrap();
            assert!(on.iter().all(|one| references.contains(one.as_str().unwrap())), "{dependency}");
        }
        assert_eq!(bom["metadata"]["component"]["name"], module::PACKAGE);
        assert_eq!(bom["metadata"]["component"]["hashes"][0]["content"], sha256(b"module"));
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains(&*paths::root().to_string_lossy()), "a folder of this machine is in it");
    }

    #[test]
    fn trees_are_read() {
        let one = |name: &str, local| Crate {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: "MIT".to_owned(),
            local,
        };
        let text = "0\ta v1.0.0 (/x/a)\tMIT\n1\tb v1.0.0\tMIT\n2\tc v1.0.0\tMIT\n1\tc v1.0.0\tMIT\n";
        let (root, uses) = read(text).unwrap();
        assert_eq!(root, one("a", true));
        let (b, c) = (one("b", false), one("c", false));
        let expect = [
            (root, BTreeSet::from([b.clone(), c.clone()])),
            (b, BTreeSet::from([c.clone()])),
            (c, BTreeSet::new()),
        ];
        assert_eq!(uses, BTreeMap::from(expect));
        assert!(read("").is_err() && read("0\ta\tMIT").is_err());
    }

    #[test]
    fn checksums_are_read() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1\"\nchecksum = \"ff\"\n\n[[package]]\nname = \"b\"\nversion = \"2\"\n";
        let expect = (("a".to_owned(), "1".to_owned()), "ff".to_owned());
        assert_eq!(checksums(lock), BTreeMap::from([expect]));
    }
}
