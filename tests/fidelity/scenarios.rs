//! What happens to a fleet, and what must not happen to its numbers.

use std::time::Duration;

use crate::crowd::Crowd;
use crate::fleet::work::Wear;
use crate::process::eventually;
use crate::stage::{DROP_JOB_ID, Stage, Wiring};

/// By name, in the order of the report.
pub const SCENARIOS: &[(&str, fn())] = &[
    ("steady state", steady_state),
    ("process restart", process_restart),
    ("outage", outage),
    ("killed guard", killed_guard),
    ("reload", reload),
    ("two Prometheus", two_prometheus),
    ("six clients", six_clients),
    ("in, out, in again", in_out_in),
    ("jittering start time", jittering_start_time),
];

const DROP_QUEUE_TOO: &str = "
policies:
  - name: job-ids
    match: '{__name__=~\"worker_.+\"}'
    labels:
      - {label: job_id|queue, action: drop}
";

/// Births, purges, a queue that comes up, one that has a single job.
fn steady_state() {
    let stage = Stage::set(1, 1);
    stage.work(seconds(20));
    stage.is_true();
    stage.gauges_are_true();
    stage.quantiles_are_true();
}

/// A second process begins at 0 while everybody works; only what nobody could see may be missing.
fn process_restart() {
    let stage = Stage::set(2, 1);
    stage.during(|| {
        stage.fleet.work_for(seconds(8));
        stage.fleet.fleet().restart();
        stage.fleet.work_for(seconds(8));
    });
    assert!(!stage.truth().lost.is_empty(), "nothing was at stake");
    stage.is_true();
    stage.gauges_are_true();
}

/// Two cut bodies, then 12 s in which nobody can connect and the work goes on.
fn outage() {
    let stage = Stage::set(3, 1);
    stage.during(|| {
        stage.fleet.work_for(seconds(6));
        stage.fleet.cut(2);
        stage.fleet.work_for(seconds(4));
        stage.fleet.outage(seconds(12));
        stage.fleet.work_for(seconds(5));
    });
    eventually("both bodies were cut", &true, || stage.fleet.has_cut_all());
    stage.is_true();
    stage.gauges_are_true();
    stage.quantiles_are_true();
}

/// `kill -9` of the guard, again and again while everybody works, at instants that fall anywhere
/// between two scrapes and into them. Each goes on where the one before it was.
fn killed_guard() {
    let stage = Stage::set(9, 1);
    stage.during(|| {
        stage.fleet.work_for(seconds(5));
        for millis in [1900, 2300, 1450, 2750, 2100, 1650] {
            stage.guard.kill_and_start_again();
            stage.fleet.work_for(Duration::from_millis(millis));
        }
    });
    stage.is_true();
    stage.gauges_are_true();
    stage.quantiles_are_true();
}

/// Another grouping and back again, while everybody works. No output series has it all, so the
/// sums over all of them are compared.
fn reload() {
    let stage = Stage::set(4, 1);
    stage.during_regrouping(|| {
        stage.fleet.work_for(seconds(6));
        stage.guard.reload(DROP_QUEUE_TOO);
        stage.fleet.work_for(seconds(6));
        stage.guard.reload(DROP_JOB_ID);
        stage.fleet.work_for(seconds(6));
    });
    stage.is_true_without("queue");
}

/// Both hold everything, although each saw the guard at other moments.
fn two_prometheus() {
    let stage = Stage::set(5, 2);
    stage.work(seconds(15));
    stage.is_true();
    stage.gauges_are_true();
    stage.quantiles_are_true();
}

/// Six clients that ask as fast as they are answered, beside a Prometheus: each counts everything.
fn six_clients() {
    let stage = Stage::set(6, 1);
    let crowd = Crowd::gather(6, stage.guard.address, "/scrape/fleet");
    stage.work(seconds(12));
    stage.is_true();
    for (client, counted) in crowd.disperse().into_iter().enumerate() {
        stage.holds(&counted, &format!("client {client}"));
    }
}

/// The guard is taken out while the fleet works on, and put in again. The untouched series goes on
/// as if nothing had been; the folded ones go on where they were.
fn in_out_in() {
    let stage = Stage::set(8, 1);
    stage.work(seconds(6));
    stage.is_true();
    stage.rewire(Wiring::Direct);
    stage.work(seconds(5));
    stage.rewire(Wiring::Guarded);
    stage.gains_are_true(seconds(6));
}

/// `process_start_time_seconds` of a living process moves with its clock: that is no restart.
fn jittering_start_time() {
    let stage = Stage::set(7, 1);
    stage.fleet.fleet().set_wear(Wear::StartTimeJitters);
    stage.work(seconds(12));
    stage.is_true();
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
