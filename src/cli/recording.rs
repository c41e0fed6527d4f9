//! Where the past of a job is taken from: the ConfigMap of a resource, a file, or Prometheus.
//!
//! A file is the ConfigMap as `kubectl get --output json` prints it, or lines of JSON: one with the job (the
//! ConfigMap's `scalerJob`), any number with readings (its `scalerWindow`), which may overlap. The rule: what cannot be
//! read is named with its place; nothing is left out silently. Tests are below.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use flink_scaler::backtest::Recording;
use flink_scaler::store::{self, StoredJob};
use flink_scaler::{History, Sample};
use k8s_openapi::api::core::v1::ConfigMap;

use super::stored::{Stored, settings};
use crate::prometheus::{Prometheus, Question, Server, Token, Which, past};
use crate::scaler_memory;

/// The past of a job, and under which options it ran.
#[derive(Clone, Debug)]
pub struct Past {
    /// What it is of.
    pub title: String,
    /// Graph, readings, what was learned.
    pub recording: Recording,
    /// The autoscaler's options in force.
    pub options: BTreeMap<String, String>,
    /// What could not be read.
    pub notes: Vec<String>,
}

impl Past {
    /// What the ConfigMap of a resource has: the readings of its last minutes.
    pub fn stored(stored: &Stored) -> anyhow::Result<Self> {
        let place = format!("ConfigMap {}", stored.map_name());
        let mut parts = Parts::default();
        parts.data(&place, stored.readings()?)?;
        parts.job = Some(stored.job()?);
        parts.finish(stored.title(), &place)
    }

    /// What a file has.
    pub fn file(path: &Path) -> anyhow::Result<Self> {
        let place = path.display().to_string();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("failed to read {place}"))?;
        Self::text(&place, &text)
    }

    fn text(place: &str, text: &str) -> anyhow::Result<Self> {
        let mut parts = Parts::default();
        if let Ok(map) = serde_json::from_str::<ConfigMap>(text) {
            parts.data(place, &scaler_memory::texts(map))?;
            return parts.finish(place.to_owned(), place);
        }
        for (number, line) in (1..).zip(text.lines()) {
            if !line.trim().is_empty() {
                parts.line(&format!("{place}, line {number}"), line)?;
            }
        }
        parts.finish(place.to_owned(), place)
    }

    /// The same job with what Prometheus has of it from one second to another instead.
    pub fn from_prometheus(
        mut self,
        url: &str,
        token: Option<&Path>,
        (span, step): ((i64, i64), u32),
    ) -> anyhow::Result<Self> {
        let settings = settings(&self.options)?;
        let (namespace, name) = self.title.split_once('/').unwrap_or(("", &self.title));
        let question = Question::of(&settings, namespace, name);
        let graph = self.recording.graph();
        let ids: Vec<_> = graph
            .vertices
            .iter()
            .map(|vertex| vertex.id.clone())
            .collect();
        let expression = question.expression(Which::Vertices(&ids));
        let token = token.map(|file| Token {
            file: file.to_owned(),
            url: url.to_owned(),
        });
        let server = Server {
            url,
            timeout: settings.prometheus_timeout.saturating_mul(6),
        };
        let answers = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("failed to start the runtime")?
            .block_on(async {
                let prometheus = Prometheus::new(token)?;
                let mut answers = Vec::new();
                for part in past::parts(span, step) {
                    answers.push(prometheus.range(&server, &expression, part, step).await?);
                }
                anyhow::Ok(answers)
            })?;
        let samples = past::samples(&question, graph, &answers);
        if samples.is_empty() {
            bail!(
                "Prometheus {url} has no figures of the job's vertices in that time, or not of all of them; \
                 see job.autoscaler.prometheus.labels and --set"
            );
        }
        if settings.prometheus_labels.is_none() {
            self.notes.push(
                "job.autoscaler.prometheus.labels is not set: copies of this job elsewhere would be counted in".to_owned(),
            );
        }
        self.recording = Recording::new(graph.clone(), samples, History::default());
        Ok(self)
    }
}

/// What was found so far.
#[derive(Default)]
struct Parts {
    job: Option<StoredJob>,
    samples: Vec<Sample>,
    history: History,
    notes: Vec<String>,
}

impl Parts {
    /// The data of a ConfigMap.
    fn data(&mut self, place: &str, data: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let text = |key: &str| data.get(key).map_or("", String::as_str);
        if let Some(text) = data.get(store::JOB_KEY) {
            self.line(place, text)?;
        }
        let samples = store::samples_from_json(text(store::WINDOW_KEY));
        let history = store::history_from_json(text(store::HISTORY_KEY));
        self.samples.extend(samples.value);
        self.history = history.value;
        let ignored = samples.ignored.iter().chain(&history.ignored);
        self.notes
            .extend(ignored.map(|why| format!("{place}: {why}")));
        Ok(())
    }

    /// A line: the job or readings.
    fn line(&mut self, place: &str, line: &str) -> anyhow::Result<()> {
        let value: serde_json::Value =
            serde_json::from_str(line).with_context(|| format!("{place}: no JSON"))?;
        let ignored = if value.get("samples").is_some() {
            let samples = store::samples_from_json(line);
            self.samples.extend(samples.value);
            samples.ignored
        } else {
            let job = store::job_from_json(line);
            self.job = Some(job.value);
            job.ignored
        };
        match ignored.first() {
            Some(why) => bail!("{place}: {why}"),
            None => Ok(()),
        }
    }

    fn finish(self, title: String, place: &str) -> anyhow::Result<Past> {
        let job = self.job.filter(|job| !job.graph.vertices.is_empty());
        let job = job.with_context(|| {
            format!(
                "{place} holds no job graph; it is the value of scalerJob in the ConfigMap autoscaler-NAME"
            )
        })?;
        Ok(Past {
            title,
            recording: Recording::new(job.graph, self.samples, self.history),
            options: job.options,
            notes: self.notes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/recording.jsonl"
    );

    #[test]
    fn lines_that_overlap_are_one_past_and_a_config_map_is_one_too() {
        let past = Past::file(Path::new(FILE)).unwrap();
        let text = std::fs::read_to_string(FILE).unwrap();
        let twice = Past::text("twice", &format!("{text}{text}")).unwrap();
        assert_eq!(past.recording, twice.recording);
        let lines: Vec<&str> = text.lines().collect();
        let map = serde_json::json!({ "kind": "ConfigMap", "data": {
            (store::JOB_KEY): lines[0], (store::WINDOW_KEY): lines[1],
        }});
        let one = Past::text("map", &map.to_string()).unwrap();
        assert_eq!(one.recording.graph(), past.recording.graph());
        assert!(!one.recording.is_empty() && one.recording.len() < past.recording.len());
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        let text = std::fs::read_to_string(FILE).unwrap();
        let (job, readings) = text.split_once('\n').unwrap();
        for (text, part) in [
            (readings.to_owned(), "x holds no job graph"),
            (format!("{job}\n\n{{"), "x, line 3: no JSON"),
            (
                format!("{job}\n{{\"samples\":[]}}"),
                "x, line 2: the stored window",
            ),
        ] {
            let error = Past::text("x", &text).unwrap_err();
            assert!(format!("{error:#}").contains(part), "{error:#}");
        }
    }
}
