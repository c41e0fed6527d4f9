//! One instant's raw readings of a job. Nothing is judged here: readings may be missing, stale or absurd;
//! [`estimate`](crate::estimate) takes from them what can be relied on.
//!
//! The rule: what could not be read is `None`. Zero means that zero was read.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::topology::VertexId;

/// What was read at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When it was read.
    pub at: Timestamp,
    /// When the job last became RUNNING (`timestamps.RUNNING` of the job's details).
    pub job_running_since: Option<Timestamp>,
    /// The vertices.
    pub vertices: BTreeMap<VertexId, VertexReading>,
    /// Slots of the cluster (`taskSlotsTotal`).
    pub slots_total: Option<u32>,
    /// Slots that are free (`taskSlotsAvailable`).
    pub slots_available: Option<u32>,
    /// Largest used heap of a task manager over the largest heap, between 0 and 1.
    pub heap_used_ratio: Option<f64>,
    /// Largest time a task manager collects garbage, in milliseconds per second.
    pub gc_ms_per_s: Option<f64>,
    /// What the fullest task manager uses of each pool.
    pub memory: MemoryReading,
}

impl Sample {
    /// A sample without readings.
    pub const fn at(at: Timestamp) -> Self {
        Self {
            at,
            job_running_since: None,
            vertices: BTreeMap::new(),
            slots_total: None,
            slots_available: None,
            heap_used_ratio: None,
            gc_ms_per_s: None,
            memory: MemoryReading::UNKNOWN,
        }
    }
}

/// Memory in use, in bytes: of each pool what the task manager has that uses most of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MemoryReading {
    /// Heap (`Status.JVM.Memory.Heap.Used`).
    pub heap: Option<f64>,
    /// Managed memory (`Status.Flink.Memory.Managed.Used`).
    pub managed: Option<f64>,
    /// Metaspace (`Status.JVM.Memory.Metaspace.Used`).
    pub metaspace: Option<f64>,
}

impl MemoryReading {
    /// Nothing was read.
    pub const UNKNOWN: Self = Self {
        heap: None,
        managed: None,
        metaspace: None,
    };
}

/// What was read of one vertex. Counters are sums over its subtasks since they started; they begin
/// again at zero when the job restarts or is rescaled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VertexReading {
    /// Subtasks.
    pub parallelism: u32,
    /// Counter: records read. For a source what it took from outside (`Source__*.numRecordsIn`).
    pub records_in: Option<f64>,
    /// Counter: records written.
    pub records_out: Option<f64>,
    /// Busy time of the busiest subtask, in milliseconds per second (`busyTimeMsPerSecond`, max).
    pub busy_ms_per_s: Option<f64>,
    /// The same, mean over subtasks.
    pub busy_avg_ms_per_s: Option<f64>,
    /// The same, of the least busy subtask.
    pub busy_min_ms_per_s: Option<f64>,
    /// Counter: busy time in milliseconds (`accumulated-busy-time` of the job's details).
    pub accumulated_busy_ms: Option<f64>,
    /// Time under backpressure, mean over subtasks, in milliseconds per second.
    pub backpressured_ms_per_s: Option<f64>,
    /// Counter: time under backpressure in milliseconds (`accumulated-backpressured-time`).
    pub accumulated_backpressured_ms: Option<f64>,
    /// Idle time, mean over subtasks, in milliseconds per second.
    pub idle_ms_per_s: Option<f64>,
    /// Counter: idle time in milliseconds (`accumulated-idle-time`).
    pub accumulated_idle_ms: Option<f64>,
    /// Sources: records that wait outside (`pendingRecords`, summed).
    pub pending_records: Option<f64>,
    /// Records read per second as Flink's meter has it, which averages over a minute
    /// (`numRecordsInPerSecond`, summed; of a source `Source__*.numRecordsInPerSecond`).
    pub records_in_per_second: Option<f64>,
    /// Sources: partitions of what they read, where the connector tells.
    pub partitions: Option<u32>,
}
