//! The worker fleet: three exporters, shaped like the ones people run, and the mistake people make.
//!
//! It works when it is told how much time has passed, so that two scrapes of one moment agree.

mod bullmq;
mod celery;
mod exposition;
mod ids;
mod sidekiq;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use exposition::Observed;
use ids::Ids;

/// Exporters of the fleet, in the order of the table.
pub const EXPORTERS: [&str; 3] = [celery::NAME, bullmq::NAME, sidekiq::NAME];

/// Three exporters at work.
pub struct Fleet {
    ids: Ids,
    celery: celery::Celery,
    bullmq: Jobs,
    sidekiq: Jobs,
    started: f64,
}

/// The fleet, shared by the servers and the clock.
#[derive(Clone)]
pub struct FleetHandle(Arc<Mutex<Fleet>>);

/// Jobs of an exporter that names each one in a label of its own.
struct Jobs {
    /// Newest last. Exporters of long-lived processes purge old jobs; so do these.
    recent: VecDeque<Job>,
    done: u64,
    per_second: f64,
    keep: usize,
}

struct Job {
    id: String,
    /// Index into the exporter's queues.
    queue: usize,
    outcome: JobOutcome,
    seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JobOutcome {
    Completed,
    Failed,
}

impl Fleet {
    pub fn new() -> Fleet {
        let started = wall_seconds();
        let mut fleet = Fleet {
            ids: Ids::new(0x5eed),
            celery: celery::Celery::new(started),
            bullmq: Jobs::new(bullmq::JOBS_PER_SECOND, bullmq::KEEP),
            sidekiq: Jobs::new(sidekiq::JOBS_PER_SECOND, sidekiq::KEEP),
            started,
        };
        // Before anybody looks, each queue has had its successes and its failures.
        for _ in 0..8 {
            fleet.bullmq.finish(&mut fleet.ids, Ids::uuid, bullmq::QUEUES.len());
            fleet.sidekiq.finish(&mut fleet.ids, Ids::jid, sidekiq::QUEUES.len());
            fleet.celery.send(&mut fleet.ids, started);
        }
        fleet
    }

    /// Does the work that is due by `elapsed` since the beginning.
    pub fn advance(&mut self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        let ids = &mut self.ids;
        while self.bullmq.is_due(seconds) {
            self.bullmq.finish(ids, Ids::uuid, bullmq::QUEUES.len());
        }
        while self.sidekiq.is_due(seconds) {
            self.sidekiq.finish(ids, Ids::jid, sidekiq::QUEUES.len());
        }
        while self.celery.is_due(seconds) {
            self.celery.send(ids, wall_seconds());
        }
    }

    /// The fleet's own count: what a counter summed over everything must have risen by.
    pub fn jobs_done(&self, exporter: &str) -> u64 {
        match exporter {
            celery::NAME => self.celery.sent(),
            bullmq::NAME => self.bullmq.done,
            _ => self.sidekiq.done,
        }
    }

    /// How many series the exporter has ever exposed: what a database without the guard holds.
    pub fn series_ever(&self, exporter: &str) -> u64 {
        match exporter {
            celery::NAME => self.celery.series_ever(),
            bullmq::NAME => bullmq::series_ever(&self.bullmq),
            _ => sidekiq::series_ever(&self.sidekiq),
        }
    }

    /// The body of an exporter's `/metrics`.
    pub fn expose(&self, exporter: &str) -> String {
        match exporter {
            celery::NAME => self.celery.expose(),
            bullmq::NAME => bullmq::expose(&self.bullmq, self.started),
            _ => sidekiq::expose(&self.sidekiq),
        }
    }
}

/// The counter that rises by one with each job.
pub fn job_counter(exporter: &str) -> &'static str {
    match exporter {
        celery::NAME => celery::JOB_COUNTER,
        bullmq::NAME => bullmq::JOB_COUNTER,
        _ => sidekiq::JOB_COUNTER,
    }
}

impl FleetHandle {
    pub fn new(fleet: Fleet) -> FleetHandle {
        FleetHandle(Arc::new(Mutex::new(fleet)))
    }

    pub fn advance(&self, elapsed: Duration) {
        self.lock().advance(elapsed);
    }

    /// Jobs done and series ever exposed, at one moment.
    pub fn counts(&self, exporter: &str) -> (u64, u64) {
        let fleet = self.lock();
        (fleet.jobs_done(exporter), fleet.series_ever(exporter))
    }

    pub fn expose(&self, exporter: &str) -> String {
        self.lock().expose(exporter)
    }

    fn lock(&self) -> MutexGuard<'_, Fleet> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    fn new(per_second: f64, keep: usize) -> Jobs {
        Jobs { recent: VecDeque::new(), done: 0, per_second, keep }
    }

    fn is_due(&self, seconds: f64) -> bool {
        (self.done as f64) < seconds * self.per_second
    }

    fn finish(&mut self, ids: &mut Ids, id: impl Fn(&mut Ids) -> String, queues: usize) {
        let turn = self.done as usize;
        let outcome = match turn / queues % 8 {
            1 => JobOutcome::Failed,
            _ => JobOutcome::Completed,
        };
        self.recent.push_back(Job { id: id(ids), queue: turn % queues, outcome, seconds: ids.job_seconds() });
        self.done += 1;
        if self.recent.len() > self.keep {
            self.recent.pop_front();
        }
    }
}

impl Job {
    /// A job's own histogram sees that one job.
    fn observed(&self) -> Observed {
        Observed { count: 1, seconds: self.seconds }
    }
}

fn wall_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(body: &str) -> Vec<&str> {
        body.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    }

    #[test]
    fn series_ever_is_what_was_exposed() {
        let mut fleet = Fleet::new();
        for seconds in [0, 1, 7] {
            fleet.advance(Duration::from_secs(seconds));
            for exporter in EXPORTERS {
                assert_eq!(series(&fleet.expose(exporter)).len() as u64, fleet.series_ever(exporter), "{exporter}");
            }
        }
    }

    #[test]
    fn the_job_counters_sum_to_the_fleets_own_count() {
        let mut fleet = Fleet::new();
        fleet.advance(Duration::from_secs(5));
        for exporter in EXPORTERS {
            let body = fleet.expose(exporter);
            let of_jobs = series(&body).into_iter().filter(|l| l.starts_with(&format!("{}{{", job_counter(exporter))));
            let sum: f64 = of_jobs.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
            assert_eq!(sum, fleet.jobs_done(exporter) as f64, "{exporter}");
        }
    }

    #[test]
    fn after_twenty_seconds_it_has_exploded_and_no_series_came_twice() {
        let mut fleet = Fleet::new();
        fleet.advance(Duration::from_secs(20));
        let bodies = EXPORTERS.map(|exporter| fleet.expose(exporter));
        let all: Vec<&str> = bodies.iter().flat_map(|body| series(body)).collect();
        let distinct: std::collections::HashSet<&str> =
            all.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
        assert!(all.len() > 10_000, "only {} series", all.len());
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn old_jobs_are_purged_but_stay_counted() {
        let mut fleet = Fleet::new();
        fleet.advance(Duration::from_secs(600));
        assert_eq!(fleet.bullmq.recent.len(), bullmq::KEEP);
        assert_eq!(fleet.jobs_done(bullmq::NAME), 18_000);
    }
}
