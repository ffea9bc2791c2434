//! `/api/v1/cardinality`: which metrics and labels make the series of a target, and what the guard
//! does about it.

use hyper::Uri;
use serde_json::{Value, json};

use super::{limit, not_found, target};
use crate::admin::deeds::{Deed, Stage};
use crate::admin::metrics::{self, Also, Label, Metric};
use crate::admin::query::parameter;
use crate::admin::reply::Reply;
use crate::admin::when::rfc3339;
use crate::engine::cardinality::{Count, Estimated};
use crate::engine::policy::{Manner, Shape};
use crate::state::{Shared, ValueCounts};

/// Metrics in an answer, unless `limit` asks for another number of them.
const USUAL: usize = 50;
const MOST: usize = 1000;

pub(super) fn answer(shared: &Shared, uri: &Uri) -> Result<Reply, Reply> {
    let limit = limit(uri, "metrics", USUAL, MOST)?;
    let config = shared.config();
    let target = target(&config, uri)?;
    let name = &target.settings.name;
    let wanted = parameter(uri, "endpoint").filter(|endpoint| !endpoint.is_empty());
    let endpoints = shared.endpoints().all_of(Some(name));
    let is_meant = |key: &str| wanted.as_deref().is_none_or(|wanted| wanted == key);
    let live: Vec<_> =
        endpoints.iter().filter(|(key, _)| is_meant(&key.to_string())).map(|(_, endpoint)| endpoint.live()).collect();
    if let (Some(endpoint), true) = (&wanted, live.is_empty()) {
        return Err(not_found(&format!("no endpoint of {name} in memory is {endpoint}")));
    }
    let commons = shared.commons(name);
    let (events, everywhere) = (commons.events(), commons.values_everywhere());
    let mut found = metrics::of(&target, &live, &events, None, (limit, Also::Nothing));
    // Other guards may have met a label that this one has not listed.
    for (metric, label) in everywhere.keys() {
        if let Some(metric) = found.metrics.iter_mut().find(|found| *found.name == **metric) {
            metric.label(label);
        }
    }
    Ok(Reply::data(json!({
        "target": name,
        "endpoints": live.len(),
        "metrics": found.metrics.iter().map(|found| metric(found, &everywhere)).collect::<Vec<_>>(),
        "total": found.all,
        "truncated": found.all > found.metrics.len(),
    })))
}

fn metric(metric: &Metric, everywhere: &ValueCounts) -> Value {
    let of = |label: &Label| everywhere.get(&(metric.name.to_string(), label.name.to_string())).copied();
    json!({
        "metric": &*metric.name,
        "type": metric.kind.as_str(),
        "received": metric.received,
        "forwarded": metric.forwarded,
        "limit": metric.limit,
        "demand": metric.demand,
        "guard": metric.deeds.iter().map(deed).collect::<Vec<_>>(),
        "beyondRange": metric.beyond_range,
        "outlived": metric.outlived.as_ref().map(|gauges| json!({"label": &*gauges.label, "series": gauges.series})),
        "labels": metric.labels.iter().map(|it| label(it, of(it))).collect::<Vec<_>>(),
    })
}

fn label(label: &Label, everywhere: Option<u64>) -> Value {
    json!({
        "label": &*label.name,
        "values": label.values.map(|values| values.value),
        "estimated": label.estimated() == Estimated::Yes,
        "valuesEverywhere": everywhere,
        "shape": label.shape.map(Shape::as_str),
        "samples": label.samples,
        "leaves": label.leaves.map(|Count { value, .. }| value),
        "guard": label.deed.as_ref().map(deed),
    })
}

fn deed(deed: &Deed) -> Value {
    json!({
        "action": deed.action.as_str(),
        "policy": &*deed.policy,
        "mode": match deed.manner {
            Manner::Enforced => "enforce",
            Manner::Observed => "observe",
        },
        "acting": deed.stage == Stage::Acting,
        "dropped": deed.dropped,
        "limit": deed.places,
        "since": deed.since.map(rfc3339),
    })
}
