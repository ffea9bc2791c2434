//! What stays of members that were forgotten (rule 1.7b).

use std::collections::VecDeque;

use crate::engine::model::{Index, SeriesHash};

/// 8 bytes and a place in the index for each, oldest out first.
#[derive(Debug, Default)]
pub struct Fingerprints {
    /// In the order in which they came.
    order: VecDeque<SeriesHash>,
    index: Index,
    /// How many have gone before the first of `order`; positions count on from there.
    gone: u32,
}

/// So many are looked up at once where many are taken up.
const CHUNK: usize = 64;

impl Fingerprints {
    pub fn contains(&self, key: SeriesHash) -> bool {
        self.index.find(key, |at| self.at(at)).is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Brings the place of a key near.
    #[inline]
    pub fn touch(&self, key: SeriesHash) {
        self.index.touch(key);
    }

    /// Takes up many; `limit` 0: as many as there are.
    pub fn extend(&mut self, keys: &[SeriesHash], limit: usize) {
        for chunk in keys.chunks(CHUNK) {
            chunk.iter().for_each(|key| self.touch(*key));
            if limit > 0 && self.order.len() + chunk.len() > limit {
                self.order.iter().take(chunk.len()).for_each(|key| self.touch(*key));
            }
            chunk.iter().for_each(|key| self.insert(*key, limit));
        }
    }

    pub fn insert(&mut self, key: SeriesHash, limit: usize) {
        if self.contains(key) {
            return;
        }
        if limit > 0
            && self.order.len() >= limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.index.remove(oldest, self.gone);
            self.gone = self.gone.wrapping_add(1);
        }
        let at = self.gone.wrapping_add(self.order.len() as u32);
        self.order.push_back(key);
        let (order, gone) = (&self.order, self.gone);
        self.index.insert(key, at, |at| fingerprint(order, gone, at));
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.order.iter().map(|key| key.0)
    }

    pub fn clear(&mut self) {
        *self = Fingerprints::default();
    }

    pub fn memory(&self) -> usize {
        self.index.memory() + self.order.capacity() * 8
    }

    fn at(&self, at: u32) -> SeriesHash {
        fingerprint(&self.order, self.gone, at)
    }
}

#[inline]
fn fingerprint(order: &VecDeque<SeriesHash>, gone: u32, at: u32) -> SeriesHash {
    order.get(at.wrapping_sub(gone) as usize).copied().unwrap_or(SeriesHash(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_1_7b_the_oldest_goes_first_and_no_more_than_the_limit_stay() {
        for gone in [0, u32::MAX - 500] {
            let mut all = Fingerprints { gone, ..Fingerprints::default() };
            let keys: Vec<SeriesHash> = (1..=1000u64).map(|k| SeriesHash(k << 50 | k)).collect();
            all.extend(&keys[..500], 300);
            all.extend(&keys[400..], 300);
            assert_eq!(all.iter().collect::<Vec<_>>(), keys[700..].iter().map(|k| k.0).collect::<Vec<_>>());
            for (at, key) in keys.iter().enumerate() {
                assert_eq!(all.contains(*key), at >= 700, "{at}");
            }
        }
    }
}
