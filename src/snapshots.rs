//! FlinkStateSnapshots at hand, by the job they are of.
//!
//! The rule: a view of the API server kept by a watch, so that a pass over a job asks nothing. Before the
//! watch has listed everything, and where the kind is not installed, it says so rather than "none".

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};

use flink_crds::FlinkStateSnapshot;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use crate::domain::Sighting;
use crate::domain::snapshot::SnapshotView;

/// Snapshots by job; clones share them.
#[derive(Clone, Default)]
pub struct Snapshots {
    shared: Arc<RwLock<Index>>,
}

#[derive(Default)]
struct Index {
    state: State,
    by_job: HashMap<Job, BTreeMap<String, SnapshotView>>,
    /// Under which job a resource is, by namespace and name.
    jobs: HashMap<(String, String), Job>,
    /// What a list under way has given so far; takes the place of all else when it is complete.
    listing: Option<Vec<FlinkStateSnapshot>>,
}

/// Namespace, and name of the resource that owns the job.
type Job = (String, String);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Not everything was listed yet.
    #[default]
    Filling,
    Complete,
    /// The kind is not installed.
    NotInstalled,
}

impl Snapshots {
    /// The kind is not installed: there are none, and none can be made.
    pub fn not_installed(&self) {
        if let Ok(mut index) = self.shared.write() {
            index.state = State::NotInstalled;
        }
    }

    /// Take in what the watch says.
    pub fn take_in(&self, event: Event<FlinkStateSnapshot>) {
        let Ok(mut index) = self.shared.write() else {
            return;
        };
        match event {
            Event::Init => index.listing = Some(Vec::new()),
            Event::InitApply(snapshot) => match &mut index.listing {
                Some(listing) => listing.push(snapshot),
                None => index.put(&snapshot),
            },
            Event::InitDone => {
                index.by_job.clear();
                index.jobs.clear();
                for snapshot in index.listing.take().unwrap_or_default() {
                    index.put(&snapshot);
                }
                index.state = State::Complete;
            }
            Event::Apply(snapshot) => index.put(&snapshot),
            Event::Delete(snapshot) => index.remove(&snapshot),
        }
    }

    /// The snapshots of a FlinkDeployment's job; `Absent` where the kind is not installed.
    pub fn of(&self, namespace: &str, name: &str) -> Sighting<Vec<SnapshotView>> {
        let Ok(index) = self.shared.read() else {
            return Sighting::Unknown("the index of snapshots is broken".to_owned());
        };
        match index.state {
            State::Filling => {
                Sighting::Unknown("FlinkStateSnapshots are not listed yet".to_owned())
            }
            State::NotInstalled => Sighting::Absent,
            State::Complete => {
                let job = (namespace.to_owned(), name.to_owned());
                let snapshots = index.by_job.get(&job).into_iter().flatten();
                Sighting::Seen(snapshots.map(|(_, view)| view.clone()).collect())
            }
        }
    }
}

impl Index {
    fn put(&mut self, snapshot: &FlinkStateSnapshot) {
        self.remove(snapshot);
        let reference = snapshot.spec.job_reference.as_ref();
        let of_deployment =
            reference.filter(|named| named.kind == Some(flink_crds::JobKind::FlinkDeployment));
        let Some(owner) = of_deployment.and_then(|named| named.name.clone()) else {
            return;
        };
        let (namespace, name) = key(snapshot);
        let job = (namespace.clone(), owner);
        self.by_job
            .entry(job.clone())
            .or_default()
            .insert(name.clone(), SnapshotView::of(snapshot));
        self.jobs.insert((namespace, name), job);
    }

    fn remove(&mut self, snapshot: &FlinkStateSnapshot) {
        let key = key(snapshot);
        let Some(job) = self.jobs.remove(&key) else {
            return;
        };
        if let Some(of_job) = self.by_job.get_mut(&job) {
            of_job.remove(&key.1);
            if of_job.is_empty() {
                self.by_job.remove(&job);
            }
        }
    }
}

fn key(snapshot: &FlinkStateSnapshot) -> (String, String) {
    (
        snapshot.namespace().unwrap_or_default(),
        snapshot.name_any(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use flink_crds::{FlinkStateSnapshotSpec, JobKind, JobReference};

    fn snapshot(name: &str, job: &str) -> FlinkStateSnapshot {
        let spec = FlinkStateSnapshotSpec {
            job_reference: Some(JobReference {
                kind: Some(JobKind::FlinkDeployment),
                name: Some(job.to_owned()),
            }),
            ..FlinkStateSnapshotSpec::default()
        };
        let mut snapshot = FlinkStateSnapshot::new(name, spec);
        snapshot.metadata.namespace = Some("default".to_owned());
        snapshot
    }

    fn names(snapshots: &Snapshots, job: &str) -> Vec<String> {
        let seen = snapshots.of("default", job);
        let seen = seen.seen().expect("listed");
        seen.iter().map(|view| view.name.clone()).collect()
    }

    #[test]
    fn before_everything_is_listed_nothing_is_known() {
        let snapshots = Snapshots::default();
        snapshots.take_in(Event::Init);
        snapshots.take_in(Event::InitApply(snapshot("one", "job")));
        assert!(snapshots.of("default", "job").is_unknown());
        snapshots.take_in(Event::InitDone);
        assert_eq!(names(&snapshots, "job"), ["one"]);
        assert!(names(&snapshots, "other").is_empty());
    }

    #[test]
    fn a_new_list_takes_the_place_of_what_was_known() {
        let snapshots = Snapshots::default();
        snapshots.take_in(Event::InitDone);
        snapshots.take_in(Event::Apply(snapshot("one", "job")));
        snapshots.take_in(Event::Init);
        snapshots.take_in(Event::InitApply(snapshot("two", "job")));
        assert_eq!(names(&snapshots, "job"), ["one"], "until it is complete");
        snapshots.take_in(Event::InitDone);
        assert_eq!(names(&snapshots, "job"), ["two"]);
        snapshots.take_in(Event::Delete(snapshot("two", "job")));
        assert!(names(&snapshots, "job").is_empty());
    }

    #[test]
    fn where_the_kind_is_not_installed_there_are_none() {
        let snapshots = Snapshots::default();
        snapshots.not_installed();
        assert!(snapshots.of("default", "job").is_absent());
    }
}
