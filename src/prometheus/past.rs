//! The past of a job: samples from the answer to a range query.
//!
//! The rule: what Prometheus does not have (when the job started, how many subtasks there should be) follows from the
//! series themselves: there are as many subtasks as series, and a start is where a counter begins anew. A step with
//! figures of some vertices only is no sample. Tests are below.

use std::collections::BTreeMap;

use flink_scaler::{JobGraph, Sample, Vertex, VertexReading};
use jiff::Timestamp;
use prometheus_http_query::response::Data;

use super::figures::{Figures, whole};
use super::query::Question;

/// Most steps of one query; Prometheus refuses more than 11,000.
const STEPS: i64 = 5_000;

/// Seconds from one to another in parts that a server answers, `step` seconds apart.
pub fn parts((from, to): (i64, i64), step: u32) -> Vec<(i64, i64)> {
    let step = i64::from(step.max(1));
    let mut parts = Vec::new();
    let mut start = from;
    while start <= to {
        let end = start.saturating_add(step * (STEPS - 1)).min(to);
        parts.push((start, end));
        start = end.saturating_add(step);
    }
    parts
}

/// The samples of an answer, in order.
pub fn samples(question: &Question, graph: &JobGraph, answers: &[Data]) -> Vec<Sample> {
    let mut steps: BTreeMap<i64, Figures> = BTreeMap::new();
    for series in answers.iter().filter_map(Data::as_matrix).flatten() {
        for sample in series.samples() {
            #[expect(clippy::cast_possible_truncation, reason = "a time in milliseconds")]
            let at = (sample.timestamp() * 1000.0).round() as i64;
            let figures = steps.entry(at).or_default();
            figures.insert(question, series.metric(), sample.value());
        }
    }
    let mut samples: Vec<Sample> = Vec::new();
    for (at, figures) in &steps {
        let Some(mut sample) = sample(graph, figures, *at) else {
            continue;
        };
        let before = samples.last();
        sample.job_running_since = match before {
            Some(last) if goes_on(last, &sample) => last.job_running_since,
            Some(_) | None => Some(sample.at),
        };
        if before.is_none_or(|last| last.at < sample.at) {
            samples.push(sample);
        }
    }
    samples
}

fn sample(graph: &JobGraph, figures: &Figures, at: i64) -> Option<Sample> {
    let step = Timestamp::from_millisecond(at).ok()?;
    let running = || graph.vertices.iter().filter(|vertex| !vertex.finished);
    let mut sample = Sample::at(figures.taken_at(running(), step).ok()?);
    for vertex in running() {
        let seen = Vertex {
            parallelism: whole(figures.subtasks(&vertex.id)?)?,
            ..vertex.clone()
        };
        let reading = figures.reading(&seen, vertex.inputs.is_empty()).ok()?;
        sample.vertices.insert(vertex.id.clone(), reading);
    }
    sample.heap_used_ratio = figures.heap_used_ratio();
    sample.gc_ms_per_s = figures.gc_ms_per_s();
    Some(sample)
}

/// Whether the tasks of one sample are still those of the one before: no counter went back.
fn goes_on(before: &Sample, after: &Sample) -> bool {
    let counters = |read: &VertexReading| {
        [
            read.records_in,
            read.records_out,
            read.accumulated_busy_ms,
            read.accumulated_idle_ms,
        ]
    };
    before.vertices.iter().all(|(id, one)| {
        let Some(other) = after.vertices.get(id) else {
            return false;
        };
        let pairs = counters(one).into_iter().zip(counters(other));
        let mut back = pairs.filter_map(|(one, other)| Some(other? < one?));
        one.parallelism == other.parallelism && !back.any(|back| back)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flink_scaler::{Settings, VertexId};

    /// Part, metric, and values by second.
    type Series<'a> = (&'a str, &'a str, &'a [(i64, f64)]);

    fn matrix(series: &[Series<'_>]) -> Data {
        let series = series.iter().map(|(part, metric, values)| {
            let mut labels = serde_json::json!({ "task_id": "a", "flink_operator_part": part });
            if !metric.is_empty() {
                labels["__name__"] = format!("flink_taskmanager_{metric}").into();
            }
            let values: Vec<_> = values
                .iter()
                .map(|(at, value)| serde_json::json!([at, value.to_string()]))
                .collect();
            serde_json::json!({ "metric": labels, "values": values })
        });
        let series: Vec<_> = series.collect();
        serde_json::from_value(serde_json::json!({ "resultType": "matrix", "result": series }))
            .unwrap()
    }

    fn graph() -> JobGraph {
        JobGraph {
            vertices: vec![Vertex {
                id: VertexId::new("a").unwrap(),
                name: "a".to_owned(),
                parallelism: 9,
                max_parallelism: 128,
                inputs: Vec::new(),
                finished: false,
            }],
        }
    }

    #[test]
    fn a_counter_that_begins_anew_is_a_start_and_series_are_subtasks() {
        const IN: &str = "job_task_numRecordsIn";
        const SOURCE: &str = "job_task_operator_numRecordsIn";
        let times = [0, 15, 30, 45, 60];
        let at = |values: [f64; 5]| -> Vec<(i64, f64)> {
            times
                .iter()
                .map(|second| second + 1_800_000_000)
                .zip(values)
                .collect()
        };
        let own = |offset: f64| {
            at(times.map(|second: i64| {
                1_800_000_000.0 + f64::from(i32::try_from(second).unwrap()) + offset
            }))
        };
        let answer = matrix(&[
            ("count", IN, &at([2.0, 2.0, 2.0, 3.0, 3.0])),
            ("sum", IN, &at([0.0; 5])),
            ("source", SOURCE, &at([10.0, 20.0, 5.0, 7.0, 9.0])),
            ("oldest", "", &own(-4.0)),
            ("mean", "", &own(-3.0)),
        ]);
        let question = Question::of(&Settings::default(), "shop", "orders");
        let samples = samples(&question, &graph(), &[answer]);
        let second = |at: Timestamp| at.as_second() - 1_800_000_000;
        let read: Vec<_> = samples
            .iter()
            .map(|sample| {
                let reading = sample.vertices.values().next().unwrap();
                let since = sample.job_running_since.unwrap();
                (second(sample.at), second(since), reading.parallelism)
            })
            .collect();
        assert_eq!(
            read,
            [
                (-3, -3, 2),
                (12, -3, 2),
                (27, 27, 2),
                (42, 42, 3),
                (57, 42, 3)
            ]
        );
    }

    #[test]
    fn a_long_time_is_asked_for_in_parts_without_gap_or_overlap() {
        assert_eq!(parts((0, 100), 15), [(0, 100)]);
        let parts = parts((0, 200_000), 15);
        assert_eq!(parts, [(0, 74_985), (75_000, 149_985), (150_000, 200_000)]);
    }
}
