//! Backtests of jobs of which the truth is known: recorded from the simulator, then played again by other policies.

use std::{collections::BTreeMap, time::Duration};

use flink_scaler::{
    History, JobGraph, Sample, Settings, ShipStrategy, Window,
    backtest::{
        Assumptions, Backtest, Basis, Course, Policy, Recording, RestartFrom, Unusable, backtest,
    },
    settings::{Mode, Profile},
    simulate::{Fault, Job, Load, Model, Stage, run::Autoscaler},
    store,
};
use jiff::{SignedDuration, Timestamp};

const HOURS: u32 = 3;

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// A source, a map that does 200/s with a subtask, and a sink. The load doubles after an hour and falls after two.
fn model() -> Model {
    let load = Load::steps(&[(0.0, 300.0), (3600.0, 900.0), (7200.0, 300.0)]);
    Model {
        stages: vec![
            Stage {
                partitions: Some(12),
                ..Stage::source("orders", 2_000.0)
            },
            Stage {
                ship: ShipStrategy::Hash,
                contention: 0.01,
                selectivity: 0.5,
                parallelism: 2,
                ..Stage::reading("map", 200.0, vec![0])
            },
            Stage {
                ship: ShipStrategy::Forward,
                ..Stage::reading("sink", 3_000.0, vec![1])
            },
        ],
        loads: BTreeMap::from([(0, load.noisy(0.05, 7))]),
        restart: 20.0,
        replays: 0.0,
        ..Model::default()
    }
}

fn settings(profile: Profile) -> Settings {
    Settings {
        mode: Some(Mode::Auto),
        profile,
        metrics_window: Duration::from_mins(5),
        restart_time: Duration::from_secs(30),
        scale_down_interval: Some(Duration::from_mins(10)),
        ..Settings::default()
    }
}

/// What the job was like, and what is recorded of it.
struct Truth {
    graph: JobGraph,
    samples: Vec<Sample>,
    slot_seconds: f64,
    late_seconds: u32,
    max_lag: f64,
    rescales: usize,
}

/// The recording that the tests of `flink-operator backtest` read: the job, then its readings run by run. `UPDATE=1`
/// writes it anew.
#[test]
fn the_recording_for_the_command_line_is_of_this_job() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/recording.jsonl"
    );
    let truth = lived(model(), Some(settings(Profile::Apache)));
    let options = [
        ("mode", "auto"),
        ("profile", "apache"),
        ("metrics.window", "5 min"),
        ("restart.time", "30 s"),
        ("scale-down.interval", "10 min"),
    ];
    let options = options.map(|(key, value)| (format!("job.autoscaler.{key}"), value.to_owned()));
    let mut lines = vec![store::job_to_json(&truth.graph, &BTreeMap::from(options))];
    let mut window = Window::new(SignedDuration::from_hours(24));
    for sample in truth.samples.iter().step_by(3) {
        let since = window.latest().map(|last| last.job_running_since);
        if since.is_some_and(|since| since != sample.job_running_since) {
            lines.push(store::window_to_json(&window, usize::MAX));
        }
        window.push(sample.clone());
    }
    lines.push(store::window_to_json(&window, usize::MAX));
    let text = lines.join("\n") + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        text,
        "UPDATE=1 writes it anew"
    );
}

/// The job under a policy, or left alone.
fn lived(model: Model, policy: Option<Settings>) -> Truth {
    let mut job = Job::new(model, start());
    let mut autoscaler = policy.map(Autoscaler::new);
    let mut truth = Truth {
        graph: job.graph(),
        samples: Vec::new(),
        slot_seconds: 0.0,
        late_seconds: 0,
        max_lag: 0.0,
        rescales: 0,
    };
    for second in 0..HOURS * 3600 {
        job.pass(SignedDuration::from_secs(1));
        truth.slot_seconds += f64::from(job.slots());
        truth.late_seconds += u32::from(job.lag_seconds() > 60.0);
        truth.max_lag = truth.max_lag.max(job.lag_seconds());
        if second % 10 == 0 {
            truth.samples.extend(job.sample());
            let before = job.parallelism().to_vec();
            if let Some(autoscaler) = &mut autoscaler {
                let _ = autoscaler.look(&mut job);
            }
            truth.rescales += usize::from(before != job.parallelism());
        }
    }
    truth.graph = job.graph();
    truth
}

fn tested(truth: &Truth, policies: &[Profile]) -> Backtest {
    let recording = Recording::new(
        truth.graph.clone(),
        truth.samples.clone(),
        History::default(),
    );
    let policies: Vec<Policy> = policies
        .iter()
        .map(|profile| Policy {
            name: profile.to_string(),
            settings: settings(*profile),
        })
        .collect();
    backtest(&recording, &policies, &Assumptions::default()).unwrap()
}

fn course<'a>(answer: &'a Backtest, name: &str) -> &'a Course {
    answer
        .courses
        .iter()
        .find(|course| course.name == name)
        .unwrap()
}

fn near(one: f64, other: f64, share: f64) -> bool {
    (one - other).abs() <= share * other.abs()
}

/// The course says what the truth is: cores, lag, seconds late, rescales.
fn assert_foretold(course: &Course, truth: &Truth) {
    let said = format!(
        "{}: {:.2} core hours, {:?} s late, at most {:?} s; truth: {:.2}, {} s, {:.0} s",
        course.name,
        course.core_hours,
        course.late_seconds,
        course.max_lag,
        truth.slot_seconds / 3600.0,
        truth.late_seconds,
        truth.max_lag
    );
    assert!(
        near(course.core_hours, truth.slot_seconds / 3600.0, 0.02),
        "{said}"
    );
    assert!(
        course.late_seconds.unwrap().abs_diff(truth.late_seconds) <= 30,
        "{said}"
    );
    assert!(near(course.max_lag.unwrap(), truth.max_lag, 0.05), "{said}");
    assert_eq!(course.rescales.len(), truth.rescales, "{said}");
}

#[test]
fn what_happened_is_measured_and_the_model_repeats_it() {
    let truth = lived(model(), Some(settings(Profile::Apache)));
    let answer = tested(&truth, &[]);
    assert_eq!(
        (answer.restart_seconds, answer.restart_from),
        (20.0, RestartFrom::Recording)
    );
    for name in ["recorded", "as recorded"] {
        assert_foretold(course(&answer, name), &truth);
    }
    let measured: Vec<bool> = answer
        .courses
        .iter()
        .map(|course| course.measured)
        .collect();
    assert_eq!(measured, [true, false]);
    let down = course(&answer, "recorded").down_seconds;
    assert!(down.abs_diff(80) <= 4, "four rescales of 20 s: {down}");
}

#[test]
fn a_policy_is_foretold_from_what_another_one_lived_through() {
    let [apache, adaptive] =
        [Profile::Apache, Profile::Adaptive].map(|p| lived(model(), Some(settings(p))));
    assert!(
        apache.late_seconds > 300 && adaptive.late_seconds < 60,
        "they differ"
    );
    let answer = tested(&apache, &[Profile::Adaptive]);
    assert_foretold(course(&answer, "adaptive"), &adaptive);
    let answer = tested(&adaptive, &[Profile::Apache]);
    assert_foretold(course(&answer, "apache"), &apache);
}

#[test]
fn a_job_that_nobody_scaled_tells_what_scaling_would_have_done() {
    let alone = lived(model(), None);
    let answer = tested(&alone, &[Profile::Adaptive]);
    assert_foretold(course(&answer, "recorded"), &alone);
    assert_eq!(
        (answer.restart_seconds, answer.restart_from),
        (30.0, RestartFrom::Settings)
    );
    let late = course(&answer, "adaptive").late_seconds.unwrap();
    assert!(late < 60 && alone.late_seconds > 3600, "{late}");
    let basis: Vec<Basis> = answer.vertices.iter().map(|known| known.basis).collect();
    assert_eq!(basis, [Basis::Guess, Basis::Point, Basis::Guess]);
    let map = &answer.vertices[1];
    assert!(
        near(map.capacity.unwrap(), 2.0 * 200.0 / 1.01, 0.02),
        "{map:?}"
    );
    assert!(near(map.selectivity, 0.5, 0.01), "{map:?}");
    assert!(
        answer
            .notes
            .iter()
            .any(|note| note.contains("sink was never busy enough"))
    );
}

#[test]
fn a_failure_of_the_job_happens_under_every_policy() {
    let failing = Model {
        faults: vec![Fault::Restart { at: 1800.0 }],
        ..model()
    };
    let answer = tested(&lived(failing, None), &[Profile::Adaptive]);
    for name in ["recorded", "as recorded"] {
        let course = course(&answer, name);
        assert!(course.rescales.is_empty(), "{name}");
        assert!(
            (10..=40).contains(&course.down_seconds),
            "{name}: {}",
            course.down_seconds
        );
    }
    let adaptive = course(&answer, "adaptive");
    let rescales = u32::try_from(adaptive.rescales.len()).unwrap();
    assert!(
        adaptive.down_seconds > 18 * (rescales + 1) - 5,
        "{}",
        adaptive.down_seconds
    );
}

#[test]
fn a_source_that_does_not_say_what_waits_has_a_lower_bound() {
    let silent = Model {
        tells: false,
        ..model()
    };
    let answer = tested(&lived(silent, None), &[]);
    assert_eq!(course(&answer, "recorded").max_lag, None);
    let bound = |note: &String| note.contains("orders does not say what waits");
    assert!(answer.notes.iter().any(bound), "{:?}", answer.notes);
    // It read no more than the map could carry, so the model finds no lag either.
    assert!(course(&answer, "as recorded").max_lag.unwrap() < 60.0);
}

#[test]
fn a_given_restart_is_used_and_the_order_of_samples_does_not_count() {
    let truth = lived(model(), None);
    let assumptions = Assumptions {
        restart: Some(90.0),
        ..Assumptions::default()
    };
    let policy = Policy {
        name: "adaptive".to_owned(),
        settings: settings(Profile::Adaptive),
    };
    let mut mixed = truth.samples.clone();
    mixed.reverse();
    mixed.extend(truth.samples.iter().take(100).cloned());
    let answer = |samples| {
        let recording = Recording::new(truth.graph.clone(), samples, History::default());
        backtest(&recording, std::slice::from_ref(&policy), &assumptions).unwrap()
    };
    let ordered = answer(truth.samples.clone());
    assert_eq!(ordered, answer(mixed));
    let course = course(&ordered, "adaptive");
    assert!(course.down_seconds >= 2 * 88, "{}", course.down_seconds);
}

#[test]
fn a_recording_of_no_use_says_why() {
    let why = |graph: &JobGraph, samples: &[Sample]| {
        let recording = Recording::new(graph.clone(), samples.to_vec(), History::default());
        backtest(&recording, &[], &Assumptions::default()).unwrap_err()
    };
    let truth = lived(model(), None);
    assert_eq!(why(&truth.graph, &[]), Unusable::TooShort(0));
    assert_eq!(
        why(&truth.graph, &truth.samples[..3]),
        Unusable::TooShort(3)
    );
    assert!(matches!(
        why(&JobGraph::default(), &truth.samples),
        Unusable::Graph(_)
    ));
    let idle = Model {
        loads: BTreeMap::from([(0, Load::constant(0.0))]),
        ..model()
    };
    let idle = lived(idle, None);
    assert_eq!(why(&idle.graph, &idle.samples), Unusable::NoLoad);
}
