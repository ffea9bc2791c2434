//! Which keys are certainly not among many others: two bytes for each of those, so that most answers
//! cost one look at memory that is not far away.

use crate::engine::model::SeriesHash;

/// Keys are put in and never taken out: whoever holds them fills a new one now and then.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    /// Of each key three bits of one word.
    words: Vec<u64>,
    len: usize,
}

/// Whether a key may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chance {
    None,
    /// One in two hundred of those that are not there looks so; as many times more as there are
    /// more keys than were expected.
    Some,
}

/// Keys whose bits share a word.
const SHARE: usize = 4;

impl Sieve {
    /// Empties it for so many keys; memory that was large enough is kept.
    pub fn clear_for(&mut self, keys: usize) {
        let words = keys.div_ceil(SHARE);
        self.words.truncate(words);
        self.words.fill(0);
        self.words.resize(words, 0);
        self.len = 0;
    }

    /// Whether it holds twice as many as it was made for.
    pub fn is_full(&self) -> bool {
        self.len >= 2 * SHARE * self.words.len()
    }

    #[inline]
    pub fn insert(&mut self, key: SeriesHash) {
        let at = self.word(key);
        if let Some(word) = self.words.get_mut(at) {
            *word |= mask(key);
            self.len += 1;
        }
    }

    #[inline]
    pub fn chance(&self, key: SeriesHash) -> Chance {
        match self.words.get(self.word(key)) {
            Some(word) if word & mask(key) == mask(key) => Chance::Some,
            _ => Chance::None,
        }
    }

    pub fn memory(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    #[inline]
    fn word(&self, key: SeriesHash) -> usize {
        ((u128::from(key.0) * self.words.len() as u128) >> 64) as usize
    }
}

#[inline]
fn mask(SeriesHash(key): SeriesHash) -> u64 {
    1 << (key & 63) | 1 << (key >> 6 & 63) | 1 << (key >> 12 & 63)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::Seed;

    #[test]
    fn who_is_there_is_found_and_few_others_are() {
        let key = |number: u64| Seed::new(1).hash(&number.to_le_bytes());
        let mut sieve = Sieve::default();
        assert_eq!((sieve.chance(key(1)), sieve.is_full()), (Chance::None, true));
        sieve.clear_for(10_000);
        for (to, most) in [(10_000, 100), (20_000, 600)] {
            assert!(!sieve.is_full());
            (to - 10_000..to).for_each(|number| sieve.insert(key(number)));
            assert!((0..to).all(|number| sieve.chance(key(number)) == Chance::Some));
            let others = (to..to + 10_000).filter(|&number| sieve.chance(key(number)) == Chance::Some);
            assert!(others.count() < most);
        }
        assert!(sieve.is_full());
        sieve.clear_for(10_000);
        assert!((0..10_000).all(|number| sieve.chance(key(number)) == Chance::None));
    }
}
