//! The name, help and labels of every metric of the guard: the one place to look them up.

use prometheus::proto::MetricType;

/// A metric family of the guard.
#[derive(Debug)]
pub(super) struct Family {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: MetricType,
    pub labels: &'static [&'static str],
}

/// Labels of the counters that say which metric and label lost series, and by whom.
const ATTRIBUTED: &[&str] = &["target", "policy", "metric", "label", "action", "cause"];
const BY_CAUSE: &[&str] = &["target", "policy", "cause"];
const BY_POLICY: &[&str] = &["target", "policy"];
const BY_TARGET: &[&str] = &["target"];
const BY_METRIC: &[&str] = &["target", "metric"];

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, help, kind: MetricType::COUNTER, labels }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, help, kind: MetricType::GAUGE, labels }
}

pub(super) static DROPPED_SERIES: Family = counter(
    "cardinality_guard_dropped_series_total",
    ATTRIBUTED,
    "Input series that left without a line of their own, added up over scrapes, by what kept them out.",
);
pub(super) static NEW_SERIES_BLOCKED: Family = counter(
    "cardinality_guard_new_series_blocked_total",
    BY_CAUSE,
    "Distinct series kept out, each counted once. cause=\"budget\" rises only while something new explodes.",
);
pub(super) static FOLDED_SAMPLES: Family =
    counter("cardinality_guard_folded_samples_total", BY_POLICY, "Samples that a policy sent into a folded series.");
pub(super) static OBSERVED_DROPPED_SERIES: Family = counter(
    "cardinality_guard_observed_dropped_series_total",
    ATTRIBUTED,
    "What cardinality_guard_dropped_series_total would count if observing policies were enforced.",
);
pub(super) static OBSERVED_NEW_SERIES_BLOCKED: Family = counter(
    "cardinality_guard_observed_new_series_blocked_total",
    BY_CAUSE,
    "What cardinality_guard_new_series_blocked_total would count if observing policies were enforced.",
);
pub(super) static OBSERVED_FOLDED_SAMPLES: Family = counter(
    "cardinality_guard_observed_folded_samples_total",
    BY_POLICY,
    "What cardinality_guard_folded_samples_total would count if observing policies were enforced.",
);

pub(super) static SERIES: Family = gauge(
    "cardinality_guard_series",
    &["target", "stage"],
    "Series in the last good scrape of each live endpoint, as received and as forwarded.",
);
pub(super) static MEMBERS: Family =
    gauge("cardinality_guard_members", BY_TARGET, "Input series remembered so that their folds stay true.");
pub(super) static MEMORY: Family =
    gauge("cardinality_guard_memory_bytes", BY_TARGET, "Memory taken by what is remembered, roughly.");
pub(super) static MEMORY_LIMIT: Family = gauge(
    "cardinality_guard_memory_limit_bytes",
    &[],
    "What cardinality_guard_memory_bytes of all targets together may come to: scrape.memory_limit less what the process needs for itself; 0 = no limit.",
);
pub(super) static ENDPOINTS: Family = gauge("cardinality_guard_endpoints", BY_TARGET, "Endpoints in memory.");
pub(super) static ENDPOINTS_FORGOTTEN: Family = counter(
    "cardinality_guard_endpoints_forgotten_total",
    BY_TARGET,
    "Endpoints whose memory went because nobody asked for them any more.",
);

pub(super) static METRIC_SERIES: Family = gauge(
    "cardinality_guard_metric_series",
    BY_METRIC,
    "Series forwarded of a metric in the last good scrape of each live endpoint; the largest 100.",
);
pub(super) static METRIC_SERIES_LIMIT: Family = gauge(
    "cardinality_guard_metric_series_limit",
    BY_METRIC,
    "Series of a metric that its limits allow the live endpoints together.",
);
pub(super) static METRIC_SERIES_DEMAND: Family = gauge(
    "cardinality_guard_metric_series_demand",
    BY_METRIC,
    "Series of a metric there would be without limits, over series_ttl.",
);
pub(super) static LABEL_VALUES: Family = gauge(
    "cardinality_guard_label_values",
    &["target", "metric", "label"],
    "Distinct values of a label, at the endpoint that has most of them; the largest 100.",
);
pub(super) static COLLAPSED: Family = gauge(
    "cardinality_guard_collapsed",
    &["target", "metric", "label", "aggregate"],
    "1 for each label that a limit has folded away.",
);
pub(super) static COLLAPSES: Family =
    counter("cardinality_guard_collapses_total", BY_TARGET, "Labels that limits have folded away.");

pub(super) static MEMBERS_EVICTED: Family = counter(
    "cardinality_guard_members_evicted_total",
    BY_TARGET,
    "Remembered input series that went for their age or for lack of room.",
);
pub(super) static RESETS: Family =
    counter("cardinality_guard_resets_total", BY_TARGET, "Counter resets seen in folded input series.");
pub(super) static REBASELINED: Family = counter(
    "cardinality_guard_rebaselined_total",
    BY_TARGET,
    "Input series that were taken as a new baseline instead of counted from 0.",
);
pub(super) static BAD_SAMPLES: Family = counter(
    "cardinality_guard_bad_samples_total",
    &["target", "reason"],
    "Samples of folded series that were taken as absent.",
);
pub(super) static INPUT_DUPLICATES: Family = counter(
    "cardinality_guard_input_duplicates_total",
    BY_TARGET,
    "Samples whose series stood in the body before: the first one counts.",
);
pub(super) static BUCKET_LAYOUT_CONFLICTS: Family = counter(
    "cardinality_guard_bucket_layout_conflicts_total",
    BY_TARGET,
    "Folded histograms that lost a bucket boundary because not every member has it.",
);
pub(super) static SCRAPES_DOWNGRADED: Family = counter(
    "cardinality_guard_scrapes_downgraded_total",
    BY_TARGET,
    "Scrapes whose Accept header lost protobuf, which only mode: pass lets through.",
);

pub(super) static SCRAPES: Family =
    counter("cardinality_guard_scrapes_total", &["target", "result"], "Scrapes through the guard, by how they ended.");
pub(super) static SCRAPE_DURATION: Family = Family {
    name: "cardinality_guard_scrape_duration_seconds",
    help: "Time a scrape took: upstream until the exporter's last byte, total until ours.",
    kind: MetricType::HISTOGRAM,
    labels: &["stage"],
};
pub(super) static RECEIVED_BYTES: Family = counter(
    "cardinality_guard_received_bytes_total",
    BY_TARGET,
    "Body bytes from exporters, as they came over the wire.",
);
pub(super) static SENT_BYTES: Family =
    counter("cardinality_guard_sent_bytes_total", BY_TARGET, "Body bytes to clients, as they left.");
pub(super) static MODE: Family =
    gauge("cardinality_guard_mode", &["target", "mode"], "1 for the mode in force, 0 for the others.");

pub(super) static STATE_ERRORS: Family = counter(
    "cardinality_guard_state_write_errors_total",
    &["reason"],
    "State that could not be written (slow, full, io, away) or was not resumed (all others), by reason.",
);
/// Why state was not written, or not resumed.
pub(super) const STATE_REASONS: [&str; 12] =
    ["slow", "full", "io", "unreadable", "version", "stale", "future", "boot", "touched", "away", "behind", "awaited"];
pub(super) static STATE_STORE_UP: Family = gauge(
    "cardinality_guard_state_store_up",
    &[],
    "1 while the store that several guards share answers (storage.url), 0 while it does not.",
);
pub(super) static RELOAD_SUCCESSFUL: Family = gauge(
    "cardinality_guard_config_last_reload_successful",
    &[],
    "Whether the last attempt to load settings and policies succeeded.",
);
pub(super) static RELOAD_TIMESTAMP: Family = gauge(
    "cardinality_guard_config_last_reload_success_timestamp_seconds",
    &[],
    "When settings and policies were last loaded successfully.",
);
pub(super) static BUILD_INFO: Family =
    gauge("cardinality_guard_build_info", &["version", "revision"], "1, with the version and the revision that run.");

/// The counters with a row per target that exists at 0 from load.
pub(super) static PER_TARGET: [&Family; 10] = [
    &COLLAPSES,
    &ENDPOINTS_FORGOTTEN,
    &MEMBERS_EVICTED,
    &RESETS,
    &REBASELINED,
    &INPUT_DUPLICATES,
    &BUCKET_LAYOUT_CONFLICTS,
    &SCRAPES_DOWNGRADED,
    &RECEIVED_BYTES,
    &SENT_BYTES,
];
