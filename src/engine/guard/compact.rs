//! Families that have gone are given back: names that change for ever take no more memory than those
//! of some time ago.
//!
//! A family goes with the last of its members and groups, when it is not in the body; what was decided
//! about it goes with it. Should it come back it is a new one. Places are moved rarely, because
//! everything has to be written down again then.

use super::state::EndpointState;
use crate::engine::fold::FamilyId;

/// As many families as these may be gone and stay.
const SPARE: usize = 64;

impl EndpointState {
    /// After a commit, or when members were forgotten (`has_swept`), if it is worth while.
    pub(super) fn give_back_families(&mut self, has_swept: bool) {
        let len = self.families.len();
        if len <= SPARE || !(has_swept || len > 2 * self.families_kept + SPARE) {
            return;
        }
        let (scrape, outsiders) = (self.scrape, self.families.outsiders());
        let mut stays = self.fold.peopled();
        for (id, stays) in self.families.ids().zip(&mut stays) {
            *stays |= self.families.get(id).scrape == scrape || Some(id) == outsiders;
        }
        let kept = stays.iter().filter(|stays| **stays).count();
        self.families_kept = len;
        if len - kept < SPARE {
            return;
        }
        self.families_kept = kept;
        self.let_go(&stays);
    }

    fn let_go(&mut self, stays: &[bool]) {
        let mut places = Vec::with_capacity(stays.len());
        let mut next = 0;
        for &stays in stays {
            places.push(stays.then_some(FamilyId(next)));
            next += u32::from(stays);
        }
        let new = |id: FamilyId| places.get(id.index()).copied().flatten();
        self.alike.clear();
        self.forget_decisions(new);
        self.series.forget_families(&mut self.fold.members, |id| new(id).is_none());
        let mut causes = self.fold.causes();
        causes.extend(self.series.causes().chain(self.notes.causes()));
        let renumbered = self.causes.compact(&causes);
        let cause = |old: u32| renumbered.get(&old).copied().unwrap_or_default();
        self.series.follow_families(new, cause);
        self.notes.renumber_causes(cause);
        self.fold.follow_families(new, cause);
        self.families.follow(self.format, new);
        let families = &self.families;
        self.types.forget_together(|name| families.knew(name));
        self.held_families.retain(|name| families.knew(name));
    }

    /// What limits have decided about families that go.
    fn forget_decisions(&mut self, new: impl Fn(FamilyId) -> Option<FamilyId>) {
        let gone: Vec<FamilyId> = self.families.ids().filter(|&id| new(id).is_none()).collect();
        let mut keys: Vec<u64> = Vec::with_capacity(gone.len());
        for id in gone {
            let family = self.families.get(id);
            keys.push(family.hash.0);
            self.wordings.forget(&self.seed, family);
        }
        keys.sort_unstable();
        self.budgets.forget_families(|key| keys.binary_search(&key).is_ok());
    }
}
