//! What an endpoint looks like now, readable while a scrape of it is under way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::guard::{Diagnosis, Report};
use crate::telemetry::{LastOutcome, LiveEndpoint};

/// Bytes that all endpoints together remember, roughly.
#[derive(Clone, Debug, Default)]
pub(super) struct Held(Arc<AtomicU64>);

/// The account of an endpoint's last good scrape.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    now: Mutex<LiveEndpoint>,
    held: Held,
}

impl Held {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn changes(&self, before: u64, after: u64) {
        if after >= before {
            self.0.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.0.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}

/// Is told how a scrape of an endpoint ended, when nobody holds its lock any more.
#[derive(Clone, Debug)]
pub struct Witness(pub(super) Arc<Gauges>);

impl Witness {
    pub fn scrape_ended(&self, last: LastOutcome) {
        self.0.lock().last = Some(last);
    }
}

impl Gauges {
    pub(super) fn new(held: Held) -> Gauges {
        Gauges { now: Mutex::default(), held }
    }

    /// Which entry of `targets:` it is counted under.
    pub(super) fn belongs_to(&self, target: &str) {
        let mut now = self.lock();
        if now.target != target {
            target.clone_into(&mut now.target);
        }
    }

    /// A scrape was committed.
    pub(super) fn committed(&self, report: &Report) {
        let mut now = self.lock();
        now.received = report.received;
        now.forwarded = report.forwarded;
        now.dropped = report.dropped;
        now.over_budget = report.over_budget;
        now.dropped_by = report.dropped_by.as_slice().into();
        now.observed_by = report.observed_dropped_by.as_slice().into();
        now.members = report.members;
        now.families = report.families.as_slice().into();
        now.labels = report.labels.clone();
        now.collapsed = report.collapsed.as_slice().into();
    }

    /// One in many scrapes was looked at.
    pub(super) fn looked(&self, diagnosis: Diagnosis) {
        self.lock().diagnosis = Arc::new(diagnosis);
    }

    /// What the endpoint remembers takes so much now.
    pub(super) fn takes(&self, memory_bytes: usize) {
        let mut now = self.lock();
        self.held.changes(now.memory_bytes, memory_bytes as u64);
        now.memory_bytes = memory_bytes as u64;
    }

    /// Members went between two scrapes.
    pub(super) fn lost(&self, members: u64) {
        let mut now = self.lock();
        now.members = now.members.saturating_sub(members);
    }

    pub(super) fn read(&self) -> LiveEndpoint {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, LiveEndpoint> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Gauges {
    fn drop(&mut self) {
        self.takes(0);
    }
}
