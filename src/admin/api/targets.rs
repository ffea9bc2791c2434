//! `/api/v1/targets`: who may be scraped, and how that goes.

use hyper::Uri;
use serde_json::{Value, json};

use super::not_found;
use crate::admin::query::parameter;
use crate::admin::reply::Reply;
use crate::admin::targets::{self, Endpoint, Target};
use crate::admin::when::{rfc3339, wall};
use crate::state::Shared;
use crate::telemetry::{LastOutcome, ScrapeResult};

pub(super) fn answer(shared: &Shared, uri: &Uri) -> Result<Reply, Reply> {
    let name = parameter(uri, "target").filter(|name| !name.is_empty());
    let targets = targets::of(shared);
    let meant = |target: &&Target| name.as_deref().is_none_or(|name| target.active.settings.name == name);
    let shown: Vec<Value> = targets.iter().filter(meant).map(shown).collect();
    match name {
        Some(name) if shown.is_empty() => Err(not_found(&format!("no target is named {name}"))),
        _ => Ok(Reply::data(json!({ "targets": shown }))),
    }
}

fn shown(target: &Target) -> Value {
    let settings = &target.active.settings;
    let set = target.set.map(|(mode, until)| json!({"mode": mode.as_str(), "until": rfc3339(until)}));
    let mut shown = json!({
        "target": settings.name,
        "entry": target.entry,
        "mode": target.active.mode.as_str(),
        "modeSet": set,
        "seriesLimit": (settings.series_limit > 0).then_some(settings.series_limit),
        "seriesReceived": target.sum(|live| live.received),
        "seriesForwarded": target.sum(|live| live.forwarded),
        "seriesDropped": target.sum(|live| live.dropped),
        "endpoints": target.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
    });
    merge(&mut shown, last(target.last.as_ref()));
    shown
}

fn endpoint(endpoint: &Endpoint) -> Value {
    let live = &endpoint.live;
    let mut shown = json!({
        "endpoint": endpoint.url,
        "seriesReceived": live.received,
        "seriesForwarded": live.forwarded,
        "seriesDropped": live.dropped,
        "seriesOverBudget": live.over_budget,
        "members": live.members,
        "memoryBytes": live.memory_bytes,
    });
    merge(&mut shown, last(live.last.as_ref()));
    shown
}

fn last(last: Option<&LastOutcome>) -> Value {
    let Some(last) = last else {
        return json!({"health": "unknown", "lastScrape": null, "lastScrapeDurationSeconds": null, "lastError": ""});
    };
    let health = if last.result == ScrapeResult::Ok { "up" } else { "down" };
    json!({
        "health": health,
        "lastResult": last.result.as_str(),
        "lastScrape": rfc3339(wall(last.at)),
        "lastScrapeDurationSeconds": last.took.as_secs_f64(),
        "lastError": last.reason,
    })
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
