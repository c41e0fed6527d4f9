//! Figures of profile `apache`, by the rows of its published behaviour.

use std::time::Duration;

use flink_scaler::{
    Capacity, JobGraph, Rate, Sample, Settings, ShipStrategy, VertexReading, Window,
    evaluate::{
        Evaluation,
        apache::{by_busy_time, choose, evaluate, observed_now},
    },
    settings::BusyTime,
};
use jiff::SignedDuration;

use crate::support::{apache, at, id, vertex};

fn limited(rate: f64) -> Capacity {
    Capacity::Limited(Rate::new(rate).unwrap())
}

fn reading() -> VertexReading {
    VertexReading {
        parallelism: 1,
        ..VertexReading::default()
    }
}

fn graph() -> JobGraph {
    JobGraph {
        vertices: vec![
            vertex("source", 1, ShipStrategy::Forward, &[]),
            vertex("sink", 1, ShipStrategy::Rebalance, &["source"]),
        ],
    }
}

/// The evaluation of source and sink, read once a second.
fn evaluated(settings: &Settings, samples: &[(VertexReading, VertexReading)]) -> Evaluation {
    let mut window = Window::new(SignedDuration::from_hours(1));
    let mut now = at(0);
    for (second, (source, sink)) in (1..).zip(samples) {
        now = at(second);
        let mut sample = Sample::at(now);
        sample.vertices.insert(id("source"), source.clone());
        sample.vertices.insert(id("sink"), sink.clone());
        window.push(sample);
    }
    evaluate(settings, &graph().topology().unwrap(), &window, now)
}

fn lagging(records_in: f64, records_out: f64, busy: f64, lag: f64) -> VertexReading {
    VertexReading {
        records_in: Some(records_in),
        records_out: Some(records_out),
        busy_ms_per_s: Some(busy),
        pending_records: Some(lag),
        ..reading()
    }
}

fn sink(records_in: f64, busy: f64) -> VertexReading {
    VertexReading {
        records_in: Some(records_in),
        busy_ms_per_s: Some(busy),
        ..reading()
    }
}

#[test]
fn c1_to_c5_what_waits_adds_to_the_target_and_to_catching_up() {
    let growing = [
        (lagging(0.0, 0.0, 800.0, 950.0), sink(0.0, 400.0)),
        (lagging(100.0, 200.0, 600.0, 1000.0), sink(200.0, 300.0)),
    ];
    let steady = [
        (lagging(100.0, 200.0, 600.0, 0.0), sink(200.0, 300.0)),
        (lagging(200.0, 400.0, 600.0, 0.0), sink(400.0, 300.0)),
    ];
    for (row, catch_up, samples, source, sink) in [
        ("C1", 2, &growing, (150.0, 500.0), (300.0, 1000.0)),
        ("C2", 1, &growing, (150.0, 1000.0), (300.0, 2000.0)),
        ("C4", 0, &growing, (150.0, 0.0), (300.0, 0.0)),
        ("C5", 60, &steady, (100.0, 0.0), (200.0, 0.0)),
    ] {
        let settings = Settings {
            catch_up_duration: Duration::from_secs(catch_up),
            metrics_window: Duration::from_mins(1),
            ..apache()
        };
        let evaluation = evaluated(&settings, samples);
        for (vertex, (target, catch_up)) in evaluation.vertices.iter().zip([source, sink]) {
            assert_eq!(vertex.target_rate, Rate::new(target), "{row}");
            assert_eq!(Some(vertex.catch_up), Rate::new(catch_up), "{row}");
        }
        if row == "C1" {
            assert!((evaluation.vertices[0].utilization.unwrap().get() - 0.7).abs() < 1e-9);
            assert!((evaluation.vertices[1].utilization.unwrap().get() - 0.35).abs() < 1e-9);
            assert_eq!(
                evaluation.vertices[0].lag.map(flink_scaler::Records::get),
                Some(1000.0)
            );
            assert_eq!(evaluation.vertices[1].lag, None);
        }
    }
}

#[test]
fn c15_to_c17_a_backlog_is_a_matter_of_time_not_of_records() {
    for (row, records, lag, expected) in [
        ("C15", 100.0, Some(0.0), false),
        ("C16", 100.0, None, false),
        ("C17", 200.0, Some(250.0 * 300.0), true),
    ] {
        let source = |records, pending_records| VertexReading {
            pending_records,
            ..lagging(records, records, 500.0, 0.0)
        };
        let samples = [
            (source(0.0, lag.map(|_| 0.0)), sink(0.0, 100.0)),
            (source(records, lag), sink(records, 100.0)),
        ];
        assert_eq!(evaluated(&apache(), &samples).backlog, expected, "{row}");
    }
}

#[test]
fn c19_to_c26_busy_time_yields_to_what_was_observed() {
    let settings = |switch| Settings {
        observed_rate_switch_threshold: switch,
        ..apache()
    };
    let seen = Some(limited(300.0));
    for (row, busy_ms, rate, observed, switch, expected) in [
        (
            "C19",
            Some(100.0),
            Some(35.0),
            seen,
            0.2,
            Some(limited(350.0)),
        ),
        ("switched", Some(100.0), Some(35.0), seen, 0.1, seen),
        (
            "C21",
            Some(100.0),
            Some(35.0),
            None,
            0.1,
            Some(limited(350.0)),
        ),
        (
            "C22",
            Some(100.0),
            Some(35.0),
            None,
            0.15,
            Some(limited(350.0)),
        ),
        (
            "C23",
            Some(0.0),
            Some(100.0),
            None,
            0.15,
            Some(Capacity::Unlimited),
        ),
        (
            "C24",
            Some(0.0),
            Some(0.0),
            None,
            0.15,
            Some(Capacity::Unlimited),
        ),
        (
            "C24",
            Some(1.0),
            Some(0.0),
            None,
            0.15,
            Some(Capacity::Unlimited),
        ),
        (
            "C24",
            None,
            Some(0.0),
            None,
            0.15,
            Some(Capacity::Unlimited),
        ),
        ("C25", None, None, None, 0.15, None),
        ("C26", None, Some(1.0), seen, 0.15, seen),
    ] {
        let busy = by_busy_time(rate, busy_ms.map(|ms: f64| ms / 1000.0));
        let chosen = choose(&settings(switch), busy, observed);
        match (chosen, expected) {
            (Some(Capacity::Limited(a)), Some(Capacity::Limited(b))) => {
                assert!((a.get() - b.get()).abs() < 1e-6, "{row}: {a} {b}");
            }
            _ => assert_eq!(chosen, expected, "{row}"),
        }
    }
}

#[test]
fn c30_to_c34_rate_and_busy_time_are_those_of_the_aggregator() {
    let samples = |metered: bool| {
        [
            (0.0, 10_000.0, 40.0, 200.0),
            (100.0, 10_200.0, 60.0, 300.0),
            (200.0, 10_400.0, 50.0, 400.0),
        ]
        .map(|(records, accumulated, per_second, busy)| {
            let reading = VertexReading {
                records_in: Some(records),
                accumulated_busy_ms: Some(accumulated),
                busy_ms_per_s: Some(busy),
                busy_min_ms_per_s: Some(busy),
                records_in_per_second: metered.then_some(per_second),
                ..reading()
            };
            (lagging(records, records, busy, 0.0), reading)
        })
    };
    let figures = |busy_time, metered| {
        let settings = Settings {
            busy_time,
            metrics_window: Duration::from_mins(1),
            ..apache()
        };
        let sink = evaluated(&settings, &samples(metered)).vertices[1].clone();
        (
            sink.utilization.unwrap().get(),
            sink.capacity.unwrap().rate().unwrap().get(),
        )
    };
    for (row, busy_time, metered, busy, rate) in [
        ("C30 C33", BusyTime::Max, true, 0.3, 50.0),
        ("C30 C33", BusyTime::Min, true, 0.3, 50.0),
        ("C32", BusyTime::Max, false, 0.3, 100.0),
        ("C34", BusyTime::Avg, true, 0.2, 100.0),
    ] {
        let (measured, capacity) = figures(busy_time, metered);
        assert!((measured - busy).abs() < 1e-9, "{row}: {measured}");
        assert!((capacity - rate / busy).abs() < 1e-6, "{row}: {capacity}");
    }
}

#[test]
fn c39_to_c44_a_source_shows_its_capacity_while_it_catches_up() {
    let before = || Some(limited(123.0));
    let source = |lag: f64, rate: f64, held: f64| VertexReading {
        pending_records: Some(lag),
        records_in_per_second: Some(rate),
        backpressured_ms_per_s: Some(held),
        ..reading()
    };
    for (row, lag, rate, held, expected) in [
        ("C39", 500.0, 1000.0, 0.0, limited(123.0)),
        ("C40", 1e7, 900.0, 100.0, limited(1000.0)),
        ("C41", 1e7, 900.0, 90.0, limited(900.0 / 0.91)),
        ("C43", 1e7, 0.0, 0.0, Capacity::Unlimited),
        ("C44", 1e7, 500.0, 0.0, limited(500.0)),
        ("C44", 1e7, 250.0, 750.0, limited(1000.0)),
        // Held back all the time it shows nothing.
        ("C44", 1e7, 100.0, 1000.0, limited(123.0)),
    ] {
        assert_eq!(
            observed_now(&apache(), &source(lag, rate, held), before),
            Some(expected),
            "{row}"
        );
    }
}

#[test]
fn c45_observations_are_averaged_over_the_window() {
    let source = |lag: f64, held: f64, second: f64| VertexReading {
        records_in: Some(500.0 * second),
        records_in_per_second: Some(500.0),
        backpressured_ms_per_s: Some(held),
        pending_records: Some(lag),
        ..reading()
    };
    let samples = [(1e6, 600.0), (0.0, 0.0), (1e5, 500.0), (0.0, 0.0)];
    let samples: Vec<_> = (0..)
        .zip(samples)
        .map(|(n, (lag, held))| {
            (
                source(lag, held, f64::from(n)),
                sink(500.0 * f64::from(n), 500.0),
            )
        })
        .collect();
    let settings = Settings {
        metrics_window: Duration::from_mins(1),
        ..apache()
    };
    assert_eq!(
        evaluated(&settings, &samples).vertices[0].capacity,
        Some(limited(1125.0))
    );
}

#[test]
fn c47_without_busy_time_a_vertex_is_left_alone_and_says_so() {
    let legacy = |records| VertexReading {
        busy_ms_per_s: Some(f64::NAN),
        ..lagging(records, records, 0.0, 0.0)
    };
    let samples = [
        (legacy(0.0), sink(0.0, 100.0)),
        (legacy(100.0), sink(100.0, 100.0)),
    ];
    let evaluation = evaluated(&apache(), &samples);
    assert_eq!(
        evaluation.vertices[0].missing,
        Some(flink_scaler::Missing::BusyTime)
    );
    assert_eq!(evaluation.vertices[1].missing, None);
}
