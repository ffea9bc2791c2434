//! Policies that only observe. Each has a double of the endpoint in which it is enforced, after the
//! policies before it and without those behind it. The double reads the same bytes; what it would
//! answer goes nowhere, and what it counts under the policy's name is what the policy would have done.

use std::collections::HashMap;
use std::sync::Arc;

use super::commons::Learned;
use super::inherit::Recollection;
use super::report::{Attributed, FamilyReport, Report};
use super::state::EndpointState;
use super::{Annotate, BodyEnd, Guard, Leaves, Scrape, ScrapeError};
use crate::engine::policy::{Manner, Observer};

/// A double between two scrapes.
#[derive(Debug)]
pub struct Double {
    pub policy: Arc<str>,
    pub state: Box<EndpointState>,
}

/// A double in a scrape.
pub(super) struct Watching {
    policy: Arc<str>,
    stage: Stage,
}

enum Stage {
    Reading(Box<Guard>),
    /// It would have failed: this scrape is not counted.
    Failed(Box<EndpointState>),
    /// Only while one of the others takes its place.
    Between,
}

/// What becomes of a scrape that no error has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Commits,
    /// A double's, which would have failed, and the limit that it would have failed for left series
    /// out instead: it is counted, and nothing of it stays.
    Counts,
}

/// What a policy would have done in a scrape.
pub(super) struct WouldHave {
    policy: Arc<str>,
    report: Report,
}

impl Double {
    pub fn new(policy: Arc<str>, mut state: Box<EndpointState>) -> Double {
        state.observer = Some(policy.clone());
        Double { policy, state }
    }
}

impl Watching {
    /// One for each policy that only observes; doubles of others are forgotten.
    pub fn begin(state: &mut EndpointState, scrape: &Scrape) -> Vec<Watching> {
        let mut doubles = std::mem::take(&mut state.doubles);
        let mut begin = |observer: &Observer| {
            let known = doubles.iter().position(|double| double.policy == observer.policy);
            let double = match known {
                Some(at) => doubles.swap_remove(at).state,
                None => Double::new(observer.policy.clone(), EndpointState::new(state.format, state.seed)).state,
            };
            let scrape = Scrape { plan: observer.plan.clone(), annotate: Annotate::No, ..scrape.clone() };
            Watching { policy: observer.policy.clone(), stage: Stage::Reading(Box::new(Guard::begin(double, scrape))) }
        };
        scrape.plan.observers().iter().map(&mut begin).collect()
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Between) {
            Stage::Reading(mut guard) => match guard.push(bytes) {
                Ok(()) => {
                    guard.drain(&mut Vec::new());
                    Stage::Reading(guard)
                }
                Err(_) => Stage::Failed(guard.abort()),
            },
            other => other,
        };
    }

    fn finish(self, end: BodyEnd) -> (Option<Double>, Option<WouldHave>) {
        let (state, report) = match self.stage {
            Stage::Reading(guard) => finish(*guard, end),
            Stage::Failed(state) => return (Some(Double::new(self.policy, state)), None),
            Stage::Between => return (None, None),
        };
        let mut double = Double::new(self.policy.clone(), state);
        drop(double.state.take_back());
        (Some(double), report.ok().map(|report| WouldHave { policy: self.policy, report }))
    }

    /// The double as it was before the scrape.
    pub fn abort(self) -> Option<Double> {
        let mut state = match self.stage {
            Stage::Reading(guard) => guard.abort(),
            Stage::Failed(state) => state,
            Stage::Between => return None,
        };
        drop(state.take_back());
        Some(Double::new(self.policy, state))
    }
}

/// Of what was there before a double was read nobody knows what is new.
fn finish(guard: Guard, end: BodyEnd) -> (Box<EndpointState>, Result<Report, ScrapeError>) {
    let knew = guard.state.recollection;
    let (state, report) = guard.finish(end, &mut Vec::new());
    let report = report.map(|report| match knew {
        Recollection::Whole => report,
        Recollection::Written => Report { blocked_by: Vec::new(), ..report },
    });
    (state, report)
}

impl Guard {
    /// What a double that would have failed has counted, and its state as it was before. Who was kept
    /// out is not new the next time.
    pub(super) fn count_failure(
        mut self,
        leaves: Leaves,
    ) -> (Box<EndpointState>, Result<(Report, Leaves), ScrapeError>) {
        self.share_blame();
        let report = Report { collapsed: Vec::new(), ..self.report() };
        self.state.budgets.commit();
        (self.abort(), Ok((report, leaves)))
    }

    /// The body is complete and good: the doubles commit, too.
    pub(super) fn finish_doubles(&mut self, end: BodyEnd) -> Vec<WouldHave> {
        let (doubles, would): (Vec<_>, Vec<_>) = self.doubles.drain(..).map(|double| double.finish(end)).unzip();
        self.state.doubles = doubles.into_iter().flatten().collect();
        would.into_iter().flatten().collect()
    }
}

impl WouldHave {
    /// Adds what would have been to what has been.
    pub fn add_to(self, report: &mut Report) {
        let WouldHave { policy, report: would } = self;
        let mine = |by: Vec<Attributed>| by.into_iter().filter(|by| by.cause.policy == policy).collect::<Vec<_>>();
        report.observed_dropped_by.extend(mine(would.dropped_by));
        report.observed_blocked_by.extend(mine(would.blocked_by));
        report.observed_folded_by.extend(mine(would.folded_by));
        for mut collapsed in would.collapsed {
            collapsed.learned.manner = Manner::Observed;
            match collapsed.learned.policy == policy {
                true => report.collapsed.push(collapsed),
                false => report.lessons.push(collapsed.learned),
            }
        }
        report.ended.extend(would.ended.into_iter().map(|ended| Learned { manner: Manner::Observed, ..ended }));
        let would: HashMap<_, _> =
            would.families.iter().map(|family| ((&family.metric, family.kind), family)).collect();
        for family in &mut report.families {
            if let Some(would) = would.get(&(&family.metric, family.kind)) {
                family.observe(would);
            }
        }
    }
}

impl FamilyReport {
    /// What would be limited, where nothing is. Where something is, there is more than what steps that
    /// only observe would leave, and it is in demand.
    fn observe(&mut self, would: &FamilyReport) {
        if self.limit.is_none() && self.total.is_none() && (would.limit.is_some() || would.total.is_some()) {
            self.demand = would.demand;
        }
        self.limit = self.limit.or(would.limit);
        self.total = self.total.or(would.total);
    }
}
