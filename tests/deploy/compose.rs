//! The compose file: whatever it mounts is there, and fits what the container looks for.

use std::path::Path;
use std::process::Command;

use super::{binary, checked, items, path, proxy, target_names, text, word, yaml};

/// Where a service sees a file of this repository.
fn mounts(service: &str) -> Vec<(String, String)> {
    let compose = yaml("compose/compose.yaml");
    let service = &compose["services"][service];
    let mounts = items(service, "/volumes").map(|volume| volume.as_str().unwrap().split(':').collect::<Vec<_>>());
    mounts.filter(|parts| parts[0].starts_with('.')).map(|parts| (parts[0].to_owned(), parts[1].to_owned())).collect()
}

/// The file that a service sees at a path.
fn seen(service: &str, at: &str) -> std::path::PathBuf {
    let mount = mounts(service).into_iter().find(|(_, seen)| seen == at);
    path("compose").join(mount.unwrap_or_else(|| panic!("{service} sees nothing at {at}")).0)
}

#[test]
fn everything_mounted_is_there() {
    let compose = yaml("compose/compose.yaml");
    let services: Vec<_> = compose["services"].as_object().unwrap().keys().collect();
    assert_eq!(services, ["grafana", "guard", "prometheus", "worker"]);
    for service in services {
        let mounts = mounts(service);
        assert!(!mounts.is_empty(), "{service}");
        for (file, _) in mounts {
            assert!(path("compose").join(&file).exists(), "{service} mounts {file}, which is not there");
        }
    }
}

#[test]
fn the_guard_is_one_keeps_its_state_and_may_write_nowhere_else() {
    let compose = yaml("compose/compose.yaml");
    let guard = &compose["services"]["guard"];
    assert!(guard["deploy"].is_null() && guard["scale"].is_null(), "one");
    assert_eq!((&guard["read_only"], &guard["cap_drop"][0]), (&true.into(), &"ALL".into()));
    let settings = checked(&seen("guard", "/etc/cardinality-guard").join("guard.yaml"));
    let state = format!("guard-state:{}", settings.storage.path.unwrap().display());
    assert!(items(guard, "/volumes").any(|volume| volume == state.as_str()), "{state}");
    assert!(compose["volumes"].as_object().unwrap().contains_key("guard-state"));
}

/// Prometheus finds its rules, and goes through the guard by the name of the target.
#[test]
fn prometheus_accepts_its_configuration_and_goes_through_the_guard() {
    let file = seen("prometheus", "/etc/prometheus/prometheus.yml");
    let config = std::fs::read_to_string(&file).unwrap();
    let mounts = mounts("prometheus");
    let rules: Vec<_> = mounts.iter().filter(|(_, seen)| seen.starts_with("/etc/prometheus/mixin/")).collect();
    assert_eq!(rules.len(), 2, "{mounts:?}");
    let mixin = std::fs::canonicalize(path("../mixin")).unwrap();
    let alerts_and_rules = format!("{0}/alerts.yaml, {0}/rules.yaml", mixin.display());
    let here = config.replace("/etc/prometheus/mixin/*.yaml", &alerts_and_rules);
    assert_ne!(here, config);
    let dir = binary::scratch(&[("prometheus.yml", &here)]);
    let output = Command::new("promtool").args(["check", "config", &dir.path("prometheus.yml")]).output();
    let output = output.unwrap_or_else(|error| panic!("no promtool: run make setup ({error})"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("2 rule files found"), "{said}");

    let config = yaml("compose/prometheus.yml");
    let jobs: Vec<_> = items(&config, "/scrape_configs").collect();
    let (target, host, port) = proxy(word(jobs[0], "/proxy_url"));
    assert_eq!((host, port), ("guard", 10900));
    assert!(target_names(&checked(&path("compose/guard/guard.yaml"))).contains(&target));
    assert_eq!(word(jobs[1], "/job_name"), "cardinality-guard");
    assert!(jobs[1]["proxy_url"].is_null(), "a guard that scrapes itself is a loop");
}

#[test]
fn grafana_finds_the_dashboard_and_prometheus() {
    let providers = yaml("compose/grafana/dashboards.yaml");
    let folder = word(&providers, "/providers/0/options/path");
    let dashboard = format!("{folder}/dashboard.json");
    assert!(seen("grafana", &dashboard).ends_with("mixin/dashboard.json"));
    let compose = yaml("compose/compose.yaml");
    let home = word(&compose, "/services/grafana/environment/GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH");
    assert_eq!(home, dashboard);
    let sources = yaml("compose/grafana/datasources.yaml");
    assert_eq!(word(&sources, "/datasources/0/url"), "http://prometheus:9090");
    assert!(Path::new(&seen("grafana", "/etc/grafana/provisioning/datasources/prometheus.yaml")).exists());
}

/// The worker that explodes is one whose metrics the guard takes, and `job_id` goes.
#[test]
fn the_worker_exposes_what_the_policy_is_about() {
    let worker = text("compose/worker.py");
    let policy = path("compose/guard/policy.yaml");
    assert!(worker.contains("# TYPE worker_jobs_total counter") && worker.contains("job_id="));
    let series = "worker_jobs_total{queue=\"emails\",job_id=\"4711\"}";
    let run = binary::run(&["explain", "--policy", policy.to_str().unwrap(), series]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("leaves as worker_jobs_total{queue=\"emails\"}, "), "{}", run.stdout);
}
