//! The fleet at work: jobs are born, run, finish, are purged; the process dies and starts anew.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::chance::Chance;
use super::exposition;
use super::jobs::{Job, Kind};
use super::truth::{Readers, Totals, Truth, add};

/// What is wrong with the exporter, beside `job_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wear {
    None,
    /// Some series come twice in a body, the second time with another number.
    SaysTwice,
    /// `process_start_time_seconds` moves by a second with every body.
    StartTimeJitters,
}

/// One exporter and everything that ever happened in it.
pub struct Fleet {
    chance: Chance,
    /// What bodies look like, apart from what happens: how often anybody looks changes nothing.
    pub(super) looks: Chance,
    pub(super) jobs: Vec<Job>,
    pub(super) ticks: u64,
    pub(super) started: f64,
    pub(super) wear: Wear,
    pub(super) bodies: u64,
    /// Over all lives of the process.
    totals: Totals,
    readers: Readers,
    step: u64,
    shown_gauges: BTreeMap<String, Vec<f64>>,
}

const QUEUES: [&str; 3] = ["emails", "images", "reports"];
/// These come up while everybody looks: the first after 2 s, the second for one single job.
const LATE_QUEUE: (&str, u64) = ("late", 20);
const RARE_QUEUE: (&str, u64) = ("rare", 35);
/// Steps between the first body that shows a finished job's last numbers and its purge.
const PURGED_AFTER: u64 = 30;
/// What the fleet had behind it when it was first looked at.
const PAST_STEPS: u64 = 50;

impl Fleet {
    pub fn new(seed: u64) -> Fleet {
        let mut fleet = Fleet {
            chance: Chance::new(seed),
            looks: Chance::new(!seed),
            jobs: residents(),
            ticks: 0,
            started: wall_seconds() - 600.0,
            wear: Wear::None,
            bodies: 0,
            totals: Totals::new(),
            readers: Readers::default(),
            step: 0,
            shown_gauges: BTreeMap::new(),
        };
        for _ in 0..PAST_STEPS {
            fleet.work();
        }
        fleet.step = 0;
        fleet
    }

    /// A tenth of a second of work.
    pub fn step(&mut self) {
        self.step += 1;
        let step = self.step;
        if step == RARE_QUEUE.1 {
            self.birth(RARE_QUEUE.0);
        }
        if step >= LATE_QUEUE.1 && step.is_multiple_of(3) {
            self.birth(LATE_QUEUE.0);
        }
        self.jobs.retain(|job| !job.is_finished() || job.shown_at.is_none_or(|shown| step < shown + PURGED_AFTER));
        self.work();
    }

    /// The process dies and is replaced: every value starts from 0. Residents go to work at once,
    /// so that some of their numbers are past the old ones before anybody looks.
    pub fn restart(&mut self) {
        self.readers.died(&self.totals);
        let before: BTreeMap<String, u64> = self.jobs.iter().map(|job| (job.id.clone(), job.runs())).collect();
        self.jobs = residents();
        self.ticks = 0;
        self.started = wall_seconds();
        for (turn, job) in self.jobs.iter_mut().enumerate() {
            let past = before.get(&job.id).copied().unwrap_or_default();
            let catches_up = turn.is_multiple_of(2);
            while catches_up && job.runs() <= past {
                job.run(&mut self.chance, &mut self.totals);
            }
        }
    }

    /// The body of `/metrics`.
    pub fn expose(&mut self) -> String {
        self.bodies += 1;
        exposition::body(self)
    }

    /// The last body reached this reader whole.
    pub fn shown(&mut self, reader: &str) {
        self.readers.shown(reader, &self.totals);
        let step = self.step;
        for job in &mut self.jobs {
            job.shown_at.get_or_insert(step);
        }
        for (series, value) in self.gauges() {
            self.shown_gauges.entry(series).or_default().push(value);
        }
    }

    /// How many whole bodies this reader was sent.
    pub fn bodies_shown(&self, reader: &str) -> u64 {
        self.readers.bodies(reader)
    }

    pub fn truth(&self, reader: &str) -> Truth {
        self.readers.truth(reader, &self.totals)
    }

    /// Gauges as they are now, summed over the jobs; infos are 1.
    pub fn gauges(&self) -> Totals {
        let mut gauges = Totals::new();
        for job in &self.jobs {
            add(&mut gauges, format!("worker_job_memory_bytes{{queue=\"{}\"}}", job.queue), job.memory as f64);
            gauges.insert(format!("worker_job_info{{queue=\"{}\",release=\"{}\"}}", job.queue, release(job)), 1.0);
        }
        gauges
    }

    /// Every value a gauge had in a body that reached somebody.
    pub fn shown_gauges(&self) -> &BTreeMap<String, Vec<f64>> {
        &self.shown_gauges
    }

    pub fn set_wear(&mut self, wear: Wear) {
        self.wear = wear;
    }

    fn work(&mut self) {
        self.ticks += 1;
        add(&mut self.totals, "fleet_ticks_total".to_owned(), 1.0);
        let queue = QUEUES[self.chance.below(QUEUES.len() as u64) as usize];
        self.birth(queue);
        for job in &mut self.jobs {
            let runs = match job.kind {
                Kind::Passing { runs_left } => runs_left > 0 && self.chance.one_in(4),
                Kind::Resident => self.chance.one_in(3),
            };
            if runs {
                job.run(&mut self.chance, &mut self.totals);
            }
        }
    }

    /// A job is first heard of when it has run once.
    fn birth(&mut self, queue: &'static str) {
        let runs_left = 1 + self.chance.below(4);
        let mut job = Job::new(self.chance.id(), queue, Kind::Passing { runs_left });
        job.run(&mut self.chance, &mut self.totals);
        self.jobs.push(job);
    }
}

pub(super) fn release(job: &Job) -> &'static str {
    match job.kind {
        Kind::Passing { .. } => "2.1",
        Kind::Resident => "1.9",
    }
}

fn residents() -> Vec<Job> {
    let twice = QUEUES.iter().flat_map(|queue| [(queue, 0), (queue, 1)]);
    twice.map(|(queue, n)| Job::new(format!("cron-{queue}-{n}"), queue, Kind::Resident)).collect()
}

fn wall_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64().floor()
}

#[test]
fn the_seed_and_the_steps_decide_what_happens_whoever_looks() {
    let happened = |looks: u64| {
        let mut fleet = Fleet::new(3);
        fleet.shown("/metrics");
        for step in 0..300 {
            fleet.step();
            if step % 10 < looks {
                fleet.expose();
                fleet.shown("/metrics?another");
            }
            if step == 150 {
                fleet.restart();
            }
        }
        fleet.truth("/metrics").happened
    };
    let seldom = happened(1);
    assert_eq!(seldom, happened(7));
    let jobs: f64 = seldom.iter().filter(|(series, _)| series.starts_with("worker_jobs")).map(|(_, n)| n).sum();
    assert!(jobs > 500.0, "{seldom:?}");
}

#[test]
fn a_body_sums_to_the_totals_of_this_process() {
    let mut fleet = Fleet::new(4);
    fleet.shown("/metrics");
    (0..25).for_each(|_| fleet.step());
    let body = fleet.expose();
    let lines: Vec<&str> = body.lines().filter(|line| line.starts_with("worker_jobs_total{")).collect();
    let sum: f64 = lines.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
    let totals = fleet.totals.iter().filter(|(series, _)| series.starts_with("worker_jobs_total"));
    assert_eq!(sum, totals.map(|(_, total)| total).sum::<f64>());
    let series: std::collections::HashSet<&str> = lines.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(series.len(), lines.len(), "a fleet without wear says nothing twice");
}
