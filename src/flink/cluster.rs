//! What a cluster says of itself.

use super::client::{Call, FlinkClient};
use super::{RestError, wire};

/// Slots and TaskManagers at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Flink's version, such as `1.20.1`.
    pub version: String,
    /// TaskManagers registered.
    pub task_managers: u32,
    /// Slots of all of them.
    pub slots: u32,
    /// Slots without a task.
    pub free_slots: u32,
}

impl Overview {
    /// Whether this version can record rescales; 2.3 is the first.
    pub fn records_rescales(&self) -> bool {
        let mut numbers = self.version.split(['.', '-']).map(str::parse::<u32>);
        let (major, minor) = (numbers.next(), numbers.next());
        matches!((major, minor), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= (2, 3))
    }
}

/// Version of the JobManager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Flink's version, such as `1.20.1`.
    pub version: String,
    /// Commit and its date, such as `0980485 @ 2026-06-08T09:21:06+02:00`.
    pub revision: String,
}

/// A registered TaskManager.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskManager {
    /// Its resource id; with native Kubernetes the name of its pod.
    pub id: String,
    /// Slots.
    pub slots: u32,
    /// Slots without a task.
    pub free_slots: u32,
    /// CPU cores configured.
    pub cpu: Option<f64>,
    /// Process memory configured, in bytes.
    pub memory: Option<u64>,
}

impl FlinkClient {
    /// Slots and TaskManagers at a glance.
    pub async fn overview(&self) -> Result<Overview, RestError> {
        let overview: wire::Overview = self.call(Call::get("GET /overview", "/overview")).await?;
        Ok(Overview {
            version: overview.flink_version,
            task_managers: overview.taskmanagers,
            slots: overview.slots_total,
            free_slots: overview.slots_available,
        })
    }

    /// Version of the JobManager. The cheapest call: it is answered as soon as one leads.
    pub async fn config(&self) -> Result<ClusterConfig, RestError> {
        let config: wire::DashboardConfig = self.call(Call::get("GET /config", "/config")).await?;
        Ok(ClusterConfig {
            version: config.flink_version,
            revision: config.flink_revision,
        })
    }

    /// All registered TaskManagers.
    pub async fn task_managers(&self) -> Result<Vec<TaskManager>, RestError> {
        let answer: wire::TaskManagers = self
            .call(Call::get("GET /taskmanagers", "/taskmanagers"))
            .await?;
        let task_manager = |manager: wire::TaskManager| TaskManager {
            id: manager.id,
            slots: manager.slots_number,
            free_slots: manager.free_slots,
            cpu: manager
                .total_resource
                .and_then(|resource| resource.cpu_cores),
            memory: manager
                .memory_configuration
                .and_then(|memory| memory.total_process_memory),
        };
        Ok(answer.taskmanagers.into_iter().map(task_manager).collect())
    }
}
