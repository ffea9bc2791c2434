//! What the policies that cover a family say about the number of its series.

use std::sync::Arc;
use std::time::Duration;

use super::LimitAction;
use super::compiled::{Enforcement, Policy};
use super::family::Link;
use super::plan::{Planned, fingerprint};
use super::selector::Selector;
use crate::engine::model::{Rank, Seed, TRIED_LAST};

/// How many series a family may have, and what must stay of them.
#[derive(Clone, Debug)]
pub struct FamilyBudget {
    pub enforced: SeriesLimits,
    /// What policies that only observe would enforce.
    pub observed: SeriesLimits,
    /// Labels that no budget touches.
    pub keep: Arc<[Arc<str>]>,
    /// Labels that are tried last: somebody asks by them.
    last: Arc<[Arc<str>]>,
    /// The longest `group_ttl` that any of them sets, else the default.
    pub group_ttl: Duration,
    /// Changes exactly when what applies to the family does.
    pub fingerprint: u64,
}

/// The first policy that sets a key decides it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesLimits {
    /// Per family and endpoint.
    pub series: Option<Limit>,
    /// Per family over all endpoints of a target.
    pub total: Option<Limit>,
    pub action: LimitAction,
    /// How long a series or a value has its place after it was last seen.
    pub ttl: Option<Duration>,
}

/// A limit and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub series: u64,
    pub policy: Arc<str>,
}

/// How long a group without members stays when no policy says.
const GROUP_TTL: Duration = Duration::from_secs(24 * 3_600);
/// How long a place lasts when no policy says.
const SERIES_TTL: Duration = Duration::from_secs(3_600);

/// Whose limits are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Observes {
    Yes,
    No,
}

impl FamilyBudget {
    pub(super) fn new(policies: &[Planned], links: &[Link]) -> FamilyBudget {
        let covering = || links.iter().map(|link| &policies[link.policy]);
        let by = |enforcement| covering().map(move |p| (&*p.policy, p.enforcement == enforcement));
        FamilyBudget {
            enforced: SeriesLimits::of(by(Enforcement::Enforced), Observes::No),
            observed: SeriesLimits::of(by(Enforcement::Observed), Observes::Yes),
            keep: kept(covering()),
            last: asked_by(covering()),
            group_ttl: group_ttl(covering()),
            fingerprint: effective(&covering().collect::<Vec<_>>()),
        }
    }

    pub fn rank(&self, label: &str) -> Rank {
        if self.keep.iter().any(|kept| **kept == *label) {
            Rank::Never
        } else if self.last.iter().any(|last| **last == *label) {
            Rank::Last
        } else {
            Rank::Free
        }
    }

    /// A line for each limit there is.
    pub(super) fn explain(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (limits, manner) in [(&self.enforced, ""), (&self.observed, " (only observed)")] {
            let rows = [("series_limit", &limits.series), ("series_limit_total", &limits.total)];
            for (key, limit) in rows.into_iter().filter_map(|(key, limit)| Some((key, limit.as_ref()?))) {
                lines.push(format!("{key} is {}, by policy `{}`{manner}", limit.series, limit.policy));
            }
        }
        lines
    }
}

impl SeriesLimits {
    /// Of policies in order, with whether they count here. An enforced policy that sets a limit leaves
    /// nothing to observe to one behind it; one that only observes leaves everything.
    fn of<'p>(policies: impl Iterator<Item = (&'p Policy, bool)>, observes: Observes) -> SeriesLimits {
        let mut limits = SeriesLimits::default();
        let mut action = None;
        let (mut series, mut total) = (None, None);
        for (policy, counts) in policies {
            if !counts && observes == Observes::No {
                continue;
            }
            // What another one decides is decided, and is not ours.
            let says = |series: u64| Limit { series: if counts { series } else { 0 }, policy: policy.name.clone() };
            series = series.or_else(|| policy.budget.series_limit.map(says));
            total = total.or_else(|| policy.budget.series_limit_total.map(says));
            action = action.or(policy.budget.action);
            limits.ttl = limits.ttl.or(policy.budget.series_ttl);
        }
        // 0 is a decision, too: no limit, whatever later policies say.
        limits.series = series.filter(|limit| limit.series > 0);
        limits.total = total.filter(|limit| limit.series > 0);
        limits.action = action.unwrap_or_default();
        limits
    }

    pub fn ttl_seconds(&self) -> f64 {
        self.ttl.unwrap_or(SERIES_TTL).as_secs_f64()
    }

    pub fn is_unlimited(&self) -> bool {
        self.series.is_none() && self.total.is_none()
    }
}

/// Labels that policies keep.
fn kept<'p>(policies: impl Iterator<Item = &'p Planned>) -> Arc<[Arc<str>]> {
    texts(policies.flat_map(|planned| planned.policy.keep_labels.iter().map(|label| &**label)))
}

/// Labels that policies select by, and those that everybody asks by.
fn asked_by<'p>(policies: impl Iterator<Item = &'p Planned>) -> Arc<[Arc<str>]> {
    let selected = policies.flat_map(|planned| planned.policy.selectors.iter().flat_map(Selector::label_names));
    texts(selected.chain(TRIED_LAST))
}

fn texts<'w>(words: impl Iterator<Item = &'w str>) -> Arc<[Arc<str>]> {
    let mut all: Vec<Arc<str>> = words.map(Arc::from).collect();
    all.sort();
    all.dedup();
    all.into()
}

fn group_ttl<'p>(policies: impl Iterator<Item = &'p Planned>) -> Duration {
    policies.filter_map(|planned| planned.policy.fold.group_ttl).max().unwrap_or(GROUP_TTL)
}

/// Stands for what is in force. Of who only observes that is no more than what it says for all.
fn effective(policies: &[&Planned]) -> u64 {
    let all = || policies.iter().copied();
    let acting = || all().filter(|planned| planned.has_a_say());
    let fingerprint = fingerprint(acting());
    if all().all(Planned::has_a_say) {
        return fingerprint;
    }
    let said = (kept(all()), asked_by(all()), group_ttl(all()));
    if said == (kept(acting()), asked_by(acting()), group_ttl(acting())) {
        return fingerprint;
    }
    Seed::new(fingerprint).hash(format!("{said:?}").as_bytes()).0
}
