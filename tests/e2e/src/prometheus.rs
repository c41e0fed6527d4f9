//! Debian's Prometheus as a process of the test.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::operator::free_port;

/// A Prometheus on this machine. Ends with the value, and its data with it.
pub struct Prometheus {
    process: Child,
    folder: PathBuf,
    url: String,
}

impl Prometheus {
    /// Scrape `/metrics` of a port of this machine every second, taking the labels as they come.
    pub fn of_port(target: u16) -> Self {
        let job = json!({
            "job_name": "operator",
            "honor_labels": true,
            "static_configs": [{ "targets": [format!("127.0.0.1:{target}")] }],
        });
        Self::scraping(&job, free_port())
    }

    /// Scrape what one of Prometheus' scrape configurations says every second, and listen on this port.
    pub fn scraping(job: &Value, port: u16) -> Self {
        let folder = std::env::temp_dir().join(format!("flink-operator-e2e-prometheus-{port}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("prometheus.yml");
        let config = json!({
            "global": { "scrape_interval": "1s", "scrape_timeout": "1s" },
            "scrape_configs": [job],
        });
        std::fs::write(&file, config.to_string()).expect("a writable folder");
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("prometheus: {error}; apt-get install prometheus"));
        Self {
            process,
            folder,
            url: format!("http://127.0.0.1:{port}"),
        }
    }

    /// The lines that promtool prints of the answer, one for each series; none while it does not answer.
    pub fn series(&self, query: &str) -> Vec<String> {
        let out = Command::new("promtool")
            .args(["query", "instant", &self.url, query])
            .output()
            .expect("promtool, which comes with prometheus");
        let text = String::from_utf8_lossy(&out.stdout);
        let found = text.lines().filter(|line| line.contains("=>"));
        found.map(str::to_owned).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
