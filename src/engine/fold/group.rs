//! Groups: the output series that folds are shown as.

use std::sync::Arc;

use super::composite::present;
pub use super::cumulative::ACCUMULATOR_LIMIT;
use super::family::{FamilyId, Shape};
use super::gauge::{GaugeFold, GaugeGain};
use super::hold::Hold;
use super::journal::Journal;
use super::layout::Boundary;
use super::member::{Difference, MemberId};
use super::sum::Sum;
use crate::engine::model::{Index, SeriesHash};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(pub u32);

impl GroupId {
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a group begins.
#[derive(Clone, Debug)]
pub struct GroupSeed<'a> {
    /// Hash of family and output label set.
    pub key: SeriesHash,
    pub family: FamilyId,
    /// Its labels as they are written, without braces.
    pub body: &'a [u8],
    /// Who founded it: takes the blame for members that came unchanged.
    pub cause: u32,
    pub gauge: GaugeFold,
    pub hold: Hold,
    pub group_ttl_seconds: f64,
    /// Boundaries a folded histogram is pinned to (rule 3.7).
    pub pinned: Option<Arc<[f64]>>,
}

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each says something of its own, and there are many groups")]
pub struct Group {
    pub key: SeriesHash,
    pub family: FamilyId,
    pub body: Box<[u8]>,
    pub cause: u32,
    pub gauge: GaugeFold,
    pub hold: Hold,
    pub group_ttl_seconds: f64,
    pub(super) pinned: Option<Arc<[f64]>>,
    /// Born after priming: shows 0 first (rule 2.1). Over with the first number it shows: a hold that
    /// grows later must not take it back (rule 7.3).
    pub(super) newborn: bool,
    /// Endpoint clock at its first exposure.
    pub(super) first_shown: Option<f64>,
    /// Endpoint clock at the last committed scrape with a member.
    pub last_member: f64,
    /// The scrape in which a member was last noted.
    pub scrape: u32,
    /// The first member of a group that is founded in the scrape at hand.
    pub founder: Option<MemberId>,
    /// It had no place until the scrape at hand: the members that it brings along are old.
    pub recalled: bool,
    /// Its members have gone to another group: it is the first to go when a place is needed.
    pub superseded: bool,
    /// Off show, because others need the place; gone with the next sweep unless a member comes.
    pub retired: bool,
    pub totals: Totals,
}

/// What a group adds up to: the past, and what this scrape gains.
#[derive(Debug)]
pub enum Totals {
    Counter { total: Sum, gain: Sum },
    Gauge(GaugeGain),
    Composite(Composite),
}

/// A histogram, gauge histogram or summary.
#[derive(Debug, Default)]
pub struct Composite {
    pub sum: Slot,
    pub count: Slot,
    /// Ascending; +Inf is not among them, it equals the count (rule 3.8).
    pub buckets: Vec<Bucket>,
    /// How +Inf is spelled, once seen.
    pub infinity: Option<Box<str>>,
    /// Whether a member has shown its boundaries yet.
    pub shaped: bool,
    /// A gauge histogram: nothing outlives its scrape (rule 3.12).
    per_scrape: bool,
    pub has_sum: bool,
    pub(super) fresh: Fresh,
}

/// What of its form the scrape at hand has settled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fresh {
    pub shape: bool,
    pub sum: bool,
    pub infinity: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Slot {
    pub total: Sum,
    pub gain: Sum,
}

#[derive(Debug)]
pub struct Bucket {
    pub boundary: Boundary,
    pub slot: Slot,
    /// A member lacks this boundary: gone for good once this scrape is committed (rule 3.7).
    pub leaving: bool,
}

impl Slot {
    fn value(&self) -> f64 {
        let mut sum = self.total;
        sum.add_sum(self.gain);
        sum.value()
    }

    fn commit(&mut self) {
        self.total.add_sum(self.gain);
        self.gain = Sum::default();
    }
}

/// One output line of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Line<'a> {
    Value(f64),
    Bucket { le: &'a str, value: f64 },
    Sum(f64),
    Count(f64),
}

/// What a group is looked at with.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Endpoint clock, in seconds.
    pub now: f64,
    /// What [`Hold::Auto`] means at the moment.
    pub hold_seconds: f64,
    pub scrape: u32,
    /// Where accumulators start again: [`ACCUMULATOR_LIMIT`], or infinity for a single body.
    pub limit: f64,
}

/// Whether a line is the first of its output label set in this scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    First,
    Later,
}

/// Whether a group is on show, for the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Nothing,
    Live,
    /// Without a member in this scrape (rule 2.3).
    Frozen,
}

impl Group {
    /// Calls `line` for each output line.
    pub fn lines(&self, shape: Shape, view: View, mut line: impl FnMut(Line<'_>)) -> Shown {
        let zero = self.is_held(view) || self.overflows(view.limit);
        let shown = if self.scrape == view.scrape { Shown::Live } else { Shown::Frozen };
        match &self.totals {
            Totals::Counter { total, gain } => {
                let slot = Slot { total: *total, gain: *gain };
                line(Line::Value(if zero { 0.0 } else { slot.value() }));
            }
            Totals::Gauge(gain) => match gain.value(self.gauge) {
                Some(value) => line(Line::Value(value)),
                None => return Shown::Nothing,
            },
            Totals::Composite(composite) => {
                if !composite.shaped || (shape == Shape::GaugeHistogram && shown == Shown::Frozen) {
                    return Shown::Nothing;
                }
                // What lives for one scrape has no birth to be seen (rule 3.12).
                composite.lines(shape, zero && shape.accumulates(), line);
            }
        }
        shown
    }

    /// Output lines it has, once it is shaped.
    pub fn line_count(&self) -> u64 {
        match &self.totals {
            Totals::Counter { .. } | Totals::Gauge(_) => 1,
            Totals::Composite(c) => c.buckets.len() as u64 + u64::from(c.infinity.is_some()) + u64::from(c.has_sum) + 1,
        }
    }

    /// How the group begins that takes over its members under another label set.
    pub fn heir<'a>(&self, key: SeriesHash, body: &'a [u8], cause: u32) -> GroupSeed<'a> {
        GroupSeed {
            key,
            family: self.family,
            body,
            cause,
            gauge: self.gauge,
            hold: self.hold,
            group_ttl_seconds: self.group_ttl_seconds,
            pinned: self.pinned.clone(),
        }
    }

    /// A group that outlived its process has no founder: the first policy that leads to it again
    /// takes the place, and what it says now counts.
    pub fn claim(&mut self, seed: &GroupSeed<'_>) {
        if self.cause == 0 {
            self.cause = seed.cause;
            self.gauge = seed.gauge;
            self.hold = seed.hold;
            self.group_ttl_seconds = seed.group_ttl_seconds;
        }
    }

    /// Rules 2.1 and 2.2: 0 until `hold` seconds after the first exposure, and in that one always.
    fn is_held(&self, view: View) -> bool {
        let hold = match self.hold {
            Hold::Fixed(seconds) => seconds,
            Hold::Auto => view.hold_seconds,
        };
        self.newborn && self.first_shown.is_none_or(|first| view.now - first < hold)
    }

    /// A member of this group is there: whether it is the first one in this scrape.
    pub fn turn(&mut self, scrape: u32) -> Turn {
        if self.scrape == scrape {
            return Turn::Later;
        }
        self.scrape = scrape;
        // Who has a member has a place.
        (self.retired, self.superseded) = (false, false);
        Turn::First
    }

    /// Rule 1.11.
    fn overflows(&self, limit: f64) -> bool {
        let over = |slot: &Slot| slot.value().abs() >= limit;
        match &self.totals {
            Totals::Counter { total, gain } => over(&Slot { total: *total, gain: *gain }),
            Totals::Gauge(_) => false,
            Totals::Composite(c) => over(&c.sum) || over(&c.count),
        }
    }

    /// Whether anything of this group differs from what it was before this scrape.
    fn commit(&mut self, now: f64, scrape: u32, hold_seconds: f64) -> Difference {
        (self.founder, self.recalled) = (None, false);
        let mut difference = if self.scrape == scrape { Difference::Some } else { Difference::None };
        let overflows = self.overflows(ACCUMULATOR_LIMIT);
        if self.scrape == scrape {
            self.last_member = now;
        }
        let view = View { now, hold_seconds, scrape, limit: ACCUMULATOR_LIMIT };
        if self.newborn && !self.is_held(view) {
            self.newborn = false;
            difference = Difference::Some;
        }
        let is_shown = !matches!(&self.totals, Totals::Composite(c) if !c.shaped);
        if self.first_shown.is_none() && is_shown && !self.retired {
            self.first_shown = Some(now);
            difference = Difference::Some;
        }
        match &mut self.totals {
            Totals::Counter { total, gain } => {
                total.add_sum(*gain);
                *gain = Sum::default();
                if overflows {
                    *total = Sum::default();
                }
            }
            Totals::Gauge(gain) => *gain = GaugeGain::default(),
            Totals::Composite(composite) => composite.commit(overflows),
        }
        difference
    }

    fn forget_gain(&mut self) {
        match &mut self.totals {
            Totals::Counter { gain, .. } => *gain = Sum::default(),
            Totals::Gauge(gain) => *gain = GaugeGain::default(),
            Totals::Composite(composite) => composite.forget_gain(),
        }
    }

    /// The first member shapes a histogram; pinned boundaries it has not are left out (rule 3.7).
    pub(super) fn shape_as(&mut self, boundaries: &[Boundary], now: &[f64]) {
        let pinned = self.pinned.clone();
        let Totals::Composite(composite) = &mut self.totals else { return };
        let wanted = |b: &&Boundary| b.le.is_finite() && pinned.as_ref().is_none_or(|p| p.contains(&b.le));
        composite.buckets = present(boundaries, now)
            .filter(wanted)
            .map(|b| Bucket { boundary: b.clone(), slot: Slot::default(), leaving: false })
            .collect();
        composite.buckets.sort_by(|a, b| a.boundary.le.total_cmp(&b.boundary.le));
        composite.infinity = boundaries.iter().find(|b| b.le == f64::INFINITY).map(|b| b.text.clone());
        (composite.shaped, composite.fresh.shape) = (true, true);
        composite.fresh.infinity = true;
    }

    pub fn is_pinned(&self) -> bool {
        self.pinned.is_some()
    }
}

impl Composite {
    pub(super) fn lines(&self, shape: Shape, zero: bool, mut line: impl FnMut(Line<'_>)) {
        let show = |slot: &Slot| if zero { 0.0 } else { slot.value() };
        if shape != Shape::Summary {
            for bucket in self.buckets.iter().filter(|b| !b.leaving) {
                line(Line::Bucket { le: &bucket.boundary.text, value: show(&bucket.slot) });
            }
            let infinity = self.infinity.as_deref().unwrap_or("+Inf");
            line(Line::Bucket { le: infinity, value: show(&self.count) });
        }
        if self.has_sum {
            line(Line::Sum(show(&self.sum)));
        }
        line(Line::Count(show(&self.count)));
    }

    fn slots(&mut self) -> impl Iterator<Item = &mut Slot> {
        [&mut self.sum, &mut self.count].into_iter().chain(self.buckets.iter_mut().map(|b| &mut b.slot))
    }

    fn commit(&mut self, overflows: bool) {
        self.buckets.retain(|b| !b.leaving);
        self.fresh = Fresh::default();
        let forget = overflows || self.per_scrape;
        for slot in self.slots() {
            slot.commit();
            if forget {
                *slot = Slot::default();
            }
        }
    }

    fn forget_gain(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        if fresh.shape {
            self.shaped = false;
            self.buckets.clear();
        }
        if fresh.infinity {
            self.infinity = None;
        }
        self.has_sum &= !fresh.sum;
        self.buckets.iter_mut().for_each(|b| b.leaving = false);
        self.slots().for_each(|slot| slot.gain = Sum::default());
    }
}

/// All groups of an endpoint, by position and by key.
#[derive(Debug, Default)]
pub struct Groups {
    all: Vec<Group>,
    index: Index,
    /// The scrape at hand.
    pub scrape: u32,
}

impl Groups {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn get(&self, id: GroupId) -> &Group {
        &self.all[id.index()]
    }

    #[inline]
    /// What came to be shown after this second of the endpoint clock was shown to nobody: it is
    /// born when it leaves for the first time (rule 2.1).
    pub fn unshow(&mut self, since: f64) {
        for group in &mut self.all {
            if group.first_shown.is_some_and(|first| first > since) {
                (group.first_shown, group.newborn) = (None, true);
            }
        }
    }

    pub fn get_mut(&mut self, id: GroupId) -> &mut Group {
        &mut self.all[id.index()]
    }

    pub fn find(&self, key: SeriesHash) -> Option<GroupId> {
        self.index.find(key, |i| self.all[i as usize].key).map(GroupId)
    }

    pub(super) fn insert(&mut self, seed: GroupSeed<'_>, shape: Shape, newborn: bool) -> GroupId {
        let id = self.all.len() as u32;
        self.all.push(Group {
            key: seed.key,
            family: seed.family,
            body: seed.body.into(),
            cause: seed.cause,
            gauge: seed.gauge,
            hold: seed.hold,
            group_ttl_seconds: seed.group_ttl_seconds,
            pinned: seed.pinned,
            newborn,
            first_shown: None,
            last_member: 0.0,
            scrape: 0,
            founder: None,
            recalled: false,
            superseded: false,
            retired: false,
            totals: match shape {
                Shape::Cumulative => Totals::Counter { total: Sum::default(), gain: Sum::default() },
                Shape::Gauge => Totals::Gauge(GaugeGain::default()),
                Shape::GaugeHistogram => Totals::Composite(Composite { per_scrape: true, ..Composite::default() }),
                Shape::Histogram | Shape::Summary => Totals::Composite(Composite::default()),
            },
        });
        self.index.insert(seed.key, id, |i| self.all[i as usize].key);
        GroupId(id)
    }

    pub(super) fn commit(&mut self, now: f64, hold_seconds: f64, journal: &mut Journal) {
        for (at, group) in self.all.iter_mut().enumerate() {
            if group.commit(now, self.scrape, hold_seconds) == Difference::Some {
                journal.group_changed(GroupId(at as u32));
            }
        }
    }

    pub(super) fn forget_gains(&mut self) {
        self.all.iter_mut().for_each(Group::forget_gain);
    }

    pub(super) fn truncate(&mut self, len: usize) {
        for at in len..self.all.len() {
            self.index.remove(self.all[at].key, at as u32);
        }
        self.all.truncate(len);
    }

    /// Keeps the groups `keep` wants, in order, and tells where each went.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Group) -> bool) -> Vec<Option<GroupId>> {
        let mut moved = Vec::with_capacity(self.all.len());
        let mut kept = 0;
        self.all.retain(|group| {
            let keep = keep(group);
            moved.push(keep.then_some(GroupId(kept)));
            kept += u32::from(keep);
            keep
        });
        self.index.rebuild(self.all.len(), |i| self.all[i as usize].key);
        moved
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.all.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Group> {
        self.all.iter_mut()
    }

    pub(super) fn memory(&self) -> usize {
        let body: usize = self.all.first().map_or(0, |g| g.body.len() + 64) * self.all.len();
        self.all.capacity() * size_of::<Group>() + body + self.index.memory()
    }
}
