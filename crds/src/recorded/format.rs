//! The written form of recorded specs: which fields, in which order, and what stands for an absent
//! one.
//!
//! One rule: the tables are the Java operator's model classes, in the order it serialises them.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use crate::FlinkConfiguration;

/// Parallelism by vertex, `id:n,id:n`: a map whose order is an accident.
const OVERRIDES: &str = "pipeline.jobvertex-parallelism-overrides";

/// An object of the written form.
pub(super) struct Shape(&'static [Field]);

/// A field of such an object.
struct Field {
    name: &'static str,
    /// JSON written if the field is absent; empty if it is then left out.
    absent: &'static str,
    kind: Kind,
}

/// What a field holds.
enum Kind {
    /// Any JSON, written as it is.
    Plain,
    /// An object with a form of its own.
    Object(&'static Shape),
    /// Flink configuration, whose nested and flat spelling mean the same.
    Configuration,
}

const fn plain(name: &'static str) -> Field {
    Field {
        name,
        absent: "null",
        kind: Kind::Plain,
    }
}

const fn with_default(name: &'static str, absent: &'static str) -> Field {
    Field {
        name,
        absent,
        kind: Kind::Plain,
    }
}

const fn object(name: &'static str, shape: &'static Shape) -> Field {
    Field {
        name,
        absent: "null",
        kind: Kind::Object(shape),
    }
}

const fn configuration() -> Field {
    Field {
        name: "flinkConfiguration",
        absent: "{}",
        kind: Kind::Configuration,
    }
}

pub(super) static DEPLOYMENT: Shape = Shape(&[
    object("job", &JOB),
    plain("restartNonce"),
    configuration(),
    plain("image"),
    plain("imagePullPolicy"),
    plain("serviceAccount"),
    plain("flinkVersion"),
    object("ingress", &INGRESS),
    object("podTemplate", &POD_TEMPLATE),
    object("jobManager", &JOB_MANAGER),
    object("taskManager", &TASK_MANAGER),
    plain("logConfiguration"),
    plain("mode"),
]);

pub(super) static SESSION_JOB: Shape = Shape(&[
    object("job", &JOB),
    plain("restartNonce"),
    configuration(),
    plain("deploymentName"),
]);

pub(super) static BLUE_GREEN: Shape = Shape(&[
    object("ingress", &INGRESS),
    object("template", &TEMPLATE),
    plain("configuration"),
]);

static TEMPLATE: Shape = Shape(&[plain("metadata"), object("spec", &DEPLOYMENT)]);

static JOB: Shape = Shape(&[
    plain("jarURI"),
    with_default("parallelism", "0"),
    plain("entryClass"),
    with_default("args", "[]"),
    with_default("state", "\"running\""),
    plain("savepointTriggerNonce"),
    plain("initialSavepointPath"),
    plain("checkpointTriggerNonce"),
    with_default("upgradeMode", "\"stateless\""),
    plain("allowNonRestoredState"),
    plain("savepointRedeployNonce"),
    plain("autoscalerResetNonce"),
]);

static INGRESS: Shape = Shape(&[
    plain("template"),
    plain("className"),
    plain("annotations"),
    plain("labels"),
    plain("tls"),
]);

static POD_TEMPLATE: Shape = Shape(&[with_default("metadata", ""), with_default("spec", "")]);

static JOB_MANAGER: Shape = Shape(&[
    object("resource", &RESOURCE),
    plain("resources"),
    with_default("replicas", "1"),
    object("podTemplate", &POD_TEMPLATE),
]);

static TASK_MANAGER: Shape = Shape(&[
    object("resource", &RESOURCE),
    plain("resources"),
    plain("replicas"),
    object("podTemplate", &POD_TEMPLATE),
]);

static RESOURCE: Shape = Shape(&[plain("cpu"), plain("memory"), plain("ephemeralStorage")]);

impl Shape {
    /// Writes `fields` as JSON: the known ones in their order, then the others.
    pub(super) fn write(&self, fields: &Map<String, Value>, out: &mut String) {
        let mut separator = '{';
        for field in self.0 {
            let value = fields.get(field.name).filter(|value| !value.is_null());
            if value.is_none() && field.absent.is_empty() {
                continue;
            }
            begin(field.name, &mut separator, out);
            match (value, &field.kind) {
                (None, _) => out.push_str(field.absent),
                (Some(Value::Object(inner)), Kind::Object(shape)) => shape.write(inner, out),
                (Some(value), _) => out.push_str(&value.to_string()),
            }
        }
        for (name, value) in fields.iter().filter(|(name, _)| !self.knows(name)) {
            begin(name, &mut separator, out);
            out.push_str(&value.to_string());
        }
        out.push_str(if separator == '{' { "{}" } else { "}" });
    }

    /// What `fields` mean: without nulls and defaults, configuration flattened, numbers by value.
    pub(super) fn meaning(&self, fields: &Map<String, Value>) -> BTreeMap<String, Value> {
        let mut meaning = BTreeMap::new();
        for (name, value) in fields {
            let field = self.0.iter().find(|field| field.name == name);
            let value = match (value, field.map(|field| &field.kind)) {
                (Value::Object(inner), Some(Kind::Object(shape))) => {
                    Value::Object(shape.meaning(inner).into_iter().collect())
                }
                (Value::Object(inner), Some(Kind::Configuration)) => {
                    let mut flat = FlinkConfiguration(inner.clone()).flattened();
                    if let Some(overrides) = flat.get_mut(OVERRIDES) {
                        sort_entries(overrides);
                    }
                    flat.into_iter()
                        .map(|(key, value)| (key, Value::from(value)))
                        .collect()
                }
                (value, _) => plain_meaning(value),
            };
            let absent = field.map_or("null", |field| field.absent);
            let text = value.to_string();
            if !value.is_null() && text != absent {
                meaning.insert(name.clone(), value);
            }
        }
        meaning
    }

    /// Copies fields that this version does not know from `old` to `new`.
    pub(super) fn carry_unknown(&self, old: &Map<String, Value>, new: &mut Map<String, Value>) {
        for (name, value) in old.iter().filter(|(name, _)| !self.knows(name)) {
            new.entry(name.as_str()).or_insert_with(|| value.clone());
        }
        for field in self.0 {
            if let (Kind::Object(shape), Some(Value::Object(old)), Some(Value::Object(new))) =
                (&field.kind, old.get(field.name), new.get_mut(field.name))
            {
                shape.carry_unknown(old, new);
            }
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.0.iter().any(|field| field.name == name)
    }
}

/// Writes what comes before a field's value.
fn begin(name: &str, separator: &mut char, out: &mut String) {
    out.push(*separator);
    *separator = ',';
    out.push_str(&Value::from(name).to_string());
    out.push(':');
}

/// A value without nulls inside objects, and with whole numbers written as such.
fn plain_meaning(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), plain_meaning(value)))
            .collect(),
        Value::Array(items) => items.iter().map(plain_meaning).collect(),
        Value::Number(number) => Value::Number(whole(number)),
        other => other.clone(),
    }
}

fn sort_entries(map: &mut String) {
    let mut entries: Vec<&str> = map.split(',').map(str::trim).collect();
    entries.sort_unstable();
    *map = entries.join(",");
}

/// 2 for 2.0; any other number as it is.
fn whole(number: &Number) -> Number {
    let text = number.to_string();
    let digits = text.strip_suffix(".0").unwrap_or(&text);
    digits
        .parse::<i64>()
        .map_or_else(|_| number.clone(), Number::from)
}
