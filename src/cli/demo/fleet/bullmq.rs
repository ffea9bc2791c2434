//! A prom-client poller of BullMQ queues whose author added `job_id`: ten series a job.

use super::exposition::{Body, Head, Layout, Numbers};
use super::{JobOutcome, Jobs};

pub const NAME: &str = "bullmq";
pub const JOB_COUNTER: &str = "bullmq_jobs_finished_total";
pub const JOBS_PER_SECOND: f64 = 30.0;
pub const KEEP: usize = 6_000;
pub const QUEUES: [&str; 2] = ["emails", "images"];

const STATES: [&str; 4] = ["active", "delayed", "prioritized", "waiting"];
const DURATION: Layout = Layout {
    bounds: &[("0.1", 0.1), ("0.5", 0.5), ("1", 1.0), ("5", 5.0), ("10", 10.0), ("60", 60.0)],
    numbers: Numbers::Shortest,
};

pub fn series_ever(jobs: &Jobs) -> u64 {
    let histogram = DURATION.bounds.len() + 3;
    let others = 1 + QUEUES.len() * STATES.len();
    jobs.done * (1 + histogram) as u64 + others as u64
}

pub fn expose(jobs: &Jobs, started: f64) -> String {
    let mut body = Body::default();
    let start = "process_start_time_seconds";
    body.head(Head::HelpFirst, start, "gauge", "Start time of the process since unix epoch in seconds.");
    body.line(format_args!("{start} {}\n", started.floor()));
    body.head(Head::HelpFirst, "bullmq_queue_jobs", "gauge", "Jobs by state (getJobCounts)");
    for queue in QUEUES {
        for (state, count) in STATES.iter().zip([2, 1, 0, jobs.done % 7]) {
            body.line(format_args!("bullmq_queue_jobs{{queue=\"{queue}\",state=\"{state}\"}} {count}"));
        }
    }
    body.line("");
    body.head(Head::HelpFirst, JOB_COUNTER, "counter", "Finished jobs");
    for job in &jobs.recent {
        let (queue, id) = (QUEUES[job.queue], &job.id);
        let status = status(job.outcome);
        body.line(format_args!("{JOB_COUNTER}{{queue=\"{queue}\",status=\"{status}\",job_id=\"{id}\"}} 1"));
    }
    body.line("");
    let duration = "bullmq_job_duration_seconds";
    body.head(Head::HelpFirst, duration, "histogram", "processedOn to finishedOn");
    for job in &jobs.recent {
        let labels = format!("queue=\"{}\",job_id=\"{}\"", QUEUES[job.queue], job.id);
        body.histogram(&DURATION, duration, &labels, job.observed());
    }
    body.0
}

fn status(outcome: JobOutcome) -> &'static str {
    match outcome {
        JobOutcome::Completed => "completed",
        JobOutcome::Failed => "failed",
    }
}
