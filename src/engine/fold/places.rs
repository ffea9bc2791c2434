//! Who gives up a place: groups that are shown and have no member, those that were longest without one
//! first; and families that have left nothing behind.

use std::collections::HashSet;

use super::group::{GroupId, Groups};
use super::{EndpointClock, FamilyId, Fold};

impl Fold {
    /// Takes the group of a family that was longest without a member off show; says how many lines it
    /// had.
    pub fn retire(&mut self, id: FamilyId) -> Option<u64> {
        if self.families[id.index()].frozen.is_none() {
            let groups = self.families[id.index()].groups.iter().copied();
            self.families[id.index()].frozen = Some(self.queue(groups));
        }
        let queue = self.families[id.index()].frozen.as_mut()?;
        let oldest = next(queue, &self.groups, &self.clock)?;
        Some(self.take_off_show(oldest))
    }

    /// The same of any family; says which.
    pub fn retire_any(&mut self) -> Option<(FamilyId, u64)> {
        if self.frozen.is_none() {
            self.frozen = Some(self.queue((0..self.groups.len() as u32).map(GroupId)));
        }
        let oldest = next(self.frozen.as_mut()?, &self.groups, &self.clock)?;
        Some((self.groups.get(oldest).family, self.take_off_show(oldest)))
    }

    fn take_off_show(&mut self, id: GroupId) -> u64 {
        let group = self.groups.get(id);
        let (lines, is_superseded) = (group.line_count(), group.superseded);
        self.set_place(id, [is_superseded, true]);
        lines
    }

    /// Those that can give up their place, the one that was longest without a member last.
    fn queue(&self, groups: impl DoubleEndedIterator<Item = GroupId>) -> Vec<GroupId> {
        let mut frozen: Vec<GroupId> = groups.rev().filter(|&id| is_frozen(&self.groups, id, &self.clock)).collect();
        frozen.sort_by(|a, b| self.groups.get(*b).last_member.total_cmp(&self.groups.get(*a).last_member));
        frozen
    }

    /// Families that have members or groups.
    pub fn peopled(&self) -> Vec<bool> {
        let mut peopled: Vec<bool> = self.families.iter().map(|family| !family.groups.is_empty()).collect();
        self.members.iter().for_each(|member| peopled[member.family.index()] = true);
        peopled
    }

    /// Causes that members and groups carry.
    pub fn causes(&self) -> HashSet<u32> {
        self.members.causes().chain(self.groups.iter().map(|group| group.cause)).collect()
    }

    /// Families went to other places, or away, and causes have other numbers: positions have moved.
    pub fn follow_families(&mut self, new: impl Fn(FamilyId) -> Option<FamilyId>, cause: impl Fn(u32) -> u32) {
        self.journal.demand_whole();
        let mut at = (0..).map(FamilyId);
        self.families.retain(|_| at.next().and_then(&new).is_some());
        // Who is still here has a family.
        let family = |id| new(id).unwrap_or(id);
        self.members.follow_families(family, &cause);
        for group in self.groups.iter_mut() {
            (group.family, group.cause) = (family(group.family), cause(group.cause));
        }
    }
}

fn next(queue: &mut Vec<GroupId>, groups: &Groups, clock: &EndpointClock) -> Option<GroupId> {
    std::iter::from_fn(|| queue.pop()).find(|&id| is_frozen(groups, id, clock))
}

/// Whether nobody would miss the group in the scrape at hand, should its place be needed.
fn is_frozen(groups: &Groups, id: GroupId, clock: &EndpointClock) -> bool {
    let group = groups.get(id);
    let is_old = group.superseded || (group.first_shown.is_some() && group.last_member < clock.before());
    !group.retired && group.scrape != groups.scrape && is_old
}
