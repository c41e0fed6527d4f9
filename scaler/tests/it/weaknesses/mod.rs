//! What the Java autoscaler's arithmetic is known to do wrong, each on a job of the simulation: first what profile
//! `apache` does, then what `adaptive` does instead.

mod limits;
mod readings;
mod spare;

use std::collections::BTreeMap;

use flink_scaler::{
    Limit, Settings, ShipStrategy, VertexReason,
    settings::{Mode, Profile},
    simulate::{
        Keys, Load, Model, Stage,
        run::{Rescale, Run},
    },
};
use jiff::SignedDuration;

use crate::support::{at, of};

const HOUR: f64 = 3600.0;

/// A source of 24 partitions, a map of 1 ms and a keyed stage of 2 ms a record, and how they are at the beginning.
fn job(load: Load, parallelism: [u32; 3]) -> Model {
    let mut stages = vec![
        Stage {
            partitions: Some(24),
            ..Stage::source("source", 10_000.0)
        },
        Stage::reading("map", 1000.0, vec![0]),
        Stage {
            ship: ShipStrategy::Hash,
            max_parallelism: 120,
            ..Stage::reading("keyed", 500.0, vec![1])
        },
    ];
    for (stage, parallelism) in stages.iter_mut().zip(parallelism) {
        stage.parallelism = parallelism;
    }
    Model {
        stages,
        loads: BTreeMap::from([(0, load.noisy(0.05, 3))]),
        restart: 15.0,
        replays: 15.0,
        ..Model::default()
    }
}

fn run(profile: Profile, model: Model, seconds: f64) -> Run {
    run_with(&Settings::default(), profile, model, seconds)
}

fn run_with(settings: &Settings, profile: Profile, model: Model, seconds: f64) -> Run {
    let settings = Settings {
        mode: Some(Mode::Auto),
        profile,
        ..settings.clone()
    };
    let mut run = Run::new(model, settings, SignedDuration::from_secs(10), at(0));
    run.go(SignedDuration::try_from_secs_f64(seconds).unwrap());
    run
}

/// The same job under both profiles.
fn both(model: &Model, seconds: f64) -> (Run, Run) {
    let apache = run(Profile::Apache, model.clone(), seconds);
    (apache, run(Profile::Adaptive, model.clone(), seconds))
}

/// The same job under both profiles with the same settings.
fn both_with(settings: &Settings, model: &Model, seconds: f64) -> (Run, Run) {
    let under = |profile| run_with(settings, profile, model.clone(), seconds);
    (under(Profile::Apache), under(Profile::Adaptive))
}

/// Seconds from this one to the first rescale after it.
fn answered(run: &Run, second: f64) -> f64 {
    let first = run.rescales.iter().find(|rescale| rescale.second >= second);
    first.map_or(f64::INFINITY, |rescale| rescale.second - second)
}

fn most(run: &Run, vertex: usize) -> u32 {
    let largest = run.rescales.iter().map(|rescale| rescale.to[vertex]).max();
    largest.unwrap_or(run.job.parallelism()[vertex])
}

fn slots(rescale: &Rescale) -> u32 {
    rescale.to.iter().copied().max().unwrap()
}

#[test]
fn w1_it_acts_before_a_vertex_is_full() {
    // 93 % busy: nothing waits yet.
    let model = job(Load::constant(930.0), [1, 2, 2]);
    let (apache, adaptive) = both(&model, HOUR);
    assert_eq!(apache.job.parallelism()[2], 2, "{:?}", apache.rescales);
    assert!(
        adaptive.job.parallelism()[2] >= 3,
        "{:?}",
        adaptive.rescales
    );
}

#[test]
fn w2_a_step_is_answered_within_two_minutes_not_a_quarter_of_an_hour() {
    let model = job(Load::steps(&[(0.0, 600.0), (HOUR, 2400.0)]), [1, 1, 2]);
    let (apache, adaptive) = both(&model, 2.0 * HOUR);
    // 2400 * 0.002 is 4.8.
    let carried = |run: &Run| {
        let mut ups = run.rescales.iter().filter(|rescale| rescale.second > HOUR);
        let first = ups.find(|rescale| rescale.to[2] >= 5);
        first.map_or(f64::INFINITY, |rescale| rescale.second - HOUR)
    };
    assert!(carried(&apache) > 900.0, "{:?}", apache.rescales);
    assert!(carried(&adaptive) <= 120.0, "{:?}", adaptive.rescales);
}

#[test]
fn w3_a_source_that_does_not_say_what_waits_is_not_taken_at_its_throttled_rate() {
    let model = Model {
        tells: false,
        ..job(Load::steps(&[(0.0, 600.0), (HOUR, 2400.0)]), [1, 1, 2])
    };
    let (apache, adaptive) = both(&model, 2.0 * HOUR);
    assert!(apache.job.lag_seconds() > 600.0, "{:?}", apache.rescales);
    assert!(adaptive.job.lag_seconds() < 5.0, "{:?}", adaptive.rescales);
}

#[test]
fn w5_records_that_can_never_be_read_are_no_reason_to_scale() {
    let model = Model {
        stuck: 1_000_000.0,
        ..job(Load::constant(900.0), [1, 2, 3])
    };
    let (apache, adaptive) = both(&model, 2.0 * HOUR);
    assert!(most(&apache, 0) > 4, "{:?}", apache.rescales);
    assert_eq!(most(&adaptive, 0), 1, "{:?}", adaptive.rescales);
}

#[test]
fn w6_what_each_subtask_costs_the_others_is_learned() {
    let mut model = job(Load::steps(&[(0.0, 600.0), (HOUR, 3000.0)]), [1, 2, 2]);
    model.stages[2].contention = 0.05;
    let adaptive = run(Profile::Adaptive, model, 2.0 * HOUR);
    let ups = adaptive
        .rescales
        .iter()
        .filter(|rescale| rescale.second > HOUR && slots(rescale) > 2);
    assert!(ups.count() <= 2, "{:?}", adaptive.rescales);
    assert!(adaptive.job.lag_seconds() < 1.0);
}

#[test]
fn w7_upstream_of_a_vertex_that_takes_no_more_nothing_is_scaled_in_vain() {
    let mut model = job(Load::constant(1800.0), [1, 2, 4]);
    model.stages[2].ceiling = Some(900.0);
    let (apache, adaptive) = both(&model, 2.0 * HOUR);
    assert!(
        most(&apache, 1) + most(&apache, 2) > 20,
        "{:?}",
        apache.rescales
    );
    assert!(
        adaptive.rescales.len() <= 3 && most(&adaptive, 1) <= 3 && most(&adaptive, 2) <= 30,
        "{:?}",
        adaptive.rescales
    );
}

#[test]
fn w8_a_vertex_that_waits_for_answers_is_full_before_it_is_busy() {
    let mut model = job(Load::steps(&[(0.0, 600.0), (HOUR, 2400.0)]), [1, 3, 2]);
    model.stages[2].busy_share = 0.25;
    let (apache, adaptive) = both(&model, 2.0 * HOUR);
    assert!(apache.job.lag_seconds() > 600.0, "{:?}", apache.rescales);
    assert!(adaptive.job.lag_seconds() < 5.0, "{:?}", adaptive.rescales);
}

#[test]
fn w9_one_key_that_has_much_is_diagnosed_and_not_chased() {
    let mut model = job(Load::constant(2400.0), [1, 4, 4]);
    model.stages[2].keys = Keys::Hot(0.3);
    let (apache, adaptive) = both(&model, 2.0 * HOUR);
    assert!(most(&apache, 2) >= 20, "{:?}", apache.rescales);
    assert!(most(&adaptive, 2) <= 12, "{:?}", adaptive.rescales);
    let verdict = adaptive.verdict.unwrap();
    let keyed = of(&verdict, "keyed");
    assert!(
        matches!(keyed.limit, Some(Limit::HotKey { percent: 15..=45 })),
        "{verdict}"
    );
}

#[test]
fn w10_w11_subtasks_for_a_backlog_go_when_it_is_gone() {
    let model = Model {
        backlog: 900.0 * HOUR,
        ..job(Load::constant(900.0), [1, 2, 3])
    };
    let (apache, adaptive) = both(&model, 3.0 * HOUR);
    let given_back = |run: &Run| {
        let down = run
            .rescales
            .windows(2)
            .find(|pair| slots(&pair[1]) < slots(&pair[0]));
        down.map_or(f64::INFINITY, |pair| pair[1].second)
    };
    assert!(
        given_back(&adaptive) < given_back(&apache),
        "{:?} {:?}",
        adaptive.rescales,
        apache.rescales
    );
}

#[test]
fn w12_a_load_that_rises_is_met_before_it_is_there() {
    let ramp = Load {
        ramps: true,
        ..Load::steps(&[(0.0, 600.0), (HOUR, 600.0), (2.0 * HOUR, 3000.0)])
    };
    let (apache, adaptive) = both(&job(ramp, [1, 2, 2]), 2.0 * HOUR);
    let late = |run: &Run| run.job.lag_seconds();
    assert!(late(&adaptive) < 5.0, "{:?}", adaptive.rescales);
    assert!(answered(&adaptive, HOUR) < answered(&apache, HOUR));
}

#[test]
fn w13_a_rescale_without_effect_is_not_repeated() {
    let mut model = job(Load::constant(1800.0), [1, 2, 2]);
    model.stages[2].ceiling = Some(900.0);
    let (apache, adaptive) = both(&model, 3.0 * HOUR);
    assert!(
        apache.rescales.len() > adaptive.rescales.len(),
        "{:?}",
        adaptive.rescales
    );
    let verdict = adaptive.verdict.unwrap();
    assert!(
        matches!(
            of(&verdict, "keyed").reason,
            VertexReason::Ineffective { .. } | VertexReason::AtLimit(Limit::Contention(_))
        ),
        "{verdict}"
    );
}

#[test]
fn w25_a_source_never_has_more_subtasks_than_partitions() {
    let mut model = job(Load::constant(9000.0), [4, 4, 8]);
    model.stages[0].per_subtask = 200.0;
    for run in [
        run(Profile::Apache, model.clone(), HOUR),
        run(Profile::Adaptive, model, HOUR),
    ] {
        assert_eq!(most(&run, 0), 24, "{:?}", run.rescales);
    }
}

#[test]
fn w24_a_load_that_flaps_causes_no_storm_of_rescales() {
    // Two loads in turn, five minutes each, of which three subtasks carry the one and five the other.
    let turns = (0..36).map(|n| {
        (
            f64::from(n) * 300.0,
            if n % 2 == 0 { 900.0 } else { 1600.0 },
        )
    });
    let steps: Vec<(f64, f64)> = turns.collect();
    let (apache, adaptive) = both(&job(Load::steps(&steps), [1, 2, 3]), 3.0 * HOUR);
    // The mean of a quarter of an hour knows of neither: each of the larger leaves the job behind.
    assert!(apache.rescales.is_empty(), "{:?}", apache.rescales);
    assert!(apache.job.lag_seconds() > 10.0);
    // Room is made once, and kept for as long as it will be needed again.
    assert_eq!(adaptive.rescales.len(), 1, "{:?}", adaptive.rescales);
    assert!(adaptive.job.lag_seconds() < 5.0);
}
