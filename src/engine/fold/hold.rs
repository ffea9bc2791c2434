//! How long a newborn group shows 0 (rules 2.1 and 2.2).

use std::collections::VecDeque;
use std::time::Duration;

/// What a policy says about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hold {
    /// Seconds of the endpoint clock.
    Fixed(f64),
    /// Twice the longest regular scrape interval seen ([`Clients::hold_seconds`]).
    Auto,
}

/// Who scrapes this endpoint, and how regularly.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    known: Vec<Client>,
    /// What held before a restart, until a client is known to be regular again.
    before: Option<f64>,
}

#[derive(Clone, Debug)]
struct Client {
    id: u64,
    last: Duration,
    scrapes: u32,
    gaps: VecDeque<Duration>,
}

/// Before any client is known to be regular.
const UNKNOWN: f64 = 60.0;
/// A client counts from its third scrape on.
const REGULAR: u32 = 3;
const GAPS: usize = 10;
/// Longer gaps are outages, not intervals.
const OUTAGE: Duration = Duration::from_secs(300);
/// Passers-by must not push the regular ones out of memory without bound.
const MOST_CLIENTS: usize = 32;

impl Clients {
    /// A scrape of this client was answered.
    pub fn answered(&mut self, id: u64, now: Duration) {
        if let Some(client) = self.known.iter_mut().find(|c| c.id == id) {
            let gap = now.saturating_sub(client.last);
            client.last = now;
            client.scrapes = client.scrapes.saturating_add(1);
            if gap <= OUTAGE {
                if client.gaps.len() == GAPS {
                    client.gaps.pop_front();
                }
                client.gaps.push_back(gap);
            }
            return;
        }
        if self.known.len() == MOST_CLIENTS
            && let Some(oldest) = (0..self.known.len()).min_by_key(|&i| self.known[i].last)
        {
            self.known.swap_remove(oldest);
        }
        self.known.push(Client { id, last: now, scrapes: 1, gaps: VecDeque::new() });
    }

    /// Clients are strangers after a restart, but scrape as before.
    pub fn resume(hold_seconds: f64) -> Clients {
        Clients { known: Vec::new(), before: Some(hold_seconds) }
    }

    /// Another guard held so long: it counts here until a client is known to be regular.
    pub fn heard(&mut self, hold_seconds: f64) {
        self.before = Some(hold_seconds);
    }

    /// Twice the longest of the last gaps of any regular client.
    pub fn hold_seconds(&self) -> f64 {
        let regular = self.known.iter().filter(|c| c.scrapes >= REGULAR);
        let longest = regular.flat_map(|c| c.gaps.iter()).max();
        longest.map_or_else(|| self.before.unwrap_or(UNKNOWN), |gap| 2.0 * gap.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn rule_2_2_a_minute_until_a_client_is_known() {
        let mut clients = Clients::default();
        assert_eq!(clients.hold_seconds(), 60.0);
        clients.answered(1, at(0));
        clients.answered(1, at(15));
        assert_eq!(clients.hold_seconds(), 60.0);
        clients.answered(1, at(30));
        assert_eq!(clients.hold_seconds(), 30.0);
    }

    #[test]
    fn rule_2_2_the_slowest_regular_client_decides() {
        let mut clients = Clients::default();
        for i in 0..5 {
            clients.answered(1, at(15 * i));
            clients.answered(2, at(60 * i));
        }
        assert_eq!(clients.hold_seconds(), 120.0);
    }

    #[test]
    fn rule_2_2_outages_and_passers_by_do_not_count() {
        let mut clients = Clients::default();
        for i in 0..3 {
            clients.answered(1, at(10 * i));
        }
        clients.answered(1, at(1000));
        clients.answered(9, at(1001));
        assert_eq!(clients.hold_seconds(), 20.0);
    }
}
