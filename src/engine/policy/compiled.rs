//! A compiled policy.

use std::sync::Arc;
use std::time::Duration;

use super::pattern::Pattern;
use super::relabel::Rule;
use super::selector::Selector;
use super::step::Step;
use super::{Aggregate, FamilyRef, Ground, LimitAction};
use crate::engine::model::Kind;

#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub name: Arc<str>,
    /// Any of them selects; empty: every series.
    pub selectors: Box<[Selector]>,
    /// `None`: every target.
    pub targets: Option<Box<[Box<str>]>>,
    pub enforcement: Enforcement,
    pub effect: Effect,
    pub fold: FoldKeys,
    pub budget: BudgetKeys,
    /// Out of reach of budgets.
    pub keep_labels: Box<[Box<str>]>,
}

/// Whether a policy acts or only counts what it would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Enforcement {
    #[default]
    Enforced,
    Observed,
}

/// What a policy does to the series it selects.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// They leave as they came and no later policy sees them.
    Pass,
    /// They are left out.
    Drop,
    /// Steps in order, then rules in order. Both may be empty.
    Edit { steps: Box<[Step]>, rules: Box<[Rule]> },
}

/// The single-valued keys, as far as a policy sets them.
#[derive(Clone, Debug, Default)]
pub(super) struct FoldKeys {
    pub aggregate: Box<[AggregateRule]>,
    pub hold: Option<Duration>,
    pub member_ttl: Option<Duration>,
    pub group_ttl: Option<Duration>,
    pub histogram_buckets: Option<Arc<[f64]>>,
}

/// The keys about series limits, as far as a policy sets them; 0 = no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BudgetKeys {
    pub series_limit: Option<u64>,
    pub series_limit_total: Option<u64>,
    pub action: Option<LimitAction>,
    pub series_ttl: Option<Duration>,
}

/// An entry of `aggregate`.
#[derive(Clone, Debug)]
pub(super) struct AggregateRule {
    pub metric: Option<Pattern>,
    pub kind: Option<Kind>,
    pub with: Aggregate,
}

impl Policy {
    pub fn applies_to(&self, target: Option<&str>) -> bool {
        match (&self.targets, target) {
            (Some(targets), Some(target)) => targets.iter().any(|name| **name == *target),
            _ => true,
        }
    }

    /// On which grounds it can keep series out.
    pub fn grounds(&self) -> impl Iterator<Item = Ground> {
        let limits = self.budget.limits() || self.effect.steps().iter().any(Step::is_budget);
        let (steps, rules) = (self.effect.steps(), self.effect.rules());
        let plans = matches!(self.effect, Effect::Drop) || !rules.is_empty() || !steps.iter().all(Step::is_budget);
        [(Ground::Policy, plans), (Ground::Budget, limits)]
            .into_iter()
            .filter_map(|(ground, can)| can.then_some(ground))
    }

    /// Everything about the policy that can matter to a decision, as text.
    pub fn content(&self) -> String {
        format!("{self:?}")
    }

    /// The selectors whose name matchers fit one of the family's names.
    pub fn covering(&self, family: FamilyRef<'_>) -> impl Iterator<Item = usize> {
        let covers = move |(i, selector): (usize, &Selector)| selector.covers(family.names).then_some(i);
        self.selectors.iter().enumerate().filter_map(covers)
    }
}

impl Effect {
    pub fn steps(&self) -> &[Step] {
        match self {
            Effect::Edit { steps, .. } => steps,
            _ => &[],
        }
    }

    pub fn rules(&self) -> &[Rule] {
        match self {
            Effect::Edit { rules, .. } => rules,
            _ => &[],
        }
    }

    pub fn is_nothing(&self) -> bool {
        matches!(self, Effect::Edit { steps, rules } if steps.is_empty() && rules.is_empty())
    }

    /// Says whether label sets can change, so that series may collide.
    pub fn edits_labels(&self) -> bool {
        !self.steps().is_empty() || self.rules().iter().any(Rule::edits_labels)
    }
}

impl BudgetKeys {
    /// Whether the policy counts series.
    pub fn limits(&self) -> bool {
        self.series_limit.is_some_and(|n| n > 0) || self.series_limit_total.is_some_and(|n| n > 0)
    }

    pub fn is_empty(&self) -> bool {
        *self == BudgetKeys::default()
    }
}

impl FoldKeys {
    pub fn is_empty(&self) -> bool {
        let FoldKeys { aggregate, hold, member_ttl, group_ttl, histogram_buckets } = self;
        aggregate.is_empty()
            && hold.is_none()
            && member_ttl.is_none()
            && group_ttl.is_none()
            && histogram_buckets.is_none()
    }

    /// What the first entry that fits the family says.
    pub fn aggregate(&self, family: FamilyRef<'_>) -> Option<Aggregate> {
        let fits = |rule: &&AggregateRule| {
            rule.metric.as_ref().is_none_or(|metric| metric.fits(family.name))
                && rule.kind.is_none_or(|kind| kind == family.kind)
        };
        self.aggregate.iter().find(fits).map(|rule| rule.with)
    }
}
