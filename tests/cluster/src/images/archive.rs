//! Container images as files that every container runtime imports.
//!
//! An image here is a list of layers and a configuration; the archive is written straight to
//! whoever reads it, so no second copy of the layers is made.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anyhow::Result;
use serde_json::json;
use tar::Builder;

use super::layer::{Entry, Layer, add};
use crate::hash;

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

    /// The names as container runtimes complete them.
    pub fn full_names(&self) -> Vec<String> {
        self.tags.iter().map(|tag| full_name(tag)).collect()
    }

    /// Writes the archive, an OCI image layout in a tar. Layers in `known` are left out: who reads
    /// it has them already.
    ///
    /// # Errors
    /// When a layer cannot be read or the archive cannot be written.
    pub fn write(&self, out: impl Write, known: &BTreeSet<String>) -> Result<()> {
        const KIND: &str = "application/vnd.oci.image";
        let config = self.config();
        let descriptor = |kind: &str, digest: &str, size: u64| {
            json!({ "mediaType": format!("{KIND}.{kind}"), "size": size,
                "digest": format!("sha256:{digest}") })
        };
        let layers: Vec<_> = self
            .layers
            .iter()
            .map(|layer| descriptor("layer.v1.tar", &layer.digest, layer.size))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": format!("{KIND}.manifest.v1+json"),
            "config": descriptor("config.v1+json", &hash::sha256(&config), config.len() as u64),
            "layers": layers,
        })
        .to_string();
        let digest = hash::sha256(&manifest);
        let names: Vec<_> = self
            .full_names()
            .iter()
            .map(|name| {
                json!({
                    "mediaType": format!("{KIND}.manifest.v1+json"),
                    "digest": format!("sha256:{digest}"),
                    "size": manifest.len(),
                    "annotations": {
                        "io.containerd.image.name": name,
                        "org.opencontainers.image.ref.name":
                            name.rsplit_once(':').map_or("latest", |(_, tag)| tag),
                    },
                })
            })
            .collect();
        let index = json!({ "schemaVersion": 2, "manifests": names }).to_string();

        let mut tar = Builder::new(out);
        add(
            &mut tar,
            &Entry::text("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#),
        )?;
        add(&mut tar, &Entry::text("index.json", &index))?;
        add(&mut tar, &Entry::text(&blob(&digest), &manifest))?;
        add(
            &mut tar,
            &Entry::text(&blob(&hash::sha256(&config)), &config),
        )?;
        for layer in self
            .layers
            .iter()
            .filter(|layer| !known.contains(&layer.digest))
        {
            add(&mut tar, &Entry::file(&blob(&layer.digest), &layer.file))?;
        }
        tar.into_inner()?.flush()?;
        Ok(())
    }
}

fn blob(digest: &str) -> String {
    format!("blobs/sha256/{digest}")
}

/// `flink:1.20` is short for a name with the default host and library, and Kubernetes looks for
/// the long one.
fn full_name(tag: &str) -> String {
    match tag.split_once('/') {
        None => format!("docker.io/library/{tag}"),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => tag.to_owned(),
        Some(_) => format!("docker.io/{tag}"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::layer::write_layer;
    use serde_json::Value;
    use std::fs::{self, File};
    use std::io::Read;
    use std::path::{Path, PathBuf};

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

    fn named(files: &BTreeMap<String, Vec<u8>>, descriptor: &Value) -> Vec<u8> {
        let digest = descriptor["digest"]
            .as_str()
            .unwrap()
            .strip_prefix("sha256:")
            .unwrap();
        let content = &files[&blob(digest)];
        assert_eq!(digest, hash::sha256(content));
        assert_eq!(descriptor["size"], content.len());
        content.clone()
    }

    #[test]
    fn the_archive_holds_what_its_index_leads_to() {
        let place = folder("archive");
        let mut bytes = Vec::new();
        image(&place).write(&mut bytes, &BTreeSet::new()).unwrap();
        let files = unpack(&bytes);
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let name = &index["manifests"][0]["annotations"]["io.containerd.image.name"];
        assert_eq!(name, "docker.io/library/demo:1");
        let manifest = named(&files, &index["manifests"][0]);
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let config = named(&files, &manifest["config"]);
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["config"]["Env"][0], "PATH=/bin");
        assert_eq!(
            config["rootfs"]["diff_ids"][0],
            manifest["layers"][0]["digest"]
        );
        let layer = named(&files, &manifest["layers"][0]);
        assert_eq!(unpack(&layer)["etc/motd"], b"hello");
        fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn a_known_layer_is_left_out() {
        let place = folder("known");
        let image = image(&place);
        let digest = image.layers[0].digest.clone();
        let mut bytes = Vec::new();
        image
            .write(&mut bytes, &BTreeSet::from([digest.clone()]))
            .unwrap();
        assert!(!unpack(&bytes).contains_key(&blob(&digest)));
        fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn short_names_are_completed_as_kubernetes_does() {
        assert_eq!(full_name("flink:1"), "docker.io/library/flink:1");
        assert_eq!(full_name("me/flink:1"), "docker.io/me/flink:1");
        assert_eq!(full_name("pause.local/pause:1"), "pause.local/pause:1");
        assert_eq!(full_name("localhost/x:1"), "localhost/x:1");
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
}
