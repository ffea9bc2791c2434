//! From the lines of a scrape to what its groups gain. Families whose members hold one number are
//! settled here, the others in `composite`.

use std::collections::HashMap;

use super::class::ClassId;
use super::cumulative::{Past, Reset, gain};
use super::family::{FamilyId, Pending, Settled, Shape};
use super::group::{Totals, Turn};
use super::member::MemberId;
use super::names::NamesId;
use super::taken::Unnoted;
use super::{Fold, Priming, Process, field};
use crate::engine::model::Stamp;

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
    /// What members are stamped with that were noted.
    pub pass: Stamp,
    pub new: NewMembers,
    /// `_created` in this scrape, by member.
    pub began: &'a HashMap<MemberId, f64>,
}

/// Lines settled after one look at memory far away.
const CHUNK: usize = 64;

/// What became of members of one class that came one after the other, with nothing special about
/// them.
#[derive(Default)]
struct Steady {
    lines: usize,
    folded: u64,
    later: u64,
    resets: u64,
    new: u64,
    rebaselined: u64,
}

/// How the members that are new in this scrape are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewMembers {
    /// They count from 0, unless something says that they are old.
    Born,
    /// There is no before and after: they count whole.
    Summed,
    Baseline,
    /// A baseline for the members that are known, too, and worth counting (rule 1.8).
    Rebaselined,
}

/// Why a sample of a cumulative type is treated as absent (rule 1.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    NotFinite,
    Negative,
    Inconsistent,
}

impl Steady {
    /// What a member adds of which no number is known, where nothing says when it began; `was_there`:
    /// whether it, or all of its group, was known once.
    #[inline]
    fn first_gain(&mut self, new: NewMembers, value: f64, was_there: impl FnOnce() -> bool) -> f64 {
        match new {
            NewMembers::Baseline => 0.0,
            NewMembers::Born if was_there() => {
                self.rebaselined += 1;
                0.0
            }
            NewMembers::Born | NewMembers::Summed | NewMembers::Rebaselined => value,
        }
    }
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
        self.note_names(id, &pending);
        let pass = Stamp::of(occasion.scrape);
        self.find_returned();
        let run = Run { id, occasion, pass, new: self.new_members(id, occasion), began: &began };
        match shape {
            Shape::Cumulative => self.settle_counter(&run, &mut pending),
            Shape::Gauge => self.settle_gauge(&run, &mut pending),
            Shape::Histogram | Shape::GaugeHistogram | Shape::Summary => self.settle_composite(&run, &mut pending),
        }
        let family = &mut self.families[id.index()];
        family.pending = pending;
        family.settled = Settled::Yes;
    }

    /// Which label names the members of this scrape have.
    fn note_names(&mut self, id: FamilyId, pending: &[Pending]) {
        let names = &mut self.families[id.index()].names;
        if !names.are_mixed() {
            names.came(NamesId::default());
            return;
        }
        for p in pending.iter().filter(|p| p.field < field::REAL) {
            names.came(self.names.get(&p.member).copied().unwrap_or_default());
        }
    }

    fn new_members(&self, id: FamilyId, occasion: Occasion) -> NewMembers {
        let family = &self.families[id.index()];
        if !family.primed {
            return match occasion.priming {
                Priming::Baseline => NewMembers::Baseline,
                Priming::Sum => NewMembers::Summed,
            };
        }
        if occasion.process == Process::Same && family.names.have_changed() {
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
        let same = run.occasion.process == Process::Same && run.new != NewMembers::Rebaselined;
        let nothing_special = same && !self.families[run.id.index()].has_extras;
        let mut taken = 0;
        for mut chunk in pending.chunks_mut(CHUNK) {
            while !chunk.is_empty() {
                if nothing_special {
                    let steady = self.settle_steady(run, chunk);
                    taken += steady;
                    chunk = &mut chunk[steady..];
                }
                if let Some((odd, behind)) = std::mem::take(&mut chunk).split_first_mut() {
                    self.settle_count(run, odd);
                    chunk = behind;
                }
            }
        }
        self.families[run.id.index()].taken = taken;
    }

    /// The way of nearly all: members of one class with numbers that count. They are taken: nothing
    /// has to be done about them when the scrape is committed. Says how many came before one that is
    /// not so.
    fn settle_steady(&mut self, run: &Run<'_>, pending: &mut [Pending]) -> usize {
        let (scrape, now) = (run.occasion.scrape, self.clock.seconds() as u32);
        let known = self.watermark.members;
        let Fold { members, groups, fingerprints, returned, .. } = self;
        let mut steady = Steady::default();
        let mut class = None;
        for p in pending {
            let is_number = p.value >= 0.0 && p.value < f64::INFINITY;
            if p.field != field::VALUE || !is_number {
                break;
            }
            let Some(Unnoted { role, last }) = members.unnoted(p.member, run.pass) else { break };
            if let Some(group) = role.group() {
                if class != Some(role.class) && (class.is_some() || members.class_of(role.class).cause == 0) {
                    // Those that came unchanged have a cause each.
                    break;
                }
                class = Some(role.class);
                let mut is_new = false;
                let delta = if p.value >= last {
                    p.value - last
                } else if last.is_nan() {
                    is_new = p.member.index() >= known;
                    let key = members.key(p.member);
                    let mut has_left = || if is_new { returned.has(key) } else { fingerprints.has(key) };
                    let was_there = || groups.get(group).recalled || has_left();
                    steady.first_gain(run.new, p.value, was_there)
                } else {
                    steady.resets += 1;
                    p.value
                };
                let group = groups.get_mut(group);
                if let Totals::Counter { gain, .. } = &mut group.totals {
                    gain.add(delta);
                }
                let later = u64::from(group.turn(scrape) == Turn::Later);
                steady.folded += 1;
                steady.later += later;
                steady.new += later & u64::from(is_new);
            } else if last.is_nan() {
                break;
            }
            members.take(p, run.pass, now);
            steady.lines += 1;
        }
        if let Some(class) = class {
            self.account_steady(class, &steady);
        }
        steady.lines
    }

    fn account_steady(&mut self, class: ClassId, steady: &Steady) {
        self.tally.resets += steady.resets;
        self.tally.rebaselined += steady.rebaselined;
        let cause = self.tally.cause(self.members.class_of(class).cause);
        cause.folded += steady.folded;
        cause.lines += steady.later;
        cause.new_lines += steady.new;
    }

    fn settle_count(&mut self, run: &Run<'_>, p: &mut Pending) {
        if p.field != field::VALUE {
            return self.account_aside(p);
        }
        if self.turn_of_member(run, p) == Turn::Later {
            return;
        }
        if let Some(bad) = bad_count(p.value) {
            self.count_bad(bad);
            p.field = field::IGNORED;
            return;
        }
        let past = self.past(run, p.member, field::VALUE);
        let Some(group) = self.members.get(p.member).group() else { return };
        let gain = gain(past, p.value);
        self.tally.resets += u64::from(gain.reset == Reset::Yes);
        let group = self.groups.get_mut(group);
        if let Totals::Counter { gain: total, .. } = &mut group.totals {
            total.add(gain.delta);
        }
        let turn = group.turn(run.occasion.scrape);
        self.account(p.member, turn);
    }

    fn settle_gauge(&mut self, run: &Run<'_>, pending: &mut [Pending]) {
        for p in pending {
            if p.field != field::VALUE {
                self.account_aside(p);
                continue;
            }
            if self.turn_of_member(run, p) == Turn::Later {
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
    #[inline]
    fn turn_of_member(&mut self, run: &Run<'_>, p: &mut Pending) -> Turn {
        let turn = self.members.note(p.member, run.pass);
        if turn == Turn::Later {
            p.field = field::IGNORED;
            self.tally.duplicates += 1;
        }
        turn
    }

    /// Where a member comes from, and with it the rules that baseline it.
    #[inline]
    pub(super) fn past(&mut self, run: &Run<'_>, id: MemberId, at: u32) -> Past {
        if run.new == NewMembers::Rebaselined {
            self.tally.rebaselined += 1;
            return Past::Baseline;
        }
        let last = self.members.last(id, at);
        if last.is_nan() {
            return self.past_of_new(run, id);
        }
        if run.occasion.process == Process::Restarted || self.began_again(run, id) {
            return Past::BeganAgain;
        }
        Past::Known(last)
    }

    /// Rule 1.5.
    #[inline]
    fn began_again(&self, run: &Run<'_>, id: MemberId) -> bool {
        let now = if run.began.is_empty() { None } else { run.began.get(&id) };
        now.is_some_and(|now| self.created.get(&id).is_some_and(|before| now > before))
    }

    fn past_of_new(&mut self, run: &Run<'_>, id: MemberId) -> Past {
        let old = match run.new {
            NewMembers::Baseline => return Past::Baseline,
            NewMembers::Summed => return Past::Birth,
            NewMembers::Rebaselined | NewMembers::Born => {
                let newest = self.families[run.id.index()].newest_created;
                let has_begun = || run.began.get(&id).is_some_and(|&c| c <= newest);
                let is_recalled = || self.members.get(id).group().is_some_and(|group| self.groups.get(group).recalled);
                let is_old = has_begun() || is_recalled();
                run.occasion.process == Process::Same && (is_old || self.has_returned(id))
            }
        };
        self.tally.rebaselined += u64::from(old);
        if old { Past::Baseline } else { Past::Birth }
    }

    fn has_returned(&mut self, id: MemberId) -> bool {
        let key = self.members.key(id);
        if id.index() >= self.watermark.members { self.returned.has(key) } else { self.fingerprints.has(key) }
    }

    /// Whether new members are old ones is asked for all of them at once.
    fn find_returned(&mut self) {
        let asked = std::mem::replace(&mut self.asked, self.members.len());
        if !self.fingerprints.is_empty() {
            let new = (asked as u32..self.members.len() as u32).map(|at| self.members.key(MemberId(at)));
            self.returned.extend(self.fingerprints.among(new));
        }
    }

    /// A line of a folded member: it has an output line of its own only if it is the first.
    #[inline]
    pub(super) fn account(&mut self, id: MemberId, turn: Turn) {
        let is_new = id.index() >= self.watermark.members;
        let is_changed = self.members.class(id).cause != 0;
        let cause = self.cause_of(id);
        let cause = self.tally.cause(cause);
        cause.folded += u64::from(is_changed);
        if turn == Turn::Later {
            cause.lines += 1;
            cause.new_lines += u64::from(is_new);
        }
    }

    #[inline]
    fn cause_of(&self, id: MemberId) -> u32 {
        match self.members.class(id).cause {
            // It came unchanged, before anybody who was changed had claimed the group.
            0 => self.members.get(id).group().map_or(0, |group| self.groups.get(group).cause),
            cause => cause,
        }
    }

    /// A line that holds no number of its member goes when the member is folded.
    pub(super) fn account_aside(&mut self, p: &Pending) {
        if self.members.get(p.member).group().is_none()
            || !matches!(p.field, field::CREATED | field::OTHER | field::QUANTILE | field::SPLIT)
        {
            return;
        }
        if p.field == field::QUANTILE {
            let cause = self.cause_of(p.member);
            self.tally.cause(cause).quantiles += 1;
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
