//! A pod of a cluster in the making: a template, the main container taken out of it, and what Flink and
//! the user's configuration add. One rule: additions go after what the template has, and an addition
//! of the same key replaces it.

use serde_json::{Map, Value, json};

use super::{labels::Labels, object::fields, pod_template::MAIN_CONTAINER};
use crate::config::{ConfigError, FlinkConfig, Process, flink, process_memory};

/// A pod of a cluster in the making.
pub(super) struct Pod<'a> {
    config: &'a FlinkConfig,
    process: Process,
    metadata: Map<String, Value>,
    spec: Map<String, Value>,
    containers: Vec<Value>,
    main: Map<String, Value>,
}

impl<'a> Pod<'a> {
    /// From a template that was checked.
    pub(super) fn new(template: Option<Value>, config: &'a FlinkConfig, process: Process) -> Self {
        let Some(Value::Object(mut template)) = template else {
            return Self::new(Some(json!({})), config, process);
        };
        let metadata = object(template.remove("metadata"));
        let mut spec = object(template.remove("spec"));
        let mut containers = list(spec.remove("containers"));
        let main = containers
            .iter()
            .position(|container| {
                container.get("name").and_then(Value::as_str) == Some(MAIN_CONTAINER)
            })
            .map(|at| containers.remove(at));
        let mut main = object(main);
        main.insert("name".into(), MAIN_CONTAINER.into());
        Self {
            config,
            process,
            metadata,
            spec,
            containers,
            main,
        }
    }

    /// A key of this pod's role: `kubernetes.jobmanager.<rest>`.
    fn key(&self, rest: &str) -> String {
        format!("kubernetes.{}.{rest}", self.process.prefix())
    }

    /// Labels and annotations; `fixed` labels win over all others.
    pub(super) fn describe(&mut self, fixed: &Labels) -> Result<(), ConfigError> {
        let mut labels = self.config.map(&self.key("labels"))?;
        labels.extend(fixed.clone());
        let annotations = self.config.map(&self.key("annotations"))?;
        for (field, values) in [("labels", labels), ("annotations", annotations)] {
            if !values.is_empty() {
                let mut present = object(self.metadata.remove(field));
                present.extend(values.into_iter().map(|(key, value)| (key, value.into())));
                self.metadata.insert(field.into(), Value::Object(present));
            }
        }
        Ok(())
    }

    /// Everything that pods of both roles take from the configuration.
    pub(super) fn configure(&mut self, default_image: &str) -> Result<(), ConfigError> {
        self.image(default_image);
        self.service_account();
        self.network()?;
        self.placement()?;
        self.resources()?;
        self.environment()?;
        self.secrets()
    }

    fn image(&mut self, default: &str) {
        let config = self.config;
        let image = config
            .raw("kubernetes.container.image.ref")
            .or_else(|| config.raw("kubernetes.container.image"));
        choose(&mut self.main, "image", image, default);
        let policy = config.raw("kubernetes.container.image.pull-policy");
        choose(&mut self.main, "imagePullPolicy", policy, "IfNotPresent");
        let entry = config
            .raw("kubernetes.entry.path")
            .unwrap_or("/docker-entrypoint.sh");
        self.main.insert("command".into(), json!([entry]));
    }

    fn service_account(&mut self) {
        let key = self.key("service-account");
        let account = self
            .config
            .raw(&key)
            .or_else(|| self.config.raw("kubernetes.service-account"));
        choose(&mut self.spec, "serviceAccountName", account, "default");
        // The old name of the field, which some tools still read.
        if let Some(name) = self.spec.get("serviceAccountName").cloned() {
            self.spec.insert("serviceAccount".into(), name);
        }
    }

    /// Whether the pod uses the network of its node.
    pub(super) fn host_network(&self) -> Result<bool, ConfigError> {
        let configured = self.config.bool("kubernetes.hostnetwork.enabled")?;
        let template = || self.spec.get("hostNetwork").and_then(Value::as_bool);
        Ok(configured.or_else(template).unwrap_or(false))
    }

    fn network(&mut self) -> Result<(), ConfigError> {
        self.spec.remove("restartPolicy");
        if self.host_network()? {
            self.spec.insert("hostNetwork".into(), true.into());
            self.spec
                .insert("dnsPolicy".into(), "ClusterFirstWithHostNet".into());
        } else {
            self.spec.remove("hostNetwork");
            self.spec
                .entry("dnsPolicy")
                .or_insert_with(|| "ClusterFirst".into());
        }
        Ok(())
    }

    fn placement(&mut self) -> Result<(), ConfigError> {
        let secrets = self
            .config
            .list("kubernetes.container.image.pull-secrets")?;
        let secrets = secrets.into_iter().map(|name| json!({"name": name}));
        append(&mut self.spec, "imagePullSecrets", secrets, &["name"]);
        let nodes = self.config.map(&self.key("node-selector"))?;
        if !nodes.is_empty() {
            let mut present = object(self.spec.remove("nodeSelector"));
            present.extend(nodes.into_iter().map(|(key, value)| (key, value.into())));
            self.spec
                .insert("nodeSelector".into(), Value::Object(present));
        }
        let key = self.key("tolerations");
        let tolerations: Option<Vec<Labels>> = self.config.typed(&key)?;
        for toleration in tolerations.unwrap_or_default() {
            let toleration = tolerate(&key, &toleration)?;
            append(&mut self.spec, "tolerations", [toleration], &[]);
        }
        Ok(())
    }

    fn resources(&mut self) -> Result<(), ConfigError> {
        let memory = process_memory(self.config, self.process)?.as_mib();
        let cpu = self.cpu()?;
        let memory_limit = times(memory, self.limit_factor("memory")?);
        let cpu_limit = cpu * self.limit_factor("cpu")?;
        let mut resources = object(self.main.remove("resources"));
        for (field, memory, cpu) in [
            ("requests", format!("{memory}Mi"), cpu),
            ("limits", format!("{memory_limit}Mi"), cpu_limit),
        ] {
            let mut present = object(resources.remove(field));
            present.insert("memory".into(), memory.into());
            present.insert("cpu".into(), cores(cpu).into());
            resources.insert(field.into(), Value::Object(present));
        }
        self.main
            .insert("resources".into(), Value::Object(resources));
        Ok(())
    }

    fn cpu(&self) -> Result<f64, ConfigError> {
        let amount = self.config.typed::<f64>(&self.key("cpu.amount"))?;
        let amount = match amount {
            None => self.config.typed::<f64>(&self.key("cpu"))?,
            some => some,
        };
        Ok(match (amount.filter(|cpu| *cpu > 0.0), self.process) {
            (Some(cpu), _) => cpu,
            (None, Process::JobManager) => 1.0,
            // A core for each slot, as Flink itself reckons.
            (None, Process::TaskManager) => f64::from(self.config.get(&flink::SLOTS)?),
        })
    }

    fn limit_factor(&self, resource: &str) -> Result<f64, ConfigError> {
        let key = self.key(&format!("{resource}.limit-factor"));
        let factor = self.config.typed::<f64>(&key)?.unwrap_or(1.0);
        if factor < 1.0 {
            let expected = "a factor of at least 1.0; a limit cannot be below its request";
            return Err(ConfigError::invalid(&key, &factor.to_string(), expected));
        }
        Ok(factor)
    }

    fn environment(&mut self) -> Result<(), ConfigError> {
        let prefix = match self.process {
            Process::JobManager => "containerized.master.env.",
            Process::TaskManager => "containerized.taskmanager.env.",
        };
        let config = self.config;
        let mut env: Vec<Value> = config
            .below(prefix)
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        if self.process == Process::JobManager {
            let address = json!({"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}});
            env.push(json!({"name": "_POD_IP_ADDRESS", "valueFrom": address}));
        }
        if let Some(directory) = config.raw("kubernetes.flink.log.dir") {
            env.push(json!({"name": "FLINK_LOG_DIR", "value": directory}));
        }
        let key = "kubernetes.env.secretKeyRef";
        let references: Option<Vec<Labels>> = config.typed(key)?;
        for reference in references.unwrap_or_default() {
            let (Some(name), Some(secret), Some(field)) = (
                reference.get("env"),
                reference.get("secret"),
                reference.get("key"),
            ) else {
                let text = config.raw(key).unwrap_or_default();
                let expected = "a list like 'env:PASSWORD,secret:my-secret,key:password'";
                return Err(ConfigError::invalid(key, text, expected));
            };
            let source = json!({"secretKeyRef": {"key": field, "name": secret}});
            env.push(json!({"name": name, "valueFrom": source}));
        }
        append(&mut self.main, "env", env, &["name"]);
        Ok(())
    }

    fn secrets(&mut self) -> Result<(), ConfigError> {
        for (secret, path) in self.config.map("kubernetes.secrets")? {
            let name = format!("{secret}-volume");
            self.volume(
                &name,
                json!({"secret": {"secretName": secret}}),
                Some(&path),
            );
        }
        let hadoop = self
            .config
            .bool("kubernetes.decorator.hadoop-conf-mount.enabled")?;
        let map = self.config.raw("kubernetes.hadoop.conf.config-map.name");
        if let Some(map) = map.filter(|_| hadoop != Some(false)) {
            const DIRECTORY: &str = "/opt/hadoop/conf";
            self.volume(
                "hadoop-config-volume",
                json!({"configMap": {"name": map}}),
                Some(DIRECTORY),
            );
            let env = json!({"name": "HADOOP_CONF_DIR", "value": DIRECTORY});
            append(&mut self.main, "env", [env], &["name"]);
        }
        Ok(())
    }

    /// Devices such as GPUs, which Flink in native mode asks for itself.
    pub(super) fn external_resources(&mut self) -> Result<(), ConfigError> {
        let mut resources = object(self.main.remove("resources"));
        for name in self.config.list("external-resources")? {
            let amount = self
                .config
                .typed::<i64>(&format!("external-resource.{name}.amount"))?;
            let key = self
                .config
                .raw(&format!("external-resource.{name}.kubernetes.config-key"));
            if let (Some(amount), Some(key)) = (amount, key) {
                for field in ["requests", "limits"] {
                    let mut present = object(resources.remove(field));
                    present.insert(key.into(), amount.to_string().into());
                    resources.insert(field.into(), Value::Object(present));
                }
            }
        }
        self.main
            .insert("resources".into(), Value::Object(resources));
        Ok(())
    }

    /// Adds a volume and mounts it at `path`.
    pub(super) fn volume(&mut self, name: &str, source: Value, path: Option<&str>) {
        let mut volume = object(Some(source));
        volume.insert("name".into(), name.into());
        append(
            &mut self.spec,
            "volumes",
            [Value::Object(volume)],
            &["name"],
        );
        if let Some(path) = path {
            let mount = json!({"mountPath": path, "name": name});
            append(&mut self.main, "volumeMounts", [mount], &["mountPath"]);
        }
    }

    /// Whether something is mounted at or below a directory.
    pub(super) fn mounts_below(&self, directory: &str) -> bool {
        let mounts = self.main.get("volumeMounts").and_then(Value::as_array);
        mounts.into_iter().flatten().any(|mount| {
            let path = mount
                .get("mountPath")
                .and_then(Value::as_str)
                .unwrap_or_default();
            path.starts_with(directory)
        })
    }

    /// Declares ports by name and number; a declaration of the same number is replaced.
    pub(super) fn ports(&mut self, ports: &[(&str, u16)]) {
        let ports = ports
            .iter()
            .map(|(name, port)| json!({"containerPort": port, "name": name}));
        append(&mut self.main, "ports", ports, &["containerPort"]);
    }

    /// What the container runs.
    pub(super) fn args(&mut self, args: Vec<String>) {
        self.main.insert("args".into(), args.into());
    }

    /// The pod template of a Deployment. The main container comes last.
    pub(super) fn finish(mut self) -> Value {
        self.containers.push(Value::Object(self.main));
        self.spec
            .insert("containers".into(), Value::Array(self.containers));
        fields([
            ("metadata", Value::Object(self.metadata)),
            ("spec", Value::Object(self.spec)),
        ])
    }
}

/// A value of the configuration, else what the template has, else the default.
fn choose(fields: &mut Map<String, Value>, field: &str, configured: Option<&str>, default: &str) {
    match configured {
        Some(value) => {
            fields.insert(field.into(), value.into());
        }
        None => {
            fields.entry(field).or_insert_with(|| default.into());
        }
    }
}

/// Appends to a list; an element with the same values of `keys` is replaced where it stands.
fn append(
    fields: &mut Map<String, Value>,
    field: &str,
    elements: impl IntoIterator<Item = Value>,
    keys: &[&str],
) {
    let mut all = list(fields.remove(field));
    for element in elements {
        let same = |present: &&mut Value| {
            !keys.is_empty() && keys.iter().all(|key| present.get(key) == element.get(key))
        };
        match all.iter_mut().find(same) {
            Some(present) => *present = element,
            None => all.push(element),
        }
    }
    if !all.is_empty() {
        fields.insert(field.into(), Value::Array(all));
    }
}

/// A toleration from Flink's map notation.
fn tolerate(key: &str, toleration: &Labels) -> Result<Value, ConfigError> {
    let mut fields = Map::new();
    for (field, text) in toleration {
        let value = match field.as_str() {
            "tolerationSeconds" => text.trim().parse::<i64>().map(Value::from).map_err(|_| {
                ConfigError::invalid(key, text, "a whole number of seconds for tolerationSeconds")
            })?,
            _ => Value::from(text.clone()),
        };
        fields.insert(field.clone(), value);
    }
    Ok(Value::Object(fields))
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    }
}

/// A size times a factor, rounded down.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes in mebibytes are far below 2^53, and factors are positive"
)]
fn times(mebibytes: u64, factor: f64) -> u64 {
    (mebibytes as f64 * factor) as u64
}

/// CPUs as Kubernetes reads them, to the millionth, so that a product of two decimals stays short.
fn cores(cpu: f64) -> String {
    format!("{:?}", (cpu * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests;
