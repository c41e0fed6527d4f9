//! What of the readings counts, and for how long: rates over gaps, restarts, vertices that have finished. By the rows
//! of the published behaviour, and what profile `adaptive` makes of the same.

use std::{collections::BTreeMap, time::Duration};

use flink_scaler::{
    Action, Block, History, JobGraph, Rate, Reason, Sample, Settings, ShipStrategy, Situation,
    VertexReading, VertexReason, Window,
    evaluate::{Evaluation, apache::evaluate},
    settings::{BusyTime, Profile},
    step,
};
use jiff::{SignedDuration, Timestamp};

use crate::support::{Job, apache, at, id, of, vertex};

fn over_a_minute() -> Settings {
    Settings {
        metrics_window: Duration::from_mins(1),
        ..apache()
    }
}

/// One source, read once a second.
fn of_a_source(settings: &Settings, readings: &[VertexReading]) -> Evaluation {
    let graph = JobGraph {
        vertices: vec![vertex("source", 1, ShipStrategy::Forward, &[])],
    };
    let mut window = Window::new(SignedDuration::from_hours(1));
    let mut now = at(0);
    for (second, reading) in (1..).zip(readings) {
        now = at(second);
        let mut sample = Sample::at(now);
        sample.vertices.insert(id("source"), reading.clone());
        window.push(sample);
    }
    evaluate(settings, &graph.topology().unwrap(), &window, now)
}

fn counted(records_in: Option<f64>) -> VertexReading {
    VertexReading {
        parallelism: 1,
        records_in,
        busy_ms_per_s: Some(500.0),
        ..VertexReading::default()
    }
}

#[test]
fn c27_to_c29_a_rate_is_taken_between_the_first_and_the_last_count_that_was_read() {
    for (row, counts, rate) in [
        ("C27", &[Some(0.0), Some(0.0), Some(4.0)][..], Some(2.0)),
        ("C28", &[None, Some(10.0), Some(20.0)], Some(10.0)),
        ("C29", &[Some(10.0)], None),
        ("C29", &[None, None, Some(10.0)], None),
    ] {
        let readings: Vec<VertexReading> = counts.iter().copied().map(counted).collect();
        let evaluation = of_a_source(&over_a_minute(), &readings);
        let seen = evaluation.vertices[0].target_rate;
        assert_eq!(seen, rate.and_then(Rate::new), "{row}");
    }
}

#[test]
fn c3_the_restart_time_is_no_part_of_what_is_measured() {
    let reading = |records, waits| VertexReading {
        pending_records: Some(waits),
        ..counted(Some(records))
    };
    let readings = [reading(0.0, 950.0), reading(100.0, 1000.0)];
    let with = |restart| Settings {
        catch_up_duration: Duration::from_secs(1),
        restart_time: Duration::from_secs(restart),
        ..over_a_minute()
    };
    let evaluation = of_a_source(&with(2), &readings);
    let source = &evaluation.vertices[0];
    assert_eq!(source.target_rate, Rate::new(150.0));
    assert_eq!(Some(source.catch_up), Rate::new(1000.0));
    assert_eq!(evaluation, of_a_source(&with(0), &readings));
}

#[test]
fn c46_the_busy_time_is_that_of_the_subtask_asked_for() {
    let reading = |second: f64| VertexReading {
        busy_ms_per_s: Some(200.0),
        busy_avg_ms_per_s: Some(150.0),
        busy_min_ms_per_s: Some(100.0),
        accumulated_busy_ms: Some(150.0 * second),
        ..counted(Some(100.0 * second))
    };
    let readings = [reading(0.0), reading(1.0), reading(2.0)];
    for (busy_time, busy) in [
        (BusyTime::Max, 0.2),
        (BusyTime::Min, 0.1),
        (BusyTime::Avg, 0.15),
    ] {
        let settings = Settings {
            busy_time,
            ..over_a_minute()
        };
        let source = &of_a_source(&settings, &readings).vertices[0];
        let seen = source.utilization.unwrap().get();
        assert!((seen - busy).abs() < 1e-9, "{busy_time}: {seen}");
    }
}

#[test]
fn c37_garbage_counts_as_it_is_now_and_heap_as_it_was_on_average() {
    let job = Job::new(vec![(
        vertex("v", 1, ShipStrategy::Forward, &[]),
        200.0,
        100.0,
    )]);
    // Heap 0.5 then 0.7, collection 600 then 800 ms a second: the mean is 0.6, the latest 0.8.
    let mut window = Window::new(SignedDuration::from_hours(1));
    for (second, heap, garbage) in [(-1, 0.5, 600.0), (0, 0.7, 800.0)] {
        let mut sample = job.sample(second, -1000);
        sample.heap_used_ratio = Some(heap);
        sample.gc_ms_per_s = Some(garbage);
        window.push(sample);
    }
    let situation = Situation::running(at(0), at(-1000));
    for (heap, garbage, expected) in [
        (0.61, 0.81, None),
        (0.59, 0.81, Some(("used heap", 60))),
        (0.61, 0.79, Some(("garbage collection", 80))),
        (0.61, 0.7, Some(("garbage collection", 80))),
    ] {
        let settings = Settings {
            heap_usage_threshold: heap,
            gc_pressure_threshold: garbage,
            ..apache()
        };
        let verdict = step(
            &settings,
            &job.graph,
            &window,
            &History::default(),
            &situation,
        );
        let expected = expected.map(|(what, percent)| Block::MemoryPressure { what, percent });
        assert_eq!(verdict.blocked_by.first(), expected.as_ref(), "{verdict}");
    }
}

/// A source that has finished and one that has not, both read by the sink; a reading every 10 s for two minutes. Of
/// what has finished Flink shows the last counts, or nothing at all.
fn half_finished(shown: bool) -> (JobGraph, Window) {
    let mut done = vertex("done", 1, ShipStrategy::Forward, &[]);
    done.finished = true;
    let graph = JobGraph {
        vertices: vec![
            done,
            vertex("live", 1, ShipStrategy::Forward, &[]),
            vertex("sink", 1, ShipStrategy::Rebalance, &["done", "live"]),
        ],
    };
    let mut window = Window::new(SignedDuration::from_hours(1));
    for n in 0..13 {
        let passed = f64::from(n) * 10.0;
        let reading = |rate: f64, busy: f64| VertexReading {
            parallelism: 1,
            records_in: Some(1000.0 + rate * passed),
            records_out: Some(1000.0 + rate * passed),
            busy_ms_per_s: Some(busy * 1000.0),
            busy_avg_ms_per_s: Some(busy * 1000.0),
            accumulated_busy_ms: Some(busy * 1000.0 * passed),
            accumulated_idle_ms: Some((1.0 - busy) * 1000.0 * passed),
            accumulated_backpressured_ms: Some(0.0),
            ..VertexReading::default()
        };
        let finished = if shown {
            reading(0.0, 0.0)
        } else {
            VertexReading {
                parallelism: 1,
                ..VertexReading::default()
            }
        };
        let mut sample = Sample::at(at(i64::from(n) * 10));
        sample.job_running_since = Some(at(-1000));
        sample.vertices = BTreeMap::from([
            (id("done"), finished),
            (id("live"), reading(100.0, 0.1)),
            (id("sink"), reading(100.0, 0.95)),
        ]);
        window.push(sample);
    }
    (graph, window)
}

#[test]
fn c48_a_source_that_has_finished_gives_nothing_and_hides_nothing() {
    for profile in [Profile::Apache, Profile::Adaptive] {
        for shown in [true, false] {
            let (graph, window) = half_finished(shown);
            let settings = Settings {
                profile,
                metrics_window: Duration::from_mins(2),
                utilization_max: Some(0.9),
                ..apache()
            };
            let verdict = step(
                &settings,
                &graph,
                &window,
                &History::default(),
                &Situation::running(at(120), at(-1000)),
            );
            let done = of(&verdict, "done");
            assert_eq!(done.reason, VertexReason::Finished, "{profile}: {verdict}");
            assert_eq!(done.target_rate, Some(Rate::ZERO), "{profile}: {verdict}");
            assert_eq!(done.true_rate, None, "no end is known to it: {verdict}");
            let sink = of(&verdict, "sink");
            assert_eq!(sink.target_rate, Rate::new(100.0), "{profile}: {verdict}");
            assert_eq!(sink.target, 2, "{profile}: {verdict}");
        }
    }
}

#[test]
fn g8_advice_is_dropped_at_a_restart_until_the_window_is_full_again() {
    let settings = Settings {
        scaling_enabled: false,
        metrics_window: Duration::from_secs(3),
        ..apache()
    };
    let job = Job::new(vec![(
        vertex("v", 1, ShipStrategy::Forward, &[]),
        200.0,
        100.0,
    )]);
    let mut window = Window::new(SignedDuration::from_hours(1));
    let mut advises = |second: i64, since: i64| {
        window.push(job.sample(second, since));
        let situation = Situation::running(at(second), at(since));
        let verdict = step(
            &settings,
            &job.graph,
            &window,
            &History::default(),
            &situation,
        );
        assert_eq!(
            verdict.recommended().is_empty(),
            verdict.action != Action::Advise,
            "{second}: {verdict}"
        );
        verdict.action == Action::Advise
    };
    let before: Vec<bool> = (0..5).map(|second| advises(second, 0)).collect();
    assert_eq!(before, [false, false, false, true, true]);
    let after: Vec<bool> = (10..15).map(|second| advises(second, 10)).collect();
    assert_eq!(after, [false, false, false, true, true]);
}

#[test]
fn g19_only_the_last_window_counts_once_it_is_full() {
    let settings = Settings {
        stabilization_interval: Some(Duration::from_millis(100)),
        metrics_window: Duration::from_millis(100),
        ..apache()
    };
    let graph = JobGraph {
        vertices: vec![vertex("source", 1, ShipStrategy::Forward, &[])],
    };
    let after = |millis| -> Timestamp { at(0) + SignedDuration::from_millis(millis) };
    let mut window = Window::new(SignedDuration::from_hours(1));
    let mut rates = Vec::new();
    // 0/s up to 150 ms, then 30 000/s, and from 180 ms on 1 000/s.
    for (millis, records) in [(50, 0.0), (60, 0.0), (150, 0.0), (180, 900.0), (260, 980.0)] {
        let now = after(millis);
        let mut sample = Sample::at(now);
        sample.job_running_since = Some(at(0));
        sample.vertices.insert(id("source"), counted(Some(records)));
        window.push(sample);
        let situation = Situation::running(now, at(0));
        let verdict = step(&settings, &graph, &window, &History::default(), &situation);
        let decides = !matches!(
            verdict.action,
            Action::Hold(Reason::Collecting { .. } | Reason::Blocked(Block::Stabilizing { .. }))
        );
        assert_eq!(decides, millis == 260, "{millis}: {verdict}");
        let rate = of(&verdict, "source").target_rate;
        rates.push(rate.map_or(f64::NAN, |rate| rate.get().round()));
    }
    assert_eq!(rates.last(), Some(&1000.0), "180 and 260 ms only");
    assert_eq!(window.len(), 5, "older samples stay for reporting");
}

/// The original controller's examples: what the sources give, and of two operators in a row what one instance of each
/// processes and writes in a second of useful time.
#[test]
fn i_the_examples_of_ds2_come_out_as_published() {
    for (row, sources, first, second, expected) in [
        ("I1", &[100.0][..], (50.0, 400.0), (100.0, 200.0), [2, 8]),
        ("I2", &[200.0], (40.0, 700.0), (99.0, 200.0), [5, 36]),
        ("I3", &[200.0], (10.0, 700.0), (201.0, 200.0), [20, 70]),
        (
            "I4",
            &[100.0, 100.0],
            (50.0, 400.0),
            (100.0, 200.0),
            [4, 16],
        ),
    ] {
        for profile in [Profile::Apache, Profile::Adaptive] {
            let settings = Settings {
                profile,
                utilization_target: 1.0,
                utilization_boundary: Some(0.3),
                metrics_window: Duration::from_mins(2),
                // DS2 takes capacity to grow in proportion.
                adaptive_without: vec!["curve".to_owned()],
                ..apache()
            };
            let (graph, window) = ds2(sources, first, second);
            let verdict = step(
                &settings,
                &graph,
                &window,
                &History::default(),
                &Situation::running(at(120), at(-1000)),
            );
            let targets = ["first", "second"].map(|name| of(&verdict, name).target);
            assert_eq!(targets, expected, "{row} {profile}: {verdict}");
        }
    }
}

/// The job with one instance of each, which lets an eightieth of the sources' records through; the others wait.
fn ds2(sources: &[f64], first: (f64, f64), second: (f64, f64)) -> (JobGraph, Window) {
    const THROUGH: f64 = 0.0125;
    let names: Vec<String> = (0..sources.len()).map(|n| format!("source-{n}")).collect();
    let inputs: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut vertices: Vec<_> = inputs
        .iter()
        .map(|name| vertex(name, 1, ShipStrategy::Forward, &[]))
        .collect();
    vertices.push(vertex("first", 1, ShipStrategy::Rebalance, &inputs));
    vertices.push(vertex("second", 1, ShipStrategy::Rebalance, &["first"]));
    let mut window = Window::new(SignedDuration::from_hours(1));
    for n in 0..13 {
        let passed = f64::from(n) * 10.0;
        let reading = |read: f64, written: f64, busy: f64, grows: Option<f64>| VertexReading {
            parallelism: 1,
            records_in: Some(read * passed),
            records_out: Some(written * passed),
            busy_ms_per_s: Some(busy * 1000.0),
            busy_avg_ms_per_s: Some(busy * 1000.0),
            accumulated_busy_ms: Some(busy * 1000.0 * passed),
            accumulated_idle_ms: Some((1.0 - busy) * 1000.0 * passed),
            accumulated_backpressured_ms: Some(0.0),
            pending_records: grows.map(|grows| grows * passed),
            ..VertexReading::default()
        };
        let mut sample = Sample::at(at(i64::from(n) * 10));
        sample.job_running_since = Some(at(-1000));
        for (name, rate) in inputs.iter().zip(sources) {
            let taken = rate * THROUGH;
            let source = reading(taken, taken, 0.1, Some(rate - taken));
            sample.vertices.insert(id(name), source);
        }
        let comes: f64 = sources.iter().sum::<f64>() * THROUGH;
        let goes = comes * first.1 / first.0;
        let operator = |read: f64, written: f64, one: f64| reading(read, written, read / one, None);
        sample
            .vertices
            .insert(id("first"), operator(comes, goes, first.0));
        let ends = goes * second.1 / second.0;
        sample
            .vertices
            .insert(id("second"), operator(goes, ends, second.0));
        window.push(sample);
    }
    (JobGraph { vertices }, window)
}

#[test]
fn d13_what_has_no_limit_is_not_taken_from_a_vertex_that_is_never_scaled_down() {
    let job = Job::new(vec![(
        vertex("v", 100, ShipStrategy::Forward, &[]),
        1000.0,
        f64::INFINITY,
    )]);
    let with = |max| Settings {
        utilization_target: 0.6,
        utilization_max: Some(max),
        utilization_min: Some(0.0),
        ..apache()
    };
    let verdict = job.verdict(&with(1.0), &History::default(), 0);
    assert_eq!(of(&verdict, "v").target, 100, "{verdict}");
    assert!(matches!(verdict.action, Action::Hold(_)), "{verdict}");
    // The row has 1.2, which is refused: see H5.
    let verdict = job.verdict(&with(1.2), &History::default(), 0);
    assert!(
        matches!(&verdict.action, Action::Hold(Reason::Settings(why)) if why.contains("utilization.max")),
        "{verdict}"
    );
}

#[test]
fn b7_bounds_that_contradict_each_other_are_refused_with_both_keys() {
    let settings = Settings {
        vertex_min_parallelism: 500,
        vertex_max_parallelism: 499,
        ..apache()
    };
    let job = Job::new(vec![(
        vertex("v", 200, ShipStrategy::Forward, &[]),
        1000.0,
        1.0,
    )]);
    let verdict = job.verdict(&settings, &History::default(), 0);
    let Action::Hold(Reason::Settings(why)) = &verdict.action else {
        panic!("{verdict}")
    };
    assert_eq!(
        why,
        "job.autoscaler.vertex.max-parallelism: 499 is below vertex.min-parallelism; write 500 or more"
    );
    assert!(verdict.vertices.is_empty());
}
