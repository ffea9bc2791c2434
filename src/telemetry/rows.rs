//! Counter rows: bounded, never moved, and born where Prometheus can see it.
//!
//! PromQL ignores the first sample of a series, so a row nobody foresaw shows 0 in the first own
//! scrape after its birth and its value from the next one on: `increase()` then sees all of it.

use std::collections::{BTreeMap, HashSet};

use prometheus::proto::{Counter, Metric, MetricFamily};

use super::families::{family, labels};
use super::names::Family;

/// How many (target, metric, label) of a family keep a row of their own.
const PLACES: usize = 100;
/// Where the others are counted.
const OTHER: &str = "__other__";

/// The rows of one counter family.
#[derive(Debug)]
pub(super) struct Counters {
    family: &'static Family,
    rows: BTreeMap<Vec<String>, Row>,
}

/// The rows of one counter family that are attributed to a metric and a label, which come from the
/// exporter: the first [`PLACES`] of them keep a row, later ones are counted together.
#[derive(Debug)]
pub(super) struct MetricCounters {
    counters: Counters,
    places: HashSet<[String; 3]>,
    /// Label names among the places: with these, the rows of the others stay bounded too.
    labels: HashSet<String>,
}

/// Who is counted in a [`MetricCounters`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribution<'a> {
    pub target: &'a str,
    pub policy: &'a str,
    pub metric: &'a str,
    pub label: &'a str,
    pub action: &'a str,
    pub cause: &'a str,
}

#[derive(Debug)]
struct Row {
    value: u64,
    exposure: Exposure,
}

/// Whether an own scrape has shown the row, so that Prometheus knows what it rises from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exposure {
    Unseen,
    Seen,
}

impl Counters {
    pub(super) fn new(family: &'static Family) -> Counters {
        Counters { family, rows: BTreeMap::new() }
    }

    /// Makes a row that exists at 0 from now on.
    pub(super) fn foresee(&mut self, values: &[&str]) {
        self.rows.entry(key(values)).or_insert(Row { value: 0, exposure: Exposure::Seen });
    }

    pub(super) fn add(&mut self, values: &[&str], count: u64) {
        let row = self.rows.entry(key(values)).or_insert(Row { value: 0, exposure: Exposure::Unseen });
        row.value += count;
    }

    /// What an own scrape shows.
    pub(super) fn expose(&mut self) -> MetricFamily {
        let names = self.family.labels;
        let metrics = self.rows.iter_mut().map(|(values, row)| {
            let mut counter = Counter::default();
            counter.set_value(row.expose() as f64);
            let mut metric = Metric::from_label(labels(names, values));
            metric.set_counter(counter);
            metric
        });
        family(self.family, metrics.collect())
    }

    /// What has been counted, shown or not.
    #[cfg(test)]
    pub(super) fn value(&self, values: &[&str]) -> Option<u64> {
        self.rows.get(&key(values)).map(|row| row.value)
    }
}

impl Row {
    fn expose(&mut self) -> u64 {
        match std::mem::replace(&mut self.exposure, Exposure::Seen) {
            Exposure::Unseen => 0,
            Exposure::Seen => self.value,
        }
    }
}

impl MetricCounters {
    pub(super) fn new(family: &'static Family) -> MetricCounters {
        MetricCounters { counters: Counters::new(family), places: HashSet::new(), labels: HashSet::new() }
    }

    pub(super) fn add(&mut self, who: Attribution<'_>, count: u64) {
        let (metric, label) = if self.takes_place(who) {
            (who.metric, who.label)
        } else {
            (OTHER, if self.labels.contains(who.label) { who.label } else { OTHER })
        };
        self.counters.add(&[who.target, who.policy, metric, label, who.action, who.cause], count);
    }

    pub(super) fn expose(&mut self) -> MetricFamily {
        self.counters.expose()
    }

    fn takes_place(&mut self, who: Attribution<'_>) -> bool {
        let place = [who.target.to_owned(), who.metric.to_owned(), who.label.to_owned()];
        if self.places.contains(&place) {
            return true;
        }
        let free = self.places.len() < PLACES;
        if free {
            self.places.insert(place);
            self.labels.insert(who.label.to_owned());
        }
        free
    }
}

fn key(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::names::{DROPPED_SERIES, RESETS};
    use prometheus::proto::LabelPair;

    fn exposed(family: &MetricFamily) -> Vec<(String, f64)> {
        let row = |metric: &Metric| {
            let values: Vec<&str> = metric.get_label().iter().map(LabelPair::value).collect();
            (values.join("|"), metric.get_counter().get_value())
        };
        family.get_metric().iter().map(row).collect()
    }

    fn who<'a>(metric: &'a str, label: &'a str) -> Attribution<'a> {
        Attribution { target: "t", policy: "p", metric, label, action: "drop", cause: "policy" }
    }

    #[test]
    fn a_row_nobody_foresaw_shows_0_first() {
        let mut counters = Counters::new(&RESETS);
        counters.foresee(&["foreseen"]);
        counters.add(&["foreseen"], 5);
        counters.add(&["born"], 5);
        assert_eq!(exposed(&counters.expose()), [("born".into(), 0.0), ("foreseen".into(), 5.0)]);
        counters.add(&["born"], 1);
        assert_eq!(exposed(&counters.expose()), [("born".into(), 6.0), ("foreseen".into(), 5.0)]);
    }

    #[test]
    fn a_row_foreseen_again_keeps_its_value() {
        let mut counters = Counters::new(&RESETS);
        counters.add(&["a"], 5);
        counters.foresee(&["a"]);
        assert_eq!(counters.value(&["a"]), Some(5));
        assert_eq!(exposed(&counters.expose()), [("a".into(), 0.0)]);
    }

    #[test]
    fn rows_are_bounded_and_never_move() {
        let mut counters = MetricCounters::new(&DROPPED_SERIES);
        for i in 0..1000 {
            counters.add(who(&format!("metric_{i}"), "job_id"), 1);
        }
        // Hostile label names must not make rows either.
        for i in 0..1000 {
            counters.add(who("metric_0", &format!("label_{i}")), 1);
        }
        counters.add(who("metric_7", "job_id"), 1);
        counters.expose();
        let rows = exposed(&counters.expose());
        assert_eq!(rows.len(), PLACES + 2);
        let value = |name: &str| rows.iter().find(|(row, _)| row == name).map(|(_, value)| *value);
        assert_eq!(value("t|p|metric_7|job_id|drop|policy"), Some(2.0));
        assert_eq!(value("t|p|__other__|job_id|drop|policy"), Some(900.0));
        assert_eq!(value("t|p|__other__|__other__|drop|policy"), Some(1000.0));
        assert_eq!(rows.iter().map(|(_, value)| value).sum::<f64>(), 2001.0);
    }
}
