//! The chart, as far as it can be read without Helm: its values are what the guard accepts, and
//! what must not be a value is none. Rendering it is not tested here.

use serde_json::Value;

use super::{binary, checked, items, target_names, text, word, yaml};

const CHART: &str = "helm/cardinality-guard";

fn values() -> Value {
    yaml(&format!("{CHART}/values.yaml"))
}

#[test]
fn the_settings_and_policies_of_its_values_are_accepted() {
    let values = values();
    let policies = values["policies"].as_object().unwrap().iter();
    // JSON is YAML.
    let mut files: Vec<_> = policies.map(|(name, policies)| (name.as_str(), policies.to_string())).collect();
    files.push(("guard.yaml", values["config"].to_string()));
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let directory = binary::scratch(&files);
    let settings = checked(directory.path("guard.yaml").as_ref());
    assert_eq!(target_names(&settings), ["pods"]);
    assert!(settings.storage.path.is_some());
}

#[test]
fn there_is_one_guard_whatever_the_values_say() {
    let set = text(&format!("{CHART}/templates/statefulset.yaml"));
    assert!(set.contains("\nkind: StatefulSet\n") && set.contains("\n  replicas: 1\n"));
    assert!(!text(&format!("{CHART}/values.yaml")).lines().any(|line| line.trim_start().starts_with("replica")));
    assert!(set.contains("mountPath: {{ .Values.config.storage.path }}"), "the volume is where the state is");
}

#[test]
fn it_has_no_more_rights_than_the_manifests() {
    let values = values();
    let set = yaml("kubernetes/central/statefulset.yaml");
    let pod = set.pointer("/spec/template/spec").unwrap();
    assert_eq!(values["podSecurityContext"], pod["securityContext"]);
    assert_eq!(values["securityContext"], pod["containers"][0]["securityContext"]);
    assert_eq!(values["resources"], pod["containers"][0]["resources"]);
}

/// One version everywhere, so that a release forgets none.
#[test]
fn every_image_is_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    let image = format!("cardinality-guard:{version}");
    let chart = yaml(&format!("{CHART}/Chart.yaml"));
    assert_eq!((word(&chart, "/version"), word(&chart, "/appVersion")), (version, version));
    assert_eq!(word(&yaml("compose/compose.yaml"), "/services/guard/image"), image);
    for workload in ["central/statefulset.yaml", "sidecar/deployment.yaml"] {
        let workload = yaml(&format!("kubernetes/{workload}"));
        let mut containers = items(&workload, "/spec/template/spec/containers");
        assert_eq!(word(containers.find(|container| container["name"] == "guard").unwrap(), "/image"), image);
    }
}
