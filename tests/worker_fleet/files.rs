//! What no process here runs: the rules at their own intervals, by promtool; the compose file with the
//! official images and Grafana, as data; and the names of everything, held against captured bodies of
//! the real celery-exporter, yabeda-sidekiq and a prom-client poller.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::bodies;

/// A sample's name and the names of its labels.
pub type Shape = (String, BTreeSet<String>);

/// Every shape of a text body, without these labels.
pub fn shapes(body: &str, without: &[&str]) -> BTreeSet<Shape> {
    let samples = body.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    samples
        .map(|line| {
            let name = line.split(['{', ' ']).next().unwrap();
            let labels = line[name.len()..].split("=\"").filter_map(|before| before.rsplit(['{', ',', ' ']).next());
            let labels = labels.filter(|label| label.starts_with(char::is_alphabetic) && !without.contains(label));
            (name.to_owned(), labels.map(str::to_owned).collect())
        })
        .collect()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/worker-fleet").join(name)
}

fn text(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn promtool(args: &[&str]) {
    let output = Command::new("promtool").args(args).current_dir(path("monitoring")).output();
    let output = output.unwrap_or_else(|error| panic!("no promtool: run make setup ({error})"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {}:\n{said}", args.join(" "));
}

#[test]
fn prometheus_accepts_configuration_and_rules() {
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["check", "rules", "rules.yaml", "alerts.yaml"]);
}

#[test]
fn every_alert_is_seen_firing_and_silent() {
    let tests = ["tests/queues.yaml", "tests/workers.yaml"];
    promtool(&[&["test", "rules"], &tests[..]].concat());
    let tests = tests.map(|file| text(&format!("monitoring/{file}"))).concat();
    let alerts = yaml("monitoring/alerts.yaml");
    for rule in alerts["groups"][0]["rules"].as_array().unwrap() {
        let named = format!("alertname: {}\n        exp_alerts:", rule["alert"].as_str().unwrap());
        let silent = tests.matches(&format!("{named} []")).count();
        assert!(silent > 0 && tests.matches(&named).count() > silent, "{named}");
    }
}

/// The records read names that the real exporters have, our own worker's apart.
#[test]
fn the_rules_ask_for_what_real_exporters_expose() {
    let captured = [
        "celery/celery_exporter_baseline.text.prom",
        "sidekiq/yabeda_baseline.text.prom",
        "bullmq/poller_mistake_job_id.text.prom.gz",
        "prometheus_client/seed_single_ok.text.prom",
    ];
    let captured: BTreeSet<_> = captured.iter().flat_map(|file| shapes(&bodies::body(file), &[])).collect();
    let names: BTreeSet<_> = captured.iter().map(|(name, _)| name.as_str()).collect();
    let rules = text("monitoring/rules.yaml") + &text("monitoring/alerts.yaml");
    let rules: Vec<_> = rules.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let rules = rules.join("\n");
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c));
    let systems = ["celery_", "bullmq_", "sidekiq_", "worker_"];
    // What a rule says after `histogram:` is a family, and no sample has its name alone.
    let asked: BTreeSet<_> = words.filter(|word| systems.iter().any(|system| word.starts_with(system))).collect();
    assert!(asked.len() > 12, "{asked:?}");
    for name in asked {
        let family = names.contains(format!("{name}_count").as_str());
        let known = names.contains(name) || family || name.starts_with("worker_child_lifetime_seconds");
        assert!(known, "{name} is in no captured body");
    }
}

/// Not started here: there is no Docker. What it mounts is there, and every name leads somewhere.
#[test]
fn the_compose_file_is_whole() {
    let compose = yaml("docker-compose.yml");
    let services = compose["services"].as_object().unwrap();
    assert!(services.len() >= 18, "{services:?}");
    for (name, service) in services {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let file = volume.as_str().unwrap().split(':').next().unwrap();
            assert!(!file.starts_with('.') || path(file).exists(), "{name} mounts {file}");
        }
        let folder = service["working_dir"].as_str().map(|dir| dir.replace("/fleet", "."));
        for word in service["command"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let folder = folder.as_deref().or(service["build"]["context"].as_str()).unwrap_or(".");
            let script = [".py", ".mjs", ".rb"].iter().any(|end| word.ends_with(end)) && !word.starts_with("/");
            assert!(!script || path(folder).join(word).exists(), "{name} runs {folder}/{word}");
        }
    }
    for file in ["prometheus.yml", "guard.yaml", "alertmanager.yml"] {
        for word in text(&format!("monitoring/{file}")).split(['/', '\'', '"', ' ', '\n', '[', ']']) {
            let Some((host, port)) = word.split_once(':') else { continue };
            let is_address = port.parse::<u16>().is_ok() && !host.starts_with("0.0.0.0");
            assert!(!is_address || services.contains_key(host), "{file}: there is no {word}");
        }
    }
    let exporter = services["celery-exporter"]["image"].as_str().unwrap();
    assert!(exporter.starts_with("danihodovic/celery-exporter:"), "the real one");
}

#[test]
fn grafana_finds_its_dashboard_and_that_finds_the_records() {
    let compose = yaml("docker-compose.yml");
    let home = &compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"];
    let mounts = compose["services"]["grafana"]["volumes"].as_array().unwrap();
    let mounted = format!("./monitoring/grafana/worker-fleet.json:{}:ro", home.as_str().unwrap());
    assert!(mounts.iter().any(|mount| *mount == mounted.as_str()), "{mounts:?}");
    let dashboard: Value = serde_json::from_str(&text("monitoring/grafana/worker-fleet.json")).unwrap();
    let records = text("monitoring/rules.yaml");
    for panel in dashboard["panels"].as_array().unwrap() {
        let asked = panel["targets"][0]["expr"].as_str().unwrap();
        let known = records.contains(&format!("record: {asked}\n")) || asked.contains("cardinality_guard_scrape_");
        assert!(known, "{asked} is no record");
    }
}
