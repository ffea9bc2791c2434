//! Relief: what the guard does when a limit is passed in the middle of a body. What the family has
//! shown in this body is still held, so it is rewound and folded as if it had been so from its
//! first line; nothing is lost and nothing counted twice (rule 5.2).

use std::collections::HashMap;
use std::sync::Arc;

use super::budgets::{Collapse, Gate, Origin};
use super::doubles::Fate;
use super::families::Phase;
use super::limits::{Patience, Terms, Trouble, fold_away};
use super::lines::LoneLine;
use super::meet::{labels_as_written, take_reserved};
use super::notes::Waypoint;
use super::series::{Forget, What};
use super::state::EndpointState;
use super::wordings::key;
use super::{Guard, MOST_RESTARTS, Retained, ScrapeError};
use crate::engine::cardinality::{Arrival, Suspects};
use crate::engine::exposition::{Step, SyntaxLimits, Tokens};
use crate::engine::fold::{FamilyId, GroupId, MemberId};
use crate::engine::model::{Format, LabelSet, SeriesHash};
use crate::engine::policy::{LimitAction, OVERFLOW};

/// How much of a family's lines in this body is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Whole,
    Part,
}

impl Guard {
    /// Makes room, or decides that there is none.
    pub(super) fn relieve(&mut self, trouble: Trouble) -> Result<(), ScrapeError> {
        self.want_body()?;
        match trouble {
            Trouble::Rewind(family) => {
                let may_start_over = self.retained == Retained::Whole && self.restarts < MOST_RESTARTS;
                let has_left = self.body.left.iter().any(|line| line.family == family);
                if may_start_over && (has_left || self.state.was_decided_too_early(family)) {
                    self.restarts += 1;
                    return Err(ScrapeError::StartedOver);
                }
                self.can_rewind(family)?;
                self.rewind(family)
            }
            Trouble::Full { family } => self.make_room(family, View::Part),
            Trouble::Crowded { newcomer } => self.make_room_for_all(newcomer),
            // Nobody is asked.
            Trouble::Outside => Ok(()),
        }
    }

    /// A family's block ends: what was waited for is decided.
    pub(super) fn relieve_family(&mut self, id: FamilyId, view: View) -> Result<(), ScrapeError> {
        let is_over = std::mem::take(&mut self.state.families.get_mut(id).over) == self.state.scrape;
        if is_over || self.is_beyond(id) { self.make_room(id, view) } else { Ok(()) }
    }

    /// Whether a limit that is new or lower finds the family beyond it. What is there already is left
    /// out by nobody (rule 5.5), but it can be folded, and a scrape can fail.
    fn is_beyond(&mut self, id: FamilyId) -> bool {
        let family = self.state.families.get(id);
        let is_gated = self.state.budgets.gate(family.hash.0).is_some();
        let action = family.plan.budget().enforced.action;
        let may_act = matches!(action, LimitAction::Collapse | LimitAction::Fail) && !is_gated;
        let Some(room) = self.state.room_of(id).filter(|_| may_act && self.is_here(id)) else { return false };
        while self.state.families.get(id).count.all > room {
            if !self.state.retire(id) {
                return true;
            }
        }
        false
    }

    /// Nothing waits any longer: the body ends, or its output has to leave.
    pub(super) fn relieve_all(&mut self, view: View) -> Result<(), ScrapeError> {
        let ids: Vec<FamilyId> = self.state.families.ids().collect();
        ids.iter().try_for_each(|&id| self.relieve_family(id, view))?;
        self.relieve_crowd()
    }

    fn make_room(&mut self, id: FamilyId, view: View) -> Result<(), ScrapeError> {
        self.want_body()?;
        let family = self.state.families.get(id);
        let most = self.state.room_of(id).unwrap_or(0);
        match family.plan.budget().enforced.action {
            // A double counts what the scrape would have kept out, had it not failed.
            LimitAction::Fail if self.state.observer.is_none() => {
                return Err(ScrapeError::SeriesLimit { family: family.name.clone(), limit: most });
            }
            LimitAction::Fail => {
                self.fate = Fate::Counts;
                return self.close(id, most);
            }
            LimitAction::Collapse => {}
            LimitAction::Overflow | LimitAction::Drop => return self.close(id, most),
        }
        self.can_rewind(id)?;
        let labels = self.culprits(id, most, view);
        let policy = self.state.limiting(id);
        match self.collapse(id, &policy, labels) {
            0 => self.close(id, most),
            _ => self.rewind(id),
        }
    }

    /// The family is full: what stands for itself keeps its place, longest there first, and what has
    /// none overflows.
    pub(super) fn close(&mut self, id: FamilyId, most: u64) -> Result<(), ScrapeError> {
        let places = (most / self.state.weight(id)) as usize;
        match self.state.close(id, places) {
            0 => Ok(()),
            _ => self.rewind(id),
        }
    }

    /// A family whose lines have left cannot be folded in this scrape any more: it fails, once.
    fn can_rewind(&mut self, id: FamilyId) -> Result<(), ScrapeError> {
        if self.is_here(id) {
            return Ok(());
        }
        let name = self.state.families.get(id).name.clone();
        self.state.held_families.insert(name.clone());
        Err(ScrapeError::FamilyReturned(name))
    }

    /// Whether no line of the family has left in this scrape.
    pub(super) fn is_here(&self, id: FamilyId) -> bool {
        let block = &self.state.families.get(id).block;
        let has_left = matches!(block.phase, Phase::Shown | Phase::Reopened) || block.start < self.left_before();
        block.scrape != self.state.scrape || !has_left
    }

    /// The same where a series is folded although nothing of its family was.
    pub(super) fn can_fold(&mut self, what: What) -> Result<(), ScrapeError> {
        let What::Noted { member, .. } = what else { return Ok(()) };
        let members = &self.state.fold.members;
        if !self.is_leaving || members.get(member).group().is_none() {
            return Ok(());
        }
        self.can_rewind(members.family(member))
    }

    /// The labels whose removal brings the family under its limit, and no more of them than needed.
    pub(super) fn culprits(&self, id: FamilyId, most: u64, view: View) -> Vec<Box<str>> {
        let budget = self.state.families.get(id).plan.budget();
        let members = (most / self.state.weight(id)) as usize;
        let suspects = self.suspects(id);
        // What came before comes back folded, and counts when it does. Of what is yet to come in this body
        // the text is not at hand: the part at hand has to shrink as the whole should.
        let members = match view {
            View::Whole => members,
            View::Part => {
                let whole = (self.state.families.get(id).count.all / self.state.weight(id)).max(1) as usize;
                members * suspects.len().min(whole) / whole
            }
        };
        let members = members.min(suspects.len());
        // Of a total that others have used up there may be no room at all: what cuts deep is right then.
        let deep = [suspects.len() / 10, suspects.len() / 2];
        // What is there fills the limit where the rest of the family has yet to come: then half of it is
        // room enough.
        let targets = [members, members / 2, members.saturating_sub(1)].into_iter().chain(deep);
        let targets = targets.filter(|target| *target > 0);
        let mut tried = targets.map(|target| suspects.clone().culprits(target, |label| budget.rank(label)));
        tried.find(|labels| !labels.is_empty()).unwrap_or_default()
    }

    /// The label sets the family shows, as far as their text is at hand.
    fn suspects(&self, id: FamilyId) -> Suspects {
        let mut suspects = Suspects::default();
        let mut tokens = self.line_tokens();
        let mut last = None;
        for line in self.lone_lines(id) {
            if last == Some(line.member) {
                continue;
            }
            last = Some(line.member);
            if let Some((name, mut labels)) = read(&mut tokens, self.output.peek(&self.input, line.at, line.len)) {
                if let Some(sample) = self.state.families.sample(&name) {
                    take_reserved(sample.role, &mut labels);
                }
                suspects.add(&labels, &self.state.seed);
            }
        }
        for &group in &self.state.fold.families[id.index()].groups {
            let group = self.state.fold.groups.get(group);
            if group.superseded || group.retired {
                continue;
            }
            if let Some(labels) = written_labels(&group.body) {
                suspects.add(&labels, &self.state.seed);
            }
        }
        suspects
    }

    /// Folds labels away; says how many are so only from here on.
    pub(super) fn collapse(&mut self, id: FamilyId, policy: &Arc<str>, labels: Vec<Box<str>>) -> usize {
        let before = self.state.budgets.collapses().len();
        let family = self.state.families.get(id);
        let (key, metric) = (family.hash.0, family.name.clone());
        let fingerprint = family.plan.budget().fingerprint;
        for label in labels {
            self.state.budgets.collapse(Collapse {
                family: key,
                metric: metric.clone(),
                label: label.into(),
                policy: policy.clone(),
                origin: Origin::Series,
                since: self.state.fold.clock.seconds(),
                fingerprint,
            });
        }
        self.state.take_up_collapses(id);
        self.state.budgets.collapses().len() - before
    }

    /// Folds what the family has shown in this body, and what it will show again.
    pub(super) fn rewind(&mut self, id: FamilyId) -> Result<(), ScrapeError> {
        self.state.alike.clear();
        let lines: Vec<LoneLine> = self.lone_lines(id).collect();
        self.state.families.set_count(id, 0);
        self.state.regroup_family(id);
        self.state.forget_spellings(id, Forget::Absent);
        let mut tokens = self.line_tokens();
        for line in lines {
            let Some((name, labels)) = read(&mut tokens, self.output.peek(&self.input, line.at, line.len)) else {
                continue;
            };
            self.meet_again(&name, &labels)?;
            if self.state.fold.members.get(line.member).group().is_some() {
                self.body.uplifted.push(line.member);
            }
        }
        self.state.recount_family(id);
        Ok(())
    }

    /// Decides a line of this body again. Limits have been asked about it before.
    fn meet_again(&mut self, name: &str, labels: &LabelSet) -> Result<(), ScrapeError> {
        let terms = Terms::of(&self.scrape, Patience::Again);
        loop {
            match self.state.meet(&[], name, labels, terms) {
                Ok(met) => {
                    self.body.uplifted.extend(met.uplifted);
                    return Ok(());
                }
                // Another label goes as well: all that was met again folds once more.
                Err(Trouble::Rewind(id)) => return self.rewind(id),
                Err(Trouble::Full { family: full } | Trouble::Crowded { newcomer: full }) => {
                    let _ = self.state.close(full, 0);
                }
                Err(Trouble::Outside) => return Ok(()),
            }
        }
    }

    /// Lines of this body that passed alone and are still held.
    fn lone_lines(&self, id: FamilyId) -> impl Iterator<Item = LoneLine> {
        let (fold, base) = (&self.state.fold, self.left_before());
        self.body.lone.iter().copied().filter(move |line| {
            let is_alone = fold.members.get(line.member).group().is_none();
            is_alone && fold.members.family(line.member) == id && line.at >= base
        })
    }

    fn line_tokens(&self) -> Tokens {
        let limits = SyntaxLimits { sample_size: 0, labels: 0 };
        Tokens::new(self.state.format, limits)
    }
}

/// The group that takes over from another, and who is to blame for it.
struct Heir {
    group: GroupId,
    /// The label set of the group before.
    set: SeriesHash,
    cause: u32,
    /// Whether that label set was folded before.
    is_news: bool,
}

impl EndpointState {
    /// Gives the first so many that stand for themselves their place, and nothing else; says how
    /// many have none.
    fn close(&mut self, id: FamilyId, places: usize) -> usize {
        self.alike.clear();
        let key = self.families.get(id).hash.0;
        let oldest = self.counts_since(id);
        let standing: Vec<u64> = self.fold.standing(id, oldest).filter(|&k| !self.is_overflow(id, k)).collect();
        if self.budgets.demand(key).is_none() {
            // From here on whoever is met is counted: these were.
            standing.iter().for_each(|&set| self.budgets.demanded(key, set));
        }
        // What stands cannot be left out any more.
        let is_kept =
            matches!(self.families.get(id).plan.budget().enforced.action, LimitAction::Drop | LimitAction::Fail);
        let inside = if is_kept { standing.len() } else { standing.len().min(places) };
        self.budgets.close(key, Gate::new(standing[..inside].iter().copied(), places));
        standing.len() - inside
    }

    /// Whether later policies or limits have folded series of the family that still had the label
    /// which a step folds away from here on.
    fn was_decided_too_early(&self, id: FamilyId) -> bool {
        let key = self.families.get(id).hash.0;
        let Some(collapse) = self.budgets.collapses().iter().rfind(|c| c.family == key) else { return false };
        let stage = self.causes.stage_of(&collapse.cause());
        let causes = self.fold.families[id.index()].pending.iter().map(|p| self.fold.members.class(p.member).cause);
        self.budgets.gate(key).is_some() || causes.into_iter().any(|cause| self.causes.stage(cause) > Some(stage))
    }

    /// Whether a label set is that of series without a place: nothing but kept labels says anything.
    fn is_overflow(&self, id: FamilyId, key: u64) -> bool {
        let group = self.fold.find_group(SeriesHash(key));
        let keep = &self.families.get(id).plan.budget().keep;
        let is_kept = |name: &str| keep.iter().any(|kept| **kept == *name);
        let marked = |labels: LabelSet| labels.iter().all(|(name, value)| value == OVERFLOW || is_kept(name));
        group.is_some_and(|g| written_labels(&self.fold.groups.get(g).body).is_some_and(marked))
    }

    /// Sends the members of groups that carry a folded label to the groups without it. Nothing
    /// moves between accumulators: the old groups freeze (rules 5.1, 5.7).
    pub(super) fn regroup_family(&mut self, id: FamilyId) {
        let groups = self.fold.families[id.index()].groups.clone();
        let hash = self.families.get(id).hash.0;
        // Where another limit was effective before, what folded was counted finer.
        let counts = self.budgets.demand(hash).is_none();
        let standing: Vec<u64> =
            if counts { self.fold.standing(id, self.counts_since(id)).collect() } else { Vec::new() };
        let heirs: HashMap<GroupId, Heir> =
            groups.into_iter().filter_map(|group| Some((group, self.heir(id, group)?))).collect();
        if counts {
            heirs.values().for_each(|heir| self.budgets.demanded(hash, heir.set.0));
        }
        if !heirs.is_empty() {
            // From here on whoever is met is counted: these were, with the label or without.
            standing.iter().for_each(|&set| self.budgets.demanded(hash, set));
            let groups = heirs.iter().map(|(&old, heir)| (old, heir.group)).collect();
            for (member, old) in self.fold.regroup_all(id, &groups) {
                self.blame_heir(member, &heirs[&old]);
            }
        }
        let weight = self.weight(id);
        let groups = self.fold.families[id.index()].groups.iter();
        // Heirs count when somebody comes to them.
        let shown = groups.filter(|&&g| !self.fold.groups.get(g).retired && !self.fold.is_founded(g)).count() as u64;
        self.families.set_count(id, shown * weight);
        self.families.get_mut(id).count.since = self.counts_since(id);
    }

    /// A member goes to an heir, for whom there was another change before or will be one after.
    fn blame_heir(&mut self, member: MemberId, heir: &Heir) {
        let class = *self.fold.members.class(member);
        let stage = |cause| self.causes.stage(cause);
        if stage(heir.cause) < stage(class.cause) {
            let set = self.fold.groups.get(heir.group).key;
            let is_later = |cause| stage(cause) > stage(heir.cause);
            let on_way = Waypoint { set, cause: heir.cause, is_stale: false };
            let number = self.notes.by_way_of_before(class.shadow, on_way, is_later);
            self.fold.blame(member, class.cause, number);
        } else {
            let number = self.notes.by_way_of(class.shadow, heir.set, class.cause, heir.is_news);
            self.fold.blame(member, heir.cause, number);
        }
    }

    /// The group that takes over from one that carries a folded label.
    fn heir(&mut self, id: FamilyId, group: GroupId) -> Option<Heir> {
        let old = self.fold.groups.get(group);
        let mut labels = written_labels(&old.body).filter(|_| !old.superseded && !old.retired)?;
        let family = self.families.get(id);
        let mine = |c: &&Collapse| c.family == family.hash.0;
        let cause = fold_away(&mut labels, self.budgets.collapses().iter().filter(mine))?;
        let cause = self.causes.number(&cause, &family.name);
        let mut buffer = Vec::new();
        let key = key(&self.seed, &mut self.wordings, family, &labels, &mut buffer);
        labels_as_written(&labels, &mut buffer);
        let old = self.fold.groups.get(group);
        let (hash, set) = (family.hash.0, old.key);
        let seed = old.heir(key, &buffer, cause);
        let heir = self.fold.group(seed);
        let is_news = self.budgets.keeps_out(hash, set.0) == Arrival::New;
        Some(Heir { group: heir, set, cause, is_news })
    }
}

/// Name and labels of one line.
fn read(tokens: &mut Tokens, line: &[u8]) -> Option<(String, LabelSet)> {
    match tokens.next(line, true) {
        Ok(Step::Sample(_)) => Some((tokens.name().to_owned(), tokens.labels().clone())),
        _ => None,
    }
}

/// The labels of a group, from how they are written.
pub(super) fn written_labels(body: &[u8]) -> Option<LabelSet> {
    let line = [b"x{", body, b"} 1\n"].concat();
    let mut tokens = Tokens::new(Format::Text, SyntaxLimits { sample_size: 0, labels: 0 });
    read(&mut tokens, &line).map(|(_, labels)| labels)
}
