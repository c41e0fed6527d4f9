//! Schedules and bounds of single vertices: what they ask for, and what comes before them.

use std::collections::BTreeMap;

use flink_scaler::{
    Action, CheckpointHealth, History, Limit, Mode, Reason, Settings, ShipStrategy, Situation,
    Verdict, VertexReason,
    settings::{Entries, Entry, Value},
    step,
};

use proptest::prelude::*;

use crate::support::{Job, apache, at, id, of, short, vertex};

/// All tests begin at 08:00.
const MORNING: &str = "08:00:00-18:00:00";

fn read<T: Entry>(text: &str) -> Entries<T> {
    Entries::parse(text).unwrap()
}

fn scheduled(text: &str) -> Settings {
    Settings {
        schedules: read(&text.replace("MORNING", MORNING)),
        ..apache()
    }
}

/// A vertex that does with its two subtasks what it has to, and one behind it.
fn calm() -> Job {
    Job::new(vec![
        (vertex("v", 2, ShipStrategy::Forward, &[]), 65.0, 100.0),
        (vertex("w", 2, ShipStrategy::Forward, &["v"]), 65.0, 100.0),
    ])
}

/// The same with so many subtasks of the first, and what they have to do and can.
fn with(parallelism: u32, rate: f64, capacity: f64) -> Job {
    Job::new(vec![(
        vertex("v", parallelism, ShipStrategy::Forward, &[]),
        rate,
        capacity,
    )])
}

fn verdict(job: &Job, settings: &Settings, second: i64) -> Verdict {
    job.verdict(settings, &History::default(), second)
}

fn targets(verdict: &Verdict) -> Vec<u32> {
    verdict
        .vertices
        .iter()
        .map(|vertex| vertex.target)
        .collect()
}

#[test]
fn a_floor_is_met_at_once_when_its_period_begins_whatever_the_load() {
    let settings = scheduled("MORNING => min 6 [v]");
    let verdict = verdict(&calm(), &settings, 0);
    assert_eq!(
        verdict.action,
        Action::Scale {
            overrides: BTreeMap::from([(id("v"), 6), (id("w"), 2)]),
            reason: Reason::Schedule { vertices: 1 },
        }
    );
    let v = of(&verdict, "v");
    assert_eq!(
        (v.reason.word(), v.limit),
        ("Schedule", Some(Limit::Schedule(6)))
    );
    assert_eq!(verdict.action.word(), "Scaling");
    assert_eq!(
        verdict.to_string().lines().take(2).collect::<Vec<_>>(),
        [
            "rescale v 2 -> 6: a schedule asks for another parallelism of 1 vertex",
            "  v 2 -> 6: a schedule asks for at least 6, 2 by the load alone but for the schedule's 6; \
             target rate 65.00/s, capacity 100.00/s, 65 % busy",
        ]
    );
}

#[test]
fn a_rescale_to_a_floor_begins_early_enough_to_be_done() {
    // A rescale is expected to take five minutes as long as none was measured.
    let settings = scheduled("MORNING => min 6 [v]");
    for (second, expected) in [(-301, [2, 2]), (-300, [6, 2]), (0, [6, 2])] {
        assert_eq!(
            targets(&verdict(&calm(), &settings, second)),
            expected,
            "{second}"
        );
    }
}

#[test]
fn a_floor_does_not_wait_for_readings_but_for_what_forbids_to_rescale() {
    let settings = Settings {
        schedules: read("08:00:00-18:00:00 => min 6"),
        ..short()
    };
    let job = calm();
    let first = verdict(
        &job,
        &Settings {
            schedules: read(""),
            ..settings.clone()
        },
        0,
    );
    assert!(
        matches!(first.action, Action::Hold(Reason::Collecting { .. })),
        "{first}"
    );
    let scheduled = verdict(&job, &settings, 0);
    assert!(
        matches!(scheduled.action, Action::Scale { .. }),
        "{scheduled}"
    );
    for (edit, word) in [
        (
            (|s| s.checkpoints_ok = CheckpointHealth::Failing("often".to_owned()))
                as fn(&mut Situation),
            "CheckpointsFailing",
        ),
        (|s| s.restarting = true, "Restarting"),
    ] {
        let mut situation = Situation::running(at(0), at(-1000));
        edit(&mut situation);
        let held = step(
            &settings,
            &job.graph,
            &job.window(0),
            &History::default(),
            &situation,
        );
        assert_eq!(held.action.word(), word, "{held}");
        assert!(!held.blocked_by.is_empty());
    }
}

#[test]
fn what_a_schedule_asks_for_is_asked_once() {
    let settings = scheduled("MORNING => min 6 [v]");
    let job = calm();
    let situation = Situation {
        applied_overrides: BTreeMap::from([(id("v"), 6), (id("w"), 2)]),
        ..Situation::running(at(0), at(-1000))
    };
    let held = step(
        &settings,
        &job.graph,
        &job.window(0),
        &History::default(),
        &situation,
    );
    assert_eq!(held.action, Action::Hold(Reason::AlreadyRequested));
}

#[test]
fn a_mode_that_may_not_act_recommends_what_a_schedule_asks_for() {
    let settings = Settings {
        mode: Some(Mode::Recommend),
        ..scheduled("MORNING => min 6 [v]")
    };
    let advice = verdict(&calm(), &settings, 0);
    assert_eq!(advice.action, Action::Advise);
    assert_eq!(advice.recommended(), BTreeMap::from([(id("v"), 6)]));
}

#[test]
fn a_ceiling_is_kept_to_at_once_whatever_the_load() {
    let job = with(8, 800.0, 800.0);
    let ceiling = verdict(&job, &scheduled("MORNING => max 4"), 0);
    assert_eq!(targets(&ceiling), [4], "{ceiling}");
    // One that is below is not let above.
    let job = with(2, 200.0, 100.0);
    let ceiling = verdict(&job, &scheduled("MORNING => max 4"), 0);
    assert_eq!(targets(&ceiling), [4], "{ceiling}");
    assert_eq!(of(&ceiling, "v").limit, Some(Limit::Schedule(4)));
}

#[test]
fn nothing_goes_below_a_floor_until_its_period_ends() {
    let settings = scheduled("MORNING => min 6");
    let idle = with(6, 60.0, 300.0);
    let during = verdict(&idle, &settings, 3600);
    assert!(matches!(during.action, Action::Hold(_)), "{during}");
    assert_eq!(
        of(&during, "v").reason,
        VertexReason::AtFloor(Limit::Schedule(6))
    );
    let after = verdict(&idle, &settings, 10 * 3600 + 1);
    assert_eq!(targets(&after), [2], "{after}");
}

#[test]
fn the_vertex_own_limits_come_before_a_schedule_and_are_named() {
    let settings = scheduled("MORNING => min 6");
    let mut job = with(2, 65.0, 100.0);
    job.graph.vertices[0].max_parallelism = 4;
    let up = verdict(&job, &settings, 0);
    assert_eq!(targets(&up), [4]);
    let text = "a schedule asks for at least 6, kept from it by the job's max parallelism 4";
    assert_eq!(of(&up, "v").reason.to_string(), text);

    let mut there = with(4, 130.0, 200.0);
    there.graph.vertices[0].max_parallelism = 4;
    let held = verdict(&there, &settings, 0);
    assert!(matches!(held.action, Action::Hold(_)), "{held}");
    assert_eq!(of(&held, "v").reason.to_string(), text);

    let most = Settings {
        vertex_max_parallelism: 3,
        ..settings.clone()
    };
    let up = verdict(&with(2, 65.0, 100.0), &most, 0);
    assert_eq!(targets(&up), [3]);
    assert!(
        up.to_string()
            .contains("at least 6, kept from it by vertex.max-parallelism 3"),
        "{up}"
    );

    let mut source = with(2, 65.0, 100.0);
    source.partitions = Some(5);
    let up = verdict(&source, &settings, 0);
    assert_eq!(targets(&up), [5]);
    assert!(
        up.to_string()
            .contains("at least 6, kept from it by 5 partitions"),
        "{up}"
    );

    let least = Settings {
        vertex_min_parallelism: 5,
        ..scheduled("MORNING => max 3")
    };
    let down = verdict(&with(8, 260.0, 400.0), &least, 0);
    assert_eq!(targets(&down), [5]);
    assert!(
        down.to_string()
            .contains("at most 3, kept from it by vertex.min-parallelism 5"),
        "{down}"
    );
}

#[test]
fn a_floor_comes_before_a_ceiling_of_the_same_time() {
    let settings = scheduled("MORNING => max 3; MORNING => min 6");
    let up = verdict(&with(2, 65.0, 100.0), &settings, 0);
    assert_eq!(targets(&up), [6], "{up}");
    let there = verdict(&with(6, 195.0, 300.0), &settings, 0);
    assert_eq!(targets(&there), [6], "{there}");
}

#[test]
fn a_floor_is_aligned_upward() {
    let settings = Settings {
        legacy_alignment: None,
        ..scheduled("MORNING => min 7")
    };
    let mut source = with(2, 65.0, 100.0);
    source.partitions = Some(16);
    assert_eq!(targets(&verdict(&source, &settings, 0)), [8]);
    let settings = Settings {
        legacy_alignment: None,
        ..scheduled("MORNING => min 7 max 7")
    };
    assert_eq!(targets(&verdict(&source, &settings, 0)), [7]);
}

proptest! {
    #[test]
    fn a_schedule_is_met_whatever_is_read_as_far_as_the_vertex_can(
        now in 1u32..40, groups in 1u32..64, partitions in proptest::option::of(1u32..64),
        floor in 1u32..48, extra in 0u32..16, most in 1u32..64, rate in 0.0f64..1e4, capacity in 1.0f64..1e4,
        adaptive in any::<bool>(),
    ) {
        let ceiling = floor + extra;
        let schedules = format!("{MORNING} => min {floor} max {ceiling}");
        let base = if adaptive { short() } else { apache() };
        let settings = Settings { schedules: read(&schedules), vertex_max_parallelism: most, ..base };
        let mut job = with(now, rate, capacity);
        job.graph.vertices[0].max_parallelism = groups;
        job.partitions = partitions;
        let verdict = verdict(&job, &settings, 0);
        let v = of(&verdict, "v");
        let able = most.min(groups).min(partitions.unwrap_or(groups));
        prop_assert!(v.target >= floor.min(able), "{verdict}");
        prop_assert!(v.target <= ceiling.max(able.min(floor)), "{verdict}");
        prop_assert!(!v.changes() || v.target <= groups.min(partitions.unwrap_or(groups)).max(1), "{verdict}");
        let silent = matches!(v.reason, VertexReason::Stable | VertexReason::AtFloor(_) | VertexReason::AtLimit(_));
        prop_assert!(v.target >= floor || !silent, "{verdict}");
    }
}

#[test]
fn a_schedule_leaves_excluded_vertices_alone() {
    let settings = Settings {
        vertex_exclude_ids: vec!["v".to_owned()],
        ..scheduled("MORNING => min 6")
    };
    assert_eq!(targets(&verdict(&calm(), &settings, 0)), [2, 6]);
}

#[test]
fn bounds_of_a_vertex_replace_those_of_all_and_the_first_that_fits_counts() {
    let busy = |bounds: &str| {
        let settings = Settings {
            vertex_parallelism_bounds: read(bounds),
            vertex_max_parallelism: 5,
            ..apache()
        };
        let verdict = verdict(&with(2, 200.0, 100.0), &settings, 0);
        (of(&verdict, "v").target, of(&verdict, "v").limit)
    };
    assert_eq!(busy(""), (5, Some(Limit::MaxParallelism(5))));
    assert_eq!(busy("v=1-8"), (6, None));
    assert_eq!(busy("v=-4,*=-3"), (4, Some(Limit::VertexBounds(4))));
    assert_eq!(busy("*=-3,v=-4"), (3, Some(Limit::VertexBounds(3))));
    assert_eq!(busy("other=-3"), (5, Some(Limit::MaxParallelism(5))));

    let settings = Settings {
        vertex_parallelism_bounds: read("v=4-"),
        ..apache()
    };
    let idle = verdict(&with(6, 60.0, 300.0), &settings, 0);
    assert_eq!(
        (targets(&idle), of(&idle, "v").limit),
        (vec![4], Some(Limit::VertexBounds(4)))
    );
}
