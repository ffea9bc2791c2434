//! Forgetting: members and groups whose time has come (rules 1.7, 1.7b, 2.4).

use super::group::Group;
use super::member::{MemberId, Remembered};
use super::{FamilyId, Fold, GroupId};

/// Where members went in a sweep; `None` for those that were forgotten.
#[derive(Debug)]
pub struct Moved {
    pub members: Vec<Option<MemberId>>,
}

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
        *last_sweep = now;
        if !over && dropped.is_empty() && doomed.is_empty() && !self.has_due_groups() && !self.has_old_members() {
            return None;
        }
        let (oldest_kept, mut ties) = self.oldest_kept(over, members_limit);
        let groups = &self.groups;
        let frozen_out = |m: Remembered| m.group.is_some_and(|g| is_due(groups.get(g), now));
        let due = |m: Remembered, families: &[super::FoldFamily]| {
            let ttl = families[m.family.index()].member_ttl_seconds;
            m.seen < oldest_kept
                || f64::from(m.seen) + ttl < now
                || dropped.contains(&m.family)
                || frozen_out(m)
                || doomed.contains(&m.shadow)
        };
        if ties == 0
            && !self.members.iter().any(|m| due(m, &self.families))
            && !self.has_due_groups()
            && dropped.is_empty()
        {
            return None;
        }
        self.journal.demand_whole();
        let families = &self.families;
        let (mut fingerprints, evicted) = (Vec::new(), &mut self.tally.evicted);
        let moved = self.members.retain(|m| {
            let tied = ties > 0 && m.seen == oldest_kept;
            ties -= usize::from(tied);
            let due = tied || due(m, families);
            if due {
                *evicted += 1;
                if !dropped.contains(&m.family) {
                    fingerprints.push(m.key);
                }
            }
            !due
        });
        self.fingerprints.extend(&fingerprints, members_limit);
        self.follow(&moved);
        self.evict_groups(&dropped);
        Some(Moved { members: moved })
    }

    /// At the limit the longest absent go first, never one present in the last scrape: what was
    /// seen before this second goes, and so many of those that were seen in it.
    fn oldest_kept(&self, over: bool, limit: usize) -> (u32, usize) {
        if !over {
            return (0, 0);
        }
        let mut seen: Vec<u32> = self.members.iter().map(|m| m.seen).collect();
        let excess = seen.len() - limit;
        let (before, &mut cut, _) = seen.select_nth_unstable(excess);
        let last = self.clock.seconds() as u32;
        if cut >= last {
            return (last, 0);
        }
        (cut, excess - before.iter().filter(|s| **s < cut).count())
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
        let last = self.clock.seconds() as u32;
        let mut fingerprints = Vec::new();
        let members = self.members.retain(|m| {
            let stays = last.saturating_sub(m.seen) < seconds.max(1);
            if !stays {
                fingerprints.push(m.key);
            }
            stays
        });
        self.fingerprints.extend(&fingerprints, members_limit);
        self.follow(&members);
        Moved { members }
    }

    fn follow(&mut self, moved: &[Option<MemberId>]) {
        let new = |id: MemberId| moved.get(id.index()).copied().flatten();
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
        let new = |id: GroupId| moved[id.index()];
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
