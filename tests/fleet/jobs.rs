//! One job: what its series hold.

use super::chance::Chance;
use super::truth::{Totals, add};

/// Upper boundaries of the histogram, as exposed; `+Inf` comes on top.
pub const BOUNDARIES: [(&str, f64); 5] = [("0.25", 0.25), ("0.5", 0.5), ("1", 1.0), ("2.5", 2.5), ("5", 5.0)];

/// A job, known by its `job_id`.
pub struct Job {
    pub id: String,
    pub queue: &'static str,
    pub kind: Kind,
    pub completed: u64,
    pub failed: u64,
    pub exec: Observations,
    pub wait: Observations,
    pub memory: u64,
    /// The step at which a complete body first held what it holds now.
    pub shown_at: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Runs this many times more, and is purged some time after.
    Passing { runs_left: u64 },
    /// Is there in every life of the process, under the same `job_id`.
    Resident,
}

/// A histogram's or summary's numbers.
#[derive(Default)]
pub struct Observations {
    /// How many were at most the boundary; the last is `+Inf`, which is the count.
    pub at_most: [u64; BOUNDARIES.len() + 1],
    pub seconds: f64,
}

impl Job {
    pub fn new(id: String, queue: &'static str, kind: Kind) -> Job {
        let (exec, wait) = (Observations::default(), Observations::default());
        Job { id, queue, kind, completed: 0, failed: 0, exec, wait, memory: 0, shown_at: None }
    }

    /// Runs once, and says so in its own series and in the truth.
    pub fn run(&mut self, chance: &mut Chance, totals: &mut Totals) {
        let outcome = if chance.one_in(6) { "failed" } else { "completed" };
        match outcome {
            "failed" => self.failed += 1,
            _ => self.completed += 1,
        }
        let queue = self.queue;
        add(totals, format!("worker_jobs_total{{outcome=\"{outcome}\",queue=\"{queue}\"}}"), 1.0);
        let (exec, wait) = (seconds(chance), seconds(chance));
        for le in self.exec.observe(exec) {
            add(totals, format!("worker_exec_seconds_bucket{{le=\"{le}\",queue=\"{queue}\"}}"), 1.0);
        }
        self.wait.observe(wait);
        for (family, seconds) in [("worker_exec_seconds", exec), ("worker_wait_seconds", wait)] {
            add(totals, format!("{family}_count{{queue=\"{queue}\"}}"), 1.0);
            add(totals, format!("{family}_sum{{queue=\"{queue}\"}}"), seconds);
        }
        self.memory = chance.below(1 << 20);
        self.shown_at = None;
        if let Kind::Passing { runs_left } = &mut self.kind {
            *runs_left -= 1;
        }
    }

    pub fn is_finished(&self) -> bool {
        self.kind == Kind::Passing { runs_left: 0 }
    }

    pub fn runs(&self) -> u64 {
        self.exec.count()
    }
}

impl Observations {
    pub fn count(&self) -> u64 {
        self.at_most[BOUNDARIES.len()]
    }

    /// Gives the boundaries that count it.
    fn observe(&mut self, seconds: f64) -> Vec<&'static str> {
        self.seconds += seconds;
        let boundaries = BOUNDARIES.iter().copied().chain([("+Inf", f64::INFINITY)]);
        let counting = boundaries.zip(&mut self.at_most).filter(|((_, boundary), _)| seconds <= *boundary);
        counting
            .map(|((le, _), at_most)| {
                *at_most += 1;
                le
            })
            .collect()
    }
}

/// Sixteenths, so that sums are exact in any order; most are short, some beyond every boundary.
fn seconds(chance: &mut Chance) -> f64 {
    let bound = [8, 32, 120][chance.below(3) as usize];
    (1 + chance.below(bound)) as f64 / 16.0
}
