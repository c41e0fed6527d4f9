//! Which parallelism a rate needs, and what a parallelism would do.

use std::time::Duration;

use flink_scaler::{
    History, Limit, Rate, Settings, ShipStrategy, VertexPattern, VertexReading, Window,
    settings::Profile,
    whatif::{Answer, Asked, Backlog, Known, Question, Unanswerable, answer},
};
use jiff::SignedDuration;

use crate::support::{Job, apache, id, short, vertex};

/// A source that does 1000/s with its subtask and a sink that does 100/s with each of its two; 100/s come in.
fn job() -> Job {
    Job::new(vec![
        (
            vertex("source", 1, ShipStrategy::Forward, &[]),
            100.0,
            1000.0,
        ),
        (
            vertex("sink", 2, ShipStrategy::Rebalance, &["source"]),
            100.0,
            200.0,
        ),
    ])
}

/// Ten minutes of readings, with so many records that wait.
fn window(job: &Job, lag: f64) -> Window {
    let mut window = Window::new(SignedDuration::from_hours(1));
    for second in (0..=600).step_by(10) {
        let mut sample = job.sample(second, -1000);
        let source = sample.vertices.entry(id("source")).or_default();
        *source = VertexReading {
            pending_records: Some(lag),
            ..source.clone()
        };
        for reading in sample.vertices.values_mut() {
            #[allow(clippy::cast_precision_loss, reason = "small numbers")]
            let seconds = (second + 1000) as f64;
            reading.accumulated_busy_ms = reading
                .busy_ms_per_s
                .map(|busy| busy * seconds * f64::from(reading.parallelism));
        }
        window.push(sample);
    }
    window
}

/// Readings of five minutes count, a rescale takes 10 s.
fn long(settings: Settings) -> Settings {
    Settings {
        metrics_window: Duration::from_mins(5),
        restart_time: Duration::from_secs(10),
        ..settings
    }
}

fn both() -> [Settings; 2] {
    [long(apache()), long(short())]
}

fn ask(settings: &Settings, lag: f64, question: &Question) -> Result<Answer, Unanswerable> {
    let job = job();
    let known = Known {
        settings,
        graph: &job.graph,
        window: &window(&job, lag),
        history: &History::default(),
    };
    answer(&known, question)
}

fn rate(value: f64) -> Option<Rate> {
    Rate::new(value)
}

fn parallelism(answer: &Answer, name: &str) -> u32 {
    let vertex = answer.vertices.iter().find(|vertex| vertex.id == id(name));
    vertex.unwrap().parallelism
}

#[test]
fn a_rate_gets_the_parallelism_that_carries_it_at_the_utilization_aimed_at() {
    for settings in both() {
        let question = Question {
            rate: rate(700.0),
            parallelism: None,
        };
        let answer = ask(&settings, 0.0, &question).unwrap();
        let needed = parallelism(&answer, "sink");
        // 700 / 0.7 is ten subtasks; what gathers during a rescale, and what more subtasks lose, come on top.
        assert!((10..=13).contains(&needed), "{} {needed}", settings.profile);
        let sink = answer.vertices.iter().find(|v| v.id == id("sink")).unwrap();
        assert!(sink.utilization.unwrap().get() < 0.71);
        assert!(
            answer.carries.unwrap().get() > 900.0,
            "{:?}",
            answer.carries
        );
    }
}

#[test]
fn more_load_never_gets_less() {
    for settings in both() {
        let mut before = 0;
        for hundreds in 1..40 {
            let question = Question {
                rate: rate(f64::from(hundreds) * 100.0),
                parallelism: None,
            };
            let now = parallelism(&ask(&settings, 0.0, &question).unwrap(), "sink");
            assert!(now >= before, "{hundreds}: {now} after {before}");
            before = now;
        }
        assert!(before > 39, "{before}");
    }
}

#[test]
fn a_bound_that_is_too_low_shows_in_what_is_carried_and_what_gathers() {
    let settings = Settings {
        vertex_max_parallelism: 6,
        ..long(apache())
    };
    let question = Question {
        rate: rate(700.0),
        parallelism: None,
    };
    let answer = ask(&settings, 0.0, &question).unwrap();
    let sink = answer.vertices.iter().find(|v| v.id == id("sink")).unwrap();
    assert_eq!((sink.parallelism, sink.uncapped), (6, Some(10)));
    assert_eq!(sink.limit, Some(Limit::MaxParallelism(6)));
    assert_eq!(answer.bottleneck, Some(id("sink")));
    let carries = answer.carries.unwrap().get();
    assert!((carries - 600.0).abs() < 1.0, "{carries}");
    let Backlog::Grows(grows) = answer.backlog else {
        panic!("{:?}", answer.backlog);
    };
    assert!((grows.get() - 100.0).abs() < 1.0, "{grows}");
}

#[test]
fn a_parallelism_says_how_long_it_takes_to_catch_up() {
    let settings = long(short());
    let each = |parallelism| Question {
        rate: None,
        parallelism: Some(Asked::Each(vec![(
            VertexPattern::new("si*").unwrap(),
            parallelism,
        )])),
    };
    let answer = ask(&settings, 9_000.0, &each(4)).unwrap();
    let sink = answer.vertices.iter().find(|v| v.id == id("sink")).unwrap();
    assert!((sink.utilization.unwrap().get() - 0.25).abs() < 0.02);
    assert_eq!(answer.restart, Some(SignedDuration::from_secs(10)));
    // 9000 wait, 1000 more come in 10 s without a job; then 400 go and 100 come: 10 + 10000 / 300.
    let Backlog::Gone(after) = answer.backlog else {
        panic!("{:?}", answer.backlog);
    };
    assert!((after.as_secs_f64() - 43.3).abs() < 2.0, "{after:?}");
    // As it is nothing stands still: 9000 / (200 - 100).
    let as_is = ask(&settings, 9_000.0, &each(2)).unwrap();
    assert_eq!(as_is.restart, None);
    let Backlog::Gone(after) = as_is.backlog else {
        panic!("{:?}", as_is.backlog);
    };
    assert!((after.as_secs_f64() - 90.0).abs() < 1.0, "{after:?}");
    // One subtask of the sink does hardly more than what comes in.
    let one = ask(&settings, 9_000.0, &each(1)).unwrap();
    assert!(!matches!(one.backlog, Backlog::Gone(after) if after < SignedDuration::from_hours(1)));
}

#[test]
fn subtasks_beyond_the_key_groups_stand_idle() {
    let question = Question {
        rate: None,
        parallelism: Some(Asked::All(1000)),
    };
    let answer = ask(&long(apache()), 0.0, &question).unwrap();
    let sink = answer.vertices.iter().find(|v| v.id == id("sink")).unwrap();
    assert_eq!(sink.limit, Some(Limit::KeyGroups(720)));
    assert!((sink.capacity.unwrap().get() - 72_000.0).abs() < 1.0);
}

#[test]
fn what_cannot_be_answered_says_why() {
    let settings = long(apache());
    let unknown = Question {
        rate: None,
        parallelism: Some(Asked::Each(vec![(VertexPattern::new("snk").unwrap(), 4)])),
    };
    let error = ask(&settings, 0.0, &unknown).unwrap_err().to_string();
    assert_eq!(
        error,
        "no vertex is called 'snk'; the job has 'source', 'sink'"
    );

    let job = job();
    let mut window = Window::new(SignedDuration::from_hours(1));
    window.push(job.sample(0, -1000));
    let known = Known {
        settings: &settings,
        graph: &job.graph,
        window: &window,
        history: &History::default(),
    };
    assert_eq!(
        answer(&known, &Question::default()),
        Err(Unanswerable::NoReadings)
    );

    let idle = Job::new(vec![(
        vertex("source", 1, ShipStrategy::Forward, &[]),
        0.0,
        1000.0,
    )]);
    let mut window = Window::new(SignedDuration::from_hours(1));
    (0..60).for_each(|step| window.push(idle.sample(step * 10, -1000)));
    let known = Known {
        graph: &idle.graph,
        window: &window,
        ..known
    };
    let question = Question {
        rate: rate(10.0),
        parallelism: None,
    };
    for profile in [Profile::Apache, Profile::Adaptive] {
        let settings = Settings {
            profile,
            ..settings.clone()
        };
        let known = Known {
            settings: &settings,
            ..known
        };
        assert_eq!(
            answer(&known, &question),
            Err(Unanswerable::NoLoad),
            "{profile}"
        );
    }
}
