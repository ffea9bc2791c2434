//! What the operator wants: policy files, read, checked, compiled, asked.
//!
//! [`Policies::compile`] reads everything and reports every mistake at once. [`Policies::plan`]
//! narrows it to one target. A [`Plan`] is asked once per family ([`Plan::family`]) and the
//! [`FamilyPlan`] once per series ([`FamilyPlan::decide`]); the guard remembers the answers.

mod budget;
mod compile;
mod compiled;
mod decide;
mod describe;
mod doubts;
mod explain;
mod family;
mod finding;
mod fold_settings;
mod hash;
mod ledger;
mod names;
mod normalize;
mod pattern;
mod plan;
mod policies;

mod raw;
mod relabel;
mod rewrite;
mod selector;
mod shape;
#[cfg(test)]
mod shipped;
mod step;
mod template;
mod usage;
pub mod yaml;

use std::sync::Arc;
use std::time::Duration;

pub use budget::{FamilyBudget, Limit, SeriesLimits};
pub use describe::fold_doubt;
pub use doubts::Doubt;
pub use family::{Decides, FamilyPlan};
pub use finding::{Finding, Severity};
pub use ledger::{Ask, Boundless, Ledger, Manner, Novelty, Room, Span, StepKey};
pub use plan::{Observer, Plan, Watch};
pub use policies::{Policies, Prospect};
pub use shape::{Shape, shape};
pub use usage::{Part, Unused, Usage};

use crate::engine::model::{Kind, LabelSet};

/// A policy file's name and text.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub text: String,
}

/// How far a policy goes; the weakest of the settings', the target's and the policy's applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Mode {
    /// Bytes stream through unparsed (settings and targets only).
    Pass,
    /// Everything is counted, nothing changes.
    Observe,
    #[default]
    Enforce,
}

impl Mode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Pass => "pass",
            Mode::Observe => "observe",
            Mode::Enforce => "enforce",
        }
    }

    /// The mode of this name.
    pub fn named(name: &str) -> Option<Mode> {
        [Mode::Pass, Mode::Observe, Mode::Enforce].into_iter().find(|mode| mode.as_str() == name)
    }
}

/// Whether the shipped default policy applies after the given ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    Included,
    Excluded,
}

/// What a family is to a policy.
#[derive(Clone, Copy, Debug)]
pub struct FamilyRef<'a> {
    /// The TYPE name of the text format (an OpenMetrics counter with its `_total`).
    pub name: &'a str,
    pub kind: Kind,
    /// The family's name as exposed and each sample name it can have: a selector's `__name__`
    /// matchers are tested against all of these, and one that fits covers the whole family.
    pub names: &'a [&'a str],
}

/// One series, as exposed.
#[derive(Clone, Copy, Debug)]
pub struct SeriesRef<'a> {
    /// The sample's own name (`x_bucket`), for relabel rules that read `__name__`.
    pub name: &'a str,
    /// `le` or `quantile` where it is the family's own, out of reach of steps.
    pub reserved: Option<(&'a str, &'a str)>,
    /// Every other label.
    pub labels: &'a LabelSet,
}

/// What becomes of a series.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    pub outcome: Outcome,
    /// Which settings its group takes; read them with [`FamilyPlan::settings`].
    pub settings: SettingsId,
    /// What observing policies would have done, in order.
    pub observed: Vec<Observed>,
    /// Who changed it first, also where it is left out in the end.
    pub first: Option<Cause>,
    /// Policies that changed the series after the first one had, or left it out.
    pub further: Vec<Further>,
    /// Labels that steps changed for want of room, as they were.
    pub held: Vec<(Arc<str>, Box<str>)>,
}

/// A later change of a series that an earlier policy has changed.
#[derive(Clone, Debug)]
pub struct Further {
    /// The label set it was made on.
    pub labels: LabelSet,
    pub cause: Cause,
    /// Whether it is new that such a series is kept out; planned changes always are.
    pub is_news: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// No policy applies, or one says `action: pass`: verbatim, nothing remembered.
    #[default]
    Pass,
    /// Policies apply and leave its label set as it was: it may still meet a group.
    Unchanged,
    /// Its label set changed: it is a member of the group with the labels left in `out`.
    Changed(Cause),
    /// It is left out.
    Dropped(Cause),
}

/// What an observing policy would have done to a series.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The label set it would have had; `None` when it would have been left out.
    pub labels: Option<LabelSet>,
    pub cause: Cause,
}

/// Who is to blame: the first step that changed the series.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cause {
    pub policy: Arc<str>,
    /// The label that was acted upon; empty when it was the series itself.
    pub label: Arc<str>,
    pub action: Action,
}

/// The `action` label of the guard's own counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    Drop,
    Hash,
    Replace,
    Normalize,
    Limit,
    Collapse,
    Keep,
    Relabel,
    PolicyDrop,
    SeriesCollapse,
    SeriesOverflow,
    SeriesDrop,
    Quantile,
}

/// Why a series is kept out: somebody planned it, or a limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ground {
    Policy,
    Budget,
}

impl Ground {
    pub const fn as_str(self) -> &'static str {
        match self {
            Ground::Policy => "policy",
            Ground::Budget => "budget",
        }
    }
}

/// Index of settings that the series of a family share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SettingsId(pub u16);

/// The single-valued keys: the first matching policy that sets one wins.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldSettings {
    /// `None`: by kind and name (kind and name decide).
    pub aggregate: Option<Aggregate>,
    /// `None`: derived from the scrape intervals seen.
    pub hold: Option<Duration>,
    pub member_ttl: Duration,
    pub group_ttl: Duration,
    /// Pinned boundaries, ascending.
    pub histogram_buckets: Option<Arc<[f64]>>,
}

/// How members of a group become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    Sum,
    Max,
    Min,
    Avg,
    Count,
    Drop,
}

/// The label value of what has no place, where nobody says another.
pub const OVERFLOW: &str = "__overflow__";

/// What happens beyond a limit on series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum LimitAction {
    /// The label whose removal cuts the family most is folded away.
    #[default]
    Collapse,
    /// New series become one whose labels say `__overflow__`.
    Overflow,
    /// New series are left out.
    Drop,
    /// The scrape fails, as with Prometheus' `sample_limit`.
    Fail,
}

impl Action {
    /// Limits spend a budget, everything else is somebody's policy.
    pub const fn ground(self) -> Ground {
        if self.is_budget() { Ground::Budget } else { Ground::Policy }
    }

    /// Whether a limit did it, and not a step that somebody planned.
    pub const fn is_budget(self) -> bool {
        use Action::{Collapse, Limit, SeriesCollapse, SeriesDrop, SeriesOverflow};
        matches!(self, Limit | Collapse | SeriesCollapse | SeriesOverflow | SeriesDrop)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Drop => "drop",
            Action::Hash => "hash",
            Action::Replace => "replace",
            Action::Normalize => "normalize",
            Action::Limit => "limit",
            Action::Collapse => "collapse",
            Action::Keep => "keep",
            Action::Relabel => "relabel",
            Action::PolicyDrop => "policy_drop",
            Action::SeriesCollapse => "series_collapse",
            Action::SeriesOverflow => "series_overflow",
            Action::SeriesDrop => "series_drop",
            Action::Quantile => "quantile",
        }
    }
}
