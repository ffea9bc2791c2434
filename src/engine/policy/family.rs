//! What applies to one family: the policies that cover it, and what was worked out about its labels.

use std::sync::Arc;

use super::budget::FamilyBudget;
use super::compiled::{Enforcement, Policy};
use super::decide::{self, Deaf, Scratch, Silent};
use super::fold_settings::{Says, SettingsTable};
use super::names::Names;
use super::plan::{Planned, Watch};
use super::relabel::Rule;
use super::{Action, Aggregate, Decision, FamilyRef, FoldSettings, Ledger, SeriesRef, SettingsId};
use crate::engine::model::LabelSet;

/// What applies to one family of one endpoint. It may remember what it worked out (which step
/// fits which label name), so asking takes `&mut`.
#[derive(Clone, Debug)]
pub struct FamilyPlan {
    pub(super) policies: Arc<[Planned]>,
    pub(super) links: Box<[Link]>,
    pub(super) reach: Reach,
    pub(super) names: Names,
    pub(super) settings: SettingsTable,
    pub(super) scratch: Scratch,
    pub(super) budget: FamilyBudget,
}

/// A policy that covers the family.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// Its place among the plan's policies.
    pub policy: usize,
    pub gate: Gate,
    /// The number of its first step among all steps of the family.
    pub first_step: usize,
    /// Whether it sets any single-valued key.
    pub folds: bool,
    /// What it says about this family.
    pub aggregate: Option<Aggregate>,
}

/// Which series of a covered family a policy selects.
#[derive(Clone, Debug)]
pub(super) enum Gate {
    Every,
    /// Those that fit the label matchers of any of these selectors.
    Selected(Box<[usize]>),
}

/// Whether the value of a label decides what becomes of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decides {
    Yes,
    No,
}

/// How far the policies go with this family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    Untouched,
    /// Series can be left out; those that stay keep their labels.
    Selecting,
    /// Label sets can change, so that any series of the family may come to meet a group.
    Editing,
}

impl FamilyPlan {
    pub(super) fn new(policies: &Arc<[Planned]>, family: FamilyRef<'_>, watch: Watch) -> FamilyPlan {
        let links = links(policies, family);
        let passes =
            links.last().is_some_and(|link| policies[link.policy].passes() && matches!(link.gate, Gate::Every));
        let least = if watch == Watch::All && !passes { Reach::Editing } else { Reach::Untouched };
        let reach = links.iter().map(|link| reach(&policies[link.policy])).fold(least, Reach::max);
        FamilyPlan {
            budget: FamilyBudget::new(policies, &links),
            policies: policies.clone(),
            links: links.into(),
            reach,
            names: Names::default(),
            settings: SettingsTable::default(),
            scratch: Scratch::default(),
        }
    }

    /// Says that no policy reaches any series of this family: the guard then remembers nothing.
    pub fn is_untouched(&self) -> bool {
        self.reach == Reach::Untouched
    }

    /// Says that no policy reaches it, and yet it is remembered for a limit of the whole endpoint.
    pub fn is_only_watched(&self) -> bool {
        let acts = |planned: &Planned| planned.enforcement == Enforcement::Enforced && planned.acts();
        self.reach == Reach::Editing && !self.links.iter().any(|link| acts(&self.policies[link.policy]))
    }

    /// Says whether label sets of this family are changed before limits look at them.
    pub fn edits(&self) -> bool {
        let enforced = self.links.iter().map(|link| &self.policies[link.policy]).filter(|planned| planned.has_a_say());
        enforced.into_iter().any(|planned| planned.policy.effect.edits_labels())
    }

    /// Says whether the lines of one histogram or summary can get different labels.
    pub fn may_split(&self) -> bool {
        self.links.iter().any(|link| self.policies[link.policy].policy.effect.rules().iter().any(Rule::may_split))
    }

    /// Decides a series. `out` receives its label set after the steps (whatever the outcome).
    pub fn decide(&mut self, series: SeriesRef<'_>, out: &mut LabelSet, ledger: &mut dyn Ledger) -> Decision {
        decide::walk(self, series, out, ledger, &mut Silent)
    }

    /// The same without asking policies that only observe.
    pub fn enforce(&mut self, series: SeriesRef<'_>, out: &mut LabelSet, ledger: &mut dyn Ledger) -> Decision {
        decide::walk(self, series, out, ledger, &mut Deaf)
    }

    /// How many series the family may have, and what must stay of them.
    pub fn budget(&self) -> &FamilyBudget {
        &self.budget
    }

    /// Says of each of these labels of a series whether its value decides anything: not if it goes,
    /// and nobody looks at it first. `None` where more than the other values decides: matchers,
    /// rules, places that are given out, or several policies, which share the blame.
    pub fn deciding<'l>(&self, labels: impl Iterator<Item = &'l str>) -> Option<Vec<Decides>> {
        let enforced = self.links.iter().filter(|link| self.policies[link.policy].has_a_say());
        let mut acting = None;
        let mut one = |label| {
            let mut is_read = false;
            for (at, link) in enforced.clone().enumerate() {
                for step in self.policies[link.policy].policy.effect.steps().iter().filter(|step| step.wants(label)) {
                    if step.asks_for_room() || *acting.get_or_insert(at) != at {
                        return None;
                    }
                    if step.is_unconditional() && step.action() == Action::Drop {
                        return Some(if is_read { Decides::Yes } else { Decides::No });
                    }
                    is_read = true;
                }
            }
            Some(Decides::Yes)
        };
        let by_steps_only = enforced.clone().all(|link| {
            matches!(link.gate, Gate::Every) && self.policies[link.policy].policy.effect.rules().is_empty()
        });
        by_steps_only.then(|| labels.map(&mut one).collect()).flatten()
    }

    /// The settings of a decision of this very plan.
    pub fn settings(&self, id: SettingsId) -> &FoldSettings {
        &self.settings.row(id).1
    }
}

impl Link {
    pub fn says<'p>(&self, policy: &'p Policy) -> Says<'p> {
        Says { keys: &policy.fold, aggregate: self.aggregate }
    }
}

impl Gate {
    #[inline]
    pub fn admits(&self, policy: &Policy, labels: &LabelSet) -> bool {
        match self {
            Gate::Every => true,
            Gate::Selected(selectors) => selectors.iter().any(|at| policy.selectors[*at].selects(labels)),
        }
    }
}

/// The policies that cover the family, in order, up to one that lets everything pass.
fn links(policies: &[Planned], family: FamilyRef<'_>) -> Vec<Link> {
    let mut links = Vec::new();
    let mut first_step = 0;
    for (at, planned) in policies.iter().enumerate() {
        let Some(gate) = gate(&planned.policy, family) else { continue };
        let ends = planned.passes() && matches!(gate, Gate::Every);
        let fold = &planned.policy.fold;
        links.push(Link { policy: at, gate, first_step, folds: !fold.is_empty(), aggregate: fold.aggregate(family) });
        if ends {
            break;
        }
        first_step += planned.policy.effect.steps().len();
    }
    links
}

/// `None`: the policy does not cover the family.
pub(super) fn gate(policy: &Policy, family: FamilyRef<'_>) -> Option<Gate> {
    if policy.selectors.is_empty() {
        return Some(Gate::Every);
    }
    let covering: Box<[usize]> = policy.covering(family).collect();
    match &*covering {
        [] => None,
        some if some.iter().any(|at| !policy.selectors[*at].reads_labels()) => Some(Gate::Every),
        _ => Some(Gate::Selected(covering)),
    }
}

fn reach(planned: &Planned) -> Reach {
    match planned.enforcement {
        // Who only observes does so in a double of the endpoint.
        Enforcement::Observed => Reach::Untouched,
        _ if !planned.acts() => Reach::Untouched,
        // Series under a limit may come to be folded: what they were must be known by then.
        _ if planned.policy.budget.limits() => Reach::Editing,
        Enforcement::Enforced if planned.policy.effect.edits_labels() => Reach::Editing,
        _ => Reach::Selecting,
    }
}
