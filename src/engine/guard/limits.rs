//! Limits on series: whether a series that would stand for itself has a place, and what becomes of
//! it when it has none.

use std::sync::Arc;

use super::budgets::{Collapse, Origin};
use super::crowd::Room;
use super::families::{Family, SeriesCount};
use super::meet::names_hash;
use super::series::What;
use super::state::{Books, EndpointState, Scratch};
use super::wordings::key;
use super::{Limits, Scrape};
use crate::engine::cardinality::{Admission, Arrival, Part, Taken};
use crate::engine::fold::{FamilyId, MemberId};
use crate::engine::model::{LabelSet, SeriesHash};
use crate::engine::policy::{Action, Cause, LimitAction, OVERFLOW, Outcome, Plan, SeriesLimits};

/// What a series is met with.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub plan: &'a Plan,
    /// Series of the whole endpoint; 0 = no limit.
    pub endpoint_series: u64,
    /// The same over all endpoints of the target.
    pub target_series: u64,
    pub patience: Patience,
}

impl<'a> Terms<'a> {
    pub fn of(scrape: &'a Scrape, patience: Patience) -> Terms<'a> {
        let Limits { endpoint_series, target_series, .. } = scrape.limits;
        Terms { plan: &scrape.plan, endpoint_series, target_series, patience }
    }
}

/// Whether a limit that is passed may wait for more of the body, so that what is done about it is
/// decided with all of it in view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until the family's block ends: the output is held whole, and the body can be read again.
    Wait,
    /// The output is held whole, and part of the body is gone.
    Held,
    /// It was waited for, and is decided again.
    Again,
    None,
}

/// Why a series cannot be decided before something else is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A label goes from here on: what the family has shown in this body has to be folded.
    Rewind(FamilyId),
    /// The family has as many series as it may have.
    Full { family: FamilyId },
    /// The endpoint has as many series as it may have.
    Crowded { newcomer: FamilyId },
    /// Likewise, and it is known what is done about families that come new: they are left out.
    Outside,
}

/// Whether a series may stand for itself.
enum Standing {
    Stands,
    Refused(LimitAction),
}

impl EndpointState {
    /// Applies what limits on series have decided, and asks those that have not. `outcome` is that
    /// of the steps, whose label set is in `scratch`.
    pub(super) fn limited(
        &mut self,
        id: FamilyId,
        outcome: Outcome,
        member: SeriesHash,
        terms: Terms<'_>,
        scratch: &mut Scratch,
    ) -> Result<Outcome, Trouble> {
        if matches!(outcome, Outcome::Pass | Outcome::Dropped(_)) {
            return Ok(outcome);
        }
        self.count_demand(id, scratch);
        let family = self.families.get(id);
        // The label set that the limit changes; most series meet none.
        let mut set = None;
        if !family.collapsed.is_empty() {
            set = Some(key(&self.seed, &mut self.wordings, family, &scratch.books.out, &mut scratch.key));
        }
        let mut blame = fold_away(&mut scratch.books.out, family.collapsed.iter());
        if let Standing::Refused(action) = self.standing(id, member, terms, scratch)? {
            let cause = self.refusal(id, action);
            let family = self.families.get(id);
            let refused = *set.get_or_insert_with(|| {
                key(&self.seed, &mut self.wordings, family, &scratch.books.out, &mut scratch.key)
            });
            self.keeps_out(id, refused);
            if cause.action == Action::SeriesDrop {
                self.note_change(id, &outcome, refused, Arrival::New, scratch);
                return Ok(Outcome::Dropped(cause));
            }
            self.overflow(id, scratch);
            blame = Some(cause);
        }
        let (Some(blame), Some(set)) = (blame, set) else { return Ok(outcome) };
        let arrival = self.keeps_out(id, set);
        self.note_change(id, &outcome, set, arrival, scratch);
        Ok(Outcome::Changed(blame))
    }

    /// What steps fold is theirs; what only the limit folds is the limit's.
    fn note_change(
        &mut self,
        id: FamilyId,
        outcome: &Outcome,
        set: SeriesHash,
        arrival: Arrival,
        scratch: &mut Scratch,
    ) {
        let Outcome::Changed(cause) = outcome else { return };
        let number = self.causes.number(cause, &self.families.get(id).name);
        scratch.books.note.pass(set, number, arrival == Arrival::New);
    }

    /// Whether the label set in `scratch` may stand for itself.
    fn standing(
        &mut self,
        id: FamilyId,
        member: SeriesHash,
        terms: Terms<'_>,
        scratch: &mut Scratch,
    ) -> Result<Standing, Trouble> {
        let family = self.families.get(id);
        let (limit, crowd) = (self.room_of(id), self.crowd(terms));
        let is_closed = self.budgets.gate(family.hash.0).is_some();
        if limit.is_none() && crowd == 0 && !is_closed {
            return Ok(Standing::Stands);
        }
        let out = key(&self.seed, &mut self.wordings, family, &scratch.books.out, &mut scratch.key);
        let (action, family_key) = (family.plan.budget().enforced.action, family.hash.0);
        if self.fold.find_group(out).is_some() || !(is_closed || self.adds(id, member, out)) {
            return Ok(Standing::Stands);
        }
        let weight = self.weight(id);
        if is_closed {
            let places = limit.map_or(0, |limit| limit / weight);
            return Ok(match self.budgets.enter(family_key, out.0, places) {
                Admission::Granted => Standing::Stands,
                Admission::Refused => Standing::Refused(action),
            });
        }
        if let Some(limit) = limit {
            let limit = limit.max(self.stood(id));
            while self.families.get(id).count.all + weight > limit {
                if self.retire(id) {
                    continue;
                }
                if terms.patience == Patience::None || action != LimitAction::Collapse {
                    return Err(Trouble::Full { family: id });
                }
                self.families.get_mut(id).over = self.scrape;
                return Ok(Standing::Stands);
            }
        }
        if let Room::Outside = self.room_at_endpoint(id, member, terms)? {
            return Err(Trouble::Outside);
        }
        match self.take_place(id, weight) {
            Taken::Yes => Ok(Standing::Stands),
            // Somebody was faster: there is less room now than a moment ago.
            Taken::No => self.standing(id, member, terms, scratch),
        }
    }

    /// Takes room under a limit on the total, which others ask for at the same time.
    fn take_place(&mut self, id: FamilyId, weight: u64) -> Taken {
        let stood = self.stood(id);
        let Family { part, plan, count, .. } = self.families.get_mut(id);
        let (Some(part), Some(total)) = (part, &plan.budget().enforced.total) else { return Taken::Yes };
        part.take(count.all + weight, total.series.max(part.others().saturating_add(stood)))
    }

    /// How many series the family may have here: what the others have of a total is not to be had.
    pub(super) fn room_of(&self, id: FamilyId) -> Option<u64> {
        let family = self.families.get(id);
        let limits = &family.plan.budget().enforced;
        let own = limits.series.as_ref().map(|limit| limit.series);
        let total = limits.total.as_ref().map(|limit| {
            let others = family.part.as_ref().map_or(0, Part::others);
            limit.series.saturating_sub(others)
        });
        [own, total].into_iter().flatten().min()
    }

    /// How many series of the family stood here when another guard counted them: they still stand.
    fn stood(&self, id: FamilyId) -> u64 {
        let family = self.families.get(id);
        let own = family.plan.budget().enforced.series.as_ref();
        family.part.as_ref().map_or(0, Part::had).min(own.map_or(u64::MAX, |limit| limit.series))
    }

    /// Whether a member with this output label set makes a line that was not there before.
    fn adds(&self, family: FamilyId, member: SeriesHash, out: SeriesHash) -> bool {
        let since = self.families.get(family).count.since;
        match self.fold.members.find(member) {
            // It joins one that stands for itself already.
            None => self.fold.lone(out).is_none(),
            // Known, and not counted: folded until now, or absent while it was, or read from the store.
            Some(id) if self.fold.is_new(id) => false,
            Some(id) => {
                let member = self.fold.members.get(id);
                member.group().is_some() || !member.is_met() || member.seen < since
            }
        }
    }

    /// Lines that one member of the family makes, as far as members are known.
    pub(super) fn weight(&self, id: FamilyId) -> u64 {
        let family = &self.fold.families[id.index()];
        (family.usual_fields.max(1) + family.quantiles.len()) as u64
    }

    /// Makes room: the group that was longest without a member is not shown any more.
    pub(super) fn retire(&mut self, id: FamilyId) -> bool {
        self.alike.clear();
        match self.fold.retire(id) {
            Some(lines) => {
                let all = self.families.get(id).count.all;
                self.families.set_count(id, all.saturating_sub(lines));
                true
            }
            None => false,
        }
    }

    /// A line that stands for itself counts.
    pub(super) fn count_line(&mut self, id: FamilyId, what: What) {
        if let What::Noted { member, field } = what
            && self.fold.stands(member, field, self.families.get(id).count.since)
        {
            if !self.fold.members.get(member).is_met() && !self.fold.is_new(member) {
                self.awaited = self.awaited.saturating_sub(1);
            }
            let scrape = self.scrape;
            self.families.count(id, scrape);
            if let Some(part) = &mut self.part {
                part.set(self.families.series());
            }
        }
    }

    fn keeps_out(&mut self, id: FamilyId, set: SeriesHash) -> Arrival {
        let family = self.families.get(id).hash.0;
        self.budgets.keeps_out(family, set.0)
    }

    /// Where a limit is effective, the label set there would be without it counts.
    fn count_demand(&mut self, id: FamilyId, scratch: &mut Scratch) {
        let family = self.families.get(id);
        let Books { out, held, .. } = &mut scratch.books;
        let is_counted = self.budgets.demand(family.hash.0).is_some();
        if !is_counted && family.collapsed.is_empty() && held.is_empty() {
            return;
        }
        if !is_counted {
            // From here on whoever is met is counted: these were.
            for set in self.fold.standing(id, self.counts_since(id)) {
                self.budgets.demanded(family.hash.0, set);
            }
        }
        let set = if held.is_empty() {
            key(&self.seed, &mut self.wordings, family, out, &mut scratch.key)
        } else {
            let mut wanted = out.clone();
            held.drain(..).rev().for_each(|(name, value)| wanted.set(&name, &value));
            key(&self.seed, &mut self.wordings, family, &wanted, &mut scratch.key)
        };
        self.budgets.demanded(family.hash.0, set.0);
    }

    /// The policy that limits a family, if it is one: of two limits the one that leaves less room.
    pub(super) fn limiting(&self, id: FamilyId) -> Arc<str> {
        let family = self.families.get(id);
        let SeriesLimits { series, total, .. } = &family.plan.budget().enforced;
        let others = family.part.as_ref().map_or(0, Part::others);
        let own = series.iter().map(|limit| (limit.series, &limit.policy));
        let all = own.chain(total.iter().map(|limit| (limit.series.saturating_sub(others), &limit.policy)));
        all.min_by_key(|(room, _)| *room).map_or_else(|| ENDPOINT_LIMIT.into(), |(_, policy)| policy.clone())
    }

    /// Who refuses a series a place, and how.
    fn refusal(&self, id: FamilyId, action: LimitAction) -> Cause {
        let policy = self.limiting(id);
        let action = match action {
            LimitAction::Drop | LimitAction::Fail => Action::SeriesDrop,
            LimitAction::Collapse | LimitAction::Overflow => Action::SeriesOverflow,
        };
        Cause { policy, label: "".into(), action }
    }

    /// `keep_labels` stay, the others say that they ran over. Where it is their names that explode, one
    /// label says it for all of them.
    fn overflow(&mut self, id: FamilyId, scratch: &mut Scratch) {
        let family = self.families.get(id);
        let out = &mut scratch.books.out;
        let is_kept = |name: &str| family.plan.budget().keep.iter().any(|kept| **kept == *name);
        let mut names: Vec<String> = out.iter().map(|(name, _)| name.to_owned()).collect();
        names.retain(|name| !is_kept(name));
        names.iter().for_each(|name| out.set(name, OVERFLOW));
        let set = key(&self.seed, &mut self.wordings, family, out, &mut scratch.key);
        let form = names_hash(&self.seed, names.iter().map(String::as_str), &mut scratch.key);
        let is_known = self.fold.find_group(set).is_some();
        if !is_known && !names.is_empty() && !self.budgets.has_form(family.hash.0, form) {
            for name in &names {
                if let Ok(at) = out.position(name) {
                    out.remove_at(at);
                }
            }
            if !is_kept(OVERFLOW_LABEL) {
                out.set(OVERFLOW_LABEL, OVERFLOW);
            }
        }
    }

    /// The scrape has failed.
    pub(super) fn rollback_limits(&mut self) {
        self.doors = self.doors_before;
        let scrape = self.scrape;
        self.families.counts(|_, count| count.take_back(scrape));
        self.publish();
        let collapses = self.budgets.collapses().len();
        self.budgets.rollback();
        if self.budgets.collapses().len() != collapses {
            self.spread_collapses();
            self.recount();
        }
    }

    /// Another plan applies: what it leaves as it was stays as it is (rule 5.3).
    pub(super) fn replan_limits(&mut self, plan: &Plan) {
        let steps = plan.step_keys();
        self.budgets.keep_steps(|key| steps.contains(&key));
        let families = &self.families;
        let fingerprint = |key| families.by_hash(key).map(|f| f.plan.budget().fingerprint);
        let changed = |c: &Collapse| fingerprint(c.family).is_some_and(|now| now != c.fingerprint);
        self.budgets.end_collapses(changed);
        self.budgets.open_gates(|key| families.by_hash(key).is_none_or(|f| f.plan.budget().enforced.is_unlimited()));
        self.spread_collapses();
        self.recount();
        self.await_restored();
    }

    /// Hands every family the labels that limits on series fold away.
    pub(super) fn spread_collapses(&mut self) {
        let ids: Vec<FamilyId> = self.families.ids().collect();
        ids.into_iter().for_each(|id| self.take_up_collapses(id));
    }

    pub(super) fn take_up_collapses(&mut self, id: FamilyId) {
        let key = self.families.get(id).hash.0;
        let mine = |c: &&Collapse| c.family == key && c.origin == Origin::Series;
        let collapsed = self.budgets.collapses().iter().filter(mine).cloned().collect();
        self.families.get_mut(id).collapsed = collapsed;
    }

    /// Counts the output series of every family anew.
    pub(super) fn recount(&mut self) {
        let since: Vec<u32> = self.families.ids().map(|id| self.counts_since(id)).collect();
        let counted = self.fold.count_series(|id| since[id.index()]);
        self.families.counts(|id, count| *count = SeriesCount::new(counted[id.index()], since[id.index()]));
    }

    /// What was read from the store and stood for itself counts when it is met; until then its place
    /// is nobody else's.
    fn await_restored(&mut self) {
        let since: Vec<u32> = self.families.ids().map(|id| self.counts_since(id)).collect();
        self.awaited = self.fold.count_unmet(|id| since[id.index()]);
    }

    /// Second of the endpoint clock from which on series count. What came before a label was folded
    /// away will come back folded.
    pub(super) fn counts_since(&self, id: FamilyId) -> u32 {
        let family = self.families.get(id);
        let ttl = family.plan.budget().enforced.ttl_seconds();
        let folded = self.budgets.collapses().iter().filter(|c| c.family == family.hash.0).map(|c| c.since);
        folded.fold((self.fold.clock.seconds() - ttl).max(0.0), f64::max).ceil() as u32
    }

    /// Counts the output series of one family anew, in the middle of a scrape.
    pub(super) fn recount_family(&mut self, id: FamilyId) {
        let oldest = self.counts_since(id);
        let all = self.fold.count_family(id, oldest, self.weight(id));
        self.families.set_count(id, all);
        self.families.get_mut(id).count.since = oldest;
    }

    /// Whether a member still stands for itself, or its group does.
    pub(super) fn still_stands(&self, key: u64, oldest: u32) -> bool {
        let key = SeriesHash(key);
        let lone = |id: MemberId| self.fold.members.get(id).seen >= oldest;
        self.fold.find_group(key).is_some() || self.fold.lone(key).is_some_and(lone)
    }
}

/// Takes folded labels out of a label set; says who is to blame when it had any.
pub(super) fn fold_away<'c>(labels: &mut LabelSet, collapses: impl Iterator<Item = &'c Collapse>) -> Option<Cause> {
    let mut cause = None;
    for collapse in collapses {
        if let Ok(at) = labels.position(&collapse.label) {
            labels.remove_at(at);
            cause.get_or_insert_with(|| collapse.cause());
        }
    }
    cause
}

/// The label that says it for series of whom no other may.
const OVERFLOW_LABEL: &str = "overflow";

/// The name under which the endpoint's own limit is reported.
pub const ENDPOINT_LIMIT: &str = "endpoint_series_limit";
