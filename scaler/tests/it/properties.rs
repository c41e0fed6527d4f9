//! What holds for all readings, settings and graphs.

use std::{collections::BTreeMap, time::Duration};

use flink_scaler::{
    Action, History, Input, JobGraph, Sample, Settings, ShipStrategy, Situation, Verdict, Vertex,
    VertexReading, Window,
    settings::{Alignment, BusyTime, Mode, Profile},
    step,
};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::support::{Job, apache, at, id, of, short, vertex};

fn profile() -> impl Strategy<Value = Profile> {
    prop_oneof![Just(Profile::Adaptive), Just(Profile::Apache)]
}

fn alignment() -> impl Strategy<Value = Option<Alignment>> {
    proptest::option::of(prop_oneof![
        Just(Alignment::Balanced),
        Just(Alignment::EvenlySpread),
        Just(Alignment::Off)
    ])
}

prop_compose! {
    fn settings()(
        profile in profile(), alignment in alignment(), target in 0.05f64..1.0,
        min in 1u32..20, extra in 0u32..100, catch_up in 0u64..600, down in 0.0f64..2.0, up in 0.0f64..50.0,
        interval in 0u64..120, window in 1u64..60,
    ) -> Settings {
        Settings {
            mode: Some(Mode::Auto),
            profile, alignment,
            utilization_target: target,
            vertex_min_parallelism: min,
            vertex_max_parallelism: min + extra,
            catch_up_duration: Duration::from_secs(catch_up),
            scale_down_max_factor: Some(down),
            scale_up_max_factor: up,
            scale_down_interval: Some(Duration::from_secs(interval)),
            stabilization_interval: Some(Duration::ZERO),
            metrics_window: Duration::from_secs(window),
            ..Settings::default()
        }
    }
}

prop_compose! {
    /// A number as it may be read: sensible, absurd or missing.
    fn number()(
        kind in 0u8..10, sensible in 0.0f64..1e5, absurd in any::<f64>(),
    ) -> Option<f64> {
        match kind { 0 => None, 1 => Some(absurd), 2 => Some(0.0), _ => Some(sensible) }
    }
}

prop_compose! {
    fn reading(parallelism: u32)(
        numbers in proptest::collection::vec(number(), 12), partitions in proptest::option::of(0u32..20),
    ) -> VertexReading {
        VertexReading {
            parallelism,
            records_in: numbers[0],
            records_out: numbers[1],
            busy_ms_per_s: numbers[2],
            busy_avg_ms_per_s: numbers[3],
            busy_min_ms_per_s: numbers[4],
            accumulated_busy_ms: numbers[5],
            backpressured_ms_per_s: numbers[6],
            accumulated_backpressured_ms: numbers[7],
            idle_ms_per_s: numbers[8],
            accumulated_idle_ms: numbers[9],
            pending_records: numbers[10],
            records_in_per_second: numbers[11],
            partitions,
        }
    }
}

fn ship() -> impl Strategy<Value = ShipStrategy> {
    prop_oneof![
        Just(ShipStrategy::Forward),
        Just(ShipStrategy::Hash),
        Just(ShipStrategy::Rebalance)
    ]
}

/// Five vertices, each of which may read any before it.
fn graph() -> impl Strategy<Value = JobGraph> {
    let one = (
        1u32..30,
        1u32..60,
        proptest::collection::vec(any::<bool>(), 5),
        ship(),
    );
    proptest::collection::vec(one, 5).prop_map(|vertices| JobGraph {
        vertices: vertices
            .into_iter()
            .enumerate()
            .map(|(n, (parallelism, groups, reads, ship))| Vertex {
                id: id(&format!("v{n}")),
                name: format!("v{n}"),
                parallelism,
                max_parallelism: groups.max(parallelism),
                inputs: (0..n)
                    .filter(|m| reads[*m])
                    .map(|m| Input {
                        from: id(&format!("v{m}")),
                        ship,
                    })
                    .collect(),
                finished: false,
            })
            .collect(),
    })
}

/// A graph and six instants of arbitrary readings.
fn read_graph() -> impl Strategy<Value = (JobGraph, Vec<Vec<VertexReading>>)> {
    graph().prop_flat_map(|graph| {
        let instant: Vec<_> = graph
            .vertices
            .iter()
            .map(|vertex| reading(vertex.parallelism))
            .collect();
        (Just(graph), proptest::collection::vec(instant, 6))
    })
}

fn window(graph: &JobGraph, instants: &[Vec<VertexReading>]) -> Window {
    let mut window = Window::new(SignedDuration::from_mins(5));
    for (n, readings) in (0i64..).zip(instants) {
        let mut sample = Sample::at(at(n * 10));
        sample.job_running_since = Some(at(-1000));
        sample.vertices = graph
            .vertices
            .iter()
            .map(|vertex| vertex.id.clone())
            .zip(readings.iter().cloned())
            .collect();
        window.push(sample);
    }
    window
}

fn decide(settings: &Settings, graph: &JobGraph, window: &Window) -> Verdict {
    step(
        settings,
        graph,
        window,
        &History::default(),
        &Situation::running(at(50), at(-1000)),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn whatever_is_read_no_bound_is_exceeded_and_nothing_panics(
        (graph, instants) in read_graph(), settings in settings(),
    ) {
        let window = window(&graph, &instants);
        let verdict = decide(&settings, &graph, &window);
        for vertex in &verdict.vertices {
            prop_assert!(vertex.target >= 1);
            if !vertex.changes() {
                continue;
            }
            prop_assert!(vertex.target <= vertex.max_parallelism, "{vertex}");
            prop_assert!(vertex.target <= settings.vertex_max_parallelism.max(vertex.current), "{vertex}");
            let source = graph.vertices.iter().any(|v| v.id == vertex.id && v.inputs.is_empty());
            if let Some(partitions) = vertex.partitions.filter(|n| source && *n > 0) {
                prop_assert!(vertex.target <= partitions, "{vertex}");
            }
        }
        let _ = verdict.to_string();
    }

    #[test]
    fn the_same_asked_twice_is_answered_the_same(
        (graph, instants) in read_graph(), settings in settings(),
    ) {
        let window = window(&graph, &instants);
        let first = decide(&settings, &graph, &window);
        prop_assert_eq!(&first, &decide(&settings, &graph, &window));
        // And once it has been done, it is not done again before it shows.
        if let Action::Scale { overrides, .. } = &first.action {
            let situation = Situation { applied_overrides: overrides.clone(), ..Situation::running(at(50), at(-1000)) };
            let again = step(&settings, &graph, &window, &first.history, &situation);
            prop_assert!(matches!(again.action, Action::Hold(_)), "{}", again);
            prop_assert_eq!(again.history.scalings, first.history.scalings);
        }
    }

    #[test]
    fn the_order_of_the_vertices_does_not_matter(
        (graph, instants) in read_graph(), settings in settings(), shift in 1usize..5,
    ) {
        let window = window(&graph, &instants);
        let mut turned = graph.clone();
        turned.vertices.rotate_left(shift);
        for vertex in &mut turned.vertices {
            vertex.inputs.reverse();
        }
        prop_assert_eq!(decide(&settings, &graph, &window), decide(&settings, &turned, &window));
    }

    #[test]
    fn unread_is_not_idle(graph in graph(), settings in settings()) {
        let nothing: Vec<VertexReading> = graph
            .vertices
            .iter()
            .map(|vertex| VertexReading { parallelism: vertex.parallelism, ..VertexReading::default() })
            .collect();
        let verdict = decide(&settings, &graph, &window(&graph, &vec![nothing; 6]));
        prop_assert!(matches!(verdict.action, Action::Hold(_)), "{}", verdict);
        prop_assert!(verdict.vertices.iter().all(|vertex| !vertex.changes()));
    }

    #[test]
    fn more_load_never_leads_to_fewer_subtasks(
        rate in 1.0f64..5000.0, more in 1.0f64..20.0, per_subtask in 10.0f64..1000.0,
        parallelism in 1u32..40, profile in profile(), alignment in alignment(),
    ) {
        let settings = Settings {
            profile, alignment, legacy_alignment: None, busy_time: BusyTime::Avg,
            metrics_window: Duration::from_secs(40), stabilization_interval: Some(Duration::ZERO), ..apache()
        };
        let capacity = per_subtask * f64::from(parallelism);
        let target = |rate: f64| {
            let verdict = steady(&settings, parallelism, rate, capacity);
            of(&verdict, "v").target
        };
        prop_assert!(target(rate) <= target(rate * more));
    }

    #[test]
    fn one_rescale_is_enough_for_a_linear_job(
        rate in 1.0f64..5000.0, per_subtask in 50.0f64..1000.0, parallelism in 1u32..40, profile in profile(),
    ) {
        let settings = Settings {
            profile, legacy_alignment: None, busy_time: BusyTime::Avg, vertex_max_parallelism: 720,
            metrics_window: Duration::from_secs(40), stabilization_interval: Some(Duration::ZERO), ..apache()
        };
        let first = steady(&settings, parallelism, rate, per_subtask * f64::from(parallelism));
        let reached = of(&first, "v").target;
        let second = steady(&settings, reached, rate, per_subtask * f64::from(reached));
        prop_assert_eq!(of(&second, "v").target, reached, "{}\n{}", first, second);
    }
}

/// A verdict on a vertex whose source gives this rate, all of which waits and is told if it cannot be taken.
fn steady(settings: &Settings, parallelism: u32, rate: f64, capacity: f64) -> Verdict {
    let job = Job::new(vec![(
        vertex("v", parallelism, ShipStrategy::Forward, &[]),
        rate,
        capacity,
    )]);
    let mut window = Window::new(SignedDuration::from_mins(5));
    let done = rate.min(capacity);
    for n in 0..6 {
        let mut sample = job.sample(n * 10, -1000);
        #[allow(clippy::cast_precision_loss, reason = "small numbers")]
        let seconds = (n * 10) as f64;
        let busy = done / capacity;
        for reading in sample.vertices.values_mut() {
            reading.records_in = Some(done * seconds);
            reading.records_out = reading.records_in;
            reading.pending_records = Some((rate - done) * seconds);
            reading.accumulated_busy_ms = Some(busy * seconds * 1000.0 * f64::from(parallelism));
            reading.accumulated_idle_ms =
                Some((1.0 - busy) * seconds * 1000.0 * f64::from(parallelism));
            reading.accumulated_backpressured_ms = Some(0.0);
            // Lag is not what is looked at here.
            reading.records_in_per_second = Some(done);
        }
        window.push(sample);
    }
    step(
        settings,
        &job.graph,
        &window,
        &History::default(),
        &Situation::running(at(50), at(-1000)),
    )
}

#[test]
fn ten_thousand_vertices_are_decided_upon() {
    let ids: Vec<String> = (0..10_000).map(|n| format!("v{n:05}")).collect();
    let vertices = ids.iter().enumerate().map(|(n, name)| {
        let before = n.checked_sub(1).map(|m| ids[m].as_str());
        let inputs: Vec<&str> = before.into_iter().collect();
        (
            vertex(name, 2, ShipStrategy::Rebalance, &inputs),
            200.0,
            100.0,
        )
    });
    let job = Job::new(vertices.collect());
    let verdict = job.verdict(&apache(), &History::default(), 0);
    let Action::Scale { overrides, .. } = &verdict.action else {
        panic!("{}", verdict.headline())
    };
    assert!(overrides.values().all(|parallelism| *parallelism == 6));
    assert_eq!(overrides.len(), 10_000);
}

#[test]
fn a_job_never_seen_before_is_only_watched() {
    let graph = JobGraph {
        vertices: vec![vertex("v", 1, ShipStrategy::Forward, &[])],
    };
    let window = Window::for_settings(&short());
    let verdict = step(
        &short(),
        &graph,
        &window,
        &History::default(),
        &Situation::running(at(0), at(-5)),
    );
    assert!(matches!(verdict.action, Action::Hold(_)));
    assert_eq!(verdict.recommended(), BTreeMap::new());
}
