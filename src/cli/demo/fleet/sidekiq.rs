//! yabeda-sidekiq with the `jid` as a default tag: more than twenty series a job, most of them
//! buckets.

use super::exposition::{Body, Head, Layout, Numbers};
use super::{JobOutcome, Jobs};

pub const NAME: &str = "sidekiq";
pub const JOB_COUNTER: &str = "sidekiq_jobs_executed_total";
pub const JOBS_PER_SECOND: f64 = 15.0;
pub const KEEP: usize = 2_500;
/// Queue and the worker class that serves it.
pub const QUEUES: [(&str, &str); 2] = [("default", "ImportJob"), ("mailers", "EmailJob")];

const RUNTIME: Layout = Layout {
    bounds: &[
        ("0.005", 0.005),
        ("0.01", 0.01),
        ("0.025", 0.025),
        ("0.05", 0.05),
        ("0.1", 0.1),
        ("0.25", 0.25),
        ("0.5", 0.5),
        ("1", 1.0),
        ("2.5", 2.5),
        ("5", 5.0),
        ("10", 10.0),
        ("30", 30.0),
        ("60", 60.0),
        ("120", 120.0),
        ("300", 300.0),
        ("1800", 1800.0),
        ("3600", 3600.0),
        ("21600", 21600.0),
    ],
    numbers: Numbers::Float,
};

/// Ruby's client prints TYPE before HELP.
const HEAD: Head = Head::TypeFirst;

pub fn series_ever(jobs: &Jobs) -> u64 {
    let counters = 2;
    let histogram = RUNTIME.bounds.len() + 3;
    let others = QUEUES.len() + 1;
    jobs.done * (counters + histogram) as u64 + others as u64
}

pub fn expose(jobs: &Jobs) -> String {
    let mut body = Body::default();
    let outcomes = [JobOutcome::Completed, JobOutcome::Failed];
    let help = "A counter of the total number of jobs sidekiq executed.";
    counter(&mut body, jobs, JOB_COUNTER, help, &outcomes);
    let help = "A counter of the total number of jobs successfully processed by sidekiq.";
    counter(&mut body, jobs, "sidekiq_jobs_success_total", help, &outcomes[..1]);
    let help = "A counter of the total number of jobs failed in sidekiq.";
    counter(&mut body, jobs, "sidekiq_jobs_failed_total", help, &outcomes[1..]);
    let help = "A counter of the total number of rerouted jobs sidekiq enqueued.";
    body.head(HEAD, "sidekiq_jobs_rerouted_total", "counter", help);
    let runtime = "sidekiq_job_runtime_seconds";
    body.head(HEAD, runtime, "histogram", "A histogram of the job execution time.");
    for job in &jobs.recent {
        body.histogram(&RUNTIME, runtime, &labels(job), job.observed());
    }
    let waiting = "sidekiq_jobs_waiting_count";
    body.head(HEAD, waiting, "gauge", "The number of jobs waiting to process in sidekiq.");
    for (at, (queue, _)) in QUEUES.iter().enumerate() {
        let count = Numbers::Float.write(((jobs.done + 3 * at as u64) % 5) as f64);
        body.line(format_args!("{waiting}{{queue=\"{queue}\"}} {count}"));
    }
    let processes = "sidekiq_active_processes";
    body.head(HEAD, processes, "gauge", "The number of active Sidekiq worker processes.");
    body.line(format_args!("{processes} 2.0"));
    body.0
}

fn counter(body: &mut Body, jobs: &Jobs, family: &str, help: &str, outcomes: &[JobOutcome]) {
    body.head(HEAD, family, "counter", help);
    for job in jobs.recent.iter().filter(|job| outcomes.contains(&job.outcome)) {
        body.line(format_args!("{family}{{{}}} 1.0", labels(job)));
    }
}

fn labels(job: &super::Job) -> String {
    let (queue, worker) = QUEUES[job.queue];
    format!("queue=\"{queue}\",worker=\"{worker}\",jid=\"{}\"", job.id)
}
