//! A rescale that did harm is taken back once, and not tried again.

use std::collections::BTreeMap;

use flink_scaler::{
    Action, Block, History, Limit, Rate, Reason, Settings, ShipStrategy, Situation, VertexReason,
    Window,
    history::{Change, Flow, Outcome, Scaling, Watch},
    settings::{Mode, Profile},
    simulate::{Load, Model, Stage, run::Run},
    step,
    store::{history_from_json, history_to_json},
};
use jiff::SignedDuration;

use crate::support::{Job, at, id, of, short, vertex};

fn whole() -> Settings {
    Settings {
        mode: Some(Mode::Auto),
        ..Settings::default()
    }
}

fn without_going_back() -> Settings {
    Settings {
        adaptive_without: vec!["roll-back".to_owned()],
        ..whole()
    }
}

/// A stage that does 1600/s with four subtasks and half of that with eight, where 2400/s come.
fn worse_with_more() -> Model {
    Model {
        stages: vec![
            Stage::source("source", 10_000.0),
            Stage {
                ship: ShipStrategy::Hash,
                max_parallelism: 720,
                parallelism: 4,
                measured: vec![(4, 400.0), (8, 100.0)],
                ..Stage::reading("keyed", 1.0, vec![0])
            },
        ],
        loads: BTreeMap::from([(0, Load::constant(2400.0).noisy(0.05, 3))]),
        restart: 15.0,
        ..Model::default()
    }
}

fn run(settings: Settings, hours: i64) -> Run {
    let mut run = Run::new(
        worse_with_more(),
        settings,
        SignedDuration::from_secs(10),
        at(0),
    );
    run.go(SignedDuration::from_hours(hours));
    run
}

#[test]
fn w28_a_rescale_after_which_less_is_read_is_taken_back_once() {
    let without = run(without_going_back(), 1);
    let keyed = |run: &Run| run.job.parallelism()[1];
    assert!(keyed(&without) >= 6, "{:?}", without.rescales);
    let with = run(whole(), 1);
    let [up, back] = &with.rescales[..] else {
        panic!("{:?}", with.rescales)
    };
    assert!(up.to[1] > 4 && back.to[1] == 4, "{:?}", with.rescales);
    let Reason::RollBack { why } = &back.reason else {
        panic!("{:?}", back.reason)
    };
    assert!(why.starts_with("the sources read "), "{why}");
    let verdict = with.verdict.unwrap();
    assert!(
        matches!(verdict.action, Action::Hold(Reason::AfterRollBack { .. })),
        "{verdict}"
    );
    assert!(
        verdict.to_string().contains("nothing is changed until"),
        "{verdict}"
    );
}

#[test]
fn what_failed_is_not_tried_again_when_the_freeze_is_over() {
    let run = run(whole(), 3);
    let failed = run.rescales[0].to[1];
    assert!(
        run.rescales[1..]
            .iter()
            .all(|rescale| rescale.to[1] < failed),
        "{:?}",
        run.rescales
    );
    let verdict = run.verdict.unwrap();
    assert_eq!(verdict.history.failed.len(), 1);
}

/// Each stage keeps its promises; the load rises to the fourfold, and falls again so many seconds later.
fn risen_for(seconds: f64) -> Model {
    Model {
        stages: vec![
            Stage::source("source", 10_000.0),
            Stage {
                ship: ShipStrategy::Hash,
                max_parallelism: 720,
                ..Stage::reading("keyed", 300.0, vec![0])
            },
        ],
        loads: BTreeMap::from([(
            0,
            Load::steps(&[(0.0, 200.0), (300.0, 900.0), (300.0 + seconds, 200.0)]).noisy(0.05, 3),
        )]),
        restart: 10.0,
        ..Model::default()
    }
}

#[test]
fn less_that_is_read_because_less_comes_is_no_reason_to_go_back() {
    for seconds in (30..300).step_by(10) {
        let mut run = Run::new(
            risen_for(f64::from(seconds)),
            short(),
            SignedDuration::from_secs(10),
            at(0),
        );
        run.go(SignedDuration::from_mins(20));
        let back = |reason: &Reason| matches!(reason, Reason::RollBack { .. });
        let backs: Vec<_> = run
            .rescales
            .iter()
            .filter(|one| back(&one.reason))
            .collect();
        assert!(backs.is_empty(), "risen for {seconds} s: {backs:?}");
        assert!(run.rescales.len() > 1, "{:?}", run.rescales);
    }
}

/// A history in which the vertex has just gone from one parallelism to another, with so many starts since.
fn rescaled(from: u32, to: u32, restarts: u32) -> History {
    let change = Change {
        from,
        to,
        true_rate: Rate::new(100.0),
        expected_rate: None,
        target_rate: None,
    };
    History {
        scalings: vec![Scaling {
            at: at(-600),
            vertices: BTreeMap::from([(id("v"), change)]),
            outcome: Outcome::Seen {
                restart: None,
                stood: None,
            },
            watch: Watch {
                before: Some(Flow {
                    read: Rate::new(10.0).unwrap(),
                    asked: Rate::new(10.0).unwrap(),
                }),
                started: Some(at(-500)),
                restarts,
                back: false,
            },
        }],
        ..History::default()
    }
}

fn busy(subtasks: u32) -> Job {
    Job::new(vec![(
        vertex("v", subtasks, ShipStrategy::Forward, &[]),
        60.0,
        100.0,
    )])
}

#[test]
fn a_job_that_does_not_stand_a_rescale_goes_back_even_before_it_is_stable() {
    let job = busy(8);
    for (starts_before, goes_back) in [(1, false), (2, true)] {
        // The job has just started once more.
        let history = rescaled(4, 8, starts_before);
        let mut window = Window::new(SignedDuration::from_hours(1));
        window.push(job.sample(-2, -5));
        let situation = Situation::running(at(0), at(-5));
        let verdict = step(&whole(), &job.graph, &window, &history, &situation);
        assert_eq!(
            matches!(verdict.action, Action::Scale { .. }),
            goes_back,
            "{verdict}"
        );
        if goes_back {
            assert_eq!(of(&verdict, "v").reason, VertexReason::TakenBack);
            assert_eq!(verdict.recommended(), BTreeMap::from([(id("v"), 4)]));
            assert_eq!(
                verdict.headline(),
                "rescale v 8 -> 4: the last rescale is taken back: the job has started 3 times by itself since"
            );
        }
    }
}

/// The verdict on a job that is short of memory, a minute of readings.
fn short_of_memory(profile: Profile, history: &History, now: i64) -> flink_scaler::Verdict {
    let settings = Settings {
        profile,
        heap_usage_threshold: 0.9,
        metrics_window: std::time::Duration::from_mins(10),
        stabilization_interval: Some(std::time::Duration::from_mins(1)),
        ..whole()
    };
    let job = busy(4);
    let mut window = Window::new(SignedDuration::from_hours(1));
    for n in 0..90 {
        let mut sample = job.sample(now - 890 + n * 10, -500);
        sample.heap_used_ratio = Some(0.97);
        window.push(sample);
    }
    let situation = Situation::running(at(now), at(-500));
    step(&settings, &job.graph, &window, history, &situation)
}

#[test]
fn w28_short_memory_after_a_scale_down_leads_back_and_not_to_a_standstill() {
    let pressed = |verdict: &flink_scaler::Verdict| {
        let block = verdict.blocked_by.first();
        matches!(block, Some(Block::MemoryPressure { .. }))
            && matches!(
                verdict.action,
                Action::Hold(Reason::Blocked(_) | Reason::Balanced | Reason::WithinBand)
            )
    };
    let down = rescaled(8, 4, 0);
    let apache = short_of_memory(Profile::Apache, &down, 1000);
    assert!(pressed(&apache), "{apache}");
    let adaptive = short_of_memory(Profile::Adaptive, &down, 1000);
    assert_eq!(adaptive.recommended(), BTreeMap::from([(id("v"), 8)]));
    assert!(
        matches!(adaptive.action, Action::Scale { .. }),
        "{adaptive}"
    );
    // After a scale-up it is no reason to go back.
    let up = short_of_memory(Profile::Adaptive, &rescaled(2, 4, 0), 1000);
    assert!(pressed(&up), "{up}");
}

#[test]
fn what_failed_outlives_a_restart_of_the_operator() {
    let taken_back = short_of_memory(Profile::Adaptive, &rescaled(8, 4, 0), 1000);
    let restored = history_from_json(&history_to_json(&taken_back.history)).value;
    assert_eq!(restored, taken_back.history);
    assert_eq!(
        restored.failed[0].vertices,
        BTreeMap::from([(id("v"), (8, 4))])
    );
    assert!(restored.last().unwrap().watch.back);
    // The job has 8 again and little to do; but 4 failed.
    let job = Job::new(vec![(
        vertex("v", 8, ShipStrategy::Forward, &[]),
        10.0,
        100.0,
    )]);
    let look = |second: i64| {
        let mut window = Window::new(SignedDuration::from_hours(1));
        for n in 0..90 {
            window.push(job.sample(second - 890 + n * 10, 1100));
        }
        let situation = Situation::running(at(second), at(1100));
        let settings = Settings {
            scale_down_interval: Some(std::time::Duration::ZERO),
            ..whole()
        };
        step(&settings, &job.graph, &window, &restored, &situation)
    };
    let frozen = look(3000);
    let Action::Hold(Reason::AfterRollBack { until, .. }) = &frozen.action else {
        panic!("{frozen}")
    };
    assert_eq!(*until, at(1000 + 3600));
    let later = look(5000);
    assert_eq!(of(&later, "v").target, 5, "{later}");
    assert_eq!(of(&later, "v").limit, Some(Limit::Failed(4)));
}

#[test]
fn a_second_larger_step_is_tried_once_and_taken_back_if_it_brings_nothing() {
    let mut model = worse_with_more();
    model.stages[1].measured.clear();
    model.stages[1].per_subtask = 400.0;
    model.stages[1].ceiling = Some(1600.0);
    let with = |settings| {
        let mut run = Run::new(
            model.clone(),
            settings,
            SignedDuration::from_secs(10),
            at(0),
        );
        run.go(SignedDuration::from_hours(1));
        run
    };
    let run = with(whole());
    let [first, second, back] = &run.rescales[..] else {
        panic!("{:?}", run.rescales)
    };
    assert!(second.to[1] > first.to[1], "{:?}", run.rescales);
    assert!(second.to[1] <= 2 * first.to[1], "{:?}", run.rescales);
    assert_eq!(back.to[1], first.to[1]);
    assert_eq!(
        back.reason.to_string(),
        "the last rescale is taken back: keyed does no more than with fewer subtasks, tried twice"
    );
    let once = with(Settings {
        adaptive_without: vec!["second-try".to_owned()],
        ..whole()
    });
    assert_eq!(once.rescales.len(), 1, "{:?}", once.rescales);
}
