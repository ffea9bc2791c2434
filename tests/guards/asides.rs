//! What a guard has seen while it could not tell the others is counted when it can.

use crate::process::eventually;
use crate::replicas::{Replica, Shown};
use crate::said::Said;
use crate::stage::POLICY;
use crate::store::Store;

struct Scene {
    exporter: Said,
    store: Store,
    guard: Replica,
}

impl Scene {
    fn set() -> Scene {
        let (exporter, store) = (Said::start(), Store::start());
        let settings = format!(
            "storage: {{url: '{}'}}\nbuiltin_policy: false\ntargets: [{{name: app, url: 'http://{}/metrics'}}]\n",
            store.url(),
            exporter.address
        );
        let guard = Replica::start(&settings, POLICY);
        Scene { exporter, store, guard }
    }

    fn shows(&self, jobs: &[(&str, u64)], want: Shown) {
        self.exporter.has(jobs);
        assert_eq!(self.guard.scrape("app"), want, "{jobs:?}");
    }

    fn sees_the_store(&self) {
        eventually("the guard knows how the store is", &1.0, || self.guard.metric("cardinality_guard_state_store_up"));
    }
}

#[test]
fn a_job_that_came_and_went_while_the_store_was_full_is_counted() {
    let scene = Scene::set();
    scene.shows(&[("a", 10)], Shown::Counter(0));
    let used = scene.store.info("memory", "used_memory");
    scene.store.tell(&format!("CONFIG SET maxmemory {}", used / 2));
    scene.shows(&[("a", 11)], Shown::Withheld);
    scene.shows(&[("a", 12), ("b", 5)], Shown::Withheld);
    scene.store.tell("CONFIG SET maxmemory 0");
    scene.sees_the_store();
    // 3 of the first, 5 of the one that is gone.
    scene.shows(&[("a", 13)], Shown::Counter(8));
    scene.shows(&[("a", 13)], Shown::Counter(8));
}

#[test]
fn what_was_seen_outlives_a_scrape_that_fails() {
    let scene = Scene::set();
    scene.shows(&[("a", 10)], Shown::Counter(0));
    scene.store.signal("-STOP");
    scene.shows(&[("a", 12), ("b", 5)], Shown::Withheld);
    scene.store.signal("-CONT");
    scene.sees_the_store();
    for _ in 0..2 {
        scene.exporter.says("# TYPE jobs_total counter\njobs_total{job_id=\"a\"} 1 2 3 4\n");
        assert_eq!(scene.guard.scrape("app"), Shown::Nothing);
    }
    scene.shows(&[("a", 13)], Shown::Counter(8));
    scene.shows(&[("a", 14), ("b", 5)], Shown::Counter(9));
}

#[test]
fn rule_7_4_a_state_of_another_version_is_not_gone_on_from() {
    let scene = Scene::set();
    scene.shows(&[("a", 10)], Shown::Counter(0));
    scene.shows(&[("a", 12)], Shown::Counter(2));
    let keys = scene.store.tell("EVAL \"for _, k in ipairs(redis.call('KEYS', '*text*')) do redis.call('HSET', k, 'form', 1) end return #redis.call('KEYS', '*text*')\" 0");
    assert_eq!(keys, ":1");
    scene.shows(&[("a", 14)], Shown::Counter(0));
    assert_eq!(scene.guard.metric("cardinality_guard_state_write_errors_total{reason=\"version\"}"), 1.0);
    scene.shows(&[("a", 17)], Shown::Counter(3));
}
