use proptest::prelude::*;

use super::*;
use crate::{sample::VertexReading, units::Rate};

/// The series of readings at these seconds.
fn series(readings: &[(i64, VertexReading)]) -> Series {
    let first = readings.first().map_or(0, |(second, _)| *second);
    let second = |at: i64| f64::from(i32::try_from(at - first).unwrap());
    let mut series = SeriesBuilder::new(readings.len());
    for (at, reading) in readings {
        series.push(second(*at), reading);
    }
    series.finish()
}

/// A reading with counters: records, busy, idle and backpressured milliseconds, of two subtasks.
fn counters(records: f64, busy: f64, idle: f64, backpressured: f64) -> VertexReading {
    VertexReading {
        parallelism: 2,
        records_in: Some(records),
        accumulated_busy_ms: Some(busy),
        accumulated_idle_ms: Some(idle),
        accumulated_backpressured_ms: Some(backpressured),
        ..VertexReading::default()
    }
}

fn records(records_in: Option<f64>) -> VertexReading {
    VertexReading {
        parallelism: 1,
        records_in,
        ..VertexReading::default()
    }
}

#[test]
fn the_tasks_clock_counts_not_the_samples() {
    // The example of the documentation; the second sample came a second late.
    let series = series(&[
        (0, counters(500.0, 1000.0, 800.0, 200.0)),
        (4, counters(2500.0, 5000.0, 1600.0, 1400.0)),
    ]);
    assert!((series.means().read.unwrap().get() - 2000.0 / 3.0).abs() < 1e-9);
    assert!((series.means().busy.unwrap().get() - 2.0 / 3.0).abs() < 1e-9);
    assert!((series.means().backpressured.unwrap().get() - 0.2).abs() < 1e-9);
}

#[test]
fn a_queue_rises_where_its_slope_is_beyond_doubt() {
    // The example of the documentation, and the same queue in another order.
    let rising = [(0.0, 0.0), (10.0, 30.0), (20.0, 110.0), (30.0, 120.0)];
    assert!(rises(&rising, 0.9) && !rises(&rising, 0.99));
    let unsteady = [(0.0, 30.0), (10.0, 120.0), (20.0, 0.0), (30.0, 110.0)];
    assert!(!rises(&unsteady, 0.9));
    let falling = [(0.0, 90.0), (10.0, 60.0), (20.0, 30.0), (30.0, 0.0)];
    assert!(!rises(&falling, 0.9));
    let few = [(0.0, 0.0), (10.0, 10.0), (20.0, 20.0)];
    assert!(!rises(&few, 0.9));
}

#[test]
fn a_clock_of_tasks_that_cannot_be_right_is_not_used() {
    let series = series(&[
        (0, counters(0.0, 0.0, 0.0, 0.0)),
        (10, counters(100.0, 100.0, 0.0, 0.0)),
    ]);
    assert_eq!(series.means().read, Rate::new(10.0));
}

#[test]
fn readings_that_flink_has_not_refreshed_tell_nothing() {
    // Refreshed every 10 s, sampled every 4 s: 100 records/s.
    let readings: Vec<_> = (0..=10)
        .map(|n| {
            (
                n * 4,
                records(Some(f64::from(i32::try_from(n * 4 / 10 * 1000).unwrap()))),
            )
        })
        .collect();
    let series = series(&readings);
    // Changes show at 12, 20, 32, 40; the first reading is of unknown age.
    assert_eq!(series.means().read, Rate::new(3000.0 / 28.0));
    assert_eq!(series.intervals.len(), 3);
}

#[test]
fn c27_to_c29_rates_are_of_what_was_read() {
    let rate = |values: &[Option<f64>]| {
        let readings: Vec<_> = (1..).zip(values).map(|(t, v)| (t, records(*v))).collect();
        series(&readings).means().read
    };
    assert_eq!(rate(&[None, Some(10.0), Some(20.0)]), Rate::new(10.0));
    assert_eq!(rate(&[Some(10.0)]), None);
    assert_eq!(rate(&[None, None, None]), None);
}

#[test]
fn a_counter_that_runs_backwards_ends_the_interval_only() {
    let readings = [100.0, 200.0, 300.0, 10.0, 110.0].map(|value| records(Some(value)));
    let readings: Vec<_> = (0..).zip(readings).collect();
    assert_eq!(series(&readings).means().read, Rate::new(100.0));
}

#[test]
fn what_is_not_a_number_is_left_out() {
    for absurd in [f64::NAN, f64::INFINITY, -5.0] {
        let readings = [Some(0.0), Some(absurd), Some(200.0), Some(300.0)].map(records);
        let readings: Vec<_> = (0..).zip(readings).collect();
        assert_eq!(series(&readings).means().read, Rate::new(100.0), "{absurd}");
    }
}

#[test]
fn nothing_moving_is_a_rate_of_zero_by_the_tasks_clock() {
    let series = series(&[
        (0, counters(500.0, 0.0, 0.0, 0.0)),
        (5, counters(500.0, 0.0, 10_000.0, 0.0)),
    ]);
    assert_eq!(series.means().read, Some(Rate::ZERO));
    assert_eq!(series.means().idle, Some(Ratio::ONE));
}

#[test]
fn skew_is_the_busiest_over_the_mean_and_unknown_when_little_is_done() {
    let with = |max, avg| VertexReading {
        parallelism: 4,
        busy_ms_per_s: Some(max),
        busy_avg_ms_per_s: Some(avg),
        ..VertexReading::default()
    };
    let of = |max, avg| series(&[(0, with(max, avg)), (1, with(max, avg))]).skew;
    assert!((of(900.0, 600.0) - 1.5).abs() < 1e-9);
    assert!((of(40.0, 10.0) - 1.0).abs() < 1e-9);
    assert!((of(900.0, f64::NAN) - 1.0).abs() < 1e-9);
    assert!((of(900.0, 100.0) - 4.0).abs() < 1e-9);
}

#[test]
fn the_half_width_is_that_of_the_documentation() {
    let width = relative_half_width(&[10.0, 12.0, 11.0, 9.0], 0.9)
        .unwrap()
        .get();
    assert!((width - 0.1007).abs() < 1e-3, "{width}");
    assert_eq!(
        relative_half_width(&[5.0, 5.0, 5.0], 0.99),
        Some(Ratio::ZERO)
    );
    assert_eq!(relative_half_width(&[5.0], 0.9), None);
    assert_eq!(relative_half_width(&[0.0, 0.0], 0.9), None);
}

#[test]
fn values_that_follow_each_other_are_worth_less() {
    let alternating = relative_half_width(&[9.0, 11.0, 9.0, 11.0, 9.0, 11.0, 9.0, 11.0], 0.9);
    let drifting = relative_half_width(&[9.0, 9.0, 9.0, 9.0, 11.0, 11.0, 11.0, 11.0], 0.9);
    assert!(drifting > alternating);
}

#[test]
fn the_newest_level_begins_at_the_change() {
    assert_eq!(newest_level(&[100.0, 104.0, 98.0, 401.0, 396.0, 405.0]), 3);
    assert_eq!(
        newest_level(&[100.0, 100.0, 400.0, 400.0, 400.0, 100.0, 100.0]),
        5
    );
    assert_eq!(newest_level(&[100.0, 104.0, 98.0, 110.0, 95.0]), 0);
    // One value alone is no level yet.
    assert_eq!(newest_level(&[100.0, 101.0, 100.0, 99.0, 400.0]), 0);
    // A quarter more is within what a load may do.
    assert_eq!(newest_level(&[100.0, 100.0, 100.0, 120.0, 120.0, 120.0]), 0);
    assert_eq!(newest_level(&[0.0, 0.0, 0.0, 0.0]), 0);
    assert_eq!(newest_level(&[]), 0);
}

proptest! {
    #[test]
    fn no_readings_make_a_series_panic_or_leave_the_numbers(
        values in proptest::collection::vec(proptest::option::of(any::<f64>()), 0..12),
        parallelism in 0u32..5,
    ) {
        let readings: Vec<_> = (0..)
            .zip(&values)
            .map(|(t, value)| {
                let mut reading = counters(1.0, 1.0, 1.0, 1.0);
                (reading.parallelism, reading.records_in, reading.accumulated_busy_ms) = (parallelism, *value, *value);
                (reading.pending_records, reading.busy_ms_per_s, reading.busy_avg_ms_per_s) = (*value, *value, *value);
                (t, reading)
            })
            .collect();
        let series = series(&readings);
        prop_assert!(series.skew.is_finite() && series.skew >= 1.0);
        prop_assert!(series.span().is_finite());
        let finite: Vec<f64> = values.iter().flatten().copied().filter(|v| v.is_finite()).collect();
        let _ = (newest_level(&finite), relative_half_width(&finite, 0.9));
    }

    #[test]
    fn a_rate_is_that_of_the_counter(rate in 0.1f64..1e6, step in 1u32..30) {
        let readings: Vec<_> = (0..6u32).map(|n| (i64::from(n * step), records(Some(rate * f64::from(n * step))))).collect();
        let measured = series(&readings).means().read.unwrap().get();
        prop_assert!((measured / rate - 1.0).abs() < 1e-9);
    }
}
