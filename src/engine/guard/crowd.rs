//! The endpoint as a whole is full. The largest families are folded, and when it is their names that
//! explode, families that come new are left out: no label could be folded away for them, and what has
//! a place keeps it (rule 5.5).

use std::collections::HashSet;

use super::blame::LineSlot;
use super::families::Sample;
use super::limits::{ENDPOINT_LIMIT, Patience, Terms, Trouble};
use super::lines::ANNOTATION;
use super::meet::Met;
use super::notes::UNNOTED;
use super::process::START_TIME;
use super::relieve::View;
use super::series::{Forget, What};
use super::state::EndpointState;
use super::unremembered::Left;
use super::{Guard, MOST_RESTARTS, Retained, ScrapeError};
use crate::engine::cardinality::{Arrival, Part};
use crate::engine::fold::{FamilyId, Shape};
use crate::engine::model::SeriesHash;
use crate::engine::policy::{Action, Cause};

/// Whether a full endpoint still looks for something to fold when a family comes new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Doors {
    #[default]
    Open,
    /// It has looked: who comes new has to fit in, beside so many series that others may need.
    Closed { limit: u64, spare: u64 },
}

/// Whether there is room for a series.
pub(super) enum Room {
    Here,
    /// Its family came too late.
    Outside,
}

/// Families looked at in one relief: looking is a walk over all lines that are held.
const MOST_TRIED: usize = 64;
/// How often a family is closed in one relief: it may overflow in more ways than one.
const MOST_CLOSED: usize = 3;
/// Members of a family whose name is what explodes, at most.
const FEW: u64 = 8;
/// Series that an endpoint may have of families that come new, whatever the others of its target
/// have: they say at least that they are there.
const LEAST: u64 = 100;

impl Guard {
    /// The endpoint has come to have more series than it may: makes room.
    pub(super) fn relieve_crowd(&mut self) -> Result<(), ScrapeError> {
        // A family that came new may have more lines than anybody knew.
        let is_passed = self.late() > 0 && self.state.has_newcomers();
        if std::mem::take(&mut self.state.crowded) != self.state.scrape && !is_passed {
            return Ok(());
        }
        self.want_body()?;
        if self.may_start_over() && self.state.do_names_explode() && self.late() > 0 {
            return self.close_doors();
        }
        let mut looks = Looks::default();
        while self.excess() > 0 && self.fold_largest(&mut looks)? == Relief::Some {}
        self.close_largest()?;
        if self.late() > 0 && self.may_start_over() && self.state.has_newcomers() {
            return self.close_doors();
        }
        Ok(())
    }

    /// The same for a series that cannot wait: families that are still here are folded, else the
    /// newcomer's has no more room.
    pub(super) fn make_room_for_all(&mut self, newcomer: FamilyId) -> Result<(), ScrapeError> {
        let is_new = self.state.families.get(newcomer).count.all == 0;
        if is_new && self.state.do_names_explode() {
            self.state.close_doors(self.scrape.limits.endpoint_series, 0);
            return Ok(());
        }
        match self.fold_largest(&mut Looks::default())? {
            Relief::Some => Ok(()),
            Relief::None if is_new => {
                self.state.close_doors(self.scrape.limits.endpoint_series, 0);
                Ok(())
            }
            Relief::None => {
                let most = self.state.families.get(newcomer).count.all;
                self.close(newcomer, most)
            }
        }
    }

    /// From the first line of the body on, who comes new has to fit in.
    fn close_doors(&mut self) -> Result<(), ScrapeError> {
        let spare = match self.state.doors {
            Doors::Open => 0,
            Doors::Closed { spare, .. } => 2 * spare + self.late(),
        };
        self.state.close_doors(self.scrape.limits.endpoint_series, spare);
        self.restarts += 1;
        Err(ScrapeError::StartedOver)
    }

    fn may_start_over(&self) -> bool {
        self.retained == Retained::Whole && self.restarts < MOST_RESTARTS
    }

    /// Series there are beyond what the endpoint as a whole may have.
    fn excess(&self) -> u64 {
        self.beyond(self.state.crowd(Terms::of(&self.scrape, Patience::None)))
    }

    /// Series there are beyond what families that come new must leave room for.
    fn late(&self) -> u64 {
        self.beyond(self.state.room_for_new(Terms::of(&self.scrape, Patience::None)))
    }

    /// 0 = no limit.
    fn beyond(&self, room: u64) -> u64 {
        if room == 0 { 0 } else { self.state.families.series().saturating_sub(room) }
    }

    /// Folds the largest family that a label explains.
    fn fold_largest(&mut self, looks: &mut Looks) -> Result<Relief, ScrapeError> {
        for (series, id) in self.by_size() {
            if looks.0.len() >= MOST_TRIED {
                break;
            }
            if !looks.0.insert((id, series)) {
                continue;
            }
            let labels = self.culprits(id, series, View::Part);
            if self.collapse(id, &ENDPOINT_LIMIT.into(), labels) > 0 {
                return self.rewind(id).map(|()| Relief::Some);
            }
        }
        Ok(Relief::None)
    }

    /// What no label explains is refused: the largest families give up what is too much.
    fn close_largest(&mut self) -> Result<(), ScrapeError> {
        for (_, id) in self.by_size().into_iter().take(MOST_TRIED) {
            // What overflows has a line, too.
            let mut places = self.state.families.get(id).count.all.saturating_sub(self.state.weight(id));
            for _ in 0..MOST_CLOSED {
                match self.excess() {
                    0 => return Ok(()),
                    excess => places = places.saturating_sub(excess).max(1),
                }
                self.close(id, places)?;
            }
        }
        Ok(())
    }

    /// Families that can still be folded in this scrape, the largest first.
    fn by_size(&mut self) -> Vec<(u64, FamilyId)> {
        let families = &self.state.families;
        let mut all: Vec<(u64, FamilyId)> = families.ids().map(|id| (families.get(id).count.all, id)).collect();
        all.retain(|(series, id)| *series > 1 && self.is_here(*id));
        all.sort_unstable_by(|a, b| b.cmp(a));
        all
    }
}

/// Families that were looked at, and how large they were.
#[derive(Default)]
struct Looks(HashSet<(FamilyId, u64)>);

/// Whether something could be folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relief {
    Some,
    None,
}

impl EndpointState {
    /// Whether a series that would stand for itself has room at the endpoint as a whole.
    pub(super) fn room_at_endpoint(
        &mut self,
        id: FamilyId,
        member: SeriesHash,
        terms: Terms<'_>,
    ) -> Result<Room, Trouble> {
        let (most, weight) = (self.crowd(terms), self.weight(id));
        if most == 0 {
            return Ok(Room::Here);
        }
        let is_newcomer = terms.patience != Patience::Again && self.is_newcomer(id, member);
        let (room, others) = match (is_newcomer, self.doors) {
            (true, Doors::Closed { spare, .. }) => (self.room_for_new(terms), self.awaited + spare),
            (true, Doors::Open) => (most, self.awaited),
            (false, _) => (most, 0),
        };
        loop {
            if self.families.series() + weight + others <= room {
                return Ok(Room::Here);
            }
            if self.retire_any() == Relief::None {
                break;
            }
        }
        let is_first = self.families.get(id).count.all == 0;
        match terms.patience {
            _ if is_newcomer && self.doors != Doors::Open => Ok(Room::Outside),
            // It has a place already, or has to have one.
            _ if is_first && !is_newcomer => Ok(Room::Here),
            Patience::None => Err(Trouble::Crowded { newcomer: id }),
            Patience::Held if is_newcomer => Err(Trouble::Crowded { newcomer: id }),
            Patience::Wait | Patience::Held | Patience::Again => {
                self.crowded = self.scrape;
                Ok(Room::Here)
            }
        }
    }

    /// Makes room: the group that was longest without a member is not shown any more, whatever its family.
    fn retire_any(&mut self) -> Relief {
        let Some((family, lines)) = self.fold.retire_any() else { return Relief::None };
        self.alike.clear();
        let all = self.families.get(family).count.all;
        self.families.set_count(family, all.saturating_sub(lines));
        Relief::Some
    }

    /// How many series all families together may have here; 0 = no limit.
    pub(super) fn crowd(&self, terms: Terms<'_>) -> u64 {
        self.room_beside_others(terms, 1)
    }

    /// The same where one more family would come.
    fn room_for_new(&self, terms: Terms<'_>) -> u64 {
        self.room_beside_others(terms, LEAST)
    }

    /// `least`: what is left of the target's series when others have them all.
    fn room_beside_others(&self, terms: Terms<'_>, least: u64) -> u64 {
        let others = self.part.as_ref().map_or(0, Part::others);
        let own = (terms.endpoint_series > 0).then_some(terms.endpoint_series);
        let target = (terms.target_series > 0).then(|| terms.target_series.saturating_sub(others).max(least));
        [own, target].into_iter().flatten().min().unwrap_or(0)
    }

    /// Whether nothing of the series' family stands here yet.
    fn is_newcomer(&self, id: FamilyId, member: SeriesHash) -> bool {
        let family = self.families.get(id);
        // Without these nobody knows what the others mean.
        let is_vital = *family.name == *START_TIME || family.name.starts_with(ANNOTATION);
        family.count.all == 0 && !is_vital && !self.is_awaited(member, family.count.since)
    }

    /// Whether a member was read from the store and has to be met again to be counted.
    fn is_awaited(&self, key: SeriesHash, since: u32) -> bool {
        let members = &self.fold.members;
        members.find(key).map(|id| members.get(id)).is_some_and(|member| !member.is_met() && member.seen >= since)
    }

    /// Whether more families have come new, each with few series, than the largest has members.
    fn do_names_explode(&self) -> bool {
        let (mut new, mut largest) = (0_u64, 0);
        for id in self.families.ids() {
            let count = &self.families.get(id).count;
            let members = count.all / self.weight(id).max(1);
            largest = largest.max(members);
            new += u64::from(count.all > 0 && members <= FEW && count.is_new(self.scrape));
        }
        new > largest
    }

    fn has_newcomers(&self) -> bool {
        self.families.ids().any(|id| self.families.get(id).count.is_new(self.scrape))
    }

    fn close_doors(&mut self, limit: u64, spare: u64) {
        self.alike.clear();
        self.doors = Doors::Closed { limit, spare };
    }

    /// After a commit: opens the doors when there is room again, or another limit.
    pub(super) fn open_doors(&mut self, terms: Terms<'_>, is_swept: bool) {
        let Doors::Closed { limit, .. } = self.doors else { return };
        if limit != terms.endpoint_series || (is_swept && self.families.series() < self.crowd(terms)) {
            self.doors = Doors::Open;
            if let Some(outsiders) = self.families.outsiders() {
                self.forget_spellings(outsiders, Forget::All);
            }
        }
    }

    /// A series of a family that came too late is left out, and nothing of the family is remembered.
    pub(super) fn turn_away(&mut self, of: Sample, name: &str, own: SeriesHash, reserved: Option<&str>) -> Met {
        let Sample { family: id, role } = of;
        self.take_back_newest(id, name);
        let outsiders = self.outsiders();
        self.leave_unremembered(outsiders, Left::ByLimit);
        let family = self.families.get(outsiders);
        let cause = Cause { policy: ENDPOINT_LIMIT.into(), label: "".into(), action: Action::SeriesDrop };
        let cause = self.causes.number(&cause, &family.name);
        let who = family.hash.0;
        let arrival = self.budgets.keeps_out(who, LineSlot::of(role, reserved).mixed_with(own));
        let what = What::Dropped { family: outsiders, cause, note: UNNOTED };
        let is_old = matches!(arrival, Arrival::Known | Arrival::Again);
        let was_left_out = is_old || self.may_be_old(outsiders, Left::ByLimit);
        Met { place: Sample { family: outsiders, role }, what, uplifted: None, was_left_out }
    }

    /// Stands for all families without a place.
    fn outsiders(&mut self) -> FamilyId {
        if let Some(id) = self.families.outsiders() {
            return id;
        }
        self.fold.add_family(Shape::Gauge, true);
        self.families.add_outsiders(self.format, &self.seed)
    }

    /// A family that was met just now, by this sample name, was never here.
    fn take_back_newest(&mut self, id: FamilyId, name: &str) {
        let is_newest = id.index() + 1 == self.families.len() && id.index() >= self.fold.families_before();
        if is_newest && self.families.get(id).scrape == 0 {
            self.wordings.forget(&self.seed, self.families.get(id));
            self.families.pop(name);
            self.fold.families.pop();
        }
    }
}
