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

    /// Imports an image unless it is there; says whether it was imported now. Layers that are
    /// there from another image are not read again.
    ///
    /// # Errors
    /// When the import fails.
    pub fn import(&self, image: &Image) -> Result<bool> {
        let listed = run(&mut self.ctr(&["images", "ls"]))?;
        let mark = content_mark(image);
        let named = Image {
            tags: [image.tags.clone(), vec![mark.clone()]].concat(),
            ..image.clone()
        };
        if same_image(&listed, &named.full_names()) {
            return Ok(false);
        }
        let blobs = run(&mut self.ctr(&["content", "ls", "-q"]))?;
        let known = blobs
            .lines()
            .filter_map(|line| line.strip_prefix("sha256:"));
        let known = known.map(str::to_owned).collect();
        let mut import = self.ctr(&["images", "import", "--snapshotter", self.snapshotter, "-"]);
        feed(&mut import, |stdin| {
            named.write(std::io::BufWriter::with_capacity(1 << 20, stdin), &known)
        })
        .with_context(|| format!("failed to import {}", image.tags.join(", ")))?;
        // The image that had the name before would keep its disk space for ever.
        // At once, or the next import might count on a layer that is about to go.
        let old = outdated(&listed, &mark);
        if !old.is_empty() {
            run(self.ctr(&["images", "rm", "--sync"]).args(old))?;
        }
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
        let ours = |name: &&str| !name.starts_with("sha256:") && !name.starts_with(CONTENT_MARK);
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

/// Beginning of the extra name that tells which content an image had when it was imported.
const CONTENT_MARK: &str = "flink.local/content-of-";

/// The extra name: the image's first name and what its content is.
fn content_mark(image: &Image) -> String {
    let name = image.tags.first().map_or("image", String::as_str);
    format!(
        "{CONTENT_MARK}{}:{}",
        name.replace(['/', ':'], "-"),
        image.key()
    )
}

/// What of the list keeps earlier contents under the name of `mark`: their marks, and the names
/// that Kubernetes' plug-in gives by the hash that marks begin with.
fn outdated<'a>(listed: &'a str, mark: &str) -> Vec<&'a str> {
    let names: Vec<_> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let name = mark.rsplit_once(':').map_or(mark, |(name, _)| name);
    let marks = names.iter().filter(|other| other.starts_with(CONTENT_MARK));
    let (of_name, of_others): (Vec<&str>, Vec<&str>) = marks.partition(|other| {
        other
            .rsplit_once(':')
            .is_some_and(|(start, _)| start == name)
    });
    let key = |mark: &&'a str| mark.rsplit_once(':').map(|(_, key)| key);
    let kept: Vec<_> = of_others.iter().filter_map(key).collect();
    let old: Vec<_> = of_name.into_iter().filter(|other| *other != mark).collect();
    let keys: Vec<_> = old
        .iter()
        .filter_map(key)
        .filter(|key| !kept.contains(key))
        .collect();
    let by_hash = names.into_iter().filter(|other| {
        let hash = other.strip_prefix("sha256:");
        hash.is_some_and(|hash| keys.iter().any(|key| hash.starts_with(key)))
    });
    old.iter().copied().chain(by_hash).collect()
}

/// Whether all `names` are in the list that `ctr images ls` prints, with one digest.
fn same_image(listed: &str, names: &[String]) -> bool {
    let digest = |name: &String| {
        listed.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let found = words.next()?;
            (found == name).then(|| words.nth(1)).flatten()
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
host.example/flink:1.20              application/v sha256:aa 5 MiB linux/amd64 -
host.example/flink:2.3               application/v sha256:bb 5 MiB linux/amd64 -
flink.local/content-of-flink-1.20:11 application/v sha256:aa 5 MiB linux/amd64 -
flink.local/content-of-flink-1.20:10 application/v sha256:cc 5 MiB linux/amd64 -
flink.local/content-of-flink-2.3:20  application/v sha256:bb 5 MiB linux/amd64 -
sha256:10ab                          application/v sha256:cc 5 MiB linux/amd64 -
sha256:11ab                          application/v sha256:aa 5 MiB linux/amd64 -
";

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn an_image_is_there_when_all_its_names_mean_one_content() {
        let content = "flink.local/content-of-flink-1.20:11";
        assert!(same_image(
            LISTED,
            &names(&["host.example/flink:1.20", content])
        ));
        assert!(
            !same_image(LISTED, &names(&["host.example/flink:2.3", content])),
            "moved on"
        );
        assert!(!same_image(
            LISTED,
            &names(&["host.example/flink:1.20", "x/content:12"])
        ));
        assert!(
            !same_image(LISTED, &names(&["flink:1.20", content])),
            "part of a name"
        );
    }

    #[test]
    fn earlier_contents_of_the_same_name_are_found() {
        let old = outdated(LISTED, "flink.local/content-of-flink-1.20:11");
        assert_eq!(old, ["flink.local/content-of-flink-1.20:10", "sha256:10ab"]);
        assert!(outdated(LISTED, "flink.local/content-of-flink-2.3:20").is_empty());
    }

    #[test]
    fn a_content_that_another_name_still_has_is_kept() {
        let listed = LISTED.replace("2.3:20", "2.3:10");
        let old = outdated(&listed, "flink.local/content-of-flink-1.20:11");
        assert_eq!(old, ["flink.local/content-of-flink-1.20:10"]);
    }
}
