//! One run of the fleet, and what was seen of it.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::books::{Books, Place};
use crate::fleet::Fleet;
use crate::http;
use crate::process::eventually;
use crate::prometheus::Api;

/// How long the fleet works before it is looked at, in steps of this many seconds.
const STEPS: u32 = 12;
const STEP: Duration = Duration::from_secs(10);
/// Jobs a second to each of eleven queues: with a dozen series each, that is enough.
const PACE: f64 = 0.5;
/// `[5m]` in the rules.
pub const RULE_WINDOW_SECONDS: f64 = 300.0;
/// What the fleet keeps a silent worker for, and a little.
const UNTIL_PURGED: Duration = Duration::from_secs(20);

/// The counters of jobs that ended.
const ENDED: &str = "{__name__=~'celery_task_(succeeded|failed)_total|bullmq_jobs_finished_total\
                     |sidekiq_jobs_executed_total|worker_jobs_total'}[15m]";

/// What a dashboard would show of them.
pub const INCREASED: &str = "
  sum by (job, queue) (label_replace(increase(celery_task_succeeded_total[5m]), 'queue', '$1', 'queue_name', '(.*)'))
    + sum by (job, queue) (label_replace(increase(celery_task_failed_total[5m]), 'queue', '$1', 'queue_name', '(.*)'))
  or sum by (job, queue) (increase(bullmq_jobs_finished_total[5m]))
  or sum by (job, queue) (increase(sidekiq_jobs_executed_total[5m]))
  or sum by (job, queue) (increase(worker_jobs_total[5m]))";

pub type Values = BTreeMap<Place, f64>;

/// What a Prometheus held at one time.
#[derive(Debug)]
pub struct Held {
    /// In the head of the database, all that there ever were.
    pub head: u64,
    /// The part of it in which the guard tells of itself: a function of its settings.
    pub own: u64,
    /// In the last scrapes of the exporters: received by this Prometheus.
    pub scraped: BTreeMap<String, f64>,
}

#[derive(Debug)]
pub struct Seen {
    /// After each step: through the guard, and direct.
    pub growth: Vec<(Held, Held)>,
    /// When everything that was sent in these steps had ended.
    pub books: Books,
    pub recorded: BTreeMap<&'static str, Values>,
    pub increased_direct: Values,
    pub beyond_range: f64,
    /// What exporters expose, by name.
    pub bodies: BTreeMap<&'static str, String>,
    /// What the guard says of the prefork worker.
    pub cardinality: Value,
    /// After every worker was restarted under load and the exporter forgot the old ones.
    pub books_after: Books,
    pub counted_after: Values,
    pub falls_after: f64,
    pub falls_direct: f64,
    pub gone: GoneWorker,
}

impl Seen {
    /// What the guard says of a metric of the prefork worker.
    pub fn metric(&self, name: &str) -> &Value {
        let metrics = self.cardinality["data"]["metrics"].as_array().unwrap();
        let found = metrics.iter().find(|metric| metric["metric"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {:#}", self.cardinality))
    }
}

/// A worker was killed.
#[derive(Debug)]
pub struct GoneWorker {
    pub instance: String,
    pub pages: Vec<Value>,
    pub up_again: Option<f64>,
}

/// The run; the first who asks waits for it. One that failed is not tried again.
pub fn seen() -> &'static Seen {
    static SEEN: OnceLock<Option<Seen>> = OnceLock::new();
    SEEN.get_or_init(|| catch_unwind(run).ok()).as_ref().expect("the run failed: why stands above")
}

fn run() -> Seen {
    let mut fleet = Fleet::start();
    let (guarded, direct) = (fleet.prometheus(), fleet.direct());
    for prometheus in [&guarded, &direct] {
        let exporters = "count(up{job!='cardinality-guard'} == 1)";
        eventually("all exporters are up", &Some(5.0), || prometheus.value(exporters));
    }
    // A first scrape is where counting begins.
    sleep(Duration::from_secs(5));

    fleet.pace(PACE);
    let growth = (0..STEPS).map(|_| step(&guarded, &direct)).collect();
    let books = settled(&mut fleet, &guarded);
    let recorded =
        ["job_queue:jobs:rate5m", "job_queue:jobs_failed:ratio_rate5m", "job_queue:job_runtime_seconds:p99_5m"];
    let recorded = recorded.map(|name| (name, values(&guarded, name))).into();
    let increased_direct = values(&direct, INCREASED);
    let beyond = "job_histogram:observations_beyond_range:ratio_rate5m{histogram='worker_child_lifetime_seconds'}";
    let beyond_range = guarded.value(beyond).unwrap();
    let bodies = ["celery-exporter", "sidekiq", "bullmq"];
    let bodies = bodies.map(|name| (name, http::get(fleet.address(name), "/metrics").text().to_owned())).into();
    let said = http::get(fleet.address("guard"), "/api/v1/cardinality?target=prefork&limit=1000");
    let cardinality = serde_json::from_slice(&said.body).unwrap();

    fleet.pace(PACE);
    fleet.restart_every_worker();
    sleep(UNTIL_PURGED);
    let books_after = settled(&mut fleet, &guarded);
    let counted_after = counted(&guarded);
    let falls_after = falls(&guarded);
    let falls_direct = falls(&direct);
    let gone = lose_a_worker(&mut fleet, &guarded);
    Seen {
        growth,
        books,
        recorded,
        increased_direct,
        beyond_range,
        bodies,
        cardinality,
        books_after,
        counted_after,
        falls_after,
        falls_direct,
        gone,
    }
}

fn step(guarded: &Api, direct: &Api) -> (Held, Held) {
    sleep(STEP);
    (held(guarded), held(direct))
}

fn held(prometheus: &Api) -> Held {
    let scraped = prometheus.query("sum by (job) (scrape_samples_scraped{job!='cardinality-guard'})");
    let scraped = scraped.iter().map(|series| (label(series, "job"), number(series))).collect();
    let own = prometheus.value("count({job='cardinality-guard'})").unwrap_or(0.0) as u64;
    Held { head: prometheus.head_series(), own, scraped }
}

/// No more jobs; returns when all have ended and Prometheus has heard of the last one.
fn settled(fleet: &mut Fleet, guarded: &Api) -> Books {
    fleet.pace(0.0);
    eventually("every job has ended", &true, || fleet.books().all_ended());
    let books = fleet.books();
    let ended = books.ended() as f64;
    let heard = (ended, Vec::<String>::new());
    eventually("Prometheus has heard of every job, and no scrape fails", &heard, || {
        (counted(guarded).values().sum(), guarded.last_errors())
    });
    // Into a rule's record, too; and what comes twice would come now.
    sleep(Duration::from_secs(4));
    books
}

/// Every increment of every sample stored, a fall taken for a restart, as PromQL does it but without
/// its extrapolation. All series are born with the fleet or later: the first sample counts, too.
fn counted(prometheus: &Api) -> Values {
    let mut counted = Values::new();
    for series in prometheus.query(ENDED) {
        let mut last = 0.0;
        let queue = if label(&series, "queue").is_empty() { "queue_name" } else { "queue" };
        let sum = counted.entry((job(&series), label(&series, queue))).or_default();
        for sample in series["values"].as_array().unwrap() {
            let value: f64 = sample[1].as_str().unwrap().parse().unwrap();
            *sum += if value < last { value } else { value - last };
            last = value;
        }
    }
    counted
}

/// By how much the sum of Celery's jobs fell from one second to the next, all falls together: what
/// PromQL takes for as many restarts.
fn falls(prometheus: &Api) -> f64 {
    prometheus.value("sum_over_time((-clamp_max(delta(sum(celery_task_succeeded_total)[2s:1s]), 0))[5m:1s])").unwrap()
}

fn lose_a_worker(fleet: &mut Fleet, guarded: &Api) -> GoneWorker {
    let instance = fleet.address("worker").to_string();
    let up = format!("up{{instance='{instance}'}}");
    // It was restarted before, and down for a moment.
    let earlier = fleet.pages().len();
    fleet.kill("worker");
    eventually("the killed worker is down", &Some(0.0), || guarded.value(&up));
    let is_meant = |page: &Value| page["labels"]["instance"] == instance.as_str() && page["status"] == "firing";
    eventually("the page arrives", &true, || fleet.pages()[earlier..].iter().any(is_meant));
    let pages = fleet.pages().split_off(earlier);
    fleet.start_again("worker");
    eventually("the new worker is up", &Some(1.0), || guarded.value(&up));
    GoneWorker { instance, pages, up_again: guarded.value(&up) }
}

fn values(prometheus: &Api, expression: &str) -> Values {
    let mut values = Values::new();
    for series in prometheus.query(expression) {
        values.insert((job(&series), label(&series, "queue")), number(&series));
    }
    values
}

fn job(series: &Value) -> &'static str {
    let known = ["celery", "bullmq", "sidekiq", "workers"].into_iter().find(|job| label(series, "job") == *job);
    known.unwrap_or_else(|| panic!("{series}"))
}

fn label(series: &Value, name: &str) -> String {
    series["metric"][name].as_str().unwrap_or_default().to_owned()
}

fn number(series: &Value) -> f64 {
    series["value"][1].as_str().unwrap().parse().unwrap()
}
