//! A walk along the forecast: one expected spelling after the other, with everything at hand.

use super::known::{Dropped, Known, KnownId, Place};
use super::lines::LoneLine;
use super::series::{Seen, What};
use crate::engine::exposition::{Plain, plain};
use crate::engine::fold::{ClassId, FamilyId, Members, Pending, field};
use crate::engine::model::{Seed, SeriesHash, Spelled, Stamp, room};

/// A walk along the forecast.
pub struct Ahead<'a> {
    pub(super) all: &'a mut [Known],
    pub members: &'a mut Members,
    pub(super) seed: &'a Seed,
    pub(super) dropped: &'a Dropped,
    pub(super) now: Stamp,
    pub(super) next: u32,
    pub(super) last: &'a mut u32,
    /// A class that is of the family at hand.
    pub class: Option<ClassId>,
}

/// The way through the lines of a family.
pub(super) struct Way<'a> {
    pub input: &'a [u8],
    pub at: usize,
    pub lines: u64,
    pub family: FamilyId,
    /// Longer lines need a closer look.
    pub longest: usize,
}

/// The line at hand, when it is the expected one.
pub(super) struct Line<'a> {
    pub rest: &'a [u8],
    pub plain: Plain,
}

impl<'a> Way<'a> {
    /// The line at hand, if its series is this one and comes for the first time in this body.
    #[inline(always)]
    fn line(&self, seed: &Seed, now: Stamp, spelled: &Spelled, hash: SeriesHash) -> Option<Line<'a>> {
        let rest = self.input.get(self.at..)?;
        let len = spelled.len();
        let series = rest.get(..len)?;
        (spelled.stamp() != now && seed.hash(series) == hash).then_some(())?;
        let plain = plain(rest, len).filter(|plain| plain.end <= self.longest)?;
        Some(Line { rest, plain })
    }

    #[inline(always)]
    pub fn go(&mut self, line: &Line<'_>) {
        self.at += line.plain.end;
        self.lines += 1;
    }
}

impl Ahead<'_> {
    /// Goes on as long as lines come as expected, and pass.
    #[inline]
    pub(super) fn pass(&mut self, way: &mut Way<'_>) {
        let (mut next, mut last) = (self.next, *self.last);
        // Positions among the members are beyond all that are here.
        while let Some(known) = self.all.get_mut(next as usize)
            && known.passes(way.family)
            && let Some(line) = way.line(self.seed, self.now, &known.spelled, known.hash())
        {
            way.go(&line);
            known.spelled.set_stamp(self.now);
            (last, next) = (next, known.spelled.next);
        }
        (self.next, *self.last) = (next, last);
    }

    /// Goes on as long as lines come as expected, and are folded.
    #[inline]
    pub(super) fn fold(&mut self, way: &mut Way<'_>, pending: &mut Vec<Pending>) {
        let (mut next, mut last) = (self.next, *self.last);
        while let Place::Member(member) = KnownId(next).place()
            && let Some(expected) = self.members.expected(member)
        {
            let is_folded = expected.group.is_some();
            if self.class != Some(expected.class) {
                let class = expected.class;
                if self.members.family(member) != way.family {
                    break;
                }
                self.class = Some(class);
                continue;
            }
            if !is_folded {
                break;
            }
            let Some(line) = way.line(self.seed, self.now, expected.spelled, expected.key) else { break };
            way.go(&line);
            expected.spelled.set_stamp(self.now);
            (last, next) = (next, expected.spelled.next);
            room::push(pending, Pending { member, field: field::VALUE, value: line.plain.value(line.rest) });
        }
        (self.next, *self.last) = (next, last);
    }

    /// Goes on as long as lines come as expected, of members that pass alone. The output is that much
    /// further than the way.
    #[inline]
    pub(super) fn pass_alone(
        &mut self,
        way: &mut Way<'_>,
        pending: &mut Vec<Pending>,
        lone: &mut Vec<LoneLine>,
        further: u64,
    ) {
        let (mut next, mut last) = (self.next, *self.last);
        while let Place::Member(member) = KnownId(next).place()
            && let Some(expected) = self.members.expected(member)
            && expected.group.is_none()
            && self.class == Some(expected.class)
            && let Some(line) = way.line(self.seed, self.now, expected.spelled, expected.key)
        {
            let at = further.wrapping_add(way.at as u64);
            way.go(&line);
            expected.spelled.set_stamp(self.now);
            (last, next) = (next, expected.spelled.next);
            room::push(pending, Pending { member, field: field::VALUE, value: line.plain.value(line.rest) });
            lone.push(LoneLine { member, at, len: line.plain.end as u32, seen: Seen::First });
        }
        (self.next, *self.last) = (next, last);
    }

    /// What is expected, and the line at hand when it is that.
    #[inline]
    pub(super) fn look<'w>(&self, way: &Way<'w>) -> Option<(Line<'w>, What)> {
        match KnownId(self.next).place() {
            Place::Here(at) => {
                let known = self.all.get(at)?;
                let line = way.line(self.seed, self.now, &known.spelled, known.hash())?;
                Some((line, known.what(self.dropped)))
            }
            Place::Member(member) => {
                let (spelled, hash) = self.members.spelled(member.index())?;
                let line = way.line(self.seed, self.now, spelled, hash)?;
                Some((line, What::Noted { member, field: field::VALUE }))
            }
        }
    }

    /// It came.
    #[inline]
    pub(super) fn take(&mut self) {
        let spelled = match KnownId(self.next).place() {
            Place::Here(at) => self.all.get_mut(at).map(|known| &mut known.spelled),
            Place::Member(member) => self.members.spelled_mut(member.index()),
        };
        if let Some(spelled) = spelled {
            spelled.set_stamp(self.now);
            *self.last = self.next;
            self.next = spelled.next;
        }
    }
}
