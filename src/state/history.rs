//! Series received and forwarded over time, by target: an hour closely, a day roughly, in memory.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::telemetry::LiveEndpoint;

/// What the endpoints of a target had together at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// On the process' clock.
    pub at: Duration,
    pub received: u64,
    pub forwarded: u64,
}

/// Bounded: so many points a target, and targets that are not configured are forgotten.
#[derive(Debug, Default)]
pub struct History {
    tracks: Mutex<HashMap<String, Track>>,
}

#[derive(Debug, Default)]
struct Track {
    fine: VecDeque<Point>,
    coarse: VecDeque<Point>,
}

/// Between two points of the last hour.
pub const FINE: Duration = Duration::from_secs(10);
/// Between two points of the last day.
pub const COARSE: Duration = Duration::from_secs(300);
const MOST_FINE: usize = 360;
const MOST_COARSE: usize = 288;

impl History {
    /// Notes how many series there are now. Whoever calls it more often than every ten seconds
    /// changes the newest point.
    pub fn sample<'t>(&self, now: Duration, live: &[LiveEndpoint], targets: impl Iterator<Item = &'t str>) {
        let targets: HashSet<&str> = targets.collect();
        let mut sums: HashMap<&str, (u64, u64)> = HashMap::new();
        for endpoint in live.iter().filter(|endpoint| targets.contains(&*endpoint.target)) {
            let sum = sums.entry(&endpoint.target).or_default();
            *sum = (sum.0 + endpoint.received, sum.1 + endpoint.forwarded);
        }
        let mut tracks = self.lock();
        tracks.retain(|target, _| targets.contains(&**target));
        for (target, (received, forwarded)) in sums {
            tracks.entry(target.to_owned()).or_default().note(Point { at: now, received, forwarded });
        }
    }

    /// The last hour where there is no more, else the last day; oldest first.
    pub fn of(&self, target: &str) -> Vec<Point> {
        let tracks = self.lock();
        let Some(track) = tracks.get(target) else { return Vec::new() };
        let begin = track.fine.front().map_or(Duration::MAX, |first| first.at);
        let older = track.coarse.iter().filter(|point| point.at + COARSE <= begin);
        older.chain(&track.fine).copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Track>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Track {
    fn note(&mut self, point: Point) {
        put(&mut self.fine, point, FINE, MOST_FINE);
        put(&mut self.coarse, point, COARSE, MOST_COARSE);
    }
}

/// A point for each stretch of time; within one the highest counts, so that no explosion is lost.
fn put(points: &mut VecDeque<Point>, point: Point, step: Duration, most: usize) {
    match points.back_mut() {
        Some(last) if point.at < last.at + step => {
            last.received = last.received.max(point.received);
            last.forwarded = last.forwarded.max(point.forwarded);
        }
        _ => points.push_back(point),
    }
    if points.len() > most {
        points.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(target: &str, received: u64, forwarded: u64) -> LiveEndpoint {
        LiveEndpoint { target: target.into(), received, forwarded, ..LiveEndpoint::default() }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn endpoints_add_up_and_targets_that_are_gone_are_forgotten() {
        let history = History::default();
        history.sample(at(0), &[live("a", 5, 3), live("a", 7, 4), live("b", 1, 1)], ["a", "b"].into_iter());
        assert_eq!(history.of("a"), [Point { at: at(0), received: 12, forwarded: 7 }]);
        history.sample(at(20), &[live("a", 6, 3), live("b", 1, 1)], ["a"].into_iter());
        assert_eq!(history.of("a").len(), 2);
        assert_eq!(history.of("b"), []);
    }

    #[test]
    fn a_day_is_kept_and_no_peak_is_lost() {
        let history = History::default();
        for second in (0..2 * 86_400).step_by(5) {
            let received = if second == 86_400 + 3600 + 5 { 1000 } else { 10 };
            history.sample(at(second), &[live("a", received, 10)], ["a"].into_iter());
        }
        let points = history.of("a");
        assert!(points.len() <= MOST_FINE + MOST_COARSE, "{}", points.len());
        assert!(points.is_sorted_by(|a, b| a.at < b.at), "{points:?}");
        assert!(points.iter().any(|point| point.received == 1000));
        assert!(points[0].at >= at(86_400 - 300) && points[0].at <= at(86_400 + 300), "{:?}", points[0]);
    }
}
