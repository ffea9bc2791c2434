//! What stays of members that were forgotten (rule 1.7b).

use hashbrown::HashTable;

use super::sieve::{Chance, Sieve};
use crate::engine::model::{Index, SeriesHash, room};

/// 8 bytes and a place in the sieve for each, oldest out first. Explosions ask for all that they bring
/// and find nobody: whom the sieve lets through is looked for among all of them at once. Who asks more
/// often gets an index.
#[derive(Debug, Default)]
pub struct Fingerprints {
    /// In the order in which they came, from `oldest` on and round.
    ring: Vec<SeriesHash>,
    oldest: usize,
    sieve: Sieve,
    index: Option<Index>,
    /// How often somebody has asked for what the sieve let through since many came.
    asked: usize,
}

/// Keys that have left a fingerprint.
#[derive(Debug, Default)]
pub(super) struct Left(HashTable<SeriesHash>);

/// So many are looked up at once where many are taken up.
const CHUNK: usize = 64;
/// Who asks this often asks an index.
const OFTEN: usize = 3;
/// More than one in so many is many: making an index costs as much as walking over all so many times.
const MANY: usize = 16;
/// No more than one in so many is few.
const FEW: usize = 8;

impl Left {
    #[inline]
    pub fn has(&self, key: SeriesHash) -> bool {
        !self.0.is_empty() && self.0.find(key.0, |known| *known == key).is_some()
    }

    /// Those and others.
    pub fn extend(&mut self, others: Left) {
        match self.0.is_empty() {
            true => *self = others,
            false => others.0.into_iter().for_each(|key| self.insert(key)),
        }
    }

    fn insert(&mut self, key: SeriesHash) {
        self.0.entry(key.0, |known| *known == key, |known| known.0).or_insert(key);
    }
}

impl Fingerprints {
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Those of the keys that are here.
    pub fn among(&mut self, keys: impl Iterator<Item = SeriesHash>) -> Left {
        let maybe: Vec<SeriesHash> = keys.filter(|key| self.sieve.chance(*key) == Chance::Some).collect();
        if maybe.is_empty() {
            return Left::default();
        }
        self.asked += 1;
        if self.index.is_none() && (self.asked > OFTEN || maybe.len() > self.ring.len() / MANY) {
            self.make_index();
        }
        match &self.index {
            Some(index) => self.look_up(index, &maybe),
            None => self.search(&maybe),
        }
    }

    pub fn has(&mut self, key: SeriesHash) -> bool {
        self.among(std::iter::once(key)).has(key)
    }

    /// Takes up many that differ; `limit` 0: as many as there are.
    pub fn extend(&mut self, keys: impl ExactSizeIterator<Item = SeriesHash>, limit: usize) {
        if keys.len() > self.ring.len() / MANY {
            self.index = self.index.take().filter(|_| self.asked > OFTEN);
            self.asked = 0;
        }
        if limit > 0 && keys.len() >= limit {
            let older = keys.len() - limit;
            return self.replace(limit, keys.skip(older));
        }
        if limit > 0 && self.ring.len() > limit {
            self.settle(limit);
        }
        let keys: Vec<SeriesHash> = keys.collect();
        let known = self.known(&keys);
        for chunk in keys.chunks(CHUNK) {
            self.touch(chunk, limit);
            chunk.iter().filter(|key| !known.has(**key)).for_each(|key| self.insert(*key, limit));
        }
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = SeriesHash> {
        let (young, old) = self.ring.split_at(self.oldest);
        old.iter().chain(young).copied()
    }

    pub fn clear(&mut self) {
        *self = Fingerprints::default();
    }

    pub fn memory(&self) -> usize {
        let index = self.index.as_ref().map_or(0, Index::memory);
        index + self.sieve.memory() + self.ring.len() * size_of::<SeriesHash>()
    }

    fn look_up(&self, index: &Index, keys: &[SeriesHash]) -> Left {
        let mut left = Left::default();
        for chunk in keys.chunks(CHUNK) {
            chunk.iter().for_each(|key| index.touch(*key));
            let here = |key: &&SeriesHash| index.find(**key, |at| self.ring[at as usize]).is_some();
            chunk.iter().filter(here).for_each(|key| left.insert(*key));
        }
        left
    }

    /// The same by one walk over all.
    fn search(&self, keys: &[SeriesHash]) -> Left {
        let (mut sieve, mut wanted, mut left) = (Sieve::default(), Left::default(), Left::default());
        sieve.clear_for(keys.len());
        for key in keys {
            sieve.insert(*key);
            wanted.insert(*key);
        }
        let maybe = self.ring.iter().filter(|key| sieve.chance(**key) == Chance::Some);
        maybe.filter(|key| wanted.has(**key)).for_each(|key| left.insert(*key));
        left
    }

    /// Those that are here already, if they may be many. Few may stand here more than once, each time that they
    /// leave once more: they take room, and nothing else.
    fn known(&mut self, keys: &[SeriesHash]) -> Left {
        let maybe = keys.iter().filter(|key| self.sieve.chance(**key) == Chance::Some).count();
        if maybe <= keys.len() / FEW {
            return Left::default();
        }
        let asked = self.asked;
        let known = self.among(keys.iter().copied());
        self.asked = asked;
        known
    }

    /// Brings near what taking these up will ask for.
    fn touch(&self, keys: &[SeriesHash], limit: usize) {
        let Some(index) = &self.index else { return };
        keys.iter().for_each(|key| index.touch(*key));
        if limit > 0 && self.ring.len() + keys.len() > limit {
            self.iter().take(keys.len()).for_each(|key| index.touch(key));
        }
    }

    /// One that is not here.
    fn insert(&mut self, key: SeriesHash, limit: usize) {
        let at = if limit > 0 && self.ring.len() == limit { self.make_room() } else { self.grow() };
        self.ring[at] = key;
        self.sieve.insert(key);
        if self.sieve.is_full() {
            self.fill_sieve();
        }
        let ring = &self.ring;
        self.index.iter_mut().for_each(|index| index.insert(key, at as u32, |at| ring[at as usize]));
    }

    /// Nobody else stays than these, and there are so many.
    fn replace(&mut self, len: usize, keys: impl Iterator<Item = SeriesHash>) {
        self.ring.clear();
        if self.ring.capacity() < len {
            self.ring = room::with_room(len);
        }
        self.ring.extend(keys);
        self.oldest = 0;
        self.fill_sieve();
        if self.index.is_some() {
            self.make_index();
        }
    }

    /// The place of the oldest, which goes.
    fn make_room(&mut self) -> usize {
        let at = self.oldest;
        self.index.iter_mut().for_each(|index| index.remove(self.ring[at], at as u32));
        self.oldest = if at + 1 == self.ring.len() { 0 } else { at + 1 };
        at
    }

    /// A place more.
    fn grow(&mut self) -> usize {
        if self.oldest > 0 {
            self.settle(self.ring.len());
        }
        room::push(&mut self.ring, SeriesHash(0));
        self.ring.len() - 1
    }

    /// The limit has changed: the youngest stay, the oldest of them first.
    fn settle(&mut self, limit: usize) {
        self.ring.rotate_left(self.oldest);
        self.oldest = 0;
        self.ring.drain(..self.ring.len().saturating_sub(limit));
        if self.index.is_some() {
            self.make_index();
        }
    }

    fn make_index(&mut self) {
        let ring = &self.ring;
        self.index.get_or_insert_default().rebuild(ring.len(), |at| ring[at as usize]);
    }

    /// Without those that have gone.
    fn fill_sieve(&mut self) {
        self.sieve.clear_for(self.ring.len().max(CHUNK));
        self.ring.iter().for_each(|key| self.sieve.insert(*key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::Seed;

    fn keys(range: std::ops::RangeInclusive<u64>) -> Vec<SeriesHash> {
        range.map(|k| SeriesHash(k << 50 | k)).collect()
    }

    #[test]
    fn rule_1_7b_the_oldest_goes_first_and_no_more_than_the_limit_stay() {
        let (mut all, keys) = (Fingerprints::default(), keys(1..=1000));
        all.extend(keys[..500].iter().copied(), 300);
        all.extend(keys[400..].iter().copied(), 300);
        assert_eq!(all.iter().collect::<Vec<_>>(), keys[700..]);
        all.extend(keys[..500].iter().copied(), 300);
        keys[500..].chunks(70).for_each(|some| all.extend(some.iter().copied(), 300));
        assert_eq!(all.iter().collect::<Vec<_>>(), keys[700..]);
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(all.has(*key), at >= 700, "{at}");
        }
    }

    #[test]
    fn whom_the_sieve_lets_through_is_looked_for_one_way_or_the_other() {
        let key = |number: u64| Seed::new(1).hash(&number.to_le_bytes());
        let here: Vec<SeriesHash> = (0..10_000).map(key).collect();
        let mut all = Fingerprints::default();
        all.extend(here.iter().copied(), 10_000);
        for ask in 1..10 {
            // Strangers, and a few that are here.
            let left = all.among((9_900..30_000).map(key));
            assert!((9_900..30_000).all(|number| left.has(key(number)) == (number < 10_000)), "{ask}");
            assert_eq!(all.index.is_some(), ask > OFTEN, "{ask}");
        }
        assert!(here.iter().all(|key| all.among([*key].into_iter()).has(*key)));
        for (nth, is_kept) in [(1, true), (2, false)] {
            let more: Vec<SeriesHash> = (nth * 100_000..nth * 100_000 + 1_000).map(key).collect();
            all.extend(more.iter().copied(), 10_000);
            assert_eq!(all.index.is_some(), is_kept, "asked for no more");
            assert!(more.iter().eq(all.iter().skip(9_000).collect::<Vec<_>>().iter()));
        }
        assert!(here[..2_000].iter().all(|key| !all.has(*key)) && here[2_000..].iter().all(|key| all.has(*key)));
    }

    #[test]
    fn a_limit_that_changes_keeps_the_youngest() {
        let (mut all, keys) = (Fingerprints::default(), keys(1..=1000));
        all.extend(keys[..450].iter().copied(), 300);
        for (from, to, limit, first) in [(450, 500, 100, 400), (500, 700, 500, 400), (700, 1000, 0, 400)] {
            all.extend(keys[from..to].iter().copied(), limit);
            assert_eq!(all.iter().collect::<Vec<_>>(), keys[first..to], "{limit}");
            assert!((0..to).all(|at| all.has(keys[at]) == (at >= first)), "{limit}");
        }
    }
}
