//! What stays of members that were forgotten (rule 1.7b).

use crate::engine::model::{Index, SeriesHash, room};

/// 8 bytes and a place in the index for each, oldest out first.
#[derive(Debug, Default)]
pub struct Fingerprints {
    /// In the order in which they came, from `oldest` on and round.
    ring: Vec<SeriesHash>,
    oldest: usize,
    index: Index,
}

/// So many are looked up at once where many are taken up.
const CHUNK: usize = 64;

impl Fingerprints {
    pub fn contains(&self, key: SeriesHash) -> bool {
        self.index.find(key, |at| self.ring[at as usize]).is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Brings the place of a key near.
    #[inline]
    pub fn touch(&self, key: SeriesHash) {
        self.index.touch(key);
    }

    /// Takes up many; `limit` 0: as many as there are.
    pub fn extend(&mut self, keys: &[SeriesHash], limit: usize) {
        if limit > 0 && keys.len() >= limit {
            return self.replace(&keys[keys.len() - limit..]);
        }
        for chunk in keys.chunks(CHUNK) {
            chunk.iter().for_each(|key| self.touch(*key));
            if limit > 0 && self.ring.len() + chunk.len() > limit {
                self.iter().take(chunk.len()).for_each(|key| self.touch(key));
            }
            chunk.iter().for_each(|key| self.insert(*key, limit));
        }
    }

    pub fn insert(&mut self, key: SeriesHash, limit: usize) {
        if self.contains(key) {
            return;
        }
        if limit > 0 && self.ring.len() > limit {
            self.settle(limit);
        }
        let at = if limit > 0 && self.ring.len() == limit { self.make_room() } else { self.grow() };
        self.ring[at] = key;
        let ring = &self.ring;
        self.index.insert(key, at as u32, |at| ring[at as usize]);
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
        self.index.memory() + self.ring.len() * size_of::<SeriesHash>()
    }

    /// Nobody else stays.
    fn replace(&mut self, keys: &[SeriesHash]) {
        self.ring.clear();
        if self.ring.capacity() < keys.len() {
            self.ring = room::with_room(keys.len());
        }
        self.ring.extend_from_slice(keys);
        self.oldest = 0;
        self.index.rebuild(keys.len(), |at| keys[at as usize]);
    }

    /// The place of the oldest, which goes.
    fn make_room(&mut self) -> usize {
        let at = self.oldest;
        self.index.remove(self.ring[at], at as u32);
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
        let ring = &self.ring;
        self.index.rebuild(ring.len(), |at| ring[at as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(range: std::ops::RangeInclusive<u64>) -> Vec<SeriesHash> {
        range.map(|k| SeriesHash(k << 50 | k)).collect()
    }

    #[test]
    fn rule_1_7b_the_oldest_goes_first_and_no_more_than_the_limit_stay() {
        let (mut all, keys) = (Fingerprints::default(), keys(1..=1000));
        all.extend(&keys[..500], 300);
        all.extend(&keys[400..], 300);
        assert_eq!(all.iter().collect::<Vec<_>>(), keys[700..]);
        all.extend(&keys[..500], 300);
        keys[500..].chunks(70).for_each(|some| all.extend(some, 300));
        assert_eq!(all.iter().collect::<Vec<_>>(), keys[700..]);
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(all.contains(*key), at >= 700, "{at}");
        }
    }

    #[test]
    fn a_limit_that_changes_keeps_the_youngest() {
        let (mut all, keys) = (Fingerprints::default(), keys(1..=1000));
        all.extend(&keys[..450], 300);
        for (from, to, limit, first) in [(450, 500, 100, 400), (500, 700, 500, 400), (700, 1000, 0, 400)] {
            all.extend(&keys[from..to], limit);
            assert_eq!(all.iter().collect::<Vec<_>>(), keys[first..to], "{limit}");
            assert!((0..to).all(|at| all.contains(keys[at]) == (at >= first)), "{limit}");
        }
    }
}
