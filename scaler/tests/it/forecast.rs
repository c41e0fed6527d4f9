//! A load that comes again at the same hour every day, and one that does not.

use std::collections::BTreeMap;

use flink_scaler::{
    Settings, ShipStrategy, VertexReason,
    settings::Mode,
    simulate::{Load, Model, Stage, run::Run},
};
use jiff::SignedDuration;

use crate::support::at;

const HOUR: f64 = 3600.0;

/// A job with this load.
fn run(load: Load, without: &[&str]) -> Run {
    let model = Model {
        stages: vec![
            Stage::source("source", 10_000.0),
            Stage {
                ship: ShipStrategy::Hash,
                parallelism: 2,
                ..Stage::reading("keyed", 500.0, vec![0])
            },
        ],
        loads: BTreeMap::from([(0, load.noisy(0.05, 3))]),
        restart: 15.0,
        replays: 15.0,
        provisioning: 30.0,
        ..Model::default()
    };
    let settings = Settings {
        mode: Some(Mode::Auto),
        adaptive_without: without.iter().map(|part| (*part).to_owned()).collect(),
        ..Settings::default()
    };
    Run::new(model, settings, SignedDuration::from_secs(20), at(0))
}

/// Three times as much from hour 8 to 18 of each day.
fn office() -> Load {
    Load {
        repeats: Some(24.0 * HOUR),
        ..Load::steps(&[(0.0, 600.0), (8.0 * HOUR, 1800.0), (18.0 * HOUR, 600.0)])
    }
}

#[test]
fn on_the_third_day_the_job_is_ready_when_the_load_comes() {
    // The third day's eight o'clock is hour 56: what was foretold shortly before, and the most that waits after it.
    let (mut as_it_is, mut without) = (run(office(), &[]), run(office(), &["forecast"]));
    as_it_is.go(SignedDuration::from_mins(56 * 60 - 10));
    without.go(SignedDuration::from_hours(56));
    let mut foretold = false;
    for _ in 0..30 {
        as_it_is.go(SignedDuration::from_secs(20));
        let mut vertices = as_it_is
            .verdict
            .iter()
            .flat_map(|verdict| &verdict.vertices);
        foretold |= vertices.any(|v| matches!(v.reason, VertexReason::Forecast { .. }));
    }
    let longest = |run: &mut Run| {
        let looks = (0..30).map(|_| {
            run.go(SignedDuration::from_secs(20));
            run.job.lag_seconds()
        });
        looks.fold(0.0, f64::max)
    };
    let (ready, late) = (longest(&mut as_it_is), longest(&mut without));
    assert!(foretold);
    assert!(ready < 2.0 && late > 40.0, "{ready} {late}");
}

#[test]
fn a_load_that_wanders_is_never_foretold() {
    // Each hour up or down by some, in an order that does not repeat.
    let mut level = 1000.0;
    let steps: Vec<(f64, f64)> = (0..60_u32)
        .map(|hour| {
            level *= [1.2, 0.9, 1.1, 0.8, 1.25, 0.85, 1.05][(hour * hour % 97 % 7) as usize];
            level = f64::clamp(level, 300.0, 3000.0);
            (f64::from(hour) * HOUR, level)
        })
        .collect();
    let rescales = |without: &[&str]| {
        let mut run = run(Load::steps(&steps), without);
        run.go(SignedDuration::from_hours(60));
        run.rescales
    };
    assert_eq!(rescales(&[]), rescales(&["forecast"]));
}
