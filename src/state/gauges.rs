//! What an endpoint looks like now, readable while a scrape of it is under way.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::guard::Report;
use crate::telemetry::LiveEndpoint;

/// The account of an endpoint's last good scrape.
#[derive(Debug, Default)]
pub(super) struct Gauges(Mutex<LiveEndpoint>);

impl Gauges {
    /// Which entry of `targets:` it is counted under.
    pub(super) fn belongs_to(&self, target: &str) {
        let mut now = self.lock();
        if now.target != target {
            target.clone_into(&mut now.target);
        }
    }

    pub(super) fn committed(&self, report: &Report, memory_bytes: usize) {
        let mut now = self.lock();
        now.received = report.received;
        now.forwarded = report.forwarded;
        now.members = report.members;
        now.memory_bytes = memory_bytes as u64;
    }

    pub(super) fn read(&self) -> LiveEndpoint {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, LiveEndpoint> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
