//! The policies of one target.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use super::compiled::{Effect, Enforcement, Policy};
use super::{FamilyPlan, FamilyRef, StepKey};
use crate::engine::model::Seed;

/// The policies of one target, compiled. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    policies: Arc<[Planned]>,
    fingerprint: u64,
    /// The same of the policies that do not only observe.
    effect: u64,
    watch: Watch,
    observers: Arc<[Observer]>,
}

/// A policy that only observes, and the plan in which it is enforced: policies before it as they
/// are, none behind it.
#[derive(Clone, Debug)]
pub struct Observer {
    pub policy: Arc<str>,
    pub plan: Arc<Plan>,
}

/// Whether families that no policy reaches are remembered as well, because a limit of the whole
/// endpoint may come to fold them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    #[default]
    Reached,
    All,
}

/// A policy as it applies to one target.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub policy: Arc<Policy>,
    /// The weaker of the policy's own, the target's and the settings'.
    pub enforcement: Enforcement,
}

impl Plan {
    pub(super) fn new(policies: Vec<Planned>) -> Plan {
        let observing = policies.iter().zip(1..).filter(|(p, _)| p.enforcement == Enforcement::Observed && p.acts());
        let observers = observing.map(|(planned, len)| Observer::of(planned, &policies[..len]));
        Plan { observers: observers.collect(), ..Plan::bare(policies) }
    }

    fn bare(policies: Vec<Planned>) -> Plan {
        let effect = fingerprint(policies.iter().filter(|planned| planned.has_a_say()));
        let fingerprint = fingerprint(&policies);
        Plan { policies: policies.into(), fingerprint, effect, watch: Watch::Reached, observers: Arc::default() }
    }

    /// The same policies, watching more or less than they reach.
    pub fn watching(self, watch: Watch) -> Plan {
        let change = u64::from(watch != self.watch);
        let (fingerprint, effect) = (self.fingerprint ^ change, self.effect ^ change);
        let observers = self.observers.iter().map(|observer| observer.watching(watch)).collect();
        Plan { fingerprint, effect, watch, observers, ..self }
    }

    /// The names of the policies, in order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.policies.iter().map(|planned| &planned.policy.name)
    }

    /// The policies that only observe.
    pub fn observers(&self) -> &[Observer] {
        &self.observers
    }

    /// Says whether no policy can touch or observe anything: the guard then remembers nothing.
    pub fn is_empty(&self) -> bool {
        self.watch == Watch::Reached && !self.policies.iter().any(Planned::acts)
    }

    /// Changes exactly when a decision of this plan could differ from one of another plan (hash of
    /// the compiled content): equal fingerprints mean a reload changed nothing for this target.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Changes exactly when what a scrape shows could: who only observes is left out.
    pub fn effect(&self) -> u64 {
        self.effect
    }

    /// The steps that give places.
    pub fn step_keys(&self) -> HashSet<StepKey> {
        let steps = self.policies.iter().flat_map(|planned| planned.policy.effect.steps());
        steps.filter(|step| step.is_budget()).map(|step| step.key).collect()
    }

    /// What applies to this family; asked once a family.
    pub fn family(&self, family: FamilyRef<'_>) -> FamilyPlan {
        FamilyPlan::new(&self.policies, family, self.watch)
    }
}

impl Observer {
    /// `policies` up to itself.
    fn of(planned: &Planned, policies: &[Planned]) -> Observer {
        let mut policies = policies.to_vec();
        if let Some(last) = policies.last_mut() {
            last.enforcement = Enforcement::Enforced;
        }
        Observer { policy: planned.policy.name.clone(), plan: Arc::new(Plan::bare(policies)) }
    }

    fn watching(&self, watch: Watch) -> Observer {
        Observer { policy: self.policy.clone(), plan: Arc::new(Plan::clone(&self.plan).watching(watch)) }
    }
}

impl Planned {
    /// Says whether the policy does or counts anything of its own (passing is neither).
    pub fn acts(&self) -> bool {
        match &self.policy.effect {
            Effect::Pass => false,
            Effect::Drop => true,
            edit @ Effect::Edit { .. } => !edit.is_nothing() || self.policy.budget.limits(),
        }
    }

    /// Says whether anything happens because of it.
    pub fn has_a_say(&self) -> bool {
        self.enforcement == Enforcement::Enforced || self.passes()
    }

    /// Says whether the series it selects are out of reach of later policies. Where the whole
    /// target only observes, what would pass is not counted either.
    pub fn passes(&self) -> bool {
        matches!(self.policy.effect, Effect::Pass) && self.policy.enforcement == Enforcement::Enforced
    }
}

/// The same in every process and release as long as the content prints the same: what policies
/// print about themselves is complete.
pub(super) fn fingerprint<'p>(policies: impl IntoIterator<Item = &'p Planned>) -> u64 {
    let mut text = String::new();
    for Planned { policy, enforcement } in policies {
        // Writing to a String cannot fail.
        let _ = write!(text, "{enforcement:?} {}", policy.content());
    }
    Seed::new(0).hash(text.as_bytes()).0
}
