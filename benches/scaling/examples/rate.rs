//! How many control loops of the Java autoscaler, and requests, go through in a second:
//! `cargo run --release -p bench-scaling --example rate`.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use bench_scaling::{
    java::{Java, jar},
    server::Served,
};
use flink_scaler::simulate::{Job, Load, Model, Stage, rest::Endpoint};
use jiff::{SignedDuration, Timestamp};

/// Control loops of each job.
const CYCLES: u32 = 1000;

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn main() -> Result<()> {
    let java = Java::start(&jar()?)?;
    for jobs in [1, 2, 4, 8] {
        let started = Instant::now();
        let done: Vec<(u64, Duration)> = thread::scope(|scope| {
            let names = (0..jobs).map(|job| format!("job-{jobs}-{job}"));
            let runs: Vec<_> = names.map(|name| scope.spawn(|| run(&java, name))).collect();
            let joined = runs
                .into_iter()
                .map(|run| run.join().map_err(|_| anyhow!("a run panicked"))?);
            joined.collect::<Result<_>>()
        })?;
        let seconds = started.elapsed().as_secs_f64();
        let requests: u64 = done.iter().map(|(requests, _)| requests).sum();
        let in_java: Duration = done.iter().map(|(_, java)| *java).sum();
        println!(
            "{jobs} at once: {:.0} loops/s, {:.0} requests/s, {:.2} ms a loop, {:.2} of the time outside the simulation",
            f64::from(jobs * CYCLES) / seconds,
            f64::from(u32::try_from(requests)?) / seconds,
            in_java.as_secs_f64() * 1000.0 / f64::from(jobs * CYCLES),
            in_java.as_secs_f64() / seconds / f64::from(jobs),
        );
    }
    Ok(())
}

/// Requests, and time spent waiting for Java, of a job of three vertices.
fn run(java: &Java, name: String) -> Result<(u64, Duration)> {
    let model = Model {
        stages: vec![
            Stage::source("events", 100_000.0),
            Stage::reading("map", 1000.0, vec![0]),
            Stage::reading("sink", 2000.0, vec![1]),
        ],
        loads: BTreeMap::from([(0, Load::steps(&[(0.0, 600.0), (7200.0, 2000.0)]))]),
        ..Model::default()
    };
    let now = Timestamp::from_second(1_800_000_000)?;
    let settings = BTreeMap::from([("job.autoscaler.enabled".to_owned(), "true".to_owned())]);
    let served = Served::start(Job::new(model, now), Endpoint::new(&name, now, &settings))?;
    let mut waited = Duration::ZERO;
    for _ in 0..CYCLES {
        let now = served.with(|job| {
            job.pass(SignedDuration::from_secs(30));
            job.now()
        });
        let asked = Instant::now();
        java.cycle(&name, &served.url(), now)
            .context("a control loop")?;
        waited += asked.elapsed();
        if let Some(overrides) = served.take_request() {
            served.with(|job| job.rescale(&overrides));
        }
    }
    java.reset(&name)?;
    Ok((served.requests(), waited))
}
