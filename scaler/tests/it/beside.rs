//! A job beside a model of it. The job is simulated too, so that what differs is known.

use std::{collections::BTreeMap, time::Duration};

use flink_scaler::{
    History, Settings,
    backtest::{Assumptions, Beside, Policy, Recording, Unusable, beside},
    settings::Mode,
    simulate::{Job, Load, Model, Stage, run::Autoscaler},
};
use jiff::{SignedDuration, Timestamp};

fn settings() -> Settings {
    Settings {
        mode: Some(Mode::Auto),
        metrics_window: Duration::from_mins(1),
        stabilization_interval: Some(Duration::from_secs(10)),
        restart_time: Duration::from_secs(10),
        ..Settings::default()
    }
}

fn model(capacity: f64) -> Model {
    let load = Load::steps(&[(0.0, 200.0), (180.0, 800.0), (600.0, 200.0)]);
    Model {
        stages: vec![
            Stage::source("in", 5_000.0),
            Stage::reading("work", capacity, vec![0]),
        ],
        loads: BTreeMap::from([(0, load)]),
        refresh: 2.0,
        ..Model::default()
    }
}

/// A run of this model, from ten seconds after it began.
fn recorded(model: Model) -> Recording {
    let mut job = Job::new(model, Timestamp::from_second(1_800_000_000).unwrap());
    let mut autoscaler = Autoscaler::new(settings());
    let mut samples = Vec::new();
    for _ in 0..72 {
        job.pass(SignedDuration::from_secs(10));
        samples.extend(job.sample());
        drop(autoscaler.look(&mut job));
    }
    Recording::new(job.graph(), samples, History::default())
}

fn compared(real: Model, model: &Model) -> Result<Beside, Unusable> {
    let policy = Policy {
        name: "as it was".to_owned(),
        settings: settings(),
    };
    beside(&recorded(real), model, &policy, &Assumptions::default())
}

fn ratio(answer: &Beside, phase: &str, quantity: &str) -> Option<f64> {
    let mut figures = answer.figures.iter();
    let found = figures.find(|f| f.phase.starts_with(phase) && f.quantity == quantity);
    found
        .unwrap_or_else(|| panic!("no {quantity} in {phase}: {:?}", answer.figures))
        .ratio()
}

#[test]
fn a_model_that_is_right_is_found_to_be_right_in_every_figure() {
    let answer = compared(model(333.0), &model(333.0)).unwrap();
    let off = |ratio: f64| (ratio - 1.0).abs() > 0.02;
    let wrong: Vec<_> = answer
        .figures
        .iter()
        .filter(|f| f.ratio().is_some_and(off))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let lacks: Vec<_> = answer
        .figures
        .iter()
        .filter(|f| f.real.is_some() != f.model.is_some())
        .collect();
    assert!(lacks.is_empty(), "{lacks:#?}");
    assert_eq!(answer.courses.len(), 2);
    assert_eq!(
        answer.courses[0].rescales.len(),
        answer.courses[1].rescales.len()
    );
    assert!(!answer.courses[0].rescales.is_empty());
}

#[test]
fn a_model_that_is_too_slow_shows_in_the_figures_it_concerns_and_in_no_other() {
    let answer = compared(model(333.0), &model(250.0)).unwrap();
    let capacity = ratio(&answer, "200/s from 0", "capacity of a subtask of work").unwrap();
    assert!((capacity - 0.75).abs() < 0.03, "{capacity}");
    let busy = ratio(&answer, "200/s from 0", "busy share of work").unwrap();
    assert!((busy - 1.33).abs() < 0.06, "{busy}");
    let subtasks = ratio(&answer, "800/s from 180", "subtasks of work").unwrap();
    assert!(subtasks > 1.0, "{subtasks}");
    let rate = ratio(&answer, "200/s from 0", "records/s of in").unwrap();
    assert!((rate - 1.0).abs() < 0.02, "{rate}");
}

#[test]
fn a_model_of_another_job_is_refused_by_the_name_of_its_stage() {
    let mut other = model(333.0);
    other.stages[1].name = "sink".to_owned();
    let error = compared(model(333.0), &other).unwrap_err();
    assert_eq!(error, Unusable::StrangeStage("sink".to_owned()));
}
