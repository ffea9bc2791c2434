//! Distinct hashes: exact up to a bound, estimated beyond it.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::sketch::{Raised, Sketch};

/// A set of 64-bit hashes that forgets its members when they become too many. The hashes must come
/// from a seeded function: they are used as they are.
#[derive(Clone, Debug)]
pub struct Distinct {
    /// Up to so many are counted exactly.
    exact: u32,
    held: Held,
}

#[derive(Clone, Debug)]
enum Held {
    Few(Vec<u64>),
    Many(HashTable<u64>),
    Sketch(Sketch),
}

/// Whether a hash was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    New,
    Known,
    /// Too many to remember which.
    Unknown,
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub value: u64,
    pub estimated: Estimated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimated {
    No,
    /// With a standard error of 1.6 %.
    Yes,
}

/// So many are looked through one by one.
const FEW: usize = 16;

impl Distinct {
    /// Exact up to `exact` hashes.
    pub fn new(exact: u32) -> Distinct {
        Distinct { exact, held: Held::Few(Vec::new()) }
    }

    pub fn insert(&mut self, hash: u64) -> Novelty {
        if self.contains(hash) == Novelty::Known {
            return Novelty::Known;
        }
        self.make_room();
        match &mut self.held {
            Held::Few(few) => few.push(hash),
            Held::Many(many) => {
                many.insert_unique(hash, hash, |&h| h);
            }
            Held::Sketch(sketch) => match sketch.insert(hash) {
                Raised::Yes => {}
                Raised::No => return Novelty::Unknown,
            },
        }
        Novelty::New
    }

    /// Whether it has been inserted; a sketch cannot tell.
    pub fn contains(&self, hash: u64) -> Novelty {
        let found = match &self.held {
            Held::Few(few) => few.contains(&hash),
            Held::Many(many) => many.find(hash, |&h| h == hash).is_some(),
            Held::Sketch(_) => return Novelty::Unknown,
        };
        if found { Novelty::Known } else { Novelty::New }
    }

    /// Takes a hash out and says whether it was there. A sketch cannot.
    pub(super) fn remove(&mut self, hash: u64) -> Novelty {
        let removed = match &mut self.held {
            Held::Few(few) => few.iter().position(|&h| h == hash).map(|at| few.swap_remove(at)),
            Held::Many(many) => match many.entry(hash, |&h| h == hash, |&h| h) {
                Entry::Occupied(entry) => Some(entry.remove().0),
                Entry::Vacant(_) => None,
            },
            Held::Sketch(_) => return Novelty::Unknown,
        };
        if removed.is_some() { Novelty::Known } else { Novelty::New }
    }

    pub fn count(&self) -> Count {
        match &self.held {
            Held::Few(few) => Count::exact(few.len()),
            Held::Many(many) => Count::exact(many.len()),
            Held::Sketch(sketch) => Count { value: sketch.estimate(), estimated: Estimated::Yes },
        }
    }

    /// How many there are in either. `other` must share no hash with it as long as both are exact.
    pub(super) fn count_with_disjoint(&self, other: &Distinct) -> Count {
        let (mut united, rest) = match (&self.held, &other.held) {
            (Held::Sketch(sketch), _) => (sketch.clone(), other),
            (_, Held::Sketch(sketch)) => (sketch.clone(), self),
            _ => return Count { value: self.count().value + other.count().value, estimated: Estimated::No },
        };
        rest.pour_into(&mut united);
        Count { value: united.estimate(), estimated: Estimated::Yes }
    }

    /// The same hashes, exact up to another bound.
    pub(super) fn copy_with(&self, exact: u32) -> Distinct {
        let mut copy = Distinct { exact, held: self.held.clone() };
        if copy.len().is_some_and(|len| len > exact as usize) {
            copy.forget();
        }
        copy
    }

    /// An empty one of the same bound.
    pub(super) fn copy_with_nothing(&self) -> Distinct {
        Distinct::new(self.exact)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        match &self.held {
            Held::Few(few) => few.capacity() * size_of::<u64>(),
            Held::Many(many) => many.allocation_size(),
            Held::Sketch(sketch) => sketch.memory(),
        }
    }

    /// The number, while it is exact.
    fn len(&self) -> Option<usize> {
        match &self.held {
            Held::Few(few) => Some(few.len()),
            Held::Many(many) => Some(many.len()),
            Held::Sketch(_) => None,
        }
    }

    fn make_room(&mut self) {
        if self.len().is_some_and(|len| len >= self.exact as usize) {
            self.forget();
        }
        if let Held::Few(few) = &self.held
            && few.len() == FEW
        {
            let mut many = HashTable::with_capacity(2 * FEW);
            for &hash in few {
                many.insert_unique(hash, hash, |&h| h);
            }
            self.held = Held::Many(many);
        }
    }

    /// From here on it only estimates.
    fn forget(&mut self) {
        let mut sketch = Sketch::new();
        self.pour_into(&mut sketch);
        self.held = Held::Sketch(sketch);
    }

    fn pour_into(&self, sketch: &mut Sketch) {
        let insert = |hash: u64| {
            sketch.insert(hash);
        };
        match &self.held {
            Held::Few(few) => few.iter().copied().for_each(insert),
            Held::Many(many) => many.iter().copied().for_each(insert),
            Held::Sketch(other) => sketch.unite(other),
        }
    }
}

impl Count {
    fn exact(len: usize) -> Count {
        Count { value: len as u64, estimated: Estimated::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::Seed;

    fn hashes(count: u64) -> impl Iterator<Item = u64> {
        let seed = Seed::new(1);
        (0..count).map(move |i| seed.hash(&i.to_le_bytes()).0)
    }

    fn fill(set: &mut Distinct, count: u64) {
        for hash in hashes(count) {
            set.insert(hash);
        }
    }

    #[test]
    fn exact_up_to_the_bound_and_an_estimate_beyond() {
        for count in [0, 1, 15, 16, 17, 18, 9_999, 10_000] {
            let mut set = Distinct::new(10_000);
            assert!(hashes(count).all(|h| set.insert(h) == Novelty::New));
            assert!(hashes(count).all(|h| set.insert(h) == Novelty::Known));
            assert_eq!(set.count(), Count { value: count, estimated: Estimated::No });
        }
        let mut set = Distinct::new(10_000);
        fill(&mut set, 10_001);
        let Count { value, estimated } = set.count();
        assert_eq!(estimated, Estimated::Yes);
        assert!(value.abs_diff(10_001) < 650, "{value}");
        assert_eq!(set.contains(7), Novelty::Unknown);
        assert!(hashes(10_001).all(|h| set.insert(h) == Novelty::Unknown));
    }

    #[test]
    fn small_when_few_and_bounded_when_many() {
        let mut set = Distinct::new(10_000);
        fill(&mut set, 4);
        assert!(size_of::<Distinct>() <= 48 && set.memory() <= 32, "{} + {}", size_of::<Distinct>(), set.memory());
        fill(&mut set, 10_000);
        assert!(set.memory() < 160_000, "{}", set.memory());
        fill(&mut set, 1_000_000);
        assert!(set.memory() < 5_000, "{}", set.memory());
    }

    #[test]
    fn what_is_taken_out_is_gone() {
        for count in [3, 300] {
            let mut set = Distinct::new(1_000);
            fill(&mut set, count);
            let first = hashes(1).next().unwrap();
            assert_eq!((set.remove(first), set.remove(first)), (Novelty::Known, Novelty::New));
            assert_eq!(set.count().value, count - 1);
        }
    }

    #[test]
    fn a_copy_may_be_exact_for_less() {
        let mut set = Distinct::new(1_000);
        fill(&mut set, 900);
        assert_eq!(set.copy_with(900).count(), set.count());
        let copy = set.copy_with(100).count();
        assert!(copy.estimated == Estimated::Yes && copy.value.abs_diff(900) < 60, "{copy:?}");
    }
}
