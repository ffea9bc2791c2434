//! The series an exposition is expected to bring, by their raw bytes.
//!
//! The next scrape looks like the last one: every known spelling remembers which one came after
//! it, so reading a known series is hashing as many bytes as it has and comparing. A miss falls
//! back to a table; insertions and deletions repair the chain as they are met. The table is made
//! when it is first asked: series that nobody looks for are never entered.

use std::collections::HashSet;

use super::known::{Dropped, Known, Stamp};
use crate::engine::fold::{FamilyId, MemberId};
use crate::engine::model::{Index, Seed, SeriesHash};

/// A spelling's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    Pass(FamilyId),
    /// Left out; the number of its cause, and of its note.
    Dropped { family: FamilyId, cause: u32, note: u32 },
    /// A number of a member.
    Noted { member: MemberId, field: u32 },
}

#[derive(Debug)]
pub struct Series {
    seed: Seed,
    all: Vec<Known>,
    dropped: Dropped,
    index: Index,
    /// So many of the first spellings are in the index.
    indexed: usize,
    first: u32,
    last: u32,
    now: Stamp,
}

pub(super) const NONE: u32 = u32::MAX;
/// Spellings kept beyond twice those of the last scrape.
const SPARE: usize = 4096;
/// Spellings entered into the index after one look at memory far away.
const CHUNK: usize = 64;

/// Whether a line is the first of its spelling in this body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    First,
    Again,
}

impl Series {
    pub fn new(seed: Seed) -> Series {
        let (all, index) = (Vec::new(), Index::default());
        Series { seed, all, dropped: Dropped::default(), index, indexed: 0, first: NONE, last: NONE, now: Stamp::of(1) }
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// A pass begins, its number never the same twice: what comes first is what came first.
    pub fn rewind(&mut self, pass: u32) {
        self.last = NONE;
        self.now = Stamp::of(pass);
        if Stamp::wipes(pass) {
            self.all.iter_mut().for_each(|k| k.set_stamp(Stamp::NEVER));
        }
    }

    /// The expected spelling, if `input` begins with it.
    #[inline]
    pub fn predict(&self, input: &[u8]) -> Option<(KnownId, usize)> {
        let id = self.expected();
        let known = self.all.get(id as usize)?;
        let len = known.len();
        let (series, rest) = input.split_at_checked(len)?;
        let next = *rest.first()?;
        // A bare name goes on unless what follows its blanks is a value.
        if series.last() != Some(&b'}') && matches!(next, b' ' | b'\t' | b'{') {
            return None;
        }
        (self.seed.hash(series) == known.hash()).then_some((KnownId(id), len))
    }

    /// Looks a spelling up; when it is not known, its hash is what [`Series::insert`] wants.
    pub fn find(&mut self, series: &[u8]) -> Result<KnownId, SeriesHash> {
        self.find_hash(self.seed.hash(series))
    }

    pub fn find_hash(&mut self, hash: SeriesHash) -> Result<KnownId, SeriesHash> {
        if self.indexed < self.all.len() {
            self.enter_all();
        }
        self.index.find(hash, |i| self.all[i as usize].hash()).map(KnownId).ok_or(hash)
    }

    /// Brings the place of a spelling near.
    #[inline]
    pub fn touch(&self, hash: SeriesHash) {
        self.index.touch(hash);
    }

    /// Remembers a spelling that [`Series::find`] does not know.
    pub fn insert(&mut self, hash: SeriesHash, series: &[u8], what: What) -> KnownId {
        let known = Known::new(hash, series, self.expected(), what, &mut self.dropped);
        self.push(hash, known)
    }

    /// The same for one of this length that holds no newline and ends in a `}`.
    #[inline]
    pub fn insert_plain(&mut self, hash: SeriesHash, len: usize, what: What) -> KnownId {
        let known = Known::plain(hash, len, self.expected(), what, &mut self.dropped);
        self.push(hash, known)
    }

    /// A spelling that nobody knows, of this length, without a newline and with a `}` at its end,
    /// comes now. Who asks for it later finds it.
    #[inline]
    pub fn follow(&mut self, hash: SeriesHash, len: usize, what: What) {
        let known = Known::plain(hash, len, self.expected(), what, &mut self.dropped);
        self.all.push(known);
        self.came(KnownId(self.all.len() as u32 - 1));
    }

    #[inline]
    fn push(&mut self, hash: SeriesHash, known: Known) -> KnownId {
        let id = self.all.len();
        self.all.push(known);
        if self.indexed == id {
            let all = &self.all;
            self.index.insert(hash, id as u32, |i| all[i as usize].hash());
            self.indexed += 1;
        }
        KnownId(id as u32)
    }

    /// Enters what is not in the index yet.
    #[cold]
    fn enter_all(&mut self) {
        let Series { all, index, indexed, .. } = self;
        if *indexed == 0 {
            *index = Index::with_capacity(all.len());
        }
        for (chunk, from) in all[*indexed..].chunks(CHUNK).zip((*indexed..).step_by(CHUNK)) {
            chunk.iter().for_each(|known| index.touch(known.hash()));
            for (known, at) in chunk.iter().zip(from as u32..).filter(|(known, _)| !known.is_forgotten()) {
                index.insert(known.hash(), at, |i| all[i as usize].hash());
            }
        }
        *indexed = all.len();
    }

    #[inline]
    fn expected(&self) -> u32 {
        match self.all.get(self.last as usize) {
            Some(last) => last.next,
            None => self.first,
        }
    }

    /// What is expected from here on, one after the other.
    pub fn ahead(&mut self) -> Ahead<'_> {
        let (next, last) = (self.expected(), &mut self.last);
        Ahead { all: &mut self.all, seed: &self.seed, dropped: &self.dropped, now: self.now, next, last }
    }

    /// This spelling came now: the one before it points to it from here on.
    #[inline]
    pub fn came(&mut self, id: KnownId) -> Seen {
        match self.all.get_mut(self.last as usize) {
            Some(last) => last.next = id.0,
            None => self.first = id.0,
        }
        self.last = id.0;
        let known = &mut self.all[id.0 as usize];
        let seen = if known.stamp() == self.now { Seen::Again } else { Seen::First };
        known.set_stamp(self.now);
        seen
    }

    /// What this spelling would be if it came now.
    #[inline]
    pub fn would_be(&self, id: KnownId) -> Seen {
        if self.all[id.index()].stamp() == self.now { Seen::Again } else { Seen::First }
    }

    #[inline]
    pub fn what(&self, id: KnownId) -> What {
        self.all[id.index()].what(&self.dropped)
    }

    pub fn clear(&mut self) {
        *self = Series { now: self.now, ..Series::new(self.seed) };
    }

    /// Forgets spellings of which `fits` is true: they are decided again. Their positions stay.
    pub fn forget(&mut self, which: Forget, fits: impl Fn(What) -> bool) {
        for at in 0..self.all.len() {
            let known = &mut self.all[at];
            let is_due = which == Forget::All || known.stamp() != self.now;
            if !is_due || known.is_forgotten() || !fits(known.what(&self.dropped)) {
                continue;
            }
            known.forget();
            if at < self.indexed {
                self.index.remove(self.all[at].hash(), at as u32);
            }
        }
    }

    /// Forgets the spellings that came after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        for at in len..self.indexed {
            self.index.remove(self.all[at].hash(), at as u32);
        }
        self.indexed = self.indexed.min(len);
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
        let family = |known: &Known| match known.what(&self.dropped) {
            What::Pass(family) | What::Dropped { family, .. } => Some(family),
            What::Noted { .. } => None,
        };
        self.all.iter().filter(|known| !known.is_forgotten()).filter_map(family).collect()
    }

    /// Notes that are used.
    pub fn notes(&self) -> impl Iterator<Item = u32> {
        self.dropped.notes()
    }

    /// Notes have other numbers.
    pub fn renumber_notes(&mut self, new: impl Fn(u32) -> u32) {
        self.dropped.renumber_notes(new);
    }

    /// Whether so much has gone that it is worth forgetting.
    pub fn is_stale(&self, seen: u64) -> bool {
        self.all.len() > 2 * seen as usize + SPARE
    }

    /// Keeps what `keep` says, and follows members to where they went.
    pub fn retain(&mut self, keep: Keep, moved: Option<&[Option<MemberId>]>) {
        let mut positions = vec![NONE; self.all.len()];
        let mut kept = 0_u32;
        let mut position = positions.iter_mut();
        let (now, dropped) = (self.now, &self.dropped);
        self.all.retain_mut(|known| {
            let stays =
                !known.is_forgotten() && (keep == Keep::All || known.stamp() == now) && known.follow(moved, dropped);
            if let (Some(position), true) = (position.next(), stays) {
                *position = kept;
                kept += 1;
            }
            stays
        });
        let old = std::mem::take(&mut self.dropped);
        self.all.iter_mut().for_each(|known| known.renumber(&old, &mut self.dropped));
        self.all.shrink_to(self.all.len() + self.all.len() / 4);
        let new = |old: u32| positions.get(old as usize).copied().unwrap_or(NONE);
        self.all.iter_mut().for_each(|k| k.next = new(k.next));
        (self.first, self.last) = (new(self.first), NONE);
        (self.index, self.indexed) = (Index::default(), 0);
    }

    pub fn memory(&self) -> usize {
        self.all.capacity() * size_of::<Known>() + self.index.memory() + self.dropped.memory()
    }
}

/// A walk along the forecast.
pub struct Ahead<'a> {
    all: &'a mut [Known],
    seed: &'a Seed,
    dropped: &'a Dropped,
    now: Stamp,
    next: u32,
    last: &'a mut u32,
}

impl Ahead<'_> {
    /// Length and fate of the expected spelling, if `input` begins with it for the first time in
    /// this body. Whether a bare name goes on is for the caller to see.
    #[inline]
    pub fn look(&self, input: &[u8]) -> Option<(usize, What)> {
        let known = self.all.get(self.next as usize)?;
        let len = known.len();
        let series = input.get(..len)?;
        let is_here = known.stamp() != self.now && self.seed.hash(series) == known.hash();
        is_here.then(|| (len, known.what(self.dropped)))
    }

    /// It came.
    #[inline]
    pub fn take(&mut self) {
        if let Some(known) = self.all.get_mut(self.next as usize) {
            known.set_stamp(self.now);
            *self.last = self.next;
            self.next = known.next;
        }
    }
}

/// Which spellings are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget {
    All,
    /// Those that the pass at hand has not seen.
    Absent,
}

/// Which spellings are still wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    All,
    /// Those of the pass at hand.
    Present,
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local!(static PASS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });

    fn pass(series: &mut Series) {
        PASS.set(PASS.get() + 1);
        series.rewind(PASS.get());
    }

    fn learn(series: &mut Series, spellings: &[&str]) {
        pass(series);
        for s in spellings {
            let id = match series.find(s.as_bytes()) {
                Ok(id) => id,
                Err(hash) => series.insert(hash, s.as_bytes(), What::Pass(FamilyId(0))),
            };
            series.came(id);
        }
    }

    /// How many of `spellings` are predicted when they come in this order.
    fn predicted(series: &mut Series, spellings: &[&str]) -> usize {
        pass(series);
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
                        Err(hash) => series.insert(hash, s.as_bytes(), What::Pass(FamilyId(0))),
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
            pass(&mut series);
            assert_eq!(series.predict(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn forgetting_keeps_the_chain() {
        let mut series = Series::new(Seed::new(1));
        learn(&mut series, &["a ", "b ", "c ", "d "]);
        predicted(&mut series, &["a ", "c ", "d "]);
        series.retain(Keep::Present, None);
        assert_eq!(series.len(), 3);
        assert_eq!(predicted(&mut series, &["a ", "c ", "d "]), 3);
    }

    #[test]
    fn a_line_comes_again_only_within_its_body() {
        let mut series = Series::new(Seed::new(1));
        learn(&mut series, &["a ", "b "]);
        for _ in 0..200 {
            pass(&mut series);
            assert_eq!([0, 1, 0].map(|id| series.came(KnownId(id))), [Seen::First, Seen::First, Seen::Again]);
        }
    }

    #[test]
    fn spellings_follow_their_members() {
        let mut series = Series::new(Seed::new(1));
        let noted = |member| What::Noted { member: MemberId(member), field: 5 };
        pass(&mut series);
        for (at, name) in ["a ", "b ", "c "].into_iter().enumerate() {
            let id = series.insert(series.seed.hash(name.as_bytes()), name.as_bytes(), noted(at as u32));
            series.came(id);
        }
        series.retain(Keep::All, Some(&[Some(MemberId(0)), None, Some(MemberId(1))]));
        assert_eq!((series.what(KnownId(0)), series.what(KnownId(1)), series.len()), (noted(0), noted(1), 2));
    }
}
