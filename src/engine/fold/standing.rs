//! Who has an output line of its own, and how many there are: what limits on series count.

use std::collections::HashSet;

use super::{FamilyId, Fold, MemberId, field};

impl Fold {
    /// Whether a line of a member makes an output line that was not counted before; who stands for
    /// itself and was not seen since is not counted any more.
    pub fn stands(&self, id: MemberId, at: u32, since: u32) -> bool {
        let member = self.members.get(id);
        let was_there = member.is_met() && (at > field::REAL || !self.members.last(id, at).is_nan());
        // Who founds a group now was counted for itself, if it was.
        let was_folded = member.group().is_some_and(|group| group.index() < self.watermark.groups);
        let is_counted = was_there && !self.unfolded.contains(&id) && (was_folded || member.seen >= since);
        !is_counted && member.group().is_none_or(|group| self.groups.get(group).founder == Some(id))
    }

    /// Keys of the output label sets of a family that count, in the order in which they came: of groups,
    /// and of members that stand for themselves and were seen since `oldest` or are here.
    pub fn standing(&self, id: FamilyId, oldest: u32) -> impl Iterator<Item = u64> {
        let family = &self.families[id.index()];
        let here: HashSet<MemberId> = family.pending.iter().map(|p| p.member).collect();
        let came = |member: Option<MemberId>| member.map_or(0, |m| m.index().max(self.watermark.members));
        let groups = family.groups.iter().map(|&group| self.groups.get(group));
        let groups = groups.filter(|g| !g.superseded && !g.retired).map(|g| (came(g.founder), g.key.0));
        let ids = (0..).map(MemberId);
        let lone = self.members.iter().zip(ids).filter(|(m, _)| m.family == id && m.group.is_none());
        let lone = lone.filter(|(m, at)| m.seen >= oldest || here.contains(at) || self.is_new(*at));
        let lone = lone.map(|(m, at)| (came(Some(at).filter(|&at| self.is_new(at))), m.key.0));
        let mut all: Vec<(usize, u64)> = groups.chain(lone).collect();
        all.sort_by_key(|(came, _)| *came);
        all.into_iter().map(|(_, key)| key)
    }

    /// Output lines by family, of what was seen since `oldest`.
    pub fn count_series(&self, oldest: impl Fn(FamilyId) -> u32) -> Vec<u64> {
        let oldest: Vec<u32> = (0..self.families.len() as u32).map(|at| oldest(FamilyId(at))).collect();
        let mut counts = vec![0; self.families.len()];
        for (member, id) in self.members.iter_alone() {
            let at = member.family.index();
            // What was read from the store and not met since may have been folded.
            if member.is_met && member.seen >= oldest[at] {
                counts[at] += self.members.numbers(id) + self.families[at].quantiles.len() as u64;
            }
        }
        for group in self.groups.iter().filter(|group| !group.retired) {
            counts[group.family.index()] += group.line_count();
        }
        counts
    }

    /// Output lines of members that were read from the store, were seen since `oldest` and stand for
    /// themselves, as far as anybody knows before they are met.
    pub fn count_unmet(&self, oldest: impl Fn(FamilyId) -> u32) -> u64 {
        let alone = |family: FamilyId| self.families[family.index()].groups.is_empty();
        let unmet = self.members.iter().zip(0..).filter(|(m, _)| !m.is_met && m.group.is_none() && alone(m.family));
        unmet.filter(|(m, _)| m.seen >= oldest(m.family)).map(|(_, id)| self.members.numbers(MemberId(id))).sum()
    }

    /// Output lines of a family, in the middle of a scrape: of what was seen since `oldest`, and of
    /// what is new, each member making so many lines.
    pub fn count_family(&self, id: FamilyId, oldest: u32, lines: u64) -> u64 {
        let here: HashSet<MemberId> = self.families[id.index()].pending.iter().map(|p| p.member).collect();
        let is_lone = |at: u32| {
            let (id_of, member) = (MemberId(at), self.members.get(MemberId(at)));
            let is_new = id_of.index() >= self.watermark.members;
            let is_there = is_new || (member.is_met() && member.seen >= oldest) || here.contains(&id_of);
            member.group().is_none() && is_there && self.members.family(id_of) == id
        };
        let lone = (0..self.members.len() as u32).filter(|&at| is_lone(at));
        let lone: u64 = lone.map(|at| self.members.numbers(MemberId(at)).max(lines)).sum();
        let groups = self.families[id.index()].groups.iter().map(|&group| self.groups.get(group));
        lone + groups.filter(|group| !group.retired).map(|group| group.line_count().max(lines)).sum::<u64>()
    }
}
