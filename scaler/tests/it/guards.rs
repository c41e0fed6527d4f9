//! Vetoes and refusals: when nothing is done, and what is said then.

use std::collections::BTreeMap;

use flink_scaler::{
    Action, Block, CheckpointHealth, Frozen, GraphError, History, JobGraph, Mode, PendingRescale,
    Reason, Settings, ShipStrategy, Situation, Verdict, VertexReason, Window,
    history::{Change, Outcome, Scaling, Watch},
    step,
};
use jiff::SignedDuration;

use crate::support::{Job, apache, at, id, of, vertex};

/// A vertex that needs twice what it has.
fn job() -> Job {
    Job::new(vec![(
        vertex("v", 2, ShipStrategy::Forward, &[]),
        200.0,
        100.0,
    )])
}

fn calm() -> Situation {
    Situation::running(at(0), at(-1000))
}

fn verdict(situation: &Situation) -> Verdict {
    let job = job();
    step(
        &apache(),
        &job.graph,
        &job.window(0),
        &History::default(),
        situation,
    )
}

fn scales(verdict: &Verdict) -> bool {
    matches!(verdict.action, Action::Scale { .. })
}

#[test]
fn an_undisturbed_job_is_rescaled() {
    let verdict = verdict(&calm());
    assert_eq!(
        verdict.action,
        Action::Scale {
            overrides: BTreeMap::from([(id("v"), 6)]),
            reason: Reason::OutsideBand { up: 1, down: 0 }
        }
    );
    assert_eq!(verdict.blocked_by, []);
    let scaling = verdict.history.last().unwrap();
    assert_eq!((scaling.at, scaling.outcome), (at(0), Outcome::Open));
    assert_eq!(
        (
            scaling.vertices[&id("v")].from,
            scaling.vertices[&id("v")].to
        ),
        (2, 6)
    );
}

#[test]
fn every_disturbance_forbids_to_rescale() {
    let change = |edit: fn(&mut Situation)| {
        let mut situation = calm();
        edit(&mut situation);
        verdict(&situation)
    };
    for (block, verdict) in [
        (Block::NotRunning, change(|s| s.job_state_running = false)),
        (
            Block::TasksNotRunning,
            change(|s| s.all_tasks_running = false),
        ),
        (Block::Restarting, change(|s| s.restarting = true)),
        (
            Block::ChangeInProgress("upgrade".to_owned()),
            change(|s| s.change_in_progress = Some("upgrade".to_owned())),
        ),
        (
            Block::CheckpointsFailing("3 in a row".to_owned()),
            change(|s| s.checkpoints_ok = CheckpointHealth::Failing("3 in a row".to_owned())),
        ),
        (
            Block::CheckpointsUnknown("timed out".to_owned()),
            change(|s| s.checkpoints_ok = CheckpointHealth::Unknown("timed out".to_owned())),
        ),
        (
            Block::Stale {
                age: SignedDuration::from_secs(90),
            },
            change(|s| s.now = at(90)),
        ),
        (
            Block::ClockWentBack {
                ahead: SignedDuration::from_secs(60),
            },
            change(|s| s.now = at(-60)),
        ),
    ] {
        assert!(verdict.blocked_by.contains(&block), "{block}: {verdict}");
        assert!(
            matches!(verdict.action, Action::Hold(Reason::Blocked(_))),
            "{verdict}"
        );
        assert!(verdict.history.scalings.is_empty());
        assert_eq!(verdict.vertices.len(), 1, "the vertices are still reported");
    }
}

#[test]
fn what_is_frozen_or_scaled_by_another_is_measured_and_recommended_for_but_left_alone() {
    let until = at(3600);
    let frozen = Frozen {
        text: "frozen by me".to_owned(),
        until: Some(until),
    };
    let both = verdict(&Situation {
        frozen: Some(frozen),
        conflict: Some("another scales it".to_owned()),
        ..calm()
    });
    assert_eq!(both.action.word(), "Frozen");
    assert_eq!(
        both.headline(),
        "no rescale: frozen by me (recommended: v 2 -> 6)"
    );
    assert_eq!(both.blocked_by.len(), 2, "{both}");
    assert!(both.history.scalings.is_empty());
    assert_eq!(both.recommended(), BTreeMap::from([(id("v"), 6)]));
    let Action::Hold(reason) = &both.action else {
        panic!("{both}")
    };
    assert_eq!(reason.until(), Some(until));
    let conflict = verdict(&Situation {
        conflict: Some("another scales it".to_owned()),
        ..calm()
    });
    assert_eq!(conflict.action.word(), "Conflict");
}

#[test]
fn jobs_without_checkpoints_are_rescaled() {
    assert!(scales(&verdict(&Situation {
        checkpoints_ok: CheckpointHealth::Disabled,
        ..calm()
    })));
}

#[test]
fn all_vetoes_are_named_not_only_the_first() {
    let situation = Situation {
        change_in_progress: Some("savepoint".to_owned()),
        checkpoints_ok: CheckpointHealth::Failing("often".to_owned()),
        ..calm()
    };
    assert_eq!(verdict(&situation).blocked_by.len(), 2);
}

#[test]
fn an_unknown_start_is_not_a_long_run() {
    let mut job = job();
    let mut window = Window::new(SignedDuration::from_hours(1));
    for second in [-1, 0] {
        let mut sample = job.sample(second, -1000);
        sample.job_running_since = None;
        window.push(sample);
    }
    let situation = Situation {
        running_since: None,
        ..calm()
    };
    let verdict = step(
        &apache(),
        &job.graph,
        &window,
        &History::default(),
        &situation,
    );
    assert_eq!(verdict.blocked_by, [Block::StartUnknown]);
    // Whichever of the two is later counts.
    job.graph.vertices[0].parallelism = 2;
    let settings = Settings {
        stabilization_interval: Some(std::time::Duration::from_mins(1)),
        ..apache()
    };
    let situation = Situation {
        running_since: Some(at(-30)),
        ..calm()
    };
    let verdict = step(
        &settings,
        &job.graph,
        &job.window(0),
        &History::default(),
        &situation,
    );
    assert_eq!(verdict.blocked_by, [Block::Stabilizing { until: at(30) }]);
    assert_eq!(verdict.next_evaluation, at(30));
}

fn open(second: i64, to: u32) -> History {
    let change = Change {
        from: 2,
        to,
        true_rate: None,
        expected_rate: None,
        target_rate: None,
    };
    let scaling = Scaling {
        at: at(second),
        vertices: BTreeMap::from([(id("v"), change)]),
        outcome: Outcome::Open,
        watch: Watch::default(),
    };
    History {
        scalings: vec![scaling],
        ..History::default()
    }
}

#[test]
fn one_decision_per_effect() {
    let job = job();
    let decide = |history: &History, now: i64| {
        let situation = Situation {
            now: at(now),
            ..calm()
        };
        step(&apache(), &job.graph, &job.window(now), history, &situation)
    };
    // Rescaled to 5 seventeen seconds ago, and the readings still show 2.
    let verdict = decide(&open(-17, 5), 0);
    let awaiting = Block::AwaitingRescale {
        vertex: id("v"),
        target: 5,
        seen: Some(2),
        since: at(-17),
    };
    assert_eq!(verdict.blocked_by, [awaiting]);
    assert_eq!(verdict.history, open(-17, 5));
    // It shows: what became of it is noted, and the next one is free.
    let verdict = decide(&open(-17, 2), 0);
    assert!(scales(&verdict), "{verdict}");
    assert_eq!(
        verdict.history.scalings[0].outcome,
        Outcome::Seen {
            restart: None,
            stood: None,
        }
    );
    // It never shows: the job is taken as it is.
    let verdict = decide(&open(-601, 5), 0);
    assert!(scales(&verdict), "{verdict}");
    assert_eq!(verdict.history.scalings[0].outcome, Outcome::GivenUp);
}

#[test]
fn a_rescale_that_only_the_caller_knows_of_is_awaited_too() {
    let pending = |to: u32, name: &str| {
        Some(PendingRescale {
            target: BTreeMap::from([(id(name), to)]),
            since: at(-20),
        })
    };
    let awaited = verdict(&Situation {
        pending_rescale: pending(5, "v"),
        ..calm()
    });
    assert!(
        matches!(awaited.blocked_by[..], [Block::AwaitingRescale { .. }]),
        "{awaited}"
    );
    assert!(scales(&verdict(&Situation {
        pending_rescale: pending(2, "v"),
        ..calm()
    })));
    assert!(scales(&verdict(&Situation {
        pending_rescale: pending(5, "gone"),
        ..calm()
    })));
}

#[test]
fn readings_that_disagree_with_the_graph_decide_nothing() {
    let job = job();
    let mut graph = job.graph.clone();
    graph.vertices[0].parallelism = 3;
    let verdict = step(
        &apache(),
        &graph,
        &job.window(0),
        &History::default(),
        &calm(),
    );
    assert_eq!(
        verdict.blocked_by,
        [Block::ReadingsDisagree { vertex: id("v") }]
    );
}

#[test]
fn what_was_asked_for_already_is_not_asked_again() {
    let situation = Situation {
        applied_overrides: BTreeMap::from([(id("v"), 6)]),
        ..calm()
    };
    let verdict = verdict(&situation);
    assert_eq!(verdict.action, Action::Hold(Reason::AlreadyRequested));
    assert!(verdict.history.is_empty());
}

#[test]
fn too_soon_after_a_rescale_nothing_is_decided() {
    let job = job();
    let mut history = open(-20, 2);
    history.scalings[0].outcome = Outcome::Seen {
        restart: None,
        stood: None,
    };
    let settings = Settings {
        stabilization_interval: Some(std::time::Duration::from_secs(30)),
        ..apache()
    };
    let verdict = step(&settings, &job.graph, &job.window(0), &history, &calm());
    assert_eq!(verdict.blocked_by, [Block::TooSoon { until: at(10) }]);
}

#[test]
fn d18_short_memory_forbids_to_rescale() {
    let job = job();
    let settings = Settings {
        gc_pressure_threshold: 0.5,
        heap_usage_threshold: 0.8,
        ..apache()
    };
    for (row, gc, heap, blocked) in [
        ("nothing known", None, None, false),
        ("below", Some(490.0), Some(0.79), false),
        ("garbage", Some(510.0), Some(0.79), true),
        ("heap", Some(490.0), Some(0.81), true),
        ("no numbers", Some(f64::NAN), Some(f64::NAN), false),
    ] {
        let mut window = Window::new(SignedDuration::from_hours(1));
        for second in [-1, 0] {
            let mut sample = job.sample(second, -1000);
            (sample.gc_ms_per_s, sample.heap_used_ratio) = (gc, heap);
            window.push(sample);
        }
        let verdict = step(&settings, &job.graph, &window, &History::default(), &calm());
        assert_eq!(!scales(&verdict), blocked, "{row}: {verdict}");
    }
}

#[test]
fn modes_that_may_not_act_say_what_they_would_do() {
    let job = job();
    for (mode, expected) in [
        (Mode::Recommend, Action::Advise),
        (Mode::Initial, Action::Advise),
        (Mode::Off, Action::Hold(Reason::Off)),
    ] {
        let settings = Settings {
            mode: Some(mode),
            ..apache()
        };
        let verdict = step(
            &settings,
            &job.graph,
            &job.window(0),
            &History::default(),
            &calm(),
        );
        assert_eq!(verdict.action, expected);
        assert!(verdict.history.is_empty());
        assert_eq!(verdict.recommended().is_empty(), mode == Mode::Off);
    }
}

#[test]
fn an_excluded_vertex_keeps_the_users_own_override() {
    let job = Job::new(vec![
        (vertex("v", 2, ShipStrategy::Forward, &[]), 200.0, 100.0),
        (vertex("x", 2, ShipStrategy::Forward, &["v"]), 200.0, 100.0),
        (vertex("y", 2, ShipStrategy::Forward, &["v"]), 200.0, 100.0),
    ]);
    let settings = Settings {
        vertex_exclude_ids: vec!["x".to_owned(), "y".to_owned()],
        ..apache()
    };
    let situation = Situation {
        user_overrides: BTreeMap::from([(id("x"), 3), (id("v"), 1)]),
        ..calm()
    };
    let verdict = step(
        &settings,
        &job.graph,
        &job.window(0),
        &History::default(),
        &situation,
    );
    let Action::Scale { overrides, .. } = &verdict.action else {
        panic!("{verdict}")
    };
    assert_eq!(*overrides, BTreeMap::from([(id("v"), 6), (id("x"), 3)]));
}

#[test]
fn finished_vertices_are_left_alone() {
    let mut job = Job::new(vec![
        (vertex("done", 2, ShipStrategy::Forward, &[]), 200.0, 100.0),
        (vertex("v", 2, ShipStrategy::Forward, &[]), 200.0, 100.0),
    ]);
    job.graph.vertices[0].finished = true;
    let verdict = job.verdict(&apache(), &History::default(), 0);
    assert_eq!(of(&verdict, "done").reason, VertexReason::Finished);
    assert_eq!(
        verdict.recommended().into_keys().collect::<Vec<_>>(),
        [id("v")]
    );
}

#[test]
fn unusable_settings_and_graphs_end_in_a_reason() {
    let job = job();
    let absurd = Settings {
        utilization_target: f64::NAN,
        ..apache()
    };
    let verdict = step(
        &absurd,
        &job.graph,
        &job.window(0),
        &History::default(),
        &calm(),
    );
    assert!(
        verdict.headline().starts_with(
            "no rescale: the settings cannot be used: job.autoscaler.utilization.target"
        )
    );

    let cycle = JobGraph {
        vertices: vec![
            vertex("a", 1, ShipStrategy::Forward, &["b"]),
            vertex("b", 1, ShipStrategy::Forward, &["a"]),
        ],
    };
    let verdict = step(
        &apache(),
        &cycle,
        &job.window(0),
        &History::default(),
        &calm(),
    );
    assert_eq!(
        verdict.action,
        Action::Hold(Reason::Graph(GraphError::Cycle(id("a"))))
    );
    let verdict = step(
        &apache(),
        &JobGraph::default(),
        &job.window(0),
        &History::default(),
        &calm(),
    );
    assert_eq!(
        verdict.action,
        Action::Hold(Reason::Graph(GraphError::Empty))
    );
}

#[test]
fn an_empty_window_is_no_reason_to_do_anything() {
    let job = job();
    let window = Window::new(SignedDuration::from_hours(1));
    for settings in [apache(), crate::support::short()] {
        let verdict = step(&settings, &job.graph, &window, &History::default(), &calm());
        assert!(
            matches!(verdict.action, Action::Hold(Reason::Collecting { .. })),
            "{verdict}"
        );
        assert_eq!(of(&verdict, "v").target, 2);
    }
}
