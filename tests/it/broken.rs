//! Manifests and settings that are wrong, and what a person then reads.
//!
//! Each file of `tests/broken` is a list of cases: a title, what is written over a manifest that is right, and
//! what is said of it. The messages come from where the person meets them: the rules in the definitions
//! (`rejected`), the reading of the resource and the validation (`status`), warnings (`event`), and the
//! start of the operator (`start`, `log`). `UPDATE=1` rewrites what is said; reviewing is reading it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use flink_crds::{FlinkDeployment, FlinkStateSnapshot};
use flink_operator::config::listeners::listeners;
use flink_operator::config::load::{Sources, load};
use flink_operator::config::{Defaults, Election, options};
use flink_operator::controllers::unreadable;
use flink_operator::domain::snapshot::{
    Pace, SNAPSHOT_FINALIZER, SnapshotObserved, Target, decide,
};
use flink_operator::domain::{ClusterAddress, Desired, Sighting};
use flink_operator::telemetry::logs::Chain;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde_json::{Value, json};

/// Fewer cases than this are too few.
const ENOUGH: usize = 40;

/// The rules in the definitions, by kind. Those on names need a real API server and are left out.
static RULES: LazyLock<BTreeMap<String, CompiledSchema>> = LazyLock::new(|| {
    let compiled = |crd: CustomResourceDefinition| {
        let version = crd.spec.versions.into_iter().next().unwrap();
        let mut root = version.schema.unwrap().open_api_v3_schema.unwrap();
        if let Some(rules) = &mut root.x_kubernetes_validations {
            rules.retain(|rule| rule.optional_old_self != Some(true));
        }
        let schema = compile_schema(&serde_json::to_value(root).unwrap());
        (crd.spec.names.kind, schema)
    };
    flink_crds::all().into_iter().map(compiled).collect()
});

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("tests/broken exists")
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    files.sort();
    files
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_the_remedy() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut cases = 0;
    let mut silent = Vec::new();
    for path in files() {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let (told, count) = told(&text);
        cases += count;
        if told.contains("\n> nothing\n") {
            silent.push(path.clone());
        }
        if update {
            std::fs::write(&path, &told).expect("a writable file");
        } else {
            assert_eq!(text, told, "{}: UPDATE=1 rewrites it", path.display());
        }
    }
    assert!(silent.is_empty(), "nothing is said of a case in {silent:?}");
    assert!(cases >= ENOUGH, "{cases} cases");
}

#[test]
fn the_manifests_that_are_broken_were_right() {
    for kind in ["FlinkDeployment", "FlinkStateSnapshot"] {
        let case = json!({ "kind": kind });
        assert_eq!(said(&case), Vec::<String>::new(), "{kind}");
    }
}

/// The file with what is said now, and how many cases it has.
fn told(text: &str) -> (String, usize) {
    let mut parts = text.split("\n# ");
    let mut told = parts.next().unwrap_or_default().trim_end().to_owned();
    let mut count = 0;
    for part in parts {
        let (title, rest) = part.split_once('\n').unwrap_or((part, ""));
        let manifest = rest.split("\n> ").next().unwrap_or_default().trim_end();
        let case: Value =
            serde_saphyr::from_str(manifest).unwrap_or_else(|error| panic!("{title}: {error}"));
        let said = said(&case);
        let said = if said.is_empty() {
            vec!["nothing".to_owned()]
        } else {
            said
        };
        let _ = write!(told, "\n\n# {title}\n{manifest}");
        for line in said {
            let _ = write!(told, "\n> {line}");
        }
        count += 1;
    }
    told.push('\n');
    (told, count)
}

/// What a person reads about a case.
fn said(case: &Value) -> Vec<String> {
    match case["kind"].as_str().unwrap_or("FlinkDeployment") {
        "FlinkStateSnapshot" => of_snapshot(case),
        "Operator" => of_operator(case),
        _ => of_deployment(case),
    }
}

/// `what` written over `into`; null takes a field away, and nothing changes nothing.
fn over(into: &mut Value, what: &Value) {
    match what {
        Value::Null => {}
        Value::Object(fields) => {
            if !into.is_object() {
                *into = json!({});
            }
            for (key, value) in fields {
                if value.is_null() {
                    into.as_object_mut().unwrap().remove(key);
                } else {
                    over(&mut into[key], value);
                }
            }
        }
        other => *into = other.clone(),
    }
}

/// What the rules in the definition say of it.
fn rejected(object: &Value) -> Vec<String> {
    let kind = object["kind"].as_str().unwrap();
    let validated = Validator::new().validate_compiled(&RULES[kind], object, None);
    let Err(errors) = validated else {
        return Vec::new();
    };
    let errors = errors.as_slice().iter();
    errors.map(|error| format!("rejected: {error}")).collect()
}

fn lines(place: &str, text: &str) -> Vec<String> {
    text.lines()
        .map(|line| format!("{place}: {line}"))
        .collect()
}

fn of_deployment(case: &Value) -> Vec<String> {
    let mut object = json!(crate::world::manifest());
    let defaults = match case["operator"].as_object() {
        Some(keys) => {
            let keys = keys
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str().unwrap()));
            Defaults::builtin().with_config(&keys.collect())
        }
        None => Defaults::builtin(),
    };
    for part in ["metadata", "spec"] {
        over(&mut object[part], &case[part]);
    }
    if let Some(text) = unreadable::<FlinkDeployment>(&object) {
        return lines("status", &text);
    }
    let mut said = rejected(&object);
    let object = serde_json::from_value(object).unwrap();
    let desired = Desired::of(&object, &defaults);
    said.extend(lines(
        "status",
        &desired.violation_text().unwrap_or_default(),
    ));
    said.extend(desired.advice.iter().map(|text| format!("event: {text}")));
    said
}

fn of_snapshot(case: &Value) -> Vec<String> {
    let mut object = json!({
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkStateSnapshot",
        "metadata": { "name": "one", "namespace": "default", "finalizers": [SNAPSHOT_FINALIZER] },
        "spec": { "jobReference": { "kind": "FlinkDeployment", "name": "job" }, "savepoint": {} },
    });
    over(&mut object["spec"], &case["spec"]);
    if let Some(text) = unreadable::<FlinkStateSnapshot>(&object) {
        return lines("status", &text);
    }
    let mut said = rejected(&object);
    let snapshot = serde_json::from_value(object).unwrap();
    let plan = decide(&snapshot, &observed(&case["job"]));
    said.extend(lines("status", &plan.status.error.unwrap_or_default()));
    said
}

/// A job that runs, or none at all.
fn observed(job: &Value) -> SnapshotObserved {
    let target = Target {
        address: ClusterAddress {
            name: "job".to_owned(),
            port: 8081,
            tls: false,
        },
        job: Some("j1".to_owned()),
        state: Sighting::Seen(flink_crds::FlinkJobState::Running),
        changing: false,
        directory: match job.get("directory") {
            None => Some("file:///savepoints".to_owned()),
            Some(directory) => directory.as_str().map(str::to_owned),
        },
        checkpoint_type: "FULL".to_owned(),
        version: Some(match job["version"].as_str() {
            Some(version) => serde_json::from_value(json!(version)).unwrap(),
            None => flink_crds::FlinkVersion::V1_20,
        }),
    };
    let there = job["there"].as_bool().unwrap_or(true);
    SnapshotObserved {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        target: if there {
            Sighting::Seen(target)
        } else {
            Sighting::Absent
        },
        progress: Sighting::not_read(),
        fresh_trigger: "t1".to_owned(),
        pace: Pace {
            progress: std::time::Duration::from_secs(10),
            reconcile: std::time::Duration::from_mins(1),
        },
        violations: Vec::new(),
    }
}

/// The start of an operator with this `config.yaml`, or `lines` of a `flink-conf.yaml`.
fn of_operator(case: &Value) -> Vec<String> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let next = NEXT.fetch_add(1, Ordering::SeqCst);
    let name = format!("flink-operator-broken-{}-{next}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for (field, file) in [("config", "config.yaml"), ("lines", "flink-conf.yaml")] {
        if let Some(text) = case[field].as_str() {
            std::fs::write(folder.join(file), text).unwrap();
        }
    }
    let loaded = load(&Sources {
        directory: Some(folder.clone()),
        watch_namespaces: case["watch"].as_str().map(str::to_owned),
        ..Sources::default()
    });
    let said = match loaded {
        Err(error) => lines("start", &Chain(&error).to_string()),
        Ok(loaded) => {
            let log = loaded.warnings.iter().map(|text| format!("log: {text}"));
            let config = loaded.defaults.operator();
            let start = [
                loaded.defaults.watched_namespaces().err(),
                config.get(&options::LABEL_SELECTOR).err(),
                Election::read(config).err(),
                listeners(config).err(),
            ];
            let start = start.into_iter().flatten();
            log.chain(start.map(|error| format!("start: {error}")))
                .collect()
        }
    };
    std::fs::remove_dir_all(&folder).unwrap();
    let hidden = folder.display().to_string();
    said.iter()
        .map(|text| text.replace(&hidden, "/etc/flink"))
        .collect()
}
