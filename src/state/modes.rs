//! Modes set by hand, each for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::policy::Mode;

/// A mode that somebody has set in place of a target's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    pub mode: Mode,
    /// On the process' clock.
    pub until: Duration,
}

/// By target. Names that are not configured are kept all the same: they may come back.
#[derive(Clone, Debug, Default)]
pub(super) struct Overrides {
    by_target: BTreeMap<String, Override>,
}

impl Overrides {
    pub(super) fn set(&mut self, target: &str, set: Override) {
        self.by_target.insert(target.to_owned(), set);
    }

    pub(super) fn of(&self, target: &str) -> Option<Override> {
        self.by_target.get(target).copied()
    }

    /// Those whose time is over go; says whose they were.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<String> {
        let over = self.by_target.iter().filter(|(_, set)| set.until <= now);
        let over: Vec<String> = over.map(|(target, _)| target.clone()).collect();
        self.by_target.retain(|_, set| set.until > now);
        over
    }

    /// When the next one is over.
    pub(super) fn next_end(&self) -> Option<Duration> {
        self.by_target.values().map(|set| set.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ends_when_its_time_is_over() {
        let mut overrides = Overrides::default();
        let until = |seconds| Override { mode: Mode::Pass, until: Duration::from_secs(seconds) };
        overrides.set("a", until(10));
        overrides.set("b", until(5));
        overrides.set("b", until(20));
        assert_eq!(overrides.next_end(), Some(Duration::from_secs(10)));
        assert_eq!(overrides.expire(Duration::from_secs(9)), [""; 0]);
        assert_eq!(overrides.expire(Duration::from_secs(10)), ["a"]);
        assert_eq!((overrides.of("a"), overrides.of("b")), (None, Some(until(20))));
        assert_eq!(overrides.expire(Duration::from_secs(20)), ["b"]);
        assert_eq!(overrides.next_end(), None);
    }
}
