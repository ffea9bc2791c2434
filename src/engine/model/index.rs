//! An index from a 64-bit seeded hash to a position in a vector in which the hash stands itself.
//!
//! A bucket is a cache line of twelve entries, so that finding a hash, or that it is not there, and
//! taking it up costs one access to memory that is far away. What does not fit goes to the next.

use super::SeriesHash;

/// Entries of a bucket.
const WAYS: usize = 12;

#[derive(Debug, Default)]
pub struct Index {
    buckets: Vec<Bucket>,
    len: usize,
}

#[derive(Clone, Debug)]
#[repr(align(64))]
struct Bucket {
    /// A byte of the hash, never 0; 0: free.
    tags: [u8; WAYS],
    /// Whether entries of this bucket ever had to go to the next.
    overflows: u32,
    at: [u32; WAYS],
}

const FREE: Bucket = Bucket { tags: [0; WAYS], overflows: 0, at: [0; WAYS] };

impl Index {
    pub fn with_capacity(entries: usize) -> Index {
        let buckets = if entries == 0 { 0 } else { entries.div_ceil(FULL) + 1 };
        Index { buckets: vec![FREE; buckets], len: 0 }
    }

    #[inline]
    pub fn find(&self, key: SeriesHash, key_at: impl Fn(u32) -> SeriesHash) -> Option<u32> {
        let tag = tag(key);
        let mut home = self.home(key);
        for _ in 0..self.buckets.len() {
            let bucket = self.buckets.get(home)?;
            for way in bucket.ways(tag) {
                if key_at(bucket.at[way]) == key {
                    return Some(bucket.at[way]);
                }
            }
            if bucket.overflows == 0 {
                break;
            }
            home = self.next(home);
        }
        None
    }

    /// The key must not be there yet.
    #[inline]
    pub fn insert(&mut self, key: SeriesHash, at: u32, key_at: impl Fn(u32) -> SeriesHash) {
        if self.len >= self.buckets.len() * FULL {
            self.grow(key_at);
        }
        self.place(key, at);
    }

    pub fn remove(&mut self, key: SeriesHash, at: u32) {
        let mut home = self.home(key);
        for _ in 0..self.buckets.len() {
            let bucket = &mut self.buckets[home];
            if let Some(way) = (0..WAYS).find(|&way| bucket.tags[way] != 0 && bucket.at[way] == at) {
                bucket.tags[way] = 0;
                self.len -= 1;
                return;
            }
            if bucket.overflows == 0 {
                return;
            }
            home = self.next(home);
        }
    }

    /// Starts again with the keys at `0..len`. Room that was needed before is kept: it is mostly
    /// needed again.
    pub fn rebuild(&mut self, len: usize, key_at: impl Fn(u32) -> SeriesHash) {
        let fresh = Index::with_capacity(len);
        if (fresh.buckets.len()..=fresh.buckets.len() * MOST_ROOM).contains(&self.buckets.len()) {
            self.buckets.fill(FREE);
            self.len = 0;
        } else {
            *self = fresh;
        }
        self.take_up((0..len as u32).map(|at| (key_at(at), at)));
    }

    /// Brings the place of a key near. Whoever does so for several keys before he asks for the first
    /// waits once for all of them.
    #[inline]
    pub fn touch(&self, key: SeriesHash) {
        std::hint::black_box(self.buckets.get(self.home(key)).map(|bucket| bucket.overflows));
    }

    pub fn memory(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }

    #[inline]
    fn home(&self, key: SeriesHash) -> usize {
        ((u128::from(key.0) * self.buckets.len() as u128) >> 64) as usize
    }

    fn next(&self, home: usize) -> usize {
        if home + 1 == self.buckets.len() { 0 } else { home + 1 }
    }

    #[inline]
    fn place(&mut self, key: SeriesHash, at: u32) {
        let mut home = self.home(key);
        loop {
            let bucket = &mut self.buckets[home];
            if let Some(way) = bucket.ways(0).next() {
                (bucket.tags[way], bucket.at[way]) = (tag(key), at);
                self.len += 1;
                return;
            }
            bucket.overflows = 1;
            home = self.next(home);
        }
    }

    /// Half as much again: twice would leave half of it empty.
    #[cold]
    fn grow(&mut self, key_at: impl Fn(u32) -> SeriesHash) {
        let old = std::mem::take(self);
        *self = Index { buckets: vec![FREE; (old.buckets.len() + old.buckets.len() / 2).max(4)], len: 0 };
        let taken = |bucket: &Bucket, way: usize| (bucket.tags[way] != 0).then_some(bucket.at[way]);
        let entries = old.buckets.iter().flat_map(|bucket| (0..WAYS).filter_map(move |way| taken(bucket, way)));
        self.take_up(entries.map(|at| (key_at(at), at)));
    }

    /// Places many entries, waiting for memory once for a chunk of them.
    fn take_up(&mut self, mut entries: impl Iterator<Item = (SeriesHash, u32)>) {
        let mut chunk = Vec::with_capacity(CHUNK);
        loop {
            chunk.clear();
            chunk.extend(entries.by_ref().take(CHUNK));
            if chunk.is_empty() {
                return;
            }
            chunk.iter().for_each(|(key, _)| self.touch(*key));
            chunk.iter().for_each(|(key, at)| self.place(*key, *at));
        }
    }
}

/// More room than this many times what is needed is given back.
const MOST_ROOM: usize = 3;
/// Entries placed at once when many are.
const CHUNK: usize = 128;
/// Entries of a bucket that may be taken on average.
const FULL: usize = 9;

impl Bucket {
    /// The ways that have this tag, lowest first.
    #[inline]
    fn ways(&self, tag: u8) -> Ways {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.tags;
        let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let high = u64::from(u32::from_le_bytes(rest)) | !u64::from(u32::MAX);
        let all = u64::from_le_bytes([tag; 8]);
        let high = zero_bytes(high ^ all) & u64::from(u32::MAX);
        Ways(u128::from(zero_bytes(low ^ all)) | u128::from(high) << 64)
    }
}

/// A bit for each way, at the top of its byte.
struct Ways(u128);

impl Iterator for Ways {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let way = self.0.trailing_zeros() as usize / 8;
        self.0 &= self.0.wrapping_sub(1);
        (way < WAYS).then_some(way)
    }
}

/// Marks the bytes that are 0 and no others.
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    !(((word & LOW) + LOW) | word | LOW)
}

/// The bits that `home` looks at last.
#[inline]
fn tag(key: SeriesHash) -> u8 {
    (key.0 as u8).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[derive(Clone, Debug)]
    enum Move {
        Insert(u64),
        Remove(usize),
        Rebuild,
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        // Few homes and few tags, so that buckets overflow and tags agree.
        let key = (0u64..4, 0u64..200).prop_map(|(home, rest)| home << 62 | rest);
        let one = prop_oneof![8 => key.prop_map(Move::Insert), 2 => any::<usize>().prop_map(Move::Remove), 1 => Just(Move::Rebuild)];
        prop::collection::vec(one, 0..300)
    }

    proptest! {
        #[test]
        fn is_a_map(moves in moves()) {
            let (mut index, mut keys, mut map) = (Index::default(), Vec::new(), HashMap::new());
            for m in moves {
                match m {
                    Move::Insert(key) if !map.contains_key(&key) => {
                        let at = keys.len() as u32;
                        keys.push(SeriesHash(key));
                        index.insert(SeriesHash(key), at, |at| keys[at as usize]);
                        map.insert(key, at);
                    }
                    Move::Remove(at) if !map.is_empty() => {
                        let key = *map.keys().nth(at % map.len()).unwrap();
                        index.remove(SeriesHash(key), map.remove(&key).unwrap());
                    }
                    Move::Rebuild => {
                        keys = map.keys().map(|k| SeriesHash(*k)).collect();
                        map = keys.iter().zip(0..).map(|(k, at)| (k.0, at)).collect();
                        index.rebuild(keys.len(), |at| keys[at as usize]);
                    }
                    _ => {}
                }
            }
            for key in (0u64..4).flat_map(|home| (0..200).map(move |rest| home << 62 | rest)) {
                let found = index.find(SeriesHash(key), |at| keys[at as usize]);
                prop_assert_eq!(found, map.get(&key).copied());
            }
        }
    }

    #[test]
    fn an_entry_takes_seven_bytes_and_a_half() {
        assert_eq!(size_of::<Bucket>(), 64);
        let keys: Vec<SeriesHash> =
            (0..100_000u64).map(|k| crate::engine::model::Seed::new(1).hash(&k.to_le_bytes())).collect();
        let mut index = Index::default();
        index.rebuild(keys.len(), |at| keys[at as usize]);
        assert!(index.memory() <= keys.len() * 15 / 2, "{}", index.memory());
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(index.find(*key, |at| keys[at as usize]), Some(at as u32));
        }
    }
}
