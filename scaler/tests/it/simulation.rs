//! The scaler on the model of a job: it gets where it should, stays there, and comes back.

use std::{collections::BTreeMap, time::Duration};

use flink_scaler::{
    Action, Limit, Reason, Settings, ShipStrategy, VertexReason,
    settings::{Mode, Profile},
    simulate::{
        Job, Load, Model, Stage,
        run::{Rescale, Run},
    },
};
use jiff::SignedDuration;

use crate::support::{at, id, of, short};

/// A source with 8 partitions that costs next to nothing, a map of 1 ms and a keyed stage of 2 ms a record.
fn pipeline(load: Load) -> Model {
    Model {
        stages: vec![
            Stage {
                partitions: Some(8),
                ..Stage::source("source", 10_000.0)
            },
            Stage::reading("map", 1000.0, vec![0]),
            Stage {
                ship: ShipStrategy::Hash,
                max_parallelism: 24,
                ..Stage::reading("keyed", 500.0, vec![1])
            },
        ],
        loads: BTreeMap::from([(0, load)]),
        refresh: 2.0,
        ..Model::default()
    }
}

/// 300/s, four times that from second 120 to 420, and 300/s again.
fn up_and_down() -> Load {
    Load::steps(&[(0.0, 300.0), (120.0, 1200.0), (420.0, 300.0)])
}

fn go(model: Model, settings: Settings, every: i64, seconds: i64) -> Run {
    let mut run = Run::new(model, settings, SignedDuration::from_secs(every), at(0));
    run.go(SignedDuration::from_secs(seconds));
    run
}

fn between(run: &Run, from: f64, to: f64) -> Vec<&Rescale> {
    run.rescales
        .iter()
        .filter(|rescale| rescale.second >= from && rescale.second < to)
        .collect()
}

#[test]
fn four_times_the_load_is_met_in_one_step_and_given_back() {
    let run = go(pipeline(up_and_down()), short(), 2, 720);
    let up = between(&run, 0.0, 420.0);
    let [only] = up[..] else {
        panic!("{:?}", run.rescales)
    };
    // 1200 * 0.001 / 0.7 is 1.7 and 1200 * 0.002 / 0.7 is 3.4.
    assert_eq!(only.to, [1, 2, 4]);
    assert!(only.second <= 140.0, "{only:?}");
    let down = between(&run, 420.0, 720.0);
    assert!(
        down.len() <= 2 && down.iter().all(|rescale| rescale.second <= 480.0),
        "{:?}",
        run.rescales
    );
    assert_eq!(run.job.parallelism(), [1, 1, 1]);
    assert!(run.job.waiting() < 1.0);
}

#[test]
fn slow_reports_and_slow_restarts_cost_time_not_wrong_steps() {
    let slow_reports = Model {
        refresh: 10.0,
        ..pipeline(up_and_down())
    };
    let slow_restarts = Model {
        restart: 30.0,
        replays: 10.0,
        ..pipeline(up_and_down())
    };
    let patient = Settings {
        catch_up_duration: Duration::from_mins(5),
        ..short()
    };
    for (name, model) in [("reports", slow_reports), ("restarts", slow_restarts)] {
        let run = go(model, patient.clone(), 5, 900);
        let up = between(&run, 0.0, 420.0);
        let [only] = up[..] else {
            panic!("{name} {:?}", run.rescales)
        };
        assert!(
            only.second <= 150.0 && only.to == [1, 2, 4],
            "{name} {only:?}"
        );
        assert_eq!(
            run.job.parallelism()[..2],
            [1, 1],
            "{name} {:?}",
            run.rescales
        );
    }
}

#[test]
fn production_settings_answer_a_step_within_a_minute_and_take_their_time_to_come_down() {
    let load = Load::steps(&[(0.0, 300.0), (3600.0, 1200.0), (7200.0, 300.0)]).noisy(0.1, 9);
    let model = Model {
        refresh: 10.0,
        restart: 20.0,
        ..pipeline(load)
    };
    let run = go(
        model,
        Settings {
            mode: Some(Mode::Auto),
            ..Settings::default()
        },
        15,
        20_000,
    );
    let up = between(&run, 0.0, 7200.0);
    let [only] = up[..] else {
        panic!("{:?}", run.rescales)
    };
    assert!(only.second <= 3690.0 && only.to == [1, 2, 4], "{only:?}");
    let first_down = run.rescales.get(1).unwrap();
    assert!(
        first_down.second >= 7200.0 + 300.0 && first_down.second <= 7200.0 + 3600.0,
        "less must have been enough for as long as a rescale is worth: {first_down:?}"
    );
    assert_eq!(run.job.parallelism(), [1, 1, 1]);
}

#[test]
fn steady_noise_leads_to_no_flapping() {
    for seed in 0..3 {
        for (settings, every) in [
            (short(), 2),
            (
                Settings {
                    mode: Some(Mode::Auto),
                    ..Settings::default()
                },
                10,
            ),
        ] {
            let load = Load::constant(900.0).noisy(0.15, seed);
            let mut model = pipeline(load);
            for (stage, parallelism) in model.stages.iter_mut().zip([1, 2, 3]) {
                stage.parallelism = parallelism;
            }
            let run = go(model, settings, every, 2400);
            assert!(run.rescales.len() <= 1, "seed {seed}: {:?}", run.rescales);
        }
    }
}

#[test]
fn a_wave_is_followed_without_detours() {
    let settings = Settings {
        scale_down_interval: Some(Duration::from_secs(30)),
        ..short()
    };
    let run = go(
        pipeline(Load::wave(200.0, 1000.0, 600.0)),
        settings,
        2,
        3600,
    );
    // Up and down once a wave: neither a vertex that goes up at once down again, nor the other way round.
    let totals: Vec<u32> = run
        .rescales
        .iter()
        .map(|rescale| rescale.to.iter().sum())
        .collect();
    let turns = totals
        .windows(3)
        .filter(|t| (t[1] > t[0]) != (t[2] > t[1]))
        .count();
    assert!(turns <= 12, "{:?}", run.rescales);
    assert!(run.rescales.len() <= 30, "{:?}", run.rescales);
}

#[test]
fn a_source_that_does_not_say_what_waits_is_freed_step_by_step() {
    let load = Load::steps(&[(0.0, 300.0), (120.0, 2400.0)]);
    let model = Model {
        keeps: false,
        ..pipeline(load)
    };
    let run = go(model, short(), 2, 420);
    let reached = run.job.parallelism();
    // 2400 * 0.002 / 0.85 is 5.6; twice what is right would be 14.
    assert!(
        (6..=14).contains(&reached[2]) && (3..=7).contains(&reached[1]),
        "{:?}",
        run.rescales
    );
    assert!(run.rescales.len() <= 4, "{:?}", run.rescales);
    let last = run.verdict.unwrap();
    assert!(
        of(&last, "source").backpressure.unwrap().get() < 0.05,
        "{last}"
    );
}

#[test]
fn what_does_not_scale_is_tried_once_and_upstream_is_not_scaled_in_vain() {
    let mut model = pipeline(Load::constant(1200.0));
    model.stages[2].ceiling = Some(700.0);
    let run = go(model, short(), 2, 1800);
    assert_eq!(run.rescales.len(), 1, "{:?}", run.rescales);
    let verdict = run.verdict.unwrap();
    assert!(
        matches!(
            of(&verdict, "keyed").reason,
            VertexReason::AtLimit(Limit::Contention(4))
        ),
        "{verdict}"
    );
    assert!(
        matches!(verdict.action, Action::Hold(Reason::CannotScale { .. })),
        "{verdict}"
    );
}

#[test]
fn a_backlog_is_worked_off_and_the_subtasks_for_it_are_given_back() {
    // Ten minutes of nothing read: 300 000 records.
    let mut model = pipeline(Load::steps(&[(0.0, 300_000.0), (1.0, 500.0)]));
    model.stages[2].parallelism = 2;
    let settings = Settings {
        catch_up_duration: Duration::from_mins(5),
        ..short()
    };
    let run = go(model, settings, 2, 1800);
    let most = run.rescales.iter().map(|rescale| rescale.to[2]).max();
    assert!(most >= Some(3), "{:?}", run.rescales);
    assert!(run.job.waiting() < 1000.0);
    // 500 * 0.002 / 0.7 is 1.4; one more may remain inside the band.
    assert!(run.job.parallelism()[2] <= 3, "{:?}", run.rescales);
}

#[test]
fn profile_apache_gets_there_once_its_meters_have_settled() {
    // Flink's meters look back a minute, and this profile believes them: with the short settings it flaps.
    let hasty = Settings {
        profile: Profile::Apache,
        ..short()
    };
    let settled = Settings {
        stabilization_interval: Some(Duration::from_mins(1)),
        metrics_window: Duration::from_mins(2),
        ..hasty.clone()
    };
    let load = || Load::steps(&[(0.0, 300.0), (600.0, 1200.0)]);
    let hasty = go(pipeline(load()), hasty, 2, 1800);
    let settled = go(pipeline(load()), settled, 2, 1800);
    let ours = go(pipeline(load()), short(), 2, 1800);
    assert_eq!(ours.rescales.len(), 1, "{:?}", ours.rescales);
    assert!(hasty.rescales.len() > 4, "{:?}", hasty.rescales);
    assert!(settled.rescales.len() <= 4, "{:?}", settled.rescales);
    let keyed = settled.job.parallelism()[2];
    assert!(
        (3..=6).contains(&keyed) && settled.job.waiting() < 1.0,
        "{:?}",
        settled.rescales
    );
}

#[test]
fn the_model_counts_as_flink_does() {
    let run = go(
        pipeline(Load::constant(800.0)),
        Settings::default(),
        10,
        300,
    );
    let sample = run.job.sample().unwrap();
    let keyed = sample.vertices.values().next().unwrap();
    let total = |r: &flink_scaler::VertexReading| {
        r.accumulated_busy_ms.unwrap()
            + r.accumulated_idle_ms.unwrap()
            + r.accumulated_backpressured_ms.unwrap()
    };
    // The three shares of time add up, the bottleneck is busy, what it cannot take waits outside.
    assert!((total(keyed) - 300_000.0).abs() < 1000.0);
    assert!(keyed.busy_ms_per_s.unwrap() > 990.0);
    assert!(
        (run.job.waiting() - 300.0 * 300.0).abs() < 2000.0,
        "{}",
        run.job.waiting()
    );
}

#[test]
fn what_fits_into_buffers_does_not_wait_outside_until_they_are_full_and_is_read_again_after_a_restart()
 {
    let mut model = pipeline(Load::constant(900.0));
    model.stages[2].buffer = Some(4000.0);
    model.replays = 0.0;
    let mut job = Job::new(model, at(0));
    // The keyed stage does 500/s, so that 400/s pile up.
    job.pass(SignedDuration::from_secs(9));
    assert!(job.waiting() < 100.0, "{}", job.waiting());
    job.pass(SignedDuration::from_secs(11));
    let waits = job.waiting();
    assert!((3000.0..5000.0).contains(&waits), "{waits}");
    job.rescale(&BTreeMap::from([(id("keyed"), 2)]));
    let reread = job.waiting() - waits;
    assert!((3900.0..5000.0).contains(&reread), "{reread}");
}
