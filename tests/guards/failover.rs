//! A master dies or steps back, a replica takes its place, and the sentinel says so.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::exporter::Exporter;
use crate::node::Node;
use crate::process::eventually;
use crate::replicas::{Replica, Shown};
use crate::stage::POLICY;

const UP: &str = "cardinality_guard_state_store_up";
/// When a failover that goes on is taken for one that never ends.
const GIVE_UP: Duration = Duration::from_secs(120);

struct Scene {
    exporter: Exporter,
    servers: [Node; 2],
    sentinel: Node,
    guards: Vec<Replica>,
}

impl Scene {
    /// The first server is the master.
    fn set() -> Scene {
        let exporter = Exporter::start();
        let secret = ["--requirepass", "secret", "--masterauth", "secret", "--repl-diskless-sync-delay", "0"];
        let master = Node::start(&secret);
        let port = master.address.port().to_string();
        let replica = Node::start(&[&secret[..], &["--replicaof", "127.0.0.1", &port]].concat());
        let sentinel = Node::start(&["--sentinel"]);
        sentinel.tell(&format!("SENTINEL MONITOR guards 127.0.0.1 {port} 1"));
        for setting in ["auth-pass secret", "down-after-milliseconds 1000", "failover-timeout 2000"] {
            assert_eq!(sentinel.tell(&format!("SENTINEL SET guards {setting}")), "+OK");
        }
        let settings = format!(
            "storage: {{url: 'redis+sentinel://:secret@{}/guards'}}\nbuiltin_policy: false\n\
             targets: [{{name: app, url: 'http://{}/metrics'}}]\n",
            sentinel.address, exporter.address
        );
        let scene = Scene { exporter, servers: [master, replica], sentinel, guards: vec![] };
        scene.replicates(0, 1);
        let guards = (0..3).map(|_| Replica::start(&settings, POLICY)).collect();
        Scene { guards, ..scene }
    }

    /// The first line is the answer to the password.
    fn tell(&self, server: usize, command: &str) -> String {
        let answer = self.servers[server].tell(&format!("AUTH secret\r\n{command}"));
        answer.split_once("\r\n").map_or(String::new(), |(_, answer)| answer.to_owned())
    }

    /// The sentinel knows the one as the master and the other as a replica that is in step.
    fn replicates(&self, master: usize, replica: usize) {
        eventually("the replica is in step", &true, || {
            self.tell(replica, "INFO replication").contains("master_link_status:up")
                && self.tell(master, "WAIT 1 100").ends_with(":1")
        });
        let port = format!("\r\n{}\r\n", self.servers[replica].address.port());
        eventually("the sentinel knows both", &true, || {
            let known = self.sentinel.tell("SENTINEL REPLICAS guards");
            known.contains(&port)
                && known.contains("\r\nflags\r\n$5\r\nslave\r\n")
                && known.contains("master-link-status\r\n$2\r\nok")
        });
    }

    fn round(&self, times: usize) {
        for guard in (0..times).flat_map(|_| &self.guards) {
            assert_eq!(guard.scrape("app"), Shown::Counter(self.exporter.increments()));
        }
    }

    /// A scrape fails for none of this: it is without the counter, and the metric says so.
    fn withholds(&self) {
        for guard in &self.guards {
            assert_eq!((guard.scrape("app"), guard.metric(UP)), (Shown::Withheld, 0.0));
        }
    }

    /// Scrapes until this guard shows the counter again.
    fn until_shown(&self, guard: usize) -> u64 {
        let begin = Instant::now();
        while begin.elapsed() < GIVE_UP {
            match self.guards[guard].scrape("app") {
                Shown::Counter(shown) => return shown,
                Shown::Withheld => sleep(Duration::from_millis(50)),
                Shown::Nothing => panic!("no answer from guard {guard}"),
            }
        }
        panic!("the store does not come back: {}", self.guards[guard].said());
    }

    /// Every guard goes on where the counter stood.
    fn goes_on(&self) {
        for guard in 0..self.guards.len() {
            assert_eq!(self.until_shown(guard), self.exporter.increments(), "guard {guard}");
        }
        self.round(2);
    }

    /// The counter starts at 0, whoever is asked first, and goes on from there.
    fn starts_anew(&self, first: usize) {
        assert_eq!(self.until_shown(first), 0, "guard {first}");
        self.exporter.forget_until(self.exporter.increments());
        for guard in 0..self.guards.len() {
            assert_eq!(self.until_shown(guard), self.exporter.increments(), "guard {guard}");
        }
        self.round(2);
    }

    /// The replica hears nothing more, and does not know that it is behind.
    fn cut_off(&self, master: usize, replica: usize) {
        self.tell(replica, "CONFIG SET masterauth wrong");
        self.tell(master, "CLIENT KILL TYPE replica");
        eventually("the replica is cut off", &false, || {
            self.tell(replica, "INFO replication").contains("master_link_status:up")
        });
    }
}

#[test]
fn rule_7_2_a_replica_that_has_everything_goes_on_where_the_master_was() {
    let scene = Scene::set();
    scene.round(3);
    scene.replicates(0, 1);
    scene.servers[0].kill();
    scene.withholds();
    scene.goes_on();
}

#[test]
fn rule_7_3_a_replica_that_lacks_what_was_shown_is_a_clean_reset() {
    let scene = Scene::set();
    scene.round(2);
    scene.cut_off(0, 1);
    // Only this guard knows of them.
    (0..3).for_each(|_| assert_eq!(scene.guards[0].scrape("app"), Shown::Counter(scene.exporter.increments())));
    scene.servers[0].kill();
    scene.withholds();
    scene.starts_anew(1);
}

#[test]
fn rule_7_3_a_master_that_stepped_back_and_comes_again_is_not_the_one_that_was() {
    let scene = Scene::set();
    scene.round(2);
    scene.replicates(0, 1);
    assert_eq!(scene.sentinel.tell("SENTINEL FAILOVER guards"), "+OK");
    // Until the old one knows it takes commits that are lost.
    eventually("the master is a replica", &true, || scene.tell(0, "ROLE").contains("slave"));
    scene.goes_on();
    scene.replicates(1, 0);
    scene.cut_off(1, 0);
    (0..3).for_each(|_| assert_eq!(scene.guards[0].scrape("app"), Shown::Counter(scene.exporter.increments())));
    scene.servers[1].kill();
    scene.withholds();
    scene.starts_anew(1);
}

#[test]
fn a_master_that_is_alone_and_takes_nothing_alone_costs_the_counters() {
    let scene = Scene::set();
    scene.round(2);
    for setting in ["min-replicas-to-write 1", "min-replicas-max-lag 1"] {
        assert_eq!(scene.tell(0, &format!("CONFIG SET {setting}")), "+OK");
    }
    scene.cut_off(0, 1);
    scene.withholds();
    scene.tell(1, "CONFIG SET masterauth secret");
    scene.goes_on();
}
