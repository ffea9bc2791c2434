//! An index from a 64-bit seeded hash to a position in a vector in which the hash stands itself.
//!
//! A bucket is a cache line of fifteen entries, so that finding a hash, or that it is not there, and
//! taking it up costs one access to memory that is far away. What does not fit goes to the next.
//! An entry is four bytes: as many bits as positions need, the rest are of the hash.

use super::{SeriesHash, near, room};

/// Entries of a bucket.
const WAYS: usize = 15;

#[derive(Debug, Default)]
pub struct Index {
    buckets: Vec<Bucket>,
    len: usize,
    /// Bits of an entry that are its position, counted from 1.
    bits: u32,
}

#[derive(Clone, Debug)]
#[repr(align(64))]
struct Bucket {
    /// 0: free.
    ways: [u32; WAYS],
    /// How many are not.
    taken: u16,
    /// Entries that found this bucket full and are in one behind it; [`u16::MAX`]: so many or more.
    overflows: u16,
}

const FREE: Bucket = Bucket { ways: [0; WAYS], taken: 0, overflows: 0 };

/// The place of a key that is nowhere.
pub const GONE: u32 = u32::MAX;

/// What an entry of a hash looks like.
#[derive(Clone, Copy)]
struct Look {
    tag: u32,
    mask: u32,
}

impl Index {
    pub fn with_capacity(entries: usize) -> Index {
        let buckets = if entries == 0 { 0 } else { entries.div_ceil(FULL) + 1 };
        Index::of(buckets, entries)
    }

    fn of(buckets: usize, positions: usize) -> Index {
        let mut all = room::with_room(buckets);
        all.resize(buckets, FREE);
        Index { buckets: all, len: 0, bits: bits(positions.max(buckets * WAYS)) }
    }

    #[inline]
    pub fn find(&self, key: SeriesHash, key_at: impl Fn(u32) -> SeriesHash) -> Option<u32> {
        let look = self.look(key);
        let mut home = self.home(key);
        for _ in 0..self.buckets.len() {
            let bucket = self.buckets.get(home)?;
            for way in bucket.ways(look) {
                let at = look.position(bucket.ways[way]);
                if key_at(at) == key {
                    return Some(at);
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
        if self.len >= self.buckets.len() * FULL || bits(at as usize) > self.bits {
            self.grow(at, key_at);
        }
        self.place(key, at);
    }

    /// Where a key is; when it is nowhere, it is this one from here on, and every position before it
    /// is taken up: they are read one after the other when there has to be more room.
    #[inline]
    pub fn find_or_append(&mut self, key: SeriesHash, at: u32, key_at: impl Fn(u32) -> SeriesHash) -> Option<u32> {
        if self.len >= self.buckets.len() * FULL || bits(at as usize) > self.bits {
            *self = self.larger(at);
            self.take_up((0..at).map(|at| (key_at(at), at)));
        }
        let (look, home) = (self.look(key), self.home(key));
        let bucket = self.buckets.get_mut(home)?;
        if bucket.overflows > 0 {
            let found = self.find(key, key_at);
            if found.is_none() {
                self.place(key, at);
            }
            return found;
        }
        for way in bucket.ways(look) {
            let at = look.position(bucket.ways[way]);
            if key_at(at) == key {
                return Some(at);
            }
        }
        match bucket.free() {
            Some(way) => {
                bucket.ways[way] = look.entry(at);
                bucket.taken += 1;
                self.len += 1;
            }
            None => self.place(key, at),
        }
        None
    }

    pub fn remove(&mut self, key: SeriesHash, at: u32) {
        let entry = self.look(key).entry(at);
        let mut home = self.home(key);
        for passed in 0..self.buckets.len() {
            let bucket = &mut self.buckets[home];
            if let Some(way) = bucket.way(entry) {
                bucket.ways[way] = 0;
                bucket.taken -= 1;
                self.len -= 1;
                return self.passes_no_more(key, passed);
            }
            if bucket.overflows == 0 {
                return;
            }
            home = self.next(home);
        }
    }

    /// The key at one position is at another from here on, before all that there were.
    pub fn relocate(&mut self, key: SeriesHash, from: u32, to: u32) {
        let (old, new) = (self.look(key).entry(from), self.look(key).entry(to));
        let mut home = self.home(key);
        for _ in 0..self.buckets.len() {
            let bucket = &mut self.buckets[home];
            if let Some(way) = bucket.way(old) {
                bucket.ways[way] = new;
                return;
            }
            if bucket.overflows == 0 {
                return;
            }
            home = self.next(home);
        }
    }

    /// An entry that had to go so many buckets further is gone: were they never told, each would send
    /// everybody on one day.
    fn passes_no_more(&mut self, key: SeriesHash, passed: usize) {
        let mut home = self.home(key);
        for _ in 0..passed {
            let overflows = &mut self.buckets[home].overflows;
            *overflows -= u16::from(*overflows < u16::MAX);
            home = self.next(home);
        }
    }

    /// Starts again with the keys at `0..len`.
    pub fn rebuild(&mut self, len: usize, key_at: impl Fn(u32) -> SeriesHash) {
        if Index::room(len).contains(&self.buckets.len()) {
            self.buckets.fill(FREE);
            (self.len, self.bits) = (0, self.bits.max(bits(len)));
        } else {
            *self = Index::default();
            *self = Index::with_capacity(len);
        }
        self.take_up((0..len as u32).map(|at| (key_at(at), at)));
    }

    /// Keys went to other places, or away, of which `place` says [`GONE`]; `len` are left. Memory is
    /// walked along once: only those that may be of other buckets are asked for their keys, at their new
    /// places.
    pub fn follow(&mut self, len: usize, place: impl Fn(u32) -> u32, key_at: impl Fn(u32) -> SeriesHash) {
        if !Index::room(len).contains(&self.buckets.len()) {
            return self.rebuild(len, key_at);
        }
        let look = self.look(SeriesHash(0));
        let mut astray = Vec::new();
        let mut is_passed = self.buckets.last().is_some_and(|last| last.overflows > 0);
        self.len = 0;
        for home in 0..self.buckets.len() {
            let bucket = &mut self.buckets[home];
            let old = std::mem::replace(bucket, FREE);
            // Who goes and who stays comes as it comes: no branch could foretell it.
            let mut taken = 0;
            for way in old.ways.into_iter().filter(|way| *way != 0) {
                let at = place(look.position(way));
                bucket.ways[taken] = (way & look.mask) | at.wrapping_add(1);
                taken += usize::from(at != GONE);
            }
            bucket.ways[taken..].fill(0);
            if std::mem::replace(&mut is_passed, old.overflows > 0) {
                astray.extend(bucket.ways[..taken].iter().map(|way| look.position(*way)));
                *bucket = FREE;
                taken = 0;
            }
            bucket.taken = taken as u16;
            self.len += taken;
        }
        self.take_up(astray.into_iter().map(|at| (key_at(at), at)));
    }

    /// Brings the place of a key near: whoever does so for several keys before he asks for the first
    /// waits at most once for all of them.
    #[inline]
    pub fn touch(&self, key: SeriesHash) {
        self.buckets.get(self.home(key)).into_iter().for_each(|bucket| near::bring(&bucket.ways[0]));
    }

    /// Buckets for so many entries: room that was needed before is kept, it is mostly needed again.
    fn room(len: usize) -> std::ops::RangeInclusive<usize> {
        let needed = if len == 0 { 0 } else { len.div_ceil(FULL) + 1 };
        needed..=needed * MOST_ROOM
    }

    pub fn memory(&self) -> usize {
        self.buckets.len() * size_of::<Bucket>()
    }

    #[inline]
    fn home(&self, key: SeriesHash) -> usize {
        ((u128::from(key.0) * self.buckets.len() as u128) >> 64) as usize
    }

    /// The bits of the hash that `home` looks at last.
    #[inline]
    fn look(&self, key: SeriesHash) -> Look {
        let mask = u32::MAX.checked_shl(self.bits).unwrap_or(0);
        Look { tag: (key.0 as u32).checked_shl(self.bits).unwrap_or(0), mask }
    }

    fn next(&self, home: usize) -> usize {
        if home + 1 == self.buckets.len() { 0 } else { home + 1 }
    }

    #[inline]
    fn place(&mut self, key: SeriesHash, at: u32) {
        let entry = self.look(key).entry(at);
        let mut home = self.home(key);
        loop {
            let bucket = &mut self.buckets[home];
            if let Some(way) = bucket.free() {
                bucket.ways[way] = entry;
                bucket.taken += 1;
                self.len += 1;
                return;
            }
            bucket.overflows = bucket.overflows.saturating_add(1);
            home = self.next(home);
        }
    }

    /// One without entries. Whatever is there is placed again each time, which new entries have to
    /// pay for, so that small ones are doubled; large ones, of which half must not be empty, grow by an
    /// eighth.
    #[cold]
    fn larger(&self, at: u32) -> Index {
        let buckets = self.buckets.len();
        let full = self.len >= buckets * FULL;
        let more = if buckets < SMALL { buckets } else { buckets / 8 };
        let buckets = (buckets + if full { more } else { 0 }).max(4);
        Index::of(buckets, (at as usize + at as usize / 2).max(at as usize + 1))
    }

    #[cold]
    fn grow(&mut self, at: u32, key_at: impl Fn(u32) -> SeriesHash) {
        let larger = self.larger(at);
        let old = std::mem::replace(self, larger);
        let look = old.look(SeriesHash(0));
        // Buckets keep their order, so that what is written stays near; what is read is read together.
        for bucket in &old.buckets {
            let mut entries = [(SeriesHash(0), 0); WAYS];
            let mut taken = 0;
            for way in bucket.ways.into_iter().filter(|way| *way != 0) {
                let at = look.position(way);
                entries[taken] = (key_at(at), at);
                taken += 1;
            }
            entries[..taken].iter().for_each(|(key, at)| self.place(*key, *at));
        }
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
const FULL: usize = 11;
/// Buckets of an index that grows fast.
const SMALL: usize = 1 << 17;

/// Bits that positions up to this one need, counted from 1.
#[inline]
const fn bits(position: usize) -> u32 {
    let bits = usize::BITS - (position + 1).leading_zeros();
    if bits < 32 { bits } else { 32 }
}

impl Look {
    #[inline]
    fn entry(self, at: u32) -> u32 {
        self.tag | (at + 1)
    }

    #[inline]
    fn position(self, entry: u32) -> u32 {
        (entry & !self.mask) - 1
    }
}

impl Bucket {
    /// The ways that look like this, lowest first. Mostly there is none, which all ways together say
    /// at once.
    #[inline]
    fn ways(&self, look: Look) -> impl Iterator<Item = usize> {
        let fits = move |way: u32| (way ^ look.tag) & look.mask == 0;
        let mut all = [0; WAYS + 1];
        all[..WAYS].copy_from_slice(&self.ways);
        let any = all.iter().fold(0, |any, way| any | u32::from(fits(*way)));
        let first = if any == 0 { WAYS } else { 0 };
        (first..WAYS).filter(move |way| self.ways[*way] != 0 && fits(self.ways[*way]))
    }

    /// Where this entry stands, which may be anywhere: no branch could foretell it.
    #[inline]
    fn way(&self, entry: u32) -> Option<usize> {
        let bit = |(way, nth): (&u32, u32)| u32::from(*way == entry) << nth;
        let found = self.ways.iter().zip(0..).map(bit).fold(0, |all, bit| all | bit);
        (found != 0).then_some(found.trailing_zeros() as usize)
    }

    /// Ways are taken from the first on, so that their number is the next; unless some were given
    /// back.
    #[inline]
    fn free(&self) -> Option<usize> {
        match self.ways.get(usize::from(self.taken)) {
            Some(0) => Some(self.taken.into()),
            Some(_) => self.ways.iter().position(|way| *way == 0),
            None => None,
        }
    }
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
        /// One in so many goes, or all others do; who stays closes up.
        Follow(u32, bool),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        // Few homes and few tags, so that buckets overflow and tags agree.
        let key = (0u64..4, 0u64..200).prop_map(|(home, rest)| home << 62 | rest);
        let one = prop_oneof![8 => key.prop_map(Move::Insert), 2 => any::<usize>().prop_map(Move::Remove), 1 => Just(Move::Rebuild),
            1 => (2u32..5, any::<bool>()).prop_map(|(nth, rest)| Move::Follow(nth, rest))];
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
                        match map.len() == at as usize {
                            true => {
                                let known = index.find_or_append(SeriesHash(key), at, |at| keys[at as usize]);
                                prop_assert_eq!(known, None);
                                let known = index.find_or_append(SeriesHash(key), at + 1, |at| keys[at as usize]);
                                prop_assert_eq!(known, Some(at));
                            }
                            false => index.insert(SeriesHash(key), at, |at| keys[at as usize]),
                        }
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
                    Move::Follow(nth, rest) => {
                        let stays = |at: u32| at.is_multiple_of(nth) == rest;
                        let here: Vec<u32> = map.values().copied().filter(|at| stays(*at)).collect();
                        let place = |at: u32| stays(at).then(|| here.iter().filter(|before| **before < at).count() as u32);
                        map.retain(|_, at| stays(*at));
                        map.values_mut().for_each(|at| *at = place(*at).unwrap());
                        keys = vec![SeriesHash(0); map.len()];
                        map.iter().for_each(|(key, at)| keys[*at as usize] = SeriesHash(*key));
                        index.follow(keys.len(), |at| place(at).unwrap_or(GONE), |at| keys[at as usize]);
                        prop_assert_eq!(index.len, keys.len());
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
    fn who_is_gone_sends_nobody_on() {
        let key = |at: u32| SeriesHash(u64::from(at).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (kept, rounds) = (10_000_u32, 40);
        let mut index = Index::with_capacity(kept as usize);
        for at in 0..kept * rounds {
            if let Some(oldest) = at.checked_sub(kept) {
                index.remove(key(oldest), oldest);
            }
            index.insert(key(at), at, key);
        }
        (0..kept * (rounds - 1)).for_each(|at| assert_eq!(index.find(key(at), key), None));
        (kept * (rounds - 1)..kept * rounds).for_each(|at| assert_eq!(index.find(key(at), key), Some(at)));
        (kept * (rounds - 1)..kept * rounds).for_each(|at| index.remove(key(at), at));
        assert!(index.buckets.iter().all(|bucket| (bucket.taken, bucket.overflows) == (0, 0)));
    }

    #[test]
    fn an_entry_takes_six_bytes() {
        assert_eq!(size_of::<Bucket>(), 64);
        let keys: Vec<SeriesHash> =
            (0..500_000u64).map(|k| crate::engine::model::Seed::new(1).hash(&k.to_le_bytes())).collect();
        let mut index = Index::default();
        index.rebuild(keys.len(), |at| keys[at as usize]);
        assert!(index.memory() <= keys.len() * 6, "{}", index.memory());
        let mut grown = Index::default();
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(index.find(*key, |at| keys[at as usize]), Some(at as u32));
            grown.insert(*key, at as u32, |at| keys[at as usize]);
            let most = if at < 2 * SMALL * FULL { (at + 60) * 12 } else { at * 33 / 5 };
            assert!(grown.memory() <= most, "{at}: {}", grown.memory());
        }
    }
}
