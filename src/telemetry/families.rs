//! Families as the `prometheus` crate wants them.

use prometheus::proto::{Gauge, LabelPair, Metric, MetricFamily};

use super::names::Family;

pub(super) fn family(about: &'static Family, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(about.name.into());
    family.set_help(about.help.into());
    family.set_field_type(about.kind);
    family.set_metric(metrics);
    family
}

/// A gauge family with a metric per row of label values.
pub(super) fn gauges(about: &'static Family, rows: impl IntoIterator<Item = (Vec<String>, f64)>) -> MetricFamily {
    let metric = |(values, value): (Vec<String>, f64)| {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        let mut metric = Metric::from_label(labels(about.labels, &values));
        metric.set_gauge(gauge);
        metric
    };
    family(about, rows.into_iter().map(metric).collect())
}

pub(super) fn labels(names: &[&str], values: &[String]) -> Vec<LabelPair> {
    let pair = |(name, value): (&&str, &String)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(value.clone());
        pair
    };
    names.iter().zip(values).map(pair).collect()
}
