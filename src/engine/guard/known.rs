//! One spelling of a series, packed: there are as many as an endpoint has series, and a scrape
//! walks over all of them.

use std::collections::HashMap;

use super::series::{NONE, What};
use crate::engine::fold::{FamilyId, MemberId, Moved, field};
use crate::engine::model::{SeriesHash, Spelled};

/// A spelling's position, here or among the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KnownId(pub(super) u32);

/// Where a spelling is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Here(usize),
    Member(MemberId),
}

impl KnownId {
    /// Marks positions among the members.
    const MEMBER: u32 = 1 << 31;

    #[inline]
    pub(super) const fn of(member: MemberId) -> KnownId {
        KnownId(member.0 | KnownId::MEMBER)
    }

    #[inline]
    pub const fn place(self) -> Place {
        match self.0 & KnownId::MEMBER {
            0 => Place::Here(self.0 as usize),
            _ => Place::Member(MemberId(self.0 & !KnownId::MEMBER)),
        }
    }
}

/// 20 bytes. Halves of the hash, because eight aligned bytes would make it 24. The code of the
/// spelling says what the subject is: a field, or one of those below.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    hash: [u32; 2],
    /// A family, a member, or a place in [`Dropped`].
    subject: u32,
    pub spelled: Spelled,
}

/// Who leaves lines out, of which family, and by which way: as many as policies have such steps, and
/// where others change the series before, as many as there are ways.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    entries: Vec<(FamilyId, u32, u32)>,
    index: HashMap<(FamilyId, u32, u32), u32>,
}

const PASS: u16 = Spelled::MOST;
const DROPPED: u16 = PASS - 1;
/// Fields from here on are codes.
const CODES: u16 = 0x3f0;
/// The fields that are no numbers of a member, by their distance from the code of the first.
const ASIDE: [u32; 4] = [field::OTHER, field::CREATED, field::QUANTILE, field::SPLIT];

const _: () = assert!(field::HIGHEST < CODES as u32);

impl Known {
    /// A spelling of this length; see [`predictable`].
    pub fn new(hash: SeriesHash, len: usize, next: u32, what: What, dropped: &mut Dropped) -> Known {
        let (code, subject) = dropped.code(what);
        let spelled = Spelled::new(len, next, code);
        Known { hash: [hash.0 as u32, (hash.0 >> 32) as u32], subject, spelled }
    }

    #[inline]
    pub fn hash(&self) -> SeriesHash {
        SeriesHash(u64::from(self.hash[0]) | u64::from(self.hash[1]) << 32)
    }

    #[inline]
    pub fn what(&self, dropped: &Dropped) -> What {
        match self.spelled.code() {
            PASS => What::Pass(FamilyId(self.subject)),
            DROPPED => {
                let (family, cause, note) = dropped.entries[self.subject as usize];
                What::Dropped { family, cause, note }
            }
            code @ CODES.. => What::Noted { member: MemberId(self.subject), field: ASIDE[usize::from(code - CODES)] },
            field => What::Noted { member: MemberId(self.subject), field: u32::from(field) },
        }
    }

    /// Whether lines of it leave as they came, and are of this family.
    #[inline]
    pub fn passes(&self, family: FamilyId) -> bool {
        self.spelled.code() == PASS && self.subject == family.0
    }

    /// Nothing is known of it any more; its place goes when places are moved.
    pub fn forget(&mut self) {
        self.subject = NONE;
        self.spelled.set_code(PASS);
        self.spelled.forget();
    }

    /// Its family is at another place.
    pub fn follow_family(&mut self, new: impl Fn(FamilyId) -> Option<FamilyId>) {
        if self.spelled.code() == PASS && !self.is_forgotten() {
            self.subject = new(FamilyId(self.subject)).map_or(NONE, |family| family.0);
        }
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
    pub fn follow(&mut self, moved: Option<&Moved>, dropped: &Dropped) -> bool {
        let (What::Noted { member, .. }, Some(moved)) = (self.what(dropped), moved) else { return true };
        let member = moved.place(member);
        self.subject = member.map_or(NONE, |m| m.0);
        member.is_some()
    }
}

/// The length of a spelling that can be predicted; spellings that more bytes could continue, or that
/// hold a newline, are found by the table only.
pub(super) fn predictable(series: &[u8]) -> usize {
    let ends = matches!(series.last(), Some(b'}' | b' ' | b'\t'));
    if ends && memchr::memchr(b'\n', series).is_none() { series.len() } else { usize::MAX }
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

    /// Families are at other places, and causes have other numbers.
    pub fn follow_families(&mut self, new: impl Fn(FamilyId) -> Option<FamilyId>, new_cause: impl Fn(u32) -> u32) {
        for (family, cause, _) in &mut self.entries {
            // Entries of those that have gone are used by nobody.
            *family = new(*family).unwrap_or(FamilyId(NONE));
            *cause = new_cause(*cause);
        }
        self.index = self.entries.iter().copied().zip(0..).collect();
    }

    pub fn causes(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().map(|&(_, cause, _)| cause)
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

    use crate::engine::model::Stamp;

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
            noted(field::SPLIT),
        ];
        let knowns = all.map(|what| (what, Known::new(SeriesHash(u64::MAX - 5), 2, 0, what, &mut dropped)));
        for (what, mut known) in knowns {
            known.spelled.set_stamp(Stamp::of(9));
            assert_eq!((known.what(&dropped), known.spelled.stamp()), (what, Stamp::of(9)));
            assert_eq!((known.hash(), known.spelled.len()), (SeriesHash(u64::MAX - 5), 2));
        }
        assert_eq!(size_of::<Known>(), 20);
    }

    #[test]
    fn long_or_open_spellings_are_not_predicted() {
        let known = |series: &[u8]| Spelled::new(predictable(series), 0, 0).len();
        assert_eq!(known(b"a{b=\"c\"}"), 8);
        for series in [&b"a"[..], b"a{b=\"\n\"}", &[b'}'; 1 << 15]] {
            assert_eq!(known(series), usize::MAX);
        }
    }
}
