//! Every self-metric and every event. Metric names live in one file; one observable fact is one
//! method here that logs and counts.

mod accept;
mod diary;
mod durations;
mod families;
mod ledger;
mod names;
mod openmetrics;
mod outcomes;
mod printable;
mod rows;
mod toplist;

pub mod build;
pub mod logs;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use prometheus::TextEncoder;
use tracing::{debug, error, info, warn};

use crate::engine::guard::{Attributed, Collapsed, Diagnosis, FamilyReport, LabelRow, Learned, Report};
use crate::engine::policy::{Ground, Mode};

pub use self::accept::Exposition;
pub use self::diary::{Entry, Fact};
pub use self::outcomes::LastOutcome;
pub use self::printable::Printable;

use self::diary::Diary;
use self::ledger::{Ledger, StoreStanding};
use self::outcomes::{Outcomes, Worth};

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

/// What the settings and policies foresee: rows for these exist at 0 from load.
#[derive(Clone, Debug, Default)]
pub struct Foreseen {
    pub targets: Vec<(String, Mode)>,
    /// Each policy at each target that it applies to.
    pub policies: Vec<ForeseenPolicy>,
    /// What endpoints may remember of `scrape.memory_limit`; 0 = none.
    pub memory_limit: u64,
}

/// A policy at a target.
#[derive(Clone, Debug)]
pub struct ForeseenPolicy {
    pub target: String,
    pub policy: String,
    pub grounds: Vec<Ground>,
    /// How far it goes at that target.
    pub mode: Mode,
}

/// An endpoint in memory, as of now: gauges are sums over these.
#[derive(Clone, Debug, Default)]
pub struct LiveEndpoint {
    pub target: String,
    /// Of its last good scrape.
    pub received: u64,
    pub forwarded: u64,
    pub dropped: u64,
    /// The part of it that limits did.
    pub over_budget: u64,
    pub members: u64,
    pub memory_bytes: u64,
    /// How its last scrape ended, good or not.
    pub last: Option<LastOutcome>,
    /// `dropped`, by who did it, and what observing policies would add.
    pub dropped_by: Arc<[Attributed]>,
    pub observed_by: Arc<[Attributed]>,
    pub families: Arc<[FamilyReport]>,
    pub labels: Arc<[LabelRow]>,
    pub collapsed: Arc<[Collapsed]>,
    /// Of the last look, some scrapes ago.
    pub diagnosis: Arc<Diagnosis>,
}

/// The guard's own metrics; shared by everything, cheap to call.
#[derive(Debug, Default)]
pub struct Telemetry {
    ledger: Mutex<Ledger>,
    outcomes: Mutex<Outcomes>,
    diary: Mutex<Diary>,
    /// Reasons why state was not kept that have been logged: each is, once.
    told: Mutex<HashSet<&'static str>>,
}

impl Telemetry {
    /// A scrape ended. `target` is the entry's name, or `""` when none was found.
    pub fn scrape_ended(&self, target: &str, result: ScrapeResult, reason: &str, cost: ScrapeCost) {
        locked(&self.ledger).scrape_ended(target, result, cost);
        let last = LastOutcome { result, reason: reason.to_owned(), at: SystemTime::now(), took: cost.total };
        let worth = locked(&self.outcomes).note(target, last, Instant::now());
        let (result, reason, seconds) = (result.as_str(), Printable(reason), cost.total.as_secs_f64());
        match worth {
            Worth::Failure { unlogged } => {
                warn!(scrape_target = target, result, %reason, seconds, unlogged, "scrape failed");
            }
            Worth::Recovery => info!(scrape_target = target, seconds, "scrape works again"),
            Worth::Little => debug!(scrape_target = target, result, %reason, seconds, "scrape ended"),
        }
    }

    /// A scrape was committed.
    pub fn scrape_committed(&self, target: &str, report: &Report) {
        locked(&self.ledger).scrape_committed(target, report);
    }

    /// A limit has folded a label away: told once for all endpoints of the target.
    pub fn label_collapsed(&self, target: &str, learned: &Learned) {
        locked(&self.ledger).count_target(&names::COLLAPSES, target);
        let Learned { metric, label, policy, .. } = learned;
        let (metric, label) = (Printable(metric), Printable(label));
        warn!(scrape_target = target, %metric, %label, %policy, "a label exploded and is folded away");
    }

    /// Labels are there again, by hand.
    pub fn labels_released(&self, target: &str, labels: usize) {
        info!(scrape_target = target, labels, "collapses released");
    }

    /// Protobuf was struck from an Accept header.
    pub fn scrape_downgraded(&self, target: &str) {
        locked(&self.ledger).count_target(&names::SCRAPES_DOWNGRADED, target);
    }

    /// Remembered members went between two scrapes, for lack of room.
    pub fn members_evicted(&self, target: &str, members: u64) {
        locked(&self.ledger).members_evicted(target, members);
    }

    /// Nobody asked for an endpoint any more: its memory went.
    pub fn endpoint_forgotten(&self, target: &str) {
        locked(&self.ledger).count_target(&names::ENDPOINTS_FORGOTTEN, target);
    }

    /// What a scrape changed is in memory only.
    pub fn state_not_written(&self, reason: &'static str, endpoint: &str, detail: &str) {
        locked(&self.ledger).state_error(reason);
        if locked(&self.told).insert(reason) {
            let (endpoint, detail) = (Printable(endpoint), Printable(detail));
            error!(reason, %endpoint, %detail, "state is not written: a restart now would start at 0");
        }
    }

    /// Other guards were not told what a scrape changed.
    pub fn state_not_shared(&self, reason: &'static str, endpoint: &str, detail: &str) {
        locked(&self.ledger).state_error(reason);
        if locked(&self.told).insert(reason) {
            let (endpoint, detail) = (Printable(endpoint), Printable(detail));
            error!(reason, %endpoint, %detail, "state is not shared: folded counters are left out of an answer");
        }
    }

    /// What was kept of an endpoint was set aside; it starts anew.
    pub fn state_not_resumed(&self, reason: &'static str, endpoint: &str, detail: &str) {
        locked(&self.ledger).state_error(reason);
        let (endpoint, detail) = (Printable(endpoint), Printable(detail));
        if locked(&self.told).insert(reason) {
            warn!(reason, %endpoint, %detail, "state is not resumed: folded counters start at 0");
        } else {
            debug!(reason, %endpoint, %detail, "state is not resumed");
        }
    }

    /// The store that the guards share can be asked.
    pub fn state_store_answers(&self) {
        locked(&self.ledger).state_store(StoreStanding::Up);
        info!("the shared store answers");
    }

    /// It cannot.
    pub fn state_store_lost(&self, why: &str) {
        locked(&self.ledger).state_store(StoreStanding::Away);
        let why = Printable(why);
        error!(%why, "the shared store cannot be asked: folded counters are left out until it can");
    }

    /// Settings and policies were loaded and are in force.
    pub fn config_loaded(&self, foreseen: Foreseen) {
        let targets = foreseen.targets.len();
        locked(&self.ledger).config_loaded(foreseen, SystemTime::now());
        self.note(Fact::Loaded { targets });
        // Who reads this finds it so.
        info!(targets, "configuration loaded");
    }

    /// Something in settings or policies is in doubt, but they can be put into force.
    pub fn config_warning(&self, warning: &str) {
        warn!(warning = %Printable(warning), "configuration in doubt");
    }

    /// Settings or policies could not be loaded; a line for each reason.
    pub fn config_failed(&self, reasons: &str) {
        for reason in reasons.lines() {
            error!(reason = %Printable(reason), "configuration not loaded");
        }
        locked(&self.ledger).config_failed();
        self.note(Fact::NotLoaded { reason: reasons.to_owned() });
    }

    /// Somebody has set the mode of a target for a while; `None`: that while is over.
    pub fn mode_set(&self, target: &str, mode: Option<(Mode, Duration)>) {
        match mode {
            Some((mode, time)) => {
                let (mode, seconds) = (mode.as_str(), time.as_secs());
                warn!(scrape_target = target, mode, seconds, "mode set by hand, for a while");
            }
            None => info!(scrape_target = target, "mode as configured again"),
        }
        self.note(Fact::Mode { target: target.to_owned(), mode });
    }

    /// The modes in force are others than those that were loaded.
    pub fn modes_changed(&self, modes: Vec<(String, Mode)>) {
        locked(&self.ledger).modes_changed(modes);
    }

    /// What happened to the process as a whole, newest last.
    pub fn diary(&self) -> Vec<Entry> {
        locked(&self.diary).entries()
    }

    fn note(&self, fact: Fact) {
        locked(&self.diary).note(SystemTime::now(), fact);
    }

    /// How the last scrape of a target ended.
    pub fn last_outcome(&self, target: &str) -> Option<LastOutcome> {
        locked(&self.outcomes).last(target)
    }

    /// The body of an own scrape.
    pub fn expose(&self, exposition: Exposition, live: &[LiveEndpoint]) -> String {
        let mut families = locked(&self.ledger).expose(live);
        families.sort_by(|a, b| a.name().cmp(b.name()));
        match exposition {
            // Encoding into a String cannot fail for families that have names and metrics.
            Exposition::Text => TextEncoder::new().encode_to_string(&families).unwrap_or_default(),
            Exposition::OpenMetrics => openmetrics::encode(&families),
        }
    }
}

impl ScrapeResult {
    pub const ALL: [ScrapeResult; 14] = [
        ScrapeResult::Ok,
        ScrapeResult::Forbidden,
        ScrapeResult::NotFound,
        ScrapeResult::Method,
        ScrapeResult::Loop,
        ScrapeResult::Overload,
        ScrapeResult::Upstream,
        ScrapeResult::ExporterStatus,
        ScrapeResult::ContentType,
        ScrapeResult::Malformed,
        ScrapeResult::Limit,
        ScrapeResult::Timeout,
        ScrapeResult::Aborted,
        ScrapeResult::Panic,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            ScrapeResult::Ok => "ok",
            ScrapeResult::Forbidden => "forbidden",
            ScrapeResult::NotFound => "not_found",
            ScrapeResult::Method => "method",
            ScrapeResult::Loop => "loop",
            ScrapeResult::Overload => "overload",
            ScrapeResult::Upstream => "upstream",
            ScrapeResult::ExporterStatus => "exporter_status",
            ScrapeResult::ContentType => "content_type",
            ScrapeResult::Malformed => "malformed",
            ScrapeResult::Limit => "limit",
            ScrapeResult::Timeout => "timeout",
            ScrapeResult::Aborted => "aborted",
            ScrapeResult::Panic => "panic",
        }
    }
}

/// Counters stay usable after a panic elsewhere: each is whole on its own.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
