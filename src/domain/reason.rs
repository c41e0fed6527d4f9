//! Reasons of events: what people and tools select events by.
//!
//! The rule: valid tokens in CamelCase, and once released, for ever. docs/reference/events.md is made from here.

use std::fmt;

macro_rules! reasons {
    ($($name:ident = $meaning:literal;)+) => {
        /// Reasons of events, with the Java operator's names where it has the same.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)+
            /// Kubernetes' own reason of what keeps a JobManager from starting.
            Container(String),
        }

        /// Every reason of our own, with what it means.
        #[cfg(test)]
        const MEANINGS: &[(Reason, &str)] = &[$((Reason::$name, $meaning)),+];
    };
}

reasons! {
    AutoscalerError = "The autoscaler cannot work: settings or readings are missing. It says which.";
    AutoscalerReset = "The autoscaler forgot what it knew of the job, as `autoscalerResetNonce` asks.";
    CheckpointError = "A checkpoint that was asked for failed.";
    CheckpointNotFound = "The last checkpoint of a job that ended cannot be read by another one: a person has to choose the state to start from.";
    Cleanup = "The resource is deleted, and what belongs to it is being taken down.";
    CleanupFailed = "The files of a snapshot that was deleted cannot be deleted yet; it is tried again.";
    EnforcedConfiguration = "What the spec says and what has no say, because the operator's configuration enforces something else.";
    Error = "The job failed, or the API server or Flink refuses what the spec asks for.";
    IneffectiveScaling = "More subtasks of a vertex brought too little, so it is not scaled up again.";
    IngressManagement = "There is an Ingress in the way, or Ingresses are not managed here.";
    JobException = "The job threw an exception. Once for each that Flink lists; the same one again is counted.";
    JobStatusChanged = "The job came to another state in Flink.";
    MemoryPressure = "TaskManagers are shorter of memory than `job.autoscaler.memory.*.threshold` allows, so nothing is rescaled.";
    MemoryTuning = "The memory of TaskManagers that the autoscaler recommends or sets.";
    Missing = "The JobManager Deployment is gone, or Flink does not list the job.";
    RecoverDeployment = "A lost JobManager is made again.";
    ResourceQuotaReached = "The cluster or the quota has no room for what the autoscaler would scale to.";
    RestartFailedJob = "A job that failed for good is started again, as the configuration asks for.";
    RestoreFailed = "The state to start from is not there: a person has to choose another.";
    SavepointError = "A savepoint failed.";
    Scaling = "A start takes the parallelism that the autoscaler recommends.";
    ScalingConflict = "A HorizontalPodAutoscaler scales the same resource; the autoscaler only recommends.";
    ScalingLimited = "A vertex needs more subtasks than partitions, key groups, bounds or quotas leave it.";
    ScalingReport = "The autoscaler changes, or would change, the parallelism of vertices.";
    SnapshotAbandoned = "A snapshot cannot be taken: its job is not there or does not run.";
    SnapshotRemoved = "An old snapshot is removed, as the configuration of its history says.";
    SpecChanged = "The spec changed, and the job is brought to it.";
    Submit = "The cluster of a job is made.";
    Suspended = "The job is being stopped, for an upgrade or because the spec says so.";
    UnknownConfiguration = "Keys or values in the configuration that nothing reads, with the ones that were probably meant, and options that have no effect where they are set.";
    UnsupportedFlinkVersion = "The spec asks for a Flink version that is not supported.";
    UpgradeFailed = "The job cannot be stopped without losing state; it is left as it is.";
    ValidationError = "The spec is refused, by the operator or a validator. What is deployed stays as it is.";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(reason) => f.write_str(reason),
            named => write!(f, "{named:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    const HEAD: &str = "\
# Events

Made from the declarations in the source; do not edit.

Events are in the namespace of the resource they are about: `kubectl describe`, or `kubectl events --for flinkdeployment/NAME`.
The same cause is one event with a count. Beside these reasons there are Kubernetes' own of what keeps a JobManager from starting,
such as `ErrImagePull`, `FailedMount` or `FailedCreate`.

| reason | meaning |
| --- | --- |
";

    #[test]
    fn the_reference_has_every_reason() {
        let mut fresh = HEAD.to_owned();
        for (reason, meaning) in MEANINGS {
            // Writing to a String cannot fail.
            let _ = writeln!(fresh, "| `{reason}` | {meaning} |");
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/events.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &fresh).unwrap();
        }
        let present = std::fs::read_to_string(path).unwrap_or_default();
        assert!(present == fresh, "{path} is stale; run UPDATE=1 cargo test");
    }

    #[test]
    fn every_reason_is_given_somewhere() {
        fn read(folder: &std::path::Path, text: &mut String) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    read(&path, text);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    text.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        let mut source = String::new();
        read(
            std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
            &mut source,
        );
        for (reason, _) in MEANINGS {
            assert!(source.contains(&format!("Reason::{reason}")), "{reason}");
        }
    }
}
