//! A real Prometheus: Debian's.
#![allow(dead_code)]

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::http;
use crate::process::{Process, eventually, free_address};

/// A Prometheus that is running, with its database.
pub struct Prometheus {
    api: Api,
    process: Process,
    files: tempfile::TempDir,
}

/// What can be asked of any Prometheus, whoever started it.
pub struct Api(pub SocketAddr);

impl Prometheus {
    /// Scrapes and evaluates every second. `rules` is a rule file.
    pub fn start(scrape_configs: &str, rules: &str) -> Prometheus {
        let files = tempfile::tempdir().unwrap();
        let address = free_address();
        configure(files.path(), scrape_configs);
        std::fs::write(files.path().join("rules.yml"), rules).unwrap();
        let mut command = Command::new("prometheus");
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"]);
        command.arg(format!("--web.listen-address={address}")).current_dir(files.path());
        let mut process = Process::start(&mut command, "no prometheus on the PATH: run make setup");
        eventually("Prometheus is ready", &Some(200), || {
            if let Some(status) = process.child().try_wait().unwrap() {
                panic!("Prometheus ended at once: {status}");
            }
            http::try_request(address, "GET", "/-/ready", &[]).ok().map(|answer| answer.status)
        });
        Prometheus { api: Api(address), process, files }
    }

    /// Other scrape jobs, from about now on.
    pub fn reconfigure(&self, scrape_configs: &str) {
        configure(self.files.path(), scrape_configs);
        self.process.signal("-HUP");
    }
}

impl Deref for Prometheus {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Api {
    /// The value of an expression that gives one series; `None` when it gives none.
    pub fn value(&self, expression: &str) -> Option<f64> {
        let result = self.query(expression);
        assert!(result.len() <= 1, "{expression} gives {} series", result.len());
        result.first().map(|series| series["value"][1].as_str().unwrap().parse().unwrap())
    }

    /// What the API makes of an expression: a list of `{metric, value}` or `{metric, values}`.
    pub fn query(&self, expression: &str) -> Vec<Value> {
        let mut data = self.ask(&format!("/api/v1/query?query={}", escape(expression)));
        serde_json::from_value(data["result"].take()).unwrap()
    }

    /// Label sets of an expression's result, as `{job=..., instance=...}` pairs of one label.
    pub fn labels_of(&self, expression: &str, label: &str) -> Vec<String> {
        let series = self.query(expression);
        let mut values: Vec<_> =
            series.iter().map(|s| s["metric"][label].as_str().unwrap_or_default().to_owned()).collect();
        values.sort();
        values
    }

    /// Every value that a label has anywhere in the database.
    pub fn values_of_label(&self, label: &str) -> Vec<String> {
        let data = self.ask(&format!("/api/v1/label/{label}/values"));
        data.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    }

    /// What the last scrape of a job failed with; empty when it did not.
    pub fn last_error(&self, job: &str) -> String {
        let data = self.ask("/api/v1/targets?state=active");
        let targets = data["activeTargets"].as_array().unwrap();
        let target = targets.iter().find(|target| target["labels"]["job"] == job).unwrap();
        target["lastError"].as_str().unwrap().to_owned()
    }

    /// What last scrapes failed with, of any target.
    pub fn last_errors(&self) -> Vec<String> {
        let data = self.ask("/api/v1/targets?state=active");
        let errors = data["activeTargets"].as_array().unwrap().iter().map(|t| (&t["scrapeUrl"], &t["lastError"]));
        errors.filter(|(_, error)| *error != "").map(|(url, error)| format!("{url}: {error}")).collect()
    }

    /// Series in the head of the database: all there ever were, as long as it has not been compacted.
    pub fn head_series(&self) -> u64 {
        self.ask("/api/v1/status/tsdb")["headStats"]["numSeries"].as_u64().unwrap()
    }

    fn ask(&self, path: &str) -> Value {
        let answer = http::get(self.0, path);
        let mut json: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(json["status"], "success", "{path}: {json}");
        json["data"].take()
    }
}

fn configure(files: &Path, scrape_configs: &str) {
    let global = "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}";
    let config = format!("{global}\nrule_files: [rules.yml]\nscrape_configs:\n{scrape_configs}");
    std::fs::write(files.join("prometheus.yml"), config).unwrap();
}

/// Percent-encodes everything but letters and digits.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}
