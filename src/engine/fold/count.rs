//! How many output series there are, as limits count them.

use std::collections::HashSet;

use super::{FamilyId, Fold, MemberId, field};

impl Fold {
    /// Whether a line of a member makes an output line that was not counted before; who stands for
    /// itself and was not seen since is not counted any more.
    pub fn stands(&self, id: MemberId, at: u32, since: u32) -> bool {
        let member = self.members.get(id);
        let was_there = member.is_met() && (at > field::REAL || !self.members.last(id, at).is_nan());
        let is_counted = was_there && (member.group().is_some() || member.seen >= since);
        !is_counted && member.group().is_none_or(|group| self.groups.get(group).founder == Some(id))
    }

    /// Output lines by family, of what was seen since `oldest`.
    pub fn count_series(&self, oldest: impl Fn(FamilyId) -> u32) -> Vec<u64> {
        let oldest: Vec<u32> = (0..self.families.len() as u32).map(|at| oldest(FamilyId(at))).collect();
        let mut counts = vec![0; self.families.len()];
        for (member, id) in self.members.iter().zip(0..) {
            let at = member.family.index();
            // What was read from the store and not met since may have been folded.
            if member.group.is_none() && member.is_met && member.seen >= oldest[at] {
                counts[at] += self.members.numbers(MemberId(id)) + self.families[at].quantiles.len() as u64;
            }
        }
        for group in self.groups.iter().filter(|group| !group.retired) {
            counts[group.family.index()] += group.line_count();
        }
        counts
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
