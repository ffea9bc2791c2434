//! A scrape's report as one line of JSON. Names are those of the annotation and of the guard's own
//! metrics.

use serde_json::{Value, json};

use crate::engine::guard::{Attributed, Report};

pub(super) fn committed(scrape: usize, input: &str, report: &Report) -> Value {
    let bad_samples: serde_json::Map<String, Value> =
        report.bad_samples.iter().map(|(reason, count)| (reason.as_str().into(), (*count).into())).collect();
    json!({
        "scrape": scrape,
        "input": input,
        "series_received": report.received,
        "series_forwarded": report.forwarded,
        "series_dropped": report.dropped,
        "series_over_budget": report.over_budget,
        "series_frozen": report.frozen,
        "limit_headroom_ratio": report.headroom.unwrap_or(1.0),
        "collapsed_labels": report.collapsed_labels,
        "dropped_series": attributed(&report.dropped_by),
        "new_series_blocked": attributed(&report.blocked_by),
        "folded_samples": attributed(&report.folded_by),
        "observed_dropped_series": attributed(&report.observed_dropped_by),
        "observed_new_series_blocked": attributed(&report.observed_blocked_by),
        "observed_folded_samples": attributed(&report.observed_folded_by),
        "members": report.members,
        "members_evicted": report.members_evicted,
        "resets": report.resets,
        "rebaselined": report.rebaselined,
        "bad_samples": bad_samples,
        "input_duplicates": report.input_duplicates,
        "bucket_layout_conflicts": report.bucket_layout_conflicts,
    })
}

pub(super) fn failed(scrape: usize, input: &str, reason: &str) -> Value {
    json!({ "scrape": scrape, "input": input, "error": reason })
}

fn attributed(rows: &[Attributed]) -> Vec<Value> {
    let row = |row: &Attributed| {
        json!({
            "policy": &*row.cause.policy,
            "metric": &*row.metric,
            "label": &*row.cause.label,
            "action": row.cause.action.as_str(),
            "count": row.count,
        })
    };
    rows.iter().map(row).collect()
}
