//! Two Prometheus before a balancer that gives each scrape to the next guard: what they store is
//! what happened.

use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::balancer::Balancer;
use crate::fleet::server::FleetServer;
use crate::fleet::truth::{Totals, Truth, without};
use crate::process::eventually;
use crate::prometheus::Prometheus;
use crate::replicas::Replica;
use crate::store::Store;
use crate::stored::increments;
use crate::verdict::{Verdict, judge};

const DROP_JOB_ID: &str = "
policies:
  - {name: job-ids, match: '{__name__=~\"worker_.+\"}', hold: 5s, labels: [{label: job_id, action: drop}]}
";
/// When what is still missing is taken for lost.
const GIVE_UP: Duration = Duration::from_secs(60);

struct Scene {
    fleet: FleetServer,
    store: Store,
    guards: Vec<Replica>,
    prometheus: Vec<Prometheus>,
    _balancer: Balancer,
}

impl Scene {
    /// Everybody has looked a few times at a fleet at rest.
    fn set(seed: u64) -> Scene {
        let (fleet, store) = (FleetServer::start(seed), Store::start());
        let settings = format!(
            "storage: {{url: '{}'}}\nbuiltin_policy: false\ntargets: [{{name: fleet, url: 'http://{}/metrics'}}]\n",
            store.url(),
            fleet.address
        );
        let guards: Vec<Replica> = (0..3).map(|_| Replica::start(&settings, DROP_JOB_ID)).collect();
        let balancer = Balancer::before(guards.iter().map(|guard| guard.address));
        let jobs = |replica: usize| {
            format!(
                "  - job_name: fleet\n    metrics_path: /scrape/fleet\n    \
                 static_configs: [{{targets: ['{}'], labels: {{replica: '{replica}'}}}}]\n",
                balancer.address
            )
        };
        let prometheus = (0..2).map(|replica| Prometheus::start(&jobs(replica), "")).collect();
        let scene = Scene { fleet, store, guards, prometheus, _balancer: balancer };
        scene.scraped(5);
        scene
    }

    /// Waits until every Prometheus has scraped folded counters so many times more.
    fn scraped(&self, times: u32) {
        for prometheus in &self.prometheus {
            let good = "sum(count_over_time(worker_jobs_total[10m]))";
            let series = "count(worker_jobs_total)";
            let before = prometheus.value(good).unwrap_or_default();
            let of_each = || prometheus.value(series).unwrap_or(1.0);
            let enough = || before + f64::from(times) * of_each();
            eventually("Prometheus scrapes", &true, || prometheus.value(good).is_some_and(|now| now >= enough()));
        }
    }

    /// The fleet works while this is done, and at no time is more stored than has happened.
    fn during(&self, doing: impl FnOnce() + Send) {
        thread::scope(|scope| {
            let working = scope.spawn(|| self.fleet.work_for(Duration::from_secs(8)));
            let doing = scope.spawn(doing);
            while !(doing.is_finished() && working.is_finished()) {
                sleep(Duration::from_millis(300));
                for prometheus in &self.prometheus {
                    // Read first, so that the truth can only be ahead.
                    let stored = stored(prometheus);
                    if let Verdict::Above(what) = judge(&stored, &self.truth()) {
                        panic!("while at work, more than happened:\n{what}");
                    }
                }
            }
        });
    }

    fn is_true(&self) {
        let truth = self.truth();
        assert!(truth.happened.values().sum::<f64>() > 100.0, "a fleet at rest shows nothing: {truth:?}");
        for prometheus in &self.prometheus {
            let begin = Instant::now();
            while let verdict = judge(&stored(prometheus), &truth)
                && verdict != Verdict::True
            {
                assert!(matches!(verdict, Verdict::Short(_)) && begin.elapsed() < GIVE_UP, "{verdict:?}");
                sleep(Duration::from_millis(300));
            }
        }
    }

    fn truth(&self) -> Truth {
        self.fleet.fleet().truth("/metrics")
    }
}

fn stored(prometheus: &Prometheus) -> Totals {
    without(&increments(prometheus, "fleet"), "job_id")
}

#[test]
fn what_two_prometheus_store_through_three_guards_is_what_happened() {
    let scene = Scene::set(11);
    scene.during(|| {});
    scene.is_true();
    // Killed at any time, one after the other.
    scene.during(|| {
        for at in 0..9_u64 {
            sleep(Duration::from_millis(300 + at * 41));
            let guard = &scene.guards[at as usize % 3];
            guard.kill();
            guard.start_again();
        }
    });
    scene.is_true();
    // A rolling restart.
    scene.during(|| {
        for guard in &scene.guards {
            guard.terminate();
            sleep(Duration::from_millis(500));
            guard.start_again();
        }
    });
    scene.is_true();
    // The store is started again with its data, and hangs for a while.
    sleep(Duration::from_secs(6));
    scene.during(|| {
        scene.store.end();
        sleep(Duration::from_secs(1));
        scene.store.start_again();
    });
    scene.scraped(2);
    scene.is_true();
    scene.during(|| {
        scene.store.signal("-STOP");
        sleep(Duration::from_secs(3));
        scene.store.signal("-CONT");
    });
    scene.scraped(2);
    scene.is_true();
    let failed = |prometheus: &Prometheus| prometheus.value("sum(count_over_time((up == 0)[5s:1s])) or vector(0)");
    for prometheus in &scene.prometheus {
        assert_eq!(failed(prometheus), Some(0.0), "a store that hangs fails no scrape");
    }
}

#[test]
fn rule_7_1_after_a_flush_no_more_is_stored_than_has_happened() {
    let scene = Scene::set(12);
    for _ in 0..2 {
        scene.during(|| {
            sleep(Duration::from_secs(2));
            scene.store.tell("FLUSHALL");
        });
        scene.scraped(3);
    }
    scene.during(|| {});
}
