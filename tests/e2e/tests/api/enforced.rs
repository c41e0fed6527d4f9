//! What the operator's configuration enforces, as users and their clusters see it.

use flink_e2e::{Namespace, application};
use serde_json::{Value, json};

use crate::SITE;
use crate::settings::{Settings, log_says};

const ENFORCED: &str = "kubernetes.operator.enforced-configuration";

/// How often it was told, over all that was told.
fn told(namespace: &Namespace) -> u64 {
    let selector = "--field-selector=reason=EnforcedConfiguration";
    let events = namespace.run(&["get", "events", selector, "-o", "json"]);
    let events: Value = serde_json::from_str(&events).unwrap();
    let events = events.pointer("/items").and_then(Value::as_array).unwrap();
    events
        .iter()
        .filter_map(|event| event["count"].as_u64())
        .sum()
}

/// What the condition says of the job.
fn overruled(object: &Value) -> Option<&str> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let overruled = conditions.iter().find(|one| one["type"] == "Overruled")?;
    overruled["message"].as_str()
}

#[test]
fn an_enforced_value_is_deployed_told_once_and_changed_without_touching_the_job() {
    let namespace = SITE.namespace("api-enforced");
    let slots = format!("{ENFORCED}.taskmanager.numberOfTaskSlots: 1");
    let settings = Settings::new("api-enforced", "api-enforced", &slots);
    let mut operator = settings.launch("api-enforced").start();
    let mut job = application("job");
    job["spec"]["flinkConfiguration"]["taskmanager.numberOfTaskSlots"] = json!("2");
    namespace.apply(&job);
    let before = namespace.wait_for_state("job", "STABLE");
    let map = namespace.get("configmap", "flink-config-job").to_string();
    assert!(map.contains("numberOfTaskSlots: \\\"1\\\""), "{map}");
    let text = overruled(&before).unwrap();
    assert!(
        text.contains("spec.flinkConfiguration[taskmanager.numberOfTaskSlots]: '2'"),
        "{text}"
    );
    assert_eq!(told(&namespace), 1);

    let account =
        format!("{slots}\n{ENFORCED}.namespace.api-enforced.kubernetes.service-account: other");
    settings.write("api-enforced", &account);
    log_says(&operator, &namespace, "Setting default configuration to {");
    namespace.wait_for("the account to be overruled too", |namespace| {
        overruled(&namespace.deployment("job"))?
            .contains("spec.serviceAccount")
            .then_some(())
    });
    operator.kill_and_restart();
    namespace.patch("job", &json!({ "job": { "savepointTriggerNonce": 1 } }));
    let after = namespace.wait_for_state("job", "STABLE");
    let id = |object: &Value| object.pointer("/status/jobStatus/jobId").cloned();
    assert_eq!(id(&before), id(&after), "its job goes on");
    assert_eq!(told(&namespace), 2, "each of the two was told once");
}
