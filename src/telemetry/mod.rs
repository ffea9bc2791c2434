//! Every self-metric and every event. Metric names live in one file; one observable fact is one
//! method here that logs and counts.

use std::time::Duration;

use crate::engine::guard::Report;

/// How a scrape ended: the `result` label of `cardinality_guard_scrapes_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScrapeResult {
    Ok,
    Forbidden,
    NotFound,
    Method,
    Loop,
    Overload,
    Upstream,
    ExporterStatus,
    ContentType,
    Malformed,
    Limit,
    Timeout,
    Aborted,
    Panic,
}

/// What a scrape cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScrapeCost {
    pub upstream: Duration,
    pub total: Duration,
    /// Body bytes from the exporter, as they came over the wire.
    pub received_bytes: u64,
    /// Body bytes to the client, as they left.
    pub sent_bytes: u64,
}

/// The guard's own metrics; shared by everything, cheap to call.
#[derive(Debug, Default)]
pub struct Telemetry {}

impl Telemetry {
    /// A scrape ended. `target` is the entry's name, or `""` when none was found.
    pub fn scrape_ended(&self, target: &str, result: ScrapeResult, reason: &str, cost: ScrapeCost) {
        let _ = (target, result, reason, cost);
    }

    /// A scrape was committed.
    pub fn scrape_committed(&self, target: &str, report: &Report) {
        let _ = (target, report);
    }

    /// Protobuf was struck from an Accept header.
    pub fn scrape_downgraded(&self, target: &str) {
        let _ = target;
    }
}
