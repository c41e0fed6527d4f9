//! The Helm chart: its definitions are those of `crds/`, its values those of the Java operator's chart,
//! and what it makes of several sets of values is written down in `charts/*.golden.yaml`.
//!
//! Rendering needs Helm; the environment variable `HELM` names it (`make check` sets it). Without it
//! these tests say that they did nothing, and fail in CI. `UPDATE=1` rewrites the goldens.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const SETS: &[&str] = &["defaults", "namespaced", "switched"];

/// Values of the Java operator's chart; each must be known here, so that it is documented.
const KNOWN_UPSTREAM: &str = "
    watchNamespaces image.repository image.pullPolicy image.tag image.digest imagePullSecrets replicas
    strategy.type rbac.create rbac.nodesRule.create rbac.operatorRole.create rbac.operatorRole.name
    rbac.operatorRoleBinding.create rbac.operatorRoleBinding.name rbac.jobRole.create rbac.jobRole.name
    rbac.jobRoleBinding.create rbac.jobRoleBinding.name operatorPod.priorityClassName
    operatorPod.annotations operatorPod.labels operatorPod.nodeSelector operatorPod.affinity
    operatorPod.dnsConfig operatorPod.env operatorPod.envFrom operatorPod.dnsPolicy
    operatorPod.tolerations operatorPod.topologySpreadConstraints operatorPod.initContainers
    operatorPod.sidecarContainers operatorPod.resources operatorPod.webhook.resources
    operatorServiceAccount.create operatorServiceAccount.annotations operatorServiceAccount.name
    jobServiceAccount.create jobServiceAccount.annotations jobServiceAccount.name
    operatorVolumeMounts.create operatorVolumeMounts.data operatorVolumes.create operatorVolumes.data
    podSecurityContext.runAsUser podSecurityContext.runAsGroup operatorSecurityContext
    webhookSecurityContext webhook.create webhook.validator.create webhook.mutator.create
    webhook.keystore.useDefaultPassword webhook.serviceLabels defaultConfiguration.create
    defaultConfiguration.append defaultConfiguration.config/yaml defaultConfiguration.flink-conf/yaml
    defaultConfiguration.log4j-operator/properties defaultConfiguration.log4j-console/properties
    defaultConfiguration.logback-operator/xml defaultConfiguration.logback-console/xml
    logging.framework metrics.port nameOverride fullnameOverride jvmArgs.webhook jvmArgs.operator
    operatorHealth.port operatorHealth.livenessProbe operatorHealth.startupProbe postStart tls.create
    tls.secretName tls.secretKeyRef.name tls.secretKeyRef.key";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chart() -> PathBuf {
    root().join("charts/flink-operator")
}

fn update() -> bool {
    std::env::var_os("UPDATE").is_some()
}

/// Helm, or nothing with a loud word; in CI its absence is a failure.
fn helm() -> Option<OsString> {
    let helm = std::env::var_os("HELM").filter(|path| !path.is_empty());
    if helm.is_none() {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!ci, "HELM is not set: run the tests through `make check`");
        eprintln!("NOT TESTED: HELM is not set, so no chart was rendered; `make check` sets it");
    }
    helm
}

fn template(helm: &OsString, arguments: &[&str]) -> Output {
    Command::new(helm)
        .args(["template", "flink-operator"])
        .arg(chart())
        .args(["--namespace", "flink", "--kube-version", "1.34.0"])
        .args(arguments)
        .output()
        .expect("HELM names a program")
}

fn definitions(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "yml")
        })
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (
                name,
                fs::read_to_string(entry.path()).expect("a readable file"),
            )
        })
        .collect()
}

#[test]
fn the_chart_has_the_definitions_of_crds() {
    let ours = definitions(&root().join("crds"));
    let copies = chart().join("crds");
    assert_eq!(ours.len(), 4, "one definition for each kind");
    if update() {
        fs::create_dir_all(&copies).expect("a folder");
        for stale in definitions(&copies)
            .keys()
            .filter(|name| !ours.contains_key(*name))
        {
            fs::remove_file(copies.join(stale)).expect("a removable file");
        }
        for (name, text) in &ours {
            fs::write(copies.join(name), text).expect("a writable file");
        }
    }
    let same = definitions(&copies) == ours;
    assert!(
        same,
        "charts/flink-operator/crds differs from crds: run `make generate`"
    );
}

#[test]
fn every_value_of_the_java_operators_chart_is_known() {
    let text = fs::read_to_string(chart().join("values.yaml")).expect("the values");
    let values: Value = serde_saphyr::from_str(&text).expect("the values are YAML");
    let schema = fs::read_to_string(chart().join("values.schema.json")).expect("the schema");
    let schema: Value = serde_json::from_str(&schema).expect("the schema is JSON");
    for path in KNOWN_UPSTREAM.split_whitespace() {
        let mut value = Some(&values);
        for part in path.split('.').map(|part| part.replace('/', ".")) {
            value = value.and_then(|value| value.get(&part));
        }
        assert!(value.is_some(), "{path} is missing in values.yaml");
        let first = path.split('.').next().unwrap_or_default();
        assert!(
            schema["properties"].get(first).is_some(),
            "{first} is missing in the schema"
        );
    }
}

#[test]
fn the_chart_is_of_this_version() {
    let text = fs::read_to_string(chart().join("Chart.yaml")).expect("the chart");
    let chart: Value = serde_saphyr::from_str(&text).expect("YAML");
    for key in ["version", "appVersion"] {
        assert_eq!(chart[key], env!("CARGO_PKG_VERSION"), "{key}");
    }
}

#[test]
fn several_sets_of_values_render_as_written_down() {
    let Some(helm) = helm() else { return };
    let folder = root().join("tests/it/charts");
    for set in SETS {
        let values = folder.join(format!("{set}.values.yaml"));
        let values = values.to_str().expect("a path in UTF-8");
        let output = template(&helm, &["--values", values]);
        let rendered = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{set}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let golden = folder.join(format!("{set}.golden.yaml"));
        if update() {
            fs::write(&golden, rendered.as_bytes()).expect("a writable file");
        }
        let written = fs::read_to_string(&golden).unwrap_or_default();
        assert!(
            rendered == written,
            "{} is stale: run `make generate`",
            golden.display()
        );
    }
}

#[test]
fn what_is_rendered_is_yaml_with_a_kind_and_a_name() {
    for set in SETS {
        let path = root().join(format!("tests/it/charts/{set}.golden.yaml"));
        let text = fs::read_to_string(path).expect("the golden");
        for document in text.split("\n---\n").filter(|part| part.contains("kind:")) {
            let document = document.trim_start_matches("---\n");
            let object: Value = serde_saphyr::from_str(document).expect("YAML");
            let named = object["kind"].is_string() && object["metadata"]["name"].is_string();
            assert!(named, "{set}: {document}");
        }
    }
}

#[test]
fn the_operator_runs_without_rights_on_its_node() {
    let path = root().join("tests/it/charts/defaults.golden.yaml");
    let text = fs::read_to_string(path).expect("the golden");
    for line in [
        "runAsUser: 9999",
        "runAsNonRoot: true",
        "allowPrivilegeEscalation: false",
        "readOnlyRootFilesystem: true",
        "- ALL",
        "type: RuntimeDefault",
    ] {
        assert!(text.lines().any(|found| found.trim() == line), "{line}");
    }
}

#[test]
fn what_cannot_work_is_refused_with_the_remedy() {
    let Some(helm) = helm() else { return };
    for (setting, remedy) in [
        ("webhook.create=true", "Set webhook.create=false"),
        ("tls.create=true", "Set tls.create=false"),
        (
            "replicas=2",
            "kubernetes.operator.leader-election.enabled: true",
        ),
        ("metrics.port=0", "metrics"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
    ] {
        let output = template(&helm, &["--set", setting]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{setting} was accepted");
        assert!(message.contains(remedy), "{setting}: {message}");
    }
}

#[test]
fn the_chart_passes_lint() {
    let Some(helm) = helm() else { return };
    let output = Command::new(helm)
        .args(["lint", "--strict", "--quiet", "--kube-version", "1.34.0"])
        .arg(chart())
        .output()
        .expect("HELM names a program");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
