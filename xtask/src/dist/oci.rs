//! The module as an OCI image layout, the folder that skopeo, oras and crane push to a registry.
//!
//! One image serves two loaders. Istio's agent (`pkg/wasm/imagefetcher.go`) knows two kinds: *compat*, whose last layer is a
//! `application/vnd.oci.image.layer.v1.tar+gzip` that holds `plugin.wasm`, and *oci*, with layers of media types of its own. A kubelet that mounts an
//! image as a volume knows the first alone, so it is the one. Runtimes refuse an image for another processor, therefore an index names one image
//! for each; they differ in that word and share the layer. Istio's agent takes the one for amd64 wherever it runs.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, DescriptorBuilder, ImageConfigurationBuilder, ImageIndexBuilder,
    ImageManifestBuilder, MediaType, OciLayoutBuilder, Os, PlatformBuilder, RootFsBuilder, Sha256Digest,
};
use serde::Serialize;
use std::collections::HashMap;
use std::str::FromStr;

use super::sha256;
use crate::command;

/// What both loaders look for in the layer.
const FILE: &str = "plugin.wasm";
const PROCESSORS: [Arch; 2] = [Arch::Amd64, Arch::ARM64];

/// Writes the layout anew; returns the digest by which the image is asked for. The same module gives the same digest.
pub(super) fn write(folder: &Path, module: &[u8], version: &str) -> Result<String> {
    let _ = std::fs::remove_dir_all(folder);
    let archive = archive(module)?;
    let layer = blob(folder, MediaType::ImageLayerGzip, &compressed(&archive)?)?;
    let mut images = Vec::new();
    for processor in PROCESSORS {
        let root =
            RootFsBuilder::default().typ("layers").diff_ids(vec![format!("sha256:{}", sha256(&archive))]);
        let configuration = ImageConfigurationBuilder::default()
            .architecture(processor.clone())
            .os(Os::Linux)
            .config(ConfigBuilder::default().build()?)
            .rootfs(root.build()?)
            .history(Vec::new())
            .build()?;
        let configuration = blob(folder, MediaType::ImageConfig, &json(&configuration)?)?;
        let manifest = ImageManifestBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageManifest)
            .config(configuration)
            .layers(vec![layer.clone()])
            .build()?;
        let mut image = blob(folder, MediaType::ImageManifest, &json(&manifest)?)?;
        image.set_platform(Some(PlatformBuilder::default().architecture(processor).os(Os::Linux).build()?));
        images.push(image);
    }
    let both = ImageIndexBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageIndex)
        .manifests(images)
        .build()?;
    let both = blob(folder, MediaType::ImageIndex, &json(&both)?)?;
    let digest = both.digest().to_string();
    let named = DescriptorBuilder::default()
        .media_type(MediaType::ImageIndex)
        .digest(both.digest().clone())
        .size(both.size())
        // The name under which tools find it in this folder. One annotation: a map of several would have no order.
        .annotations(HashMap::from([("org.opencontainers.image.ref.name".to_owned(), version.to_owned())]))
        .build()?;
    let index = ImageIndexBuilder::default().schema_version(2_u32).manifests(vec![named]).build()?;
    command::write_atomically(&folder.join("index.json"), &json(&index)?)?;
    let layout = OciLayoutBuilder::default().image_layout_version("1.0.0").build()?;
    command::write_atomically(&folder.join("oci-layout"), &json(&layout)?)?;
    Ok(digest)
}

/// A tar of the one file, owned by root and as old as the epoch.
fn archive(module: &[u8]) -> Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(module.len().try_into()?);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, FILE, module)?;
    Ok(archive.into_inner()?)
}

/// gzip without a name, a time or a system in its header.
fn compressed(archive: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    gzip.write_all(archive)?;
    Ok(gzip.finish()?)
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).context("an image's document is JSON")
}

/// Writes what is named by its content.
fn blob(folder: &Path, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor> {
    let digest = sha256(bytes);
    command::write_atomically(&folder.join("blobs/sha256").join(&digest), bytes)?;
    Ok(Descriptor::new(media_type, bytes.len().try_into()?, Sha256Digest::from_str(&digest)?))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::path::PathBuf;

    use flate2::read::GzDecoder;
    use oci_spec::image::{ImageConfiguration, ImageIndex, ImageManifest, OciLayout};

    use super::*;

    /// A folder that goes with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("xtask-dist-oci-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// What a descriptor names, when it is what the descriptor says.
    fn fetch(folder: &Path, descriptor: &Descriptor, media_type: &MediaType) -> Vec<u8> {
        assert_eq!(descriptor.media_type(), media_type);
        let digest = descriptor.as_digest_sha256().unwrap();
        let bytes = std::fs::read(folder.join("blobs/sha256").join(digest)).unwrap();
        assert_eq!((bytes.len() as u64, sha256(&bytes)), (descriptor.size(), digest.to_owned()));
        bytes
    }

    /// As Istio's agent does it for the compat variant: the last layer, in it the file of that name.
    fn loaded(folder: &Path, manifest: &ImageManifest) -> Option<Vec<u8>> {
        let layer = fetch(folder, manifest.layers().last()?, &MediaType::ImageLayerGzip);
        let mut archive = tar::Archive::new(GzDecoder::new(&layer[..]));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            if entry.path().unwrap().file_name().is_some_and(|name| name == "plugin.wasm") {
                let mut module = Vec::new();
                entry.read_to_end(&mut module).unwrap();
                return Some(module);
            }
        }
        None
    }

    #[test]
    fn the_module_comes_out_as_it_went_in() {
        let scratch = Scratch::new("whole");
        let module: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        let digest = write(&scratch.0, &module, "1.2.3").unwrap();
        let layout = OciLayout::from_file(scratch.0.join("oci-layout")).unwrap();
        assert_eq!(layout.image_layout_version(), "1.0.0");
        let index = ImageIndex::from_file(scratch.0.join("index.json")).unwrap();
        let [named] = &index.manifests()[..] else { panic!("{index:?}") };
        assert_eq!(named.digest().to_string(), digest);
        assert_eq!(named.annotations().as_ref().unwrap()["org.opencontainers.image.ref.name"], "1.2.3");
        let both = fetch(&scratch.0, named, &MediaType::ImageIndex);
        let both = ImageIndex::from_reader(&both[..]).unwrap();
        let mut processors = Vec::new();
        for image in both.manifests() {
            let manifest = fetch(&scratch.0, image, &MediaType::ImageManifest);
            let manifest = ImageManifest::from_reader(&manifest[..]).unwrap();
            let configuration = fetch(&scratch.0, manifest.config(), &MediaType::ImageConfig);
            let configuration = ImageConfiguration::from_reader(&configuration[..]).unwrap();
            assert_eq!(
                Some(configuration.architecture()),
                image.platform().as_ref().map(|p| p.architecture())
            );
            let archive = fetch(&scratch.0, &manifest.layers()[0], &MediaType::ImageLayerGzip);
            let mut plain = Vec::new();
            GzDecoder::new(&archive[..]).read_to_end(&mut plain).unwrap();
            assert_eq!(configuration.rootfs().diff_ids(), &[format!("sha256:{}", sha256(&plain))]);
            assert_eq!(loaded(&scratch.0, &manifest), Some(module.clone()));
            processors.push(configuration.architecture().to_string());
        }
        assert_eq!(processors, ["amd64", "arm64"]);
    }

    #[test]
    fn the_same_module_gives_the_same_bytes() {
        let (one, two) = (Scratch::new("one"), Scratch::new("two"));
        let digest = write(&one.0, b"module", "1").unwrap();
        assert_eq!(write(&two.0, b"module", "1").unwrap(), digest);
        let index = |scratch: &Scratch| std::fs::read(scratch.0.join("index.json")).unwrap();
        assert_eq!(index(&one), index(&two));
        // What was there before is gone.
        assert_ne!(write(&two.0, b"another", "1").unwrap(), digest);
        assert!(!two.0.join("blobs/sha256").join(digest.trim_start_matches("sha256:")).exists());
    }
}
