//! Distinct hashes of the last two generations: what stays away for a whole one is forgotten.

use super::distinct::{Count, Distinct, Novelty};

/// What came in this generation, and what came in the one before and has not come again. Keeping
/// the two apart makes the count of both a sum as long as it is exact.
#[derive(Clone, Debug)]
pub struct Lately {
    now: Distinct,
    before: Distinct,
}

/// Whether a hash was there lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    New,
    /// It was there in the generation before, and now is in this one.
    Again,
    /// It is new in this generation; the one before had too many to tell.
    Fresh,
    /// It came in this generation already.
    Known,
    /// This generation has too many to tell.
    Unknown,
}

impl Lately {
    /// Exact up to `exact` hashes in each generation.
    pub fn new(exact: u32) -> Lately {
        Lately { now: Distinct::new(exact), before: Distinct::new(exact) }
    }

    pub fn insert(&mut self, hash: u64) -> Arrival {
        match self.now.insert(hash) {
            Novelty::Known => Arrival::Known,
            Novelty::Unknown => Arrival::Unknown,
            Novelty::New => match self.before.remove(hash) {
                Novelty::New => Arrival::New,
                Novelty::Known => Arrival::Again,
                Novelty::Unknown => Arrival::Fresh,
            },
        }
    }

    /// Whether it came in this generation, as far as that can be told.
    pub fn came(&self, hash: u64) -> Novelty {
        self.now.contains(hash)
    }

    /// Whether it came in either generation, as far as that can be told.
    pub fn has(&self, hash: u64) -> Novelty {
        match (self.now.contains(hash), self.before.contains(hash)) {
            (Novelty::New, before) => before,
            (Novelty::Unknown, Novelty::Known) => Novelty::Known,
            (now, _) => now,
        }
    }

    /// How many there are in both generations.
    pub fn count(&self) -> Count {
        self.now.count_with_disjoint(&self.before)
    }

    /// A generation ends: what did not come in it is forgotten.
    pub fn turn(&mut self) {
        let next = self.now.copy_with_nothing();
        self.before = std::mem::replace(&mut self.now, next);
    }

    /// The same hashes, exact up to another bound.
    pub(super) fn copy_with(&self, exact: u32) -> Lately {
        Lately { now: self.now.copy_with(exact), before: self.before.copy_with(exact) }
    }

    pub fn is_empty(&self) -> bool {
        self.now.is_empty() && self.before.is_empty()
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        self.now.memory() + self.before.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::super::distinct::Estimated;
    use super::*;
    use crate::engine::model::Seed;

    fn hash(i: u64) -> u64 {
        Seed::new(1).hash(&i.to_le_bytes()).0
    }

    fn fill(lately: &mut Lately, range: std::ops::Range<u64>) {
        for i in range {
            lately.insert(hash(i));
        }
    }

    #[test]
    fn what_stays_away_for_a_generation_is_forgotten() {
        let mut lately = Lately::new(100);
        for i in 0..50 {
            assert_eq!(lately.insert(hash(i)), Arrival::New);
        }
        lately.turn();
        for i in 40..60 {
            let want = if i < 50 { Arrival::Again } else { Arrival::New };
            assert_eq!((lately.insert(hash(i)), lately.insert(hash(i))), (want, Arrival::Known));
        }
        assert_eq!(lately.count(), Count { value: 60, estimated: Estimated::No });
        lately.turn();
        assert_eq!(lately.count().value, 20);
        lately.turn();
        assert!(lately.is_empty());
    }

    #[test]
    fn estimates_unite_generations() {
        for (first, second) in [(0..5_000, 50..100), (50..100, 0..5_000), (0..5_000, 2_000..7_000)] {
            let mut lately = Lately::new(1_000);
            fill(&mut lately, first.clone());
            lately.turn();
            fill(&mut lately, second.clone());
            let want = first.end.max(second.end);
            let got = lately.count();
            assert!(got.estimated == Estimated::Yes && got.value.abs_diff(want) < want / 16, "{got:?} for {want}");
        }
    }
}
