//! Flink with the example job in Python: PyFlink is installed by pip as `examples/python/Dockerfile` does, but from outside,
//! into a layer of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Workshop;
use super::archive::Image;
use super::base::{Base, pack};
use super::flink::{Version, flink_on};
use super::layer::{Entry, Layer};
use crate::command::watch;
use crate::hash::{Key, sha256_file};

/// The Python of the base image, and where it looks for what is no package of Debian's.
const PYTHON: &str = "3.11";
const PACKAGES: &str = "usr/local/lib/python3.11/dist-packages";

/// The image `flink-example-python:MINOR` from the folder that holds the job and its requirements.
///
/// # Errors
/// When a file is missing, a package cannot be fetched or a layer cannot be made.
pub fn python(folder: &Path, workshop: &Workshop<'_>) -> Result<Image> {
    let version = Version::V2_3;
    let script = folder.join("words.py");
    let (digest, _) =
        sha256_file(&script).with_context(|| format!("failed to read {}", script.display()))?;
    let entries = [
        Entry::folder("/opt/flink/usrlib"),
        Entry::file("/opt/flink/usrlib/words.py", &script),
    ];
    let mut image = flink_on(Base::JavaPython, version, workshop)?;
    image
        .layers
        .push(packages(&folder.join("requirements.txt"), workshop)?);
    image.layers.push(workshop.layer_of(
        "python-job",
        &Key::default().with("script", digest).finish(),
        &entries,
    )?);
    image.tags = vec![format!("flink-example-python:{}", version.minor())];
    Ok(image)
}

/// The packages of a file of requirements, as wheels for the image's Python whatever runs here.
fn packages(requirements: &PathBuf, workshop: &Workshop<'_>) -> Result<Layer> {
    let (digest, _) = sha256_file(requirements)
        .with_context(|| format!("failed to read {}", requirements.display()))?;
    let key = Key::default()
        .with("python", PYTHON)
        .with("requirements", digest)
        .finish();
    workshop.layer("python-packages", &key, |tar, work, step| {
        let root = work.join("root");
        let target = root.join(PACKAGES);
        fs::create_dir_all(&target)?;
        let platform = format!("manylinux2014_{}", std::env::consts::ARCH);
        let mut pip = Command::new("pip3");
        pip.args([
            "install",
            "--no-deps",
            "--no-compile",
            "--progress-bar",
            "off",
        ])
        .args(["--only-binary", ":all:", "--python-version", PYTHON])
        .args(["--platform", &platform, "--target"])
        .arg(&target)
        .arg("--requirement")
        .arg(requirements);
        // Beside the work folder, which is removed at the end: a failed download can be read up.
        watch(&mut pip, &work.with_extension("log"), step, |_, step| {
            step.tick();
        })?;
        let owner = ["--owner", "0", "--group", "0"];
        pack(&root, &[PACKAGES], tar, &owner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_the_examples(file: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        fs::read_to_string(folder.join(file)).unwrap()
    }

    #[test]
    fn every_requirement_has_one_version_and_pyflink_that_of_the_image() {
        let text = of_the_examples("python/requirements.txt");
        let all: Vec<_> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_once("==").unwrap_or_else(|| panic!("{line}")))
            .collect();
        assert!(all.contains(&("apache-flink", Version::V2_3.release())));
        assert!(all.is_sorted(), "{all:?}");
    }

    #[test]
    fn what_runs_sql_scripts_is_of_the_version_of_the_image() {
        let text = of_the_examples("jobs/sql/pom.xml");
        let version = format!("<version>{}</version>", Version::V2_3.release());
        assert!(text.contains(&version), "{text}");
    }
}
