//! Jobs and readings in few words.

use std::{collections::BTreeMap, time::Duration};

use flink_scaler::{
    History, Input, JobGraph, Sample, Settings, ShipStrategy, Situation, Verdict, Vertex, VertexId,
    VertexReading, VertexVerdict, Window,
    settings::{LegacyAlignment, Mode, Profile},
    step,
};
use jiff::{SignedDuration, Timestamp};

/// So many seconds after the beginning of all tests.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub fn id(text: &str) -> VertexId {
    VertexId::new(text).unwrap()
}

/// A vertex with 720 key groups that reads these.
pub fn vertex(name: &str, parallelism: u32, ship: ShipStrategy, inputs: &[&str]) -> Vertex {
    Vertex {
        id: id(name),
        name: name.to_owned(),
        parallelism,
        max_parallelism: 720,
        inputs: inputs
            .iter()
            .map(|from| Input {
                from: id(from),
                ship,
            })
            .collect(),
        finished: false,
    }
}

/// Settings of profile `apache` that act at once: window 1 s, no stabilization, no catching up, no limits of change.
pub fn apache() -> Settings {
    Settings {
        mode: Some(Mode::Auto),
        profile: Profile::Apache,
        stabilization_interval: Some(Duration::ZERO),
        metrics_window: Duration::from_secs(1),
        scale_down_interval: Some(Duration::ZERO),
        catch_up_duration: Duration::ZERO,
        scale_down_max_factor: Some(1.0),
        scale_up_max_factor: f64::MAX,
        legacy_alignment: Some(LegacyAlignment::EvenlySpread),
        ..Settings::default()
    }
}

/// Settings of profile `adaptive` as the end-to-end tests have them.
pub fn short() -> Settings {
    Settings {
        mode: Some(Mode::Auto),
        stabilization_interval: Some(Duration::from_secs(10)),
        metrics_window: Duration::from_secs(20),
        scale_down_interval: Some(Duration::ZERO),
        catch_up_duration: Duration::from_mins(1),
        restart_time: Duration::from_secs(10),
        ..Settings::default()
    }
}

/// Figures of a vertex that does not change over the window.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Records read per second.
    pub rate: f64,
    /// Records per second it could process.
    pub capacity: f64,
}

/// A job with fixed figures, read at two instants.
#[derive(Debug, Clone)]
pub struct Job {
    pub graph: JobGraph,
    pub figures: BTreeMap<VertexId, Figures>,
    /// Partitions that its sources tell.
    pub partitions: Option<u32>,
}

impl Job {
    pub fn new(vertices: Vec<(Vertex, f64, f64)>) -> Self {
        let figures = vertices
            .iter()
            .map(|(vertex, rate, capacity)| {
                (
                    vertex.id.clone(),
                    Figures {
                        rate: *rate,
                        capacity: *capacity,
                    },
                )
            })
            .collect();
        let vertices = vertices.into_iter().map(|(vertex, ..)| vertex).collect();
        Self {
            graph: JobGraph { vertices },
            figures,
            partitions: None,
        }
    }

    /// What is read of it at this second.
    pub fn sample(&self, second: i64, since: i64) -> Sample {
        let mut sample = Sample::at(at(second));
        sample.job_running_since = Some(at(since));
        for vertex in &self.graph.vertices {
            let figures = self.figures[&vertex.id];
            #[allow(clippy::cast_precision_loss, reason = "small numbers")]
            let counted = figures.rate * (second - since + 1000) as f64;
            let busy = Some(1000.0 * figures.rate / figures.capacity);
            let reading = VertexReading {
                parallelism: vertex.parallelism,
                records_in: Some(counted),
                records_out: Some(counted),
                busy_ms_per_s: busy,
                busy_avg_ms_per_s: busy,
                busy_min_ms_per_s: busy,
                backpressured_ms_per_s: Some(0.0),
                records_in_per_second: Some(figures.rate),
                partitions: self.partitions.filter(|_| vertex.inputs.is_empty()),
                ..VertexReading::default()
            };
            sample.vertices.insert(vertex.id.clone(), reading);
        }
        sample
    }

    /// A window of a second up to this one.
    pub fn window(&self, second: i64) -> Window {
        let mut window = Window::new(SignedDuration::from_hours(1));
        window.push(self.sample(second - 1, -1000));
        window.push(self.sample(second, -1000));
        window
    }

    /// The verdict at this second on a job that has run for long.
    pub fn verdict(&self, settings: &Settings, history: &History, second: i64) -> Verdict {
        let situation = Situation::running(at(second), at(-1000));
        step(
            settings,
            &self.graph,
            &self.window(second),
            history,
            &situation,
        )
    }
}

/// The verdict on one vertex.
pub fn of<'v>(verdict: &'v Verdict, name: &str) -> &'v VertexVerdict {
    verdict
        .vertices
        .iter()
        .find(|vertex| vertex.id == id(name))
        .unwrap()
}
