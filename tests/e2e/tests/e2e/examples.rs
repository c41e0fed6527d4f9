//! The examples as users find them: each file is applied unchanged, and what it promises is looked for.
//!
//! `kafka.yaml` and `autoscaling-kafka.yaml` are in `kafka.rs`. That no file is forgotten is checked by `tests/it/examples.rs`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of a test fail it"
)]

use std::fs;
use std::path::Path;

use flink_e2e::{Kubectl, Namespace, Operator, example, repository};
use serde_json::Value;

mod looks;

/// The folder on the node below which examples keep their files.
const STORAGE: &str = "/var/lib/flink-examples";

/// A file of `examples/`, or a folder for kustomize, and what is to be seen of the FlinkDeployment in it once that is stable.
type Example = (&'static str, fn(&Namespace, &str));

/// The text of a file, or what kustomize makes of a folder.
fn text(file: &str) -> String {
    match flag(file) {
        "-k" => Kubectl::of_cluster().run(&["kustomize", &path(file)]),
        _ => example(file),
    }
}

/// What kubectl takes it by.
fn flag(file: &str) -> &'static str {
    if Path::new(file).extension().is_some() {
        "-f"
    } else {
        "-k"
    }
}

/// Name of the FlinkDeployment in it.
fn name(file: &str) -> String {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text(file)).expect("an example in YAML");
    let ours = documents
        .iter()
        .find(|document| document["kind"] == "FlinkDeployment")
        .unwrap_or_else(|| panic!("{file} has no FlinkDeployment"));
    let name = ours["metadata"]["name"].as_str();
    name.expect("a name").to_owned()
}

fn path(file: &str) -> String {
    let path = repository().join("examples").join(file);
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// Take away what an earlier run left on the node.
fn forget(name: &str) {
    let folder = match name {
        "demo" => Path::new("/var/lib/flink-demo").to_owned(),
        name => Path::new(STORAGE).join(name),
    };
    fs::remove_dir_all(folder).ok();
}

/// Apply all of them at once, look at one after the other, delete them.
fn round(namespace: &Namespace, examples: &[Example]) {
    for (file, _) in examples {
        forget(&name(file));
        namespace.run(&["apply", flag(file), &path(file)]);
    }
    for (file, look) in examples {
        let name = name(file);
        namespace.wait_for_state(&name, "STABLE");
        look(namespace, &name);
    }
    for (file, _) in examples {
        let name = name(file);
        namespace.run(&["delete", flag(file), &path(file), "--timeout=120s"]);
        let app = format!("app={name}");
        let left = namespace.run(&["get", "deploy,svc,cm,ingress", "-l", &app, "-o", "name"]);
        assert_eq!(left.trim(), "", "nothing is left of {file}");
        forget(&name);
    }
}

/// What concerns one cluster and its pods.
#[test]
fn examples_of_clusters_do_what_they_say() {
    let namespace = Namespace::new("e2e-examples");
    let _operator = Operator::start(&namespace);
    let examples: [Example; 9] = [
        ("basic.yaml", looks::counts),
        ("basic-checkpoint-ha.yaml", looks::survives),
        ("savepoint-upgrade.yaml", looks::has_snapshots),
        ("periodic-savepoints.yaml", looks::saves_by_schedule),
        ("pod-template.yaml", looks::has_its_pods),
        ("ingress.yaml", looks::has_its_ingress),
        ("custom-logging.yaml", looks::logs_its_way),
        ("hpa.yaml", looks::is_measured),
        ("session.yaml", looks::takes_a_job),
    ];
    for example in examples {
        round(&namespace, &[example]);
    }
}

/// Jobs that end, jobs that are no jar of one's own, and manifests made of parts.
#[test]
fn examples_of_languages_do_what_they_say() {
    let namespace = Namespace::new("e2e-examples-languages");
    let _operator = Operator::start(&namespace);
    let rounds: [&[Example]; 4] = [
        &[("batch.yaml", looks::ends)],
        &[("python.yaml", looks::shouts)],
        &[
            ("sql.yaml", looks::prints_rows),
            ("sql-1.20.yaml", looks::prints_rows),
        ],
        &[
            ("kustomize/overlays/dev", looks::prints_rows),
            ("kustomize/overlays/prod", looks::prints_rows_of_two),
        ],
    ];
    for examples in rounds {
        round(&namespace, examples);
    }
}

/// Two at once, because each waits for its metrics for more than a minute.
#[test]
fn autoscaling_examples_do_what_they_say() {
    let namespace = Namespace::new("e2e-examples-scaler");
    let _operator = Operator::start(&namespace);
    let rounds: [[Example; 2]; 3] = [
        [
            ("autoscaling-recommend.yaml", looks::is_recommended_more),
            ("autoscaling-initial.yaml", looks::starts_with_more),
        ],
        [
            ("autoscaling.yaml", looks::is_rescaled_in_place),
            ("autoscaling-memory.yaml", looks::is_rescaled_with_memory),
        ],
        [
            ("autoscaling-schedule.yaml", looks::is_frozen),
            ("demo.yaml", looks::counts),
        ],
    ];
    for examples in rounds {
        round(&namespace, &examples);
    }
}
