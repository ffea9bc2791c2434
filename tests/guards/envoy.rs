//! The page's configuration for Envoy, which is not to be had from Debian: read into the fields of its
//! `RouteAction` and `Cluster` that the page uses, where a name it does not have is a mistake.
#![allow(dead_code)]

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    route: RouteAction,
}

/// `envoy.config.route.v3.RouteAction`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteAction {
    cluster: String,
    hash_policy: Vec<HashPolicy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HashPolicy {
    header: Header,
    /// Nothing after it is taken into the hash.
    #[serde(default)]
    terminal: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    header_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clusters {
    clusters: Vec<Cluster>,
}

/// `envoy.config.cluster.v3.Cluster`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cluster {
    name: String,
    #[serde(rename = "type")]
    discovery: Discovery,
    lb_policy: LbPolicy,
    load_assignment: ClusterLoadAssignment,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Discovery {
    Static,
    /// Every address of the name is a host.
    StrictDns,
    LogicalDns,
    Eds,
    OriginalDst,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum LbPolicy {
    RoundRobin,
    LeastRequest,
    RingHash,
    Random,
    Maglev,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterLoadAssignment {
    cluster_name: String,
    endpoints: Vec<LocalityLbEndpoints>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LocalityLbEndpoints {
    lb_endpoints: Vec<LbEndpoint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LbEndpoint {
    endpoint: Endpoint,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    address: Address,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    socket_address: SocketAddress,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SocketAddress {
    address: String,
    port_value: u16,
}

#[test]
fn envoy_as_documented_hashes_what_is_asked_for_over_the_addresses_of_all_guards() {
    let page = include_str!("../../docs/scaling.md");
    let block = page.split("```").find(|block| block.contains("hash_policy:")).unwrap();
    let (route, clusters) = block.split_once("---\n").expect("a route and the clusters");
    let Route { route } = serde_saphyr::from_str(route).unwrap();
    let Clusters { clusters } = serde_saphyr::from_str(clusters).unwrap();
    let hashed: Vec<&str> = route.hash_policy.iter().map(|policy| &*policy.header.header_name).collect();
    // Requests to a proxy differ in the one, those by parameter in the other.
    assert_eq!(hashed, [":authority", ":path"]);
    assert!(route.hash_policy.iter().all(|policy| !policy.terminal));
    let [cluster] = clusters.as_slice() else { panic!("{} clusters", clusters.len()) };
    assert_eq!((&route.cluster, &route.cluster), (&cluster.name, &cluster.load_assignment.cluster_name));
    assert!(
        [LbPolicy::RingHash, LbPolicy::Maglev].contains(&cluster.lb_policy),
        "{:?} hashes nothing",
        cluster.lb_policy
    );
    assert!(matches!(cluster.discovery, Discovery::StrictDns), "not every address of the name would be a host");
    let address = |host: &LbEndpoint| host.endpoint.address.socket_address.port_value;
    let ports: Vec<u16> =
        cluster.load_assignment.endpoints.iter().flat_map(|hosts| hosts.lb_endpoints.iter().map(address)).collect();
    assert_eq!(ports, [10900]);
}
