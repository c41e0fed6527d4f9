//! Decisions of profile `apache`, by the rows of its published behaviour. Row numbers in the first column.

use std::{collections::BTreeMap, time::Duration};

use flink_scaler::{
    Action, Block, Capacity, History, Rate, Reason, Settings, ShipStrategy, VertexReason,
    capacity::need,
    history::{Change, Outcome, Scaling, Watch},
    parallelism::{Bounds, Factors, Origin, Rule, fit},
    settings::{Alignment, LegacyAlignment},
    units::Ratio,
};
use jiff::SignedDuration;

use crate::support::{Job, apache, at, id, of, vertex};

/// The vertex under test reads by key from a source that is excluded. Beside it stands a source that is always
/// outside its band, so that changes within the band show too.
fn job(parallelism: u32, ship: ShipStrategy, rate: f64, capacity: f64) -> Job {
    Job::new(vec![
        (vertex("source", 1, ShipStrategy::Forward, &[]), rate, rate),
        (vertex("v", parallelism, ship, &["source"]), rate, capacity),
        (vertex("busy", 1, ShipStrategy::Forward, &[]), 1000.0, 100.0),
    ])
}

fn excluding(settings: Settings) -> Settings {
    Settings {
        vertex_exclude_ids: vec!["source".to_owned()],
        ..settings
    }
}

/// Target and whether outside the band.
fn change(settings: &Settings, job: &Job, history: &History, second: i64) -> (u32, bool) {
    let verdict = job.verdict(&excluding(settings.clone()), history, second);
    let v = of(&verdict, "v");
    (v.target, v.outside_band)
}

#[test]
fn a_one_vertex_gets_what_its_rates_ask_for() {
    let target = |target: f64| Settings {
        utilization_target: target,
        utilization_boundary: Some(0.3),
        ..apache()
    };
    let hash = ShipStrategy::Hash;
    let rebalance = ShipStrategy::Rebalance;
    let half_down = Settings {
        scale_down_max_factor: Some(0.5),
        ..target(1.0)
    };
    let half_up = Settings {
        scale_up_max_factor: 0.5,
        ..target(1.0)
    };
    let least = |n| Settings {
        vertex_min_parallelism: n,
        ..target(0.7)
    };
    let most = Settings {
        vertex_max_parallelism: 10,
        ..target(1.0)
    };
    for (row, settings, parallelism, ship, rate, capacity, expected) in [
        ("A1", target(1.0), 10, hash, 50.0, 100.0, (5, true)),
        ("A2", target(0.8), 10, hash, 50.0, 100.0, (8, false)),
        ("A3", target(0.8), 10, hash, 80.0, 100.0, (10, false)),
        ("A5", target(0.8), 10, hash, 59.0, 100.0, (8, false)),
        ("A6", target(0.5), 2, hash, 100.0, 40.0, (10, true)),
        ("A7", target(0.6), 2, hash, 100.0, 100.0, (4, true)),
        ("A8", half_down, 10, hash, 10.0, 100.0, (5, true)),
        ("A10", half_up, 10, hash, 200.0, 10.0, (15, true)),
        ("A12", least(5), 10, rebalance, 100.0, 500.0, (5, true)),
        ("A13", least(5), 4, rebalance, 100.0, 500.0, (4, false)),
        ("A14", most, 10, rebalance, 500.0, 100.0, (10, false)),
        ("A16", target(1.0), 10, rebalance, 50.0, 100.0, (5, true)),
    ] {
        let job = job(parallelism, ship, rate, capacity);
        assert_eq!(
            change(&settings, &job, &History::default(), 0),
            expected,
            "{row}"
        );
    }
}

#[test]
fn a17_a18_the_expected_rate_grows_with_the_subtasks() {
    for (row, target, up, (parallelism, rate, capacity), expected) in [
        ("A17", 1.0, 0.5, (10, 200.0, 10.0), 15.0),
        ("A18", 0.6, f64::MAX, (2, 100.0, 100.0), 200.0),
    ] {
        let settings = Settings {
            utilization_target: target,
            scale_up_max_factor: up,
            utilization_boundary: Some(0.3),
            ..apache()
        };
        let verdict = job(parallelism, ShipStrategy::Hash, rate, capacity).verdict(
            &excluding(settings),
            &History::default(),
            0,
        );
        assert!(
            (of(&verdict, "v").expected_rate.unwrap().get() - expected).abs() < 1e-6,
            "{row}"
        );
    }
}

fn waiting() -> Settings {
    Settings {
        utilization_target: 1.0,
        utilization_boundary: Some(0.3),
        scale_down_interval: Some(Duration::from_mins(1)),
        ..apache()
    }
}

/// Runs these rates at these seconds with an interval of 60 s, p = 100 and a capacity of 1000; the
/// targets and the last history. Nothing else is outside its band.
fn delayed(rates: &[(i64, f64)], mut history: History) -> (Vec<(u32, bool)>, History) {
    let settings = waiting();
    let mut targets = Vec::new();
    for (second, rate) in rates {
        let job = Job::new(vec![(
            vertex("v", 100, ShipStrategy::Forward, &[]),
            *rate,
            1000.0,
        )]);
        let verdict = job.verdict(&settings, &history, *second);
        let v = of(&verdict, "v");
        targets.push((v.target, v.outside_band));
        history = verdict.history;
    }
    (targets, history)
}

#[test]
fn a20_a21_a_scale_down_waits_and_then_takes_the_largest() {
    let early = [(0, 800.0), (10, 900.0), (40, 720.0), (59, 640.0)];
    let (targets, history) = delayed(&early, History::default());
    assert_eq!(targets, [(100, false); 4]);
    assert!(history.scalings.is_empty());
    // A21: 90, the largest since second 0, though inside the band; it moves when another vertex must.
    let settings = waiting();
    let job = Job::new(vec![
        (vertex("v", 100, ShipStrategy::Forward, &[]), 700.0, 1000.0),
        (vertex("busy", 1, ShipStrategy::Forward, &[]), 1000.0, 100.0),
    ]);
    let verdict = job.verdict(&settings, &history, 60);
    assert_eq!(
        (of(&verdict, "v").target, of(&verdict, "v").outside_band),
        (90, false)
    );
    assert!(verdict.history.delayed.is_empty());
    assert_eq!(delayed(&[(60, 700.0)], history).0, [(100, false)]);
    let outside = [(0, 600.0), (10, 650.0), (61, 500.0)];
    assert_eq!(delayed(&outside, History::default()).0[2], (65, true));
}

#[test]
fn a22_a23_more_load_ends_the_wait() {
    let before = [(0, 800.0), (10, 900.0)];
    let (_, history) = delayed(&before, History::default());
    assert!(!history.delayed.is_empty());
    let (up, after) = delayed(&[(12, 1700.0)], history.clone());
    assert_eq!(up, [(170, true)]);
    assert!(after.delayed.is_empty());
    let (same, after) = delayed(&[(12, 1000.0)], history);
    assert_eq!(same, [(100, false)]);
    assert!(after.delayed.is_empty());
}

#[test]
fn a25_a_recommendation_to_stay_counts_while_it_is_in_the_interval() {
    let mut history = History::default();
    history
        .delayed
        .entry(id("v"))
        .or_default()
        .push(at(5), 100, false);
    assert_eq!(delayed(&[(65, 800.0)], history).0, [(100, false)]);
}

fn history(changes: &[(u32, u32, f64, f64)]) -> History {
    let scaling = |(n, (from, to, rate, expected)): (i64, &(u32, u32, f64, f64))| Scaling {
        at: at(-500 + n),
        vertices: BTreeMap::from([(
            id("v"),
            Change {
                from: *from,
                to: *to,
                true_rate: Rate::new(*rate),
                expected_rate: Rate::new(*expected),
                target_rate: None,
            },
        )]),
        outcome: Outcome::Seen {
            restart: None,
            stood: None,
        },
        watch: Watch::default(),
    };
    History {
        scalings: (0..).zip(changes).map(scaling).collect(),
        ..History::default()
    }
}

#[test]
fn a_scale_up_that_brought_nothing_is_not_repeated() {
    let detecting = |on| Settings {
        utilization_target: 1.0,
        utilization_boundary: Some(0.3),
        effectiveness_detection_enabled: Some(on),
        history_max_count: 10,
        ..apache()
    };
    let none = history(&[]);
    let first = history(&[(5, 10, 50.0, 100.0)]);
    let second = history(&[(5, 10, 50.0, 100.0), (10, 20, 90.0, 180.0)]);
    for (row, on, history, (parallelism, rate, capacity), expected) in [
        ("A26", true, &none, (5, 100.0, 50.0), 10),
        ("A27", true, &first, (10, 180.0, 90.0), 20),
        ("A28", true, &second, (20, 180.0, 94.0), 20),
        ("A29", true, &second, (20, 180.0, 98.0), 20),
        ("A30", true, &second, (10, 180.0, 90.0), 20),
        ("A32", false, &second, (20, 180.0, 90.0), 40),
        ("A33", true, &second, (20, 45.0, 90.0), 10),
        ("A34", true, &second, (20, 180.0, 95.0), 20),
    ] {
        let job = job(parallelism, ShipStrategy::Hash, rate, capacity);
        let (target, _) = change(&detecting(on), &job, history, 0);
        assert_eq!(target, expected, "{row}");
    }
    let verdict =
        job(20, ShipStrategy::Hash, 180.0, 95.0).verdict(&excluding(detecting(true)), &second, 0);
    assert_eq!(
        of(&verdict, "v").reason.to_string(),
        "the last scale-up brought 5.00 records/s more, not 90.00; not scaled up again"
    );
}

#[test]
fn a42_learned_scalability_is_reckoned_with() {
    let settings = Settings {
        utilization_target: 0.5,
        utilization_boundary: Some(0.3),
        observed_scalability_enabled: true,
        history_max_count: 10,
        ..apache()
    };
    let job = job(2, ShipStrategy::Hash, 100.0, 40.0);
    let linear = history(&[(4, 1, 200.0, 0.0), (2, 1, 100.0, 0.0), (8, 1, 400.0, 0.0)]);
    assert_eq!(change(&settings, &job, &linear, 0), (10, true), "A42");
    let lossy = history(&[(1, 1, 50.0, 0.0), (2, 1, 80.0, 0.0), (4, 1, 100.0, 0.0)]);
    // 10 / 0.59 is 16.9, so 17, and 18 divides 720.
    assert_eq!(change(&settings, &job, &lossy, 0), (18, true));
}

const LEGACY: Rule = Rule::Legacy(LegacyAlignment::EvenlySpread);
const FULLEST: Rule = Rule::Legacy(LegacyAlignment::MaximizeUtilisation);
const FREE: Factors = Factors {
    down: 1.0,
    up: f64::MAX,
};
const HUGE: f64 = i32::MAX as f64;

#[test]
fn b_a_factor_becomes_a_whole_number_within_its_bounds() {
    let bounds = |partitions, max_parallelism, min, max, keyed, rule| Bounds {
        min,
        min_by: Origin::All,
        max,
        max_by: Origin::All,
        max_parallelism,
        partitions,
        keyed,
        rule,
    };
    let all = i32::MAX as u32;
    for (row, current, factor, bounds, expected) in [
        ("B1", 1, 0.0001, bounds(None, 720, 1, all, false, LEGACY), 1),
        ("B2", 2, 0.1, bounds(None, 720, 1, all, false, LEGACY), 1),
        ("B3", 6, 0.8, bounds(None, 720, 1, all, false, LEGACY), 5),
        ("B4", 16, 1.5, bounds(None, 128, 1, all, false, LEGACY), 24),
        (
            "B6",
            200,
            HUGE,
            bounds(None, 720, 1, all, false, LEGACY),
            720,
        ),
        ("B8", 6, 0.8, bounds(None, 36, 1, all, true, LEGACY), 6),
        (
            "B10",
            200,
            1.3,
            bounds(None, 720, 1, all, true, LEGACY),
            360,
        ),
        (
            "B11",
            200,
            HUGE,
            bounds(None, 720, 1, all, true, LEGACY),
            720,
        ),
        ("B13", 10, 2.5, bounds(None, 128, 1, 128, true, FULLEST), 26),
        ("B14", 6, 0.8, bounds(None, 720, 1, 700, true, LEGACY), 5),
        ("B15", 8, 0.8, bounds(None, 720, 8, 700, true, LEGACY), 8),
        (
            "B18",
            200,
            HUGE,
            bounds(None, 720, 1, 600, true, LEGACY),
            360,
        ),
        (
            "B19",
            6,
            0.4,
            bounds(Some(15), 128, 1, all, false, LEGACY),
            3,
        ),
        (
            "B20",
            7,
            1.2,
            bounds(Some(15), 128, 1, all, false, LEGACY),
            15,
        ),
        (
            "B22",
            22,
            1.1,
            bounds(Some(35), 30, 20, all, false, LEGACY),
            22,
        ),
        (
            "B23",
            80,
            1.4,
            bounds(Some(200), 128, 1, all, false, LEGACY),
            100,
        ),
        (
            "B25",
            24,
            4.0,
            bounds(Some(199), all, 1, all, false, FULLEST),
            100,
        ),
        (
            "B26",
            10,
            2.0,
            bounds(Some(15), 720, 1, 200, false, LEGACY),
            15,
        ),
    ] {
        let fitted = fit(current, Ratio::new(factor).unwrap(), FREE, &bounds);
        assert_eq!(fitted.parallelism, expected, "{row}");
    }
}

#[test]
fn b16_a_vertex_below_its_minimum_is_not_forced_up_but_goes_there_when_it_goes_up() {
    // The row asks for 60 at least; a vertex at 16 that needs 24 may stay below, as A13 has it.
    let bounds = Bounds {
        min: 60,
        min_by: Origin::All,
        max: 700,
        max_by: Origin::All,
        max_parallelism: 128,
        partitions: None,
        keyed: true,
        rule: LEGACY,
    };
    assert_eq!(
        fit(16, Ratio::new(1.5).unwrap(), FREE, &bounds).parallelism,
        32
    );
    assert_eq!(
        fit(60, Ratio::new(1.0).unwrap(), FREE, &bounds).parallelism,
        60
    );
}

#[test]
fn b27_to_b34_targets_are_aligned_by_the_rule_asked_for() {
    let current = |rule| Rule::Current(rule);
    for (row, rule, (now, target), partitions, groups, keyed, expected) in [
        (
            "B27",
            current(Alignment::Balanced),
            (16, 24),
            None,
            128,
            true,
            26,
        ),
        (
            "B28",
            current(Alignment::EvenlySpread),
            (16, 24),
            None,
            128,
            true,
            32,
        ),
        (
            "B29",
            current(Alignment::Off),
            (16, 24),
            None,
            128,
            true,
            24,
        ),
        (
            "B31",
            current(Alignment::EvenlySpread),
            (5, 7),
            Some(12),
            8,
            false,
            7,
        ),
        ("B32", LEGACY, (5, 7), Some(12), 8, false, 6),
        (
            "B34",
            current(Alignment::Balanced),
            (16, 23),
            None,
            128,
            false,
            23,
        ),
    ] {
        let bounds = Bounds {
            min: 1,
            min_by: Origin::All,
            max: 200,
            max_by: Origin::All,
            max_parallelism: groups,
            partitions,
            keyed,
            rule,
        };
        let factor = f64::from(target) / f64::from(now);
        assert_eq!(
            fit(now, Ratio::new(factor).unwrap(), FREE, &bounds).parallelism,
            expected,
            "{row}"
        );
    }
}

#[test]
fn j_a_source_never_gets_more_subtasks_than_partitions() {
    for (row, now, target, partitions, expected) in [
        ("J1", 100, 180, 15, 15),
        ("J3", 100, 10, 15, 15),
        ("J4", 10, 40, 15, 15),
        ("J5", 20, 18, 15, 15),
        ("J6", 3, 7, 7, 7),
        ("J7", 3, 9, 7, 7),
        ("J9", 10, 30, 24, 24),
        ("J11", 30, 12, 24, 12),
    ] {
        for rule in [Alignment::Balanced, Alignment::EvenlySpread] {
            let bounds = Bounds {
                min: 1,
                min_by: Origin::All,
                max: 200,
                max_by: Origin::All,
                max_parallelism: 180,
                partitions: Some(partitions),
                keyed: false,
                rule: Rule::Current(rule),
            };
            let factor = f64::from(target) / f64::from(now);
            let fitted = fit(now, Ratio::new(factor).unwrap(), FREE, &bounds);
            assert_eq!(fitted.parallelism, expected, "{row} {rule}");
        }
    }
}

#[test]
fn c6_to_c14_thresholds_are_those_of_the_rates() {
    let limited = |rate: f64| Capacity::Limited(Rate::new(rate).unwrap());
    for (row, catch_up, restart, waiting, backlog, up, down) in [
        ("C6", 0, 1, 0.0, false, 778.0, Some(1000.0)),
        ("C7", 2, 1, 350.0, false, 1128.0, Some(1700.0)),
        ("C9", 2, 1, 350.0, true, 1050.0, None),
        ("C10", 2, 1, 0.0, true, 700.0, None),
        ("C11", 0, 300, 0.0, false, 778.0, Some(1000.0)),
        ("C12", 60, 300, 350.0, false, 1128.0, Some(4850.0)),
        ("C14", 60, 300, 350.0, true, 1050.0, None),
    ] {
        let settings = Settings {
            utilization_target: 0.8,
            utilization_max: Some(0.9),
            utilization_min: Some(0.7),
            catch_up_duration: Duration::from_secs(catch_up),
            ..apache()
        };
        let (rate, waiting) = (Rate::new(700.0).unwrap(), Rate::new(waiting).unwrap());
        let need = need(
            &settings,
            rate,
            waiting,
            backlog,
            SignedDuration::from_secs(restart),
        );
        assert_eq!(need.scale_up, limited(up), "{row}");
        assert_eq!(
            need.scale_down,
            down.map_or(Capacity::Unlimited, limited),
            "{row}"
        );
    }
}

/// How many vertices of source and sink change, at ten subtasks each.
fn changed(settings: &Settings, source: (f64, f64), sink: (f64, f64)) -> Vec<String> {
    let job = Job::new(vec![
        (
            vertex("a", 10, ShipStrategy::Forward, &[]),
            source.0,
            source.1,
        ),
        (vertex("b", 10, ShipStrategy::Hash, &["a"]), sink.0, sink.1),
    ]);
    let verdict = job.verdict(settings, &History::default(), 0);
    verdict
        .recommended()
        .keys()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn d_the_job_moves_as_a_whole_or_not_at_all() {
    let with = |target, max, min| Settings {
        utilization_target: target,
        utilization_max: max,
        utilization_min: min,
        ..apache()
    };
    let boundary = |target, boundary, max, min| Settings {
        utilization_boundary: Some(boundary),
        ..with(target, max, min)
    };
    let exact = with(0.6, Some(0.6), Some(0.6));
    let wide = with(0.6, Some(0.8), Some(0.4));
    for (row, settings, source, sink, expected) in [
        ("D1", exact, (70.0, 100.0), (60.0, 100.0), vec!["a"]),
        ("D2", wide.clone(), (70.0, 100.0), (60.0, 100.0), vec![]),
        (
            "D3",
            wide.clone(),
            (70.0, 100.0),
            (85.0, 100.0),
            vec!["a", "b"],
        ),
        ("D4", wide, (70.0, 100.0), (70.0, 100.0), vec![]),
        (
            "D6",
            boundary(0.6, 0.1, None, None),
            (70.0, 100.0),
            (85.0, 100.0),
            vec!["a", "b"],
        ),
        (
            "D7",
            with(0.6, Some(0.7), Some(0.5)),
            (70.0, 100.0),
            (85.0, 100.0),
            vec!["a", "b"],
        ),
        (
            "D9",
            boundary(0.5, 1.0, Some(0.6), None),
            (100.0, 99_999.0),
            (80.0, 99_999.0),
            vec![],
        ),
        (
            "D10",
            boundary(0.5, 1.0, Some(0.6), None),
            (50.0, 100.0),
            (85.0, 100.0),
            vec!["b"],
        ),
        (
            "D11",
            boundary(0.5, 1.0, None, Some(0.3)),
            (80.0, 81.0),
            (100.0, 101.0),
            vec![],
        ),
    ] {
        assert_eq!(changed(&settings, source, sink), expected, "{row}");
    }
}

#[test]
fn d14_an_excluded_vertex_is_left_alone() {
    let job = Job::new(vec![
        (vertex("a", 10, ShipStrategy::Forward, &[]), 80.0, 100.0),
        (
            vertex("b", 10, ShipStrategy::Rebalance, &["a"]),
            30.0,
            100.0,
        ),
        (
            vertex("c", 10, ShipStrategy::Rebalance, &["b"]),
            80.0,
            100.0,
        ),
    ]);
    let settings = Settings {
        utilization_target: 0.8,
        utilization_boundary: Some(0.3),
        ..apache()
    };
    let excluding = Settings {
        vertex_exclude_ids: vec!["b".to_owned()],
        ..settings.clone()
    };
    let verdict = job.verdict(&excluding, &History::default(), 0);
    assert_eq!(verdict.action, Action::Hold(Reason::Balanced));
    assert_eq!(of(&verdict, "b").reason, VertexReason::Excluded);
    let verdict = job.verdict(&settings, &History::default(), 0);
    assert_eq!(verdict.recommended().len(), 1);
}

#[test]
fn d15_nothing_is_scaled_in_an_excluded_period() {
    // The tests begin on 15 January 2027 at 08:00:00.
    let job = Job::new(vec![(
        vertex("a", 10, ShipStrategy::Forward, &[]),
        110.0,
        100.0,
    )]);
    let within = |period: &str| Settings {
        excluded_periods: vec![period.to_owned()],
        ..apache()
    };
    let verdict = job.verdict(&within("07:59:00-08:01:00"), &History::default(), 0);
    assert_eq!(
        verdict.action,
        Action::Hold(Reason::Blocked(Block::ExcludedPeriod(
            "07:59:00-08:01:00".to_owned()
        )))
    );
    assert_eq!(
        verdict.recommended().len(),
        1,
        "what would be done is still said"
    );
    let verdict = job.verdict(&within("08:01:40-09:00:00"), &History::default(), 0);
    assert!(matches!(verdict.action, Action::Scale { .. }));
}

#[test]
fn d17_the_report_has_the_capacities_before_and_after() {
    let job = Job::new(vec![(
        vertex("a", 1, ShipStrategy::Forward, &[]),
        110.0,
        100.0,
    )]);
    let verdict = job.verdict(&apache(), &History::default(), 0);
    assert_eq!(
        verdict.scaling_report(None).unwrap(),
        "Scaling execution enabled, begin scaling vertices:{ Vertex ID a | Parallelism 1 -> 2 \
         | Processing capacity 100.00 -> 200.00 | Target data rate 110.00}"
    );
}

#[test]
fn d19_only_inputs_by_key_are_aligned() {
    let at_two = |name, ship, inputs: &[&str]| vertex(name, 2, ship, inputs);
    let job = Job::new(vec![
        (at_two("source", ShipStrategy::Forward, &[]), 70.0, 20.0),
        (
            at_two("filter", ShipStrategy::Rebalance, &["source"]),
            70.0,
            20.0,
        ),
        (at_two("sink", ShipStrategy::Hash, &["filter"]), 70.0, 20.0),
    ]);
    let settings = Settings {
        utilization_target: 1.0,
        utilization_boundary: Some(0.3),
        legacy_alignment: None,
        ..apache()
    };
    let verdict = job.verdict(&settings, &History::default(), 0);
    let targets: Vec<u32> = verdict
        .vertices
        .iter()
        .map(|vertex| vertex.target)
        .collect();
    assert_eq!(targets, [7, 7, 8]);
}
