//! The scale subresource.

use flink_e2e::application;
use serde_json::{Value, json};

use crate::SITE;

#[test]
fn kubectl_scale_changes_the_task_managers_replicas_and_nothing_else() {
    let namespace = SITE.namespace("api-scale");
    let mut document = application("scaled");
    document["spec"]["taskManager"]["replicas"] = json!(1);
    namespace.apply(&document);
    let before = namespace.deployment("scaled");
    namespace.run(&["scale", "flinkdeployment/scaled", "--replicas=3"]);
    let mut after = namespace.deployment("scaled");
    assert_eq!(after.pointer("/spec/taskManager/replicas"), Some(&json!(3)));
    after["spec"]["taskManager"]["replicas"] = json!(1);
    assert_eq!(before["spec"], after["spec"]);

    let running = json!({ "taskManager": {
        "labelSelector": "app=scaled,component=taskmanager", "replicas": 2,
    } });
    namespace.patch_status("scaled", &running);
    let scale = namespace.run(&[
        "get",
        "flinkdep",
        "scaled",
        "--subresource=scale",
        "-o",
        "json",
    ]);
    let scale: Value = serde_json::from_str(&scale).unwrap();
    assert_eq!(scale.pointer("/spec/replicas"), Some(&json!(3)));
    assert_eq!(scale.pointer("/status/replicas"), Some(&json!(2)));
    assert_eq!(
        scale.pointer("/status/selector"),
        Some(&json!("app=scaled,component=taskmanager"))
    );
}
