//! What is to be seen of each example once it is stable.

use std::path::Path;

use flink_e2e::{Job, Namespace, example};
use serde_json::{Value, json};

use super::{STORAGE, path};
use crate::job_id;

pub(super) fn counts(namespace: &Namespace, name: &str) {
    let job = Job::existing(namespace, name);
    job.wait_for_count_above(0);
    assert_eq!(job.counter("verify.violations"), Some(0));
}

/// What is at `pointer` in the status, once it is there and not empty.
fn status(namespace: &Namespace, name: &str, pointer: &str) -> Value {
    namespace.wait_for(&format!("{pointer} of {name}"), |namespace| {
        let found = namespace.deployment(name);
        let found = found.pointer(&format!("/status{pointer}"))?;
        let empty = found.is_null() || *found == json!({}) || *found == json!([]);
        (!empty).then(|| found.clone())
    })
}

/// The event with this reason about `name`, once it is there.
fn event(namespace: &Namespace, name: &str, reason: &str) -> String {
    let selector = format!("--field-selector=involvedObject.name={name},reason={reason}");
    namespace.wait_for(&format!("event {reason} of {name}"), |namespace| {
        let said = namespace.run(&[
            "get",
            "events",
            &selector,
            "-o",
            "jsonpath={.items[*].message}",
        ]);
        (!said.is_empty()).then_some(said)
    })
}

/// The log of a pod of this kind.
fn log(namespace: &Namespace, name: &str, component: &str) -> String {
    let selector = format!("app={name},component={component}");
    namespace
        .attempt(&[
            "logs",
            "-l",
            &selector,
            "--tail=-1",
            "-c",
            "flink-main-container",
        ])
        .unwrap_or_default()
}

pub(super) fn survives(namespace: &Namespace, name: &str) {
    let job = Job::existing(namespace, name);
    let first = namespace.deployment(name);
    let counted = job.wait_for_count_above(0);
    namespace.run(&[
        "delete",
        "pod",
        "-l",
        &format!("app={name},component=jobmanager"),
    ]);
    // The loss and the return are seen by the count: what is restored is never below what was checkpointed.
    let after = job.wait_for_count_above(counted);
    assert_eq!(
        job.counter("verify.violations"),
        Some(0),
        "{counted} before, {after} after"
    );
    assert_eq!(job_id(&first), job_id(&namespace.deployment(name)));
}

/// The files about snapshots refer to the job of `savepoint-upgrade.yaml`.
pub(super) fn has_snapshots(namespace: &Namespace, name: &str) {
    counts(namespace, name);
    for file in [
        "savepoint.yaml",
        "checkpoint.yaml",
        "savepoint-existing.yaml",
    ] {
        namespace.run(&["apply", "-f", &path(file)]);
    }
    for snapshot in ["savepoint", "checkpoint", "savepoint-existing"] {
        let ended = namespace.wait_for(&format!("{snapshot} to end"), |namespace| {
            let status = namespace.get("flinksnp", snapshot)["status"].take();
            let state = status["state"].as_str()?;
            ["COMPLETED", "FAILED", "ABANDONED"]
                .contains(&state)
                .then_some(status)
        });
        assert_eq!(ended["state"], "COMPLETED", "{snapshot}: {ended}");
    }
    let path = namespace.get("flinksnp", "savepoint")["status"]["path"].take();
    let inside = path
        .as_str()
        .and_then(|path| path.split_once("/flink-data/"));
    let (_, folder) = inside.unwrap_or_else(|| panic!("{path}"));
    let folder = Path::new(STORAGE).join(name).join(folder);
    assert!(folder.join("_metadata").is_file(), "{}", folder.display());
    for snapshot in ["savepoint", "checkpoint", "savepoint-existing"] {
        namespace.run(&["delete", "flinksnp", snapshot, "--timeout=60s"]);
    }
    assert!(
        !folder.exists(),
        "{} goes with its resource",
        folder.display()
    );
}

/// Ten minutes would be long to wait; what the file says about the rest stays.
pub(super) fn saves_by_schedule(namespace: &Namespace, name: &str) {
    let interval = "kubernetes.operator.periodic.savepoint.interval";
    namespace.patch(name, &json!({ "flinkConfiguration": { interval: "10 s" } }));
    namespace.wait_for("a savepoint by schedule", |namespace| {
        let selector = format!(
            "job-reference.name={name},snapshot.trigger-type=PERIODIC,snapshot.state=COMPLETED"
        );
        let found = namespace.run(&["get", "flinksnp", "-l", &selector, "-o", "name"]);
        (!found.trim().is_empty()).then_some(())
    });
}

pub(super) fn has_its_pods(namespace: &Namespace, name: &str) {
    counts(namespace, name);
    let selector = format!("app={name},team=streaming,tier=work");
    let pods = namespace.run(&[
        "get",
        "pods",
        "-l",
        &selector,
        "-o",
        "jsonpath={.items[*].metadata.name}",
    ]);
    let pod = pods
        .split_whitespace()
        .next()
        .expect("a TaskManager with both labels");
    let main = "flink-main-container";
    let told = namespace.run(&[
        "exec",
        pod,
        "-c",
        main,
        "--",
        "sh",
        "-c",
        "test -s /artifacts/fetched && echo $REGION $ROLE",
    ]);
    assert_eq!(told.trim(), "eu-central worker");
    let beside = namespace.run(&["logs", pod, "-c", "log-reader"]);
    assert!(!beside.trim().is_empty(), "the sidecar reads Flink's log");
}

pub(super) fn has_its_ingress(namespace: &Namespace, name: &str) {
    let rule = &namespace.get("ingress", name)["spec"]["rules"][0];
    assert_eq!(rule["host"], "flink.example.org");
    let path = &rule["http"]["paths"][0];
    assert_eq!(
        path["path"],
        format!("/{}/{name}(/|$)(.*)", namespace.name())
    );
    assert_eq!(path["backend"]["service"]["name"], format!("{name}-rest"));
}

pub(super) fn logs_its_way(namespace: &Namespace, name: &str) {
    for component in ["jobmanager", "taskmanager"] {
        namespace.wait_for(
            &format!("the format in the log of the {component}"),
            |namespace| {
                let said = log(namespace, name, component);
                said.lines()
                    .any(|line| line.starts_with("custom-logging 2"))
                    .then_some(())
            },
        );
    }
}

pub(super) fn is_measured(namespace: &Namespace, name: &str) {
    namespace.wait_for("the HorizontalPodAutoscaler to be active", |namespace| {
        let scaler = namespace.get("hpa", name);
        let conditions = scaler.pointer("/status/conditions")?.as_array()?;
        let active = |condition: &Value| {
            condition["type"] == "ScalingActive" && condition["status"] == "True"
        };
        conditions.iter().any(active).then_some(())
    });
}

/// The command of the file's comment brings a job, which runs.
pub(super) fn takes_a_job(namespace: &Namespace, name: &str) {
    let command = example("session.yaml")
        .lines()
        .find_map(|line| Some(line.split_once("kubectl exec ")?.1.to_owned()))
        .expect("a command in the comment");
    let words = command.split_whitespace();
    namespace.run(&["exec"].into_iter().chain(words).collect::<Vec<_>>());
    namespace.wait_for("the job to run", |namespace| {
        let jobs = namespace.flink(name, "/jobs/overview")?;
        let all = jobs["jobs"].as_array()?;
        let job = all.first()?;
        let running = job["state"] == "RUNNING" && job["tasks"]["running"] == job["tasks"]["total"];
        running.then_some(())
    });
}

/// Of the vertex that is too slow, what is recommended.
fn recommended(namespace: &Namespace, name: &str) -> Option<u64> {
    let object = namespace.deployment(name);
    let vertices = object.pointer("/status/autoscaler/vertices")?.as_array()?;
    let keyed = vertices.iter().find(|vertex| vertex["name"] == "keyed-2")?;
    keyed["target"].as_u64()
}

/// 800 records/s of 2 ms each are 1.6 subtasks, and more for the backlog.
pub(super) fn is_recommended_more(namespace: &Namespace, name: &str) {
    namespace.wait_for("two subtasks or more to be recommended", |namespace| {
        recommended(namespace, name).filter(|target| *target >= 2)
    });
    let running = Job::existing(namespace, name).parallelism();
    assert_eq!(running.get("keyed-2"), Some(&1), "nothing is changed");
}

pub(super) fn starts_with_more(namespace: &Namespace, name: &str) {
    let first = job_id(&namespace.deployment(name));
    status(namespace, name, "/autoscaler/nextStart");
    assert_eq!(
        first,
        job_id(&namespace.deployment(name)),
        "nothing is started for its sake"
    );
    namespace.patch(name, &json!({ "restartNonce": 1 }));
    namespace.wait_for_state(name, "STABLE");
    let job = Job::existing(namespace, name);
    namespace.wait_for("the start to take it", |_| {
        job.parallelism()
            .get("keyed-2")
            .copied()
            .filter(|subtasks| *subtasks >= 2)
    });
    counts(namespace, name);
}

pub(super) fn is_rescaled_in_place(namespace: &Namespace, name: &str) {
    let first = job_id(&namespace.deployment(name));
    let job = Job::existing(namespace, name);
    namespace.wait_for("more subtasks for the load", |_| {
        job.parallelism()
            .get("keyed-2")
            .copied()
            .filter(|subtasks| *subtasks >= 2)
    });
    assert_eq!(first, job_id(&namespace.deployment(name)));
    counts(namespace, name);
}

pub(super) fn is_rescaled_with_memory(namespace: &Namespace, name: &str) {
    event(namespace, name, "MemoryTuning");
    status(namespace, name, "/autoscaler/memory/overrides");
    namespace.wait_for_state(name, "STABLE");
    counts(namespace, name);
}

pub(super) fn is_frozen(namespace: &Namespace, name: &str) {
    counts(namespace, name);
    let key = "flinkdeployment.flink.apache.org/autoscaler-freeze";
    namespace.run(&["annotate", "flinkdep", name, &format!("{key}=true")]);
    status(namespace, name, "/autoscaler/frozen");
}

/// The job has counted every record, its JobManager goes in time, and it can be run once more.
pub(super) fn ends(namespace: &Namespace, name: &str) {
    let first = finished(namespace, name);
    namespace.wait_for("the JobManager to go", |namespace| {
        let app = format!("app={name}");
        let pods = namespace.run(&["get", "deploy,pods", "-l", &app, "-o", "name"]);
        pods.trim().is_empty().then_some(())
    });
    let object = namespace.deployment(name);
    assert_eq!(object["status"]["jobStatus"]["state"], "FINISHED");
    namespace.patch(name, &json!({ "restartNonce": 1 }));
    namespace.wait_for("another job", |namespace| {
        (job_id(&namespace.deployment(name)) != first).then_some(())
    });
    finished(namespace, name);
}

/// Id of the job, once it has finished with each record counted once.
fn finished(namespace: &Namespace, name: &str) -> String {
    let job = Job::existing(namespace, name);
    let object = namespace.wait_for("the job to finish with every record", |namespace| {
        let object = namespace.deployment(name);
        let finished = object.pointer("/status/jobStatus/state")? == "FINISHED";
        (finished && job.counter("verify.counted") == Some(10_000)).then_some(object)
    });
    assert_eq!(job.counter("verify.violations"), Some(0));
    job_id(&object)
}

/// Rows of the print connector in the logs of TaskManagers.
fn rows(namespace: &Namespace, name: &str) -> Vec<String> {
    let said = log(namespace, name, "taskmanager");
    let rows = said.lines().filter_map(|line| line.split_once("+I["));
    rows.map(|(_, row)| row.trim_end_matches(']').to_owned())
        .collect()
}

/// Each row is how often one of five words came.
pub(super) fn prints_rows(namespace: &Namespace, name: &str) {
    let rows = namespace.wait_for("a row for each word", |namespace| {
        let rows = rows(namespace, name);
        (rows.len() >= 5).then_some(rows)
    });
    for row in &rows {
        let fields: Vec<&str> = row.split(", ").collect();
        let [_, word, number] = fields[..] else {
            panic!("{row} has three fields");
        };
        let number_of = |text: &str| text.parse::<u32>().ok();
        assert!(
            number_of(word).is_some_and(|word| (1..=5).contains(&word)),
            "{row}"
        );
        assert!(number_of(number).is_some_and(|number| number > 0), "{row}");
    }
}

/// The same with what the overlay changes.
pub(super) fn prints_rows_of_two(namespace: &Namespace, name: &str) {
    prints_rows(namespace, name);
    let parallelism = Job::existing(namespace, name).parallelism();
    assert!(
        parallelism.values().any(|subtasks| *subtasks == 2),
        "{parallelism:?}"
    );
}

/// Words in capitals: the function in Python was called.
pub(super) fn shouts(namespace: &Namespace, name: &str) {
    for word in ["APACHE", "FLINK", "PYTHON"] {
        namespace.wait_for(&format!("{word} in a row"), |namespace| {
            rows(namespace, name)
                .contains(&word.to_owned())
                .then_some(())
        });
    }
}
