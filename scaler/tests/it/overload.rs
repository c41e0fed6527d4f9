//! A job that falls behind and whose checkpoints therefore do not complete in time.

use std::{collections::BTreeMap, time::Duration};

use flink_scaler::{
    Action, Block, CheckpointHealth, History, Reason, Settings, Situation, Verdict, Window,
    settings::{Mode, Profile},
    simulate::{Job, Load, Model, Stage},
    step,
};
use jiff::SignedDuration;

use crate::support::{at, id, of};

/// What is decided after two minutes of this load, for which 1000/s are enough, with checkpoints overdue for so long. The
/// source has far more subtasks than it needs.
fn decided(load: f64, overdue: i64, change: impl FnOnce(&mut Settings, &mut Situation)) -> Verdict {
    let model = Model {
        stages: vec![
            Stage {
                parallelism: 8,
                ..Stage::source("source", 4000.0)
            },
            Stage {
                parallelism: 2,
                ..Stage::reading("map", 500.0, vec![0])
            },
        ],
        loads: BTreeMap::from([(0, Load::constant(load))]),
        ..Model::default()
    };
    let mut settings = Settings {
        mode: Some(Mode::Auto),
        metrics_window: Duration::from_mins(2),
        stabilization_interval: Some(Duration::ZERO),
        scale_down_interval: Some(Duration::ZERO),
        ..Settings::default()
    };
    let mut job = Job::new(model, at(0));
    let mut window = Window::for_settings(&settings);
    for _ in 0..20 {
        job.pass(SignedDuration::from_secs(10));
        window.push(job.sample().unwrap());
    }
    let mut situation = Situation {
        checkpoints_ok: CheckpointHealth::Overdue {
            since: job.now() - SignedDuration::from_mins(overdue),
            why: "none in time".to_owned(),
        },
        ..Situation::running(job.now(), at(0))
    };
    change(&mut settings, &mut situation);
    step(
        &settings,
        &job.graph(),
        &window,
        &History::default(),
        &situation,
    )
}

fn forbidden(verdict: &Verdict) -> bool {
    let failing = Block::CheckpointsFailing("none in time".to_owned());
    verdict.action == Action::Hold(Reason::Blocked(failing.clone()))
        && verdict.blocked_by == [failing]
}

#[test]
fn what_falls_behind_in_place_is_scaled_up_though_checkpoints_are_overdue_and_nothing_is_taken_away()
 {
    let verdict = decided(2000.0, 10, |_, _| {});
    let Action::Scale { overrides, .. } = &verdict.action else {
        panic!("{verdict}")
    };
    assert!(overrides[&id("map")] >= 5, "{verdict}");
    assert_eq!(overrides[&id("source")], 8, "{verdict}");
    assert_eq!(verdict.blocked_by, []);
    let healthy = decided(2000.0, 10, |_, situation| {
        situation.checkpoints_ok = CheckpointHealth::Ok;
    });
    assert!(
        of(&healthy, "source").target < 8,
        "else this shows nothing: {healthy}"
    );
}

#[test]
fn more_than_can_be_caught_up_with_is_not_read_again_for_it() {
    assert!(matches!(
        decided(2000.0, 30, |_, _| {}).action,
        Action::Scale { .. }
    ));
    assert!(forbidden(&decided(2000.0, 31, |_, _| {})));
}

#[test]
fn overdue_checkpoints_forbid_what_is_no_relief() {
    let by_upgrade = decided(2000.0, 10, |_, situation| {
        situation.in_place_possible = false;
    });
    assert!(forbidden(&by_upgrade), "{by_upgrade}");
    // 95 % busy is too much to stay so, but nothing waits.
    let keeps_up = decided(950.0, 10, |_, _| {});
    assert!(
        of(&keeps_up, "map").target > 2 && forbidden(&keeps_up),
        "{keeps_up}"
    );
    let idles = decided(100.0, 10, |_, _| {});
    assert!(forbidden(&idles), "{idles}");
    let fails = decided(2000.0, 10, |_, situation| {
        situation.checkpoints_ok = CheckpointHealth::Failing("none in time".to_owned());
    });
    assert!(forbidden(&fails), "{fails}");
    let apache = decided(2000.0, 10, |settings, _| settings.profile = Profile::Apache);
    assert!(!matches!(apache.action, Action::Scale { .. }), "{apache}");
}
