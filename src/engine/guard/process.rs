//! `process_start_time_seconds`: when every member restarts from 0 (rule 1.4).

use serde::{Deserialize, Serialize};

use crate::engine::fold::Process;

/// The family that says it.
pub const START_TIME: &str = "process_start_time_seconds";

/// Whether a line is the one sample without labels that says it.
pub fn is_start_time(line: &[u8]) -> bool {
    let rest = line.trim_ascii_start().strip_prefix(START_TIME.as_bytes());
    rest.is_some_and(|rest| rest.starts_with(b" ") || rest.starts_with(b"\t") || rest.starts_with(b"{}"))
}

/// Which process the guard has watched, and for how long.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct ProcessWatch {
    started: Option<f64>,
    /// Endpoint clock when the guard first saw this process.
    since: f64,
    /// What an aborted scrape said after families had been settled: this scrape begins with it.
    #[serde(skip)]
    forecast: Option<f64>,
}

/// Smaller moves are clock noise.
const LEAST_MOVE_SECONDS: f64 = 2.0;
const LEAST_PART_OF_WATCH: f64 = 0.9;

impl ProcessWatch {
    /// What a start time means at `now` of the endpoint clock. Forward by at least 2 s and by at
    /// least 0.9 of the time watched is a restart: Go clients derive it from a boot time that
    /// moves with NTP in a living process.
    pub fn verdict(&self, start: Option<f64>, now: f64) -> Process {
        let (Some(before), Some(start)) = (self.started, start.or(self.forecast)) else { return Process::Same };
        let moved = start - before;
        if moved >= LEAST_MOVE_SECONDS && moved >= LEAST_PART_OF_WATCH * (now - self.since) {
            Process::Restarted
        } else {
            Process::Same
        }
    }

    /// The scrape is aborted, but its start time was seen.
    pub fn expect(&mut self, start: f64) {
        self.forecast = Some(start);
    }

    /// The scrape is committed.
    pub fn commit(&mut self, start: Option<f64>, now: f64) {
        let start = start.or(self.forecast.take());
        self.forecast = None;
        let Some(start) = start.filter(|s| s.is_finite()) else { return };
        if self.started.is_none() || self.verdict(Some(start), now) == Process::Restarted {
            self.since = now;
        }
        self.started = Some(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_1_4_a_restart_moves_the_start_by_the_time_watched() {
        let mut watch = ProcessWatch::default();
        watch.commit(Some(1000.0), 0.0);
        watch.commit(Some(1000.0), 100.0);
        assert_eq!(watch.verdict(Some(1000.0), 115.0), Process::Same);
        assert_eq!(watch.verdict(Some(1110.0), 115.0), Process::Restarted);
    }

    #[test]
    fn rule_1_4_jitter_and_moves_back_are_noise() {
        let mut watch = ProcessWatch::default();
        watch.commit(Some(1000.0), 0.0);
        for start in [1001.0, 999.0, 1001.9] {
            assert_eq!(watch.verdict(Some(start), 0.0), Process::Same);
        }
        assert_eq!(watch.verdict(Some(1060.0), 3600.0), Process::Same);
        watch.commit(Some(1001.0), 15.0);
        assert_eq!(watch.verdict(Some(1002.5), 30.0), Process::Same);
    }
}
