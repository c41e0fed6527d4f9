//! Kubernetes' own programs, built from their Go modules once and kept.
//!
//! A build is named by the hash of all that goes into it, so a second run finds it. The module
//! files are part of this crate; nothing else is needed but a Go toolchain and its module proxy.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{command, run, watch};
use crate::hash::Key;
use crate::options::Options;
use crate::prerequisites::{self, Purpose};
use crate::process::lock;
use crate::progress::Progress;

/// Ending of a build's work folder.
const WORK: &str = "building";

/// A Go module of ours and the program it builds.
struct Module {
    /// The program's file name and the module's folder under `go/`.
    name: &'static str,
    /// The package to build.
    package: &'static str,
    ldflags: &'static str,
    /// Other names the program answers to.
    names: &'static [&'static str],
    files: &'static [(&'static str, &'static str)],
}

macro_rules! files {
    ($folder:literal: $($file:literal),+) => {
        &[$(($file, include_str!(concat!("../go/", $folder, "/", $file)))),+]
    };
}

const MODULES: &[Module] = &[
    Module {
        name: "kubernetes",
        package: ".",
        ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.34.4 \
                  -X k8s.io/component-base/version.gitMajor=1 \
                  -X k8s.io/component-base/version.gitMinor=34",
        names: &[
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-proxy",
            "kube-scheduler",
            "kubectl",
            "kubelet",
        ],
        files: files!("kubernetes": "go.mod", "go.sum", "main.go"),
    },
    Module {
        name: "coredns",
        package: ".",
        ldflags: "-s -w",
        names: &[],
        files: files!("coredns": "go.mod", "go.sum", "main.go"),
    },
    Module {
        name: "metrics-server",
        package: "sigs.k8s.io/metrics-server/cmd/metrics-server",
        ldflags: "-s -w",
        names: &[],
        files: files!("metrics-server": "go.mod", "go.sum"),
    },
    Module {
        name: "helm",
        package: "helm.sh/helm/v3/cmd/helm",
        ldflags: "-s -w",
        names: &[],
        files: files!("helm": "go.mod", "go.sum"),
    },
    Module {
        name: "pause",
        package: ".",
        ldflags: "-s -w",
        names: &[],
        files: files!("pause": "go.mod", "go.sum", "main.go"),
    },
];

/// All names that [`path`] knows.
pub fn names() -> BTreeSet<&'static str> {
    MODULES
        .iter()
        .flat_map(|module| module.names.iter().copied().chain([module.name]))
        .filter(|name| *name != "kubernetes")
        .collect()
}

/// The path of a program, which is built first if this machine never did.
///
/// # Errors
/// When the name is unknown, Go is missing or too old, or the build fails.
pub fn path(name: &str, options: &Options, progress: &Progress) -> Result<PathBuf> {
    let Some(module) = MODULES
        .iter()
        .find(|m| m.name == name || m.names.contains(&name))
    else {
        let known: Vec<_> = names().into_iter().collect();
        bail!(
            "no program is called {name}; there are {}",
            known.join(", ")
        );
    };
    Ok(built(module, options, progress)?.join(name))
}

/// Whether all of `names` are built already.
pub fn are_built(names: &[&str], options: &Options) -> bool {
    go_version().is_ok_and(|version| {
        MODULES
            .iter()
            .filter(|m| {
                names
                    .iter()
                    .any(|name| m.name == *name || m.names.contains(name))
            })
            .all(|m| folder(m, &version, options).is_dir())
    })
}

fn built(module: &Module, options: &Options, progress: &Progress) -> Result<PathBuf> {
    prerequisites::ensure(Purpose::Programs, options, progress)?;
    let folder = folder(module, &go_version()?, options);
    if folder.is_dir() {
        return Ok(folder);
    }
    // One build at a time: two would take longer than one after the other, and more memory.
    let programs = options.cache.join("programs");
    let _lock = lock(&programs, progress)?;
    sweep(&programs)?;
    if !folder.is_dir() {
        build(module, &folder, progress)
            .with_context(|| format!("failed to build {}", module.name))?;
    }
    Ok(folder)
}

/// With the lock taken nobody builds: work folders that are there were left by builds cut off.
fn sweep(programs: &Path) -> Result<()> {
    for path in fs::read_dir(programs)?.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|end| end == WORK) {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

fn folder(module: &Module, go: &str, options: &Options) -> PathBuf {
    let key = key(module, go);
    options
        .cache
        .join("programs")
        .join(format!("{}-{key}", module.name))
}

fn key(module: &Module, go: &str) -> String {
    let start = Key::default()
        .with("go", go)
        .with("package", module.package)
        .with("ldflags", module.ldflags)
        .with("names", module.names.join(" "));
    module
        .files
        .iter()
        .fold(start, |key, (name, text)| key.with(name, text))
        .finish()
}

fn go_version() -> Result<String> {
    Ok(run(&mut command("go", &["env", "GOVERSION"]))?
        .trim()
        .to_owned())
}

fn build(module: &Module, folder: &Path, progress: &Progress) -> Result<()> {
    let work = folder.with_extension(WORK);
    let source = work.join("source");
    fs::create_dir_all(&source)?;
    for (name, text) in module.files {
        fs::write(source.join(name), text)?;
    }

    let mut packages = BTreeSet::new();
    let mut step = progress.step(format!("fetch the modules of {}", module.name));
    let mut list = go(&source, &["list", "-deps", module.package]);
    watch(&mut list, &work.join("list.log"), &mut step, |line, _| {
        if !line.starts_with("go: ") {
            packages.insert(line.to_owned());
        }
    })?;
    step.done(&format!("{} packages", packages.len()));

    let mut step = progress.step(format!("build {} (once)", module.name));
    let out = work.join("out");
    fs::create_dir_all(&out)?;
    let program = out.join(module.name);
    let target = program.to_string_lossy();
    let mut compile = go(
        &source,
        &["build", "-v", "-trimpath", "-ldflags", module.ldflags],
    );
    compile.args(["-o", &*target, module.package]);
    let mut compiled = 0;
    watch(
        &mut compile,
        &work.join("build.log"),
        &mut step,
        |line, step| {
            if packages.contains(line) {
                compiled += 1;
                step.at(compiled, packages.len(), "packages");
            }
        },
    )?;
    for name in module.names {
        symlink(module.name, out.join(name))?;
    }
    // The name appears with the finished program: a build that was cut off is not found.
    fs::rename(&out, folder).context("failed to move the build to its place")?;
    fs::remove_dir_all(&work)?;
    step.done("done");
    Ok(())
}

fn go(source: &Path, args: &[&str]) -> Command {
    let mut go = command("go", args);
    go.current_dir(source)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly");
    go
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str) -> &'static Module {
        MODULES.iter().find(|module| module.name == name).unwrap()
    }

    #[test]
    fn every_program_of_a_node_has_a_module() {
        let names = names();
        for name in [
            "etcd",
            "kubectl",
            "helm",
            "coredns",
            "metrics-server",
            "kubelet",
            "pause",
        ] {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn a_build_is_named_by_what_goes_into_it() {
        let helm = key(module("helm"), "go1.26.8");
        assert_eq!(helm, key(module("helm"), "go1.26.8"));
        assert_ne!(helm, key(module("helm"), "go1.26.9"));
        assert_ne!(helm, key(module("pause"), "go1.26.8"));
    }

    #[test]
    fn the_version_shown_is_the_version_built() {
        let kubernetes = module("kubernetes");
        let (_, text) = kubernetes
            .files
            .iter()
            .find(|(name, _)| *name == "go.mod")
            .unwrap();
        let required = text
            .lines()
            .find(|line| line.contains("k8s.io/kubernetes v"))
            .unwrap();
        let version = required.rsplit(' ').next().unwrap();
        assert!(
            kubernetes
                .ldflags
                .contains(&format!("gitVersion={version}")),
            "{version}"
        );
    }

    #[test]
    fn an_unknown_program_is_answered_with_the_known_ones() {
        let options = Options::from_env().unwrap();
        let text = path("kubeadm", &options, &Progress::silent())
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("kubeadm") && text.contains("kubectl"),
            "{text}"
        );
    }
}
