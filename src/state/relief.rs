//! `memory_limit`: beyond it, whoever has been absent the longest goes, whatever endpoint remembers
//! it (rule 1.7); what was in an endpoint's last scrape stays.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::engine::guard::Absences;

use super::{Endpoints, trim};

/// Whether there is room in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Enough,
    /// Everything that is left was in its endpoint's last scrape, or is being scraped now.
    Short,
}

/// One look through memory at a time, and a while between two of them.
#[derive(Debug, Default)]
pub(super) struct Relief {
    looking: Mutex<()>,
    /// When the next look may begin.
    next_millis: AtomicU64,
}

/// Looking means a walk over all members, so it is not done more often.
const PAUSE: Duration = Duration::from_secs(1);
/// This part of the limit is made free, so that the next scrape does not have to look again.
const SPARE: u64 = 16;

impl Endpoints {
    /// Whether another endpoint can be taken in, as things stand. `limit` 0 = off.
    pub fn room(&self, limit: u64) -> Room {
        if let Some(replicas) = self.replicas() {
            replicas.shelf().limit(limit);
        }
        if limit == 0 || self.memory() < limit { Room::Enough } else { Room::Short }
    }

    /// Whether [`Endpoints::make_room`] would look at all.
    pub fn may_look(&self, now: Duration) -> bool {
        now.as_millis() as u64 >= self.relief.next_millis.load(Ordering::Acquire)
    }

    /// Makes room where there is none. Locks one endpoint after the other, and leaves those alone
    /// that are being scraped: it works, so it is for a thread that may.
    pub fn make_room(&self, limit: u64, members_limit: usize, now: Duration) -> Room {
        // Whoever comes second profits from what the first one finds.
        let looking = self.relief.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.may_look(now) || self.room(limit) == Room::Enough {
            return self.room(limit);
        }
        self.relief.next_millis.store((now + PAUSE).as_millis() as u64, Ordering::Release);
        let all = self.all_of(None);
        let mut absences = Absences::default();
        for (_, endpoint) in &all {
            if let Some(lease) = endpoint.try_lease() {
                lease.absences(&mut absences);
            }
        }
        let excess = self.memory().saturating_sub(limit - limit / SPARE);
        let mut all_gone = 0;
        if let Some(seconds) = absences.cut(excess as usize) {
            for (_, endpoint) in &all {
                if let Some(mut lease) = endpoint.try_lease() {
                    let gone = lease.forget_absent(seconds, members_limit);
                    self.telemetry().members_evicted(&endpoint.live().target, gone);
                    all_gone += gone;
                }
            }
        }
        // Whoever waits for his turn here finds room, and need not wait for the system.
        drop(looking);
        if all_gone > 0 {
            trim::give_back();
        }
        self.room(limit)
    }
}
