//! Readings that say something else than they seem to: meters after a start, pauses, windows that fire rarely, a load
//! that is being worked off, little work, a rescale that does not show yet.

use std::{collections::BTreeMap, time::Duration};

use flink_scaler::{
    Action, Block, History, JobGraph, Rate, Reason, Sample, Settings, ShipStrategy, Situation,
    Verdict, VertexReading, Window,
    curve::Point,
    history::Outcome,
    settings::{Mode, Profile},
    simulate::{Fault, Load, Model, Stage, run::Rescale},
    step,
};
use jiff::SignedDuration;

use super::{HOUR, both_with, job, most, run_with, slots};
use crate::support::{Job, at, id, of, vertex};

/// Settings of a user who wants it to react fast.
fn fast() -> Settings {
    Settings {
        stabilization_interval: Some(Duration::from_mins(1)),
        metrics_window: Duration::from_mins(3),
        scale_down_interval: Some(Duration::from_mins(10)),
        ..Settings::default()
    }
}

#[test]
fn w4_meters_that_look_back_a_minute_are_not_believed_after_a_start() {
    let hasty = Settings {
        stabilization_interval: Some(Duration::from_secs(10)),
        metrics_window: Duration::from_secs(30),
        scale_down_interval: Some(Duration::ZERO),
        ..Settings::default()
    };
    let model = job(Load::constant(2000.0), [1, 1, 2]);
    let (apache, adaptive) = both_with(&hasty, &model, HOUR / 2.0);
    assert!(
        apache.rescales.len() > 10 && most(&apache, 2) > 12,
        "{:?}",
        apache.rescales
    );
    assert_eq!(adaptive.rescales.len(), 1, "{:?}", adaptive.rescales);
    assert_eq!(adaptive.job.parallelism(), [1, 3, 6]);
}

#[test]
fn w14_a_pause_is_no_change_of_what_a_vertex_can_do() {
    let pauses = (1..4).map(|n| Fault::Slow {
        at: f64::from(n) * 1500.0,
        lasts: 45.0,
        stage: 2,
        to: 0.1,
    });
    let model = Model {
        faults: pauses.collect(),
        ..job(Load::constant(900.0), [1, 2, 3])
    };
    let tight = Settings {
        utilization_max: Some(0.8),
        utilization_min: Some(0.5),
        ..fast()
    };
    let (apache, adaptive) = both_with(&tight, &model, 1.5 * HOUR);
    assert!(apache.rescales.len() >= 5, "{:?}", apache.rescales);
    assert_eq!(adaptive.rescales, []);
}

#[test]
fn w19_behind_a_window_that_fires_rarely_there_are_steps_and_no_leaps() {
    let mut model = job(Load::constant(900.0), [1, 2, 4]);
    model.stages[1].fires_every = Some(300.0);
    let (apache, adaptive) = both_with(&fast(), &model, 2.0 * HOUR);
    // What arrives at the keyed stage is nothing for minutes and then all at once.
    assert!(
        apache.rescales.len() >= 4 && most(&apache, 0) >= 8,
        "{:?}",
        apache.rescales
    );
    assert!(
        adaptive.rescales.len() <= 4 && most(&adaptive, 2) <= 12 && most(&adaptive, 0) == 1,
        "{:?}",
        adaptive.rescales
    );
}

#[test]
fn w26_a_vertex_that_is_full_is_not_scaled_down_because_little_seems_to_come() {
    // 350 000 records at 1500/s are gone after four minutes; as fast as what waits shrinks, nothing seems to come.
    let model = Model {
        backlog: 350_000.0,
        ..job(Load::constant(50.0), [1, 2, 3])
    };
    let fast = Settings {
        metrics_window: Duration::from_mins(2),
        stabilization_interval: Some(Duration::from_secs(30)),
        scale_down_interval: Some(Duration::ZERO),
        utilization_target: 0.4,
        ..Settings::default()
    };
    let (apache, adaptive) = both_with(&fast, &model, HOUR / 4.0);
    let first = |run: &flink_scaler::simulate::run::Run| run.rescales[0].second;
    assert!(first(&apache) < 200.0, "{:?}", apache.rescales);
    assert!(first(&adaptive) > 240.0, "{:?}", adaptive.rescales);
    assert_eq!(adaptive.job.parallelism(), [1, 1, 1]);
}

/// The verdict on a vertex of 8 subtasks that showed 1000/s when it was full, and reads 400/s at 10 % busy: 4000/s.
fn with_little_to_do(profile: Profile, remembers: bool) -> Verdict {
    let mut history = History::default();
    if remembers {
        history.curves.entry(id("v")).or_default().observe(Point {
            at: at(-3600),
            parallelism: 8,
            capacity: Rate::new(1000.0).unwrap(),
        });
    }
    let graph = JobGraph {
        vertices: vec![vertex("v", 8, ShipStrategy::Forward, &[])],
    };
    let mut window = Window::new(SignedDuration::from_hours(1));
    for n in 0..13 {
        let passed = f64::from(n) * 10.0;
        let mut sample = Sample::at(at(i64::from(n) * 10));
        sample.job_running_since = Some(at(-1000));
        let reading = VertexReading {
            parallelism: 8,
            records_in: Some(400.0 * passed),
            busy_ms_per_s: Some(100.0),
            busy_avg_ms_per_s: Some(100.0),
            accumulated_busy_ms: Some(800.0 * passed),
            accumulated_idle_ms: Some(7200.0 * passed),
            accumulated_backpressured_ms: Some(0.0),
            ..VertexReading::default()
        };
        sample.vertices.insert(id("v"), reading);
        window.push(sample);
    }
    let settings = Settings {
        mode: Some(Mode::Auto),
        profile,
        scale_down_max_factor: Some(1.0),
        scale_down_interval: Some(Duration::ZERO),
        metrics_window: Duration::from_mins(2),
        catch_up_duration: Duration::ZERO,
        stabilization_interval: Some(Duration::ZERO),
        ..Settings::default()
    };
    let situation = Situation::running(at(120), at(-1000));
    step(&settings, &graph, &window, &history, &situation)
}

#[test]
fn w27_what_a_vertex_seems_able_to_do_while_it_has_little_to_do_is_half_believed() {
    // 400/s need 571/s: of 4000/s for 8 that are 2 subtasks, of 2000/s 3.
    let targets = |remembers| {
        [Profile::Apache, Profile::Adaptive]
            .map(|profile| of(&with_little_to_do(profile, remembers), "v").target)
    };
    assert_eq!(targets(false), [2, 2]);
    assert_eq!(targets(true), [2, 3]);
}

#[test]
fn w23_p3_a_rescale_is_decided_once_and_what_is_read_before_it_shows_is_no_news() {
    for profile in [Profile::Apache, Profile::Adaptive] {
        let job = |subtasks, capacity| {
            let v = vertex("v", subtasks, ShipStrategy::Forward, &[]);
            Job::new(vec![(v, 200.0, capacity)])
        };
        let settings = Settings {
            profile,
            mode: Some(Mode::Auto),
            metrics_window: Duration::from_secs(10),
            stabilization_interval: Some(Duration::ZERO),
            ..Settings::default()
        };
        let look = |job: &Job, graph: &JobGraph, history: &History, second: i64, since: i64| {
            let mut window = Window::new(SignedDuration::from_hours(1));
            for back in (0..=5).rev() {
                window.push(job.sample(second - 2 * back, since));
            }
            let situation = Situation::running(at(second), at(since));
            step(&settings, graph, &window, history, &situation)
        };
        let before = job(2, 100.0);
        let first = look(&before, &before.graph, &History::default(), 0, -1000);
        let Action::Scale { overrides, .. } = &first.action else {
            panic!("{profile}: {first}")
        };
        let after = job(overrides[&id("v")], 400.0);
        // 3 s later details and metrics are still of the old graph, 17 s later the metrics are.
        for (second, graph) in [(3, &before.graph), (17, &after.graph)] {
            let verdict = look(&before, graph, &first.history, second, -1000);
            assert!(
                matches!(
                    verdict.action,
                    Action::Hold(Reason::Blocked(Block::AwaitingRescale { .. }))
                ),
                "{profile}: {verdict}"
            );
            assert_eq!(verdict.history.scalings, first.history.scalings);
        }
        let seen = look(&after, &after.graph, &first.history, 40, 20);
        assert!(matches!(seen.action, Action::Hold(_)), "{profile}: {seen}");
        let restart = Some(SignedDuration::from_secs(20));
        let outcomes: BTreeMap<_, _> = seen
            .history
            .scalings
            .iter()
            .map(|scaling| (scaling.at, scaling.outcome))
            .collect();
        assert_eq!(
            outcomes,
            BTreeMap::from([(
                at(0),
                Outcome::Seen {
                    restart,
                    stood: None
                }
            )])
        );
    }
}

#[test]
fn a_vertex_with_cold_caches_is_not_scaled_up_again_for_what_it_does_before_they_are_warm() {
    let stage = |name: &str, rate: f64, from: usize| Stage {
        parallelism: 2,
        jitter: 0.05,
        ..Stage::reading(name, rate, vec![from])
    };
    let source = Stage {
        partitions: Some(48),
        parallelism: 2,
        ..Stage::source("source", 8000.0)
    };
    let keyed = Stage {
        ship: ShipStrategy::Hash,
        max_parallelism: 120,
        contention: 0.01,
        parallelism: 3,
        ..stage("keyed", 1500.0, 1)
    };
    let load = Load::steps(&[(0.0, 3000.0), (HOUR, 7500.0)]);
    let model = Model {
        stages: vec![source, stage("map", 3000.0, 0), keyed],
        loads: BTreeMap::from([(0, load.noisy(0.1, 3))]),
        restart: 180.0,
        replays: 60.0,
        warm_up: 300.0,
        ..Model::default()
    };
    let ups = |without: &[&str]| {
        let settings = Settings {
            adaptive_without: without.iter().map(|part| (*part).to_owned()).collect(),
            ..Settings::default()
        };
        let run = run_with(&settings, Profile::Adaptive, model.clone(), 2.0 * HOUR);
        let up = |rescale: &&Rescale| rescale.second > HOUR && slots(rescale) > 3;
        run.rescales
            .iter()
            .filter(up)
            .map(slots)
            .collect::<Vec<u32>>()
    };
    let (waits, hurries) = (ups(&[]), ups(&["warm-up"]));
    assert_eq!(waits.len(), 1, "{waits:?}");
    assert!(
        hurries.iter().max() > waits.iter().max(),
        "{hurries:?} {waits:?}"
    );
}
