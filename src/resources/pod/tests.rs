use super::*;

fn pod(template: Value, entries: &[(&str, &str)]) -> Result<Value, ConfigError> {
    pod_of(Process::JobManager, template, entries)
}

fn pod_of(
    process: Process,
    template: Value,
    entries: &[(&str, &str)],
) -> Result<Value, ConfigError> {
    let mut config: FlinkConfig = entries.iter().copied().collect();
    config.set_default(process.memory_key(), "1g");
    let mut pod = Pod::new(Some(template), &config, process);
    pod.describe(&Labels::from([("app".into(), "c".into())]))?;
    pod.configure("flink:1.20")?;
    Ok(pod.finish())
}

/// A part of a pod, by JSON pointer.
fn part(pod: &Value, pointer: &str) -> Value {
    pod.pointer(pointer).cloned().unwrap_or_default()
}

#[test]
fn without_options_a_pod_has_what_flink_needs() {
    let expected = json!({
        "metadata": {"labels": {"app": "c"}},
        "spec": {
            "containers": [{
                "name": "flink-main-container",
                "image": "flink:1.20",
                "imagePullPolicy": "IfNotPresent",
                "command": ["/docker-entrypoint.sh"],
                "env": [{
                    "name": "_POD_IP_ADDRESS",
                    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}},
                }],
                "resources": {
                    "requests": {"cpu": "1.0", "memory": "1024Mi"},
                    "limits": {"cpu": "1.0", "memory": "1024Mi"},
                },
            }],
            "dnsPolicy": "ClusterFirst",
            "serviceAccount": "default",
            "serviceAccountName": "default",
        },
    });
    assert_eq!(pod(json!({}), &[]), Ok(expected));
}

#[test]
fn every_option_of_a_pod_reaches_it() {
    let options = [
        ("kubernetes.container.image.ref", "mine:1"),
        ("kubernetes.container.image.pull-policy", "Always"),
        ("kubernetes.container.image.pull-secrets", "a;b"),
        ("kubernetes.entry.path", "/start.sh"),
        ("kubernetes.service-account", "both"),
        ("kubernetes.jobmanager.service-account", "jm"),
        ("kubernetes.jobmanager.labels", "l:1,app:other"),
        ("kubernetes.jobmanager.annotations.x", "y"),
        ("kubernetes.jobmanager.node-selector", "disk:ssd"),
        (
            "kubernetes.jobmanager.tolerations",
            "key:k,operator:Exists,tolerationSeconds:60;key:j",
        ),
        ("kubernetes.jobmanager.cpu.amount", "0.3"),
        ("kubernetes.jobmanager.cpu.limit-factor", "3.0"),
        ("kubernetes.jobmanager.memory.limit-factor", "1.5001"),
        ("kubernetes.hostnetwork.enabled", "true"),
        ("kubernetes.flink.log.dir", "/logs"),
        ("kubernetes.secrets", "s:/etc/s"),
        ("kubernetes.env.secretKeyRef", "env:PASSWORD,secret:s,key:k"),
        ("kubernetes.hadoop.conf.config-map.name", "hadoop"),
        ("containerized.master.env.A", "1"),
        ("containerized.taskmanager.env.B", "2"),
    ];
    let pod = pod(json!({}), &options).unwrap();
    let expected = json!({
        "metadata": {"labels": {"app": "c", "l": "1"}, "annotations": {"x": "y"}},
        "spec": {
            "hostNetwork": true,
            "dnsPolicy": "ClusterFirstWithHostNet",
            "imagePullSecrets": [{"name": "a"}, {"name": "b"}],
            "nodeSelector": {"disk": "ssd"},
            "serviceAccount": "jm",
            "serviceAccountName": "jm",
            "tolerations": [
                {"key": "k", "operator": "Exists", "tolerationSeconds": 60},
                {"key": "j"},
            ],
            "volumes": [
                {"name": "s-volume", "secret": {"secretName": "s"}},
                {"name": "hadoop-config-volume", "configMap": {"name": "hadoop"}},
            ],
            "containers": [{
                "name": "flink-main-container",
                "image": "mine:1",
                "imagePullPolicy": "Always",
                "command": ["/start.sh"],
                "env": [
                    {"name": "A", "value": "1"},
                    {
                        "name": "_POD_IP_ADDRESS",
                        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}},
                    },
                    {"name": "FLINK_LOG_DIR", "value": "/logs"},
                    {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    {"name": "HADOOP_CONF_DIR", "value": "/opt/hadoop/conf"},
                ],
                "resources": {
                    "requests": {"cpu": "0.3", "memory": "1024Mi"},
                    "limits": {"cpu": "0.9", "memory": "1536Mi"},
                },
                "volumeMounts": [
                    {"name": "s-volume", "mountPath": "/etc/s"},
                    {"name": "hadoop-config-volume", "mountPath": "/opt/hadoop/conf"},
                ],
            }],
        },
    });
    assert_eq!(pod, expected);
}

#[test]
fn a_template_keeps_what_nobody_sets_and_unknown_fields() {
    let template = json!({
        "metadata": {"name": "x", "labels": {"app": "template", "mine": "1"}},
        "spec": {
            "serviceAccountName": "template",
            "dnsPolicy": "None",
            "restartPolicy": "Never",
            "futureField": {"a": 1},
            "tolerations": [{"key": "t"}],
            "containers": [
                {
                    "name": "flink-main-container",
                    "image": "template:1",
                    "env": [{"name": "A", "value": "template"}, {"name": "B", "value": "kept"}],
                    "resources": {"limits": {"cpu": "9", "nvidia.com/gpu": "1"}},
                },
                {"name": "sidecar"},
            ],
        },
    });
    let options = [
        ("containerized.master.env.A", "option"),
        ("kubernetes.jobmanager.tolerations", "key:o"),
    ];
    let pod = pod(template, &options).unwrap();
    assert_eq!(
        part(&pod, "/metadata/labels"),
        json!({"app": "c", "mine": "1"})
    );
    assert_eq!(part(&pod, "/spec/serviceAccountName"), json!("template"));
    assert_eq!(part(&pod, "/spec/dnsPolicy"), json!("None"));
    assert_eq!(part(&pod, "/spec/restartPolicy"), Value::Null);
    assert_eq!(part(&pod, "/spec/futureField"), json!({"a": 1}));
    assert_eq!(
        part(&pod, "/spec/tolerations"),
        json!([{"key": "t"}, {"key": "o"}])
    );
    assert_eq!(part(&pod, "/spec/containers/0"), json!({"name": "sidecar"}));
    assert_eq!(part(&pod, "/spec/containers/1/image"), json!("template:1"));
    assert_eq!(
        part(&pod, "/spec/containers/1/env/0"),
        json!({"name": "A", "value": "option"})
    );
    assert_eq!(
        part(&pod, "/spec/containers/1/env/1"),
        json!({"name": "B", "value": "kept"})
    );
    let limits = json!({"cpu": "1.0", "memory": "1024Mi", "nvidia.com/gpu": "1"});
    assert_eq!(part(&pod, "/spec/containers/1/resources/limits"), limits);
}

#[test]
fn a_task_manager_gets_a_core_for_each_slot_unless_told_otherwise() {
    let cpu = |entries: &[(&str, &str)]| {
        let pod = pod_of(Process::TaskManager, json!({}), entries).unwrap();
        part(&pod, "/spec/containers/0/resources/requests/cpu")
    };
    let slots = ("taskmanager.numberOfTaskSlots", "4");
    assert_eq!(cpu(&[slots]), "4.0");
    assert_eq!(
        cpu(&[slots, ("kubernetes.taskmanager.cpu.amount", "-1.0")]),
        "4.0"
    );
    assert_eq!(cpu(&[slots, ("kubernetes.taskmanager.cpu", "0.5")]), "0.5");
}

#[test]
fn the_hadoop_mount_can_be_switched_off() {
    let map = ("kubernetes.hadoop.conf.config-map.name", "hadoop");
    let off = ("kubernetes.decorator.hadoop-conf-mount.enabled", "false");
    let volumes =
        |options: &[(&str, &str)]| part(&pod(json!({}), options).unwrap(), "/spec/volumes/0/name");
    assert_eq!(volumes(&[map]), "hadoop-config-volume");
    assert_eq!(volumes(&[map, off]), Value::Null);
}

#[test]
fn options_that_cannot_be_used_are_refused() {
    for (key, value, message) in [
        (
            "kubernetes.jobmanager.memory.limit-factor",
            "0.5",
            "a factor of at least 1.0",
        ),
        (
            "kubernetes.jobmanager.tolerations",
            "key:a,tolerationSeconds:soon",
            "a whole number of seconds",
        ),
        (
            "kubernetes.env.secretKeyRef",
            "env:A,secret:s",
            "a list like 'env:PASSWORD",
        ),
        ("kubernetes.secrets", "s", "a map, such as"),
        ("kubernetes.hostnetwork.enabled", "perhaps", "true or false"),
    ] {
        let error = pod(json!({}), &[(key, value)]).unwrap_err().to_string();
        assert!(error.starts_with(key) && error.contains(message), "{error}");
    }
}

#[test]
fn devices_are_requested_for_standalone_task_managers() {
    let config = FlinkConfig::from_iter([
        ("external-resources", "gpu;none"),
        ("external-resource.gpu.amount", "2"),
        (
            "external-resource.gpu.kubernetes.config-key",
            "nvidia.com/gpu",
        ),
    ]);
    let mut pod = Pod::new(None, &config, Process::TaskManager);
    pod.external_resources().unwrap();
    let both = json!({"requests": {"nvidia.com/gpu": "2"}, "limits": {"nvidia.com/gpu": "2"}});
    assert_eq!(part(&pod.finish(), "/spec/containers/0/resources"), both);
}
