use super::*;

const KEYS: DeployKeys<'static> = DeployKeys {
    owner_uid: "u",
    generation: 7,
    mode: KubernetesMode::Native,
    job_id: Some("j"),
    savepoint: None,
    deployment_id: "d",
};

fn deploy(entries: &[(&str, &str)], keys: &DeployKeys<'_>) -> FlinkConfig {
    let mut config: FlinkConfig = entries.iter().copied().collect();
    config.set("kubernetes.cluster-id", "name");
    config.set("kubernetes.namespace", "ns");
    with_deploy(&config, keys).unwrap()
}

#[test]
fn a_deployment_adds_its_keys_and_takes_out_the_operators() {
    let config = deploy(
        &[
            ("kubernetes.operator.reconcile.interval", "1 s"),
            ("job.autoscaler.enabled", "true"),
            ("kubernetes.jobmanager.annotations", "a:1"),
            ("kubernetes.jobmanager.annotations.b", "2"),
        ],
        &KEYS,
    );
    let entries: Vec<String> = config
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(
        entries,
        [
            "$internal.pipeline.job-id=j",
            "blob.server.port=6124",
            "internal.cluster.execution-mode=NORMAL",
            "jobmanager.rpc.address=name.ns",
            "kubernetes.cluster-id=name",
            "kubernetes.internal.jobmanager.entrypoint.class=org.apache.flink.kubernetes.entrypoint.KubernetesApplicationClusterEntrypoint",
            "kubernetes.jobmanager.annotations=a:1,b:2,flinkdeployment.flink.apache.org/generation:7",
            "kubernetes.jobmanager.owner.reference=apiVersion:flink.apache.org/v1beta1,blockOwnerDeletion:true,controller:false,kind:FlinkDeployment,name:name,uid:u",
            "kubernetes.namespace=ns",
            "taskmanager.rpc.port=6122",
        ]
    );
}

#[test]
fn only_the_recorded_path_is_restored_from() {
    let user = [
        ("execution.savepoint.path", "old"),
        ("execution.state-recovery.path", "older"),
    ];
    let config = deploy(&user, &KEYS);
    assert!(!config.is_set(&flink::SAVEPOINT_PATH));
    let config = deploy(
        &user,
        &DeployKeys {
            savepoint: Some(LAST_STATE_PATH),
            ..KEYS
        },
    );
    assert_eq!(
        config.get(&flink::SAVEPOINT_PATH),
        Ok(Some(LAST_STATE_PATH.to_owned()))
    );
    assert_eq!(config.raw("execution.state-recovery.path"), None);
}

#[test]
fn result_stores_are_unique_for_each_deployment() {
    let paths = |version: &str, keys: &DeployKeys<'_>| {
        let config = deploy(
            &[
                ("high-availability.storageDir", "s3://b/ha/"),
                (FLINK_VERSION, version),
            ],
            keys,
        );
        ["job-result-store", "application-result-store"].map(|store| {
            config
                .raw(&format!("{store}.storage-path"))
                .unwrap_or("-")
                .to_owned()
        })
    };
    assert_eq!(
        paths("v2_2", &KEYS),
        ["s3://b/ha/job-result-store/name/d", "-"]
    );
    assert_eq!(
        paths("v2_3", &KEYS),
        [
            "s3://b/ha/job-result-store/name/d",
            "s3://b/ha/application-result-store/name/d"
        ]
    );
    assert_eq!(
        paths(
            "v2_3",
            &DeployKeys {
                job_id: None,
                ..KEYS
            }
        ),
        ["-", "-"]
    );
    let kept = deploy(
        &[
            ("high-availability.storageDir", "s3://b/ha"),
            ("job-result-store.delete-on-commit", "true"),
            ("job-result-store.storage-path", "mine"),
        ],
        &KEYS,
    );
    assert_eq!(kept.raw("job-result-store.delete-on-commit"), Some("true"));
    assert_eq!(
        kept.raw("job-result-store.storage-path"),
        Some("s3://b/ha/job-result-store/name/d")
    );
}

#[test]
fn ports_are_fixed_and_high_availability_needs_no_address() {
    let config = deploy(
        &[
            ("high-availability.type", "kubernetes"),
            ("jobmanager.rpc.port", "7000"),
            ("rest.bind-port", "0"),
            ("blob.server.port", "7001"),
        ],
        &KEYS,
    );
    let keys = [
        "high-availability.jobmanager.port",
        "rest.bind-port",
        "blob.server.port",
        "jobmanager.rpc.address",
    ];
    assert_eq!(
        keys.map(|key| config.raw(key)),
        [Some("7000"), Some("8081"), Some("7001"), None]
    );
    let range = FlinkConfig::from_iter([("blob.server.port", "7000-7010")]);
    assert_eq!(with_deploy(&range, &KEYS).unwrap_err().len(), 1);
}

#[test]
fn a_session_and_a_standalone_cluster_differ_in_the_entry_point() {
    let class = "kubernetes.internal.jobmanager.entrypoint.class";
    let session = deploy(
        &[],
        &DeployKeys {
            job_id: None,
            ..KEYS
        },
    );
    assert!(
        session
            .raw(class)
            .unwrap()
            .ends_with("KubernetesSessionClusterEntrypoint")
    );
    assert!(!session.contains(flink::JOB_ID.key));
    let standalone = deploy(
        &[],
        &DeployKeys {
            mode: KubernetesMode::Standalone,
            ..KEYS
        },
    );
    assert!(!standalone.contains(class));
}
