//! What the API server makes of the definitions.

use std::path::PathBuf;

use flink_e2e::{Namespace, application, repository};
use serde_json::{Value, json};

use crate::SITE;

const KINDS: [&str; 4] = [
    "FlinkBlueGreenDeployment",
    "FlinkDeployment",
    "FlinkSessionJob",
    "FlinkStateSnapshot",
];

/// Documents of all YAML files of a folder, with the name of their file.
fn documents(folder: &str) -> Vec<(String, Value)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(repository().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    let parsed = |file: PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        documents
            .into_iter()
            .map(move |document| (name.clone(), document))
    };
    files.into_iter().flat_map(parsed).collect()
}

/// Whether all that `wanted` says stands in `found` too; the first place where it does not.
fn lost(wanted: &Value, found: &Value, place: &str) -> Option<String> {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted
            .iter()
            // The server leaves out what is null.
            .filter(|(_, value)| !value.is_null())
            .find_map(|(key, value)| {
                let place = format!("{place}.{key}");
                match found.get(key) {
                    Some(found) => lost(value, found, &place),
                    None => Some(place),
                }
            }),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            let pairs = (0..).zip(wanted.iter().zip(found));
            pairs
                .map(|(position, (wanted, found))| (format!("{place}[{position}]"), wanted, found))
                .find_map(|(place, wanted, found)| lost(wanted, found, &place))
        }
        (Value::Number(wanted), Value::Number(found)) if wanted.as_f64() == found.as_f64() => None,
        _ if wanted == found => None,
        _ => Some(format!("{place}: {wanted} became {found}")),
    }
}

/// What the server would store, with fields it does not know refused.
fn stored(namespace: &Namespace, document: &Value) -> Result<Value, String> {
    let create = [
        "create",
        "-f",
        "-",
        "--dry-run=server",
        "--validate=strict",
        "-o",
        "json",
    ];
    let text = namespace.attempt_with(&create, &document.to_string())?;
    Ok(serde_json::from_str(&text).unwrap())
}

#[test]
fn every_example_and_manifest_is_stored_without_losing_a_field() {
    let namespace = SITE.namespace("api-manifests");
    let mut seen = 0;
    for folder in ["examples", "crds/tests/fixtures/manifests"] {
        for (file, mut document) in documents(folder) {
            if !KINDS.contains(&document["kind"].as_str().unwrap_or_default()) {
                continue;
            }
            let metadata = document["metadata"].as_object_mut().unwrap();
            for assigned in ["namespace", "uid", "resourceVersion", "generation"] {
                metadata.remove(assigned);
            }
            // The server drops the status of what is created: it has a subresource of its own.
            document.as_object_mut().unwrap().remove("status");
            let stored = stored(&namespace, &document)
                .unwrap_or_else(|error| panic!("{file} is refused: {error}"));
            assert_eq!(lost(&document, &stored, ""), None, "{file}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} documents");
}

#[test]
fn a_field_that_nobody_knows_is_named() {
    let namespace = SITE.namespace("api-strict");
    let mut document = application("typo");
    document["spec"]["job"]["paralelism"] = json!(2);
    let error = stored(&namespace, &document).unwrap_err();
    assert!(error.contains("spec.job.paralelism"), "{error}");
}

/// Properties below `schema` that say nothing about themselves. Kubernetes' own types speak for themselves.
fn silent(schema: &Value, place: &str, found: &mut Vec<String>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let place = format!("{place}.{name}");
        let said = property.get("description").and_then(Value::as_str);
        if said.is_none_or(|text| text.len() < 10) {
            found.push(place.clone());
        }
        silent(property, &place, found);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(inner) {
            silent(inner, place, found);
        }
    }
}

#[test]
fn kubectl_explain_says_something_about_every_field() {
    let name = |kind: &str| format!("org.apache.flink.v1beta1.{kind}");
    let kubectl = SITE.kubectl();
    // The API server publishes definitions one after the other, some time after it has taken them.
    let published = SITE
        .namespace("api-explain")
        .wait_for("every kind to be published", |_| {
            let published = kubectl
                .raw("/openapi/v3/apis/flink.apache.org/v1beta1")
                .ok()?;
            let schemas = published["components"]["schemas"].as_object()?;
            let all = KINDS.iter().all(|kind| schemas.contains_key(&name(kind)));
            all.then_some(published)
        });
    let schemas = published["components"]["schemas"].as_object().unwrap();
    for kind in KINDS {
        let schema = &schemas[&name(kind)];
        let mut missing = Vec::new();
        for part in ["spec", "status"] {
            silent(&schema["properties"][part], part, &mut missing);
        }
        assert_eq!(missing, Vec::<String>::new(), "{kind}");
    }
    let explained = kubectl.run(&["explain", "flinkdeployment.spec.job.upgradeMode"]);
    for mode in ["savepoint", "last-state", "stateless"] {
        assert!(explained.contains(mode), "{explained}");
    }
}

#[test]
fn what_can_never_be_right_is_refused_with_its_place_and_the_remedy() {
    let namespace = SITE.namespace("api-refused");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut document = application("refused");
        change(&mut document);
        document
    };
    let snapshot = |spec: Value| {
        json!({
            "apiVersion": "flink.apache.org/v1beta1",
            "kind": "FlinkStateSnapshot",
            "metadata": { "name": "refused" },
            "spec": spec,
        })
    };
    let cases = [
        (
            with(&|d| d["metadata"]["name"] = json!("1st-job")),
            "must begin with a letter",
        ),
        (
            with(&|d| d["metadata"]["name"] = json!("a".repeat(46))),
            "no longer than 45",
        ),
        (
            with(&|d| d["spec"]["job"]["parallelism"] = json!(0)),
            "spec.job.parallelism",
        ),
        (
            with(&|d| d["spec"]["job"]["upgradeMode"] = json!("savepiont")),
            "supported values: ",
        ),
        (
            with(&|d| d["spec"]["jobManager"]["resource"]["cpu"] = json!(-1)),
            "must be more than 0",
        ),
        (
            with(&|d| d["spec"]["imagePullPolicy"] = json!("Sometimes")),
            "Always, IfNotPresent or Never",
        ),
        (
            with(&|d| d["spec"]["logConfiguration"] = json!({ "log4j.xml": "" })),
            "log4j-console.properties",
        ),
        (
            snapshot(json!({})),
            "exactly one of savepoint and checkpoint",
        ),
        (
            snapshot(json!({ "savepoint": {} })),
            "jobReference with kind and name",
        ),
    ];
    for (document, message) in cases {
        let error = stored(&namespace, &document)
            .map(|stored| panic!("accepted: {stored}"))
            .unwrap_err();
        assert!(error.contains(message), "{message}: {error}");
    }
}

#[test]
fn once_deployed_an_application_stays_one() {
    let namespace = SITE.namespace("api-deployed");
    namespace.apply(&application("stays"));
    let deployed = json!({ "reconciliationStatus": { "lastReconciledSpec": "{}" } });
    namespace.patch_status("stays", &deployed);
    for (change, place) in [
        (json!({ "job": null }), "spec.job"),
        (json!({ "mode": "standalone" }), "spec.mode"),
        (
            json!({ "job": { "savepointRedeployNonce": 1 } }),
            "spec.job.savepointRedeployNonce",
        ),
    ] {
        let patch = json!({ "spec": change }).to_string();
        let error = namespace
            .attempt(&["patch", "flinkdep", "stays", "--type=merge", "-p", &patch])
            .unwrap_err();
        assert!(error.contains(place), "{place}: {error}");
    }
    namespace.patch("stays", &json!({ "job": { "parallelism": 3 } }));
}
