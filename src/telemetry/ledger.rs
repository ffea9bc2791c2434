//! What has been counted so far, and how it turns into families.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::core::Collector;
use prometheus::proto::{Metric, MetricFamily};

use super::durations::Durations;
use super::families::{family, gauges, labels};
use super::names::{self, Family};
use super::rows::{Attribution, Counters, MetricCounters};
use super::toplist;
use super::{Foreseen, ForeseenPolicy, LiveEndpoint, ScrapeCost, ScrapeResult, build};
use crate::engine::guard::{Attributed, BadSample, Report};
use crate::engine::policy::Mode;

/// The account of a process, behind one lock.
#[derive(Debug)]
pub(super) struct Ledger {
    counters: BTreeMap<&'static str, Counters>,
    dropped: MetricCounters,
    observed_dropped: MetricCounters,
    upstream: Durations,
    total: Durations,
    foreseen: Foreseen,
    reload: Reload,
    loaded_at: Option<SystemTime>,
    /// `None`: no store is shared.
    store: Option<StoreStanding>,
}

/// Whether the store that several guards share answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreStanding {
    Up,
    Away,
}

/// How the last attempt to load the configuration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reload {
    Succeeded,
    Failed,
}

/// Sums over the live endpoints of a target.
#[derive(Debug, Default)]
struct Sums {
    endpoints: u64,
    received: u64,
    forwarded: u64,
    members: u64,
    memory_bytes: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger {
            counters: BTreeMap::new(),
            dropped: MetricCounters::new(&names::DROPPED_SERIES),
            observed_dropped: MetricCounters::new(&names::OBSERVED_DROPPED_SERIES),
            upstream: Durations::default(),
            total: Durations::default(),
            foreseen: Foreseen::default(),
            reload: Reload::Failed,
            loaded_at: None,
            store: None,
        }
    }
}

impl Ledger {
    pub(super) fn scrape_ended(&mut self, target: &str, result: ScrapeResult, cost: ScrapeCost) {
        self.counters(&names::SCRAPES).add(&[target, result.as_str()], 1);
        self.counters(&names::RECEIVED_BYTES).add(&[target], cost.received_bytes);
        self.counters(&names::SENT_BYTES).add(&[target], cost.sent_bytes);
        self.total.observe(cost.total);
        if !cost.upstream.is_zero() {
            self.upstream.observe(cost.upstream);
        }
    }

    pub(super) fn scrape_committed(&mut self, target: &str, report: &Report) {
        attribute(&mut self.dropped, target, &report.dropped_by);
        attribute(&mut self.observed_dropped, target, &report.observed_dropped_by);
        self.count_by_cause(&names::NEW_SERIES_BLOCKED, target, &report.blocked_by);
        self.count_by_cause(&names::OBSERVED_NEW_SERIES_BLOCKED, target, &report.observed_blocked_by);
        self.count_by_policy(&names::FOLDED_SAMPLES, target, &report.folded_by);
        self.count_by_policy(&names::OBSERVED_FOLDED_SAMPLES, target, &report.observed_folded_by);
        for (family, count) in [
            (&names::MEMBERS_EVICTED, report.members_evicted),
            (&names::RESETS, report.resets),
            (&names::REBASELINED, report.rebaselined),
            (&names::INPUT_DUPLICATES, report.input_duplicates),
            (&names::BUCKET_LAYOUT_CONFLICTS, report.bucket_layout_conflicts),
        ] {
            // The rows are there: they were foreseen.
            if count > 0 {
                self.counters(family).add(&[target], count);
            }
        }
        for (reason, count) in &report.bad_samples {
            self.counters(&names::BAD_SAMPLES).add(&[target, reason.as_str()], *count);
        }
    }

    pub(super) fn count_target(&mut self, family: &'static Family, target: &str) {
        self.counters(family).add(&[target], 1);
    }

    pub(super) fn members_evicted(&mut self, target: &str, members: u64) {
        self.counters(&names::MEMBERS_EVICTED).add(&[target], members);
    }

    pub(super) fn state_error(&mut self, reason: &str) {
        self.counters(&names::STATE_ERRORS).add(&[reason], 1);
    }

    pub(super) fn config_loaded(&mut self, foreseen: Foreseen, at: SystemTime) {
        self.foresee(&foreseen);
        self.foreseen = foreseen;
        self.reload = Reload::Succeeded;
        self.loaded_at = Some(at);
    }

    pub(super) fn modes_changed(&mut self, modes: Vec<(String, Mode)>) {
        self.foreseen.targets = modes;
    }

    pub(super) fn state_store(&mut self, standing: StoreStanding) {
        self.store = Some(standing);
    }

    pub(super) fn config_failed(&mut self) {
        self.reload = Reload::Failed;
    }

    /// Everything an own scrape shows; marks new rows as shown. Families without rows are left
    /// out: neither format knows a family without metrics.
    pub(super) fn expose(&mut self, live: &[LiveEndpoint]) -> Vec<MetricFamily> {
        let mut families: Vec<MetricFamily> = self.counters.values_mut().map(Counters::expose).collect();
        families.extend([self.dropped.expose(), self.observed_dropped.expose(), self.durations()]);
        families.extend(self.endpoint_gauges(live));
        families.extend(toplist::families(live));
        families.extend(self.config_gauges());
        families.extend(process());
        families.retain(|family| !family.get_metric().is_empty());
        families
    }

    fn counters(&mut self, family: &'static Family) -> &mut Counters {
        self.counters.entry(family.name).or_insert_with(|| Counters::new(family))
    }

    fn count_by_cause(&mut self, family: &'static Family, target: &str, rows: &[Attributed]) {
        for row in rows {
            self.counters(family).add(&[target, &row.cause.policy, row.cause.action.ground().as_str()], row.count);
        }
    }

    fn count_by_policy(&mut self, family: &'static Family, target: &str, rows: &[Attributed]) {
        for row in rows {
            self.counters(family).add(&[target, &row.cause.policy], row.count);
        }
    }

    fn foresee(&mut self, foreseen: &Foreseen) {
        let targets = foreseen.targets.iter().map(|(name, _)| name.as_str());
        for target in targets {
            for family in names::PER_TARGET {
                self.counters(family).foresee(&[target]);
            }
            for result in ScrapeResult::ALL {
                self.counters(&names::SCRAPES).foresee(&[target, result.as_str()]);
            }
            for reason in BadSample::ALL {
                self.counters(&names::BAD_SAMPLES).foresee(&[target, reason.as_str()]);
            }
        }
        for policy in &foreseen.policies {
            self.foresee_policy(policy);
        }
        for reason in names::STATE_REASONS {
            self.counters(&names::STATE_ERRORS).foresee(&[reason]);
        }
        // Requests that name no target of ours.
        for result in ScrapeResult::ALL {
            self.counters(&names::SCRAPES).foresee(&["", result.as_str()]);
        }
    }

    /// What nobody observes has no rows of what was observed: they are many.
    fn foresee_policy(&mut self, foreseen: &ForeseenPolicy) {
        let ForeseenPolicy { target, policy, grounds, mode } = foreseen;
        let enforced = (&names::FOLDED_SAMPLES, &names::NEW_SERIES_BLOCKED);
        let observed = (&names::OBSERVED_FOLDED_SAMPLES, &names::OBSERVED_NEW_SERIES_BLOCKED);
        let is_observed = *mode == Mode::Observe;
        for (folded, blocked) in [enforced].into_iter().chain(is_observed.then_some(observed)) {
            self.counters(folded).foresee(&[target, policy]);
            for ground in grounds {
                self.counters(blocked).foresee(&[target, policy, ground.as_str()]);
            }
        }
    }

    fn durations(&self) -> MetricFamily {
        let metric = |(stage, durations): (&str, &Durations)| {
            let mut metric = Metric::from_label(labels(names::SCRAPE_DURATION.labels, &[stage.to_owned()]));
            metric.set_histogram(durations.expose());
            metric
        };
        let stages = [("upstream", &self.upstream), ("total", &self.total)];
        family(&names::SCRAPE_DURATION, stages.into_iter().map(metric).collect())
    }

    fn endpoint_gauges(&self, live: &[LiveEndpoint]) -> Vec<MetricFamily> {
        let sums = self.sums(live);
        let each = |about: &'static Family, value: fn(&Sums) -> u64| {
            gauges(about, sums.iter().map(|(target, sums)| (vec![(*target).to_owned()], value(sums) as f64)))
        };
        let stages = |(target, sums): (&&str, &Sums)| {
            let row = |stage: &str, value: u64| (vec![(*target).to_owned(), stage.to_owned()], value as f64);
            [row("received", sums.received), row("forwarded", sums.forwarded)]
        };
        vec![
            gauges(&names::SERIES, sums.iter().flat_map(stages)),
            each(&names::ENDPOINTS, |sums| sums.endpoints),
            each(&names::MEMBERS, |sums| sums.members),
            each(&names::MEMORY, |sums| sums.memory_bytes),
        ]
    }

    fn sums<'a>(&'a self, live: &'a [LiveEndpoint]) -> BTreeMap<&'a str, Sums> {
        let configured = self.foreseen.targets.iter().map(|(target, _)| (target.as_str(), Sums::default()));
        let mut sums: BTreeMap<&str, Sums> = configured.collect();
        for endpoint in live {
            let sum = sums.entry(&endpoint.target).or_default();
            sum.endpoints += 1;
            sum.received += endpoint.received;
            sum.forwarded += endpoint.forwarded;
            sum.members += endpoint.members;
            sum.memory_bytes += endpoint.memory_bytes;
        }
        sums
    }

    fn config_gauges(&self) -> Vec<MetricFamily> {
        let modes = self.foreseen.targets.iter().flat_map(|(target, mode)| {
            [Mode::Enforce, Mode::Observe, Mode::Pass]
                .map(|of| (vec![target.clone(), of.as_str().to_owned()], f64::from(u8::from(*mode == of))))
        });
        let successful = match self.reload {
            Reload::Succeeded => 1.0,
            Reload::Failed => 0.0,
        };
        let loaded_at = self.loaded_at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let store = self.store.map(|standing| (vec![], f64::from(u8::from(standing == StoreStanding::Up))));
        vec![
            gauges(&names::STATE_STORE_UP, store),
            gauges(&names::MODE, modes),
            gauges(&names::RELOAD_SUCCESSFUL, [(vec![], successful)]),
            gauges(&names::RELOAD_TIMESTAMP, [(vec![], loaded_at.map_or(0.0, |at| at.as_secs_f64()))]),
            gauges(&names::MEMORY_LIMIT, [(vec![], self.foreseen.memory_limit as f64)]),
            gauges(&names::BUILD_INFO, [(vec![build::VERSION.to_owned(), build::REVISION.to_owned()], 1.0)]),
        ]
    }
}

/// CPU, memory, descriptors and start time of this process, where the system tells.
#[cfg(target_os = "linux")]
fn process() -> Vec<MetricFamily> {
    prometheus::process_collector::ProcessCollector::for_self().collect()
}

#[cfg(not(target_os = "linux"))]
fn process() -> Vec<MetricFamily> {
    Vec::new()
}

fn attribute(counters: &mut MetricCounters, target: &str, rows: &[Attributed]) {
    for row in rows {
        let who = Attribution {
            target,
            policy: &row.cause.policy,
            metric: &row.metric,
            label: &row.cause.label,
            action: row.cause.action.as_str(),
            cause: row.cause.action.ground().as_str(),
        };
        counters.add(who, row.count);
    }
}
