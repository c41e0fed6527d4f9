//! What happened in the simulated Flink, in order; invariants are read from it.

use jiff::Timestamp;

use super::ClusterKey;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub cluster: ClusterKey,
    /// What.
    pub what: Happening,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// A JobManager's process started.
    JobManagerStarted {
        /// Its pod.
        instance: String,
    },
    /// A JobManager's process is gone.
    JobManagerStopped {
        /// Its pod.
        instance: String,
    },
    /// A job began its first attempt on a JobManager.
    JobStarted {
        /// Its id.
        job: String,
        /// The path it restored from; `None` for an empty state.
        from: Option<String>,
        /// Records its state counts.
        records: u64,
    },
    /// A job could not be started: the state to restore is not there.
    JobNotStarted {
        /// Its id.
        job: String,
        /// Why.
        why: String,
    },
    /// A job went back to a state it had saved, on the same JobManager.
    JobRestarted {
        /// Its id.
        job: String,
        /// Records its state counts.
        records: u64,
    },
    /// A job reached its end.
    JobEnded {
        /// Its id.
        job: String,
        /// `FINISHED`, `CANCELED` or `FAILED`.
        state: &'static str,
        /// Records its state counts.
        records: u64,
    },
    /// A savepoint was asked for; asking again with the same trigger is not noted.
    SavepointTriggered {
        /// The job.
        job: String,
        /// The id of the request.
        trigger: String,
        /// With the intention to stop.
        stop: bool,
    },
    /// A checkpoint or savepoint is complete.
    SnapshotCompleted {
        /// The job.
        job: String,
        /// Where.
        path: String,
        /// Records its state counts.
        records: u64,
        /// It is a savepoint.
        savepoint: bool,
    },
    /// A savepoint's files were deleted on request.
    SavepointDisposed {
        /// Where they were.
        path: String,
    },
    /// Bounds on the parallelism of a job were changed.
    Rescaled {
        /// The job.
        job: String,
    },
}

/// Everything that happened.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
}

impl Journal {
    pub(super) fn note(&mut self, at: Timestamp, cluster: &ClusterKey, what: Happening) {
        self.entries.push(Entry {
            at,
            cluster: cluster.clone(),
            what,
        });
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What happened to one cluster, oldest first.
    pub fn of<'a, 'b>(
        &'a self,
        cluster: &'b ClusterKey,
    ) -> impl Iterator<Item = &'a Happening> + use<'a, 'b> {
        let of = self
            .entries
            .iter()
            .filter(move |entry| entry.cluster == *cluster);
        of.map(|entry| &entry.what)
    }

    /// Starts of jobs of one cluster: the path restored from and the records counted.
    pub fn starts(&self, cluster: &ClusterKey) -> Vec<(Option<&str>, u64)> {
        self.of(cluster)
            .filter_map(|what| match what {
                Happening::JobStarted { from, records, .. } => Some((from.as_deref(), *records)),
                _ => None,
            })
            .collect()
    }

    /// Starts of a job with less state than a snapshot of the same cluster had saved before: how many
    /// records are counted too few, per such start.
    pub fn losses(&self, cluster: &ClusterKey) -> Vec<u64> {
        let mut saved = 0_u64;
        let mut losses = Vec::new();
        for what in self.of(cluster) {
            match what {
                Happening::SnapshotCompleted { records, .. } => saved = saved.max(*records),
                Happening::JobStarted { records, .. } if *records < saved => {
                    losses.push(saved - records);
                }
                _ => {}
            }
        }
        losses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(records: u64) -> Happening {
        Happening::JobStarted {
            job: "a".to_owned(),
            from: None,
            records,
        }
    }

    #[test]
    fn a_start_with_less_than_was_saved_is_a_loss() {
        let key = ClusterKey::new("prod", "orders");
        let mut journal = Journal::default();
        let saved = Happening::SnapshotCompleted {
            job: "a".to_owned(),
            path: "/chk-1".to_owned(),
            records: 100,
            savepoint: false,
        };
        for what in [started(0), saved, started(100), started(40)] {
            journal.note(Timestamp::UNIX_EPOCH, &key, what);
        }
        assert_eq!(journal.losses(&key), [60]);
        assert_eq!(
            journal.losses(&ClusterKey::new("prod", "other")),
            Vec::<u64>::new()
        );
        assert_eq!(journal.starts(&key).len(), 3);
    }
}
