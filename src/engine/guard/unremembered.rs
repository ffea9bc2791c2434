//! Families of which something came that was not remembered: what comes to be counted of them later
//! is older than it looks (rule 5.8). It outlives decisions, spellings and the process.

use super::families::Tracking;
use super::inherit::Recollection;
use super::state::EndpointState;
use crate::engine::cardinality::Novelty;
use crate::engine::fold::FamilyId;
use crate::engine::model::SeriesHash;
use crate::engine::policy::{Action, Cause, LimitAction};

/// Of one family, since the plan in force is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unremembered {
    /// Series that passed, or that a policy left out: only another plan counts them.
    by_plan: Since,
    /// Series that a limit refused: whenever there is room they are counted.
    by_limit: Since,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Since {
    #[default]
    Never,
    /// This scrape; in a later one its series are known to budgets.
    Scrape(u32),
    /// It was read: which series they were nobody here knows.
    Before,
}

/// Who did not remember a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    ByPlan,
    ByLimit,
}

const BY_PLAN: u8 = 1;
const BY_LIMIT: u8 = 2;

impl Left {
    pub fn by(cause: &Cause) -> Left {
        if cause.action == Action::SeriesDrop { Left::ByLimit } else { Left::ByPlan }
    }
}

impl Unremembered {
    fn note(&mut self, who: Left, scrape: u32) {
        let since = match who {
            Left::ByPlan => &mut self.by_plan,
            Left::ByLimit => &mut self.by_limit,
        };
        if *since == Since::Never {
            *since = Since::Scrape(scrape);
        }
    }

    /// The scrape has failed.
    pub fn take_back(&mut self, scrape: u32) {
        for since in [&mut self.by_plan, &mut self.by_limit] {
            if *since == Since::Scrape(scrape) {
                *since = Since::Never;
            }
        }
    }

    /// A scrape that showed the family is committed: who was refused in it is known.
    pub fn commit(&mut self, scrape: u32) {
        if self.by_limit == Since::Before {
            self.by_limit = Since::Scrape(scrape);
        }
    }

    /// Who was refused elsewhere is not known here.
    pub fn is_of_others(&mut self) {
        if self.by_limit != Since::Never {
            self.by_limit = Since::Before;
        }
    }

    /// Whether some were left out so before what is known here.
    fn was_read(self, who: Left) -> bool {
        match who {
            Left::ByPlan => self.by_plan == Since::Before,
            Left::ByLimit => self.by_limit == Since::Before,
        }
    }

    /// Whether nobody here knows who was refused.
    fn are_refused_unknown(self) -> bool {
        self.was_read(Left::ByLimit)
    }

    pub fn is_anything(self) -> bool {
        self != Unremembered::default()
    }

    /// As it is written down.
    pub fn bits(self) -> u8 {
        let bit = |since, bit| if since == Since::Never { 0 } else { bit };
        bit(self.by_plan, BY_PLAN) | bit(self.by_limit, BY_LIMIT)
    }

    /// Of what was read: somebody was refused, and nobody knows who.
    pub fn of_refused() -> Unremembered {
        Unremembered::of_bits(BY_LIMIT)
    }

    pub fn of_bits(bits: u8) -> Unremembered {
        let since = |bit| if bits & bit == 0 { Since::Never } else { Since::Before };
        Unremembered { by_plan: since(BY_PLAN), by_limit: since(BY_LIMIT) }
    }
}

impl EndpointState {
    /// A series of the family comes, and its value is not remembered.
    pub(super) fn leave_unremembered(&mut self, id: FamilyId, who: Left) {
        let (scrape, is_outside) = (self.scrape, self.families.outsiders() == Some(id));
        let family = self.families.get_mut(id);
        // Of what no policy reaches nothing is remembered, and that is known.
        if family.tracking != Tracking::No || is_outside {
            family.unremembered.note(who, scrape);
        }
    }

    /// Whether a series that is left out may have been left out before the state was read: nobody
    /// should hear of it as new.
    pub(super) fn may_be_old(&self, id: FamilyId, who: Left) -> bool {
        self.recollection == Recollection::Written && self.families.get(id).unremembered.was_read(who)
    }

    /// A line of a family gets a place. If the family had none before, its members were there
    /// nevertheless: it begins as if it were the first scrape.
    pub(super) fn recall_outsider(&mut self, id: FamilyId, line: u64) {
        let Some(outsiders) = self.families.outsiders() else { return };
        let (outside, is_empty) = (self.families.get(outsiders), self.families.get(id).count.all == 0);
        let was_outside = match self.budgets.has_refused(outside.hash.0, line) {
            Novelty::Known => true,
            Novelty::Unknown => is_empty,
            Novelty::New => is_empty && outside.unremembered.are_refused_unknown(),
        };
        if was_outside {
            self.fold.families[id.index()].primed = false;
        }
    }

    /// Whether a limit has refused an output label set that has a place from here on: the members
    /// that it brings along were there before.
    pub(super) fn was_refused(&self, id: FamilyId, set: SeriesHash) -> bool {
        let family = self.families.get(id);
        let refuses = family.plan.budget().enforced.action == LimitAction::Drop;
        refuses
            && (family.unremembered.are_refused_unknown()
                || self.budgets.has_refused(family.hash.0, set.0) != Novelty::New)
    }
}
