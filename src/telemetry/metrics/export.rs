//! From declarations to what the registry knows, and from the book to what a scrape reads.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use super::fleet::{Figure, Fleet};
use super::process::Usage;
use super::table::{self, Declaration, Type};
use super::{Error, Identity};

/// The book, shared between those who write and the scrape that reads.
#[derive(Clone, Default)]
pub(super) struct Book(Arc<Mutex<Fleet>>);

impl Book {
    pub fn with<R>(&self, act: impl FnOnce(&mut Fleet) -> R) -> R {
        act(&mut lock(&self.0))
    }
}

/// A panic elsewhere must not end counting: at worst one figure is off by one.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The metrics of this process.
const PROCESS: &[&Declaration] = &[
    &table::PROCESS_CPU,
    &table::PROCESS_MEMORY,
    &table::PROCESS_FILES,
];

/// Exports the book at each scrape.
pub(super) struct Figures {
    descriptions: Vec<Desc>,
    book: Book,
}

impl Figures {
    pub fn new(declarations: &[&Declaration], book: Book) -> Result<Self, Error> {
        Ok(Self {
            descriptions: descriptions(declarations)?,
            book,
        })
    }
}

impl Collector for Figures {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        families(self.book.with(|fleet| fleet.figures()))
    }
}

/// Exports what the process uses at each scrape.
pub(super) struct ProcessFigures {
    descriptions: Vec<Desc>,
}

impl ProcessFigures {
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            descriptions: descriptions(PROCESS)?,
        })
    }
}

impl Collector for ProcessFigures {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let usage = Usage::read();
        let known = PROCESS.iter().zip([usage.cpu, usage.memory, usage.files]);
        let figures = known.filter_map(|(&declaration, value)| {
            value.map(|value| Figure {
                declaration,
                each: "",
                labels: Vec::new(),
                value,
            })
        });
        families(figures.collect())
    }
}

/// Groups figures into families by name.
fn families(figures: Vec<Figure>) -> Vec<MetricFamily> {
    let mut families: BTreeMap<(&'static str, &'static str), MetricFamily> = BTreeMap::new();
    for figure in figures {
        let declaration = figure.declaration;
        let family = families
            .entry((declaration.name, figure.each))
            .or_insert_with(|| {
                let mut family = MetricFamily::default();
                family.set_name(declaration.name_for(figure.each));
                family.set_help(declaration.help.to_owned());
                family.set_field_type(match declaration.kind {
                    Type::Counter => MetricType::COUNTER,
                    Type::Gauge | Type::Histogram(_) => MetricType::GAUGE,
                });
                family
            });
        family.mut_metric().push(metric(&figure));
    }
    families.into_values().collect()
}

fn metric(figure: &Figure) -> Metric {
    let mut metric = Metric::default();
    let pairs = figure
        .declaration
        .labels
        .iter()
        .zip(&figure.labels)
        .map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(value.clone());
            pair
        });
    metric.set_label(pairs.collect());
    if figure.declaration.kind == Type::Counter {
        let mut counter = Counter::default();
        counter.set_value(figure.value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(figure.value);
        metric.set_gauge(gauge);
    }
    metric
}

pub(super) fn registry(identity: &Identity) -> Result<Registry, Error> {
    let labels = HashMap::from([
        ("host".to_owned(), identity.host.clone()),
        ("namespace".to_owned(), identity.namespace.clone()),
        ("name".to_owned(), identity.name.clone()),
    ]);
    Registry::new_custom(None, Some(labels)).map_err(|source| Error::Register {
        name: "of the registry".to_owned(),
        source,
    })
}

pub(super) fn register(
    registry: &Registry,
    name: &str,
    it: impl Collector + 'static,
) -> Result<(), Error> {
    registry
        .register(Box::new(it))
        .map_err(|source| Error::Register {
            name: name.to_owned(),
            source,
        })
}

fn descriptions(declarations: &[&Declaration]) -> Result<Vec<Desc>, Error> {
    let mut all = Vec::new();
    for declaration in declarations {
        for name in declaration.names() {
            let labels = declaration
                .labels
                .iter()
                .map(|&label| label.to_owned())
                .collect();
            let help = declaration.help.to_owned();
            let description = Desc::new(name.clone(), help, labels, HashMap::new())
                .map_err(|source| Error::Register { name, source })?;
            all.push(description);
        }
    }
    Ok(all)
}

pub(super) fn counter(
    registry: &Registry,
    declaration: &Declaration,
) -> Result<IntCounterVec, Error> {
    let options = Opts::new(declaration.name, declaration.help);
    make(
        registry,
        declaration.name,
        IntCounterVec::new(options, declaration.labels),
    )
}

pub(super) fn gauge(registry: &Registry, declaration: &Declaration) -> Result<IntGaugeVec, Error> {
    let options = Opts::new(declaration.name, declaration.help);
    make(
        registry,
        declaration.name,
        IntGaugeVec::new(options, declaration.labels),
    )
}

/// A gauge that need not be whole.
pub(super) fn seconds(registry: &Registry, declaration: &Declaration) -> Result<GaugeVec, Error> {
    let options = Opts::new(declaration.name, declaration.help);
    make(
        registry,
        declaration.name,
        GaugeVec::new(options, declaration.labels),
    )
}

pub(super) fn histogram(
    registry: &Registry,
    declaration: &Declaration,
    each: &str,
) -> Result<HistogramVec, Error> {
    let name = declaration.name_for(each);
    let mut options = HistogramOpts::new(name.clone(), declaration.help);
    if let Type::Histogram(bounds) = declaration.kind {
        options = options.buckets(bounds.to_vec());
    }
    make(
        registry,
        &name,
        HistogramVec::new(options, declaration.labels),
    )
}

pub(super) fn histograms(
    registry: &Registry,
    declaration: &Declaration,
) -> Result<BTreeMap<&'static str, HistogramVec>, Error> {
    let each = declaration.each.iter();
    each.map(|&value| Ok((value, histogram(registry, declaration, value)?)))
        .collect()
}

fn make<V: Collector + Clone + 'static>(
    registry: &Registry,
    name: &str,
    made: prometheus::Result<V>,
) -> Result<V, Error> {
    let made = made.map_err(|source| Error::Register {
        name: name.to_owned(),
        source,
    })?;
    register(registry, name, made.clone())?;
    Ok(made)
}
