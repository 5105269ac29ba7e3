//! `cargo xtask dist`: everything of a release, in `dist/`, built without Docker.
//!
//! | file | |
//! |---|---|
//! | `coder_kube_filter.wasm` | the module |
//! | `coder_kube_filter.cdx.json` | what is in it: a CycloneDX SBOM |
//! | `oci/` | an OCI image layout of the module, for a registry |
//! | `SHA256SUMS` | for `sha256sum --check` |
//!
//! The same module gives the same bytes everywhere: no clock, no path and no name of the machine is in them. The module is also put where
//! `deploy/kustomize/module` takes it from. Nothing is pushed anywhere.

mod oci;
mod sbom;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::progress::{say, step};
use crate::{command, module, paths};

const MODULE: &str = "coder_kube_filter.wasm";
const SBOM: &str = "coder_kube_filter.cdx.json";
const LAYOUT: &str = "oci";
const SUMS: &str = "SHA256SUMS";

/// `cargo xtask dist`.
#[derive(clap::Args)]
pub(crate) struct Dist {}

pub(crate) fn run(_: &Dist) -> Result<()> {
    make()
}

/// Makes everything anew.
pub(crate) fn make() -> Result<()> {
    let built = module::build(false)?;
    module::within_limit(&built)?;
    let module = std::fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let folder = paths::dist();
    step("SBOM", |_| {
        let (sbom, components) = sbom::of(&module, &module::compiler()?)?;
        command::write_atomically(&folder.join(SBOM), &sbom)?;
        Ok(((), format!("CycloneDX, {components} components")))
    })?;
    let image = step("OCI image layout", |_| {
        let image = oci::write(&folder.join(LAYOUT), &module, env!("CARGO_PKG_VERSION"))?;
        Ok((image.clone(), image))
    })?;
    let files = [MODULE.to_owned(), SBOM.to_owned(), format!("{LAYOUT}/index.json")];
    command::write_atomically(&folder.join(SUMS), sums(&folder, &files)?.as_bytes())?;
    command::write_atomically(&paths::root().join("deploy/kustomize/module").join(MODULE), &module)?;
    say(&format!("    {}: {MODULE}, {SBOM}, {LAYOUT}/, {SUMS}", folder.display()));
    say(&format!(
        "    push it with, for example: skopeo copy --all oci:dist/{LAYOUT}:{} docker://…",
        env!("CARGO_PKG_VERSION")
    ));
    say(&format!("    the image is then …@{image}"));
    Ok(())
}

/// The lines that `sha256sum --check` reads.
fn sums(folder: &Path, files: &[String]) -> Result<String> {
    let mut lines = String::new();
    for file in files {
        let bytes = std::fs::read(folder.join(file)).with_context(|| format!("cannot read {file}"))?;
        writeln!(lines, "{}  {file}", sha256(&bytes))?;
    }
    Ok(lines)
}

/// As sixty-four hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_sha256sum() {
        let folder = std::env::temp_dir().join(format!("xtask-dist-sums-{}", std::process::id()));
        command::write_atomically(&folder.join("a/b"), b"abc").unwrap();
        let lines = sums(&folder, &["a/b".to_owned()]).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(lines, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a/b\n");
    }
}
