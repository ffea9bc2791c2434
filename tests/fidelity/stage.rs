//! Fleet, guard and Prometheus, and the question whether what is stored is true.

use std::net::SocketAddr;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::fleet::server::FleetServer;
use crate::fleet::truth::{Totals, Truth, difference, without};
use crate::fleet::work::Wear;
use crate::guard::Guard;
use crate::process::eventually;
use crate::prometheus::Prometheus;
use crate::stored::{increments, increments_of, samples, vector};
use crate::verdict::{Verdict, judge, quantile};

pub const DROP_JOB_ID: &str = "
policies:
  - name: job-ids
    match: '{__name__=~\"worker_.+\"}'
    labels:
      - {label: job_id, action: drop}
";

/// The reader that the guard is.
const GUARD: &str = "/metrics";
/// The reader that a Prometheus without a guard is.
const DIRECT: &str = "/metrics?way=direct";
const FOLDED: &str =
    "{job=\"fleet\",job_id=\"\",__name__=~\"worker_jobs_total|worker_.+_(bucket|count|sum)|fleet_ticks_total\"}";
/// When what is still missing is taken for lost. The longest way to the truth is a `hold` of
/// twice an outage.
const GIVE_UP: Duration = Duration::from_secs(60);

/// How Prometheus gets to the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    Guarded,
    Direct,
}

#[derive(Clone, Copy)]
enum Through {
    Guard(SocketAddr),
    Nothing,
}

pub struct Stage {
    pub fleet: FleetServer,
    pub guard: Guard,
    prometheus: Vec<Prometheus>,
}

impl Stage {
    /// So many Prometheus, each with a phase of its own. Everybody has looked a few times at a
    /// fleet at rest before this returns, so that all count from the same moment.
    pub fn set(seed: u64, prometheus: usize) -> Stage {
        let fleet = FleetServer::start(seed);
        fleet.fleet().set_wear(Wear::SaysTwice);
        let settings =
            format!("builtin_policy: false\ntargets:\n  - {{name: fleet, url: 'http://{}{GUARD}'}}\n", fleet.address);
        let guard = Guard::start(&settings, DROP_JOB_ID);
        let through = Through::Guard(guard.address);
        let start = |replica| Prometheus::start(&scrape_configs(fleet.address, through, replica), "");
        let prometheus = (0..prometheus).map(start).collect();
        let stage = Stage { fleet, guard, prometheus };
        stage.scraped(4);
        stage
    }

    /// Waits until every Prometheus has scraped so many times more.
    pub fn scraped(&self, times: u32) {
        for prometheus in &self.prometheus {
            let good = "sum(count_over_time(fleet_ticks_total{job=\"fleet\"}[10m]))";
            let before = prometheus.value(good).unwrap_or_default();
            let enough = before + f64::from(times);
            eventually("Prometheus scrapes", &true, || prometheus.value(good).is_some_and(|now| now >= enough));
        }
    }

    /// Puts the guard in front of the fleet, or takes it away, and waits until that is done.
    pub fn rewire(&self, wiring: Wiring) {
        let (through, reader) = match wiring {
            Wiring::Guarded => (Through::Guard(self.guard.address), GUARD),
            Wiring::Direct => (Through::Nothing, DIRECT),
        };
        let bodies = || self.fleet.fleet().bodies_shown(reader);
        let before = bodies();
        for (replica, prometheus) in self.prometheus.iter().enumerate() {
            prometheus.reconfigure(&scrape_configs(self.fleet.address, through, replica));
        }
        eventually("Prometheus scrapes the other way", &true, || bodies() >= before + 3);
        self.scraped(2);
    }

    /// The fleet works for so long, and at no time is more stored than has happened.
    pub fn work(&self, time: Duration) {
        self.during(|| self.fleet.work_for(time));
    }

    /// Looks all the while that this takes.
    pub fn during(&self, doing: impl FnOnce() + Send) {
        self.look_during("job_id", doing);
    }

    /// The same, while output series may come and go with their `queue`.
    pub fn during_regrouping(&self, doing: impl FnOnce() + Send) {
        self.look_during("queue", doing);
    }

    fn look_during(&self, without: &str, doing: impl FnOnce() + Send) {
        thread::scope(|scope| {
            let doing = scope.spawn(doing);
            while !doing.is_finished() {
                sleep(Duration::from_millis(500));
                for prometheus in &self.prometheus {
                    // Read first, so that the truth can only be ahead.
                    let stored = stored(prometheus, without);
                    if let Verdict::Above(what) = judge(&stored, &self.truth().without(without)) {
                        panic!("while at work, more than happened:\n{what}");
                    }
                }
            }
        });
    }

    /// Every Prometheus comes to hold what happened, no more and no less.
    pub fn is_true(&self) {
        self.is_true_without("job_id");
    }

    /// The same, of the sums over a label that was there for a part of the time only.
    pub fn is_true_without(&self, label: &str) {
        let truth = self.truth().without(label);
        assert!(truth.happened.values().sum::<f64>() > 1000.0, "a fleet at rest shows nothing: {truth:?}");
        for prometheus in &self.prometheus {
            let begin = Instant::now();
            loop {
                match judge(&stored(prometheus, label), &truth) {
                    Verdict::True => break,
                    Verdict::Short(what) => assert!(begin.elapsed() < GIVE_UP, "less than happened:\n{what}"),
                    Verdict::Above(what) => panic!("more than happened:\n{what}"),
                }
                sleep(Duration::from_millis(500));
            }
        }
    }

    /// So does somebody else who counted.
    pub fn holds(&self, counted: &Totals, who: &str) {
        let counted = counted.iter().filter(|(_, value)| **value != 0.0);
        let counted = counted.map(|(series, value)| (series.clone(), *value)).collect();
        assert_eq!(judge(&counted, &self.truth()), Verdict::True, "{who}");
    }

    /// The folded series gain in this time what happens in it, and the untouched one has it all.
    pub fn gains_are_true(&self, time: Duration) {
        let folded = |prometheus| increments_of(prometheus, FOLDED);
        let before: Vec<Totals> = self.prometheus.iter().map(folded).collect();
        let truth_before = self.truth().happened;
        self.fleet.work_for(time);
        let happened = difference(&self.truth().happened, &truth_before);
        let truth = Truth { happened, ..Truth::default() };
        for (prometheus, before) in self.prometheus.iter().zip(before) {
            let judged = || judge(&difference(&folded(prometheus), &before), &truth);
            eventually("the gains of the folded series", &Verdict::True, judged);
            let ticks = increments_of(prometheus, "{job=\"fleet\",__name__=\"fleet_ticks_total\"}");
            assert_eq!(ticks["fleet_ticks_total"], self.truth().happened["fleet_ticks_total"]);
        }
    }

    /// Each value of a gauge that is stored was the sum of a body that was sent, and the last is
    /// the sum of the last.
    pub fn gauges_are_true(&self) {
        let fleet = self.fleet.fleet();
        let (shown, now) = (fleet.shown_gauges().clone(), fleet.gauges());
        drop(fleet);
        for prometheus in &self.prometheus {
            let selector = "{job=\"fleet\",__name__=~\"worker_job_(memory_bytes|info)\"}";
            let stored = samples(prometheus, selector);
            let names = |of: Vec<&String>| of.into_iter().cloned().collect::<Vec<_>>();
            assert_eq!(names(stored.keys().collect()), names(shown.keys().collect()));
            for (series, values) in
                stored.iter().flat_map(|(series, all)| all.iter().map(move |values| (series, values)))
            {
                let wrong = values.iter().find(|value| !shown[series].contains(value));
                assert_eq!(wrong, None, "{series} was never this");
            }
            assert_eq!(vector(prometheus, selector), now);
        }
    }

    /// `histogram_quantile()` says what it would say of the true increments.
    pub fn quantiles_are_true(&self) {
        let truth = self.truth();
        let queues = ["emails", "images", "late", "reports"];
        for (prometheus, q) in self.prometheus.iter().flat_map(|p| [0.5, 0.75].map(|q| (p, q))) {
            let rate = "increase(worker_exec_seconds_bucket{job=\"fleet\"}[10m])";
            let said = vector(prometheus, &format!("histogram_quantile({q}, sum by (queue, le) ({rate}))"));
            for queue in queues {
                let buckets = ["0.25", "0.5", "1", "2.5", "5", "+Inf"].map(|le| {
                    let series = format!("worker_exec_seconds_bucket{{le=\"{le}\",queue=\"{queue}\"}}");
                    (le.parse().unwrap(), truth.happened.get(&series).copied().unwrap_or_default())
                });
                let (said, expected) = (said[&format!("{{queue=\"{queue}\"}}")], quantile(q, &buckets));
                assert!((said - expected).abs() < 1e-6, "p{q} of {queue}: {said}, in truth {expected}");
            }
        }
    }

    pub fn truth(&self) -> Truth {
        self.fleet.fleet().truth(GUARD)
    }
}

/// `proxy_url` leaves the series' labels as they are without a guard.
fn scrape_configs(fleet: SocketAddr, through: Through, replica: usize) -> String {
    let way = match through {
        Through::Guard(guard) => format!("proxy_url: http://{guard}"),
        Through::Nothing => "params: {way: [direct]}".to_owned(),
    };
    format!(
        "
  - job_name: fleet
    {way}
    static_configs: [{{targets: ['{fleet}'], labels: {{replica: '{replica}'}}}}]
"
    )
}

/// Increments of the sums over a label.
fn stored(prometheus: &Prometheus, label: &str) -> Totals {
    without(&increments(prometheus, "fleet"), label)
}
