//! `/api/v1/rollback`: the series that would jump, once, if the guard were taken out.

use std::time::Duration;

use hyper::Uri;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::not_found;
use crate::admin::query::parameter;
use crate::admin::reply::Reply;
use crate::engine::guard::Jump;
use crate::state::{EndpointKey, Shared};

/// Series in an answer, unless `limit` asks for another number of them.
const USUAL: usize = 1000;
const MOST: usize = 10_000;
/// For scrapes that are under way, all together; an endpoint that is not free by then is named as
/// busy.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was found, endpoint by endpoint: never two at a time, and none is held while another is
/// waited for.
#[derive(Default)]
struct Found {
    series: Vec<Value>,
    all: u64,
    busy: Vec<String>,
}

pub(super) async fn answer(shared: &Shared, uri: &Uri) -> Reply {
    let target = parameter(uri, "target").filter(|name| !name.is_empty());
    if let Some(name) = &target
        && shared.config().target(name).is_none()
    {
        return not_found(&format!("no target is named {name}"));
    }
    let limit = match super::limit(uri, "series", USUAL, MOST) {
        Ok(limit) => limit,
        Err(refused) => return refused,
    };
    let mut found = Found::default();
    let until = Instant::now() + PATIENCE;
    for (key, endpoint) in shared.endpoints().all_of(target.as_deref()) {
        let Ok(lease) = timeout_at(until, endpoint.lease()).await else {
            found.busy.push(key.to_string());
            continue;
        };
        let jumps = lease.jumps(limit - found.series.len());
        drop(lease);
        found.all += jumps.all;
        let of = endpoint.live().target;
        found.series.extend(jumps.first.iter().map(|jump| series(&of, &key, jump)));
    }
    let truncated = found.all > found.series.len() as u64;
    Reply::data(json!({
        "series": found.series,
        "total": found.all,
        "truncated": truncated,
        "busyEndpoints": found.busy,
    }))
}

fn series(target: &str, endpoint: &EndpointKey, jump: &Jump) -> Value {
    json!({
        "target": target,
        "endpoint": endpoint.to_string(),
        "metric": &*jump.metric,
        "series": jump.series,
        "exposed": jump.shown,
        "raw": jump.raw,
    })
}
