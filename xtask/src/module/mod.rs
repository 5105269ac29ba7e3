//! Building the wasm module with whichever toolchain can be had, and checking what came out.
//!
//! Three ways, in this order: the native toolchain's own wasm target; `rustup target add`; Debian's `rustc-web`,
//! which brings a compiler with the target and std as source. `rust-toolchain.toml` does not list the target,
//! because then no command at all would work where rustup cannot fetch it.

mod abi;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::progress::{Step, say, step};
use crate::{command, paths, tools};

pub(crate) const PACKAGE: &str = "coder-kube-filter";
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// V8 compiles the module whole at start, so its size is its start time.
const GOAL_KB: usize = 500;
const LIMIT_KB: u64 = 900;
/// With what is below 1 MB the linker's addresses take three bytes instead of four: the stack, which comes first, leaves room for the data.
const STACK_KB: usize = 896;
const DEBIAN_PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22"];

/// `cargo xtask build`.
#[derive(clap::Args)]
pub(crate) struct Build {
    /// A module that panics when a test asks it to; never for production
    #[arg(long)]
    chaos: bool,
}

/// How the module is compiled here.
enum Toolchain {
    /// cargo as it runs us; the target's std is installed.
    Native,
    /// Debian's rustc-web, which compiles std from source.
    RustcWeb,
}

pub(crate) fn build_command(build: &Build) -> Result<()> {
    let module = self::build(build.chaos)?;
    say(&format!("    {}", module.display()));
    within_limit(&module)
}

/// Fails when the module is larger than may be shipped.
pub(crate) fn within_limit(module: &Path) -> Result<()> {
    let kilobytes = std::fs::metadata(module)?.len().div_ceil(1000);
    if kilobytes > LIMIT_KB {
        bail!("the module is {kilobytes} kB, above the limit of {LIMIT_KB} kB");
    }
    Ok(())
}

/// Builds the module, checks it, and returns where it is: a file of its own in `dist/` for each kind.
pub(crate) fn build(chaos: bool) -> Result<PathBuf> {
    let (title, file) = match chaos {
        false => ("wasm module", "coder_kube_filter.wasm"),
        true => ("wasm module that can panic", "coder_kube_filter.chaos.wasm"),
    };
    step(title, |step| {
        let built = compile(chaos, step)?;
        let bytes = std::fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
        abi::check(&bytes)?;
        let kept = paths::dist().join(file);
        command::write_atomically(&kept, &bytes)?;
        let kilobytes = bytes.len().div_ceil(1000);
        Ok((kept, format!("{kilobytes} kB (goal {GOAL_KB}), imports nothing but the proxy-wasm ABI")))
    })
}

fn compile(chaos: bool, step: &Step) -> Result<PathBuf> {
    let (mut cargo, rustc) = match toolchain(step)? {
        Toolchain::Native => (Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into())), "rustc"),
        Toolchain::RustcWeb => {
            let mut cargo = Command::new("/usr/bin/cargo");
            cargo
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .arg("-Zbuild-std=std,panic_abort");
            // What rustup and the cargo that runs us have set speaks of another toolchain.
            for name in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "RUSTDOC", "LD_LIBRARY_PATH"] {
                cargo.env_remove(name);
            }
            (cargo, "/usr/bin/rustc")
        }
    };
    // Its own target folder: the chaos module must never be mistaken for the one people deploy.
    let target = if chaos { paths::target().join("chaos") } else { paths::target() };
    cargo.current_dir(paths::root()).args([
        "build",
        "--package",
        PACKAGE,
        "--profile",
        "wasm",
        "--target",
        TARGET,
    ]);
    cargo.arg("--target-dir").arg(&target);
    cargo
        .arg("--config")
        .arg(format!("target.{TARGET}.rustflags = {}", serde_json::to_string(&flags(rustc)?)?));
    if chaos {
        cargo.args(["--features", "chaos"]);
    }
    command::cargo(&mut cargo, tools::cargo::crates(PACKAGE), step)?;
    Ok(target.join(TARGET).join("wasm/coder_kube_filter.wasm"))
}

/// Flags that keep this machine's folders out of the module, for what people deploy must not depend on who built it where; and some that
/// make it smaller.
fn flags(rustc: &str) -> Result<Vec<String>> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let mut flags = vec![
        // The linker writes the numbers of functions as short as they are instead of with the five bytes that it reserved for each: 50 kB.
        "-Clink-arg=--compress-relocations".to_owned(),
        format!("-Clink-arg=-zstack-size={}", STACK_KB * 1024),
        // Counts loops in ways that cost wasm more than they spare.
        "-Cllvm-args=-disable-lsr".to_owned(),
        format!("--remap-path-prefix={}=", paths::root().display()),
        std_source(rustc)?,
    ];
    let registries = home.map(|home| home.join("registry/src")).into_iter();
    for registry in registries.flat_map(std::fs::read_dir).flatten().flatten() {
        flags.push(format!("--remap-path-prefix={}=", registry.path().display()));
    }
    Ok(flags)
}

/// Names std's source, where it is installed, as a std that was compiled elsewhere names it.
fn std_source(rustc: &str) -> Result<String> {
    let ask = |what: &[&str]| command::output(Command::new(rustc).current_dir(paths::root()).args(what));
    let sysroot = ask(&["--print", "sysroot"])?;
    let version = ask(&["-vV"])?;
    let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).unwrap_or_default();
    Ok(format!("--remap-path-prefix={}/lib/rustlib/src/rust=/rustc/{commit}", sysroot.trim()))
}

/// True when the toolchain that runs us has std for the module's target.
pub(crate) fn target_installed() -> Result<bool> {
    let sysroot =
        command::output(Command::new("rustc").current_dir(paths::root()).args(["--print", "sysroot"]))?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

/// The version of the compiler that `build` uses here, and so of the standard library that is in the module.
pub(crate) fn compiler() -> Result<String> {
    let rustc = if target_installed()? { "rustc" } else { "/usr/bin/rustc" };
    let version = command::output(Command::new(rustc).current_dir(paths::root()).arg("-vV"))?;
    let release = version.lines().find_map(|line| line.strip_prefix("release: "));
    Ok(release.with_context(|| format!("{rustc} does not say its version"))?.to_owned())
}

fn toolchain(step: &Step) -> Result<Toolchain> {
    if target_installed()? {
        return Ok(Toolchain::Native);
    }
    if paths::which("rustup").is_some() {
        step.detail("fetching the wasm target");
        let mut rustup = Command::new("rustup");
        rustup.current_dir(paths::root()).env("RUSTUP_MAX_RETRIES", "1").args(["target", "add", TARGET]);
        if command::run(&mut rustup, step, |_| None).is_ok() && target_installed()? {
            return Ok(Toolchain::Native);
        }
    }
    if !DEBIAN_PACKAGES.iter().all(|package| tools::debian::installed(package)) {
        step.detail("installing Debian's rustc-web");
        tools::debian::install(&DEBIAN_PACKAGES, step).context(
            "no Rust toolchain for wasm32-unknown-unknown: `rustup target add wasm32-unknown-unknown` did not work",
        )?;
    }
    Ok(Toolchain::RustcWeb)
}
