//! A pod of a cluster in the making: a template, the main container taken out of it, and what Flink and
//! the user's configuration add. One rule: additions go after what the template has, and an addition
//! of the same key replaces it.

use serde_json::{Map, Value, json};

use super::{labels::Labels, object::fields, pod_template::MAIN_CONTAINER};
use crate::config::{ConfigError, FlinkConfig, Process};

mod container;

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

#[cfg(test)]
mod tests;
