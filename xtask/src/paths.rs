//! Where things live: the checkout, what is built into it, and the caches outside it.
//!
//! Nothing here creates a folder: who writes makes its own.

use std::path::{Path, PathBuf};

/// The checkout: the folder of the workspace's Cargo.toml.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Cargo's target folder, where `CARGO_TARGET_DIR` is honoured because people share it between checkouts.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// What people take away: the module.
pub(crate) fn dist() -> PathBuf {
    root().join("dist")
}

/// The lab of `lab up`; labs of the demo and of tests are folders in it.
pub(crate) fn lab() -> PathBuf {
    root().join(".lab")
}

/// Tools and servers, outside the checkout so that a second clone finds them, keyed by version by their users.
pub(crate) fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    base.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("coder-kube-filter")
}

/// The first program of that name on PATH.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}
