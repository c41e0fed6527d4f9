//! How operations of a simulated JobManager end.

use jiff::Timestamp;

use super::checkpoints::Snapshot;
use super::cluster::{Cluster, Surroundings};
use super::job::{Job, Tasks, normal, whole};
use super::journal::Happening;
use super::savepoints::{Kind, Operation, Outcome, Thrown};
use super::storage::Image;
use crate::random::hex_of;

impl Cluster {
    /// End those that are due.
    pub(super) fn end_operations(&mut self, around: &mut Surroundings<'_>, now: Timestamp) {
        let due: Vec<(String, String)> = self
            .operations
            .iter()
            .filter(|(_, operation)| operation.outcome.is_none() && operation.ends <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            let Some(operation) = self.operations.get(&key).cloned() else {
                continue;
            };
            let outcome = self.outcome(around, &key, &operation, now);
            if let Some(operation) = self.operations.get_mut(&key) {
                operation.outcome = Some(outcome);
            }
        }
    }

    fn outcome(
        &mut self,
        around: &mut Surroundings<'_>,
        key: &(String, String),
        operation: &Operation,
        now: Timestamp,
    ) -> Result<Outcome, Thrown> {
        if let Kind::Disposal { path } = &operation.kind {
            around.note(now, Happening::SavepointDisposed { path: path.clone() });
            return if around.storage.remove_snapshot(path) {
                Ok(Outcome::Disposed)
            } else {
                Err(Thrown::new(
                    "java.io.FileNotFoundException",
                    format!("Cannot find savepoint '{path}'"),
                ))
            };
        }
        let (id, trigger) = key;
        let job = self
            .jobs
            .get_mut(id)
            .ok_or_else(|| Thrown::job_not_found(id))?;
        if job.attempt != operation.attempt || job.tasks != Tasks::Running {
            let class = "org.apache.flink.runtime.checkpoint.CheckpointException";
            return Err(Thrown::new(class, "Checkpoint Coordinator is suspending."));
        }
        match &operation.kind {
            Kind::Savepoint {
                directory,
                format,
                stop,
            } => write_savepoint(
                job,
                around,
                (directory, format, trigger),
                (*stop, operation.number),
                (operation.triggered, now),
            ),
            Kind::Checkpoint | Kind::Disposal { .. } => {
                job.complete_checkpoint(around, operation.number, operation.triggered, now);
                Ok(Outcome::Checkpoint(operation.number))
            }
        }
    }
}

fn write_savepoint(
    job: &mut Job,
    around: &mut Surroundings<'_>,
    (directory, format, trigger): (&str, &str, &str),
    (stop, id): (bool, u64),
    (triggered, now): (Timestamp, Timestamp),
) -> Result<Outcome, Thrown> {
    let class = "org.apache.flink.runtime.checkpoint.CheckpointException";
    if job.profile.asynchronous_state && format == "CANONICAL" {
        job.fail("Not supported yet.", false, now);
        return Err(Thrown::new(class, "Task has failed.").caused_by(
            "java.lang.UnsupportedOperationException",
            "Not supported yet.",
        ));
    }
    if let Some(why) = &job.profile.savepoints_fail {
        job.checkpoints.resume(now);
        return Err(Thrown::new(class, why.clone()));
    }
    let short = job.id.get(..6).unwrap_or_default();
    let suffix: String = hex_of(&format!("{trigger}{id}")).chars().take(12).collect();
    let path = format!("{}/savepoint-{short}-{suffix}", normal(directory));
    around.storage.put(
        &path,
        Image {
            id,
            records: job.records,
        },
    );
    let records = whole(job.records);
    let completed = Happening::SnapshotCompleted {
        job: job.id.clone(),
        path: path.clone(),
        records,
        savepoint: true,
    };
    around.note(now, completed);
    job.checkpoints.complete(Snapshot {
        id,
        savepoint: true,
        format: Some(format.to_owned()),
        triggered,
        ended: Some(now),
        path: Some(path.clone()),
        failure: None,
        discarded: false,
        records: job.records,
    });
    if !stop {
        return Ok(Outcome::Path(path));
    }
    if job.profile.fails_while_stopping {
        let thrown = Thrown::new("java.lang.RuntimeException", "commit failed");
        job.fail_for_good(&thrown, now);
        return Err(Thrown::new(
            "org.apache.flink.runtime.scheduler.stopwithsavepoint.StopWithSavepointStoppingException",
            format!(
                "A savepoint has been created at: {path}, but the corresponding job {} failed during \
                 stopping. The savepoint is consistent, but might have uncommitted transactions.",
                job.id
            ),
        ));
    }
    job.finish(now);
    Ok(Outcome::Path(path))
}
