//! The fleet as text: valid, and as untidy as the format allows. Families come in pieces that
//! stand between each other's, TYPE lines are repeated, and a worn exporter has worse habits.

use super::jobs::{BOUNDARIES, Job, Observations};
use super::work::{Fleet, Wear, release};

/// A family's lines.
struct Family {
    name: &'static str,
    kind: &'static str,
    lines: Vec<String>,
}

/// A piece is at most this many lines.
const PIECE: u64 = 40;

pub fn body(fleet: &mut Fleet) -> String {
    let mut families = families(fleet);
    let mut body = format!("# HELP fleet_ticks_total Steps.\nfleet_ticks_total {}\n", fleet.ticks);
    while !families.is_empty() {
        let turn = fleet.looks.below(families.len() as u64) as usize;
        let family = &mut families[turn];
        let size = (1 + fleet.looks.below(PIECE)).min(family.lines.len() as u64) as usize;
        body += &format!("# TYPE {} {}\n", family.name, family.kind);
        family.lines.drain(..size).for_each(|line| body += &line);
        if family.lines.is_empty() {
            families.swap_remove(turn);
        }
    }
    body
}

fn families(fleet: &Fleet) -> Vec<Family> {
    let of = |name, kind, lines: fn(&Job) -> Vec<String>| {
        let lines = fleet.jobs.iter().flat_map(lines).collect();
        Family { name, kind, lines }
    };
    let mut jobs = of("worker_jobs_total", "counter", runs);
    if fleet.wear == Wear::SaysTwice {
        let again: Vec<String> = jobs.lines.iter().take(3).map(|line| line.replace("} ", "} 7")).collect();
        jobs.lines.extend(again);
    }
    let jitter = if fleet.wear == Wear::StartTimeJitters { (fleet.bodies % 2) as f64 } else { 0.0 };
    let start = format!("process_start_time_seconds {}\n", fleet.started + jitter);
    vec![
        jobs,
        of("worker_exec_seconds", "histogram", exec),
        of("worker_wait_seconds", "summary", wait),
        of("worker_job_memory_bytes", "gauge", |job| vec![line("worker_job_memory_bytes", "", job, job.memory as f64)]),
        of("worker_job_info", "gauge", |job| {
            vec![line("worker_job_info", &format!(",release=\"{}\"", release(job)), job, 1.0)]
        }),
        Family { name: "process_start_time_seconds", kind: "gauge", lines: vec![start] },
    ]
}

fn line(name: &str, more: &str, job: &Job, value: f64) -> String {
    format!("{name}{{queue=\"{}\",job_id=\"{}\"{more}}} {value}\n", job.queue, job.id)
}

/// An outcome that never was has no series yet.
fn runs(job: &Job) -> Vec<String> {
    let outcomes = [("completed", job.completed), ("failed", job.failed)].into_iter().filter(|(_, count)| *count > 0);
    outcomes
        .map(|(outcome, count)| line("worker_jobs_total", &format!(",outcome=\"{outcome}\""), job, count as f64))
        .collect()
}

fn exec(job: &Job) -> Vec<String> {
    let boundaries = BOUNDARIES.iter().map(|(le, _)| *le).chain(["+Inf"]);
    let buckets = boundaries
        .zip(job.exec.at_most)
        .map(|(le, at_most)| line("worker_exec_seconds_bucket", &format!(",le=\"{le}\""), job, at_most as f64));
    buckets.chain(sum_and_count("worker_exec_seconds", job, &job.exec)).collect()
}

fn wait(job: &Job) -> Vec<String> {
    let mean = job.wait.seconds / job.wait.count().max(1) as f64;
    let quantiles =
        ["0.5", "0.99"].map(|quantile| line("worker_wait_seconds", &format!(",quantile=\"{quantile}\""), job, mean));
    quantiles.into_iter().chain(sum_and_count("worker_wait_seconds", job, &job.wait)).collect()
}

fn sum_and_count(family: &str, job: &Job, observed: &Observations) -> [String; 2] {
    [
        line(&format!("{family}_sum"), "", job, observed.seconds),
        line(&format!("{family}_count"), "", job, observed.count() as f64),
    ]
}
