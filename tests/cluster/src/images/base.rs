//! The lowest layer of Flink's images: a small Debian with a Java runtime, and with Python where that is wanted.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Workshop;
use super::layer::Layer;
use crate::command::{command, run, watch};
use crate::hash::Key;
use crate::progress::Step;

const SUITE: &str = "bookworm";

/// What Flink needs, and what a person who looks into a pod misses first.
const JAVA: &str = "ca-certificates,gettext-base,libjemalloc2,openjdk-17-jre-headless,procps";

/// The interpreter, and its library for functions that run inside of Flink's process.
const PYTHON: &str = "libpython3.11,python3";

/// Run in the new root: everything goes that nobody reads in a container.
const CLEAN: &str = "set -e
rm -rf var/cache/apt/* var/cache/debconf/*-old var/lib/apt/lists/* var/log/*
rm -rf usr/share/info usr/share/lintian usr/share/locale usr/share/man
find usr/share/doc -type f ! -name copyright -delete
echo 'flink:x:9999:9999:Flink:/opt/flink:/bin/bash' >> etc/passwd
echo 'flink:x:9999:' >> etc/group";

/// What is installed besides Debian itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// A Java runtime.
    Java,
    /// A Java runtime and Python.
    JavaPython,
}

impl Base {
    const fn name(self) -> &'static str {
        match self {
            Self::Java => "debian-java",
            Self::JavaPython => "debian-java-python",
        }
    }

    fn packages(self) -> String {
        match self {
            Self::Java => JAVA.to_owned(),
            Self::JavaPython => format!("{JAVA},{PYTHON}"),
        }
    }
}

/// The layer; made once for its list of packages.
pub fn layer(base: Base, workshop: &Workshop<'_>) -> Result<Layer> {
    workshop.ensure_tools()?;
    let packages = base.packages();
    let key = Key::default()
        .with("suite", SUITE)
        .with("packages", &packages)
        .with("clean", CLEAN)
        .finish();
    workshop.layer(base.name(), &key, |tar, work, step| {
        make(&packages, tar, work, step)
    })
}

fn make(packages: &str, tar: &Path, work: &Path, step: &mut Step<'_>) -> Result<()> {
    let root = work.join("root");
    // Cut off, debootstrap leaves file systems mounted in its root; in a mount namespace of its own
    // they end with it, and nothing that removes the folder later can reach into them.
    let mut debootstrap = Command::new("unshare");
    debootstrap
        .args([
            "--mount",
            "debootstrap",
            "--variant=minbase",
            &format!("--include={packages}"),
            SUITE,
        ])
        .arg(&root);
    if let Some(mirror) = apt_mirror() {
        debootstrap.arg(mirror);
    }
    watch(
        &mut debootstrap,
        &work.with_extension("log"),
        step,
        |line, step| step.at_item(line.trim_start_matches("I: ")),
    )?;
    run(command("sh", &["-c", CLEAN]).current_dir(&root))?;
    pack(
        &root,
        &["."],
        tar,
        &[
            "--exclude=./dev/*",
            "--exclude=./proc/*",
            "--exclude=./sys/*",
        ],
    )
}

/// Packs `paths` below `root`; times are left out so that only content counts.
pub fn pack(root: &Path, paths: &[&str], tar: &Path, more: &[&str]) -> Result<()> {
    let mut pack = Command::new("tar");
    pack.args([
        "--create",
        "--sort=name",
        "--mtime=@0",
        "--numeric-owner",
        "--format=gnu",
    ])
    .args(more)
    .arg("--file")
    .arg(tar)
    .arg("--directory")
    .arg(root)
    .args(paths);
    run(&mut pack)?;
    Ok(())
}

/// The mirror this machine's own packages come from, where it is said in a file.
fn apt_mirror() -> Option<String> {
    let sources = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten();
    let mut files: Vec<_> = sources.map(|entry| entry.path()).collect();
    files.sort();
    files.insert(0, "/etc/apt/sources.list".into());
    files
        .iter()
        .find_map(|file| mirror_in(&fs::read_to_string(file).ok()?))
}

/// The first address in a file of either of apt's two formats whose archive is Debian's own.
fn mirror_in(text: &str) -> Option<String> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        match words.next()? {
            "URIs:" => words.next().map(str::to_owned),
            "deb" => words.find(|word| word.contains("://")).map(str::to_owned),
            _ => None,
        }
    };
    let main = |address: &String| address.trim_end_matches('/').ends_with("/debian");
    text.lines().filter_map(address).find(main)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_found_in_both_formats() {
        let new = "Types: deb\n# old\nURIs: http://mirror.example/debian-security\n\n\
                   Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\n";
        assert_eq!(mirror_in(new).unwrap(), "http://mirror.example/debian");
        let old = "# deb http://no.example/debian x\n\
                   deb [signed-by=/k.gpg] https://mirror.example/debian/ bookworm main\n";
        assert_eq!(mirror_in(old).unwrap(), "https://mirror.example/debian/");
        assert_eq!(
            mirror_in("deb http://mirror.example/other stable main\n"),
            None
        );
    }
}
