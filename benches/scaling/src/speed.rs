//! How long a decision takes: the engine beside the Java autoscaler, on the same job with the same full window.
//!
//! The rule: the same part on both sides. It begins with the readings of a window in memory and ends with the decision
//! for every vertex, which is to change nothing; asking Flink, storing and telling are not in it. Both are warm,
//! on one thread, and what counts is the median.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bench_scaling::{
    java::{Java, jar},
    server::Served,
};
use flink_scaler::{
    Action, History, JobGraph, Settings, ShipStrategy, Situation, Window,
    settings::{Mode, Profile},
    simulate::{Job, Load, Model, Stage, rest::Endpoint},
    step,
};
use jiff::{SignedDuration, Timestamp};

/// Decisions that are timed, after as many to warm up.
const TIMES: u32 = 500;

/// Between two samples; a window of a quarter of an hour and a little more is filled with them.
const EVERY: SignedDuration = SignedDuration::from_secs(10);
const SAMPLES: usize = 96;

/// A chain of so many vertices of eight subtasks, 55 % busy.
fn chain(vertices: usize) -> Model {
    let stage = |at: usize| Stage {
        parallelism: 8,
        ship: ShipStrategy::Hash,
        ..match at.checked_sub(1) {
            None => Stage::source("v0", 125.0),
            Some(before) => Stage::reading(&format!("v{at}"), 125.0, vec![before]),
        }
    };
    Model {
        stages: (0..vertices).map(stage).collect(),
        loads: BTreeMap::from([(0, Load::constant(550.0))]),
        ..Model::default()
    }
}

/// What was read of the job, for the engine.
struct Read {
    graph: JobGraph,
    window: Window,
    start: Timestamp,
    now: Timestamp,
}

#[expect(
    clippy::disallowed_methods,
    reason = "real time is what is asked for, and nothing here could pause it"
)]
fn ours(read: &Read, profile: Profile) -> Result<Duration> {
    let settings = Settings {
        mode: Some(Mode::Auto),
        profile,
        stabilization_interval: Some(Duration::ZERO),
        ..Settings::default()
    };
    let situation = Situation::running(read.now, read.start);
    let history = History::default();
    let decide = || {
        step(
            black_box(&settings),
            &read.graph,
            &read.window,
            &history,
            &situation,
        )
    };
    let verdict = decide();
    ensure!(
        matches!(verdict.action, Action::Hold(_))
            && verdict.vertices.len() == read.graph.vertices.len(),
        "the decision is not to be left alone, so it is not comparable: {verdict}"
    );
    let mut times: Vec<Duration> = Vec::new();
    for n in 0..2 * TIMES {
        let start = Instant::now();
        let _ = black_box(decide());
        if n >= TIMES {
            times.push(start.elapsed());
        }
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("nothing timed")
}

/// Fills a window on both sides; the times of Java, profile `apache` and profile `adaptive`.
fn times(java: &Java, vertices: usize) -> Result<[Duration; 3]> {
    let name = format!("chain-{vertices}");
    let start = Timestamp::from_second(1_800_000_000)?;
    let config = [
        ("jobmanager.scheduler", "adaptive"),
        ("job.autoscaler.enabled", "true"),
        ("job.autoscaler.stabilization.interval", "0 s"),
    ];
    let config = config.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let endpoint = Endpoint::new(&name, start, &BTreeMap::from(config));
    let served = Served::start(Job::new(chain(vertices), start), endpoint)?;
    let mut window = Window::for_settings(&Settings::default());
    for _ in 0..SAMPLES {
        let (now, sample) = served.with(|job| {
            job.pass(EVERY);
            (job.now(), job.sample())
        });
        if let Some(sample) = sample {
            window.push(sample);
        }
        java.cycle(&name, &served.url(), now)?;
    }
    ensure!(
        served.take_request().is_none(),
        "the Java autoscaler rescaled {name}, so its time is not comparable"
    );
    let (graph, now) = served.with(|job| (job.graph(), job.now()));
    let read = Read {
        graph,
        window,
        start,
        now,
    };
    Ok([
        java.time(&name, TIMES)?,
        ours(&read, Profile::Apache)?,
        ours(&read, Profile::Adaptive)?,
    ])
}

/// A row for each number of vertices.
pub fn table(sizes: &[usize]) -> Result<String> {
    let java = Java::start_fast(&jar()?)?;
    let mut text = format!(
        "Evaluation and decision for a chain of vertices with {SAMPLES} samples, median of {TIMES} after as many to warm up\n\n"
    );
    text.push_str("| vertices | Java | profile `apache` | profile `adaptive` | Java over `apache` | Java over `adaptive` |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for vertices in sizes {
        let [java, apache, adaptive] = times(&java, *vertices)?;
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let over = |ours: Duration| micros(java) / micros(ours);
        writeln!(
            text,
            "| {vertices} | {:.0} µs | {:.0} µs | {:.0} µs | {:.1} | {:.1} |",
            micros(java),
            micros(apache),
            micros(adaptive),
            over(apache),
            over(adaptive)
        )?;
    }
    Ok(text)
}
