//! The operator's configuration as a folder that changes while it runs.

use std::path::{Path, PathBuf};

use flink_e2e::{Launch, Namespace, Operator};

use crate::SITE;

/// A folder of settings that a test changes.
pub struct Settings(PathBuf);

impl Settings {
    /// Those of the tests, these namespaces, and these lines.
    pub fn new(name: &str, namespaces: &str, more: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("flink-operator-e2e-{name}.conf"));
        std::fs::create_dir_all(&folder).unwrap();
        let settings = Self(folder);
        settings.write(namespaces, more);
        settings
    }

    /// Others from now on.
    pub fn write(&self, namespaces: &str, more: &str) {
        let base =
            std::fs::read_to_string(flink_e2e::repository().join("tests/e2e/conf/config.yaml"))
                .unwrap();
        let text = format!(
            "{base}\nkubernetes.operator.watched.namespaces: {namespaces}\n\
             kubernetes.operator.dynamic.config.check.interval: 1 s\n{more}\n"
        );
        // At once, as a mounted ConfigMap changes.
        let fresh = self.0.join("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.0.join("config.yaml")).unwrap();
    }

    /// An operator that has them.
    pub fn launch(&self, name: &str) -> Launch {
        SITE.launch(name, "e2e").settings(&self.0)
    }
}

/// Wait until the operator has said it.
pub fn log_says(operator: &Operator, namespace: &Namespace, text: &str) {
    let log: &Path = operator.log();
    namespace.wait_for(&format!("the log to say {text:?}"), |_| {
        let log = std::fs::read_to_string(log).unwrap();
        log.contains(text).then_some(())
    });
}
