//! What the endpoints of one target share: how many series they have together, and which labels
//! one of them found to explode. Whoever comes later begins with what was learned.

use std::fmt::Debug;
use std::sync::Arc;

use super::budgets::{Collapse, Origin};
use super::series::Forget;
use super::state::EndpointState;
use crate::engine::cardinality::{Part, Share};
use crate::engine::fold::FamilyId;
use crate::engine::policy::Manner;

/// The limit of what is only observed: no scrape has to wait for it.
const NOBODY_WAITS: u64 = u64::MAX;

/// Held by the shell, handed to every scrape of the target.
pub trait Commons: Debug + Send + Sync {
    /// Series of a family over all endpoints, of which there may be so many; of all families for `None`.
    fn share(&self, metric: Option<&str>, limit: u64) -> Arc<Share>;

    fn learned(&self) -> Arc<[Learned]>;

    /// What doubles have learned of policies that they are not there for.
    fn lessons(&self) -> Arc<[Learned]>;

    /// Collapses ended by hand, oldest first.
    fn releases(&self) -> Arc<[Release]>;

    /// A series that was not known has this value. Nobody but several guards has to tell.
    fn meet(&self, _metric: &str, _label: &str, _value: &str) {}
}

/// A label that some endpoint has folded away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    pub metric: Arc<str>,
    pub label: Arc<str>,
    pub policy: Arc<str>,
    pub origin: Origin,
    pub manner: Manner,
    /// Of what applied to the family there.
    pub fingerprint: u64,
}

/// The collapses of a metric (or all: `None`) were ended by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub metric: Option<Arc<str>>,
    /// Later ones have higher numbers, whichever process they come from.
    pub number: u64,
}

impl Learned {
    pub fn of(collapse: &Collapse) -> Learned {
        Learned {
            metric: collapse.metric.clone(),
            label: collapse.label.clone(),
            policy: collapse.policy.clone(),
            origin: collapse.origin,
            manner: Manner::Enforced,
            fingerprint: collapse.fingerprint,
        }
    }
}

impl EndpointState {
    /// Takes up what the others have learned, before a scrape of a target whose series are limited
    /// as a whole, or not.
    pub(super) fn join_commons(&mut self, commons: &Arc<dyn Commons>, target_series: u64) {
        let shares_all = target_series > 0;
        for release in commons.releases().iter() {
            if release.number > self.released {
                self.released = release.number;
                self.end_collapses(|c| release.metric.as_ref().is_none_or(|metric| *metric == c.metric));
                let metric = release.metric.clone();
                self.open_gates_of(|name| metric.as_ref().is_none_or(|metric| **metric == *name));
            }
        }
        self.learned = commons.learned();
        if self.observer.is_some() {
            self.learned = self.learned.iter().chain(&*commons.lessons()).cloned().collect();
        }
        self.commons = Some(commons.clone());
        let ids: Vec<FamilyId> = self.families.ids().collect();
        for id in ids {
            self.share_count(id);
            if self.take_up_learned(id) > 0 {
                self.regroup_family(id);
                self.forget_spellings(id, Forget::All);
            }
        }
        if !shares_all {
            self.part = None;
            return;
        }
        let share = match &self.observer {
            None => commons.share(None, target_series),
            Some(policy) => commons.share(Some(&format!("\n{policy}")), NOBODY_WAITS),
        };
        if !self.part.as_ref().is_some_and(|part| part.is_of(&share)) {
            self.part = Some(Part::of(share));
        }
    }

    /// These labels go from the first line of the body on.
    pub(super) fn decide_beforehand(&mut self, collapses: Vec<Collapse>) {
        let families: Vec<FamilyId> = collapses.iter().filter_map(|c| self.families.id_by_hash(c.family)).collect();
        collapses.into_iter().for_each(|collapse| self.budgets.collapse(collapse));
        for id in families {
            self.take_up_collapses(id);
            self.regroup_family(id);
            self.forget_spellings(id, Forget::All);
        }
    }

    /// Folds away in a family what others have folded away; says how many labels that are.
    pub(super) fn take_up_learned(&mut self, id: FamilyId) -> usize {
        let family = self.families.get(id);
        let fingerprint = family.plan.budget().fingerprint;
        let since = self.fold.clock.seconds();
        let manner = if self.observer.is_some() { Manner::Observed } else { Manner::Enforced };
        let is_mine = |l: &&Learned| *l.metric == *family.name && l.fingerprint == fingerprint && l.manner == manner;
        let mine = self.learned.iter().filter(is_mine);
        let collapses: Vec<Collapse> = mine.map(|learned| learned.at(family.hash.0, since)).collect();
        let before = self.budgets.collapses().len();
        collapses.into_iter().for_each(|collapse| self.budgets.collapse(collapse));
        self.take_up_collapses(id);
        self.budgets.collapses().len() - before
    }

    /// The family's series count for the target from here on.
    pub(super) fn share_count(&mut self, id: FamilyId) {
        let Some(commons) = &self.commons else { return };
        let family = self.families.get_mut(id);
        // A double counts beside the endpoint.
        if let Some(total) = &family.plan.budget().enforced.total {
            let share = match &self.observer {
                None => commons.share(Some(&family.name), total.series),
                Some(policy) => commons.share(Some(&format!("{}\n{policy}", family.name)), NOBODY_WAITS),
            };
            if !family.part.as_ref().is_some_and(|part| part.is_of(&share)) {
                family.part = Some(Part::of(share));
            }
        } else {
            family.part = None;
        }
    }

    /// Tells the others how many series there are here.
    pub(super) fn publish(&mut self) {
        let series = self.families.series();
        self.families.publish();
        if let Some(part) = &mut self.part {
            part.set(series);
        }
    }
}

impl Learned {
    fn at(&self, family: u64, since: f64) -> Collapse {
        Collapse {
            family,
            metric: self.metric.clone(),
            label: self.label.clone(),
            policy: self.policy.clone(),
            origin: self.origin,
            since,
            fingerprint: self.fingerprint,
        }
    }
}
