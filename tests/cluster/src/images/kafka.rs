//! A Kafka broker's image, laid out as the official one: Java, and the broker's jars in
//! `/opt/kafka/libs`. A manifest that starts the broker by its main class runs with either.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Workshop;
use super::archive::{Image, Settings};
use super::base::{self, Base};
use super::layer::Entry;
use crate::hash::{Key, sha256_file};

/// Where the broker's jars are in the image.
const LIBS: &str = "/opt/kafka/libs";

/// The image `apache/kafka:VERSION` from a folder of jars, whose version is that of the broker's jar.
///
/// # Errors
/// When the folder holds no broker, a jar cannot be read or a layer cannot be made.
pub fn kafka(libs: &Path, workshop: &Workshop<'_>) -> Result<Image> {
    let jars = jars(libs)?;
    let version = version(&jars)
        .with_context(|| format!("{} holds no jar of a Kafka broker", libs.display()))?;
    let mut key = Key::default();
    let mut entries = vec![Entry::folder("/opt/kafka"), Entry::folder(LIBS)];
    for (name, jar) in &jars {
        let (digest, _) =
            sha256_file(jar).with_context(|| format!("failed to read {}", jar.display()))?;
        key = key.with(name, digest);
        entries.push(Entry::file(&format!("{LIBS}/{name}"), jar));
    }
    let layers = vec![
        base::layer(Base::Java, workshop)?,
        workshop.layer_of("kafka", &key.finish(), &entries)?,
    ];
    let settings = Settings {
        folder: "/opt/kafka".to_owned(),
        ..Settings::default()
    };
    Ok(Image {
        tags: vec![format!("apache/kafka:{version}")],
        layers,
        settings,
    })
}

/// Name and place of each jar, in the order of names.
fn jars(libs: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries =
        fs::read_dir(libs).with_context(|| format!("failed to list {}", libs.display()))?;
    let mut jars: Vec<_> = entries
        .flatten()
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            )
        })
        .filter(|(_, path)| path.extension().is_some_and(|end| end == "jar"))
        .collect();
    jars.sort();
    Ok(jars)
}

/// The version in the name of the broker's jar, `kafka_SCALA-VERSION.jar`.
fn version(jars: &[(String, PathBuf)]) -> Option<&str> {
    jars.iter().find_map(|(name, _)| {
        let (_, version) = name.strip_prefix("kafka_")?.split_once('-')?;
        version.strip_suffix(".jar")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<(String, PathBuf)> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), PathBuf::from(name)))
            .collect()
    }

    #[test]
    fn the_version_is_that_of_the_brokers_own_jar() {
        let jars = named(&["kafka-clients-4.0.9.jar", "kafka_2.13-4.1.2.jar"]);
        assert_eq!(version(&jars), Some("4.1.2"));
        assert_eq!(version(&named(&["kafka-clients-4.0.9.jar"])), None);
    }

    #[test]
    fn only_jars_are_taken_in_the_order_of_names() {
        let folder = std::env::temp_dir().join(format!("kafka-libs-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for name in ["b.jar", "a.jar", "notes.txt"] {
            fs::write(folder.join(name), name).unwrap();
        }
        let found: Vec<_> = jars(&folder)
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(found, ["a.jar", "b.jar"]);
        fs::remove_dir_all(folder).unwrap();
    }
}
