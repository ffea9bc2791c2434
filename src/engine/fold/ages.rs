//! Who has been absent longest, without a walk over all members: an explosion brings few at a time, and
//! as many have to go. Of each block of members it is known that none was last seen before a second, so
//! that only those blocks are looked at that may hold one who goes.

use std::collections::BTreeMap;

use super::gone::{Gone, WORD};
use super::member::{Members, Record};

/// For each block of members, in order, a second before which none was last seen: time only moves it on,
/// so what was true stays true.
#[derive(Debug, Default)]
pub(super) struct Ages(Vec<u32>);

/// A block that was looked at.
struct Seen {
    block: usize,
    newest: u32,
}

/// Members of a block.
const BLOCK: usize = 16 * WORD;

impl Ages {
    /// Somebody else has this place now.
    pub fn came(&mut self, at: usize, seen: u32) {
        if let Some(oldest) = self.0.get_mut(at / BLOCK) {
            *oldest = seen.min(*oldest);
        }
    }

    /// So many members are left.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len.div_ceil(BLOCK));
    }

    /// Nobody is where he was.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn memory(&self) -> usize {
        self.0.capacity() * size_of::<u32>()
    }

    /// Asks those who came up behind those that are known, of whom the last ones may have got company.
    fn learn(&mut self, all: &[Record]) {
        self.0.truncate(self.0.len().saturating_sub(1));
        let new = all.chunks(BLOCK).skip(self.0.len());
        self.0.extend(new.map(|block| block.iter().map(|record| record.seen).min().unwrap_or_default()));
    }
}

impl Members {
    /// So many of those that were last seen before `last`, the longest absent first; all of them, if they
    /// are not more.
    pub(super) fn longest_absent(&mut self, many: usize, last: u32) -> Gone {
        let Members { all, ages, .. } = self;
        ages.learn(all);
        let mut order: Vec<usize> = (0..ages.0.len()).filter(|&block| ages.0[block] < last).collect();
        order.sort_unstable_by_key(|&block| ages.0[block]);
        let (mut counts, mut looked) = (BTreeMap::new(), Vec::new());
        for (nth, &block) in order.iter().enumerate() {
            let records = &all[block * BLOCK..all.len().min((block + 1) * BLOCK)];
            let (oldest, newest) = count(records, last, &mut counts);
            ages.0[block] = oldest;
            looked.push(Seen { block, newest });
            // All who were seen before this are counted.
            let next = order.get(nth + 1).map_or(last, |&next| ages.0[next]);
            if counts.range(..next).map(|(_, count)| count).sum::<usize>() >= many {
                break;
            }
        }
        let (cut, mut tied) = cut(&counts, many, last);
        let mut words = vec![0; all.len().div_ceil(WORD)];
        looked.sort_unstable_by_key(|seen| seen.block);
        for Seen { block, newest } in looked {
            let records = &all[block * BLOCK..all.len().min((block + 1) * BLOCK)];
            for (records, word) in records.chunks(WORD).zip(&mut words[block * BLOCK / WORD..]) {
                *word = match newest < cut {
                    true => u64::MAX >> (WORD - records.len()),
                    false => those_before(records, cut, &mut tied),
                };
            }
        }
        Gone::of(words)
    }
}

/// How many were last seen in each second before `last`; says the oldest and the newest of all. Those
/// that came together left together.
fn count(records: &[Record], last: u32, counts: &mut BTreeMap<u32, usize>) -> (u32, u32) {
    let (mut oldest, mut newest) = (u32::MAX, 0);
    for run in records.chunk_by(|one, next| one.seen == next.seen) {
        let seen = run[0].seen;
        (oldest, newest) = (oldest.min(seen), newest.max(seen));
        if seen < last {
            *counts.entry(seen).or_insert(0) += run.len();
        }
    }
    (oldest, newest)
}

/// Who was last seen before this second goes, and so many of those that were seen in it.
fn cut(counts: &BTreeMap<u32, usize>, many: usize, last: u32) -> (u32, usize) {
    let mut left = many;
    for (&seen, &count) in counts {
        if count > left {
            return (seen, left);
        }
        left -= count;
    }
    (last, 0)
}

fn those_before(records: &[Record], cut: u32, tied: &mut usize) -> u64 {
    let bit = |(record, bit): (&Record, u32)| {
        let is_tied = *tied > 0 && record.seen == cut;
        *tied -= usize::from(is_tied);
        u64::from(is_tied || record.seen < cut) << bit
    };
    records.iter().zip(0..).map(bit).fold(0, |word, bit| word | bit)
}

#[cfg(test)]
mod tests {
    use super::super::member::MemberSeed;
    use super::super::{FamilyId, MemberId};
    use super::*;
    use crate::engine::model::{Seed, SeriesHash};
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Move {
        /// A second passes, in which so many came up and members of one place in so many were there.
        Pass { new: usize, each: usize },
        /// So many have to go.
        Sweep(usize),
        /// What came up last never came to be.
        Truncate(usize),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let pass = (0_usize..3_000, 1_usize..4_000).prop_map(|(new, each)| Move::Pass { new, each });
        let sweep = (0_usize..4_000).prop_map(Move::Sweep);
        prop::collection::vec(prop_oneof![5 => pass, 3 => sweep, 1 => (0_usize..500).prop_map(Move::Truncate)], 1..20)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn rule_1_7_the_longest_absent_go_as_if_all_were_asked(moves in moves()) {
            let (mut members, mut now, mut key) = (Members::default(), 1, 0_u64);
            for m in moves {
                match m {
                    Move::Pass { new, each } => {
                        now += 1;
                        (0..members.len()).step_by(each).for_each(|at| members.set_seen(MemberId(at as u32), now));
                        for _ in 0..new {
                            key += 1;
                            let key = Seed::new(1).hash(&key.to_le_bytes());
                            let id = members.insert(MemberSeed { key, family: FamilyId(0), cause: 0, shadow: 0 }, 1);
                            members.set_seen(id, now);
                        }
                    }
                    Move::Truncate(few) => members.truncate(members.len().saturating_sub(few)),
                    Move::Sweep(many) => {
                        let mut absent: Vec<(u32, SeriesHash)> =
                            members.iter().filter(|m| m.seen < now).map(|m| (m.seen, m.key)).collect();
                        absent.sort_unstable_by_key(|(seen, _)| *seen);
                        let gone = members.longest_absent(many, now);
                        prop_assert_eq!(gone.len(), many.min(absent.len()));
                        let mut seen: Vec<u32> = gone.iter().map(|at| members.all[at as usize].seen).collect();
                        seen.sort_unstable();
                        prop_assert!(seen.iter().eq(absent.iter().take(many).map(|(seen, _)| seen)));
                        members.leave(gone, &[]);
                    }
                }
            }
        }
    }
}
