//! Subtasks that are too many: how long they are kept, and in how many steps they are given back.

use std::{collections::BTreeMap, time::Duration};

use flink_scaler::{
    History, Settings, ShipStrategy, Situation, VertexReason, Window,
    history::{Change, Outcome, Scaling, Watch},
    settings::{Mode, Profile},
    simulate::{Load, Model},
    step,
};
use jiff::SignedDuration;

use super::{HOUR, job, run_with, slots};
use crate::support::{Job, at, id, of, vertex};

fn without(part: &str) -> Settings {
    Settings {
        adaptive_without: vec![part.to_owned()],
        ..Settings::default()
    }
}

/// The slots after each rescale of a job of 8 under this load.
fn steps(settings: &Settings, load: Load, hours: f64) -> Vec<(f64, u32)> {
    let model = job(load, [1, 4, 8]);
    let run = run_with(settings, Profile::Adaptive, model, hours * HOUR);
    let rescales = run.rescales.iter();
    rescales.map(|r| (r.second, slots(r))).collect()
}

#[test]
fn a_vertex_that_was_seen_at_work_gives_back_at_once_what_it_can_do_without() {
    // 2400/s keep 8 subtasks 60 % busy, then there are 120/s.
    let load = || Load::steps(&[(0.0, 2400.0), (HOUR, 120.0)]);
    let at_once = steps(&Settings::default(), load(), 4.0);
    let in_steps = steps(&without("at-once"), load(), 4.0);
    let to = |steps: &[(f64, u32)]| steps.iter().map(|(_, to)| *to).collect::<Vec<u32>>();
    assert_eq!(to(&at_once), [1]);
    assert_eq!(to(&in_steps), [4, 2, 1]);
    let set = Settings {
        scale_down_max_factor: Some(0.6),
        ..Settings::default()
    };
    assert_eq!(to(&steps(&set, load(), 4.0)), [4, 2, 1]);
}

#[test]
fn of_a_vertex_that_was_never_seen_at_work_a_first_step_is_asked_for() {
    // Never busier than 10 %: what a subtask can do when it is full is a guess.
    let steps = steps(&Settings::default(), Load::constant(400.0), 3.0);
    assert!(steps[0].1 >= 4, "{steps:?}");
    assert!(steps.last().unwrap().1 <= 2, "{steps:?}");
}

#[test]
fn idle_subtasks_are_given_back_before_a_rescale_was_ever_measured() {
    let steps = steps(&Settings::default(), Load::constant(400.0), 3.0);
    // Readings of most of a window are needed in any case.
    assert!(steps[0].0 < 20.0 * 60.0, "{steps:?}");
}

/// For how many seconds 8 subtasks of 100/s are kept that are asked for so much, after rescales of a minute each.
fn kept(rate: f64, changes: &[(i64, u32, u32)]) -> i64 {
    let settings = Settings {
        mode: Some(Mode::Auto),
        metrics_window: Duration::from_secs(10),
        stabilization_interval: Some(Duration::ZERO),
        scale_down_max_factor: Some(1.0),
        ..Settings::default()
    };
    let scaling = |(second, from, to): &(i64, u32, u32)| Scaling {
        at: at(*second),
        vertices: BTreeMap::from([(
            id("v"),
            Change {
                from: *from,
                to: *to,
                true_rate: None,
                expected_rate: None,
                target_rate: None,
            },
        )]),
        outcome: Outcome::Seen {
            restart: Some(SignedDuration::from_mins(1)),
            stood: None,
        },
        watch: Watch::default(),
    };
    let history = History {
        scalings: changes.iter().map(scaling).collect(),
        ..History::default()
    };
    let job = Job::new(vec![(
        vertex("v", 8, ShipStrategy::Forward, &[]),
        rate,
        800.0,
    )]);
    let mut window = Window::new(SignedDuration::from_hours(1));
    (-5..=0).for_each(|n| window.push(job.sample(2 * n, -1000)));
    let situation = Situation::running(at(0), at(-1000));
    let verdict = step(&settings, &job.graph, &window, &history, &situation);
    match of(&verdict, "v").reason {
        VertexReason::ScaleDownDelayed { until } => until.as_second() - at(0).as_second(),
        _ => panic!("{verdict}"),
    }
}

#[test]
fn the_more_is_wasted_the_sooner_it_is_given_back() {
    let up = [(-9000, 4, 8)];
    // 4 of 8 are needed: 30 minutes of them are as much as 30 minutes of the others.
    assert_eq!(kept(270.0, &up), 30 * 60);
    // Of 2 they are as much as 10 minutes of the other 6.
    assert_eq!(kept(130.0, &up), 10 * 60);
}

#[test]
fn only_what_was_soon_needed_again_was_a_mistake() {
    let again = |after: i64| kept(270.0, &[(-9000, 8, 4), (-9000 + after, 4, 8)]);
    assert_eq!(again(20 * 60), 60 * 60, "4 subtasks for 20 minutes");
    assert_eq!(again(40 * 60), 30 * 60, "4 subtasks for 40 minutes");
}

#[test]
fn nothing_is_taken_away_while_the_load_rises() {
    // From a fifth to all and back in an hour and a half, again and again.
    let load = || Load::wave(480.0, 2400.0, 1.5 * HOUR);
    let risen = |settings: &Settings| {
        let model = Model {
            provisioning: 30.0,
            ..job(load(), [1, 4, 8])
        };
        let run = run_with(settings, Profile::Adaptive, model, 8.0 * HOUR);
        let total = |subtasks: &[u32]| subtasks.iter().sum::<u32>();
        let downs = run
            .rescales
            .iter()
            .filter(|r| total(&r.to) < total(&r.from));
        let rises = |second: f64| load().mean(second) / load().mean(second - 300.0) > 1.1;
        downs.map(|down| rises(down.second)).collect::<Vec<bool>>()
    };
    let (with, without) = (risen(&Settings::default()), risen(&without("trend")));
    assert!(!with.is_empty() && !with.contains(&true), "{with:?}");
    assert!(without.contains(&true), "{without:?}");
}
