//! The other forms of a store: a cluster, a master that sentinels know, a password.

use crate::exporter::Exporter;
use crate::node::Node;
use crate::process::eventually;
use crate::replicas::{Replica, Shown};
use crate::stage::POLICY;

/// Two guards with this store show what has happened, in turn.
pub fn shows(url: &str) {
    shows_with(&format!("url: '{url}'"));
}

/// The same, with these settings of `storage:`.
pub fn shows_with(storage: &str) {
    let exporters: Vec<Exporter> = (0..4).map(|_| Exporter::start()).collect();
    let target = |(at, exporter): (usize, &Exporter)| format!("{{name: t{at}, url: 'http://{}/m'}}", exporter.address);
    let targets: Vec<String> = exporters.iter().enumerate().map(target).collect();
    let settings = format!("storage: {{{storage}}}\nbuiltin_policy: false\ntargets: [{}]\n", targets.join(", "));
    let guards = [Replica::start(&settings, POLICY), Replica::start(&settings, POLICY)];
    for turn in 0..6 {
        for (at, exporter) in exporters.iter().enumerate() {
            let shown = guards[turn % 2].scrape(&format!("t{at}"));
            assert_eq!(shown, Shown::Counter(exporter.increments()), "{storage}, target {at}, turn {turn}");
        }
    }
}

#[test]
fn a_cluster_keeps_the_keys_of_an_endpoint_together() {
    let nodes: Vec<Node> = (0..3).map(|_| Node::start(&["--cluster-enabled", "yes"])).collect();
    for (at, node) in nodes.iter().enumerate() {
        let (first, last) = (at * 5462, (at * 5462 + 5461).min(16383));
        node.tell(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
        node.tell(&format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1));
    }
    for node in &nodes[1..] {
        nodes[0].tell(&format!("CLUSTER MEET 127.0.0.1 {}", node.address.port()));
    }
    for node in &nodes {
        eventually("the cluster is whole", &true, || {
            let info = node.tell("CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        });
    }
    shows(&format!("redis+cluster://{},{}", nodes[0].address, nodes[1].address));
    let used = nodes.iter().filter(|node| node.tell("DBSIZE") != ":0").count();
    assert!(used > 1, "everything lies on one node");
}

#[test]
fn sentinels_say_where_the_master_is() {
    let master = Node::start(&["--requirepass", "se@cret"]);
    let sentinel = Node::start(&["--sentinel"]);
    let (host, port) = (master.address.ip(), master.address.port());
    for command in [format!("SENTINEL MONITOR guards {host} {port} 1"), "SENTINEL SET guards auth-pass se@cret".into()]
    {
        assert_eq!(sentinel.tell(&command), "+OK");
    }
    let without = master.tell("DBSIZE");
    assert!(without.starts_with("-NOAUTH"), "{without}");
    shows(&format!("valkey+sentinel://:se%40cret@{}/guards/0", sentinel.address));
    shows(&format!("redis://:se%40cret@{}/3", master.address));
}
