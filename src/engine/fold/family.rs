//! What folding keeps per family.

use std::collections::HashMap;

use super::field;
use super::group::GroupId;
use super::journal::Journal;
use super::layout::{LayoutId, Layouts};
use super::member::{Difference, MemberId, Members};
use super::names::NameSets;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilyId(pub u32);

impl FamilyId {
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How the members of a family become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One number that only grows.
    Cumulative,
    /// One number, aggregated per scrape; each group says how.
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
}

impl Shape {
    /// In the order in which a stored state counts them: only ever appended to.
    pub const ALL: [Shape; 5] =
        [Shape::Cumulative, Shape::Gauge, Shape::Histogram, Shape::GaugeHistogram, Shape::Summary];

    /// Whether a member has several numbers that move together.
    pub const fn is_composite(self) -> bool {
        matches!(self, Shape::Histogram | Shape::GaugeHistogram | Shape::Summary)
    }

    /// Whether an output, once shown as a fold, has to stay one (rule 0.11).
    pub const fn accumulates(self) -> bool {
        matches!(self, Shape::Cumulative | Shape::Histogram | Shape::Summary)
    }
}

/// A line of this scrape: a number of a member.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    pub member: MemberId,
    /// See [`field`].
    pub field: u32,
    pub value: f64,
}

impl Pending {
    /// Which number of its member it is. Where a line has been taken, that is its only one: its
    /// value stands in the member's record, and what stood there before, here.
    pub fn number(&self) -> u32 {
        if self.is_taken() { field::VALUE } else { self.field }
    }

    #[inline]
    pub(super) fn is_taken(&self) -> bool {
        (field::TAKEN..field::REAL).contains(&self.field)
    }
}

/// Memory for the lines of a large scrape, empty between scrapes.
#[derive(Debug, Default)]
pub struct Lines(Vec<Pending>);

#[derive(Debug)]
pub struct FoldFamily {
    pub shape: Shape,
    /// The lines of this scrape.
    pub pending: Vec<Pending>,
    /// Whose memory they stand in.
    stands_in: Memory,
    /// Lines of the last scrape.
    usual_lines: usize,
    /// Whether a committed scrape has shown this family: what appears later is born (rule 1.2).
    pub primed: bool,
    /// Groups in order of birth.
    pub groups: Vec<GroupId>,
    /// Those that can give up their place in the scrape at hand, once it was asked: next one last.
    pub(super) frozen: Option<Vec<GroupId>>,
    pub layouts: Layouts,
    /// How many numbers its members hold, so that the next one is allocated once.
    pub usual_fields: usize,
    /// The quantiles its members show.
    pub quantiles: Vec<u64>,
    pub settled: Settled,
    /// So many of the lines have been taken.
    pub(super) taken: usize,
    pub member_ttl_seconds: f64,
    /// The label-name sets its members have (rule 1.8).
    pub names: NameSets,
    /// Newest `_created` in a committed scrape (rule 1.9).
    pub newest_created: f64,
    /// Whether lines with `_created` or explicit timestamps were noted in this scrape.
    pub has_extras: bool,
}

/// How far a family has come in this scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    No,
    Yes,
}

/// Where the lines of a scrape are noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Own,
    Lent,
}

/// More quantiles than this are not told apart.
const MOST_QUANTILES: usize = 32;
/// Lines of a scrape for which memory is kept until the next: two MiB.
const MOST_PENDING: usize = (2 << 20) / size_of::<Pending>();
/// Lines for which memory is given to whoever has as many next: 16 MiB, and all of it may have been
/// written to.
const MOST_LENT: usize = (16 << 20) / size_of::<Pending>();
/// 1 h, until a policy says otherwise.
const DEFAULT_MEMBER_TTL: f64 = 3600.0;

impl Lines {
    /// Whether there is any.
    pub fn is_some(&self) -> bool {
        self.0.capacity() > 0
    }
}

impl FoldFamily {
    pub(super) fn new(shape: Shape, primed: bool) -> FoldFamily {
        FoldFamily {
            shape,
            pending: Vec::new(),
            stands_in: Memory::Own,
            usual_lines: 0,
            primed,
            groups: Vec::new(),
            frozen: None,
            layouts: Layouts::default(),
            usual_fields: if shape.is_composite() { 2 } else { 1 },
            quantiles: Vec::new(),
            settled: Settled::No,
            taken: 0,
            member_ttl_seconds: DEFAULT_MEMBER_TTL,
            names: NameSets::default(),
            newest_created: f64::NEG_INFINITY,
            has_extras: false,
        }
    }

    /// Its lines begin: as many as last time need as much memory.
    pub(super) fn open(&mut self, lent: &mut Lines) {
        if self.usual_lines > MOST_PENDING && self.pending.capacity() == 0 {
            std::mem::swap(&mut self.pending, &mut lent.0);
            self.stands_in = Memory::Lent;
        }
    }

    /// A quantile line: a member that stands for itself has as many lines more.
    pub fn saw_quantile(&mut self, quantile: &str) {
        let value = quantile.parse::<f64>().unwrap_or(f64::NAN).to_bits();
        if self.quantiles.len() < MOST_QUANTILES && !self.quantiles.contains(&value) {
            self.quantiles.push(value);
        }
    }

    /// How the boundary of a bucket field is spelled; `None` for other fields.
    pub fn boundary(&self, layout: LayoutId, at: u32) -> Option<&str> {
        let bucket = at.checked_sub(field::BUCKETS).filter(|_| self.shape.is_composite())?;
        self.layouts.get(layout).get(bucket as usize).map(|b| &*b.text)
    }

    pub(super) fn commit(
        &mut self,
        now: f64,
        members: &mut Members,
        created: &mut HashMap<MemberId, f64>,
        stamps: &mut HashMap<(MemberId, u32), i64>,
        journal: &mut Journal,
    ) {
        if self.pending.is_empty() {
            return;
        }
        self.commit_lines(now, members, created, stamps, journal);
        self.names.commit();
        self.layouts.commit();
        self.primed = true;
    }

    fn commit_lines(
        &mut self,
        now: f64,
        members: &mut Members,
        created: &mut HashMap<MemberId, f64>,
        stamps: &mut HashMap<(MemberId, u32), i64>,
        journal: &mut Journal,
    ) {
        if self.taken == self.pending.len() && !journal.listens() {
            return;
        }
        let mut stamp = None;
        for p in &self.pending {
            if p.is_taken() {
                journal.saw(p.member);
                if members.differs_from(p) == Difference::Some {
                    journal.changed(p.member);
                }
                continue;
            }
            if p.field == field::VALUE
                && !self.has_extras
                && let Some(difference) = members.commit_one(p.member, p.value, now as u32)
            {
                journal.saw(p.member);
                if difference == Difference::Some {
                    journal.changed(p.member);
                }
                continue;
            }
            match p.field {
                field::IGNORED => stamp = None,
                field::CREATED => {
                    created.insert(p.member, p.value);
                    journal.began(p.member);
                    self.newest_created = self.newest_created.max(p.value);
                }
                field::TIMESTAMP => stamp = Some(p.value as i64),
                field::OTHER | field::QUANTILE | field::SPLIT => {
                    members.set_seen(p.member, now as u32);
                    journal.saw(p.member);
                }
                _ => {
                    members.set_seen(p.member, now as u32);
                    journal.saw(p.member);
                    if members.last(p.member, p.field).to_bits() != p.value.to_bits() {
                        journal.changed(p.member);
                    }
                    members.set_last(p.member, p.field, p.value);
                    if let Some(stamp) = stamp.take() {
                        stamps.insert((p.member, p.field), stamp);
                        journal.stamped(p.member, p.field);
                    }
                }
            }
        }
    }

    /// Groups and members that are younger than the scrape are gone.
    pub(super) fn rollback(&mut self, groups: usize, members: &mut Members) {
        self.pending.iter().filter(|p| p.is_taken()).for_each(|p| members.give_back(p));
        self.groups.retain(|g| g.index() < groups);
        self.names.rollback();
        self.layouts.rollback();
    }

    /// A scrape is over; its buffer stays for the next, unless it is so large that others had better
    /// have it meanwhile, or was theirs before and may be large.
    pub(super) fn end(&mut self, lent: &mut Lines) {
        self.usual_lines = self.pending.len();
        let lent_before = std::mem::replace(&mut self.stands_in, Memory::Own);
        if lent_before == Memory::Lent || self.usual_lines > MOST_PENDING {
            let pending = std::mem::take(&mut self.pending);
            if self.usual_lines <= MOST_LENT && lent.0.capacity() == 0 {
                lent.0 = pending;
            }
        }
        lent.0.clear();
        self.pending.clear();
        (self.settled, self.taken) = (Settled::No, 0);
        self.has_extras = false;
    }

    pub(super) fn memory(&self) -> usize {
        self.pending.capacity().min(MOST_PENDING) * size_of::<Pending>()
            + self.groups.capacity() * 4
            + self.layouts.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::room;

    #[test]
    fn memory_that_was_lent_goes_back_whatever_came() {
        let (mut lent, line) = (Lines::default(), Pending { member: MemberId(0), field: field::VALUE, value: 1.0 });
        let mut family = FoldFamily::new(Shape::Cumulative, false);
        for lines in [MOST_PENDING + 1, MOST_PENDING + 1, 10, 10, 0, MOST_PENDING + 1] {
            family.open(&mut lent);
            (0..lines).for_each(|_| room::push(&mut family.pending, line));
            family.end(&mut lent);
            assert!(lent.is_some(), "{lines}");
        }
        family.open(&mut lent);
        family.pending.resize(MOST_LENT + 1, line);
        family.end(&mut lent);
        assert!(!lent.is_some() && family.pending.capacity() == 0, "so much is nobody's");
    }
}
