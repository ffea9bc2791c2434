//! `memory_limit` where several guards share a store: who had to go does not come back with the next
//! reading.

use std::thread::sleep;
use std::time::Duration;

use crate::http;
use crate::replicas::{Replica, Shown};
use crate::said::Said;
use crate::stage::POLICY;
use crate::store::Store;

const MANY: u64 = 40_000;

/// Of all targets.
fn sum(guard: &Replica, metric: &str) -> f64 {
    let metrics = http::get(guard.address, "/metrics");
    let rows = metrics.text().lines().filter(|line| line.starts_with(&format!("{metric}{{")));
    rows.map(|row| row.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[test]
fn rule_1_7_members_that_had_to_go_do_not_come_back_from_the_store() {
    let (exporter, store) = (Said::start(), Store::start());
    let settings = format!(
        "storage: {{url: '{}'}}\nbuiltin_policy: false\nscrape: {{memory_limit: 1MB}}\n\
         targets: [{{name: app, url: 'http://{}/metrics'}}, {{name: small, url: 'http://{}/small'}}]\n",
        store.url(),
        exporter.address,
        exporter.address
    );
    let guards: Vec<Replica> = (0..2).map(|_| Replica::start(&settings, POLICY)).collect();
    let evicted = || guards.iter().map(|guard| sum(guard, "cardinality_guard_members_evicted_total")).sum::<f64>();
    exporter.has(&[("0", 1)]);
    for guard in &guards {
        assert_eq!(guard.scrape("small"), Shown::Counter(0));
    }
    let jobs: Vec<String> = (0..MANY).map(|job| job.to_string()).collect();
    exporter.has(&jobs.iter().map(|job| (job.as_str(), 1)).collect::<Vec<_>>());
    for guard in &guards {
        assert_eq!(guard.scrape("app"), Shown::Counter(0));
    }
    let mut after = Vec::new();
    for turn in 1..=6 {
        exporter.has(&[("0", 1 + turn)]);
        for guard in &guards {
            sleep(Duration::from_millis(1200));
            // It looks for room where nobody is scraped.
            assert_eq!(guard.scrape("small"), Shown::Counter(turn));
            sleep(Duration::from_millis(200));
            assert_eq!(guard.scrape("app"), Shown::Counter(turn));
        }
        after.push(evicted());
    }
    let memory: Vec<f64> = guards.iter().map(|guard| sum(guard, "cardinality_guard_memory_bytes")).collect();
    assert!(after[2] >= (MANY - 1) as f64 && after[2] <= (2 * MANY) as f64, "{after:?}, {memory:?}");
    assert_eq!(after[5], after[2], "{after:?}");
    for guard in &guards {
        let bytes = sum(guard, "cardinality_guard_memory_bytes");
        assert!(bytes < 1e6, "{bytes} bytes");
    }
}
