//! A series met for the first time: the only place where labels are read and policies are asked.

use super::blame::LineSlot;
use super::budgets::{Asking, News, Terms as PlaceTerms};
use super::causes::NOBODY;
use super::families::{Family, Sample, Tracking, shape};
use super::limits::{Terms, Trouble};
use super::notes::{UNNOTED, Waypoint};
use super::process::START_TIME;
use super::series::What;
use super::state::{Books, EndpointState, Scratch};
use super::types::{Role, Scope};
use super::unremembered::Left;
use super::wordings::key;
use crate::engine::cardinality::Arrival;
use crate::engine::exposition::write_name_and_labels;
use crate::engine::fold::{FamilyId, GaugeFold, GroupId, GroupSeed, Hold, MemberId, MemberSeed, field};
use crate::engine::model::{Kind, LabelSet, Seed, SeriesHash};
use crate::engine::policy::{Action, Aggregate, Cause, Decision, FoldSettings, Outcome, Plan, SeriesRef};

/// What became of a new series.
pub(super) struct Met {
    pub place: Sample,
    pub what: What,
    /// A member that had passed alone and is folded from now on (rule 0.11).
    pub uplifted: Option<MemberId>,
    /// Whether it is left out now as it was before.
    pub was_left_out: bool,
}

impl EndpointState {
    /// Decides a series by its name and labels; `series` is how it is written. A limit may want relief
    /// first.
    pub(super) fn meet(
        &mut self,
        series: &[u8],
        name: &str,
        labels: &LabelSet,
        terms: Terms<'_>,
    ) -> Result<Met, Trouble> {
        let sample = self.sample(name, terms.plan);
        let mut scratch = std::mem::take(&mut self.scratch);
        let met = self.meet_in(sample, series, name, labels, terms, &mut scratch);
        self.scratch = scratch;
        met
    }

    /// Where a sample name belongs, learned once.
    fn sample(&mut self, name: &str, plan: &Plan) -> Sample {
        if let Some(sample) = self.families.sample(name) {
            return sample;
        }
        let place = self.types.place(self.format, name, Scope::InForce);
        let family = self.families.find(&place).unwrap_or_else(|| {
            let shape = shape(place.kind, &place.family, &self.types);
            let knew = self.families.knew(&place.family) || self.families.knew(name);
            self.fold.add_family(shape, knew);
            let id = self.families.add(&place, shape, self.format, plan, &self.seed);
            self.share_count(id);
            self.take_up_learned(id);
            id
        });
        let sample = Sample { family, role: place.role };
        self.families.learn_sample(name, sample);
        sample
    }

    fn meet_in(
        &mut self,
        sample: Sample,
        series: &[u8],
        name: &str,
        labels: &LabelSet,
        terms: Terms<'_>,
        scratch: &mut Scratch,
    ) -> Result<Met, Trouble> {
        let Sample { family: id, role } = sample;
        let family = self.families.get(id);
        let pass = Met { place: sample, what: What::Pass(id), uplifted: None, was_left_out: false };
        let is_start_time = &*family.name == START_TIME && labels.is_empty();
        if family.tracking == Tracking::No && !is_start_time && self.fold.families[id.index()].groups.is_empty() {
            return Ok(pass);
        }
        scratch.labels.copy_from(labels);
        let reserved = take_reserved(role, &mut scratch.labels);
        let reserved = reserved.as_ref().map(|(n, v)| (*n, v.as_str()));
        let decision = self.decide(id, SeriesRef { name, reserved, labels: &scratch.labels }, &mut scratch.books)?;
        let family = self.families.get(id);
        if role == Role::Value {
            self.wordings.learn(&self.seed, family, &scratch.labels, series);
        }
        let key = key(&self.seed, &mut self.wordings, family, &scratch.labels, &mut scratch.key);
        let metric = family.name.clone();
        self.count_values(id, role, &scratch.labels);
        let outcome = self.note_way(id, &decision, scratch);
        scratch.books.held = decision.held;
        let outcome = match self.limited(id, outcome, key, terms, scratch) {
            Err(Trouble::Outside) => {
                return Ok(self.turn_away(sample, name, key, reserved.map(|(_, value)| value)));
            }
            decided => decided?,
        };
        self.recall_outsider(id, LineSlot::of(role, reserved.map(|(_, value)| value)).mixed_with(key));
        let shadow = self.notes.number(&scratch.books.note);
        let is_fold = self.fold.find_group(key).is_some();
        let (cause, group, uplifted) = match &outcome {
            Outcome::Pass if !is_fold && shadow == UNNOTED && !is_start_time => {
                self.leave_unremembered(id, Left::ByPlan);
                return Ok(pass);
            }
            Outcome::Pass | Outcome::Unchanged => (NOBODY, self.fold.find_group(key), None),
            Outcome::Dropped(cause) => {
                return Ok(self.left_out(sample, cause, key, reserved, scratch));
            }
            Outcome::Changed(cause) => {
                let settings = self.families.get(id).plan.settings(decision.settings).clone();
                if settings.aggregate == Some(Aggregate::Drop) {
                    let cause = Cause { action: Action::Drop, ..cause.clone() };
                    return Ok(self.left_out(sample, &cause, key, reserved, scratch));
                }
                let number = self.causes.number(cause, &metric);
                let (group, uplifted) = self.group_for(id, number, cause.action, &settings, scratch);
                (number, Some(group), uplifted)
            }
        };
        let seed = MemberSeed { key, family: id, cause, shadow };
        let what = self.join(seed, group, role, reserved, &scratch.labels, &mut scratch.key);
        self.count_line(id, what);
        Ok(Met { place: sample, what, uplifted, was_left_out: false })
    }

    /// Finds or makes a member; `names` is the hash of its label names.
    pub(super) fn member(&mut self, seed: MemberSeed, names: impl FnOnce() -> u64) -> MemberId {
        let before = self.fold.members.len();
        let member = self.fold.member(seed);
        if self.fold.members.len() > before {
            self.fold.names_of(seed.family, member, names());
        } else {
            self.fold.blame(member, seed.cause, seed.shadow);
        }
        member
    }

    /// The number of a member that a line is; `reserved` is the value of the family's own label.
    pub(super) fn field_of(&mut self, role: Role, reserved: Option<&str>, family: FamilyId, member: MemberId) -> u32 {
        match (role, reserved) {
            (Role::Value, _) => field::VALUE,
            (Role::Sum, _) => field::SUM,
            (Role::Count, _) => field::COUNT,
            (Role::Created, _) => field::CREATED,
            (Role::Quantile, Some(quantile)) => {
                self.fold.families[family.index()].saw_quantile(quantile);
                field::QUANTILE
            }
            (Role::Bucket, Some(le)) => match le.parse::<f64>() {
                Ok(at) if !at.is_nan() => self.fold.bucket_field(family, member, at, le),
                _ => field::OTHER,
            },
            _ => field::OTHER,
        }
    }

    /// Asks the policies; those that give places are asked for one.
    fn decide(&mut self, id: FamilyId, series: SeriesRef<'_>, books: &mut Books) -> Result<Decision, Trouble> {
        let now = self.fold.clock.seconds();
        let Family { plan, name, hash, .. } = self.families.get_mut(id);
        books.note.clear();
        let mut asking = Asking {
            budgets: &mut self.budgets,
            seed: &self.seed,
            now,
            family: hash.0,
            metric: name,
            terms: PlaceTerms::of(plan.budget()),
            slots: &mut books.note.slots,
            news: News::None,
        };
        let decision = plan.enforce(series, &mut books.out, &mut asking);
        match asking.news {
            News::None => Ok(decision),
            News::Collapsed => Err(Trouble::Rewind(id)),
        }
    }

    /// Finds or makes the member and the field this line is.
    fn join(
        &mut self,
        seed: MemberSeed,
        group: Option<GroupId>,
        role: Role,
        reserved: Option<(&str, &str)>,
        labels: &LabelSet,
        buffer: &mut Vec<u8>,
    ) -> What {
        let seeds = self.seed;
        let member = self.member(seed, || names_hash(&seeds, labels.iter().map(|(name, _)| name), buffer));
        if role != Role::Value && self.is_split(seed.family, member, group) {
            return What::Noted { member, field: field::SPLIT };
        }
        self.fold.regroup(member, group);
        let field = self.field_of(role, reserved.map(|(_, value)| value), seed.family, member);
        What::Noted { member, field }
    }

    /// Whether another line of the member was sent to another group in this scrape. Only relabel
    /// rules can do that, by reading what tells the lines of a member apart.
    fn is_split(&mut self, family: FamilyId, member: MemberId, group: Option<GroupId>) -> bool {
        if !self.families.get(family).plan.may_split() {
            return false;
        }
        !self.sent.insert(member) && self.fold.members.get(member).group() != group
    }

    /// The group of the output label set. A lone member with just these labels joins it.
    fn group_for(
        &mut self,
        family: FamilyId,
        cause: u32,
        action: Action,
        settings: &FoldSettings,
        scratch: &mut Scratch,
    ) -> (GroupId, Option<MemberId>) {
        let f = self.families.get(family);
        let key = key(&self.seed, &mut self.wordings, f, &scratch.books.out, &mut scratch.key);
        labels_as_written(&scratch.books.out, &mut scratch.body);
        let seed = GroupSeed {
            key,
            family,
            body: &scratch.body,
            cause,
            gauge: gauge_fold(f.kind, &f.name, settings.aggregate, action),
            hold: settings.hold.map_or(Hold::Auto, |d| Hold::Fixed(d.as_secs_f64())),
            group_ttl_seconds: settings.group_ttl.as_secs_f64(),
            pinned: settings.histogram_buckets.clone(),
        };
        if let Some(group) = self.fold.find_group(key) {
            self.fold.groups.get_mut(group).claim(&seed);
            return (group, None);
        }
        let was_refused = self.was_refused(family, key);
        let group = self.fold.group(seed);
        self.fold.groups.get_mut(group).recalled = was_refused;
        self.fold.families[family.index()].member_ttl_seconds = settings.member_ttl.as_secs_f64();
        let lone = self.fold.lone(key);
        if let Some(lone) = lone {
            self.fold.regroup(lone, Some(group));
        }
        (group, lone)
    }

    /// Notes what a series became on the way, where several policies changed it: the last one is
    /// counted first, and blame is shared out when all lines are known.
    fn note_way(&mut self, id: FamilyId, decision: &Decision, scratch: &mut Scratch) -> Outcome {
        let Some(mut cause) = decision.first.as_ref() else { return decision.outcome.clone() };
        for further in &decision.further {
            let family = self.families.get(id);
            let key = key(&self.seed, &mut self.wordings, family, &further.labels, &mut scratch.key);
            let number = self.causes.number(cause, &family.name);
            scratch.books.note.pass(key, number, further.is_news);
            cause = &further.cause;
        }
        match &decision.outcome {
            Outcome::Changed(_) => Outcome::Changed(cause.clone()),
            other => other.clone(),
        }
    }

    /// A series that is left out; how it was changed before, if anybody changes series of its family.
    fn left_out(
        &mut self,
        place: Sample,
        cause: &Cause,
        own: SeriesHash,
        reserved: Option<(&str, &str)>,
        scratch: &mut Scratch,
    ) -> Met {
        let Sample { family: id, role } = place;
        let who = Left::by(cause);
        self.leave_unremembered(id, who);
        let note = &mut scratch.books.note;
        note.slots.clear();
        if self.families.get(id).plan.edits() {
            // Others may have been changed into what it was.
            note.way.insert(0, Waypoint { set: own, cause: NOBODY, is_stale: false });
        }
        let slot = LineSlot::of(role, reserved.map(|(_, value)| value));
        note.slot = (!note.way.is_empty()).then_some(slot);
        let note = self.notes.number(note);
        // Apart from what limits meet.
        let family = self.families.get(id);
        let policy = self.seed.hash(cause.policy.as_bytes()).0.wrapping_add(who as u64);
        let (cause, hash) = (self.causes.number(cause, &family.name), family.hash.0);
        let arrival = self.budgets.keeps_out(hash.rotate_left(1).wrapping_add(policy), slot.mixed_with(own));
        let was_left_out = matches!(arrival, Arrival::Known | Arrival::Again) || self.may_be_old(id, who);
        Met { place, what: What::Dropped { family: id, cause, note }, uplifted: None, was_left_out }
    }
}

/// Takes the label that is the family's own out of the label set.
pub(super) fn take_reserved(role: Role, labels: &mut LabelSet) -> Option<(&'static str, String)> {
    let name = role.own_label()?;
    let at = labels.position(name).ok()?;
    let value = labels.value(at).to_owned();
    labels.remove_at(at);
    Some((name, value))
}

pub(super) fn names_hash<'n>(seed: &Seed, names: impl Iterator<Item = &'n str>, buffer: &mut Vec<u8>) -> u64 {
    buffer.clear();
    for name in names {
        buffer.extend_from_slice(name.as_bytes());
        buffer.push(0xff);
    }
    seed.hash(buffer).0
}

/// `a="b",c="d"`: what stands between the braces.
pub(super) fn labels_as_written(labels: &LabelSet, body: &mut Vec<u8>) {
    body.clear();
    write_name_and_labels(body, "x", labels.iter());
    body.drain(..body.len().min(2));
    body.pop();
}

/// Rules 3.1, 3.2, 3.10 and 3.11: the policy's word, else by type and name.
pub(super) fn gauge_fold(kind: Kind, name: &str, aggregate: Option<Aggregate>, action: Action) -> GaugeFold {
    match aggregate {
        Some(Aggregate::Sum) => return GaugeFold::Sum,
        Some(Aggregate::Max) => return GaugeFold::Max,
        Some(Aggregate::Min) => return GaugeFold::Min,
        Some(Aggregate::Avg) => return GaugeFold::Avg,
        Some(Aggregate::Count) => return GaugeFold::Count,
        Some(Aggregate::Drop) => return GaugeFold::Drop,
        None => {}
    }
    let is_instant = name.ends_with("_timestamp_seconds") || name.ends_with("_created") || name.contains("_start_time");
    match kind {
        Kind::Info => GaugeFold::One,
        Kind::Gauge if name.ends_with("_info") => GaugeFold::One,
        _ if is_instant => GaugeFold::Max,
        _ if action.is_budget() => by_name(name),
        _ => GaugeFold::Sum,
    }
}

/// Nobody has thought about a gauge that a limit folds; its name often says what makes sense.
fn by_name(name: &str) -> GaugeFold {
    const LEAST: [&str; 4] = ["_up", "_healthy", "_ready", "_min"];
    const MEAN: [&str; 3] = ["_ratio", "_percent", "_celsius"];
    let ends_in = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    if ends_in(&LEAST) {
        GaugeFold::Min
    } else if ends_in(&["_max"]) {
        GaugeFold::Max
    } else if ends_in(&MEAN) {
        GaugeFold::Avg
    } else {
        GaugeFold::Sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_3_2_instants_fold_to_the_latest() {
        for name in ["job_last_success_timestamp_seconds", "x_created", "process_start_time_seconds"] {
            assert_eq!(gauge_fold(Kind::Gauge, name, None, Action::Drop), GaugeFold::Max, "{name}");
        }
        assert_eq!(gauge_fold(Kind::Gauge, "queue_depth", None, Action::Drop), GaugeFold::Sum);
        assert_eq!(gauge_fold(Kind::Gauge, "x_created", Some(Aggregate::Min), Action::Drop), GaugeFold::Min);
    }

    #[test]
    fn what_limits_fold_folds_by_name() {
        let fold = |name| gauge_fold(Kind::Gauge, name, None, Action::SeriesCollapse);
        assert_eq!([fold("worker_up"), fold("pool_ready"), fold("lag_min")], [GaugeFold::Min; 3]);
        assert_eq!([fold("lag_max"), fold("last_seen_timestamp_seconds")], [GaugeFold::Max; 2]);
        assert_eq!([fold("cpu_ratio"), fold("disk_percent")], [GaugeFold::Avg; 2]);
        assert_eq!([fold("jobs_active"), fold("max_jobs")], [GaugeFold::Sum; 2]);
        assert_eq!(gauge_fold(Kind::Gauge, "cpu_ratio", None, Action::Drop), GaugeFold::Sum);
    }

    #[test]
    fn labels_are_written_without_braces() {
        let mut body = Vec::new();
        labels_as_written(&[("a", "1"), ("b", "x\"y")].into_iter().collect(), &mut body);
        assert_eq!(String::from_utf8(body).unwrap(), r#"a="1",b="x\"y""#);
        let mut body = Vec::new();
        labels_as_written(&LabelSet::default(), &mut body);
        assert!(body.is_empty());
    }
}
