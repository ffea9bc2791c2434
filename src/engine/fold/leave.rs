//! Members that go: who stays keeps his place, or takes that of one who went.

use super::gone::{Gone, WORD};
use super::member::{Members, Record};
use super::moved::Moved;

/// More than one in so many is many.
const MANY_GO: usize = 4;
/// Members looked up after one look at memory far away.
const CHUNK: usize = 64;
/// Roles that nobody has and that are kept, beside as many as are used.
const SPARE_ROLES: usize = 16;

impl Members {
    /// The members that were last seen before the second that `bounds` has for their role; and the
    /// roles of all others.
    pub(super) fn seen_before(&self, bounds: &[u32]) -> (Gone, Vec<bool>) {
        let mut used = vec![false; bounds.len()];
        let word = |records: &[Record]| {
            let bits = records.iter().zip(0..).map(|(record, bit)| {
                let role = record.role.index();
                let is_absent = record.seen < bounds[role];
                used[role] |= !is_absent;
                u64::from(is_absent) << bit
            });
            bits.fold(0, |word, bit| word | bit)
        };
        let gone = Gone::of(self.all.chunks(WORD).map(word).collect());
        (gone, used)
    }

    /// The same where nobody has to go, and who stays was not asked.
    pub(super) fn nobody(&self) -> (Gone, Vec<bool>) {
        (Gone::of(vec![0; self.all.len().div_ceil(WORD)]), vec![true; self.roles.len()])
    }

    /// Members at these places go. Where many go, the others close up; where few do, the last ones take
    /// their places, and all others stay where they are. `used`: the roles of those that stay, as
    /// far as anybody knows.
    pub(super) fn leave(&mut self, gone: Gone, used: &[bool]) -> Moved {
        if self.keeps_beside() {
            gone.iter().for_each(|at| self.bid_farewell(at as usize));
        }
        let many = gone.len() > self.all.len() / MANY_GO;
        let moved = if many { self.close_up(gone) } else { self.fill(gone) };
        if 2 * used.iter().filter(|used| **used).count() + SPARE_ROLES < used.len() {
            self.forget_classes();
        }
        moved
    }

    /// Whether anything is kept of any member beside its record.
    fn keeps_beside(&self) -> bool {
        !self.many.is_empty() || self.alone > 0
    }

    /// What is kept of a member beside its record goes.
    pub(super) fn bid_farewell(&mut self, at: usize) {
        let Record { value, role, .. } = self.all[at];
        self.many.remove(value);
        self.alone -= self.lone(role);
    }

    fn close_up(&mut self, gone: Gone) -> Moved {
        let Members { all, index, ages, .. } = self;
        ages.clear();
        let mut kept = 0;
        for stays in gone.stays(all.len()) {
            let len = stays.len();
            all.copy_within(stays, kept);
            kept += len;
        }
        let moved = Moved::closed_up(all.len(), gone);
        all.truncate(kept);
        index.follow(kept, |at| moved.closed_up_to(at), |at| all[at as usize].key);
        moved
    }

    /// The index follows.
    fn fill(&mut self, gone: Gone) -> Moved {
        let Members { all, index, ages, .. } = self;
        let mut moved = Moved::filled(all.len(), gone);
        let gone: Vec<u32> = moved.gone().iter().collect();
        let (len, kept) = (all.len() as u32, (all.len() - gone.len()) as u32);
        for chunk in gone.chunks(CHUNK) {
            chunk.iter().for_each(|&at| index.touch(all[at as usize].key));
            chunk.iter().for_each(|&at| index.remove(all[at as usize].key, at));
        }
        let (holes, behind) = gone.split_at(gone.partition_point(|at| *at < kept));
        let mut behind = behind.iter().copied().peekable();
        let last = (kept..len).filter(|at| behind.next_if_eq(at).is_none());
        let moves: Vec<(u32, u32)> = last.zip(holes.iter().copied()).collect();
        for chunk in moves.chunks(CHUNK) {
            chunk.iter().for_each(|&(from, _)| index.touch(all[from as usize].key));
            for &(from, to) in chunk {
                index.relocate(all[from as usize].key, from, to);
                all.swap(to as usize, from as usize);
                ages.came(to as usize, all[to as usize].seen);
                moved.went(from, to);
            }
        }
        all.truncate(kept as usize);
        ages.truncate(kept as usize);
        moved
    }
}
