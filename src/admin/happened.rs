//! What happened to the metrics of a target in the last scrapes of its endpoints, put together once:
//! there may be thousands of endpoints, and a limit may have acted on thousands of labels.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::guard::{Attributed, BeyondRange, Collapsed, LabelRow, Outlived};
use crate::engine::policy::{Cause, Manner};
use crate::telemetry::LiveEndpoint;

/// By metric.
#[derive(Default)]
pub(super) struct Happened<'l>(HashMap<&'l str, OfMetric<'l>>);

#[derive(Default)]
pub(super) struct OfMetric<'l> {
    /// Each label as the endpoint shows it that has most values of it.
    pub rows: Vec<LabelRow>,
    /// Labels that limits fold away, each once.
    pub collapsed: Vec<&'l Collapsed>,
    /// Series without a line of their own, by who did it.
    pub lost: Vec<Lost<'l>>,
    pub beyond_range: Vec<&'l BeyondRange>,
    pub outlived: Vec<&'l Outlived>,
}

pub(super) struct Lost<'l> {
    pub cause: &'l Arc<Cause>,
    pub manner: Manner,
    pub count: u64,
}

/// What nothing happened to.
static NOTHING: OfMetric<'static> = OfMetric {
    rows: Vec::new(),
    collapsed: Vec::new(),
    lost: Vec::new(),
    beyond_range: Vec::new(),
    outlived: Vec::new(),
};

impl<'l> Happened<'l> {
    pub(super) fn to(live: &'l [LiveEndpoint]) -> Happened<'l> {
        let mut happened = Happened::default();
        for endpoint in live {
            endpoint.labels.iter().for_each(|row| happened.metric(&row.metric).show(row));
            endpoint.collapsed.iter().for_each(|c| happened.metric(&c.learned.metric).fold(c));
            for row in endpoint.dropped_by.iter() {
                happened.metric(&row.metric).lose(row, Manner::Enforced);
            }
            for row in endpoint.observed_by.iter() {
                happened.metric(&row.metric).lose(row, Manner::Observed);
            }
            let diagnosis = &endpoint.diagnosis;
            diagnosis.beyond_range.iter().for_each(|beyond| happened.metric(&beyond.metric).beyond_range.push(beyond));
            diagnosis.outlived.iter().for_each(|gauge| happened.metric(&gauge.metric).outlived.push(gauge));
        }
        happened
    }

    pub(super) fn of(&self, metric: &str) -> &OfMetric<'l> {
        self.0.get(metric).unwrap_or(&NOTHING)
    }

    fn metric(&mut self, name: &'l str) -> &mut OfMetric<'l> {
        self.0.entry(name).or_default()
    }
}

impl<'l> OfMetric<'l> {
    fn show(&mut self, row: &LabelRow) {
        match self.rows.iter_mut().find(|other| other.label == row.label) {
            Some(other) if other.values.value < row.values.value => *other = row.clone(),
            Some(_) => {}
            None => self.rows.push(row.clone()),
        }
    }

    fn fold(&mut self, collapsed: &'l Collapsed) {
        if !self.collapsed.iter().any(|other| other.learned == collapsed.learned) {
            self.collapsed.push(collapsed);
        }
    }

    fn lose(&mut self, row: &'l Attributed, manner: Manner) {
        match self.lost.iter_mut().find(|other| *other.cause == row.cause && other.manner == manner) {
            Some(other) => other.count += row.count,
            None => self.lost.push(Lost { cause: &row.cause, manner, count: row.count }),
        }
    }
}
