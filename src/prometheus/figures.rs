//! The answer: from series to the readings of vertices.
//!
//! The rule: what contradicts itself is refused with what and where, never averaged away; what is no number is
//! absent, never zero. Tests are below.

use std::collections::{BTreeMap, HashMap};

use flink_scaler::{Vertex, VertexId, VertexReading};
use jiff::{SignedDuration, Timestamp};

use super::query::{PART, PENDING, PROCESS, Question, RECORDS_IN, SOURCE, VERTEX};

/// Readings older than this are none: Prometheus shows the last value of a lost target for five minutes.
const OLDEST: SignedDuration = SignedDuration::from_secs(120);

/// All figures of one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// By vertex, then by what was made of which metric.
    vertices: BTreeMap<String, BTreeMap<(String, &'static str), f64>>,
    /// The largest of all TaskManagers, by metric.
    processes: BTreeMap<&'static str, f64>,
}

/// Why figures are no readings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// There are none of a vertex.
    #[error(
        "Prometheus has no figures of vertex {0}; are its TaskManagers scraped, and do job.autoscaler.prometheus.labels match?"
    )]
    None(String),
    /// More or fewer series than subtasks.
    #[error(
        "Prometheus has {series} series of vertex {vertex}, which has {subtasks} subtasks; \
         series too many are of another job or scraped twice: narrow job.autoscaler.prometheus.labels"
    )]
    Count {
        /// The vertex.
        vertex: String,
        /// Series there are.
        series: String,
        /// Subtasks there are.
        subtasks: u32,
    },
    /// Nothing new for too long.
    #[error(
        "the newest figures of vertex {vertex} in Prometheus are {age} s old; is its TaskManager scraped?"
    )]
    Old {
        /// The vertex.
        vertex: String,
        /// Their age in seconds.
        age: i64,
    },
}

impl Figures {
    /// Takes one series of the answer in; what does not belong there is passed over.
    pub fn insert(&mut self, question: &Question, labels: &HashMap<String, String>, value: f64) {
        let metric = labels
            .get("__name__")
            .map_or(Some(RECORDS_IN), |name| question.metric(name));
        let (Some(part), Some(metric)) = (labels.get(PART), metric) else {
            return;
        };
        if !value.is_finite() {
            return;
        }
        if part == "process" {
            self.processes.insert(metric, value);
        } else if let Some(vertex) = labels.get(VERTEX) {
            let figures = self.vertices.entry(vertex.clone()).or_default();
            figures.insert((part.clone(), metric), value);
        }
    }

    fn of(&self, vertex: &VertexId, part: &str, metric: &'static str) -> Option<f64> {
        let figures = self.vertices.get(vertex.as_str())?;
        figures.get(&(part.to_owned(), metric)).copied()
    }

    /// How many subtasks of a vertex there are figures of.
    pub fn subtasks(&self, vertex: &VertexId) -> Option<f64> {
        self.of(vertex, "count", RECORDS_IN)
    }

    /// When the figures of these vertices were taken, on average; or of which they are too old.
    pub fn taken_at<'v>(
        &self,
        vertices: impl Iterator<Item = &'v Vertex>,
        now: Timestamp,
    ) -> Result<Timestamp, Flaw> {
        let (mut sum, mut count) = (0.0, 0.0);
        for vertex in vertices {
            let of = |part| self.of(&vertex.id, part, RECORDS_IN);
            let (oldest, mean) = of("oldest")
                .zip(of("mean"))
                .ok_or_else(|| Flaw::None(vertex.name.clone()))?;
            let age = now.duration_since(instant(oldest).unwrap_or(now));
            if age > OLDEST {
                return Err(Flaw::Old {
                    vertex: vertex.name.clone(),
                    age: age.as_secs(),
                });
            }
            sum += mean;
            count += 1.0;
        }
        Ok(instant(sum / count).unwrap_or(now))
    }

    /// The reading of a vertex, if there is one series for each subtask.
    pub fn reading(&self, vertex: &Vertex, source: bool) -> Result<VertexReading, Flaw> {
        let series = self.subtasks(&vertex.id);
        let series = series.ok_or_else(|| Flaw::None(vertex.name.clone()))?;
        let subtasks = f64::from(vertex.parallelism);
        if !same(series, subtasks) {
            return Err(Flaw::Count {
                vertex: vertex.name.clone(),
                series: series.to_string(),
                subtasks: vertex.parallelism,
            });
        }
        let of = |part: &str, metric| self.of(&vertex.id, part, metric);
        // A metric that some subtasks do not have, or that is not a number for one of them, is absent as a whole.
        let task = |part: &str, metric| {
            of("sum", metric)?;
            let all = of("count", metric).is_some_and(|count| same(count, subtasks));
            of(part, metric).filter(|_| all)
        };
        let mean = |metric| task("sum", metric).map(|sum| sum / subtasks);
        let [taken, given, rate] = SOURCE.map(|metric| of("source", metric));
        let busy = "job_task_busyTimeMsPerSecond";
        let mut reading = VertexReading {
            parallelism: vertex.parallelism,
            records_in: task("sum", RECORDS_IN),
            records_out: task("sum", "job_task_numRecordsOut"),
            busy_ms_per_s: task("max", busy),
            busy_avg_ms_per_s: mean(busy),
            busy_min_ms_per_s: task("min", busy),
            accumulated_busy_ms: task("sum", "job_task_accumulateBusyTimeMs"),
            backpressured_ms_per_s: mean("job_task_backPressuredTimeMsPerSecond"),
            accumulated_backpressured_ms: task("sum", "job_task_accumulateBackPressuredTimeMs"),
            idle_ms_per_s: mean("job_task_idleTimeMsPerSecond"),
            accumulated_idle_ms: task("sum", "job_task_accumulateIdleTimeMs"),
            pending_records: None,
            records_in_per_second: task("sum", "job_task_numRecordsInPerSecond"),
            partitions: None,
        };
        if source {
            // A source takes nothing over the network; what it takes from outside its operator counts.
            let counted = |records: &f64| *records > 0.0;
            reading.records_in = taken
                .filter(counted)
                .or_else(|| given.filter(counted))
                .or(taken);
            reading.records_in_per_second = rate;
            reading.pending_records = of("pending", PENDING);
            reading.partitions = of("partitions", RECORDS_IN).and_then(whole);
        }
        Ok(reading)
    }

    /// The largest used heap of a TaskManager over the largest heap.
    pub fn heap_used_ratio(&self) -> Option<f64> {
        let [used, most, _] = PROCESS.map(|metric| self.processes.get(metric).copied());
        Some(used? / most.filter(|most| *most > 0.0)?)
    }

    /// The largest time a TaskManager collects garbage, in milliseconds per second.
    pub fn gc_ms_per_s(&self) -> Option<f64> {
        let [.., garbage] = PROCESS.map(|metric| self.processes.get(metric).copied());
        garbage
    }
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.5
}

/// A whole number of something.
pub fn whole(value: f64) -> Option<u32> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked before the conversion"
    )]
    let number = value as u32;
    (0.0..=f64::from(u32::MAX))
        .contains(&value)
        .then_some(number)
}

/// Seconds since the epoch as an instant.
fn instant(seconds: f64) -> Option<Timestamp> {
    let since = SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(since).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flink_scaler::Settings;

    fn question() -> Question {
        Question::of(&Settings::default(), "shop", "orders")
    }

    /// `part metric value` for vertex `a`, as Prometheus 2.42 answers.
    fn figures(lines: &[(&str, &str, f64)]) -> Figures {
        let mut figures = Figures::default();
        for (part, metric, value) in lines {
            let mut labels = HashMap::from([
                (PART.to_owned(), (*part).to_owned()),
                (VERTEX.to_owned(), "a".to_owned()),
            ]);
            if !metric.is_empty() {
                labels.insert("__name__".to_owned(), format!("flink_taskmanager_{metric}"));
            }
            figures.insert(&question(), &labels, *value);
        }
        figures
    }

    fn vertex() -> Vertex {
        Vertex {
            id: VertexId::new("a").unwrap(),
            name: "map".to_owned(),
            parallelism: 2,
            max_parallelism: 128,
            inputs: Vec::new(),
            finished: false,
        }
    }

    const BUSY: &str = "job_task_busyTimeMsPerSecond";

    #[test]
    fn one_series_for_each_subtask_is_a_reading() {
        let figures = figures(&[
            ("count", RECORDS_IN, 2.0),
            ("sum", RECORDS_IN, 300.0),
            ("count", BUSY, 2.0),
            ("sum", BUSY, 900.0),
            ("max", BUSY, 600.0),
            ("min", BUSY, 300.0),
        ]);
        let reading = figures.reading(&vertex(), false).unwrap();
        assert_eq!(reading.records_in, Some(300.0));
        let busy = (
            reading.busy_ms_per_s,
            reading.busy_avg_ms_per_s,
            reading.busy_min_ms_per_s,
        );
        assert_eq!(busy, (Some(600.0), Some(450.0), Some(300.0)));
        assert_eq!(reading.pending_records, None);
    }

    #[test]
    fn a_source_has_what_its_operator_takes_and_what_waits() {
        let figures = figures(&[
            ("count", RECORDS_IN, 2.0),
            ("sum", RECORDS_IN, 0.0),
            ("source", SOURCE[0], 0.0),
            ("source", SOURCE[1], 70.0),
            ("source", SOURCE[2], 7.0),
            ("pending", PENDING, 12.0),
            ("partitions", "", 6.0),
        ]);
        let reading = figures.reading(&vertex(), true).unwrap();
        assert_eq!(reading.records_in, Some(70.0), "what it gives stands in");
        assert_eq!(reading.records_in_per_second, Some(7.0));
        assert_eq!(
            (reading.pending_records, reading.partitions),
            (Some(12.0), Some(6))
        );
    }

    #[test]
    fn what_is_not_a_number_is_absent_for_the_whole_vertex() {
        // Prometheus passes over NaN in a maximum, but not in a sum.
        let figures = figures(&[
            ("count", RECORDS_IN, 2.0),
            ("sum", RECORDS_IN, 300.0),
            ("count", BUSY, 2.0),
            ("sum", BUSY, f64::NAN),
            ("max", BUSY, 600.0),
        ]);
        assert_eq!(
            figures.reading(&vertex(), false).unwrap().busy_ms_per_s,
            None
        );
    }

    #[test]
    fn a_metric_that_some_subtasks_lack_is_absent() {
        let figures = figures(&[
            ("count", RECORDS_IN, 2.0),
            ("sum", RECORDS_IN, 300.0),
            ("count", BUSY, 1.0),
            ("sum", BUSY, 500.0),
            ("max", BUSY, 500.0),
        ]);
        assert_eq!(
            figures.reading(&vertex(), false).unwrap().busy_ms_per_s,
            None
        );
    }

    #[test]
    fn series_too_many_too_few_or_none_are_refused() {
        let text = |lines: &[(&str, &str, f64)]| {
            let error = figures(lines).reading(&vertex(), false).unwrap_err();
            error.to_string()
        };
        let many = text(&[("count", RECORDS_IN, 4.0)]);
        assert!(
            many.contains("4 series of vertex map, which has 2 subtasks"),
            "{many}"
        );
        assert!(text(&[("count", RECORDS_IN, 1.0)]).contains("1 series"));
        assert!(text(&[]).contains("no figures of vertex map"));
    }

    #[test]
    fn old_figures_are_refused_and_new_ones_dated_by_their_mean() {
        let now = Timestamp::from_second(1_800_000_100).unwrap();
        let at = |oldest: f64| {
            let figures = figures(&[
                ("oldest", "", 1_800_000_000.0 + oldest),
                ("mean", "", 1_800_000_000.0 + oldest + 5.0),
            ]);
            figures.taken_at([vertex()].iter(), now)
        };
        assert_eq!(at(80.0), Ok(Timestamp::from_second(1_800_000_085).unwrap()));
        assert_eq!(
            at(-50.0),
            Err(Flaw::Old {
                vertex: "map".to_owned(),
                age: 150
            })
        );
    }

    #[test]
    fn memory_is_the_fullest_task_managers() {
        let mut figures = Figures::default();
        for (metric, value) in [(PROCESS[0], 30.0), (PROCESS[1], 40.0), (PROCESS[2], 5.0)] {
            let labels = HashMap::from([
                (PART.to_owned(), "process".to_owned()),
                ("__name__".to_owned(), format!("flink_taskmanager_{metric}")),
            ]);
            figures.insert(&question(), &labels, value);
        }
        assert_eq!(figures.heap_used_ratio(), Some(0.75));
        assert_eq!(figures.gc_ms_per_s(), Some(5.0));
    }
}
