//! What limits have decided, grown old: places whose values stayed away, collapses that nobody
//! needs any more.

use std::collections::HashSet;

use super::budgets::{Collapse, FamilyKey, Origin, Slot};
use super::commons::Learned;
use super::limits::Terms;
use super::notes::UNNOTED;
use super::report::Need;
use super::series::{Forget, What};
use super::state::EndpointState;
use crate::engine::cardinality::Part;
use crate::engine::fold::FamilyId;
use crate::engine::policy::LimitAction;

/// Seconds of the endpoint clock between two looks.
const LOOK_SECONDS: f64 = 60.0;
/// The part of a limit that has to be in demand for a collapse to last.
const ENOUGH: f64 = 0.5;
/// How long a place lasts where no policy says.
const DEFAULT_TTL: f64 = 3600.0;

impl EndpointState {
    /// Looks at what is due, now and then. Members whose place is free are doomed: the sweep that
    /// follows takes them, and their groups.
    pub(super) fn age(&mut self) {
        let now = self.fold.clock.seconds();
        self.outgrown.clear();
        if self.budgets.is_empty() || now - self.budgets.aged < LOOK_SECONDS {
            return;
        }
        self.budgets.aged = now;
        self.compact_notes();
        self.keep_places();
        let freed: HashSet<Slot> = self.budgets.free(now).into_iter().collect();
        if !freed.is_empty() {
            self.fold.doom(self.notes.noted(|slot| freed.contains(&slot)));
        }
        self.end_outgrown(now);
        self.look_at_gates(now);
        if now - self.budgets.turned >= self.series_ttl() {
            self.turn(now);
        }
    }

    /// Who was there keeps the places of his values.
    fn keep_places(&mut self) {
        let (notes, budgets) = (&self.notes, &mut self.budgets);
        for member in self.fold.members.iter() {
            for &slot in notes.slots(member.shadow) {
                budgets.saw(slot, member.seen);
            }
        }
    }

    /// A collapse ends by itself once it is older than `group_ttl` and there would be less than
    /// half of what the limit allows.
    fn end_outgrown(&mut self, now: f64) {
        let outgrown = |c: &Collapse| {
            let Some(id) = self.families.id_by_hash(c.family) else { return false };
            let budget = self.families.get(id).plan.budget();
            now - c.since > budget.group_ttl.as_secs_f64() && self.demand_ratio(id, c) < ENOUGH
        };
        let is_over: Vec<Collapse> = self.budgets.collapses().iter().filter(|c| outgrown(c)).cloned().collect();
        self.outgrown = is_over.iter().map(Learned::of).collect();
        self.end_collapses(|c| is_over.iter().any(|over| over.is_same(c)));
    }

    /// Long before it ends here a collapse is not taught any more: or else endpoints would teach each
    /// other for ever what none of them needs.
    pub(super) fn need(&self, collapse: &Collapse) -> Need {
        let Some(id) = self.families.id_by_hash(collapse.family) else { return Need::Lasting };
        let age = self.fold.clock.seconds() - collapse.since;
        let is_young = age <= self.families.get(id).plan.budget().group_ttl.as_secs_f64() / 2.0;
        if is_young || self.demand_ratio(id, collapse) >= ENOUGH { Need::Lasting } else { Need::Fading }
    }

    /// Families of these names are not full any more.
    pub(super) fn open_gates_of(&mut self, opens: impl Fn(&str) -> bool) {
        let keys: Vec<FamilyKey> =
            self.families.ids().map(|id| self.families.get(id)).filter(|f| opens(&f.name)).map(|f| f.hash.0).collect();
        let closed: Vec<FamilyKey> = self.budgets.effective().into_iter().filter(|key| keys.contains(key)).collect();
        self.budgets.open_gates(|key| closed.contains(&key));
        closed.into_iter().for_each(|key| self.decide_anew(key));
    }

    /// Ends collapses; their families are decided anew from the next scrape on.
    pub(super) fn end_collapses(&mut self, ends: impl Fn(&Collapse) -> bool) -> usize {
        let ended = self.budgets.end_collapses(ends);
        for &key in &ended {
            self.decide_anew(key);
        }
        if !ended.is_empty() {
            self.spread_collapses();
        }
        ended.len()
    }

    /// The next scrape decides about every spelling of the family.
    pub(super) fn decide_anew(&mut self, key: FamilyKey) {
        if let Some(id) = self.families.id_by_hash(key) {
            self.forget_spellings(id, Forget::All);
        }
    }

    /// Forgets what was decided about spellings of a family, of all or of those not seen yet.
    pub(super) fn forget_spellings(&mut self, id: FamilyId, which: Forget) {
        self.alike.clear();
        self.series.forget(&mut self.fold.members, which, |members, what| match what {
            What::Pass(family) | What::Dropped { family, .. } => family == id,
            What::Noted { member, .. } => members.family(member) == id,
        });
    }

    /// Demand for what a collapse limits, as a part of the limit.
    fn demand_ratio(&self, id: FamilyId, collapse: &Collapse) -> f64 {
        match collapse.origin {
            Origin::Step(step) => self.budgets.book_ratio(step, collapse.family),
            Origin::Series => {
                let limits = &self.families.get(id).plan.budget().enforced;
                let Some(limit) = &limits.series else { return f64::INFINITY };
                self.demand_of(id) as f64 / limit.series as f64
            }
        }
    }

    /// The demand of every family, in their order.
    pub(super) fn demands(&self) -> Vec<u64> {
        self.families.ids().map(|id| self.demand_of(id)).collect()
    }

    /// Series the family would have had there been no limit.
    pub(super) fn demand_of(&self, id: FamilyId) -> u64 {
        let family = self.families.get(id);
        let held = self.budgets.demand(family.hash.0).map_or(0, |count| count.value * self.weight(id));
        held.max(family.count.all)
    }

    /// A family may have become one that a label explains; and who is gone has no place.
    fn look_at_gates(&mut self, now: f64) {
        let families = &self.families;
        let collapses = |key| {
            let family = families.by_hash(key);
            family.is_none_or(|f| f.plan.budget().enforced.action == LimitAction::Collapse)
        };
        self.budgets.open_gates(collapses);
        let ttl = |key| self.families.by_hash(key).map_or(DEFAULT_TTL, |f| f.plan.budget().enforced.ttl_seconds());
        let mut freed = HashSet::new();
        let mut gates = std::mem::take(&mut self.budgets);
        gates.thin_gates(|family, key| {
            let stands = self.still_stands(key, (now - ttl(family)).max(0.0) as u32);
            if !stands {
                freed.insert(family);
            }
            stands
        });
        self.budgets = gates;
        // A place is free: who was left out may have it.
        freed.into_iter().for_each(|family| self.decide_anew(family));
    }

    /// The shortest time to live of the families under a limit that has become effective.
    fn series_ttl(&self) -> f64 {
        let ttl = |c: &Collapse| {
            let family = self.families.by_hash(c.family)?;
            Some(family.plan.budget().enforced.ttl_seconds())
        };
        self.budgets.collapses().iter().filter_map(ttl).fold(DEFAULT_TTL, f64::min)
    }

    /// What does not come again is not in demand: families under effective limits are met anew.
    fn turn(&mut self, now: f64) {
        self.budgets.turned = now;
        let mut anew = self.budgets.effective();
        anew.extend(self.budgets.in_demand());
        self.budgets.turn();
        anew.sort_unstable();
        anew.dedup();
        anew.into_iter().for_each(|key| self.decide_anew(key));
    }

    /// Notes that no member has go, before they are more than those that are used.
    fn compact_notes(&mut self) {
        if !self.notes.is_bloated(self.fold.members.len()) {
            return;
        }
        let used: HashSet<u32> = self.fold.members.iter().map(|m| m.shadow).chain(self.series.notes()).collect();
        let renumbered = self.notes.compact(&used);
        let new = |old: u32| renumbered.get(&old).copied().unwrap_or(UNNOTED);
        self.fold.members.renumber_shadows(new);
        self.series.renumber_notes(new);
    }

    /// Least free part of any limit: `None` without limits.
    pub(super) fn headroom(&self, terms: Terms<'_>, demand: &[u64]) -> Option<f64> {
        let of_family = |id: FamilyId| {
            let family = self.families.get(id);
            let limits = &family.plan.budget().enforced;
            let demand = demand[id.index()];
            let own = limits.series.as_ref().map(|limit| demand as f64 / limit.series as f64);
            let others = family.part.as_ref().map_or(0, Part::others);
            let together = (demand + others) as f64;
            let total = limits.total.as_ref().map(|limit| together / limit.series as f64);
            let most = own.into_iter().chain(total).reduce(f64::max)?;
            Some(1.0 - most)
        };
        let families = self.families.ids().filter_map(of_family);
        let books = self.budgets.ratios().map(|ratio| 1.0 - ratio);
        let crowd = self.crowd(terms);
        let all = (crowd > 0).then(|| 1.0 - self.families.series() as f64 / crowd as f64);
        families.chain(books).chain(all).reduce(f64::min).map(|least| least.clamp(0.0, 1.0))
    }
}
