//! The plain manifests. Whether a cluster takes them is not tested here; what they say is.

use cardinality_guard::settings::Settings;
use rstest::rstest;
use serde_json::{Value, json};

use super::{binary, checked, items, path, proxy, target_names, word, yaml};

/// A folder of manifests, as its kustomization lists them.
struct Manifests {
    folder: &'static str,
    all: Vec<Value>,
}

impl Manifests {
    fn of(folder: &'static str) -> Manifests {
        let kustomization = yaml(&format!("kubernetes/{folder}/kustomization.yaml"));
        let mut listed: Vec<_> = items(&kustomization, "/resources").map(|name| name.as_str().unwrap()).collect();
        let all = listed.iter().map(|name| yaml(&format!("kubernetes/{folder}/{name}"))).collect();
        let files = std::fs::read_dir(path("kubernetes").join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let mut files: Vec<_> = files.map(|name| name.into_string().unwrap()).collect();
        files.retain(|name| name != "kustomization.yaml");
        files.sort();
        listed.sort_unstable();
        assert_eq!(listed, files, "every file is listed");
        Manifests { folder, all }
    }

    fn each(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.all.iter().filter(move |manifest| manifest["kind"] == kind)
    }

    fn one(&self, kind: &str) -> &Value {
        let found: Vec<_> = self.each(kind).collect();
        assert_eq!(found.len(), 1, "{kind} in {}", self.folder);
        found[0]
    }

    /// The pod in which the guard runs.
    fn pod(&self) -> &Value {
        let mut pods = self
            .each("StatefulSet")
            .chain(self.each("Deployment"))
            .map(|workload| workload.pointer("/spec/template/spec").unwrap());
        pods.find(|pod| items(pod, "/containers").any(|container| container["name"] == "guard")).unwrap()
    }

    fn guard(&self) -> &Value {
        items(self.pod(), "/containers").find(|container| container["name"] == "guard").unwrap()
    }

    /// Where a volume of the guard's container is seen.
    fn mount(&self, volume: &str) -> &Value {
        items(self.guard(), "/volumeMounts").find(|mount| mount["name"] == volume).unwrap()
    }

    /// The settings in the ConfigMap that the guard's container sees, laid out as it sees them.
    fn settings(&self) -> Settings {
        let map = self.one("ConfigMap");
        let volume = items(self.pod(), "/volumes").find(|volume| volume["name"] == "config").unwrap();
        assert_eq!(volume["configMap"]["name"], map["metadata"]["name"]);
        let files = map["data"].as_object().unwrap().iter();
        let files: Vec<_> = files.map(|(name, text)| (name.as_str(), text.as_str().unwrap())).collect();
        let directory = binary::scratch(&files);
        let argument = items(self.guard(), "/args").find_map(|arg| arg.as_str()?.strip_prefix("--config.file="));
        let (folder, file) = argument.unwrap().rsplit_once('/').unwrap();
        assert_eq!(folder, word(self.mount("config"), "/mountPath"));
        checked(directory.path(file).as_ref())
    }
}

#[test]
fn the_central_guard_is_one() {
    let central = Manifests::of("central");
    let set = central.one("StatefulSet");
    assert_eq!(set["spec"]["replicas"], 1);
    assert_eq!(set["spec"]["updateStrategy"], json!({"type": "RollingUpdate"}));
    for manifest in &central.all {
        let kind = word(manifest, "/kind");
        assert!(!["Deployment", "DaemonSet", "HorizontalPodAutoscaler"].contains(&kind), "{kind} makes more than one");
        assert!(!manifest.to_string().contains("maxSurge"), "{kind} starts the new one before the old one has ended");
    }
}

#[test]
fn the_central_state_is_on_a_volume_that_outlives_the_pod() {
    let central = Manifests::of("central");
    let volumes = &central.one("StatefulSet")["spec"]["volumeClaimTemplates"];
    let [volume] = volumes.as_array().unwrap().as_slice() else { panic!("{volumes:#}") };
    let mount = central.mount(word(volume, "/metadata/name"));
    assert_eq!(central.settings().storage.path.unwrap().to_str().unwrap(), word(mount, "/mountPath"));
    assert_ne!(mount["readOnly"], true);
}

#[test]
fn guards_that_share_a_store_are_several_and_have_nothing_of_their_own() {
    let several = Manifests::of("replicas");
    let guards = several.one("Deployment");
    assert!(guards["spec"]["replicas"].as_u64().unwrap() > 1);
    assert!(items(several.guard(), "/volumeMounts").all(|mount| mount["name"] == "config"));
    let (url, store) = (several.settings().storage.url.unwrap(), several.one("StatefulSet"));
    let service = several.each("Service").find(|service| service["metadata"]["name"] != guards["metadata"]["name"]);
    let service = service.unwrap();
    assert_eq!(url.nodes[0].0, format!("redis://{}:6379/", word(service, "/metadata/name")));
    for (service, workload) in [(service, store), (several.each("Service").next().unwrap(), guards)] {
        let labels = workload.pointer("/spec/template/metadata/labels").unwrap();
        assert_eq!(
            (&service["spec"]["selector"], workload.pointer("/spec/selector/matchLabels")),
            (labels, Some(labels))
        );
    }
    let arguments = store.pointer("/spec/template/spec/containers/0/args").unwrap();
    for (option, value) in [("--appendonly", "yes"), ("--maxmemory-policy", "noeviction")] {
        let at = arguments.as_array().unwrap().iter().position(|argument| argument == option).unwrap();
        assert_eq!(arguments[at + 1], value, "the store must not throw states away");
    }
    assert_eq!(several.one("PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
}

#[test]
fn the_sidecars_state_outlives_the_container() {
    let sidecar = Manifests::of("sidecar");
    let volume = items(sidecar.pod(), "/volumes").find(|volume| volume["name"] == "data").unwrap();
    assert!(volume["emptyDir"].is_object(), "{volume:#}");
    let mount = sidecar.mount("data");
    assert_eq!(sidecar.settings().storage.path.unwrap().to_str().unwrap(), word(mount, "/mountPath"));
}

#[rstest]
fn the_guard_has_no_more_rights_than_it_needs(#[values("central", "sidecar", "replicas")] folder: &'static str) {
    let manifests = Manifests::of(folder);
    let (pod, guard) = (manifests.pod(), manifests.guard());
    let own = |key: &str| {
        let of = |owner: &Value| owner["securityContext"].get(key).cloned();
        of(guard).or_else(|| of(pod)).unwrap_or_else(|| panic!("{folder}: nobody says {key}"))
    };
    assert_eq!(own("runAsNonRoot"), true);
    assert_eq!(own("runAsUser"), 65532, "as in the Dockerfile");
    assert_eq!(own("readOnlyRootFilesystem"), true);
    assert_eq!(own("allowPrivilegeEscalation"), false);
    assert_eq!(own("capabilities"), json!({"drop": ["ALL"]}));
    assert_eq!(own("seccompProfile"), json!({"type": "RuntimeDefault"}));
    if folder != "replicas" {
        assert_eq!(pod["securityContext"]["fsGroup"], 65532, "so that it may write to its volume");
        assert_eq!(pod["securityContext"]["fsGroupChangePolicy"], "OnRootMismatch");
    }
    assert_eq!((&pod["automountServiceAccountToken"], &pod["enableServiceLinks"]), (&json!(false), &json!(false)));
}

#[test]
fn the_image_runs_as_the_user_that_the_manifests_name() {
    let dockerfile = std::fs::read_to_string(path("../Dockerfile")).unwrap();
    assert!(dockerfile.lines().any(|line| line == "USER 65532:65532"));
}

#[rstest]
fn probes_ask_what_the_guard_answers(#[values("central", "sidecar", "replicas")] folder: &'static str) {
    let manifests = Manifests::of(folder);
    let guard = manifests.guard();
    let port = word(guard, "/ports/0/name");
    assert_eq!(guard["ports"][0]["containerPort"], 10900);
    for (probe, asked) in
        [("livenessProbe", "/-/healthy"), ("startupProbe", "/-/healthy"), ("readinessProbe", "/-/ready")]
    {
        match (folder, probe) {
            ("sidecar", "readinessProbe") => assert!(guard[probe].is_null(), "it would take the worker out of service"),
            _ => assert_eq!(guard[probe]["httpGet"], json!({"path": asked, "port": port}), "{folder} {probe}"),
        }
    }
    let patience = guard["startupProbe"]["periodSeconds"].as_u64().unwrap()
        * guard["startupProbe"]["failureThreshold"].as_u64().unwrap();
    assert!(patience > 30, "a guard waits 30 s for whoever owns its directory");
}

#[rstest]
fn the_container_may_use_more_than_the_guard_allows_itself(
    #[values("central", "sidecar", "replicas")] folder: &'static str,
) {
    let manifests = Manifests::of(folder);
    let limit = bytes(word(manifests.guard(), "/resources/limits/memory"));
    assert!(limit > manifests.settings().scrape.memory_limit, "{folder}: {limit}");
    assert!(manifests.guard()["resources"]["requests"]["cpu"].is_string());
    assert!(manifests.guard()["resources"]["limits"]["cpu"].is_null(), "throttled scrapes time out");
}

/// A quantity of Kubernetes, as far as the manifests use it.
fn bytes(quantity: &str) -> u64 {
    let units = [("Ki", 10), ("Mi", 20), ("Gi", 30)];
    let (number, shift) = units.iter().find_map(|(unit, shift)| Some((quantity.strip_suffix(unit)?, shift))).unwrap();
    number.parse::<u64>().unwrap() << shift
}

#[rstest]
fn a_change_of_the_configuration_reaches_the_guard(#[values("central", "sidecar", "replicas")] folder: &'static str) {
    let manifests = Manifests::of(folder);
    let mount = manifests.mount("config");
    assert!(mount["subPath"].is_null(), "a file mounted by subPath never changes");
    let listens = &manifests.settings().web.listen_address;
    assert!(listens.iter().all(|address| address.ip().is_unspecified() && address.port() == 10900), "{listens:?}");
}

#[test]
fn monitors_go_through_the_guard_and_name_the_target() {
    let central = Manifests::of("central");
    let (settings, service) = (central.settings(), central.one("Service"));
    let namespace = yaml("kubernetes/central/kustomization.yaml")["namespace"].as_str().unwrap().to_owned();
    let host = format!("{}.{namespace}.svc", word(service, "/metadata/name"));
    let monitors = central.each("ServiceMonitor").flat_map(|monitor| items(monitor, "/spec/endpoints"));
    let endpoints = monitors.chain(central.each("PodMonitor").flat_map(|m| items(m, "/spec/podMetricsEndpoints")));
    let urls: Vec<_> = endpoints.filter_map(|endpoint| endpoint["proxyUrl"].as_str()).collect();
    assert_eq!(urls.len(), 2, "a service and pods: {urls:?}");
    for url in urls {
        let (target, at, port) = proxy(url);
        assert!(target_names(&settings).contains(&target), "{url}");
        assert_eq!((at, port), (host.as_str(), service["spec"]["ports"][0]["port"].as_u64().unwrap()));
    }
}

#[test]
fn the_guards_own_metrics_are_scraped_directly_and_under_the_name_that_alerts_expect() {
    let central = Manifests::of("central");
    let service = central.one("Service");
    let labels = &service["metadata"]["labels"];
    let mut monitors = central.each("ServiceMonitor");
    let own = monitors.find(|monitor| monitor["spec"]["selector"]["matchLabels"] == *labels).unwrap();
    let [endpoint] = own["spec"]["endpoints"].as_array().unwrap().as_slice() else { panic!("{own:#}") };
    assert!(endpoint["proxyUrl"].is_null(), "a guard that scrapes itself is a loop");
    assert_eq!(endpoint["port"], service["spec"]["ports"][0]["name"]);
    // The operator names the job after the Service.
    assert_eq!(word(service, "/metadata/name"), "cardinality-guard");

    let sidecar = Manifests::of("sidecar");
    let endpoints: Vec<_> = items(sidecar.one("PodMonitor"), "/spec/podMetricsEndpoints").collect();
    assert_eq!(endpoints.len(), 2);
    let named = endpoints[0]["path"].as_str().unwrap().strip_prefix("/scrape/").unwrap();
    assert!(target_names(&sidecar.settings()).contains(&named));
    assert_eq!(endpoints[1]["relabelings"], json!([{"targetLabel": "job", "replacement": "cardinality-guard"}]));
    assert!(endpoints.iter().all(|endpoint| endpoint["port"] == sidecar.guard()["ports"][0]["name"]));
}

#[rstest]
fn selectors_select(#[values("central", "sidecar")] folder: &'static str) {
    let manifests = Manifests::of(folder);
    let workload = manifests.each("StatefulSet").chain(manifests.each("Deployment")).next().unwrap();
    let labels = workload.pointer("/spec/template/metadata/labels").unwrap();
    assert_eq!(workload.pointer("/spec/selector/matchLabels").unwrap(), labels);
    for service in manifests.each("Service") {
        assert_eq!(&service["spec"]["selector"], labels);
    }
}
