//! What all rounds come to: the sums of the table, and whether the counts are true.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::scrape::Reading;

/// Rounds that the picture of the last minute shows.
const HISTORY: usize = 60;

/// One round of scrapes.
pub struct Round {
    pub elapsed: Duration,
    pub rows: Vec<Row>,
}

/// One exporter in one round.
pub struct Row {
    pub name: &'static str,
    /// The fleet's own count at this moment.
    pub jobs: u64,
    /// Series that exist or ever existed on the exporter.
    pub series_ever: u64,
    pub direct: Result<Reading, String>,
    pub guarded: Result<Reading, String>,
}

/// Every round so far.
#[derive(Default)]
pub struct Tally {
    pub elapsed: Duration,
    /// In the order of the rounds' rows.
    pub exporters: Vec<Exporter>,
    /// Series in and out, over all exporters, a pair a round.
    pub history: VecDeque<(usize, usize)>,
}

/// One exporter over all rounds.
pub struct Exporter {
    pub name: &'static str,
    pub direct: Side,
    pub guarded: Side,
    pub series_ever: u64,
    /// Series that came into being since the round before.
    pub series_new: u64,
    /// Jobs done since the first scrape, by the fleet's own count.
    pub jobs: u64,
    jobs_before: u64,
}

/// One exporter seen one way.
pub struct Side {
    /// Why there is nothing to show from the last round.
    pub error: Option<String>,
    pub took: Duration,
    pub bytes: usize,
    pub series: usize,
    /// Series left out, as the guard itself says.
    pub dropped: usize,
    /// `sum(increase())` of the job counter since the first scrape.
    pub increase: f64,
    last: Option<HashMap<String, f64>>,
}

/// How a count compares with the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    Exact,
    /// By this part of the truth: -1.0 is all of it missing.
    Off(f64),
}

impl Tally {
    pub fn add(&mut self, round: Round) {
        self.elapsed = round.elapsed;
        if self.exporters.is_empty() {
            self.exporters = round.rows.iter().map(Exporter::new).collect();
        }
        for (exporter, row) in self.exporters.iter_mut().zip(round.rows) {
            exporter.add(row);
        }
        self.history.push_back((self.sum(|e| e.direct.series), self.sum(|e| e.guarded.series)));
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    pub fn sum<T: std::iter::Sum>(&self, of: impl Fn(&Exporter) -> T) -> T {
        self.exporters.iter().map(of).sum()
    }
}

impl Exporter {
    fn new(row: &Row) -> Exporter {
        Exporter {
            name: row.name,
            direct: Side::new(),
            guarded: Side::new(),
            series_ever: row.series_ever,
            series_new: 0,
            jobs: 0,
            jobs_before: row.jobs,
        }
    }

    fn add(&mut self, row: Row) {
        self.series_new = row.series_ever - self.series_ever;
        self.series_ever = row.series_ever;
        if self.guarded.last.is_none() {
            // The guard has not seen the fleet before: counting begins now.
            self.jobs_before = row.jobs;
        }
        self.jobs = row.jobs - self.jobs_before;
        self.direct.add(row.direct);
        self.guarded.add(row.guarded);
    }
}

impl Side {
    fn new() -> Side {
        let took = Duration::ZERO;
        Side { error: None, took, bytes: 0, series: 0, dropped: 0, increase: 0.0, last: None }
    }

    fn add(&mut self, outcome: Result<Reading, String>) {
        let reading = match outcome {
            Ok(reading) => reading,
            Err(error) => {
                self.error = Some(error);
                return;
            }
        };
        self.error = None;
        (self.took, self.bytes, self.series) = (reading.took, reading.bytes, reading.series);
        self.dropped = reading.dropped;
        if let Some(last) = &self.last {
            self.increase += increase(last, &reading.jobs);
        }
        self.last = Some(reading.jobs);
    }
}

/// What PromQL's `increase()` sees between two scrapes, summed: a series' first sample is no
/// increase, and a value that fell counts from 0.
fn increase(last: &HashMap<String, f64>, now: &HashMap<String, f64>) -> f64 {
    let seen_before = now.iter().filter_map(|(series, value)| Some((*last.get(series)?, *value)));
    seen_before.map(|(before, now)| if now >= before { now - before } else { now }).sum()
}

impl Verdict {
    pub fn of(counted: f64, truth: u64) -> Verdict {
        let truth = truth as f64;
        if counted == truth { Verdict::Exact } else { Verdict::Off((counted - truth) / truth.max(1.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(jobs: u64, direct: &[(&str, f64)], guarded: Result<f64, &str>) -> Row {
        let reading = |samples: &[(&str, f64)]| Reading {
            took: Duration::ZERO,
            bytes: 0,
            series: samples.len(),
            dropped: 0,
            jobs: samples.iter().map(|(s, v)| ((*s).to_owned(), *v)).collect(),
        };
        Row {
            name: "x",
            jobs,
            series_ever: jobs,
            direct: Ok(reading(direct)),
            guarded: guarded.map(|value| reading(&[("m", value)])).map_err(str::to_owned),
        }
    }

    #[test]
    fn births_are_lost_directly_and_counted_through_the_guard() {
        let mut tally = Tally::default();
        let rounds = [
            row(1, &[("a", 1.0)], Ok(0.0)),
            row(3, &[("a", 1.0), ("b", 1.0), ("c", 1.0)], Ok(2.0)),
            row(4, &[("c", 2.0)], Ok(3.0)),
        ];
        for row in rounds {
            tally.add(Round { elapsed: Duration::ZERO, rows: vec![row] });
        }
        let exporter = &tally.exporters[0];
        assert_eq!((exporter.jobs, exporter.series_new), (3, 1));
        assert_eq!(Verdict::of(exporter.guarded.increase, exporter.jobs), Verdict::Exact);
        assert_eq!(Verdict::of(exporter.direct.increase, exporter.jobs), Verdict::Off(-2.0 / 3.0));
    }

    #[test]
    fn a_failed_scrape_is_shown_and_costs_nothing() {
        let mut tally = Tally::default();
        let rounds = [row(1, &[], Err("502 exporter: refused")), row(2, &[], Ok(0.0)), row(5, &[], Err("504"))];
        for row in rounds {
            tally.add(Round { elapsed: Duration::ZERO, rows: vec![row] });
        }
        assert_eq!(tally.exporters[0].guarded.error.as_deref(), Some("504"));
        tally.add(Round { elapsed: Duration::ZERO, rows: vec![row(6, &[], Ok(4.0))] });
        let exporter = &tally.exporters[0];
        assert_eq!(exporter.guarded.error, None);
        assert_eq!(Verdict::of(exporter.guarded.increase, exporter.jobs), Verdict::Exact);
    }
}
