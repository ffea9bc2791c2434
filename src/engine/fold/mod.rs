//! Members and groups: how series that collapse become one, truthfully.
//!
//! A *member* is an input series (for a histogram or summary: its label set without `le` or
//! `quantile`), a *group* is the output series it is folded into. One scrape runs in three moves:
//! lines are noted as [`Pending`] per family, [`Fold::settle`] turns a family's notes into what its
//! groups gain, and [`Fold::commit`] makes that the past; [`Fold::rollback`] forgets it instead.
//! The rules are numbered as in `docs/how-the-numbers-stay-true.md`.

mod ages;
mod changes;
mod class;
mod clock;
mod composite;
mod cumulative;
mod evict;
mod family;
mod fingerprints;
mod gauge;
mod gone;
mod group;
mod hold;
mod journal;
mod layout;
mod leave;
mod member;
mod moved;
mod names;
mod newcomer;
mod places;
mod rows;
mod settle;
mod sieve;
mod standing;
mod sum;
mod taken;
mod untouched;
mod value;

pub use class::ClassId;
pub use clock::EndpointClock;
pub use family::{FamilyId, FoldFamily, Lines, Pending, Settled, Shape};
pub use gauge::GaugeFold;
pub use group::{ACCUMULATOR_LIMIT, Group, GroupId, GroupSeed, Groups, Line, Shown, View};
pub use hold::{Clients, Hold};
pub use journal::{Extent, Journal};
pub use member::{Expected, Member, MemberId, MemberSeed, Members, Remembered};
pub use moved::Moved;
pub use names::{NameSets, NamesId};
pub use rows::{FamilyRow, Misfit, Rows};
pub use settle::Occasion;
pub use sum::Sum;
pub use untouched::Seam;

use std::collections::{HashMap, HashSet};

use crate::engine::model::{SeriesHash, room};
use class::RoleId;
use fingerprints::{Fingerprints, Left};

/// Which number of a member a line holds.
pub mod field {
    /// The value of a counter, gauge, info or state.
    pub const VALUE: u32 = 0;
    /// `_sum` (`_gsum`) of a histogram or summary.
    pub const SUM: u32 = 0;
    /// `_count` (`_gcount`) of a histogram or summary.
    pub const COUNT: u32 = 1;
    /// The first bucket; the others follow in the order of the member's layout.
    pub const BUCKETS: u32 = 2;
    /// The last bucket there can be: a histogram with more boundaries is no histogram, and the rest
    /// of them is not folded.
    pub const HIGHEST: u32 = BUCKETS + 511;
    /// From here on the line has been taken: see [`super::Pending::number`].
    pub const TAKEN: u32 = 1 << 31;
    /// Above this, fields are no numbers of the member.
    pub const REAL: u32 = u32::MAX - 8;
    /// `_created`: when the member began.
    pub const CREATED: u32 = u32::MAX - 1;
    /// The explicit timestamp of the entry that follows (rule 4.5).
    pub const TIMESTAMP: u32 = u32::MAX - 2;
    /// A line its type does not know: nothing to add up.
    pub const OTHER: u32 = u32::MAX - 3;
    /// A quantile of a summary: nothing to add up (rule 3.9).
    pub const QUANTILE: u32 = u32::MAX - 5;
    /// Settled as if it had not been there.
    pub const IGNORED: u32 = u32::MAX - 4;
    /// A line that a policy takes away from the others of its member, which spoils them all.
    pub const SPLIT: u32 = u32::MAX - 6;
}

/// What the scrape at hand brings, before any family is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    Same,
    /// Rule 1.4: every remembered member restarts from 0.
    Restarted,
}

/// How an endpoint that has no past begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priming {
    /// Rule 1.1: what is there is the baseline.
    Baseline,
    /// A single body: what is there is the answer.
    Sum,
}

/// Every member and group of one endpoint.
#[derive(Debug, Default)]
pub struct Fold {
    pub members: Members,
    pub groups: Groups,
    pub families: Vec<FoldFamily>,
    pub clock: EndpointClock,
    pub primed: bool,
    fingerprints: Fingerprints,
    /// Members of the scrape at hand that have left one, among the first so many.
    returned: Left,
    asked: usize,
    /// `_created` by member: few exporters have it, so members do not carry it (rule 1.5).
    created: HashMap<MemberId, f64>,
    /// Explicit timestamps by member and field, likewise (rule 4.5).
    stamps: HashMap<(MemberId, u32), i64>,
    /// Label-name sets by member, but for those that have the first one of their family: most have.
    names: HashMap<MemberId, NamesId>,
    /// What members that were there before this scrape were like before it changed them, for a
    /// rollback.
    before: Vec<(MemberId, RoleId)>,
    /// The same of groups: superseded, retired.
    places_before: Vec<(GroupId, [bool; 2])>,
    /// Members that stood in a group before this scrape, and now stand alone.
    unfolded: HashSet<MemberId>,
    /// Families whose state goes with the next sweep.
    dropped: Vec<FamilyId>,
    /// Notes of members whose place went to another.
    doomed: HashSet<u32>,
    watermark: Watermark,
    /// Groups of any family that can give up their place in the scrape at hand, once it was asked: next
    /// one last.
    frozen: Option<Vec<GroupId>>,
    /// Memory for many lines, when the scrape at hand has been lent any and no family has it.
    pub lent: Lines,
    pub journal: Journal,
    pub tally: Tally,
}

/// Lengths at the start of a scrape: whatever is younger goes in a rollback.
#[derive(Clone, Copy, Debug, Default)]
struct Watermark {
    members: usize,
    groups: usize,
    families: usize,
}

/// What folding counted in this scrape.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub resets: u64,
    pub rebaselined: u64,
    pub evicted: u64,
    pub not_finite: u64,
    pub negative: u64,
    pub inconsistent: u64,
    pub out_of_order: u64,
    pub duplicates: u64,
    pub layout_conflicts: u64,
    /// By the cause of the member.
    pub by_cause: Vec<Dropped>,
}

/// What folding did to the lines of one cause.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dropped {
    /// Input lines without an output line of their own.
    pub lines: u64,
    /// The part of them of series never seen before.
    pub new_lines: u64,
    /// The part of `lines` that were quantiles.
    pub quantiles: u64,
    /// All lines that it sent into a group: those that came unchanged are nobody's.
    pub folded: u64,
}

impl Dropped {
    fn at_most(self, most: Dropped) -> Dropped {
        let mut least = self;
        least.each(most, |own, most| *own = (*own).min(most));
        least
    }

    fn each(&mut self, other: Dropped, f: impl Fn(&mut u64, u64)) {
        f(&mut self.lines, other.lines);
        f(&mut self.new_lines, other.new_lines);
        f(&mut self.quantiles, other.quantiles);
        f(&mut self.folded, other.folded);
    }
}

impl Tally {
    /// Another cause did this than it was counted under.
    pub fn move_blame(&mut self, from: u32, to: u32, moved: Dropped) {
        let before = self.cause(from);
        let moved = moved.at_most(*before);
        before.each(moved, |before, moved| *before -= moved);
        self.add_blame(to, moved);
    }

    /// A cause did this, which was counted elsewhere.
    pub fn add_blame(&mut self, to: u32, moved: Dropped) {
        self.cause(to).each(moved, |after, moved| *after += moved);
    }

    #[inline]
    pub fn cause(&mut self, cause: u32) -> &mut Dropped {
        let at = cause as usize;
        if at >= self.by_cause.len() {
            self.by_cause.resize(at + 1, Dropped::default());
        }
        &mut self.by_cause[at]
    }
}

impl Fold {
    /// Starts a scrape: remembers where a rollback goes back to.
    pub fn begin(&mut self) {
        self.watermark =
            Watermark { members: self.members.len(), groups: self.groups.len(), families: self.families.len() };
        (self.returned, self.asked) = (Left::default(), self.members.len());
        self.before.clear();
        self.places_before.clear();
        self.unfolded.clear();
        self.families.iter_mut().for_each(|family| family.frozen = None);
        self.frozen = None;
        self.tally = Tally::default();
    }

    /// A family seen for the first time. One that appears after priming is a birth, not a baseline,
    /// unless `known_before` says that it was there and nobody looked (rule 5.8).
    pub fn add_family(&mut self, shape: Shape, known_before: bool) -> FamilyId {
        let id = FamilyId(self.families.len() as u32);
        self.families.push(FoldFamily::new(shape, self.primed && !known_before));
        id
    }

    /// A plan begins to look at these families, or at more of them: what is met first is a
    /// baseline, and so is what the scrape before did not note (rule 5.8).
    pub fn look_anew(&mut self, families: &HashSet<FamilyId>) {
        self.journal.demand_whole();
        for id in families {
            self.families[id.index()].primed = false;
        }
        // The last scrape may have been another process's, or another guard's.
        let last = self.clock.seconds() as u32;
        self.members.forget_values(|m| m.seen != last && families.contains(&m.family));
    }

    /// The lines of a family begin.
    pub fn open(&mut self, family: FamilyId) {
        self.families[family.index()].open(&mut self.lent);
    }

    /// Notes a line of this scrape.
    #[inline]
    pub fn note(&mut self, family: FamilyId, member: MemberId, field: u32, value: f64) {
        room::push(&mut self.families[family.index()].pending, Pending { member, field, value });
    }

    /// Finds a member by its input label set, or makes one.
    pub fn member(&mut self, seed: MemberSeed) -> MemberId {
        if let Some(id) = self.members.find(seed.key) {
            return id;
        }
        let capacity = self.families[seed.family.index()].usual_fields;
        self.members.insert(seed, capacity)
    }

    /// A member that was made just now has these label names.
    pub fn names_of(&mut self, family: FamilyId, member: MemberId, names: u64) {
        let id = self.families[family.index()].names.place(names);
        if id != NamesId::default() {
            self.names.insert(member, id);
        }
    }

    /// Finds the group of an output label set.
    pub fn find_group(&self, key: SeriesHash) -> Option<GroupId> {
        self.groups.find(key)
    }

    /// Sends a member's future increments to `group` (rule 5.1: nothing moves between
    /// accumulators), or lets it stand alone.
    pub fn regroup(&mut self, member: MemberId, group: Option<GroupId>) {
        let before = self.members.get(member).group();
        if before != group {
            self.changing(member);
            if group.is_none() && before.is_some_and(|old| old.index() < self.watermark.groups) {
                self.unfolded.insert(member);
            } else if !self.unfolded.is_empty() {
                self.unfolded.remove(&member);
            }
            self.members.set_group(member, group);
        }
        if let Some(id) = group {
            self.set_place(id, [false, false]);
            if id.index() >= self.watermark.groups {
                self.groups.get_mut(id).founder.get_or_insert(member);
            }
        }
    }

    /// Who changes the labels of a member that was met again, and what observers make of it.
    pub fn blame(&mut self, member: MemberId, cause: u32, shadow: u32) {
        let class = self.members.class(member);
        if (class.cause, class.shadow) != (cause, shadow) {
            self.changing(member);
            self.members.attribute(member, cause, shadow);
        }
    }

    /// Whether a group is superseded and whether it is retired, from here on.
    fn set_place(&mut self, id: GroupId, place: [bool; 2]) {
        let group = self.groups.get_mut(id);
        let before = [group.superseded, group.retired];
        if before != place {
            [group.superseded, group.retired] = place;
            self.places_before.push((id, before));
        }
    }

    /// A member is about to change before anybody knows how the scrape ends.
    fn changing(&mut self, member: MemberId) {
        if member.index() < self.watermark.members {
            self.before.push((member, self.members.role(member)));
        }
    }

    /// Finds the group of an output label set, or founds it.
    pub fn group(&mut self, seed: GroupSeed<'_>) -> GroupId {
        if let Some(id) = self.groups.find(seed.key) {
            return id;
        }
        let family = &mut self.families[seed.family.index()];
        let after_priming = family.primed;
        let id = self.groups.insert(seed, family.shape, after_priming);
        family.groups.push(id);
        id
    }

    /// Makes this scrape the past. `process` as settled, `hold_seconds` as shown.
    pub fn commit(&mut self, process: Process, hold_seconds: f64) {
        self.journal.begin_commit();
        if process == Process::Restarted {
            self.journal.demand_whole();
            self.members.restart();
            self.fingerprints.clear();
            self.created.clear();
        }
        let now = self.clock.seconds();
        for family in &mut self.families {
            family.commit(now, &mut self.members, &mut self.created, &mut self.stamps, &mut self.journal);
            family.end(&mut self.lent);
        }
        self.groups.commit(now, hold_seconds, &mut self.journal);
        self.places_before.drain(..).for_each(|(group, _)| self.journal.group_changed(group));
        self.primed = true;
        self.before.clear();
    }

    /// Forgets this scrape.
    pub fn rollback(&mut self) {
        for (member, before) in self.before.drain(..).rev() {
            self.members.become_again(member, before);
        }
        self.members.truncate(self.watermark.members);
        let members = self.watermark.members;
        self.names.retain(|member, _| member.index() < members);
        for (group, [superseded, retired]) in self.places_before.drain(..).rev() {
            let group = self.groups.get_mut(group);
            (group.superseded, group.retired) = (superseded, retired);
        }
        self.groups.truncate(self.watermark.groups);
        self.families.truncate(self.watermark.families);
        for family in &mut self.families {
            family.rollback(self.watermark.groups, &mut self.members);
            family.end(&mut self.lent);
        }
        self.groups.forget_gains();
        self.tally = Tally::default();
    }

    /// Bytes taken, roughly.
    pub fn memory(&self) -> usize {
        self.members.memory()
            + self.groups.memory()
            + self.fingerprints.memory()
            + self.created.capacity() * 24
            + self.stamps.capacity() * 32
            + self.names.capacity() * 8
            + self.families.iter().map(FoldFamily::memory).sum::<usize>()
    }

    /// Whether groups have come off show, or back, in the scrape at hand.
    pub fn has_moved_groups(&self) -> bool {
        !self.places_before.is_empty()
    }

    /// Families that were there before the scrape at hand.
    pub fn families_before(&self) -> usize {
        self.watermark.families
    }

    /// Whether a group was founded in the scrape at hand.
    pub fn is_founded(&self, id: GroupId) -> bool {
        id.index() >= self.watermark.groups
    }

    /// Whether a member came up in the scrape at hand.
    pub fn is_new(&self, id: MemberId) -> bool {
        id.index() >= self.watermark.members
    }

    /// Sends every member of a group to its heir; says who came from where.
    pub fn regroup_all(&mut self, family: FamilyId, heirs: &HashMap<GroupId, GroupId>) -> Vec<(MemberId, GroupId)> {
        let mut moved = Vec::new();
        for at in 0..self.members.len() as u32 {
            let id = MemberId(at);
            let group = self.members.get(id).group();
            let Some(old) = group.filter(|_| self.members.family(id) == family) else { continue };
            if let Some(&heir) = heirs.get(&old) {
                self.regroup(id, Some(heir));
                moved.push((id, old));
            }
        }
        for &old in heirs.keys() {
            // What nobody has seen yet need not freeze.
            self.set_place(old, [true, self.groups.get(old).first_shown.is_none()]);
        }
        self.families[family.index()].frozen = None;
        self.frozen = None;
        moved
    }

    /// Members with these notes go with the next sweep: their place is another's.
    pub fn doom(&mut self, notes: HashSet<u32>) {
        self.doomed = notes;
    }

    /// The lone member whose own label set is `key`, if one is remembered.
    pub fn lone(&self, key: SeriesHash) -> Option<MemberId> {
        self.members.find(key).filter(|&m| self.members.get(m).group().is_none())
    }
}
