//! What outlives processes: snapshots by path, results of jobs, high-availability metadata.

use std::collections::{BTreeMap, BTreeSet};

/// State saved under a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Image {
    /// Number of the checkpoint.
    pub(super) id: u64,
    pub(super) records: f64,
}

/// Durable storage of all clusters.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    images: BTreeMap<String, Image>,
    results: BTreeSet<String>,
}

impl Storage {
    /// A snapshot taken elsewhere, whose state counts `records`.
    pub fn put_snapshot(&mut self, path: &str, records: u64) {
        #[expect(clippy::cast_precision_loss, reason = "counts of a test")]
        self.put(
            path,
            Image {
                id: 1,
                records: records as f64,
            },
        );
    }

    /// Delete the files of a snapshot; false if there were none.
    pub fn remove_snapshot(&mut self, path: &str) -> bool {
        self.images.remove(path).is_some()
    }

    /// Paths of all snapshots.
    pub fn snapshots(&self) -> impl Iterator<Item = &str> {
        self.images.keys().map(String::as_str)
    }

    pub(super) fn put(&mut self, path: &str, image: Image) {
        self.images.insert(path.to_owned(), image);
    }

    pub(super) fn image(&self, path: &str) -> Option<Image> {
        self.images.get(path).copied()
    }

    /// Record the end of a job or an application under its store's path.
    pub(super) fn record_result(&mut self, store: &str, id: &str) {
        self.results.insert(format!("{store}/{id}"));
    }

    pub(super) fn remove_result(&mut self, store: &str, id: &str) {
        self.results.remove(&format!("{store}/{id}"));
    }

    pub(super) fn has_result(&self, store: &str, id: &str) -> bool {
        self.results.contains(&format!("{store}/{id}"))
    }
}

/// High-availability metadata of one cluster, as kept in ConfigMaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HaData {
    /// Jobs to recover when a JobManager starts.
    pub job_graphs: BTreeSet<String>,
    /// Completed checkpoints by job, then by number: the path of each.
    pub checkpoints: BTreeMap<String, BTreeMap<u64, String>>,
}
