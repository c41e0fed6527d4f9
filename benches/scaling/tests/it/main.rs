//! Simulated jobs over HTTP, and the Java autoscaler on them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

mod java;
mod server;

use std::collections::BTreeMap;

use bench_scaling::server::Served;
use flink_scaler::{
    ShipStrategy,
    simulate::{Job, Load, Model, Stage, rest::Endpoint},
};
use jiff::Timestamp;

/// A source and a keyed map of 1 ms a record, under this load.
fn served(name: &str, load: Load) -> Served {
    let model = Model {
        stages: vec![
            Stage {
                partitions: Some(8),
                ..Stage::source("events", 100_000.0)
            },
            Stage {
                ship: ShipStrategy::Hash,
                ..Stage::reading("map", 1000.0, vec![0])
            },
        ],
        loads: BTreeMap::from([(0, load)]),
        ..Model::default()
    };
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let settings = BTreeMap::from([("job.autoscaler.enabled".to_owned(), "true".to_owned())]);
    let endpoint = Endpoint::new(name, now, &settings);
    Served::start(Job::new(model, now), endpoint).unwrap()
}
