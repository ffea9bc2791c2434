//! What the tools make of what is shipped, where they are. `make setup` installs none of them, so
//! these are asked for by name: `cargo test --test deploy rendered -- --ignored`.

use std::process::Command;

use serde_json::Value;

use super::{binary, checked, items, path, target_names, word};

/// What a tool says, each document of it read. Panics when it is not there or not content.
fn rendered(tool: &str, args: &[&str]) -> Vec<Value> {
    let output = Command::new(tool).args(args).current_dir(path("..")).output();
    let output = output.unwrap_or_else(|error| panic!("no {tool}: {error}"));
    let said = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {}: {said}{error}", args.join(" "));
    let documents = said.split("\n---\n").filter(|text| text.lines().any(|line| line.contains(": ")));
    documents
        .map(|text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{tool}: {error}\n{text}")))
        .collect()
}

fn one<'a>(all: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<_> = all.iter().filter(|manifest| manifest["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}: {all:#?}");
    found[0]
}

/// The settings in the ConfigMap, accepted together with their policies.
fn assert_configured(all: &[Value]) {
    let files = one(all, "ConfigMap")["data"].as_object().unwrap().iter();
    let files: Vec<_> = files.map(|(name, text)| (name.as_str(), text.as_str().unwrap())).collect();
    let directory = binary::scratch(&files);
    let settings = checked(directory.path("guard.yaml").as_ref());
    assert!(!target_names(&settings).is_empty());
}

fn assert_one_guard_with_a_volume(all: &[Value]) {
    let set = one(all, "StatefulSet");
    assert_eq!(set["spec"]["replicas"], 1);
    let guard = &set["spec"]["template"]["spec"]["containers"][0];
    let mounts: Vec<_> = items(guard, "/volumeMounts").map(|mount| word(mount, "/mountPath")).collect();
    assert!(mounts.contains(&"/data"), "{mounts:?}");
    assert_eq!(guard["securityContext"]["readOnlyRootFilesystem"], true);
}

#[test]
#[ignore = "needs kubectl"]
fn kustomize_renders_both_folders() {
    let central = rendered("kubectl", &["kustomize", "deploy/kubernetes/central"]);
    assert_one_guard_with_a_volume(&central);
    assert_configured(&central);
    let sidecar = rendered("kubectl", &["kustomize", "deploy/kubernetes/sidecar"]);
    assert_configured(&sidecar);
    one(&sidecar, "Deployment");
}

#[test]
#[ignore = "needs helm"]
fn helm_renders_the_chart() {
    const CHART: &str = "deploy/helm/cardinality-guard";
    let linted = Command::new("helm").args(["lint", "--strict", CHART]).current_dir(path("..")).status();
    assert!(linted.unwrap_or_else(|error| panic!("no helm: {error}")).success());
    let plain = rendered("helm", &["template", "guard", CHART]);
    assert_one_guard_with_a_volume(&plain);
    assert_configured(&plain);
    let watched = rendered("helm", &["template", "guard", CHART, "--set", "serviceMonitor.selfMonitor.enabled=true"]);
    one(&watched, "ServiceMonitor");
}

#[test]
#[ignore = "needs docker with compose"]
fn compose_understands_its_file() {
    let args = ["compose", "--file", "deploy/compose/compose.yaml", "config"];
    let [compose] = rendered("docker", &args).try_into().unwrap();
    assert_eq!(compose["services"].as_object().unwrap().len(), 4);
}
