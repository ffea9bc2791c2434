//! What may be ordered: end collapses, set a mode for a while.

use std::time::Duration;

use hyper::Uri;
use serde_json::{Value, json};

use super::{bad, not_found, target};
use crate::admin::query::parameter;
use crate::admin::reply::Reply;
use crate::admin::when::{self, rfc3339};
use crate::engine::guard::Learned;
use crate::engine::policy::{Mode, yaml};
use crate::state::Shared;

/// How long a mode stays when nobody says.
const USUAL: Duration = Duration::from_secs(30 * 60);
/// Whoever wants it for longer writes it into the settings.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// `POST /api/v1/release`: labels that a limit has folded away are there again from the next scrape
/// of each endpoint on, unless they explode again.
pub(super) fn release(shared: &Shared, uri: &Uri) -> Result<Reply, Reply> {
    let target = target(&shared.config(), uri)?;
    let name = &target.settings.name;
    let metric = parameter(uri, "metric").filter(|metric| !metric.is_empty());
    let released = shared.commons(name).release(metric.as_deref(), shared.clock().wall_seconds());
    shared.telemetry().labels_released(name, released.len());
    let released: Vec<Value> = released.iter().map(label).collect();
    Ok(Reply::data(json!({"target": name, "metric": metric, "released": released})))
}

/// `POST /api/v1/mode`: a target's mode, for a while.
pub(super) fn mode(shared: &Shared, uri: &Uri) -> Result<Reply, Reply> {
    let target = target(&shared.config(), uri)?;
    let name = &target.settings.name;
    let word = parameter(uri, "mode").unwrap_or_default();
    let mode = Mode::named(&word).ok_or_else(|| bad("mode is one of enforce, observe, pass"))?;
    let time = match parameter(uri, "for") {
        None => USUAL,
        Some(text) => yaml::duration(&text)
            .filter(|time| !time.is_zero() && *time <= LONGEST)
            .ok_or_else(|| bad("for is a duration such as 30m, 7d at most"))?,
    };
    let in_force = shared.set_mode(name, mode, time).ok_or_else(|| not_found(&format!("no target is named {name}")))?;
    let until = rfc3339(when::now() + time.as_secs_f64());
    Ok(Reply::data(json!({"target": name, "mode": in_force.as_str(), "set": mode.as_str(), "until": until})))
}

fn label(learned: &Learned) -> Value {
    json!({"metric": &*learned.metric, "label": &*learned.label, "policy": &*learned.policy})
}
