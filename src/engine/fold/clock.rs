//! The endpoint clock: time as far as this endpoint could be watched.

use std::time::Duration;

/// Advances at each good scrape by the time since the last good one, at most 60 s: an outage ages
/// nothing (rule 1.7).
#[derive(Clone, Copy, Debug, Default)]
pub struct EndpointClock {
    seconds: f64,
    last: Option<Duration>,
    /// Of the time since somebody else's scrape, what passed before this process began to watch.
    head_start: f64,
    before: (f64, Option<Duration>, f64),
}

const LONGEST_STEP: Duration = Duration::from_secs(60);

impl EndpointClock {
    /// A scrape begins at the monotonic instant `now`.
    pub fn advance(&mut self, now: Duration) {
        self.before = (self.seconds, self.last, self.head_start);
        self.seconds += std::mem::take(&mut self.head_start);
        if let Some(last) = self.last {
            self.seconds += now.saturating_sub(last).min(LONGEST_STEP).as_secs_f64();
        }
        self.last = Some(now);
    }

    /// It was not a good one.
    pub fn take_back(&mut self) {
        (self.seconds, self.last, self.head_start) = self.before;
    }

    /// Goes on from where it stood when it was written down. Monotonic time does not survive the
    /// process, so the next good scrape adds nothing.
    pub fn resume(&mut self, seconds: f64) {
        *self = EndpointClock { seconds, last: None, head_start: 0.0, before: (seconds, None, 0.0) };
    }

    /// The last good scrape was somebody else's, so long before `now`: what has passed since counts
    /// with the next good one, however often this is told before it.
    pub fn last_was(&mut self, ago: Duration, now: Duration) {
        let ago = ago.min(LONGEST_STEP);
        self.last = Some(now.saturating_sub(ago));
        self.head_start = ago.saturating_sub(now).as_secs_f64();
        self.before = (self.seconds, self.last, self.head_start);
    }

    /// Where it stood at the last good scrape.
    pub fn before(&self) -> f64 {
        self.before.0
    }

    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_1_7_an_outage_counts_for_a_minute_at_most() {
        let mut clock = EndpointClock::default();
        let at = Duration::from_secs;
        clock.advance(at(1000));
        assert_eq!(clock.seconds(), 0.0);
        clock.advance(at(1015));
        assert_eq!(clock.seconds(), 15.0);
        clock.advance(at(5000));
        assert_eq!(clock.seconds(), 75.0);
    }

    #[test]
    fn time_since_somebody_elses_scrape_counts() {
        let at = Duration::from_secs;
        for (now, ago, counts) in [(at(1000), at(15), 15.0), (at(5), at(15), 15.0), (at(5), at(300), 60.0)] {
            let mut clock = EndpointClock::default();
            clock.resume(100.0);
            clock.last_was(ago, now);
            clock.advance(now);
            assert_eq!(clock.seconds(), 100.0 + counts);
        }
    }

    #[test]
    fn rule_1_7_time_before_this_process_counts_once_however_many_scrapes_fail() {
        let at = Duration::from_secs;
        let mut clock = EndpointClock::default();
        clock.resume(100.0);
        for now in 2..6 {
            clock.last_was(at(38 + now), at(now));
            assert_eq!(clock.seconds(), 100.0, "nothing is committed yet");
            clock.advance(at(now));
            assert_eq!(clock.seconds(), 138.0 + now as f64);
            clock.take_back();
        }
        clock.last_was(at(50), at(12));
        clock.advance(at(12));
        assert_eq!(clock.seconds(), 150.0);
        clock.advance(at(20));
        assert_eq!(clock.seconds(), 158.0);
    }

    #[test]
    fn a_failed_scrape_takes_its_time_back() {
        let mut clock = EndpointClock::default();
        clock.advance(Duration::from_secs(10));
        clock.advance(Duration::from_secs(20));
        clock.take_back();
        assert_eq!(clock.seconds(), 0.0);
        clock.advance(Duration::from_secs(25));
        assert_eq!(clock.seconds(), 15.0);
    }
}
