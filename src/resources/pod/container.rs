//! The container that runs Flink: image, resources, environment, secrets. One rule: what the configuration
//! says beats the template, and the template beats the defaults. Tests: `tests.rs` beside this file.

use serde_json::{Value, json};

use super::{Pod, append, choose, object};
use crate::{
    config::{ConfigError, Process, flink, process_memory},
    resources::labels::Labels,
};

impl Pod<'_> {
    pub(super) fn image(&mut self, default: &str) {
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

    pub(super) fn resources(&mut self) -> Result<(), ConfigError> {
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

    pub(super) fn environment(&mut self) -> Result<(), ConfigError> {
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

    pub(super) fn secrets(&mut self) -> Result<(), ConfigError> {
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
    pub(in super::super) fn external_resources(&mut self) -> Result<(), ConfigError> {
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
