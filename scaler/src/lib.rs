//! Autoscaling of Apache Flink jobs as arithmetic: samples in, verdict out.
//!
//! There is no I/O here, no clock and no `async`. The caller reads the job, keeps a [`Window`] full of
//! [`Sample`]s, and asks [`step`] what to do; it carries the answer out and keeps the history that comes with it.
//!
//! ```text
//! Sample ─► Window ─► evaluate ─► capacity ─► parallelism ─► guard ─► Verdict
//!                        ▲                                               │
//!                     History ◄─────────────────────────────────────────┘
//! ```

pub mod backtest;
pub mod capacity;
pub mod curve;
pub mod decide;
pub mod estimate;
pub mod evaluate;
pub mod guard;
pub mod history;
pub mod log;
pub mod memory;
pub mod parallelism;
pub mod pattern;
pub mod picture;
pub mod reason;
pub mod report;
pub mod sample;
pub mod scalability;
pub mod schedule;
pub mod season;
pub mod settings;
pub mod simulate;
pub mod store;
pub mod topology;
pub mod tracking;
pub mod units;
pub mod verdict;
pub mod whatif;
pub mod window;

pub use decide::step;
pub use history::History;
pub use log::{Decision, DecisionLog};
pub use pattern::VertexPattern;
pub use reason::{Block, Limit, Missing, Reason, VertexReason};
pub use sample::{MemoryReading, Sample, VertexReading};
pub use settings::{Mode, Profile, Settings, SettingsError};
pub use topology::{GraphError, Input, JobGraph, ShipStrategy, Vertex, VertexId};
pub use units::{Capacity, Rate, Ratio, Records};
pub use verdict::{
    Action, CheckpointHealth, Frozen, Interruption, PendingRescale, Situation, TaskManagers,
    Verdict, VertexVerdict,
};
pub use window::Window;
