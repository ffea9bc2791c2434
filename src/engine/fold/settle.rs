//! From the lines of a scrape to what its groups gain. Families whose members hold one number are
//! settled here, the others in `composite`.

use std::collections::HashMap;

use super::cumulative::{Past, Reset, gain};
use super::family::{FamilyId, Pending, Settled, Shape};
use super::group::{Totals, Turn};
use super::member::MemberId;
use super::{Fold, Priming, Process, field};

/// What a scrape knows when a family is settled.
#[derive(Clone, Copy, Debug)]
pub struct Occasion {
    pub process: Process,
    pub priming: Priming,
    /// The number of the scrape, never the same twice.
    pub scrape: u32,
}

/// One family being settled.
pub(super) struct Run<'a> {
    pub id: FamilyId,
    pub occasion: Occasion,
    pub new: NewMembers,
    /// `_created` in this scrape, by member.
    pub began: &'a HashMap<MemberId, f64>,
}

/// How the members that are new in this scrape are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewMembers {
    /// They count from 0, unless something says that they are old.
    Born,
    /// There is no before and after: they count whole.
    Summed,
    Baseline,
    /// A baseline that is worth counting (rule 1.8).
    Rebaselined,
}

/// Why a sample of a cumulative type is treated as absent (rule 1.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    NotFinite,
    Negative,
    Inconsistent,
}

impl Fold {
    /// Turns the lines noted for a family into what its groups gain. Once per scrape and family.
    pub fn settle(&mut self, id: FamilyId, occasion: Occasion) {
        let family = &mut self.families[id.index()];
        if family.settled != Settled::No || family.pending.is_empty() {
            return;
        }
        let (shape, has_extras) = (family.shape, family.has_extras);
        let mut pending = std::mem::take(&mut family.pending);
        let began = if has_extras { self.take_extras(&mut pending) } else { HashMap::new() };
        let known = pending.iter().any(|p| p.field < field::REAL && !self.members.last(p.member, p.field).is_nan());
        let run = Run { id, occasion, new: self.new_members(id, known, occasion), began: &began };
        match shape {
            Shape::Cumulative => self.settle_counter(&run, &mut pending),
            Shape::Gauge => self.settle_gauge(&run, &mut pending),
            Shape::Histogram | Shape::GaugeHistogram | Shape::Summary => self.settle_composite(&run, &mut pending),
        }
        let family = &mut self.families[id.index()];
        family.pending = pending;
        family.settled = Settled::Yes;
    }

    fn new_members(&self, id: FamilyId, known: bool, occasion: Occasion) -> NewMembers {
        let family = &self.families[id.index()];
        if !family.primed {
            return match occasion.priming {
                Priming::Baseline => NewMembers::Baseline,
                Priming::Sum => NewMembers::Summed,
            };
        }
        if !known && occasion.process == Process::Same && family.label_names_changed() {
            return NewMembers::Rebaselined;
        }
        NewMembers::Born
    }

    /// Reads `_created` values and drops samples older than their member's last one (rule 4.5).
    fn take_extras(&mut self, pending: &mut [Pending]) -> HashMap<MemberId, f64> {
        let mut began = HashMap::new();
        let mut stamp = None;
        for p in pending {
            match p.field {
                field::CREATED => {
                    began.insert(p.member, p.value);
                }
                field::TIMESTAMP => stamp = Some(p.value as i64),
                at => {
                    let last = self.stamps.get(&(p.member, at)).copied();
                    if let (Some(stamp), Some(last)) = (stamp.take(), last)
                        && stamp < last
                    {
                        p.field = field::IGNORED;
                        self.tally.out_of_order += 1;
                    }
                }
            }
        }
        began
    }

    fn settle_counter(&mut self, run: &Run<'_>, pending: &mut [Pending]) {
        for p in pending {
            if p.field != field::VALUE {
                self.account_aside(p);
                continue;
            }
            if !self.is_first(run, p) {
                continue;
            }
            if let Some(bad) = bad_count(p.value) {
                self.count_bad(bad);
                p.field = field::IGNORED;
                continue;
            }
            let past = self.past(run, p.member, field::VALUE);
            let Some(group) = self.members.get(p.member).group() else { continue };
            let gain = gain(past, p.value);
            self.tally.resets += u64::from(gain.reset == Reset::Yes);
            let group = self.groups.get_mut(group);
            if let Totals::Counter { gain: total, .. } = &mut group.totals {
                total.add(gain.delta);
            }
            let turn = group.turn(run.occasion.scrape);
            self.account(p.member, turn);
        }
    }

    fn settle_gauge(&mut self, run: &Run<'_>, pending: &mut [Pending]) {
        for p in pending {
            if p.field != field::VALUE {
                self.account_aside(p);
                continue;
            }
            if !self.is_first(run, p) {
                continue;
            }
            let Some(group) = self.members.get(p.member).group() else { continue };
            let group = self.groups.get_mut(group);
            if let Totals::Gauge(gain) = &mut group.totals {
                gain.add(p.value);
            }
            let turn = group.turn(run.occasion.scrape);
            self.account(p.member, turn);
        }
    }

    /// Rule 0.10: of a series that comes twice in one body, the first wins.
    fn is_first(&mut self, run: &Run<'_>, p: &mut Pending) -> bool {
        let member = self.members.get_mut(p.member);
        if member.scrape == run.occasion.scrape {
            p.field = field::IGNORED;
            self.tally.duplicates += 1;
            return false;
        }
        member.scrape = run.occasion.scrape;
        true
    }

    /// Where a member comes from, and with it the rules that baseline it.
    pub(super) fn past(&mut self, run: &Run<'_>, id: MemberId, at: u32) -> Past {
        let last = self.members.last(id, at);
        let created = run.began.get(&id).copied();
        if !last.is_nan() {
            let newer = matches!((created, self.created.get(&id)), (Some(now), Some(&before)) if now > before);
            return if newer || run.occasion.process == Process::Restarted {
                Past::BeganAgain
            } else {
                Past::Known(last)
            };
        }
        let old = match run.new {
            NewMembers::Baseline => return Past::Baseline,
            NewMembers::Summed => return Past::Birth,
            NewMembers::Rebaselined => true,
            NewMembers::Born => {
                let newest = self.families[run.id.index()].newest_created;
                run.occasion.process == Process::Same
                    && (self.fingerprints.contains(self.members.key(id)) || created.is_some_and(|c| c <= newest))
            }
        };
        self.tally.rebaselined += u64::from(old);
        if old { Past::Baseline } else { Past::Birth }
    }

    /// A line of a folded member: it has an output line of its own only if it is the first.
    pub(super) fn account(&mut self, id: MemberId, turn: Turn) {
        let is_new = id.index() >= self.watermark.members;
        let cause = match (self.members.class(id).cause, self.members.get(id).group()) {
            // It came unchanged, before anybody who was changed had claimed the group.
            (0, Some(group)) => self.groups.get(group).cause,
            (cause, _) => cause,
        };
        let cause = self.tally.cause(cause);
        cause.folded += 1;
        if turn == Turn::Later {
            cause.lines += 1;
            cause.new_lines += u64::from(is_new);
        }
    }

    /// A line that holds no number of its member goes when the member is folded.
    pub(super) fn account_aside(&mut self, p: &Pending) {
        if self.members.get(p.member).group().is_none()
            || !matches!(p.field, field::CREATED | field::OTHER | field::QUANTILE)
        {
            return;
        }
        if p.field == field::QUANTILE {
            self.tally.cause(self.members.class(p.member).cause).quantiles += 1;
        }
        self.account(p.member, Turn::Later);
    }

    pub(super) fn count_bad(&mut self, bad: Bad) {
        match bad {
            Bad::NotFinite => self.tally.not_finite += 1,
            Bad::Negative => self.tally.negative += 1,
            Bad::Inconsistent => self.tally.inconsistent += 1,
        }
    }
}

/// Rule 1.10: what no counter can hold.
pub(super) fn bad_count(value: f64) -> Option<Bad> {
    if !value.is_finite() {
        Some(Bad::NotFinite)
    } else if value < 0.0 {
        Some(Bad::Negative)
    } else {
        None
    }
}
