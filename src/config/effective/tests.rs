use serde_json::{Value as Json, json};

use super::*;

fn parse(spec: Json) -> FlinkDeploymentSpec {
    serde_json::from_value(spec).unwrap()
}

fn build(spec: Json) -> Result<FlinkConfig, Vec<ConfigError>> {
    effective(&Defaults::builtin(), "ns", "name", &parse(spec))
}

/// The values of `keys`, `-` for one that is not set.
fn values<const N: usize>(spec: Json, keys: [&str; N]) -> [String; N] {
    let config = build(spec).unwrap();
    keys.map(|key| config.raw(key).unwrap_or("-").to_owned())
}

fn messages(spec: Json) -> Vec<String> {
    build(spec)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

const JM: &str = "jobmanager.memory.process.size";
const TM: &str = "taskmanager.memory.process.size";

#[test]
fn an_empty_spec_is_a_session_cluster_of_the_defaults() {
    let config = build(json!({})).unwrap();
    let entries: Vec<String> = config
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(
        entries,
        [
            "execution.target=kubernetes-session",
            "kubernetes.cluster-id=name",
            "kubernetes.namespace=ns",
            "kubernetes.rest-service.exposed.type=ClusterIP",
            "parallelism.default=1",
            "taskmanager.numberOfTaskSlots=1",
            "web.cancel.enable=false",
        ]
    );
}

#[test]
fn fields_of_the_spec_beat_the_configuration_and_the_configuration_beats_the_defaults() {
    let spec = json!({
        "flinkVersion": "v1_20", "image": "i", "imagePullPolicy": "Always", "serviceAccount": "sa",
        "flinkConfiguration": {
            "taskmanager": {"numberOfTaskSlots": 4}, "web.cancel.enable": "true",
            "kubernetes.container.image.ref": "other", "pipeline.name": "mine",
        },
        "job": {"parallelism": 3, "entryClass": "a.B"},
    });
    let keys = [
        "taskmanager.numberOfTaskSlots",
        "web.cancel.enable",
        "kubernetes.container.image.ref",
        "kubernetes.container.image.pull-policy",
        "kubernetes.service-account",
        "pipeline.name",
        "parallelism.default",
        "$internal.application.main",
        "$internal.flink.version",
        "execution.target",
    ];
    let expected = [
        "4",
        "true",
        "i",
        "Always",
        "sa",
        "mine",
        "3",
        "a.B",
        "v1_20",
        "kubernetes-application",
    ];
    assert_eq!(values(spec, keys), expected);
}

#[test]
fn old_versions_get_the_old_keys() {
    let spec =
        json!({"flinkVersion": "v1_16", "image": "i", "jobManager": {"resource": {"cpu": 1}}});
    let keys = [
        "kubernetes.container.image",
        "kubernetes.container.image.ref",
        "kubernetes.jobmanager.cpu.amount",
        "kubernetes.jobmanager.cpu",
    ];
    assert_eq!(values(spec, keys), ["i", "-", "1.0", "1.0"]);
}

#[test]
fn memory_is_read_in_both_notations_and_written_in_flinks() {
    let spec = |jm: &str, tm: &str| json!({"jobManager": {"resource": {"memory": jm}}, "taskManager": {"resource": {"memory": tm, "cpu": 0.5}}});
    assert_eq!(values(spec("2048m", "2Gi"), [JM, TM]), ["2 gb", "2 gb"]);
    assert_eq!(
        values(spec("1.5G", "2000m"), [JM, TM]),
        ["1500000000 bytes", "2000 mb"]
    );
    assert_eq!(
        values(spec("1g", "1g"), ["kubernetes.taskmanager.cpu.amount"]),
        ["0.5"]
    );
    assert_eq!(
        messages(spec("much", "-1g")),
        [
            "spec.jobManager.resource.memory: 'much' is not a memory size; write it as '2048m', '2 gb' or '2Gi'",
            "spec.taskManager.resource.memory: '-1g' is not a memory size; write it as '2048m', '2 gb' or '2Gi'",
        ]
    );
}

#[test]
fn requests_and_limits_give_amount_and_factor() {
    let keys = [
        JM,
        "kubernetes.jobmanager.cpu.amount",
        "kubernetes.jobmanager.memory.limit-factor",
        "kubernetes.jobmanager.cpu.limit-factor",
    ];
    let spec = |resources: Json| json!({"jobManager": {"resource": {"memory": "9g", "cpu": 9}, "resources": resources}});
    let both = json!({"requests": {"memory": "1Gi", "cpu": "500m"}, "limits": {"memory": "2Gi", "cpu": "2"}});
    assert_eq!(values(spec(both), keys), ["1 gb", "0.5", "2.0", "4.0"]);
    let limits = json!({"limits": {"memory": "2048m", "cpu": "1"}});
    assert_eq!(values(spec(limits), keys), ["2 gb", "1.0", "-", "-"]);
    // Flink's notation and Kubernetes' side by side mean what they say.
    let mixed = json!({"requests": {"memory": "2048m"}, "limits": {"memory": "4Gi"}});
    assert_eq!(values(spec(mixed), keys), ["2 gb", "-", "2.0", "-"]);
    let empty = json!({"requests": {}, "claims": [{"name": "gpu"}]});
    assert_eq!(values(spec(empty), keys), ["9 gb", "9.0", "-", "-"]);
    let wrong = json!({"requests": {"memory": "2Gi", "cpu": "x"}, "limits": {"memory": "1Gi"}});
    assert_eq!(
        messages(spec(wrong)),
        [
            "spec.jobManager.resources.limits.memory: the limit is below the request; raise the limit or lower the request",
            "spec.jobManager.resources.requests.cpu: 'x' is not a number of CPUs; write it as '500m' or '1.5'",
        ]
    );
}

#[test]
fn replicas_set_the_parallelism() {
    let spec = |mode: &str, replicas: Json, overrides: &str| {
        json!({
            "mode": mode,
            "flinkConfiguration": {
                "taskmanager.numberOfTaskSlots": "2",
                "pipeline.jobvertex-parallelism-overrides": overrides,
            },
            "taskManager": {"replicas": replicas},
            "job": {"parallelism": 5, "jarURI": "local:///a.jar"},
        })
    };
    let keys = [
        "parallelism.default",
        TASK_MANAGER_REPLICAS,
        "pipeline.jars",
        "pipeline.classpaths",
    ];
    assert_eq!(
        values(spec("native", json!(null), ""), keys),
        ["5", "-", "local:///a.jar", "-"]
    );
    assert_eq!(
        values(spec("native", json!(3), ""), keys),
        ["6", "3", "local:///a.jar", "-"]
    );
    assert_eq!(
        values(spec("standalone", json!(null), ""), keys),
        ["5", "3", "-", "file:///a.jar"]
    );
    assert_eq!(
        values(spec("standalone", json!(4), "a:9"), keys)[..2],
        ["8", "4"]
    );
    assert_eq!(
        values(spec("standalone", json!(null), "a:9,b:1"), keys)[..2],
        ["9", "5"]
    );
}

#[test]
fn last_state_needs_checkpoints_and_gets_them() {
    let spec = |mode: &str, interval: Option<&str>| {
        let config = interval.map(|i| json!({"execution.checkpointing.interval": i}));
        json!({"flinkConfiguration": config, "job": {"upgradeMode": mode, "parallelism": 1}})
    };
    let key = ["execution.checkpointing.interval"];
    assert_eq!(values(spec("stateless", None), key), ["-"]);
    assert_eq!(values(spec("last-state", None), key), ["5 min"]);
    assert_eq!(values(spec("last-state", Some("1 s")), key), ["1 s"]);
}

#[test]
fn arguments_keep_their_separators() {
    let args = json!({"job": {"parallelism": 1, "args": ["--sql", "a;b", "", "[1]"]}});
    let config = build(args).unwrap();
    let expected: Vec<String> = ["--sql", "a;b", "", "[1]"].map(ToOwned::to_owned).into();
    assert_eq!(config.get(&flink::PROGRAM_ARGS), Ok(expected));
}

#[test]
fn high_availability_is_named_after_the_cluster() {
    let spec = json!({"flinkConfiguration": {"high-availability.type": "kubernetes"}});
    assert_eq!(values(spec, ["high-availability.cluster-id"]), ["name"]);
}

#[test]
fn a_session_job_overlays_its_cluster() {
    let cluster = build(json!({})).unwrap();
    let spec: FlinkSessionJobSpec = serde_json::from_value(json!({"flinkConfiguration": {
        "parallelism.default": 7, "pipeline.max-parallelism": 128,
    }}))
    .unwrap();
    let enforced = Enforced::new(FlinkConfig::from_iter([("pipeline.max-parallelism", "64")]));
    let config = effective_session_job(&cluster, &spec, &enforced);
    assert_eq!(config.raw("parallelism.default"), Some("7"));
    assert_eq!(config.raw("pipeline.max-parallelism"), Some("64"));
    assert_eq!(config.raw("kubernetes.cluster-id"), Some("name"));
}

fn under(enforced: &[(&str, &str)], spec: Json) -> FlinkConfig {
    let enforced = enforced
        .iter()
        .map(|(key, value)| (format!("{ENFORCED}{key}"), *value));
    let defaults = Defaults::builtin().with_config(&enforced.collect());
    effective(&defaults, "ns", "name", &parse(spec)).unwrap()
}

const ENFORCED: &str = "kubernetes.operator.enforced-configuration.";

#[test]
fn what_is_enforced_beats_the_configuration_the_fields_and_every_other_name() {
    let config = under(
        &[
            ("taskmanager.numberOfTaskSlots", "2"),
            ("kubernetes.container.image.ref", "blessed"),
            (TM, "3 gb"),
            ("state.checkpoints.dir", "s3://ours"),
            ("kubernetes.service-account", "flink"),
            ("execution.savepoint.ignore-unclaimed-state", "false"),
            ("job.autoscaler.mode", "recommend"),
        ],
        json!({
            "flinkVersion": "v1_20", "image": "mine", "serviceAccount": "root",
            "taskManager": {"resource": {"memory": "64g"}},
            "flinkConfiguration": {
                "taskmanager.numberOfTaskSlots": 8, "execution.checkpointing.dir": "s3://mine",
                "kubernetes.taskmanager.service-account": "root",
                "kubernetes.operator.job.autoscaler.mode": "auto", "web.timeout": "1 s",
            },
            "job": {"parallelism": 3, "allowNonRestoredState": true},
        }),
    );
    let keys = [
        "taskmanager.numberOfTaskSlots",
        "kubernetes.container.image.ref",
        TM,
        "state.checkpoints.dir",
        "execution.checkpointing.dir",
        "kubernetes.service-account",
        "kubernetes.taskmanager.service-account",
        "execution.savepoint.ignore-unclaimed-state",
        "job.autoscaler.mode",
        "kubernetes.operator.job.autoscaler.mode",
        "web.timeout",
    ];
    let values = keys.map(|key| config.raw(key).unwrap_or("-"));
    let expected = [
        "2",
        "blessed",
        "3 gb",
        "s3://ours",
        "-",
        "flink",
        "-",
        "false",
        "recommend",
        "-",
        "1 s",
    ];
    assert_eq!(values, expected);
    assert_eq!(
        config.iter().find(|(key, _)| key.starts_with(ENFORCED)),
        None
    );
}

#[test]
fn what_says_which_job_it_is_cannot_be_enforced() {
    let config = under(
        &[
            ("parallelism.default", "1"),
            ("kubernetes.cluster-id", "other"),
            ("$internal.application.main", "other"),
            ("pipeline.jars", "other"),
        ],
        json!({
            "flinkVersion": "v1_20",
            "job": {"parallelism": 3, "entryClass": "a.B", "jarURI": "local:///a.jar"},
        }),
    );
    let keys = [
        "parallelism.default",
        "kubernetes.cluster-id",
        "$internal.application.main",
        "pipeline.jars",
    ];
    let values = keys.map(|key| config.raw(key).unwrap_or("-"));
    assert_eq!(values, ["3", "name", "a.B", "local:///a.jar"]);
}

#[test]
fn a_namespace_and_a_version_have_enforced_values_of_their_own() {
    let enforced = [
        ("a", "all"),
        ("b", "all"),
        ("namespace.ns.b", "namespace"),
        ("namespace.other.a", "other"),
        ("flink-version.v1_19+.c", "later"),
        ("flink-version.v1_20.d", "exact"),
        ("flink-version.v2_0+.a", "2.0 on"),
    ];
    let config = under(
        &enforced,
        json!({"flinkVersion": "v1_20", "flinkConfiguration": {"d": "mine"}}),
    );
    let values = ["a", "b", "c", "d"].map(|key| config.raw(key).unwrap_or("-"));
    assert_eq!(values, ["all", "namespace", "later", "exact"]);
}
