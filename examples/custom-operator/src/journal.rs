//! A listener: it counts what happens, and logs what became of each job.

use std::sync::atomic::{AtomicU64, Ordering};

use flink_crds::FlinkDeployment;
use flink_operator::listen::{EventWritten, Failure, Listener, StatusWritten};
use kube::ResourceExt;

/// Counts events, and logs changes of state.
#[derive(Default)]
pub struct Journal {
    warnings: AtomicU64,
}

impl Listener for Journal {
    fn name(&self) -> &'static str {
        "journal"
    }

    async fn deployment_status(
        &self,
        written: &StatusWritten<FlinkDeployment>,
    ) -> Result<(), Failure> {
        let before = written
            .before
            .as_ref()
            .and_then(|status| status.lifecycle_state);
        let status = written.object.status.as_ref();
        let now = status.and_then(|status| status.lifecycle_state);
        if before != now {
            let name = written.object.name_any();
            tracing::info!(name, ?before, ?now, "journal");
        }
        Ok(())
    }

    async fn event(&self, written: &EventWritten) -> Result<(), Failure> {
        if written.event.type_.as_deref() == Some("Warning") {
            let count = self.warnings.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::info!(count, "warnings so far");
        }
        Ok(())
    }
}
