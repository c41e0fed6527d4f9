//! How long a decision takes: from a full window to the verdict.
//!
//! Three jobs, a chain of 10 vertices of 100 subtasks, one of 100 vertices of 1,000 and one of 1,000 vertices, with a
//! quarter of an hour of samples, one every 10 s. Readings are sums over subtasks, so their number does not matter here.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use flink_scaler::{
    History, Input, JobGraph, Sample, Settings, ShipStrategy, Situation, Vertex, VertexId,
    VertexReading, Window,
    settings::{Mode, Profile},
    step,
    store::{window_from_json, window_to_json},
};
use jiff::{SignedDuration, Timestamp};

const SAMPLES: i64 = 90;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn chain(vertices: usize, parallelism: u32) -> (JobGraph, Window) {
    let ids: Vec<VertexId> = (0..vertices)
        .filter_map(|n| VertexId::new(format!("{n:032x}")).ok())
        .collect();
    let vertex = |(n, id): (usize, &VertexId)| Vertex {
        id: id.clone(),
        name: format!("vertex {n}"),
        parallelism,
        max_parallelism: 4096,
        inputs: n
            .checked_sub(1)
            .and_then(|m| ids.get(m))
            .map(|from| Input {
                from: from.clone(),
                ship: ShipStrategy::Hash,
            })
            .into_iter()
            .collect(),
        finished: false,
    };
    let graph = JobGraph {
        vertices: ids.iter().enumerate().map(vertex).collect(),
    };
    let mut window = Window::new(SignedDuration::from_mins(20));
    for n in 0..SAMPLES {
        let mut sample = Sample::at(at(n * 10));
        sample.job_running_since = Some(at(-1000));
        sample.vertices = ids
            .iter()
            .map(|id| (id.clone(), reading(n, parallelism)))
            .collect();
        window.push(sample);
    }
    (graph, window)
}

/// 90 % busy, with a little noise.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn reading(n: i64, parallelism: u32) -> VertexReading {
    let noise = ((n * 7919) % 101) as f64;
    let subtask_ms = (n * 10_000) as f64 * f64::from(parallelism);
    VertexReading {
        parallelism,
        records_in: Some((n * 1_000_000) as f64 + noise * 1000.0),
        records_out: Some((n * 1_000_000) as f64 + noise * 1000.0),
        busy_ms_per_s: Some(920.0),
        busy_avg_ms_per_s: Some(900.0),
        accumulated_busy_ms: Some(subtask_ms * 0.9),
        backpressured_ms_per_s: Some(0.0),
        accumulated_backpressured_ms: Some(0.0),
        idle_ms_per_s: Some(100.0),
        accumulated_idle_ms: Some(subtask_ms * 0.1),
        pending_records: Some(noise * 100.0),
        records_in_per_second: Some(100_000.0),
        ..VertexReading::default()
    }
}

fn verdicts(c: &mut Criterion) {
    let mut group = c.benchmark_group("verdict");
    let situation = Situation::running(at(SAMPLES * 10 - 10), at(-1000));
    for (vertices, parallelism) in [(10, 100), (100, 1000), (1000, 1000)] {
        let (graph, window) = chain(vertices, parallelism);
        for profile in [Profile::Adaptive, Profile::Apache] {
            let settings = Settings {
                mode: Some(Mode::Auto),
                profile,
                vertex_max_parallelism: 4096,
                ..Settings::default()
            };
            let name = BenchmarkId::new(profile.as_str(), format!("{vertices}x{parallelism}"));
            group.bench_function(name, |b| {
                b.iter(|| {
                    step(
                        black_box(&settings),
                        &graph,
                        &window,
                        &History::default(),
                        &situation,
                    )
                });
            });
        }
    }
    group.finish();
}

fn stored(c: &mut Criterion) {
    let (_, window) = chain(100, 1000);
    let text = window_to_json(&window, usize::MAX);
    c.bench_function("window/store", |b| {
        b.iter(|| window_to_json(black_box(&window), usize::MAX));
    });
    c.bench_function("window/restore", |b| {
        b.iter(|| window_from_json(black_box(&text), SignedDuration::from_mins(20)));
    });
}

criterion_group!(benches, verdicts, stored);
criterion_main!(benches);
