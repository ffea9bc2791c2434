//! celery-exporter over a fleet of short-lived producers: each CronJob pod that sends a task is a
//! `hostname` of its own, and stays on the exporter with every counter at 0.

use std::collections::VecDeque;

use super::exposition::{Body, Head, Layout, Numbers, Observed};
use super::ids::Ids;

pub const NAME: &str = "celery";
pub const JOB_COUNTER: &str = "celery_task_sent_total";

const PRODUCERS_PER_SECOND: f64 = 4.0;
/// Tasks that a pod sends before it ends.
const TASKS_PER_PRODUCER: u64 = 8;
const KEEP: usize = 500;
/// Task and the queue it waits in.
const TASKS: [(&str, &str); 2] = [("emails.send", "emails"), ("reports.build", "reports")];
const HEAD: Head = Head::HelpFirst;
const WORKERS: [&str; 2] = ["worker-7d9f8b6c5-q8wzn", "worker-7d9f8b6c5-x2k4j"];
/// The counters beside [`JOB_COUNTER`], which rise where a task is worked on.
const WORKER_COUNTERS: [(&str, &str); 4] = [
    ("celery_task_received", "Sent when the worker receives a task."),
    ("celery_task_started", "Sent just before the worker executes the task."),
    ("celery_task_succeeded", "Sent if the task executed successfully."),
    ("celery_task_retried", "Sent if the task failed, but will be retried in the future."),
];
const TASK_SECONDS: f64 = 0.031;
const RUNTIME: Layout = Layout {
    bounds: &[("0.005", 0.005), ("0.05", 0.05), ("0.5", 0.5), ("1.0", 1.0), ("5.0", 5.0), ("10.0", 10.0)],
    numbers: Numbers::Float,
};

/// What the exporter has heard of.
pub struct Celery {
    /// Newest last.
    producers: VecDeque<Producer>,
    producers_ever: u64,
    started: f64,
}

struct Producer {
    hostname: String,
    /// Wall time in seconds: its counters' `_created`.
    born: f64,
}

impl Celery {
    pub fn new(started: f64) -> Celery {
        Celery { producers: VecDeque::new(), producers_ever: 0, started }
    }

    pub fn is_due(&self, seconds: f64) -> bool {
        (self.producers_ever as f64) < seconds * PRODUCERS_PER_SECOND
    }

    /// A pod comes, sends its tasks and is gone.
    pub fn send(&mut self, ids: &mut Ids, born: f64) {
        let minute = 29_481_060 + self.producers_ever;
        let hostname = format!("nightly-sync-{minute}-{}", ids.pod_suffix());
        self.producers.push_back(Producer { hostname, born });
        self.producers_ever += 1;
        if self.producers.len() > KEEP {
            self.producers.pop_front();
        }
    }

    pub fn sent(&self) -> u64 {
        self.producers_ever * TASKS_PER_PRODUCER
    }

    pub fn series_ever(&self) -> u64 {
        let created_too = 2;
        let per_producer = TASKS.len() * (1 + WORKER_COUNTERS.len()) * created_too;
        let histogram = RUNTIME.bounds.len() + 3;
        let per_worker = 1 + TASKS.len() * (WORKER_COUNTERS.len() * created_too + histogram);
        self.producers_ever * per_producer as u64 + (WORKERS.len() * per_worker + TASKS.len()) as u64
    }

    pub fn expose(&self) -> String {
        let mut body = Body::default();
        let sent = (TASKS_PER_PRODUCER / TASKS.len() as u64) as f64;
        let producers = self.producers.iter().map(|p| (p.hostname.as_str(), p.born));
        let each = producers.clone().map(|(hostname, born)| (hostname, born, sent));
        counter(&mut body, "celery_task_sent", "Sent when a task message is published.", each);
        let worked = self.per_worker_and_task();
        for (family, help) in WORKER_COUNTERS {
            let worked = if family == "celery_task_retried" { 0 } else { worked };
            let workers = WORKERS.into_iter().map(|hostname| (hostname, self.started, worked as f64));
            let idle = producers.clone().map(|(hostname, born)| (hostname, born, 0.0));
            counter(&mut body, family, help, workers.chain(idle));
        }
        self.workers(&mut body);
        body.0
    }

    fn workers(&self, body: &mut Body) {
        let up = "celery_worker_up";
        body.head(HEAD, up, "gauge", "Indicates if a worker has recently sent a heartbeat.");
        for hostname in WORKERS {
            body.line(format_args!("{up}{{hostname=\"{hostname}\"}} 1.0"));
        }
        let runtime = "celery_task_runtime";
        body.head(HEAD, runtime, "histogram", "Histogram of task runtime measurements.");
        let seen = Observed { count: self.per_worker_and_task(), seconds: TASK_SECONDS };
        for (hostname, (task, queue)) in WORKERS.iter().flat_map(|w| TASKS.map(|task| (w, task))) {
            let labels = format!("hostname=\"{hostname}\",name=\"{task}\",queue_name=\"{queue}\"");
            body.histogram(&RUNTIME, runtime, &labels, seen);
        }
        let length = "celery_queue_length";
        body.head(HEAD, length, "gauge", "The number of message in broker queue.");
        for (_, queue) in TASKS {
            body.line(format_args!("{length}{{queue_name=\"{queue}\"}} {:?}", (self.producers_ever % 4) as f64));
        }
    }

    /// Two workers share the tasks evenly.
    fn per_worker_and_task(&self) -> u64 {
        self.sent() / (TASKS.len() * WORKERS.len()) as u64
    }
}

/// A counter of prometheus_client: its samples, then their `_created` as a family of its own.
fn counter<'a>(body: &mut Body, family: &str, help: &str, hosts: impl Iterator<Item = (&'a str, f64, f64)> + Clone) {
    let per_task = || hosts.clone().flat_map(|host| TASKS.map(|task| (host, task)));
    body.head(HEAD, &format!("{family}_total"), "counter", help);
    for ((hostname, _, value), (task, queue)) in per_task() {
        let labels = format_args!("hostname=\"{hostname}\",name=\"{task}\",queue_name=\"{queue}\"");
        body.line(format_args!("{family}_total{{{labels}}} {value:?}"));
    }
    body.head(HEAD, &format!("{family}_created"), "gauge", help);
    for ((hostname, born, _), (task, queue)) in per_task() {
        let labels = format_args!("hostname=\"{hostname}\",name=\"{task}\",queue_name=\"{queue}\"");
        body.line(format_args!("{family}_created{{{labels}}} {born:?}"));
    }
}
