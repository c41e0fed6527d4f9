//! What is known about every resource, and the figures that follow from it.
//!
//! The rule: figures about resources are computed from this book at each scrape and kept nowhere
//! else, so a resource that is forgotten leaves no series behind.

use std::collections::BTreeMap;

use super::table::{self, Declaration};

/// The kinds of resource the operator looks after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named as the kinds are")]
pub enum ResourceType {
    FlinkDeployment,
    FlinkSessionJob,
    FlinkStateSnapshot,
    FlinkBlueGreenDeployment,
}

impl ResourceType {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::FlinkDeployment,
        Self::FlinkSessionJob,
        Self::FlinkStateSnapshot,
        Self::FlinkBlueGreenDeployment,
    ];

    /// Name of the kind, which is also the value of the label `resourcetype`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FlinkDeployment => "FlinkDeployment",
            Self::FlinkSessionJob => "FlinkSessionJob",
            Self::FlinkStateSnapshot => "FlinkStateSnapshot",
            Self::FlinkBlueGreenDeployment => "FlinkBlueGreenDeployment",
        }
    }
}

/// One resource: its kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// Its kind.
    pub kind: ResourceType,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Resource {
    /// Names a resource.
    pub fn new(kind: ResourceType, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// What a snapshot resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the two kinds of snapshot in Flink")]
pub enum SnapshotKind {
    Checkpoint,
    Savepoint,
}

/// What a pass knows about a resource. States are the names the API gives them.
#[derive(Clone, Debug, PartialEq)]
pub enum Facts {
    /// A FlinkDeployment.
    Deployment(DeploymentFacts),
    /// A FlinkSessionJob.
    SessionJob {
        /// Its lifecycle state, such as `STABLE`.
        lifecycle: &'static str,
    },
    /// A FlinkStateSnapshot.
    Snapshot {
        /// Which kind of snapshot.
        kind: SnapshotKind,
        /// Its state, such as `COMPLETED`.
        state: &'static str,
    },
    /// A FlinkBlueGreenDeployment.
    BlueGreen {
        /// Its state, such as `ACTIVE_BLUE`.
        state: &'static str,
        /// State of the active side's job, such as `RUNNING`.
        job: Option<&'static str>,
    },
}

/// What a pass knows about a FlinkDeployment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeploymentFacts {
    /// Its lifecycle state, such as `STABLE`.
    pub lifecycle: &'static str,
    /// State of its job manager, such as `READY`.
    pub job_manager: &'static str,
    /// The version its cluster reports.
    pub flink_version: Option<String>,
    /// Cores asked for by all its pods.
    pub cpu: f64,
    /// Memory asked for by all its pods, in bytes.
    pub memory: f64,
    /// Size of its latest checkpoint, in bytes.
    pub state_size: f64,
}

impl Facts {
    /// The one state that says where the resource is.
    pub const fn state(&self) -> &'static str {
        match self {
            Self::Deployment(facts) => facts.lifecycle,
            Self::SessionJob { lifecycle } => lifecycle,
            Self::Snapshot { state, .. } | Self::BlueGreen { state, .. } => state,
        }
    }

    /// The lifecycle state, where the kind has one.
    pub const fn lifecycle(&self) -> Option<&'static str> {
        match self {
            Self::Deployment(facts) => Some(facts.lifecycle),
            Self::SessionJob { lifecycle } => Some(lifecycle),
            Self::Snapshot { .. } | Self::BlueGreen { .. } => None,
        }
    }
}

/// The autoscaler's figures for one vertex, by the names of [`table::VERTEX_CURRENT`] and
/// [`table::VERTEX_AVERAGE`]. What is unknown is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VertexFigures {
    /// The latest.
    pub current: BTreeMap<&'static str, f64>,
    /// Over the metrics window.
    pub average: BTreeMap<&'static str, f64>,
}

/// What an evaluation of the autoscaler came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evaluation {
    /// It rescaled the job.
    Scaled,
    /// It found nothing to change.
    Balanced,
    /// It failed.
    Failed,
}

#[derive(Clone, Debug, Default)]
struct Scaling {
    scaled: u32,
    balanced: u32,
    failed: u32,
    vertices: BTreeMap<String, VertexFigures>,
}

/// A figure ready to be exported.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    pub declaration: &'static Declaration,
    /// What `{}` in the name stands for.
    pub each: &'static str,
    pub labels: Vec<String>,
    pub value: f64,
}

/// The book.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    resources: BTreeMap<Resource, Facts>,
    scaling: BTreeMap<Resource, Scaling>,
}

/// The metrics computed from the book.
pub(super) const FIGURES: &[&Declaration] = &[
    &table::COUNT,
    &table::LIFECYCLE,
    &table::JOB_MANAGER,
    &table::FLINK_VERSION,
    &table::FLINK_MINOR_VERSION,
    &table::CPU,
    &table::MEMORY,
    &table::STATE_SIZE,
    &table::CHECKPOINT_COUNT,
    &table::CHECKPOINT_STATE,
    &table::SAVEPOINT_COUNT,
    &table::SAVEPOINT_STATE,
    &table::BLUE_GREEN_STATE,
    &table::BLUE_GREEN_JOB,
    &table::SCALINGS,
    &table::SCALING_ERRORS,
    &table::BALANCED,
    &table::VERTEX_NOW,
    &table::VERTEX_MEAN,
    &table::RESOURCE_STATE,
];

impl Fleet {
    pub fn set(&mut self, resource: &Resource, facts: Facts) {
        self.resources.insert(resource.clone(), facts);
    }

    /// The resources of a kind.
    pub fn of_kind(&self, kind: ResourceType) -> Vec<Resource> {
        let all = self.resources.keys();
        all.filter(|resource| resource.kind == kind)
            .cloned()
            .collect()
    }

    /// The resources of a namespace.
    pub fn of_namespace(&self, namespace: &str) -> Vec<Resource> {
        let all = self.resources.keys();
        all.filter(|resource| resource.namespace == namespace)
            .cloned()
            .collect()
    }

    /// Removes a resource; whether it was the last of its kind in its namespace.
    pub fn forget(&mut self, resource: &Resource) -> bool {
        self.resources.remove(resource);
        self.scaling.remove(resource);
        !self
            .resources
            .keys()
            .any(|other| other.kind == resource.kind && other.namespace == resource.namespace)
    }

    pub fn evaluated(&mut self, resource: &Resource, evaluation: Evaluation) {
        let scaling = self.scaling.entry(resource.clone()).or_default();
        let count = match evaluation {
            Evaluation::Scaled => &mut scaling.scaled,
            Evaluation::Balanced => &mut scaling.balanced,
            Evaluation::Failed => &mut scaling.failed,
        };
        *count = count.saturating_add(1);
    }

    pub fn set_vertices(&mut self, resource: &Resource, vertices: BTreeMap<String, VertexFigures>) {
        self.scaling.entry(resource.clone()).or_default().vertices = vertices;
    }

    /// Ends the autoscaler's figures for a resource.
    pub fn unscaled(&mut self, resource: &Resource) {
        self.scaling.remove(resource);
    }

    /// Every figure, in the order of the table.
    pub fn figures(&self) -> Vec<Figure> {
        let mut tally = Tally::default();
        for (resource, facts) in &self.resources {
            tally.add(resource, facts);
        }
        let mut figures = tally.figures();
        for (resource, scaling) in &self.scaling {
            add_scaling(&mut figures, resource, scaling);
        }
        for (resource, facts) in &self.resources {
            let mut labels = labels_of(resource);
            labels.push(facts.state().to_owned());
            figures.push(Figure {
                declaration: &table::RESOURCE_STATE,
                each: "",
                labels,
                value: 1.0,
            });
        }
        figures
    }
}

fn labels_of(resource: &Resource) -> Vec<String> {
    vec![
        resource.namespace.clone(),
        resource.name.clone(),
        resource.kind.as_str().to_owned(),
    ]
}

fn add_scaling(figures: &mut Vec<Figure>, resource: &Resource, scaling: &Scaling) {
    let counters = [
        (&table::SCALINGS, scaling.scaled),
        (&table::SCALING_ERRORS, scaling.failed),
        (&table::BALANCED, scaling.balanced),
    ];
    for (declaration, count) in counters {
        let labels = labels_of(resource);
        figures.push(Figure {
            declaration,
            each: "",
            labels,
            value: f64::from(count),
        });
    }
    for (vertex, known) in &scaling.vertices {
        let mut labels = labels_of(resource);
        labels.push(vertex.clone());
        for (declaration, values) in [
            (&table::VERTEX_NOW, &known.current),
            (&table::VERTEX_MEAN, &known.average),
        ] {
            for &each in declaration.each {
                if let Some(&value) = values.get(each) {
                    figures.push(Figure {
                        declaration,
                        each,
                        labels: labels.clone(),
                        value,
                    });
                }
            }
        }
    }
}

/// Where a sum belongs: the metric's place in [`FIGURES`], the value of `{}`, the labels.
type Place = (usize, &'static str, Vec<String>);

/// Sums by namespace.
#[derive(Default)]
struct Tally(BTreeMap<Place, f64>);

impl Tally {
    fn add(&mut self, resource: &Resource, facts: &Facts) {
        let labels = vec![
            resource.namespace.clone(),
            resource.kind.as_str().to_owned(),
        ];
        match facts {
            Facts::Deployment(facts) => {
                self.sum(&table::COUNT, &labels, 1.0);
                self.one_of(&table::LIFECYCLE, &labels, Some(facts.lifecycle));
                self.one_of(&table::JOB_MANAGER, &labels, Some(facts.job_manager));
                self.sum(&table::CPU, &labels, facts.cpu);
                self.sum(&table::MEMORY, &labels, facts.memory);
                self.sum(&table::STATE_SIZE, &labels, facts.state_size);
                self.versions(&labels, facts.flink_version.as_deref());
            }
            Facts::SessionJob { lifecycle } => {
                self.sum(&table::COUNT, &labels, 1.0);
                self.one_of(&table::LIFECYCLE, &labels, Some(lifecycle));
            }
            Facts::Snapshot { kind, state } => {
                let (count, states) = match kind {
                    SnapshotKind::Checkpoint => {
                        (&table::CHECKPOINT_COUNT, &table::CHECKPOINT_STATE)
                    }
                    SnapshotKind::Savepoint => (&table::SAVEPOINT_COUNT, &table::SAVEPOINT_STATE),
                };
                self.sum(count, &labels, 1.0);
                self.one_of(states, &labels, Some(state));
            }
            Facts::BlueGreen { state, job } => {
                self.sum(&table::COUNT, &labels, 1.0);
                self.one_of(&table::BLUE_GREEN_STATE, &labels, Some(state));
                self.one_of(&table::BLUE_GREEN_JOB, &labels, *job);
            }
        }
    }

    fn versions(&mut self, labels: &[String], version: Option<&str>) {
        let version = version.unwrap_or("UNKNOWN");
        for (declaration, value) in [
            (&table::FLINK_VERSION, version.to_owned()),
            (&table::FLINK_MINOR_VERSION, minor_version(version)),
        ] {
            let mut labels = labels.to_vec();
            labels.push(value);
            self.sum(declaration, &labels, 1.0);
        }
    }

    fn sum(&mut self, declaration: &'static Declaration, labels: &[String], value: f64) {
        self.add_at(declaration, "", labels, value);
    }

    /// Counts one in the state it is in, and none in every other, so that each series exists.
    fn one_of(&mut self, metric: &'static Declaration, labels: &[String], state: Option<&str>) {
        for &each in metric.each {
            let here = f64::from(u8::from(state == Some(each)));
            self.add_at(metric, each, labels, here);
        }
    }

    fn add_at(
        &mut self,
        metric: &'static Declaration,
        each: &'static str,
        labels: &[String],
        value: f64,
    ) {
        let place = FIGURES.iter().position(|known| known.name == metric.name);
        debug_assert!(place.is_some(), "{} is missing from FIGURES", metric.name);
        *self
            .0
            .entry((place.unwrap_or_default(), each, labels.to_vec()))
            .or_default() += value;
    }

    fn figures(self) -> Vec<Figure> {
        self.0
            .into_iter()
            .filter_map(|((place, each, labels), value)| {
                FIGURES.get(place).map(|&declaration| Figure {
                    declaration,
                    each,
                    labels,
                    value,
                })
            })
            .collect()
    }
}

/// `1.20` of `1.20.1` and `2.0-SNAPSHOT`.
fn minor_version(version: &str) -> String {
    if version == "UNKNOWN" {
        return version.to_owned();
    }
    let mut parts = version.split(['.', '-']);
    match (number(parts.next()), number(parts.next())) {
        (Some(major), Some(minor)) => format!("{major}.{minor}"),
        _ => "MALFORMED".to_owned(),
    }
}

fn number(part: Option<&str>) -> Option<u16> {
    part?.parse().ok()
}

#[cfg(test)]
mod tests;
