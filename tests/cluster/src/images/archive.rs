//! Container images as files: layers named by content, put together to an archive that every
//! container runtime imports.
//!
//! An image here is a list of layers and a configuration; the archive is written straight to
//! whoever reads it, so no second copy of the layers is made.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::hash;

/// A tar file whose content becomes part of an image's file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The tar file.
    pub file: PathBuf,
    /// SHA-256 of it, hexadecimal.
    pub digest: String,
    /// Length in bytes.
    pub size: u64,
}

impl Layer {
    /// The layer of a finished tar file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(file: &Path) -> Result<Self> {
        let (digest, size) = hash::sha256_file(file)
            .with_context(|| format!("failed to read the layer {}", file.display()))?;
        Ok(Self {
            file: file.to_owned(),
            digest,
            size,
        })
    }
}

/// How an image is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The arguments when a pod gives none.
    pub command: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// The folder it starts in.
    pub folder: String,
    /// The user, and a group after a colon; root when empty.
    pub user: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A container image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Names with tags.
    pub tags: Vec<String>,
    /// Layers, lowest first.
    pub layers: Vec<Layer>,
    /// How it is run.
    pub settings: Settings,
}

impl Image {
    /// The sum of the layers in bytes.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// The configuration as images carry it. It names all layers, so its hash names the image.
    fn config(&self) -> String {
        let Settings {
            entrypoint,
            command,
            env,
            folder,
            user,
            labels,
        } = &self.settings;
        let env: Vec<_> = env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let layers: Vec<_> = self
            .layers
            .iter()
            .map(|layer| format!("sha256:{}", layer.digest))
            .collect();
        let history: Vec<_> = layers.iter().map(|_| json!({ "created": EPOCH })).collect();
        json!({
            "architecture": architecture(),
            "os": "linux",
            "created": EPOCH,
            "config": {
                "Entrypoint": entrypoint, "Cmd": command, "Env": env,
                "WorkingDir": folder, "User": user, "Labels": labels,
            },
            "rootfs": { "type": "layers", "diff_ids": layers },
            "history": history,
        })
        .to_string()
    }

    /// Sixteen hexadecimal digits that name the image's content.
    pub fn key(&self) -> String {
        hash::sha256(self.config()).chars().take(16).collect()
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// When a layer cannot be read or the archive cannot be written.
    pub fn write(&self, out: impl Write) -> Result<()> {
        let config = self.config();
        let config_name = format!("{}.json", hash::sha256(&config));
        let layers: Vec<_> = self
            .layers
            .iter()
            .map(|layer| format!("{}.tar", layer.digest))
            .collect();
        let manifest: Value =
            json!([{ "Config": config_name, "RepoTags": self.tags, "Layers": layers }]);
        let mut tar = Builder::new(out);
        add(
            &mut tar,
            &Entry::text("manifest.json", &manifest.to_string()),
        )?;
        add(&mut tar, &Entry::text(&config_name, &config))?;
        for (name, layer) in layers.iter().zip(&self.layers) {
            add(&mut tar, &Entry::file(name, &layer.file))?;
        }
        tar.into_inner()?.flush()?;
        Ok(())
    }
}

/// Images have no date: the same content is the same image.
const EPOCH: &str = "1970-01-01T00:00:00Z";

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// One file or folder of a layer that is put together here.
#[derive(Clone, Debug)]
pub struct Entry {
    path: String,
    mode: u32,
    owner: u64,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Text(String),
    File(PathBuf),
    Folder,
}

impl Entry {
    /// A text file that everybody may read.
    pub fn text(path: &str, text: &str) -> Self {
        Self::new(path, 0o644, Content::Text(text.to_owned()))
    }

    /// A copy of a file that everybody may read.
    pub fn file(path: &str, source: &Path) -> Self {
        Self::new(path, 0o644, Content::File(source.to_owned()))
    }

    /// A folder.
    pub fn folder(path: &str) -> Self {
        Self::new(path, 0o755, Content::Folder)
    }

    fn new(path: &str, mode: u32, content: Content) -> Self {
        Self {
            path: path.trim_start_matches('/').to_owned(),
            mode,
            owner: 0,
            content,
        }
    }

    /// The same, as a program.
    #[must_use]
    pub fn executable(self) -> Self {
        Self {
            mode: 0o755,
            ..self
        }
    }

    /// The same, owned by a user and the group of the same number.
    #[must_use]
    pub fn owned_by(self, owner: u64) -> Self {
        Self { owner, ..self }
    }
}

/// Writes a layer of `entries`; folders above them that the image may lack must be among them.
///
/// # Errors
/// When a source cannot be read or the layer cannot be written.
pub fn write_layer(entries: &[Entry], out: impl Write) -> Result<()> {
    let mut tar = Builder::new(out);
    for entry in entries {
        add(&mut tar, entry)?;
    }
    tar.into_inner()?.flush()?;
    Ok(())
}

fn add<W: Write>(tar: &mut Builder<W>, entry: &Entry) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(entry.owner);
    header.set_gid(entry.owner);
    header.set_mtime(0);
    let mut append = |kind, size, data: &mut dyn Read| {
        header.set_entry_type(kind);
        header.set_size(size);
        tar.append_data(&mut header, &entry.path, data)
            .with_context(|| format!("failed to add {} to an image", entry.path))
    };
    match &entry.content {
        Content::Text(text) => append(EntryType::Regular, text.len() as u64, &mut text.as_bytes()),
        Content::Folder => append(EntryType::Directory, 0, &mut std::io::empty()),
        Content::File(source) => {
            let mut file = File::open(source)
                .with_context(|| format!("failed to read {}", source.display()))?;
            let size = fs::metadata(source)?.len();
            append(EntryType::Regular, size, &mut file)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(folder: &Path) -> Image {
        let tar = folder.join("layer.tar");
        let entries = [
            Entry::folder("/etc"),
            Entry::text("/etc/motd", "hello"),
            Entry::text(&format!("/{}", "long/".repeat(40)), "x")
                .owned_by(9999)
                .executable(),
        ];
        write_layer(&entries, File::create(&tar).unwrap()).unwrap();
        Image {
            tags: vec!["demo:1".to_owned()],
            layers: vec![Layer::of(&tar).unwrap()],
            settings: Settings {
                entrypoint: vec!["/bin/sh".to_owned()],
                env: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]),
                user: "9999:9999".to_owned(),
                ..Settings::default()
            },
        }
    }

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("flink-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn unpack(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(bytes);
        archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                (
                    entry.path().unwrap().to_string_lossy().into_owned(),
                    content,
                )
            })
            .collect()
    }

    #[test]
    fn the_archive_holds_what_its_manifest_names() {
        let place = folder("archive");
        let image = image(&place);
        let mut bytes = Vec::new();
        image.write(&mut bytes).unwrap();
        let files = unpack(&bytes);
        let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        assert_eq!(manifest[0]["RepoTags"][0], "demo:1");
        let config = &files[manifest[0]["Config"].as_str().unwrap()];
        let config: Value = serde_json::from_slice(config).unwrap();
        let layer = &files[manifest[0]["Layers"][0].as_str().unwrap()];
        let digest = format!("sha256:{}", hash::sha256(layer));
        assert_eq!(config["rootfs"]["diff_ids"][0], digest);
        assert_eq!(config["config"]["Env"][0], "PATH=/bin");
        assert_eq!(unpack(layer)["etc/motd"], b"hello");
        fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn the_same_content_is_the_same_image() {
        let (one, two) = (folder("same-one"), folder("same-two"));
        assert_eq!(image(&one).key(), image(&two).key());
        let mut other = image(&two);
        other.settings.user = String::new();
        assert_ne!(image(&one).key(), other.key());
        for place in [one, two] {
            fs::remove_dir_all(place).unwrap();
        }
    }

    #[test]
    fn modes_and_owners_are_kept() {
        let place = folder("modes");
        let image = image(&place);
        let mut archive = tar::Archive::new(File::open(&image.layers[0].file).unwrap());
        let seen: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let header = entry.unwrap().header().clone();
                (
                    header.mode().unwrap(),
                    header.uid().unwrap(),
                    header.entry_type().is_dir(),
                )
            })
            .filter(|(mode, ..)| *mode != 0o600)
            .collect();
        assert_eq!(
            seen,
            [(0o755, 0, true), (0o644, 0, false), (0o755, 9999, false)]
        );
        fs::remove_dir_all(place).unwrap();
    }
}
