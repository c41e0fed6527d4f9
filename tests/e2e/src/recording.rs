//! What the autoscaler read of a job, gathered while a test runs, and a model of that job beside it.
//!
//! The rule: a recording is what `flink-operator compare --file` takes, and lies where the operator's log is.

use std::cell::RefCell;
use std::fs;
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use crate::Namespace;

/// The last samples before a rescale are stored when it is decided on, and replaced when the job runs again.
const EVERY: Duration = Duration::from_secs(2);

/// The recording of one job.
pub struct Recording<'a> {
    namespace: &'a Namespace,
    name: &'a str,
    gathered: RefCell<Gathered>,
}

#[derive(Default)]
struct Gathered {
    looked: Option<Instant>,
    job: Option<String>,
    samples: Vec<String>,
}

impl<'a> Recording<'a> {
    /// Of the job of a FlinkDeployment, empty yet.
    pub fn of(namespace: &'a Namespace, name: &'a str) -> Self {
        Self {
            namespace,
            name,
            gathered: RefCell::default(),
        }
    }

    /// Take what is stored now, if some time has passed since it was last taken.
    pub fn look(&self) {
        let mut gathered = self.gathered.borrow_mut();
        if gathered.looked.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        gathered.looked = Some(Instant::now());
        let map = format!("autoscaler-{}", self.name);
        let Ok(text) = self
            .namespace
            .attempt(&["get", "configmap", &map, "-o", "json"])
        else {
            return;
        };
        let map: ConfigMap = serde_json::from_str(&text).expect("a ConfigMap");
        let job = map.data.and_then(|mut data| data.remove("scalerJob"));
        gathered.job = job.or_else(|| gathered.job.take());
        let packed = map
            .binary_data
            .and_then(|mut data| data.remove("scalerWindow"));
        let samples = packed.map(|packed| {
            let mut text = String::new();
            GzDecoder::new(packed.0.as_slice())
                .read_to_string(&mut text)
                .expect("samples, compressed");
            text
        });
        let new = samples.filter(|new| gathered.samples.last() != Some(new));
        gathered.samples.extend(new);
    }

    /// When the job began to run, by the first of its samples.
    pub fn began(&self) -> Timestamp {
        let gathered = self.gathered.borrow();
        let first: Value = serde_json::from_str(&gathered.samples[0]).expect("JSON");
        let since = first.pointer("/samples/0/since").and_then(Value::as_str);
        since
            .expect("a sample of a running job")
            .parse()
            .expect("a time")
    }

    /// Where files of this recording are.
    fn file(&self, ending: &str) -> PathBuf {
        let name = format!("flink-operator-e2e-{}.{ending}", self.namespace.name());
        std::env::temp_dir().join(name)
    }

    /// Let `program` compare it with a model in YAML, and show the answer.
    pub fn compare(&self, program: &Path, model: &str) -> Compared {
        let gathered = self.gathered.borrow();
        let job = gathered.job.as_ref().expect("a recording");
        let lines = [std::slice::from_ref(job), &gathered.samples].concat();
        let (recording, written) = (self.file("jsonl"), self.file("model.yaml"));
        fs::write(&recording, lines.join("\n")).expect("a file for the recording");
        fs::write(&written, model).expect("a file for the model");
        let run = |more: &[&str]| {
            let out = Command::new(program)
                .args(["compare", "--file"])
                .arg(&recording)
                .arg("--model")
                .arg(&written)
                .args(more)
                .output()
                .expect("the operator's program");
            let complaint = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "{complaint}");
            String::from_utf8(out.stdout).expect("UTF-8")
        };
        let picture = self.file("svg");
        let text = run(&["--svg", picture.to_str().expect("a path in UTF-8")]);
        println!(
            "{text}\nSee {} and {}",
            recording.display(),
            picture.display()
        );
        let answer: Value = serde_json::from_str(&run(&["--output", "json"])).expect("JSON");
        Compared { answer, text }
    }
}

/// A job beside a model of it.
pub struct Compared {
    answer: Value,
    text: String,
}

impl Compared {
    /// The model's figure over the real one, if that was measured, lies within `range`. `phase` and `quantity` are how
    /// their names begin.
    #[track_caller]
    pub fn assert(&self, phase: &str, quantity: &str, range: RangeInclusive<f64>) {
        let figures = self.answer.get("figures").and_then(Value::as_array);
        let is = |figure: &Value, key: &str, begin: &str| {
            figure
                .get(key)
                .and_then(Value::as_str)
                .is_some_and(|text| text.starts_with(begin))
        };
        let found = figures
            .into_iter()
            .flatten()
            .find(|figure| is(figure, "phase", phase) && is(figure, "quantity", quantity));
        let value = |key: &str| found.and_then(|figure| figure.get(key)?.as_f64());
        assert!(found.is_some(), "no {quantity} in {phase}\n{}", self.text);
        let Some(real) = value("real") else {
            // Such as a capacity where rescales left no time to measure it.
            println!("{phase}, {quantity}: not measured");
            return;
        };
        let ratio = value("model").map(|model| model / real);
        assert!(
            ratio.is_some_and(|ratio| range.contains(&ratio)),
            "{phase}, {quantity}: {ratio:?} is not within {range:?}\n{}",
            self.text
        );
    }
}
