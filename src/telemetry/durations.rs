//! A histogram of durations.

use std::time::Duration;

use prometheus::proto::{Bucket, Histogram};

/// Upper bounds in seconds: from a small local exporter to the longest deadline worth having.
const BOUNDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

#[derive(Debug, Default)]
pub(super) struct Durations {
    /// Not cumulated; what is beyond the last bound is only in `count`.
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Durations {
    pub(super) fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        if let Some(bucket) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }

    pub(super) fn expose(&self) -> Histogram {
        let mut cumulative = 0;
        let bucket = |(bound, count): (&f64, &u64)| {
            cumulative += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(cumulative);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(BOUNDS.iter().zip(&self.buckets).map(bucket).collect());
        histogram.set_sample_count(self.count);
        histogram.set_sample_sum(self.sum);
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_bounds_inclusive() {
        let mut durations = Durations::default();
        for millis in [5, 6, 1000, 60_000] {
            durations.observe(Duration::from_millis(millis));
        }
        let exposed = durations.expose();
        let count_at =
            |bound: f64| exposed.get_bucket().iter().find(|b| b.upper_bound() == bound).map(Bucket::cumulative_count);
        assert_eq!(
            (count_at(0.005), count_at(0.01), count_at(1.0), count_at(30.0)),
            (Some(1), Some(2), Some(3), Some(3))
        );
        assert_eq!(exposed.get_sample_count(), 4);
        assert_eq!(exposed.get_sample_sum(), 61.011);
    }
}
