//! Forgetting: members and groups whose time has come (rules 1.7, 1.7b, 2.4).

use std::collections::HashSet;

use super::gone::Gone;
use super::group::Group;
use super::member::{Common, MemberId};
use super::moved::Moved;
use super::{FamilyId, Fold, GroupId};
use crate::engine::model::SeriesHash;

/// Sweeping costs a walk over all members, so the limit may be overshot by this part before it is
/// enforced; what is in the last scrape always stays.
const SLACK: usize = 16;
/// Seconds of the endpoint clock between two sweeps for age.
const SWEEP_SECONDS: f64 = 60.0;

impl Fold {
    /// Drops a family's state: it has another type now (rule 3.14).
    pub fn drop_family(&mut self, id: FamilyId) {
        let family = &mut self.families[id.index()];
        if family.primed {
            family.primed = false;
            family.names.clear();
            self.dropped.push(id);
        }
    }

    /// Forgets what is due, if anything can be: `None` when everything stays where it is.
    /// `members_limit` 0 = none.
    pub fn sweep(&mut self, members_limit: usize, last_sweep: &mut f64) -> Option<Moved> {
        let now = self.clock.seconds();
        let over = members_limit > 0 && self.members.len() > members_limit + members_limit / SLACK;
        let dropped = std::mem::take(&mut self.dropped);
        let doomed = std::mem::take(&mut self.doomed);
        if !over && dropped.is_empty() && doomed.is_empty() && now - *last_sweep < SWEEP_SECONDS {
            return None;
        }
        let is_due = now - *last_sweep >= SWEEP_SECONDS || !dropped.is_empty() || !doomed.is_empty();
        let is_due = is_due || self.has_due_groups();
        *last_sweep = if is_due { now } else { *last_sweep };
        if !over {
            self.members.give_back_room(0);
        }
        if !over && dropped.is_empty() && doomed.is_empty() && !self.has_due_groups() && !self.has_old_members() {
            return None;
        }
        let (mut gone, used) = match is_due {
            true => self.members.seen_before(&self.due(&dropped, &doomed)),
            false => self.members.nobody(),
        };
        if over {
            // At the limit the longest absent go first, never one present in the last scrape.
            gone.unite(&self.members.longest_absent(self.members.len() - members_limit, now as u32));
        }
        if gone.is_empty() && !self.has_due_groups() && dropped.is_empty() {
            return None;
        }
        self.journal.demand_whole();
        self.tally.evicted += gone.len() as u64;
        let moved = self.let_go(gone, &used, members_limit, &dropped);
        self.evict_groups(&dropped);
        // What a scrape brought beyond the limit the next one may bring, too.
        self.members.give_back_room(if over { moved.forgotten() } else { 0 });
        Some(moved)
    }

    /// By role: the second in which a member must have been seen to stay. Roles that nobody has may be
    /// of what is not there any more.
    fn due(&self, dropped: &[FamilyId], doomed: &HashSet<u32>) -> Vec<u32> {
        let now = self.clock.seconds();
        let bound = |role: Common| {
            let group = role.group.filter(|group| group.index() < self.groups.len());
            let is_frozen_out = group.is_some_and(|group| is_due(self.groups.get(group), now));
            if dropped.contains(&role.family) || is_frozen_out || doomed.contains(&role.shadow) {
                return u32::MAX;
            }
            let ttl = self.families.get(role.family.index()).map_or(0.0, |family| family.member_ttl_seconds);
            (now - ttl).ceil() as u32
        };
        self.members.roles().map(bound).collect()
    }

    /// Seconds of the endpoint clock for which each member that was not in the last scrape has been
    /// absent.
    pub fn absences(&self) -> impl Iterator<Item = u32> {
        let last = self.clock.seconds() as u32;
        self.members.iter().map(move |m| last.saturating_sub(m.seen)).filter(|absent| *absent > 0)
    }

    /// Memory is short everywhere: forgets the members that have been absent for at least so long
    /// (rule 1.7), between two scrapes.
    pub fn forget_absent(&mut self, seconds: u32, members_limit: usize) -> Moved {
        self.journal.demand_whole();
        let first = (self.clock.seconds() as u32 + 1).saturating_sub(seconds.max(1));
        let (gone, used) = self.members.seen_before(&vec![first; self.members.roles().len()]);
        let moved = self.let_go(gone, &used, members_limit, &[]);
        self.members.give_back_room(0);
        moved
    }

    /// Forgets the members at these places, of whom fingerprints stay if their family does.
    fn let_go(&mut self, gone: Gone, used: &[bool], members_limit: usize, dropped: &[FamilyId]) -> Moved {
        let is_dropped: Vec<bool> = self.members.roles().map(|role| dropped.contains(&role.family)).collect();
        let all = &self.members.all;
        if dropped.is_empty() {
            self.fingerprints.extend(gone.iter().map(|at| all[at as usize].key), members_limit);
        } else {
            let stays = |at: &u32| !is_dropped[all[*at as usize].role.index()];
            let keys: Vec<SeriesHash> = gone.iter().filter(stays).map(|at| all[at as usize].key).collect();
            self.fingerprints.extend(keys.into_iter(), members_limit);
        }
        let moved = self.members.leave(gone, used);
        self.follow(&moved);
        moved
    }

    fn follow(&mut self, moved: &Moved) {
        let new = |id: MemberId| moved.place(id);
        self.names = self.names.drain().filter_map(|(id, n)| Some((new(id)?, n))).collect();
        self.created = self.created.drain().filter_map(|(id, c)| Some((new(id)?, c))).collect();
        self.stamps = self.stamps.drain().filter_map(|((id, f), s)| Some(((new(id)?, f), s))).collect();
    }

    /// Whether any member can have been absent for as long as some family allows.
    fn has_old_members(&self) -> bool {
        let least = self.families.iter().map(|family| family.member_ttl_seconds).fold(f64::INFINITY, f64::min);
        self.members.seen().min().is_some_and(|seen| f64::from(seen) + least < self.clock.seconds())
    }

    fn has_due_groups(&self) -> bool {
        let now = self.clock.seconds();
        self.groups.iter().any(|g| is_due(g, now))
    }

    fn evict_groups(&mut self, dropped: &[FamilyId]) {
        if dropped.is_empty() && !self.has_due_groups() {
            return;
        }
        let now = self.clock.seconds();
        let moved = self.groups.retain(|g| !is_due(g, now) && !dropped.contains(&g.family));
        // Roles that nobody has may name groups of a broken scrape, which never came to be.
        let new = |id: GroupId| moved.get(id.index()).copied().flatten();
        self.members.follow_groups(new);
        for family in &mut self.families {
            family.groups = family.groups.iter().filter_map(|&g| new(g)).collect();
        }
    }
}

/// Rule 2.4.
fn is_due(group: &Group, now: f64) -> bool {
    group.retired || group.last_member + group.group_ttl_seconds < now
}
