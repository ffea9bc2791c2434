//! Gauges with a row for each metric or label: what the exporters invent, so the largest hundred
//! and no more.

use std::collections::BTreeMap;

use prometheus::proto::MetricFamily;

use super::LiveEndpoint;
use super::families::gauges;
use super::names::{self, Family};
use crate::engine::policy::Manner;

/// Rows of each family.
const PLACES: usize = 100;

/// What the endpoints of a target have of one metric together.
#[derive(Clone, Copy, Debug, Default)]
struct Metric {
    series: u64,
    limit: Option<u64>,
    total: Option<u64>,
    demand: u64,
}

type Row = (Vec<String>, f64);

/// The families there are, of what lives now.
pub(super) fn families(live: &[LiveEndpoint]) -> Vec<MetricFamily> {
    let metrics = metrics(live);
    let of = |about: &'static Family, value: fn(&Metric) -> Option<u64>| {
        let row = |((target, metric), m): &((String, String), Metric)| {
            Some((vec![target.clone(), metric.clone()], value(m)? as f64))
        };
        gauges(about, metrics.iter().filter_map(row))
    };
    vec![
        of(&names::METRIC_SERIES, |m| Some(m.series)),
        of(&names::METRIC_SERIES_LIMIT, |m| m.limit.into_iter().chain(m.total).min()),
        of(&names::METRIC_SERIES_DEMAND, |m| Some(m.demand)),
        gauges(&names::LABEL_VALUES, label_values(live)),
        gauges(&names::COLLAPSED, collapsed(live)),
    ]
}

/// The largest first.
fn metrics(live: &[LiveEndpoint]) -> Vec<((String, String), Metric)> {
    let mut by_name: BTreeMap<(String, String), Metric> = BTreeMap::new();
    for endpoint in live {
        for family in endpoint.families.iter() {
            let metric = by_name.entry((endpoint.target.clone(), family.metric.to_string())).or_default();
            metric.series += family.forwarded;
            metric.demand += family.demand;
            if let Some(limit) = family.limit {
                metric.limit = Some(metric.limit.unwrap_or(0) + limit);
            }
            metric.total = family.total.or(metric.total);
        }
    }
    let mut metrics: Vec<_> = by_name.into_iter().collect();
    metrics.sort_by(|a, b| b.1.demand.max(b.1.series).cmp(&a.1.demand.max(a.1.series)).then_with(|| a.0.cmp(&b.0)));
    metrics.truncate(PLACES);
    metrics
}

/// The worst endpoint of each target speaks for it.
fn label_values(live: &[LiveEndpoint]) -> Vec<Row> {
    let mut worst: BTreeMap<[String; 3], u64> = BTreeMap::new();
    for endpoint in live {
        for row in endpoint.labels.iter() {
            let key = [endpoint.target.clone(), row.metric.to_string(), row.label.to_string()];
            let values = worst.entry(key).or_default();
            *values = row.values.value.max(*values);
        }
    }
    let mut rows: Vec<([String; 3], u64)> = worst.into_iter().collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rows.truncate(PLACES);
    rows.into_iter().map(|(key, values)| (key.to_vec(), values as f64)).collect()
}

fn collapsed(live: &[LiveEndpoint]) -> Vec<Row> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for endpoint in live {
        for collapsed in endpoint.collapsed.iter().filter(|c| c.learned.manner == Manner::Enforced) {
            let words = [&endpoint.target, &*collapsed.learned.metric, &*collapsed.learned.label, collapsed.aggregate];
            rows.push(words.map(str::to_owned).to_vec());
        }
    }
    rows.sort();
    rows.dedup();
    rows.truncate(PLACES);
    rows.into_iter().map(|row| (row, 1.0)).collect()
}
