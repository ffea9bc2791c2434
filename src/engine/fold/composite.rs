//! Histograms, gauge histograms and summaries: all numbers of a member move together, under one
//! reset decision (rules 3.4 to 3.9, 3.12).

use super::cumulative::Past;
use super::family::{Pending, Shape};
use super::group::{Bucket, Composite, Group, Slot, Totals, Turn};
use super::layout::Boundary;
use super::member::MemberId;
use super::settle::{Bad, Run, bad_count};
use super::{FamilyId, Fold, field};

/// One wide member must not make each that follows it wide.
pub(super) const MOST_USUAL: usize = 40;

impl Fold {
    /// The field of a bucket of this member, which learns the boundary when it is new to it.
    pub fn bucket_field(&mut self, family: FamilyId, id: MemberId, le: f64, text: &str) -> u32 {
        let layouts = &self.families[family.index()].layouts;
        let layout = self.members.class(id).layout;
        if let Some(at) = layouts.position(layout, le) {
            return field::BUCKETS + at as u32;
        }
        let at = layouts.get(layout).len() as u32;
        if field::BUCKETS + at > field::HIGHEST {
            return field::OTHER;
        }
        self.changing(id);
        let family = &mut self.families[family.index()];
        self.members.set_layout(id, family.layouts.extend(layout, le, text));
        family.usual_fields = family.usual_fields.max((field::BUCKETS + at + 1) as usize).min(MOST_USUAL);
        field::BUCKETS + at
    }

    pub(super) fn settle_composite(&mut self, run: &Run<'_>, pending: &mut Vec<Pending>) {
        if !self.is_grouped(run, pending) {
            pending.sort_by_key(|p| p.member);
        }
        let shape = self.families[run.id.index()].shape;
        let mut now = Vec::new();
        let mut derived = Vec::new();
        for lines in pending.chunk_by_mut(|a, b| a.member == b.member) {
            let member = lines[0].member;
            let settled = self.gather(lines, &mut now).and_then(|()| self.check(run, member, shape, &mut now));
            match settled {
                Ok(other) => {
                    self.gain_composite(run, member, shape, &now);
                    derived.extend(other);
                }
                Err(bad) => {
                    self.count_bad(bad);
                    lines.iter_mut().filter(|p| p.field < field::REAL).for_each(|p| p.field = field::IGNORED);
                }
            }
            self.account_lines(run, member, lines);
        }
        // What a line did not say is remembered as if one had.
        pending.extend(derived);
    }

    /// Whether each member's lines stand together, as they do unless families are interleaved.
    fn is_grouped(&mut self, run: &Run<'_>, pending: &[Pending]) -> bool {
        let mut grouped = true;
        for lines in pending.chunk_by(|a, b| a.member == b.member) {
            grouped &= self.members.note(lines[0].member, run.pass) == Turn::First;
        }
        grouped
    }

    /// The member's numbers by field; the first of two wins (rule 0.10). A count that is no number
    /// spoils the member, a sum only itself (rule 1.10).
    fn gather(&mut self, lines: &mut [Pending], now: &mut Vec<f64>) -> Result<(), Bad> {
        now.clear();
        let is_split = lines.iter().any(|p| p.field == field::SPLIT);
        let mut spoiled = if is_split { Err(Bad::Inconsistent) } else { Ok(()) };
        for p in lines.iter_mut().filter(|p| p.field < field::REAL) {
            if !p.value.is_finite() {
                if p.field == field::SUM {
                    self.count_bad(Bad::NotFinite);
                    p.field = field::IGNORED;
                } else {
                    spoiled = Err(Bad::NotFinite);
                }
                continue;
            }
            let at = p.field as usize;
            if at >= now.len() {
                now.resize(at + 1, f64::NAN);
            }
            if now[at].is_nan() {
                now[at] = p.value;
            } else {
                p.field = field::IGNORED;
                self.tally.duplicates += 1;
            }
        }
        let least = field::BUCKETS as usize;
        if now.len() < least {
            now.resize(least, f64::NAN);
        }
        spoiled
    }

    /// Rules 1.10 and 3.8: counts are numbers that are not negative, and `+Inf` is the count. Says
    /// which of the two no line said.
    fn check(&self, run: &Run<'_>, id: MemberId, shape: Shape, now: &mut Vec<f64>) -> Result<Option<Pending>, Bad> {
        let layouts = &self.families[run.id.index()].layouts;
        let infinity = layouts.position(self.members.class(id).layout, f64::INFINITY);
        let infinity_field = infinity.map(|at| field::BUCKETS as usize + at);
        if let Some(at) = infinity_field.filter(|&at| at >= now.len()) {
            now.resize(at + 1, f64::NAN);
        }
        let [_, count, buckets @ ..] = &mut now[..] else { return Ok(None) };
        let counts = std::iter::once(&*count).chain(buckets.iter()).filter(|v| !v.is_nan());
        if shape != Shape::GaugeHistogram
            && let Some(bad) = counts.copied().find_map(bad_count)
        {
            return Err(bad);
        }
        if shape == Shape::Summary {
            return Ok(None);
        }
        let top = infinity.and_then(|at| buckets.get(at).copied()).filter(|v| !v.is_nan());
        match (top, count.is_nan()) {
            (None, true) => Err(Bad::Inconsistent),
            (Some(top), true) => {
                *count = top;
                Ok(Some(Pending { member: id, field: field::COUNT, value: top }))
            }
            (Some(top), false) if top != *count => Err(Bad::Inconsistent),
            (Some(_), false) => Ok(None),
            (None, false) => Ok(infinity.map(|at| {
                buckets[at] = *count;
                Pending { member: id, field: field::BUCKETS + at as u32, value: *count }
            })),
        }
    }

    fn gain_composite(&mut self, run: &Run<'_>, id: MemberId, shape: Shape, now: &[f64]) {
        let past = match shape {
            Shape::GaugeHistogram => MemberPast::Whole,
            _ => self.member_past(run, id, now),
        };
        let Some(group) = self.members.get(id).group() else { return };
        let boundaries = self.families[run.id.index()].layouts.get(self.members.class(id).layout);
        let last = |at: u32| self.members.last(id, at);
        let group = self.groups.get_mut(group);
        if !group.is_shaped() {
            group.shape_as(boundaries, now);
        }
        self.tally.layout_conflicts += u64::from(group.keep_common(boundaries, now));
        let Totals::Composite(composite) = &mut group.totals else { return };
        let sum = now[field::SUM as usize];
        if !composite.has_sum && !sum.is_nan() {
            (composite.has_sum, composite.fresh.sum) = (true, true);
        }
        past.add(&mut composite.sum, last(field::SUM), sum);
        past.add(&mut composite.count, last(field::COUNT), now[field::COUNT as usize]);
        add_buckets(composite, boundaries, |slot, at| {
            past.add(slot, last(at), now.get(at as usize).copied().unwrap_or(f64::NAN));
        });
    }

    /// Rule 3.4: one decision for the whole member; rule 3.5: `_sum` has no say in it.
    fn member_past(&mut self, run: &Run<'_>, id: MemberId, now: &[f64]) -> MemberPast {
        // A summary may have a sum alone.
        let witness = if now[field::COUNT as usize].is_nan() { field::SUM } else { field::COUNT };
        match self.past(run, id, witness) {
            Past::Baseline => MemberPast::Baseline,
            Past::Birth => MemberPast::Whole,
            Past::BeganAgain => {
                self.tally.resets += 1;
                MemberPast::Whole
            }
            Past::Known(_) => {
                let last = |at| self.members.last(id, at);
                let fell = (field::COUNT..now.len() as u32).any(|at| now[at as usize] < last(at));
                self.tally.resets += u64::from(fell);
                if fell { MemberPast::Whole } else { MemberPast::Known }
            }
        }
    }

    /// Lines whose output label set another member showed first have none of their own, nor have
    /// boundaries that are not common.
    fn account_lines(&mut self, run: &Run<'_>, id: MemberId, lines: &[Pending]) {
        let Some(group_id) = self.members.get(id).group() else { return };
        let layout = self.members.class(id).layout;
        let turn = self.groups.get_mut(group_id).turn(run.occasion.scrape);
        for p in lines {
            if p.field > field::REAL {
                self.account_aside(p);
                continue;
            }
            let shown = turn == Turn::First && {
                let boundaries = self.families[run.id.index()].layouts.get(layout);
                self.groups.get(group_id).shows(p.field, boundaries)
            };
            self.account(id, if shown { Turn::First } else { Turn::Later });
        }
    }
}

/// What a member's numbers are compared with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MemberPast {
    Baseline,
    /// It counts from 0.
    Whole,
    Known,
}

impl MemberPast {
    fn add(self, slot: &mut Slot, last: f64, now: f64) {
        if !now.is_finite() {
            return;
        }
        match self {
            MemberPast::Baseline => {}
            MemberPast::Whole => slot.gain.add(now),
            MemberPast::Known => {
                if !last.is_nan() {
                    slot.gain.add(now - last);
                }
            }
        }
    }
}

/// The boundaries of a member's layout that it shows in this scrape.
pub(super) fn present<'a>(boundaries: &'a [Boundary], now: &'a [f64]) -> impl Iterator<Item = &'a Boundary> {
    let values = now.get(field::BUCKETS as usize..).unwrap_or_default();
    boundaries.iter().zip(values).filter(|(_, value)| !value.is_nan()).map(|(boundary, _)| boundary)
}

/// Walks the group's buckets with the member's field for each. Layouts mostly agree in order, so
/// the first guess is the position itself.
fn add_buckets(composite: &mut Composite, boundaries: &[Boundary], mut add: impl FnMut(&mut Slot, u32)) {
    for (guess, bucket) in composite.buckets.iter_mut().enumerate() {
        let le = bucket.boundary.le;
        let at = match boundaries.get(guess) {
            Some(b) if b.le == le => Some(guess),
            _ => boundaries.iter().position(|b| b.le == le),
        };
        if let Some(at) = at {
            add(&mut bucket.slot, field::BUCKETS + at as u32);
        }
    }
}

impl Group {
    fn is_shaped(&self) -> bool {
        matches!(&self.totals, Totals::Composite(c) if c.shaped)
    }

    /// Rule 3.7: exposes only the boundaries all members have. Says whether layouts conflict.
    fn keep_common(&mut self, boundaries: &[Boundary], now: &[f64]) -> bool {
        let pinned = self.is_pinned();
        let Totals::Composite(composite) = &mut self.totals else { return false };
        if composite.infinity.is_none() {
            let infinity = boundaries.iter().find(|b| b.le == f64::INFINITY);
            composite.infinity = infinity.map(|b| b.text.clone());
            composite.fresh.infinity = true;
        }
        let finite = present(boundaries, now).filter(|b| b.le.is_finite()).count();
        let mut conflict = !pinned && finite > composite.buckets.len();
        for bucket in &mut composite.buckets {
            let le = bucket.boundary.le;
            if !present(boundaries, now).any(|b| b.le == le) {
                bucket.leaving = true;
                conflict = true;
            }
        }
        conflict
    }

    /// Whether a member's field has an output line.
    fn shows(&self, at: u32, boundaries: &[Boundary]) -> bool {
        let Totals::Composite(composite) = &self.totals else { return true };
        let Some(bucket) = at.checked_sub(field::BUCKETS) else { return true };
        let Some(boundary) = boundaries.get(bucket as usize) else { return false };
        boundary.le == f64::INFINITY
            || composite.buckets.iter().any(|b: &Bucket| b.boundary.le == boundary.le && !b.leaving)
    }
}
