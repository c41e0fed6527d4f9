//! Only what the label selector selects is looked after, and for as long as it does.

use flink_e2e::application;
use serde_json::{Value, json};

use crate::SITE;
use crate::settings::Settings;
use crate::snapshots::{by_hand, wait_for_state};

#[test]
fn what_gets_the_label_is_taken_up_and_what_loses_it_is_let_go_without_touching_its_job() {
    let namespace = SITE.namespace("api-selector");
    let selector = "kubernetes.operator.label.selector: team=a";
    let settings = Settings::new("api-selector", "api-selector", selector);
    let _operator = settings.launch("api-selector").start();
    let of_team = |mut object: Value, team: &str| {
        object["metadata"]["labels"] = json!({ "team": team });
        object
    };
    let label = |name: &str, label: &str| {
        namespace.run(&["label", "--overwrite", "flinkdep", name, label]);
    };
    namespace.apply(&of_team(application("theirs"), "b"));
    namespace.apply(&of_team(application("ours"), "a"));
    namespace.wait_for_state("ours", "STABLE");
    namespace.apply(&of_team(by_hand("their-savepoint", "ours"), "b"));
    namespace.apply(&of_team(by_hand("our-savepoint", "ours"), "a"));
    wait_for_state(&namespace, "our-savepoint", "COMPLETED");
    for (kind, name) in [("flinkdep", "theirs"), ("flinksnp", "their-savepoint")] {
        let object = namespace.get(kind, name);
        assert_eq!(object.get("status"), None, "{name}");
        assert_eq!(object.pointer("/metadata/finalizers"), None, "{name}");
    }

    label("theirs", "team=a");
    let before = namespace.wait_for_state("theirs", "STABLE");

    label("theirs", "team-");
    let cluster = namespace.get("deployment", "theirs");
    for name in ["theirs", "ours"] {
        namespace.patch(name, &json!({ "job": { "parallelism": 3 } }));
    }
    namespace.wait_for_state("ours", "STABLE");
    let after = namespace.deployment("theirs");
    let job = |object: &Value| object.pointer("/status/jobStatus/jobId").cloned();
    let uid = |object: &Value| object.pointer("/metadata/uid").cloned();
    assert_eq!(job(&before), job(&after));
    assert_eq!(uid(&cluster), uid(&namespace.get("deployment", "theirs")));
    assert_ne!(
        after.pointer("/status/observedGeneration"),
        after.pointer("/metadata/generation"),
        "and nobody looks after it"
    );
}
