//! One spelling of a series, packed: there are as many as an endpoint has series, and a scrape
//! walks over all of them.

use std::collections::HashMap;

use super::series::{NONE, What};
use crate::engine::fold::{FamilyId, MemberId, field};
use crate::engine::model::SeriesHash;

/// 20 bytes. Halves of the hash, because eight aligned bytes would make it 24.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    hash: [u32; 2],
    /// The spelling that followed in the last scrape.
    pub next: u32,
    /// A family, a member, or a place in [`Dropped`]: `tag` says which.
    subject: u32,
    /// Bytes of the spelling, or [`UNPREDICTABLE`].
    len: u16,
    /// The lower bits are a stamp, the upper ones a field or a code.
    tag: u16,
}

/// When a spelling was last seen, modulo [`STAMPS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(u16);

/// Who leaves lines out, of which family, and by which way: as many as policies have such steps, and
/// where others change the series before, as many as there are ways.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    entries: Vec<(FamilyId, u32, u32)>,
    index: HashMap<(FamilyId, u32, u32), u32>,
}

const STAMP_BITS: u32 = 6;
const STAMP_MASK: u16 = (1 << STAMP_BITS) - 1;
/// Stamps come round after so many passes; 0 is never.
const STAMPS: u32 = STAMP_MASK as u32;
/// Stamps are wiped so often that none is older than a round.
const WIPE: u32 = STAMPS / 2;

const PASS: u16 = 0x3ff;
const DROPPED: u16 = 0x3fe;
/// Fields from here on are codes.
const CODES: u16 = 0x3f0;
/// The fields that are no numbers of a member, by their distance from the code of the first.
const ASIDE: [u32; 3] = [field::OTHER, field::CREATED, field::QUANTILE];

const _: () = assert!(field::HIGHEST < CODES as u32);

/// Spellings this long or longer, that more bytes could continue, or that hold a newline, are found
/// by the table and never predicted.
const UNPREDICTABLE: u16 = 1 << 15;

impl Known {
    pub fn new(hash: SeriesHash, series: &[u8], next: u32, what: What, dropped: &mut Dropped) -> Known {
        let ends = matches!(series.last(), Some(b'}' | b' ' | b'\t'));
        let is_plain = ends && memchr::memchr(b'\n', series).is_none();
        let len = if is_plain { series.len() } else { usize::MAX };
        Known::plain(hash, len, next, what, dropped)
    }

    /// A spelling of this length that holds no newline, and that no more bytes could continue.
    pub fn plain(hash: SeriesHash, len: usize, next: u32, what: What, dropped: &mut Dropped) -> Known {
        let len = u16::try_from(len).unwrap_or(UNPREDICTABLE).min(UNPREDICTABLE);
        let (code, subject) = dropped.code(what);
        Known { hash: [hash.0 as u32, (hash.0 >> 32) as u32], next, subject, len, tag: code << STAMP_BITS }
    }

    #[inline]
    pub fn hash(&self) -> SeriesHash {
        SeriesHash(u64::from(self.hash[0]) | u64::from(self.hash[1]) << 32)
    }

    /// Bytes of the spelling; more than any input has, when it must not be predicted.
    #[inline]
    pub fn len(&self) -> usize {
        if self.len == UNPREDICTABLE { usize::MAX } else { usize::from(self.len) }
    }

    #[inline]
    pub fn stamp(&self) -> Stamp {
        Stamp(self.tag & STAMP_MASK)
    }

    #[inline]
    pub fn set_stamp(&mut self, stamp: Stamp) {
        self.tag = self.tag & !STAMP_MASK | stamp.0;
    }

    #[inline]
    pub fn what(&self, dropped: &Dropped) -> What {
        match self.tag >> STAMP_BITS {
            PASS => What::Pass(FamilyId(self.subject)),
            DROPPED => {
                let (family, cause, note) = dropped.entries[self.subject as usize];
                What::Dropped { family, cause, note }
            }
            code @ CODES.. => What::Noted { member: MemberId(self.subject), field: ASIDE[usize::from(code - CODES)] },
            field => What::Noted { member: MemberId(self.subject), field: u32::from(field) },
        }
    }

    /// Nothing is known of it any more; its place goes when places are moved.
    pub fn forget(&mut self) {
        (self.subject, self.len) = (NONE, UNPREDICTABLE);
        self.tag = self.tag & STAMP_MASK | PASS << STAMP_BITS;
    }

    pub fn is_forgotten(&self) -> bool {
        self.subject == NONE
    }

    /// What leaves lines out is numbered anew.
    pub fn renumber(&mut self, old: &Dropped, new: &mut Dropped) {
        if let What::Dropped { .. } = self.what(old) {
            (_, self.subject) = new.code(self.what(old));
        }
    }

    /// Points to where its member went; false when that is forgotten.
    pub fn follow(&mut self, moved: Option<&[Option<MemberId>]>, dropped: &Dropped) -> bool {
        let (What::Noted { member, .. }, Some(moved)) = (self.what(dropped), moved) else { return true };
        let member = moved.get(member.index()).copied().flatten();
        self.subject = member.map_or(NONE, |m| m.0);
        member.is_some()
    }
}

impl Stamp {
    pub const NEVER: Stamp = Stamp(0);

    /// The stamp of a pass.
    pub fn of(pass: u32) -> Stamp {
        Stamp((pass % STAMPS) as u16 + 1)
    }

    /// Whether all stamps are to be wiped before this pass.
    pub fn wipes(pass: u32) -> bool {
        pass.is_multiple_of(WIPE)
    }
}

impl Dropped {
    fn code(&mut self, what: What) -> (u16, u32) {
        match what {
            What::Pass(family) => (PASS, family.0),
            What::Dropped { family, cause, note } => (DROPPED, self.number((family, cause, note))),
            What::Noted { member, field } => match ASIDE.iter().position(|f| *f == field) {
                Some(at) => (CODES + at as u16, member.0),
                None if field <= field::HIGHEST => (field as u16, member.0),
                None => (CODES, member.0),
            },
        }
    }

    fn number(&mut self, entry: (FamilyId, u32, u32)) -> u32 {
        *self.index.entry(entry).or_insert_with(|| {
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        })
    }

    /// Notes have other numbers.
    pub fn renumber_notes(&mut self, new: impl Fn(u32) -> u32) {
        self.entries.iter_mut().for_each(|(.., note)| *note = new(*note));
        self.index = self.entries.iter().copied().zip(0..).collect();
    }

    pub fn notes(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().map(|(.., note)| *note)
    }

    pub fn memory(&self) -> usize {
        self.entries.capacity() * 12 + self.index.capacity() * 17
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_is_what_is_read() {
        let mut dropped = Dropped::default();
        let noted = |field| What::Noted { member: MemberId(7), field };
        let all = [
            What::Pass(FamilyId(3)),
            What::Dropped { family: FamilyId(3), cause: 4, note: 0 },
            What::Dropped { family: FamilyId(3), cause: 4, note: 5 },
            noted(field::VALUE),
            noted(field::HIGHEST),
            noted(field::CREATED),
            noted(field::OTHER),
            noted(field::QUANTILE),
        ];
        let knowns = all.map(|what| (what, Known::new(SeriesHash(u64::MAX - 5), b"a ", 0, what, &mut dropped)));
        for (what, mut known) in knowns {
            known.set_stamp(Stamp::of(9));
            assert_eq!((known.what(&dropped), known.stamp()), (what, Stamp::of(9)));
            assert_eq!((known.hash(), known.len()), (SeriesHash(u64::MAX - 5), 2));
        }
        assert_eq!(size_of::<Known>(), 20);
    }

    #[test]
    fn a_stamp_is_wiped_before_it_comes_round() {
        for pass in 1..1000 {
            let again = (pass + 1..).find(|&p| Stamp::of(p) == Stamp::of(pass)).unwrap();
            assert!((pass + 1..=again).any(Stamp::wipes), "{pass}");
            assert_ne!(Stamp::of(pass), Stamp::NEVER);
        }
    }

    #[test]
    fn long_or_open_spellings_are_not_predicted() {
        let known =
            |series: &[u8]| Known::new(SeriesHash(1), series, 0, What::Pass(FamilyId(0)), &mut Dropped::default());
        assert_eq!(known(b"a{b=\"c\"}").len(), 8);
        for series in [&b"a"[..], b"a{b=\"\n\"}", &[b'}'; 1 << 15]] {
            assert_eq!(known(series).len(), usize::MAX);
        }
    }
}
