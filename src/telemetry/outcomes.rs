//! How the last scrapes of each target ended, and whether the end is worth a line in the log: a
//! target that fails all night must not fill the disk.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use super::ScrapeResult;

/// Between two lines about the same result of the same target.
const QUIET: Duration = Duration::from_secs(60);

/// How the last scrape of a target ended.
#[derive(Clone, Debug)]
pub struct LastOutcome {
    pub result: ScrapeResult,
    pub reason: String,
    pub at: SystemTime,
    /// From the request to the last byte of the answer.
    pub took: Duration,
}

/// What is remembered per target.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    targets: HashMap<String, Target>,
}

/// What a scrape's end is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// A line, which also stands for as many that were not written.
    Failure {
        unlogged: u64,
    },
    Recovery,
    Little,
}

#[derive(Debug)]
struct Target {
    last: LastOutcome,
    logged: HashMap<ScrapeResult, Logged>,
}

#[derive(Debug)]
struct Logged {
    at: Instant,
    unlogged: u64,
}

impl Outcomes {
    /// Notes the end of a scrape: a result that is new for its target, or that was not logged for
    /// a minute, is worth a line.
    pub(super) fn note(&mut self, target: &str, last: LastOutcome, now: Instant) -> Worth {
        let result = last.result;
        let Some(known) = self.targets.get_mut(target) else {
            let mut known = Target { last, logged: HashMap::new() };
            let worth = if result == ScrapeResult::Ok { Worth::Little } else { known.log(result, now) };
            self.targets.insert(target.to_owned(), known);
            return worth;
        };
        let before = std::mem::replace(&mut known.last, last).result;
        match (result, before) {
            (ScrapeResult::Ok, ScrapeResult::Ok) => Worth::Little,
            _ => known.log(result, now),
        }
    }

    pub(super) fn last(&self, target: &str) -> Option<LastOutcome> {
        self.targets.get(target).map(|known| known.last.clone())
    }
}

impl Target {
    fn log(&mut self, result: ScrapeResult, now: Instant) -> Worth {
        let unlogged = match self.logged.get_mut(&result) {
            Some(logged) if now.duration_since(logged.at) < QUIET => {
                logged.unlogged += 1;
                return Worth::Little;
            }
            Some(logged) => logged.unlogged,
            None => 0,
        };
        self.logged.insert(result, Logged { at: now, unlogged: 0 });
        match result {
            ScrapeResult::Ok => Worth::Recovery,
            _ => Worth::Failure { unlogged },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ScrapeResult::{Ok as Good, Timeout, Upstream};

    fn last(result: ScrapeResult) -> LastOutcome {
        LastOutcome { result, reason: "why".into(), at: SystemTime::now(), took: Duration::ZERO }
    }

    #[test]
    fn a_line_on_change_and_then_one_a_minute() {
        let (mut outcomes, start) = (Outcomes::default(), Instant::now());
        let mut note = |second, result| outcomes.note("a", last(result), start + Duration::from_secs(second));
        assert_eq!(note(0, Good), Worth::Little);
        assert_eq!(note(1, Upstream), Worth::Failure { unlogged: 0 });
        assert_eq!(note(2, Upstream), Worth::Little);
        assert_eq!(note(3, Timeout), Worth::Failure { unlogged: 0 });
        assert_eq!(note(4, Upstream), Worth::Little);
        assert_eq!(note(5, Good), Worth::Recovery);
        assert_eq!(note(6, Good), Worth::Little);
        assert_eq!(note(61, Upstream), Worth::Failure { unlogged: 2 });
        assert_eq!(note(62, Upstream), Worth::Little);
    }

    #[test]
    fn targets_are_apart() {
        let (mut outcomes, now) = (Outcomes::default(), Instant::now());
        assert_eq!(outcomes.note("a", last(Upstream), now), Worth::Failure { unlogged: 0 });
        assert_eq!(outcomes.note("b", last(Upstream), now), Worth::Failure { unlogged: 0 });
        assert!(outcomes.last("c").is_none());
        assert_eq!(outcomes.last("b").map(|last| last.result), Some(Upstream));
    }
}
