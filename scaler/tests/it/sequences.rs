//! Runs of several decisions with profile `apache`: backlog, windows, waiting scale-downs.

use std::{collections::BTreeMap, time::Duration};

use flink_scaler::{
    Action, History, JobGraph, Reason, Sample, Settings, ShipStrategy, Situation, Verdict,
    VertexReading, Window, step,
};
use jiff::SignedDuration;

use crate::support::{apache, at, id, of, vertex};

/// A job of source and sink that is read again and again.
struct Watched {
    settings: Settings,
    graph: JobGraph,
    window: Window,
    history: History,
    since: i64,
}

impl Watched {
    fn new(settings: Settings, source: u32, sink: u32) -> Self {
        let mut watched = Self {
            graph: JobGraph {
                vertices: Vec::new(),
            },
            window: Window::new(SignedDuration::from_hours(24)),
            history: History::default(),
            since: 0,
            settings,
        };
        watched.runs_with(source, sink, 0);
        watched
    }

    /// The job restarts with this parallelism.
    fn runs_with(&mut self, source: u32, sink: u32, since: i64) {
        self.since = since;
        self.graph.vertices = vec![
            vertex("source", source, ShipStrategy::Forward, &[]),
            vertex("sink", sink, ShipStrategy::Rebalance, &["source"]),
        ];
        for vertex in &mut self.graph.vertices {
            vertex.max_parallelism = 4000;
        }
    }

    fn read(&mut self, second: i64, mut source: VertexReading, mut sink: VertexReading) -> Verdict {
        source.parallelism = self.graph.vertices[0].parallelism;
        sink.parallelism = self.graph.vertices[1].parallelism;
        let mut sample = Sample::at(at(second));
        sample.job_running_since = Some(at(self.since));
        sample.vertices = BTreeMap::from([(id("source"), source), (id("sink"), sink)]);
        self.window.push(sample);
        let situation = Situation::running(at(second), at(self.since));
        let verdict = step(
            &self.settings,
            &self.graph,
            &self.window,
            &self.history,
            &situation,
        );
        self.history = verdict.history.clone();
        verdict
    }
}

fn source(records: f64, busy: f64, lag: f64, rate: f64) -> VertexReading {
    VertexReading {
        records_in: Some(records),
        records_out: Some(records),
        busy_ms_per_s: Some(busy),
        backpressured_ms_per_s: Some(0.0),
        pending_records: Some(lag),
        records_in_per_second: Some(rate),
        ..VertexReading::default()
    }
}

fn sink(records: f64, busy: f64) -> VertexReading {
    VertexReading {
        records_in: Some(records),
        busy_ms_per_s: Some(busy),
        ..VertexReading::default()
    }
}

fn targets(verdict: &Verdict) -> [u32; 2] {
    [of(verdict, "source").target, of(verdict, "sink").target]
}

fn backlog() -> Settings {
    Settings {
        restart_time: Duration::from_secs(1),
        catch_up_duration: Duration::from_secs(2),
        utilization_target: 0.8,
        utilization_max: Some(0.9),
        utilization_min: Some(0.7),
        backlog_lag_threshold: Duration::from_secs(1),
        ..apache()
    }
}

#[test]
fn g1_to_g4_a_backlog_scales_up_and_holds_until_it_is_gone() {
    let mut job = Watched::new(backlog(), 1, 1);
    let first = job.read(0, source(0.0, 850.0, 2000.0, 500.0), sink(0.0, 850.0));
    assert!(
        matches!(first.action, Action::Hold(Reason::Collecting { .. })),
        "G1 {first}"
    );
    let second = job.read(1, source(500.0, 850.0, 2000.0, 500.0), sink(500.0, 850.0));
    assert!(matches!(second.action, Action::Scale { .. }), "G2 {second}");
    assert_eq!(targets(&second), [4, 4], "G2");

    job.settings.metrics_window = Duration::from_secs(2);
    job.runs_with(4, 4, 2);
    let _ = job.read(2, source(0.0, 1000.0, 6000.0, 1800.0), sink(0.0, 1000.0));
    let _ = job.read(
        3,
        source(1800.0, 1000.0, 3600.0, 1800.0),
        sink(1800.0, 1000.0),
    );
    let draining = job.read(
        4,
        source(3600.0, 1000.0, 2000.0, 1800.0),
        sink(3600.0, 1000.0),
    );
    assert!(
        matches!(
            draining.action,
            Action::Hold(Reason::Balanced | Reason::WithinBand)
        ),
        "G3 {draining}"
    );
    let drained = job.read(
        5,
        source(5400.0, 1000.0, 400.0, 1800.0),
        sink(5400.0, 1000.0),
    );
    assert!(
        matches!(drained.action, Action::Scale { .. }),
        "G4 {drained}"
    );
    assert_eq!(targets(&drained), [2, 2], "G4");
}

#[test]
fn g6_advice_comes_with_the_full_window_and_changes_nothing() {
    let mut job = Watched::new(
        Settings {
            scaling_enabled: false,
            metrics_window: Duration::from_secs(3),
            ..backlog()
        },
        1,
        1,
    );
    let mut last = None;
    for (second, lag) in [2000.0, 2000.0, 2000.0, 1900.0].into_iter().enumerate() {
        let (second, records) = (
            i64::try_from(second).unwrap(),
            500.0 * f64::from(u32::try_from(second).unwrap()),
        );
        let verdict = job.read(
            second,
            source(records, 850.0, lag, 500.0),
            sink(records, 850.0),
        );
        assert_eq!(
            verdict.action == Action::Advise,
            second == 3,
            "G6 at {second}: {verdict}"
        );
        assert_eq!(verdict.recommended().is_empty(), second < 3);
        last = Some(verdict);
    }
    let last = last.unwrap();
    assert_eq!(targets(&last), [4, 4], "G6");
    assert!(last.history.is_empty());
    job.settings.scaling_enabled = true;
    let now = job.read(4, source(2000.0, 850.0, 1900.0, 500.0), sink(2000.0, 850.0));
    assert!(matches!(now.action, Action::Scale { .. }), "G7 {now}");
}

#[test]
fn g9_g10_without_a_count_of_what_waits_the_rate_alone_counts() {
    let settings = Settings {
        restart_time: Duration::ZERO,
        catch_up_duration: Duration::from_mins(30),
        metrics_window: Duration::from_secs(2),
        vertex_exclude_ids: vec!["sink".to_owned()],
        ..apache()
    };
    let reading = |records, busy, rate| VertexReading {
        pending_records: None,
        ..source(records, busy, 0.0, rate)
    };
    let mut job = Watched::new(settings.clone(), 5, 1);
    let _ = job.read(0, reading(0.0, 100.0, 500.0), sink(0.0, 100.0));
    let verdict = job.read(2, reading(1000.0, 100.0, 500.0), sink(1000.0, 100.0));
    let rates = |verdict: &Verdict| {
        let v = of(verdict, "source");
        [
            v.target_rate,
            v.true_rate,
            v.scale_down_threshold,
            v.scale_up_threshold,
        ]
        .map(|rate| rate.map(|r| r.get().round()))
    };
    assert_eq!(
        rates(&verdict),
        [Some(500.0), Some(5000.0), Some(1250.0), Some(500.0)],
        "G9"
    );
    assert_eq!(targets(&verdict)[0], 1, "G9");

    let mut job = Watched::new(settings, 2, 1);
    let _ = job.read(0, reading(1000.0, 100.0, 0.0), sink(0.0, 100.0));
    let verdict = job.read(2, reading(1000.0, 100.0, 0.0), sink(0.0, 100.0));
    assert_eq!(
        rates(&verdict),
        [Some(0.0), None, Some(0.0), Some(0.0)],
        "G10"
    );
    assert_eq!(targets(&verdict)[0], 1, "G10");
}

/// 4.8 million records a minute, a reading a minute; the busy time of source and sink for every ten minutes. The
/// minutes at which something was done, with the targets.
fn hours(sources: &[f64], sinks: &[f64]) -> Vec<(i64, [u32; 2])> {
    let settings = Settings {
        utilization_target: 0.8,
        utilization_max: Some(0.9),
        utilization_min: Some(0.7),
        metrics_window: Duration::from_secs(9 * 60 + 59),
        scale_down_interval: Some(Duration::from_secs(59 * 60 + 59)),
        restart_time: Duration::ZERO,
        vertex_max_parallelism: 4000,
        legacy_alignment: None,
        ..apache()
    };
    let mut job = Watched::new(settings, 200, 1000);
    let mut done = Vec::new();
    let mut minute = -1i64;
    for (source_busy, sink_busy) in sources.iter().zip(sinks) {
        // The first ten minutes begin with a reading at minute 0.
        for _ in 0..if minute < 0 { 11 } else { 10 } {
            minute += 1;
            let records = 4.8e6 * f64::from(u32::try_from(minute).unwrap());
            let metered = Some(80_000.0);
            let sink = VertexReading {
                records_in_per_second: metered,
                ..sink(records, *sink_busy)
            };
            let verdict = job.read(
                minute * 60,
                source(records, *source_busy, 0.0, 80_000.0),
                sink,
            );
            if matches!(verdict.action, Action::Scale { .. }) {
                done.push((minute, targets(&verdict)));
                return done;
            }
        }
    }
    done
}

#[test]
fn g11_to_g15_scale_downs_wait_for_an_hour_and_take_the_busiest_of_it() {
    let steady = [800.0; 7];
    assert_eq!(
        hours(&steady, &[350.0, 300.0, 150.0, 200.0, 400.0, 250.0, 100.0]),
        [(70, [200, 500])],
        "G11"
    );
    for busy in [700.0, 790.0] {
        let sinks = [350.0, 300.0, busy, 200.0, 400.0, 250.0, busy, 100.0, 100.0];
        assert_eq!(hours(&[800.0; 9], &sinks), [], "G12");
    }
    let rising = hours(&[800.0, 800.0, 800.0, 800.0, 950.0], &[200.0; 5]);
    let [(minute, [source, sink])] = rising[..] else {
        panic!("G14 {rising:?}")
    };
    // The average of ten readings passes 900 with the seventh at 950.
    assert_eq!(minute, 47, "G14");
    assert_eq!((source, sink), (227, 1000), "G14");
    assert_eq!(
        hours(
            &[200.0; 7],
            &[800.0, 800.0, 200.0, 200.0, 200.0, 200.0, 200.0]
        ),
        [(70, [50, 1000])],
        "G15"
    );
}

#[test]
fn g18_a_restart_begins_a_new_window() {
    let settings = Settings {
        stabilization_interval: Some(Duration::from_secs(10)),
        metrics_window: Duration::from_secs(100),
        ..apache()
    };
    let mut job = Watched::new(settings, 1, 1);
    let mut read = |second: i64| {
        let records = 100.0 * f64::from(u32::try_from(second).unwrap());
        job.read(
            second,
            source(records, 500.0, 0.0, 100.0),
            sink(records, 500.0),
        )
    };
    for (second, decides) in [
        (0, false),
        (1, false),
        (10, false),
        (11, false),
        (60, false),
        (110, true),
    ] {
        let verdict = read(second);
        let decided = matches!(
            verdict.action,
            Action::Hold(Reason::Balanced | Reason::WithinBand)
        );
        assert_eq!(decided, decides, "{second}: {verdict}");
    }
    job.since = 120;
    let verdict = job.read(121, source(0.0, 500.0, 0.0, 100.0), sink(0.0, 500.0));
    assert!(
        matches!(verdict.action, Action::Hold(Reason::Blocked(_))),
        "{verdict}"
    );
    assert_eq!(job.window.len(), 1);
}
