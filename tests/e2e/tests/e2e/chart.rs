//! The operator as the chart installs it: its image, its permissions, its service account; and a
//! HorizontalPodAutoscaler as its user.

use flink_e2e::{Job, Namespace};
use serde_json::json;

use crate::job_id;

/// Scale the FlinkDeployment `hpa` by its TaskManagers' CPU.
fn autoscaler() -> serde_json::Value {
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "hpa" },
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "flink.apache.org/v1beta1",
                "kind": "FlinkDeployment",
                "name": "hpa",
            },
            "minReplicas": 1,
            "maxReplicas": 2,
            "metrics": [{
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": { "type": "Utilization", "averageUtilization": 80 },
                },
            }],
        },
    })
}

#[test]
fn the_charts_operator_runs_a_job_that_a_horizontal_pod_autoscaler_scales() {
    let namespace = Namespace::bare("e2e-chart");
    namespace.install_chart();
    let job = Job::apply_with(&namespace, "hpa", "2.3", "savepoint", |spec| {
        spec["taskManager"]["replicas"] = json!(1);
        spec["flinkConfiguration"]["taskmanager.numberOfTaskSlots"] = json!("1");
        // Burns 0.3 CPU, where 0.2 are asked for.
        spec["job"]["args"] = json!(["--rate", "constant:150", "--stages", "cpu:2ms,keyed:0.1ms"]);
    });
    let first = namespace.wait_for_state("hpa", "STABLE");
    namespace.apply(&autoscaler());
    namespace.wait_for("the HorizontalPodAutoscaler to ask for two", |namespace| {
        let object = namespace.deployment("hpa");
        let replicas = object.pointer("/spec/taskManager/replicas")?.as_u64()?;
        (replicas == 2).then_some(())
    });
    namespace.run(&["delete", "hpa", "hpa"]);
    namespace.wait_for("two subtasks", |_| {
        let parallelism = job.parallelism();
        (!parallelism.is_empty() && parallelism.values().all(|n| *n == 2)).then_some(())
    });
    let scaled = namespace.wait_for_state("hpa", "STABLE");
    assert_eq!(job_id(&first), job_id(&scaled), "scaled in place");

    let counted = job.wait_for_count_above(0);
    job.patch(&json!({ "restartNonce": 1 }));
    let upgraded = namespace.wait_for_state("hpa", "STABLE");
    assert_ne!(job_id(&scaled), job_id(&upgraded));
    job.wait_for_count_above(counted);
    assert_eq!(job.counter("verify.violations"), Some(0));

    namespace.run(&["delete", "flinkdep", "hpa", "--timeout=120s"]);
    let left = namespace.run(&["get", "deploy,pods,svc,cm", "-l", "app=hpa", "-o", "name"]);
    assert_eq!(left.trim(), "", "nothing is left");
    let log = namespace.run(&["logs", "deployment/flink-operator"]);
    assert!(
        !log.contains("forbidden") && !log.contains("Forbidden"),
        "the chart's permissions are enough:\n{log}"
    );
}
