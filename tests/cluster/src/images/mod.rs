//! Container images made without a container engine.
//!
//! A layer is made once for given inputs and kept under the hash of those inputs; images are
//! lists of such layers and share them. Tests of making images are the images themselves, which
//! `local-cluster images` makes; what is pure is tested beside its code.

pub mod archive;
mod base;
mod dockerfile;
mod flink;
mod kafka;
pub mod layer;
mod operator;
mod python;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use self::archive::{Image, Settings};
use self::layer::{Entry, Layer, write_layer};
use crate::node::PAUSE_IMAGE;
use crate::options::Options;
use crate::prerequisites::{self, Purpose};
use crate::process::lock;
use crate::programs;
use crate::progress::{Progress, Step};

pub use flink::{Version, flink, flink_with};
pub use kafka::kafka;
pub use operator::operator;
pub use python::python;

/// Makes images; holds what all of them need.
pub struct Workshop<'a> {
    options: &'a Options,
    progress: &'a Progress,
}

impl<'a> Workshop<'a> {
    /// A workshop whose layers are kept in the cache.
    pub fn new(options: &'a Options, progress: &'a Progress) -> Self {
        Self { options, progress }
    }

    /// The layer of this name and key; `make` writes it to the path it is given, when it is not
    /// there yet. The folder beside that path is `make`'s to use and is removed afterwards.
    fn layer(
        &self,
        name: &str,
        key: &str,
        make: impl FnOnce(&Path, &Path, &mut Step<'_>) -> Result<()>,
    ) -> Result<Layer> {
        let folder = self.options.cache.join("layers");
        let record = folder.join(format!("{name}-{key}.json"));
        let _lock = lock(&folder, self.progress)?;
        let known: Option<Layer> = fs::read(&record)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(layer) = known.filter(|layer| layer.file.exists()) {
            return Ok(layer);
        }
        let mut step = self.progress.step(format!("make the layer {name} (once)"));
        let work = folder.join(format!("{name}-{key}.work"));
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work)?;
        let part = folder.join(format!("{name}-{key}.part"));
        make(&part, &work, &mut step).with_context(|| format!("failed to make layer {name}"))?;
        let tar = folder.join(format!("{name}-{key}.tar"));
        fs::rename(&part, &tar)?;
        let layer = Layer::of(&tar)?;
        fs::write(&record, serde_json::to_vec(&layer)?)?;
        fs::remove_dir_all(&work)?;
        prune(&folder, name)?;
        step.done(&format!("{} MiB", layer.size >> 20));
        Ok(layer)
    }

    /// A layer of a few files of ours.
    fn layer_of(&self, name: &str, key: &str, entries: &[Entry]) -> Result<Layer> {
        self.layer(name, key, |tar, _, _| {
            write_layer(entries, File::create(tar)?)
        })
    }

    fn ensure_tools(&self) -> Result<()> {
        prerequisites::ensure(Purpose::Images, self.options, self.progress)
    }
}

/// Each build of a program makes a new layer: all but the latest ones go.
fn prune(folder: &Path, name: &str) -> Result<()> {
    const KEPT: usize = 8;
    let of_name = |path: &PathBuf| {
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        path.extension().is_some_and(|end| end == "tar")
            && stem
                .rsplit_once('-')
                .is_some_and(|(start, _)| start == name)
    };
    let mut files = Vec::new();
    for path in fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .filter(of_name)
    {
        files.push((fs::metadata(&path)?.modified()?, path));
    }
    files.sort();
    for (_, path) in files.iter().rev().skip(KEPT) {
        fs::remove_file(path)?;
        fs::remove_file(path.with_extension("json"))?;
    }
    Ok(())
}

/// An image that the command line can make by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Flink.
    Flink(Version),
    /// Flink with the jar of the example jobs.
    Example(Version),
    /// Flink with the example job in Python.
    ExamplePython,
    /// A Kafka broker.
    Kafka,
    /// The operator.
    Operator,
}

impl Wanted {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let mut all: Vec<_> = Version::ALL
            .iter()
            .map(|version| Self::Flink(*version))
            .collect();
        all.extend(Version::ALL.iter().map(|version| Self::Example(*version)));
        all.extend([Self::ExamplePython, Self::Kafka, Self::Operator]);
        all
    }

    /// The name on the command line.
    pub fn name(&self) -> String {
        match self {
            Self::Flink(version) => format!("flink-{}", version.minor()),
            Self::Example(version) => format!("example-{}", version.minor()),
            Self::ExamplePython => "example-python".to_owned(),
            Self::Kafka => "kafka".to_owned(),
            Self::Operator => "operator".to_owned(),
        }
    }

    /// The image of a name on the command line.
    ///
    /// # Errors
    /// When there is none; the text has all names.
    pub fn parse(name: &str) -> Result<Self> {
        let all = Self::all();
        if let Some(found) = all.iter().find(|wanted| wanted.name() == name) {
            return Ok(found.clone());
        }
        let names: Vec<_> = all.iter().map(Self::name).collect();
        bail!("no image is called {name}; there are {}", names.join(", "))
    }

    /// What has to be made elsewhere first: a file or folder of the project's folder `root`.
    pub fn input(&self, root: &Path) -> Option<PathBuf> {
        match self {
            Self::Flink(_) => None,
            Self::Example(version) => Some(root.join(format!(
                "examples/jobs/target/flink-example-jobs-{}.jar",
                version.minor()
            ))),
            Self::ExamplePython => Some(root.join("examples/python")),
            Self::Kafka => Some(root.join("examples/jobs/target/kafka/libs")),
            Self::Operator => {
                let target = std::env::var_os("CARGO_TARGET_DIR")
                    .map_or_else(|| root.join("target"), PathBuf::from);
                Some(target.join("release/flink-operator"))
            }
        }
    }

    /// Makes the image from the project's folder `root`.
    ///
    /// # Errors
    /// When an input is missing, with the command that makes it, or a layer cannot be made.
    pub fn make(&self, root: &Path, workshop: &Workshop<'_>) -> Result<Image> {
        let input = self.input(root);
        if let Some(input) = &input {
            let remedy = match self {
                Self::Operator => "cargo build --release --package flink-operator",
                _ => PACKAGE,
            };
            must_exist(input, remedy)?;
        }
        match (self, input) {
            (Self::Example(version), Some(jar)) => example(*version, jar, root, workshop),
            (Self::ExamplePython, Some(folder)) => python(&folder, workshop),
            (Self::Kafka, Some(libs)) => kafka(&libs, workshop),
            (Self::Operator, Some(binary)) => operator(&binary, workshop),
            (Self::Flink(version) | Self::Example(version), _) => flink(*version, workshop),
            (Self::ExamplePython | Self::Kafka | Self::Operator, None) => {
                bail!("an image of ours needs its input")
            }
        }
    }
}

/// Makes what is taken from the example jobs.
const PACKAGE: &str = "mvn --file examples/jobs package";

fn must_exist(input: &Path, remedy: &str) -> Result<()> {
    ensure!(
        input.exists(),
        "{} is not there; make it with: {remedy}",
        input.display()
    );
    Ok(())
}

/// Flink with the jar of the example jobs; and what Flink's own image has to run SQL scripts with.
fn example(version: Version, jar: PathBuf, root: &Path, workshop: &Workshop<'_>) -> Result<Image> {
    let mut files = vec![(jar, "/opt/flink/usrlib/flink-example-jobs.jar")];
    if version == Version::V2_3 {
        let gateway = root.join("examples/jobs/target/sql/flink-sql-gateway.jar");
        must_exist(&gateway, PACKAGE)?;
        files.push((gateway, "/opt/flink/opt/flink-sql-gateway.jar"));
    }
    let tag = format!("flink-example:{}", version.minor());
    flink_with(version, &files, &tag, workshop)
}

/// The image that holds a pod's namespaces open.
///
/// # Errors
/// When its program cannot be built.
pub fn pause(workshop: &Workshop<'_>) -> Result<Image> {
    let program = programs::path("pause", workshop.options, workshop.progress)?;
    // The program's folder is named by all that the program is made of.
    let key = crate::hash::sha256(program.to_string_lossy().as_bytes());
    let entries = [Entry::file("/pause", &program).executable()];
    let layer = workshop.layer_of("pause", key.get(..16).unwrap_or(&key), &entries)?;
    let settings = Settings {
        entrypoint: vec!["/pause".to_owned()],
        user: "65535:65535".to_owned(),
        ..Settings::default()
    };
    Ok(Image {
        tags: vec![PAUSE_IMAGE.to_owned()],
        layers: vec![layer],
        settings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_has_a_name_and_is_found_by_it() {
        for wanted in Wanted::all() {
            assert_eq!(Wanted::parse(&wanted.name()).unwrap(), wanted);
        }
        let text = Wanted::parse("fink").unwrap_err().to_string();
        assert!(
            text.contains("fink") && text.contains("flink-1.20"),
            "{text}"
        );
    }

    #[test]
    fn a_missing_input_is_named_with_the_command_that_makes_it() {
        let options = Options::from_env().unwrap();
        let progress = Progress::silent();
        let workshop = Workshop::new(&options, &progress);
        let example = Wanted::parse("example-1.20").unwrap();
        let text = example
            .make(Path::new("/nowhere"), &workshop)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("flink-example-jobs-1.20.jar") && text.contains("mvn"),
            "{text}"
        );
    }

    #[test]
    fn a_layer_is_made_once_for_a_key() {
        let cache = std::env::temp_dir().join(format!("flink-layers-{}", std::process::id()));
        let options = Options {
            cache: cache.clone(),
            ..Options::from_env().unwrap()
        };
        let progress = Progress::silent();
        let workshop = Workshop::new(&options, &progress);
        let one = workshop
            .layer_of("motd", "1", &[Entry::text("/etc/motd", "a")])
            .unwrap();
        let again = workshop
            .layer_of("motd", "1", &[Entry::text("/etc/motd", "b")])
            .unwrap();
        let two = workshop
            .layer_of("motd", "2", &[Entry::text("/etc/motd", "b")])
            .unwrap();
        assert_eq!(one, again);
        assert_ne!(one.digest, two.digest);
        fs::remove_dir_all(cache).unwrap();
    }

    #[test]
    fn old_layers_of_a_name_go_and_those_of_others_stay() {
        let cache = std::env::temp_dir().join(format!("flink-prune-{}", std::process::id()));
        let options = Options {
            cache: cache.clone(),
            ..Options::from_env().unwrap()
        };
        let progress = Progress::silent();
        let workshop = Workshop::new(&options, &progress);
        let make = |name, key: u32| workshop.layer_of(name, &key.to_string(), &[]).unwrap();
        let other = make("program-x", 0);
        let layers: Vec<_> = (0..10).map(|key| make("program", key)).collect();
        let there = layers.iter().filter(|layer| layer.file.exists()).count();
        assert_eq!((there, other.file.exists()), (8, true));
        assert!(layers.last().unwrap().file.exists(), "the newest is in use");
        fs::remove_dir_all(cache).unwrap();
    }
}
