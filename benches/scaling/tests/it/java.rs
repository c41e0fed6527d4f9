//! The Java autoscaler on simulated jobs, in virtual time.

use std::time::Duration;

use bench_scaling::{
    java::{Java, jar},
    server::Served,
};
use flink_scaler::simulate::Load;
use jiff::SignedDuration;

use super::served;

/// Lets the job run for so many minutes with a control loop each; the minutes at which it was rescaled, and to what.
fn run(java: &Java, name: &str, served: &Served, minutes: u32) -> Vec<(u32, Vec<u32>)> {
    let mut rescales = Vec::new();
    for minute in 1..=minutes {
        let now = served.with(|job| {
            job.pass(SignedDuration::from_mins(1));
            job.now()
        });
        java.cycle(name, &served.url(), now).unwrap();
        if let Some(overrides) = served.take_request() {
            let parallelism = served.with(|job| {
                job.rescale(&overrides);
                job.parallelism().to_vec()
            });
            rescales.push((minute, parallelism));
        }
    }
    rescales
}

#[test]
fn a_step_of_the_load_is_met_with_default_settings_and_jobs_do_not_mix() {
    let java = Java::start(&jar().unwrap()).unwrap();
    // 1 ms a record at the default target of 70 %: 700/s need one subtask, 2100/s three.
    let steps = served("steps", Load::steps(&[(0.0, 600.0), (1800.0, 2000.0)]));
    let steady = served("steady", Load::steps(&[(0.0, 600.0)]));
    let (stepped, calm) = std::thread::scope(|scope| {
        let calm = scope.spawn(|| run(&java, "steady", &steady, 90));
        (run(&java, "steps", &steps, 90), calm.join().unwrap())
    });
    assert_eq!(calm, []);
    let (first, _) = *stepped.first().unwrap();
    assert!((31..=60).contains(&first), "{stepped:?}");
    assert!(steps.with(|job| job.parallelism()[1]) >= 3, "{stepped:?}");
    assert!(steps.with(|job| job.lag_seconds()) < 1.0, "{stepped:?}");

    assert!(java.time("steady", 10).unwrap() > Duration::ZERO);
    assert!(java.time("never-heard-of", 10).is_err());

    // Forgotten, it fills its window again before it decides anything.
    java.reset("steps").unwrap();
    steps.with(|job| {
        job.rescale(
            &job.graph()
                .vertices
                .iter()
                .map(|v| (v.id.clone(), 1))
                .collect(),
        );
    });
    let again = run(&java, "steps", &steps, 40);
    assert!(
        again.first().is_some_and(|(minute, _)| *minute >= 15),
        "{again:?}"
    );
}

#[test]
fn what_fails_in_java_is_an_error_with_a_place_to_look() {
    let java = Java::start(&jar().unwrap()).unwrap();
    let gone = {
        let served = served("gone", Load::steps(&[(0.0, 10.0)]));
        served.url()
    };
    let now = "2027-01-01T00:00:00Z".parse().unwrap();
    let error = format!("{:#}", java.cycle("gone", &gone, now).unwrap_err());
    assert!(
        error.contains("cycle gone") && error.contains(".log"),
        "{error}"
    );
    assert!(java.cycle("two words", &gone, now).is_err());
    java.reset("never-heard-of").unwrap();
    assert!(Java::start("/nowhere/none.jar".as_ref()).is_err());
}
