//! Talks to the cluster's containerd through its own command line client.

use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{feed, run, succeeds};
use crate::images::archive::Image;
use crate::options::Options;

/// The cluster's containerd.
#[derive(Clone, Debug)]
pub struct Containerd<'a> {
    options: &'a Options,
    snapshotter: &'static str,
}

impl<'a> Containerd<'a> {
    /// The containerd of a cluster.
    pub fn new(options: &'a Options) -> Self {
        Self {
            options,
            snapshotter: snapshotter(options),
        }
    }

    fn ctr(&self, args: &[&str]) -> Command {
        let mut command = Command::new("ctr");
        command
            .arg("--address")
            .arg(self.options.containerd_socket())
            .args(["--namespace", "k8s.io"])
            .args(args);
        command
    }

    /// Whether it answers.
    pub fn answers(&self) -> bool {
        succeeds(&mut self.ctr(&["--timeout", "2s", "version"]))
    }

    /// Whether the image is there under all its names, and they mean this very image.
    ///
    /// # Errors
    /// When containerd does not answer.
    pub fn has(&self, image: &Image) -> Result<bool> {
        let listed = run(&mut self.ctr(&["images", "ls"]))?;
        Ok(same_image(&listed, &names(image)))
    }

    /// Imports an image unless it is there; says whether it was imported now.
    ///
    /// # Errors
    /// When the import fails.
    pub fn import(&self, image: &Image) -> Result<bool> {
        if self.has(image)? {
            return Ok(false);
        }
        let named = Image {
            tags: names(image),
            ..image.clone()
        };
        let mut import = self.ctr(&["images", "import", "--snapshotter", self.snapshotter, "-"]);
        feed(&mut import, |stdin| {
            named.write(std::io::BufWriter::with_capacity(1 << 20, stdin))
        })
        .with_context(|| format!("failed to import {}", image.tags.join(", ")))?;
        Ok(true)
    }

    /// Imports an archive that was made elsewhere.
    ///
    /// # Errors
    /// When it is no image archive, or the import fails.
    pub fn import_file(&self, file: &std::path::Path) -> Result<Vec<String>> {
        let mut import = self.ctr(&["images", "import", "--snapshotter", self.snapshotter]);
        let said = run(import.arg(file))
            .with_context(|| format!("failed to import {}", file.display()))?;
        let name = |line: &str| {
            Some(
                line.strip_prefix("unpacking ")?
                    .split(' ')
                    .next()?
                    .to_owned(),
            )
        };
        Ok(said.lines().filter_map(name).collect())
    }

    /// Names of the images for people: without those that only mark content.
    ///
    /// # Errors
    /// When containerd does not answer.
    pub fn images(&self) -> Result<Vec<String>> {
        let listed = run(&mut self.ctr(&["images", "ls", "-q"]))?;
        let ours = |name: &&str| !name.starts_with("sha256:") && !name.contains(CONTENT_MARK);
        Ok(listed.lines().filter(ours).map(str::to_owned).collect())
    }

    /// Forgets all containers; their processes have been ended before.
    ///
    /// # Errors
    /// When containerd does not answer.
    pub fn forget_containers(&self) -> Result<()> {
        for id in run(&mut self.ctr(&["tasks", "ls", "-q"]))?.lines() {
            succeeds(&mut self.ctr(&["tasks", "rm", "--force", id]));
        }
        let containers = run(&mut self.ctr(&["containers", "ls", "-q"]))?;
        let ids: Vec<_> = containers.lines().collect();
        if !ids.is_empty() {
            run(self.ctr(&["containers", "rm"]).args(ids))?;
        }
        Ok(())
    }
}

/// Part of the extra name that tells which content a name had when it was imported.
const CONTENT_MARK: &str = "/content-of-";

/// The image's own names, and one made from its content.
fn names(image: &Image) -> Vec<String> {
    let mut names = image.tags.clone();
    names.push(format!("flink.local{CONTENT_MARK}image:{}", image.key()));
    names
}

/// Whether all `names` are in the list that `ctr images ls` prints, with one digest.
fn same_image(listed: &str, names: &[String]) -> bool {
    let digest = |name: &String| {
        listed.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let found = words.next()?;
            let same = found == name || found.ends_with(&format!("/{name}"));
            same.then(|| words.nth(1)).flatten()
        })
    };
    let digests: Vec<_> = names.iter().map(digest).collect();
    digests
        .first()
        .is_some_and(|first| first.is_some() && digests.iter().all(|d| d == first))
}

/// Overlays cannot be stacked on an overlay, as in a container that runs all this.
pub fn snapshotter(options: &Options) -> &'static str {
    const OVERLAY: i64 = 0x794c_7630;
    let kind = rustix::fs::statfs(&options.state).map(|stat| stat.f_type);
    if kind == Ok(OVERLAY) {
        "native"
    } else {
        "overlayfs"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "\
REF TYPE DIGEST SIZE PLATFORMS LABELS
registry.example/library/flink:1.20 application/v sha256:aa 5 MiB linux/amd64 -
registry.example/library/flink:2.3  application/v sha256:bb 5 MiB linux/amd64 -
flink.local/content-of-image:11     application/v sha256:aa 5 MiB linux/amd64 -
";

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_image_is_there_when_all_its_names_mean_one_content() {
        let content = "flink.local/content-of-image:11";
        assert!(same_image(LISTED, &names(&["flink:1.20", content])));
        assert!(
            !same_image(LISTED, &names(&["flink:2.3", content])),
            "moved on"
        );
        assert!(!same_image(
            LISTED,
            &names(&["flink:1.20", "flink.local/content-of-image:12"])
        ));
        assert!(
            !same_image(LISTED, &names(&["link:1.20", content])),
            "part of a name"
        );
    }
}
