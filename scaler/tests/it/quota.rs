//! Quotas and room in the cluster: the rows of profile `apache`, and the best that fits with `adaptive`.

use std::collections::BTreeMap;

use flink_scaler::{
    Action, Block, History, Profile, Reason, Settings, ShipStrategy, Situation, TaskManagers,
    Verdict,
    reason::Limit,
    settings::{Bytes, Mode},
    step,
};

use crate::support::{Job, apache, at, id, of, short, vertex};

const GIB: u64 = 1 << 30;

fn hosts(groups: [&str; 2]) -> TaskManagers {
    TaskManagers {
        cpu: Some(2.0),
        memory: Some(2 * GIB),
        slots: 2,
        slot_groups: BTreeMap::from([
            (id("a"), groups[0].to_owned()),
            (id("b"), groups[1].to_owned()),
        ]),
        ..TaskManagers::default()
    }
}

fn decided(job: &Job, settings: &Settings, hosts: TaskManagers) -> Verdict {
    let situation = Situation {
        task_managers: Some(hosts),
        ..Situation::running(at(0), at(-1000))
    };
    let history = History::default();
    step(settings, &job.graph, &job.window(0), &history, &situation)
}

/// Two vertices: 1 subtask that needs 4, and 1 that needs 2.
fn growing() -> Job {
    Job::new(vec![
        (vertex("a", 1, ShipStrategy::Forward, &[]), 210.0, 100.0),
        (vertex("b", 1, ShipStrategy::Forward, &[]), 110.0, 100.0),
    ])
}

fn exact() -> Settings {
    Settings {
        utilization_target: 0.6,
        utilization_max: Some(0.6),
        utilization_min: Some(0.6),
        ..apache()
    }
}

#[test]
fn d20_to_d26_a_rescale_beyond_the_quota_is_refused() {
    let (same, different) = (["x", "x"], ["x", "y"]);
    for (row, groups, cpu, memory, reached) in [
        ("D20", same, Some(30.0), None, false),
        ("D21", different, Some(50.0), None, false),
        ("D22", same, None, Some(30), false),
        ("D24", same, Some(3.0), None, true),
        ("D25", different, Some(5.0), None, true),
        ("D26", same, None, Some(3), true),
    ] {
        let settings = Settings {
            quota_cpu: cpu,
            quota_memory: memory.map(|gib: u64| Bytes(gib * GIB)),
            ..exact()
        };
        let verdict = decided(&growing(), &settings, hosts(groups));
        let refused = matches!(
            &verdict.action,
            Action::Hold(Reason::Blocked(block @ Block::QuotaReached { .. }))
                if block.word() == "ResourceQuotaReached"
        );
        assert_eq!(refused, reached, "{row}: {:?}", verdict.action);
        assert_eq!(verdict.may_be_had(), !reached, "{row}");
        assert_eq!(
            matches!(verdict.action, Action::Scale { .. }),
            !reached,
            "{row}"
        );
    }
}

#[test]
fn d16_a_cluster_without_room_holds_the_job() {
    let job = Job::new(vec![
        (vertex("a", 10, ShipStrategy::Forward, &[]), 100.0, 50.0),
        (vertex("b", 10, ShipStrategy::Hash, &["a"]), 100.0, 50.0),
    ]);
    let with = |room| TaskManagers {
        cpu: Some(100.0),
        memory: Some(30 * GIB),
        slots: 2,
        slots_used: Some(10),
        room,
        ..TaskManagers::default()
    };
    let verdict = decided(&job, &apache(), with(Some(0)));
    assert!(
        matches!(
            verdict.action,
            Action::Hold(Reason::Blocked(Block::ClusterFull { room: 0, .. }))
        ),
        "{:?}",
        verdict.action
    );
    let verdict = decided(&job, &apache(), with(None));
    assert!(
        matches!(verdict.action, Action::Scale { .. }),
        "D16 without check"
    );
}

fn adaptive(cpu: Option<f64>) -> Settings {
    Settings {
        mode: Some(Mode::Auto),
        profile: Profile::Adaptive,
        metrics_window: std::time::Duration::from_secs(20),
        quota_cpu: cpu,
        catch_up_duration: std::time::Duration::ZERO,
        ..short()
    }
}

/// A verdict of profile `adaptive` on a job read for a minute.
fn best(job: &Job, settings: &Settings, hosts: TaskManagers) -> Verdict {
    let mut window = flink_scaler::Window::for_settings(settings);
    (0..=12).for_each(|n| window.push(job.sample(-60 + n * 5, -1000)));
    let situation = Situation {
        task_managers: Some(hosts),
        ..Situation::running(at(0), at(-1000))
    };
    step(
        settings,
        &job.graph,
        &window,
        &History::default(),
        &situation,
    )
}

/// The first, fully busy, needs more; the second stays.
fn beside(parallelism: u32, idle: u32) -> Job {
    let busy = vertex("a", parallelism, ShipStrategy::Forward, &[]);
    let other = vertex("b", idle, ShipStrategy::Forward, &[]);
    Job::new(vec![(busy, 1000.0, 100.0), (other, 70.0, 100.0)])
}

#[test]
fn w18_what_does_not_change_counts_and_the_best_that_fits_is_taken() {
    let free = best(&beside(20, 12), &adaptive(None), hosts(["x", "y"]));
    assert_eq!(of(&free, "a").target, 30, "{free}");
    // 18 TaskManagers of 2 CPUs have 36 slots; 12 of them are taken.
    let verdict = best(&beside(20, 12), &adaptive(Some(37.0)), hosts(["x", "y"]));
    assert!(matches!(verdict.action, Action::Scale { .. }), "{verdict}");
    let a = of(&verdict, "a");
    assert_eq!(
        (a.target, a.limit),
        (24, Some(Limit::TaskManagers(18))),
        "{verdict}"
    );
    assert_eq!(of(&verdict, "b").target, 12);
}

#[test]
fn w18_a_task_manager_that_is_not_full_counts_whole() {
    // 3 and 6 subtasks are 9 slots: 5 TaskManagers, not 4.
    let verdict = best(&beside(2, 6), &adaptive(Some(8.0)), hosts(["x", "y"]));
    assert!(
        matches!(
            verdict.action,
            Action::Hold(Reason::Blocked(Block::QuotaReached { .. }))
        ),
        "{verdict}"
    );
    assert!(verdict.to_string().contains("the quota is 8"), "{verdict}");
}

#[test]
fn room_in_the_cluster_limits_as_a_quota_does() {
    let with = |room| TaskManagers {
        room: Some(room),
        ..hosts(["x", "y"])
    };
    let verdict = best(&beside(20, 12), &adaptive(None), with(1));
    assert_eq!(of(&verdict, "a").target, 22, "{verdict}");
    let verdict = best(&beside(20, 12), &adaptive(None), with(0));
    assert!(
        matches!(
            verdict.action,
            Action::Hold(Reason::Blocked(Block::ClusterFull { .. }))
        ),
        "{verdict}"
    );
}
