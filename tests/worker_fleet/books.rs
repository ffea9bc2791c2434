//! What really happened: the fleet's own count of jobs.

use std::collections::BTreeMap;

use serde_json::Value;

/// `job` and `queue`, as Prometheus calls them.
pub type Place = (&'static str, String);

/// Per place: how its jobs ended and how long each took.
#[derive(Clone, Debug, Default)]
pub struct Books(pub BTreeMap<Place, Jobs>);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Jobs {
    pub sent: u64,
    pub done: u64,
    pub failed: u64,
    pub seconds: Vec<f64>,
}

impl Jobs {
    pub fn ended(&self) -> u64 {
        self.done + self.failed
    }

    /// The duration that this part of the jobs does not exceed.
    pub fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (q * sorted.len() as f64).ceil() as usize;
        sorted[rank.clamp(1, sorted.len()) - 1]
    }
}

impl Books {
    pub fn read(said: &Value) -> Books {
        let mut books = Books::default();
        for (field, count) in said["jobs"].as_object().unwrap() {
            let [system, queue, what] = field.split('/').collect::<Vec<_>>()[..] else { panic!("{field}") };
            let count: u64 = count.as_str().unwrap().parse().unwrap();
            let jobs = books.0.entry((job(system), queue.to_owned())).or_default();
            match what {
                "sent" => jobs.sent += count,
                "done" => jobs.done += count,
                "failed" => jobs.failed += count,
                other => panic!("{other}"),
            }
        }
        for (place, seconds) in said["runtimes"].as_object().unwrap() {
            let (system, queue) = place.split_once('/').unwrap();
            let seconds = seconds.as_array().unwrap().iter().map(|s| s.as_str().unwrap().parse::<f64>().unwrap());
            books.0.entry((job(system), queue.to_owned())).or_default().seconds.extend(seconds);
        }
        books
    }

    /// Whether every job that was sent has ended.
    pub fn all_ended(&self) -> bool {
        self.0.values().all(|jobs| jobs.sent == jobs.ended())
    }

    pub fn ended(&self) -> u64 {
        self.0.values().map(Jobs::ended).sum()
    }
}

/// The scrape job of a system. Both kinds of prometheus_client worker are one.
fn job(system: &str) -> &'static str {
    match system {
        "celery" => "celery",
        "bullmq" => "bullmq",
        "sidekiq" => "sidekiq",
        "single" | "prefork" => "workers",
        other => panic!("{other}"),
    }
}
