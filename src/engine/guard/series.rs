//! The series an exposition is expected to bring, by their raw bytes.
//!
//! The next scrape looks like the last one: every known spelling remembers which one came after
//! it, so reading a known series is hashing as many bytes as it has and comparing. A miss falls
//! back to a table; insertions and deletions repair the chain as they are met.

use std::collections::HashSet;

use hashbrown::HashTable;

use crate::engine::fold::{FamilyId, MemberId};
use crate::engine::model::{Seed, SeriesHash};

/// A spelling's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownId(u32);

impl KnownId {
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What was decided about a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// No policy touches it: verbatim, nothing remembered.
    Pass,
    /// Left out; the index of its cause.
    Dropped(u32),
    /// A number of a member.
    Noted { member: MemberId, field: u32 },
}

/// One spelling of a series.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    hash: SeriesHash,
    len: u32,
    /// The spelling that followed in the last scrape.
    next: u32,
    /// The scrape that saw it last.
    pub scrape: u32,
    pub family: FamilyId,
    member: u32,
    field: u32,
}

#[derive(Debug)]
pub struct Series {
    seed: Seed,
    all: Vec<Known>,
    index: HashTable<u32>,
    first: u32,
    last: u32,
}

const NONE: u32 = u32::MAX;
/// Fields that `fold` cannot give (its own end at `u32::MAX - 8`).
const PASS: u32 = u32::MAX - 9;
const DROPPED: u32 = u32::MAX - 10;
/// Nothing is known of it any more.
const FORGOTTEN: u32 = u32::MAX - 11;
/// A length no input has: spellings that more bytes could continue, or that hold a newline, are
/// found by the table and never predicted.
const UNPREDICTABLE: u32 = 1 << 31;
/// Spellings kept beyond twice those of the last scrape.
const SPARE: usize = 4096;

impl Series {
    pub fn new(seed: Seed) -> Series {
        Series { seed, all: Vec::new(), index: HashTable::new(), first: NONE, last: NONE }
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// A scrape begins: what comes first is what came first.
    pub fn rewind(&mut self) {
        self.last = NONE;
    }

    /// The expected spelling, if `input` begins with it.
    #[inline]
    pub fn predict(&self, input: &[u8]) -> Option<(KnownId, usize)> {
        let id = match self.all.get(self.last as usize) {
            Some(last) => last.next,
            None => self.first,
        };
        let known = self.all.get(id as usize)?;
        let len = known.len as usize;
        let (series, rest) = input.split_at_checked(len)?;
        let next = *rest.first()?;
        // A bare name goes on unless what follows its blanks is a value.
        if series.last() != Some(&b'}') && matches!(next, b' ' | b'\t' | b'{') {
            return None;
        }
        (self.seed.hash(series) == known.hash).then_some((KnownId(id), len))
    }

    /// Looks a spelling up.
    pub fn find(&self, series: &[u8]) -> Result<KnownId, SeriesHash> {
        let hash = self.seed.hash(series);
        let same = |&i: &u32| {
            let known = &self.all[i as usize];
            known.hash == hash && (known.len & !UNPREDICTABLE) as usize == series.len()
        };
        self.index.find(hash.0, same).map(|&i| KnownId(i)).ok_or(hash)
    }

    /// Remembers a spelling that [`Series::find`] does not know.
    pub fn insert(&mut self, hash: SeriesHash, series: &[u8], family: FamilyId, what: What) -> KnownId {
        let id = self.all.len() as u32;
        let ends = matches!(series.last(), Some(b'}' | b' ' | b'\t'));
        let predictable = ends && memchr::memchr(b'\n', series).is_none();
        let len = series.len() as u32 | if predictable { 0 } else { UNPREDICTABLE };
        let (member, field) = match what {
            What::Pass => (NONE, PASS),
            What::Dropped(cause) => (cause, DROPPED),
            What::Noted { member, field } => (member.0, field),
        };
        let next = self.expected();
        self.all.push(Known { hash, len, next, scrape: 0, family, member, field });
        let all = &self.all;
        self.index.insert_unique(hash.0, id, |&i| all[i as usize].hash.0);
        KnownId(id)
    }

    fn expected(&self) -> u32 {
        match self.all.get(self.last as usize) {
            Some(last) => last.next,
            None => self.first,
        }
    }

    /// This spelling came now: the one before it points to it from here on.
    #[inline]
    pub fn came(&mut self, id: KnownId) {
        match self.all.get_mut(self.last as usize) {
            Some(last) => last.next = id.0,
            None => self.first = id.0,
        }
        self.last = id.0;
    }

    #[inline]
    pub fn get_mut(&mut self, id: KnownId) -> &mut Known {
        &mut self.all[id.0 as usize]
    }

    pub fn clear(&mut self) {
        *self = Series::new(self.seed);
    }

    /// Forgets the spellings of a family that `scrape` has not seen: they are decided again. Their
    /// positions stay.
    pub fn forget(&mut self, family: FamilyId, scrape: u32) {
        for at in 0..self.all.len() {
            let known = &mut self.all[at];
            if known.family != family || known.scrape == scrape || known.field == FORGOTTEN {
                continue;
            }
            (known.field, known.len) = (FORGOTTEN, UNPREDICTABLE);
            if let Ok(entry) = self.index.find_entry(self.all[at].hash.0, |&i| i as usize == at) {
                entry.remove();
            }
        }
    }

    /// Forgets the spellings that came after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        for at in len..self.all.len() {
            if let Ok(entry) = self.index.find_entry(self.all[at].hash.0, |&i| i as usize == at) {
                entry.remove();
            }
        }
        self.all.truncate(len);
        for known in &mut self.all {
            if known.next as usize >= len {
                known.next = NONE;
            }
        }
        if self.first as usize >= len {
            self.first = NONE;
        }
    }

    /// Families with series that passed or were left out: their values are not remembered.
    pub fn unremembered(&self) -> HashSet<FamilyId> {
        self.all.iter().filter(|k| !matches!(k.what(), What::Noted { .. })).map(|k| k.family).collect()
    }

    /// Whether so much has gone that it is worth forgetting.
    pub fn is_stale(&self, seen: u64) -> bool {
        self.all.len() > 2 * seen as usize + SPARE
    }

    /// Keeps what `scrape` saw, and follows members to where they went.
    pub fn retain(&mut self, scrape: Option<u32>, moved: Option<&[Option<MemberId>]>) {
        let mut positions = vec![NONE; self.all.len()];
        let mut kept = 0_u32;
        let mut position = positions.iter_mut();
        self.all.retain_mut(|known| {
            let stays =
                known.field != FORGOTTEN && scrape.is_none_or(|s| known.scrape == s) && known.follow(moved);
            if let (Some(position), true) = (position.next(), stays) {
                *position = kept;
                kept += 1;
            }
            stays
        });
        self.all.shrink_to(self.all.len() + self.all.len() / 4);
        let new = |old: u32| positions.get(old as usize).copied().unwrap_or(NONE);
        self.all.iter_mut().for_each(|k| k.next = new(k.next));
        (self.first, self.last) = (new(self.first), NONE);
        self.index = HashTable::with_capacity(self.all.len());
        let all = &self.all;
        for (at, known) in all.iter().enumerate() {
            self.index.insert_unique(known.hash.0, at as u32, |&i| all[i as usize].hash.0);
        }
    }

    pub fn memory(&self) -> usize {
        self.all.capacity() * size_of::<Known>() + self.index.allocation_size()
    }
}

impl Known {
    #[inline]
    pub fn what(&self) -> What {
        match self.field {
            PASS => What::Pass,
            DROPPED => What::Dropped(self.member),
            field => What::Noted { member: MemberId(self.member), field },
        }
    }

    /// Points to where its member went; false when that is forgotten.
    fn follow(&mut self, moved: Option<&[Option<MemberId>]>) -> bool {
        let (What::Noted { member, .. }, Some(moved)) = (self.what(), moved) else { return true };
        match moved.get(member.index()).copied().flatten() {
            Some(new) => {
                self.member = new.0;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(series: &mut Series, spellings: &[&str]) {
        series.rewind();
        for s in spellings {
            let id = match series.find(s.as_bytes()) {
                Ok(id) => id,
                Err(hash) => series.insert(hash, s.as_bytes(), FamilyId(0), What::Pass),
            };
            series.came(id);
        }
    }

    /// How many of `spellings` are predicted when they come in this order.
    fn predicted(series: &mut Series, spellings: &[&str]) -> usize {
        series.rewind();
        let mut hits = 0;
        for s in spellings {
            let line = format!("{s}1\n");
            match series.predict(line.as_bytes()) {
                Some((id, len)) => {
                    assert_eq!(len, s.len());
                    series.came(id);
                    hits += 1;
                }
                None => {
                    let id = match series.find(s.as_bytes()) {
                        Ok(id) => id,
                        Err(hash) => series.insert(hash, s.as_bytes(), FamilyId(0), What::Pass),
                    };
                    series.came(id);
                }
            }
        }
        hits
    }

    #[test]
    fn the_same_order_is_predicted_whole() {
        let mut series = Series::new(Seed::new(1));
        let body = ["a{x=\"1\"}", "a{x=\"2\"}", "b ", "c{y=\"\"}"];
        learn(&mut series, &body);
        assert_eq!(predicted(&mut series, &body), 4);
    }

    #[test]
    fn insertion_and_deletion_cost_one_miss_each_and_heal() {
        let mut series = Series::new(Seed::new(1));
        learn(&mut series, &["a ", "b ", "c ", "d "]);
        assert_eq!(predicted(&mut series, &["a ", "n ", "b ", "c ", "d "]), 4);
        assert_eq!(predicted(&mut series, &["a ", "n ", "b ", "c ", "d "]), 5);
        assert_eq!(predicted(&mut series, &["a ", "n ", "c ", "d "]), 3);
        assert_eq!(predicted(&mut series, &["a ", "n ", "c ", "d "]), 4);
    }

    #[test]
    fn a_longer_name_or_a_label_set_is_not_the_known_bare_name() {
        let mut series = Series::new(Seed::new(1));
        learn(&mut series, &["a "]);
        for line in ["ab 1\n", "a {x=\"1\"} 1\n", "a  1\n", "a\t1\n", "a{x=\"1\"} 1\n", "a "] {
            series.rewind();
            assert_eq!(series.predict(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn forgetting_keeps_the_chain() {
        let mut series = Series::new(Seed::new(1));
        learn(&mut series, &["a ", "b ", "c ", "d "]);
        for id in [0, 2, 3] {
            series.get_mut(KnownId(id)).scrape = 7;
        }
        predicted(&mut series, &["a ", "c ", "d "]);
        series.retain(Some(7), None);
        assert_eq!(series.len(), 3);
        assert_eq!(predicted(&mut series, &["a ", "c ", "d "]), 3);
    }
}
