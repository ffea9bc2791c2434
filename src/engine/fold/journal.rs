//! What has changed since it was last written down, so that a scrape writes what it brought and
//! not everything there is.

use super::family::FoldFamily;
use super::{FamilyId, GroupId, MemberId};

/// Noted at commit, emptied by whoever writes it down. Positions stay valid in between: whatever
/// moves them asks for [`Extent::Whole`].
#[derive(Debug, Default)]
pub struct Journal {
    extent: Extent,
    /// Members and groups that were written: younger ones are born.
    pub(super) members: usize,
    pub(super) groups: usize,
    pub(super) families: Vec<Signature>,
    /// Runs of members of committed scrapes: first and length.
    pub(super) present: Vec<(u32, u32)>,
    /// Runs of those whose values are others: mostly all of a family, or few.
    pub(super) changed_members: Vec<(u32, u32)>,
    pub(super) changed_groups: Vec<GroupId>,
    pub(super) created: Vec<MemberId>,
    pub(super) stamps: Vec<(MemberId, u32)>,
    /// How many seconds of the endpoint clock `present` spans; only one second can be told apart.
    pub(super) commits: u32,
}

/// How much has to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// Everything: nothing was written yet, or positions have moved since.
    #[default]
    Whole,
    /// What the last scrape changed.
    Changes,
}

/// What of a family can change: when this differs, the family is written again. The lists in it
/// only grow, except where a sweep follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Signature {
    is_primed: bool,
    names: usize,
    last_names: u64,
    layouts: usize,
    newest_created: u64,
    member_ttl: u64,
    /// What the caller knows about it besides.
    outside: u64,
}

impl Signature {
    pub(super) fn of(family: &FoldFamily, outside: u64) -> Signature {
        Signature {
            is_primed: family.primed,
            names: family.names.hashes().len(),
            last_names: family.names.last(),
            layouts: family.layouts.len(),
            newest_created: family.newest_created.to_bits(),
            member_ttl: family.member_ttl_seconds.to_bits(),
            outside,
        }
    }
}

impl Journal {
    /// What is to be written next. Two commits that nobody wrote down between them cannot be told
    /// as one change.
    pub fn extent(&self) -> Extent {
        if self.commits > 1 { Extent::Whole } else { self.extent }
    }

    /// Positions have moved, or everything has changed.
    pub fn demand_whole(&mut self) {
        *self = Journal::default();
    }

    /// Everything up to here is written.
    pub(super) fn written(&mut self, members: usize, groups: usize, families: Vec<Signature>) {
        *self = Journal { extent: Extent::Changes, members, groups, families, ..Journal::default() };
    }

    /// A scrape is committed.
    pub(super) fn begin_commit(&mut self) {
        self.commits = self.commits.saturating_add(1);
        if self.extent() == Extent::Whole && !self.is_empty() {
            self.demand_whole();
        }
    }

    /// Whether anybody wants to know what changes.
    #[inline]
    pub(super) fn listens(&self) -> bool {
        self.extent == Extent::Changes
    }

    #[inline]
    pub(super) fn saw(&mut self, member: MemberId) {
        if self.extent == Extent::Whole {
            return;
        }
        match self.present.last_mut() {
            Some((first, len)) if member.0 == *first + *len => *len += 1,
            Some((first, len)) if (*first..*first + *len).contains(&member.0) => {}
            _ => self.present.push((member.0, 1)),
        }
    }

    #[inline]
    pub(super) fn changed(&mut self, member: MemberId) {
        if self.extent == Extent::Whole || member.index() >= self.members {
            return;
        }
        match self.changed_members.last_mut() {
            Some((first, len)) if member.0 == *first + *len => *len += 1,
            Some((first, len)) if member.0 == *first + *len - 1 => {}
            _ => self.changed_members.push((member.0, 1)),
        }
    }

    pub(super) fn group_changed(&mut self, group: GroupId) {
        if self.extent == Extent::Changes && group.index() < self.groups {
            self.changed_groups.push(group);
        }
    }

    pub(super) fn began(&mut self, member: MemberId) {
        if self.extent == Extent::Changes {
            self.created.push(member);
        }
    }

    pub(super) fn stamped(&mut self, member: MemberId, field: u32) {
        if self.extent == Extent::Changes {
            self.stamps.push((member, field));
        }
    }

    /// Whether a family has to be written.
    pub(super) fn has_changed(&self, id: FamilyId, now: &Signature) -> bool {
        self.families.get(id.index()) != Some(now)
    }

    fn is_empty(&self) -> bool {
        self.present.is_empty() && self.changed_members.is_empty() && self.families.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_changed_one_behind_the_other_are_one_run() {
        let mut journal = Journal::default();
        journal.changed(MemberId(3));
        assert!(journal.changed_members.is_empty(), "everything is written");
        journal.written(100, 0, Vec::new());
        for member in [3, 4, 4, 5, 7, 7, 6, 99, 100, 0] {
            journal.changed(MemberId(member));
        }
        assert_eq!(journal.changed_members, [(3, 3), (7, 1), (6, 1), (99, 1), (0, 1)], "100 is a new one");
    }
}
