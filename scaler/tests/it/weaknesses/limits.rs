//! What stands in the way of a number of subtasks: what is forgotten, partitions, memory, slots, vertices that may not
//! be touched; and whether a person is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use flink_scaler::{
    Action, Block, GraphError, History, JobGraph, Limit, Missing, Reason, Settings, ShipStrategy,
    Situation, Verdict, VertexReason, Window,
    memory::{Usage, tune},
    parallelism::{Bounds, Factors, Origin, Rule, fit},
    settings::{Alignment, LegacyAlignment, Mode, Profile},
    simulate::Load,
    step,
    units::Ratio,
    verdict::TaskManagers,
};
use jiff::SignedDuration;

use super::{HOUR, both, both_with, job, most};
use crate::{
    support::{Job, at, id, of, vertex},
    vectors_memory::{graph, spec},
};

#[test]
fn w15_what_a_vertex_could_do_is_remembered_longer_than_its_rescales() {
    let quarter = HOUR / 4.0;
    let rates = [600.0, 1200.0, 2000.0, 3200.0, 5000.0];
    let steps: Vec<(f64, f64)> = (0..)
        .map(f64::from)
        .map(|n| n * quarter)
        .zip(rates)
        .collect();
    let forgets = Settings {
        history_max_count: 1,
        ..Settings::default()
    };
    let model = job(Load::steps(&steps), [1, 1, 2]);
    let (apache, adaptive) = both_with(&forgets, &model, 5.0 * quarter);
    let known = |run: &flink_scaler::simulate::run::Run| {
        let history = &run.verdict.as_ref().unwrap().history;
        let points = history
            .curves
            .get(&id("keyed"))
            .map_or(0, |curve| curve.points.len());
        (history.of(&id("keyed")).count(), points)
    };
    assert_eq!(known(&apache), (1, 0));
    let (rescales, capacities) = known(&adaptive);
    assert!(rescales == 1 && capacities >= 4, "{rescales} {capacities}");
}

#[test]
fn w16_a_scale_up_is_neither_cancelled_nor_inverted_by_the_number_of_partitions() {
    let fitted = |rule, now, factor| {
        let bounds = Bounds {
            min: 1,
            min_by: Origin::All,
            max: 200,
            max_by: Origin::All,
            max_parallelism: 30,
            partitions: Some(35),
            keyed: false,
            rule,
        };
        let free = Factors {
            down: 1.0,
            up: f64::MAX,
        };
        fit(now, Ratio::new(factor).unwrap(), free, &bounds).parallelism
    };
    let older = Rule::Legacy(LegacyAlignment::EvenlySpread);
    assert_eq!(fitted(older, 22, 1.1), 22, "cancelled");
    let ours = Rule::of(&Settings::default());
    assert_eq!(ours, Rule::Current(Alignment::Balanced));
    for now in 1..=30 {
        let targets: Vec<u32> = (10..40)
            .map(|tenths| fitted(ours, now, f64::from(tenths) / 10.0))
            .collect();
        assert!(targets.is_sorted(), "{now}: {targets:?}");
        assert!(
            targets[0] >= now && targets[29] == 30.min(4 * now).max(targets[28]),
            "{now}: {targets:?}"
        );
    }
}

#[test]
fn w17_w30_memory_a_state_backend_may_use_is_not_given_to_the_heap() {
    let graph = graph(50);
    let usage = Usage {
        heap: 5e9,
        managed: 0.0,
        metaspace: 1e8,
        slots: 50,
    };
    let managed = |profile| {
        let settings = Settings {
            memory_tuning_enabled: true,
            profile,
            ..Settings::default()
        };
        let tuned = tune(
            &settings,
            &spec("30 gb", 5),
            &usage,
            &graph.topology().unwrap(),
            &BTreeMap::new(),
        );
        tuned.unwrap().overrides["taskmanager.memory.managed.fraction"].clone()
    };
    assert_eq!(managed(Profile::Apache), "0.0");
    assert_ne!(managed(Profile::Adaptive), "0.0");
}

#[test]
fn w20_every_vertex_says_why_and_from_which_figures() {
    let mut model = job(Load::constant(9000.0), [4, 9, 18]);
    model.stages[2].max_parallelism = 18;
    let (_, adaptive) = both(&model, HOUR / 4.0);
    let verdict = adaptive.verdict.unwrap();
    let keyed = of(&verdict, "keyed");
    assert_eq!(
        keyed.reason,
        VertexReason::AtLimit(Limit::KeyGroups(18)),
        "{verdict}"
    );
    let text = verdict.to_string();
    for said in [
        "keyed 18",
        "the job's max parallelism 18",
        "target rate",
        "capacity",
        "% busy",
        "records waiting",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(
        keyed.lower <= keyed.upper && keyed.uncapped > Some(18),
        "{verdict}"
    );
}

#[test]
fn w21_downstream_of_a_vertex_that_may_not_be_scaled_nothing_is_scaled_in_vain() {
    let model = job(Load::constant(1800.0), [1, 1, 2]);
    let excluding = Settings {
        vertex_exclude_ids: vec!["map".to_owned()],
        ..Settings::default()
    };
    let (apache, adaptive) = both_with(&excluding, &model, HOUR);
    // The map lets 1000/s through, for which two subtasks are just too few.
    assert!(most(&apache, 2) >= 8, "{:?}", apache.rescales);
    assert_eq!(most(&adaptive, 2), 3, "{:?}", adaptive.rescales);
    assert_eq!(adaptive.rescales.len(), 1);
    let verdict = adaptive.verdict.unwrap();
    assert_eq!(
        of(&verdict, "keyed").reason,
        VertexReason::LimitedByVertex(id("map")),
        "{verdict}"
    );
}

/// The verdict on a vertex of 8 subtasks for which 6 would do, in TaskManagers with so many slots.
fn with_slots(profile: Profile, slots: Option<u32>) -> Verdict {
    let job = Job::new(vec![(
        vertex("v", 8, ShipStrategy::Forward, &[]),
        400.0,
        1000.0,
    )]);
    let settings = Settings {
        mode: Some(Mode::Auto),
        profile,
        utilization_min: Some(0.6),
        scale_down_interval: Some(Duration::ZERO),
        stabilization_interval: Some(Duration::ZERO),
        metrics_window: Duration::from_mins(1),
        catch_up_duration: Duration::ZERO,
        ..Settings::default()
    };
    let mut window = Window::new(SignedDuration::from_hours(1));
    for second in -30..=30 {
        let mut sample = job.sample(second * 2, -1000);
        (sample.slots_total, sample.slots_available) = (Some(8), Some(0));
        window.push(sample);
    }
    let situation = Situation {
        task_managers: slots.map(|slots| TaskManagers {
            slots,
            ..TaskManagers::default()
        }),
        ..Situation::running(at(60), at(-1000))
    };
    step(
        &settings,
        &job.graph,
        &window,
        &History::default(),
        &situation,
    )
}

#[test]
fn w32_subtasks_are_not_taken_away_where_no_task_manager_goes() {
    for (slots, adaptive) in [
        (None, true),
        (Some(1), true),
        (Some(2), true),
        (Some(4), false),
    ] {
        for (profile, expected) in [(Profile::Apache, true), (Profile::Adaptive, adaptive)] {
            let verdict = with_slots(profile, slots);
            let scales = matches!(verdict.action, Action::Scale { .. });
            assert_eq!(scales, expected, "{profile} {slots:?}: {verdict}");
            if !scales {
                assert_eq!(verdict.action, Action::Hold(Reason::SavesNoSlot));
            }
        }
    }
}

#[test]
fn w22_a_job_that_cannot_be_read_or_changed_in_place_keeps_nothing_from_being_decided() {
    let job = Job::new(vec![(
        vertex("v", 2, ShipStrategy::Forward, &[]),
        200.0,
        100.0,
    )]);
    for profile in [Profile::Apache, Profile::Adaptive] {
        let settings = Settings {
            profile,
            ..crate::support::apache()
        };
        let decide = |graph: &JobGraph, in_place_possible| {
            let mut window = Window::new(SignedDuration::from_hours(1));
            (-5..=0).for_each(|second| window.push(job.sample(second, -1000)));
            let situation = Situation {
                in_place_possible,
                ..Situation::running(at(0), at(-1000))
            };
            step(&settings, graph, &window, &History::default(), &situation)
        };
        let broken = decide(&JobGraph::default(), true);
        let reason = Reason::Graph(GraphError::Empty);
        assert_eq!(broken.action, Action::Hold(reason), "{profile}");
        for in_place in [true, false] {
            let verdict = decide(&job.graph, in_place);
            let scales = matches!(verdict.action, Action::Scale { .. });
            assert!(scales, "{profile} in place {in_place}: {verdict}");
        }
    }
}

#[test]
fn w29_jobs_that_all_want_more_share_the_room_there_is() {
    // Six jobs want two or three TaskManagers more each, with room for seven; who comes first takes first.
    let got = |profile| {
        let mut room = 7_u32;
        let jobs = (0..6).map(|_| {
            let job = Job::new(vec![(
                vertex("v", 2, ShipStrategy::Forward, &[]),
                199.0,
                200.0,
            )]);
            let settings = Settings {
                profile,
                utilization_target: 0.5,
                ..crate::support::apache()
            };
            let mut window = Window::new(SignedDuration::from_hours(1));
            (-5..=0).for_each(|second| window.push(job.sample(second, -1000)));
            let situation = Situation {
                task_managers: Some(TaskManagers {
                    slots: 1,
                    slots_used: Some(2),
                    room: Some(room),
                    ..TaskManagers::default()
                }),
                ..Situation::running(at(0), at(-1000))
            };
            let verdict = step(
                &settings,
                &job.graph,
                &window,
                &History::default(),
                &situation,
            );
            let Action::Scale { overrides, .. } = &verdict.action else {
                return 0;
            };
            let more = overrides[&id("v")] - 2;
            room -= more;
            more
        });
        jobs.collect::<Vec<u32>>()
    };
    let (apache, adaptive) = (got(Profile::Apache), got(Profile::Adaptive));
    assert_eq!(apache, [2, 2, 2, 0, 0, 0], "all or nothing");
    assert_eq!(adaptive, [3, 3, 1, 0, 0, 0], "the third takes what is left");
}

#[test]
fn w31_a_job_first_seen_before_it_runs_is_scaled_once_it_does() {
    let job = Job::new(vec![(
        vertex("v", 2, ShipStrategy::Forward, &[]),
        200.0,
        100.0,
    )]);
    for profile in [Profile::Apache, Profile::Adaptive] {
        let settings = Settings {
            profile,
            ..crate::support::apache()
        };
        let window = Window::for_settings(&settings);
        let early = Situation {
            job_state_running: false,
            all_tasks_running: false,
            running_since: None,
            ..Situation::running(at(-1010), at(-1010))
        };
        let first = step(&settings, &job.graph, &window, &History::default(), &early);
        assert_eq!(
            first.action,
            Action::Hold(Reason::Blocked(Block::NotRunning))
        );
        assert!(first.next_evaluation <= at(-1000), "{profile}: {first}");
        let mut window = Window::new(SignedDuration::from_hours(1));
        (-5..=0).for_each(|second| window.push(job.sample(second, -1000)));
        let situation = Situation::running(at(0), at(-1000));
        let second = step(&settings, &job.graph, &window, &first.history, &situation);
        let scales = matches!(second.action, Action::Scale { .. });
        assert!(scales, "{profile}: {second}");
    }
}

#[test]
fn p16_every_reason_is_a_token_that_events_and_conditions_may_carry() {
    let vertex = id("v");
    let mut words: BTreeSet<&str> = BTreeSet::new();
    let (until, length) = (at(0), SignedDuration::from_secs(1));
    for reason in [
        Reason::Off,
        Reason::Settings(String::new()),
        Reason::Graph(GraphError::Empty),
        Reason::Collecting {
            have: length,
            need: length,
        },
        Reason::LoadChanging {
            since: length,
            need: length,
        },
        Reason::Balanced,
        Reason::WithinBand,
        Reason::CannotScale { vertices: 1 },
        Reason::ScaleDownDelayed { until },
        Reason::WarmingUp,
        Reason::SavesNoSlot,
        Reason::CatchingUp,
        Reason::Unknown { vertices: 1 },
        Reason::Unclear { vertices: 1 },
        Reason::AlreadyRequested,
        Reason::RollBack { why: String::new() },
        Reason::AfterRollBack {
            until,
            why: String::new(),
        },
        Reason::OutsideBand { up: 1, down: 0 },
    ] {
        words.insert(reason.word());
    }
    let why = "3 in a row".to_owned();
    for block in [
        Block::NotRunning,
        Block::TasksNotRunning,
        Block::Restarting,
        Block::ChangeInProgress("an upgrade".to_owned()),
        Block::CheckpointsFailing(why.clone()),
        Block::CheckpointsUnknown(why),
        Block::StartUnknown,
        Block::Stabilizing { until },
        Block::TooSoon { until },
        Block::AwaitingRescale {
            vertex: vertex.clone(),
            target: 1,
            seen: None,
            since: until,
        },
        Block::ReadingsDisagree {
            vertex: vertex.clone(),
        },
        Block::Stale { age: length },
        Block::ClockWentBack { ahead: length },
        Block::MemoryPressure {
            what: "used heap",
            percent: 90,
        },
        Block::ExcludedPeriod("10:00:00-11:00:00".to_owned()),
        Block::QuotaReached {
            what: "CPU",
            needed: "2".to_owned(),
            allowed: "1".to_owned(),
        },
        Block::ClusterFull { needed: 1, room: 0 },
    ] {
        words.insert(Reason::Blocked(block).word());
    }
    for reason in [
        VertexReason::Unknown(Missing::Readings),
        VertexReason::AtLimit(Limit::Partitions(1)),
        VertexReason::LimitedByVertex(vertex),
    ] {
        words.insert(reason.word());
    }
    assert_eq!(words.len(), 38, "{words:?}");
    for word in words {
        let camel = word.starts_with(|first: char| first.is_ascii_uppercase())
            && word.chars().all(|letter| letter.is_ascii_alphanumeric());
        assert!(camel, "{word}");
    }
}
