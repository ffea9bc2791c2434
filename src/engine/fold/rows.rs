//! Members and groups as rows to be written down and read again, by position: the first piece
//! holds everything, each later one what a scrape changed.
//!
//! Who folds into what is not written: it is decided again when a series is met again (rule 7.5).

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::Fold;
use super::changes::{Changed, Changes, Numbers, as_count};
use super::composite::MOST_USUAL;
use super::family::{FamilyId, FoldFamily, Shape};
use super::gauge::{GaugeFold, GaugeGain};
use super::group::{Bucket, Composite, Group, GroupId, GroupSeed, Slot, Totals};
use super::hold::Hold;
use super::journal::{Extent, Signature};
use super::layout::{Boundary, LayoutId};
use super::member::{MemberId, MemberSeed, Members};
use super::names::{NameSets, NamesId};
use super::sum::Sum;
use crate::engine::model::SeriesHash;

/// What one piece says about members and groups.
/// Members are written one by one as they are found, and read as lists.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Rows<M = Vec<MemberRow>, C = Changes> {
    now: f64,
    primed: u8,
    members: M,
    changed: C,
    present: Vec<(u32, u32)>,
    groups: Vec<GroupRow>,
    changed_groups: Vec<(u32, GroupState)>,
    created: Vec<(u32, f64)>,
    stamps: Vec<(u32, u32, i64)>,
    /// Of members that have another label-name set than the first one of their family.
    names: Vec<(u32, u8)>,
    /// Only where everything is written; oldest first.
    fingerprints: Vec<Key>,
}

/// What folding says about one family.
#[derive(Debug, Serialize, Deserialize)]
pub struct FamilyRow {
    /// Place in [`Shape::ALL`].
    shape: u8,
    primed: u8,
    member_ttl_seconds: f64,
    names: Vec<Key>,
    last_names: Key,
    newest_created: f64,
    /// Parent, boundary, spelling, in order of birth.
    layouts: Vec<(u32, f64, String)>,
}

/// The rows do not fit together: they were not written by this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rows that do not fit together")]
pub struct Misfit;

type Key = [u8; 8];

#[derive(Debug, Serialize, Deserialize)]
pub struct MemberRow {
    key: Key,
    family: u32,
    seen: u32,
    values: Values,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Values {
    layout: u32,
    fields: Fields,
}

/// Nearly all members have one value.
#[derive(Debug, Deserialize)]
#[serde(from = "Vec<Number>")]
enum Fields {
    One([Number; 1]),
    Many(Vec<Number>),
}

/// Members from a position on.
#[derive(Debug)]
pub struct Born<'a>(&'a Members, usize);

/// Most numbers are counts, and small.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Number {
    Count(u64),
    Real(f64),
}

#[derive(Debug, Serialize, Deserialize)]
struct GroupRow {
    key: Key,
    family: u32,
    body: Vec<u8>,
    gauge: u8,
    /// Seconds, or negative: the usual.
    hold: f64,
    group_ttl_seconds: f64,
    pinned: Option<Vec<f64>>,
    state: GroupState,
}

#[derive(Debug, Serialize, Deserialize)]
struct GroupState {
    /// 1 while it is, and 2 more when it is off show.
    newborn: u8,
    first_shown: Option<f64>,
    last_member: f64,
    totals: TotalsRow,
}

#[derive(Debug, Serialize, Deserialize)]
enum TotalsRow {
    Nothing,
    Counter(SumRow),
    Composite(Box<CompositeRow>),
}

#[derive(Debug, Serialize, Deserialize)]
struct CompositeRow {
    shaped: u8,
    has_sum: u8,
    infinity: Option<String>,
    sum: SumRow,
    count: SumRow,
    buckets: Vec<(f64, String, SumRow)>,
}

/// Both halves of a sum.
type SumRow = (Number, Number);

impl Fold {
    /// What the next piece has to say; `outside` is what the caller keeps about each family.
    pub fn rows(&self, extent: Extent) -> Rows<Born<'_>, Changed<'_>> {
        let journal = &self.journal;
        let (born, groups_born) = match extent {
            Extent::Whole => (0, 0),
            Extent::Changes => (journal.members, journal.groups),
        };
        let mut rows = Rows {
            now: self.clock.seconds(),
            primed: self.primed.into(),
            members: Born(&self.members, born),
            changed: Changed(&self.members, &[]),
            groups: self.groups.iter().skip(groups_born).map(GroupRow::of).collect(),
            names: self.names.iter().filter(|(id, _)| id.index() >= born).map(|(id, names)| (id.0, names.0)).collect(),
            present: Vec::new(),
            changed_groups: Vec::new(),
            created: Vec::new(),
            stamps: Vec::new(),
            fingerprints: Vec::new(),
        };
        match extent {
            Extent::Whole => {
                rows.created = self.created.iter().map(|(id, &c)| (id.0, c)).collect();
                rows.stamps = self.stamps.iter().map(|(&(id, field), &s)| (id.0, field, s)).collect();
                rows.fingerprints = self.fingerprints.iter().map(|key| key.0.to_le_bytes()).collect();
            }
            Extent::Changes => self.changed_rows(&mut rows),
        }
        rows
    }

    fn changed_rows<'a>(&'a self, rows: &mut Rows<Born<'a>, Changed<'a>>) {
        let journal = &self.journal;
        rows.changed = Changed(&self.members, &journal.changed_members);
        rows.present.clone_from(&journal.present);
        let state = |&id: &GroupId| (id.0, GroupState::of(self.groups.get(id)));
        rows.changed_groups = journal.changed_groups.iter().map(state).collect();
        rows.created = journal.created.iter().filter_map(|id| Some((id.0, *self.created.get(id)?))).collect();
        let stamp = |&(id, field): &(MemberId, u32)| Some((id.0, field, *self.stamps.get(&(id, field))?));
        rows.stamps = journal.stamps.iter().filter_map(stamp).collect();
    }

    /// Families that have to be written; `outside` tells what the caller keeps about each.
    pub fn family_rows(&self, extent: Extent, outside: impl Fn(FamilyId) -> u64) -> Vec<(FamilyId, FamilyRow)> {
        let all = self.families.iter().enumerate().map(|(at, family)| (FamilyId(at as u32), family));
        let due = all.filter(|(id, family)| {
            extent == Extent::Whole || self.journal.has_changed(*id, &Signature::of(family, outside(*id)))
        });
        due.map(|(id, family)| (id, FamilyRow::of(family))).collect()
    }

    /// Everything up to here is written down, or was just read.
    pub fn written(&mut self, outside: impl Fn(FamilyId) -> u64) {
        let signature = |(at, family): (usize, &FoldFamily)| Signature::of(family, outside(FamilyId(at as u32)));
        let families = self.families.iter().enumerate().map(signature).collect();
        self.journal.written(self.members.len(), self.groups.len(), families);
    }

    /// Takes up a family, known or new.
    pub fn read_family(&mut self, id: FamilyId, row: FamilyRow) -> Result<(), Misfit> {
        let shape = row.shape().ok_or(Misfit)?;
        if id.index() == self.families.len() {
            self.families.push(FoldFamily::new(shape, false));
        }
        let family = self.families.get_mut(id.index()).ok_or(Misfit)?;
        family.primed = row.primed != 0;
        family.member_ttl_seconds = row.member_ttl_seconds;
        let names = row.names.into_iter().map(u64::from_le_bytes).collect();
        family.names = NameSets::resume(names, u64::from_le_bytes(row.last_names));
        family.newest_created = row.newest_created;
        for (parent, le, text) in row.layouts {
            if parent as usize >= family.layouts.len() {
                return Err(Misfit);
            }
            let id = family.layouts.extend(LayoutId(parent), le, &text);
            let fields = super::field::BUCKETS as usize + family.layouts.get(id).len();
            family.usual_fields = family.usual_fields.max(fields).min(MOST_USUAL);
        }
        family.layouts.commit();
        Ok(())
    }

    /// Takes up one piece; its families were taken up before.
    pub fn read(&mut self, rows: Rows) -> Result<(), Misfit> {
        self.clock.resume(rows.now);
        self.primed = rows.primed != 0;
        rows.members.into_iter().try_for_each(|row| self.read_member(row))?;
        self.read_changes(&rows.changed)?;
        for (first, len) in rows.present {
            for at in first..first.checked_add(len).ok_or(Misfit)? {
                let id = self.member_at(at)?;
                self.members.set_seen(id, rows.now as u32);
            }
        }
        rows.groups.into_iter().try_for_each(|row| self.read_group(row))?;
        for (at, state) in rows.changed_groups {
            if at as usize >= self.groups.len() {
                return Err(Misfit);
            }
            state.give(self.groups.get_mut(GroupId(at)))?;
        }
        for (at, names) in rows.names {
            self.member_at(at)?;
            let family = self.members.family(MemberId(at));
            if usize::from(names) >= self.families[family.index()].names.hashes().len() {
                return Err(Misfit);
            }
            self.names.insert(MemberId(at), NamesId(names));
        }
        for (at, created) in rows.created {
            self.member_at(at)?;
            self.created.insert(MemberId(at), created);
        }
        for (at, field, stamp) in rows.stamps {
            self.member_at(at)?;
            self.stamps.insert((MemberId(at), field), stamp);
        }
        self.fingerprints.extend(rows.fingerprints.into_iter().map(hash), 0);
        Ok(())
    }

    fn member_at(&self, at: u32) -> Result<MemberId, Misfit> {
        if at as usize >= self.members.len() {
            return Err(Misfit);
        }
        Ok(MemberId(at))
    }

    fn read_member(&mut self, row: MemberRow) -> Result<(), Misfit> {
        if row.family as usize >= self.families.len() {
            return Err(Misfit);
        }
        let seed = MemberSeed { key: hash(row.key), family: FamilyId(row.family), cause: 0, shadow: 0 };
        let id = self.members.insert(seed, row.values.fields.as_ref().len());
        self.members.set_seen(id, row.seen);
        self.read_values(id, row.values.fields.as_ref().iter().map(|&value| value.into()));
        self.read_layout(id, LayoutId(row.values.layout))
    }

    fn read_changes(&mut self, changes: &Changes) -> Result<(), Misfit> {
        for change in changes.iter() {
            let change = change.ok_or(Misfit)?;
            let id = self.member_at(change.at)?;
            self.read_layout(id, change.layout)?;
            match change.values {
                Numbers::One(value) => self.members.set_last(id, 0, value),
                Numbers::Many(values) => self.read_values(id, values.into_iter()),
            }
        }
        Ok(())
    }

    fn read_layout(&mut self, id: MemberId, layout: LayoutId) -> Result<(), Misfit> {
        let class = self.members.class(id);
        if layout.0 as usize >= self.families[class.family.index()].layouts.len() {
            return Err(Misfit);
        }
        if class.layout != layout {
            self.members.set_layout(id, layout);
        }
        Ok(())
    }

    fn read_values(&mut self, id: MemberId, values: impl Iterator<Item = f64>) {
        values.enumerate().for_each(|(at, value)| self.members.set_last(id, at as u32, value));
    }

    fn read_group(&mut self, row: GroupRow) -> Result<(), Misfit> {
        let family = self.families.get_mut(row.family as usize).ok_or(Misfit)?;
        let seed = GroupSeed {
            key: hash(row.key),
            family: FamilyId(row.family),
            body: &row.body,
            cause: 0,
            gauge: GaugeFold::ALL.get(usize::from(row.gauge)).copied().ok_or(Misfit)?,
            hold: if row.hold < 0.0 { Hold::Auto } else { Hold::Fixed(row.hold) },
            group_ttl_seconds: row.group_ttl_seconds,
            pinned: row.pinned.map(Arc::from),
        };
        let id = self.groups.insert(seed, family.shape, false);
        family.groups.push(id);
        row.state.give(self.groups.get_mut(id))
    }
}

impl Rows {
    /// Whether no member and no group is born in them.
    pub fn bear_nothing(&self) -> bool {
        self.members.is_empty() && self.groups.is_empty()
    }
}

impl FamilyRow {
    pub fn shape(&self) -> Option<Shape> {
        Shape::ALL.get(usize::from(self.shape)).copied()
    }

    fn of(family: &FoldFamily) -> FamilyRow {
        FamilyRow {
            shape: family.shape as u8,
            primed: family.primed.into(),
            member_ttl_seconds: family.member_ttl_seconds,
            names: family.names.hashes().iter().map(|n| n.to_le_bytes()).collect(),
            last_names: family.names.last().to_le_bytes(),
            newest_created: family.newest_created,
            layouts: family.layouts.steps().map(|(parent, b)| (parent.0, b.le, b.text.clone().into())).collect(),
        }
    }
}

impl MemberRow {
    fn of(members: &Members, id: MemberId) -> MemberRow {
        MemberRow {
            key: members.key(id).0.to_le_bytes(),
            family: members.family(id).0,
            seen: members.get(id).seen,
            values: Values::of(members, id),
        }
    }
}

impl Values {
    fn of(members: &Members, id: MemberId) -> Values {
        let fields = match members.only_value(id) {
            Some(value) => Fields::One([value.into()]),
            None => Fields::Many(members.values(id).into_iter().map(Number::from).collect()),
        };
        Values { layout: members.class(id).layout.0, fields }
    }
}

impl AsRef<[Number]> for Fields {
    fn as_ref(&self) -> &[Number] {
        match self {
            Fields::One(one) => one,
            Fields::Many(many) => many,
        }
    }
}

impl From<Vec<Number>> for Fields {
    fn from(many: Vec<Number>) -> Fields {
        Fields::Many(many)
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().serialize(serializer)
    }
}

impl Serialize for Born<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Born(members, from) = *self;
        serializer.collect_seq((from..members.len()).map(|at| MemberRow::of(members, MemberId(at as u32))))
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Number {
        as_count(value).map_or(Number::Real(value), Number::Count)
    }
}

impl From<Number> for f64 {
    fn from(number: Number) -> f64 {
        match number {
            Number::Count(count) => count as f64,
            Number::Real(value) => value,
        }
    }
}

impl GroupRow {
    fn of(group: &Group) -> GroupRow {
        GroupRow {
            key: group.key.0.to_le_bytes(),
            family: group.family.0,
            body: group.body.to_vec(),
            gauge: GaugeFold::ALL.iter().position(|g| *g == group.gauge).unwrap_or_default() as u8,
            hold: match group.hold {
                Hold::Fixed(seconds) => seconds,
                Hold::Auto => -1.0,
            },
            group_ttl_seconds: group.group_ttl_seconds,
            pinned: group.pinned.as_deref().map(<[f64]>::to_vec),
            state: GroupState::of(group),
        }
    }
}

impl GroupState {
    fn of(group: &Group) -> GroupState {
        GroupState {
            newborn: u8::from(group.newborn) | u8::from(group.retired) << 1,
            first_shown: group.first_shown,
            last_member: group.last_member,
            totals: match &group.totals {
                Totals::Counter { total, .. } => TotalsRow::Counter(sum_row(*total)),
                Totals::Gauge(_) => TotalsRow::Nothing,
                Totals::Composite(composite) => TotalsRow::Composite(Box::new(CompositeRow::of(composite))),
            },
        }
    }

    fn give(self, group: &mut Group) -> Result<(), Misfit> {
        (group.newborn, group.retired) = (self.newborn & 1 != 0, self.newborn & 2 != 0);
        group.first_shown = self.first_shown;
        group.last_member = self.last_member;
        match (self.totals, &mut group.totals) {
            (TotalsRow::Counter(sum), Totals::Counter { total, .. }) => *total = sum_of(sum),
            (TotalsRow::Nothing, Totals::Gauge(gain)) => *gain = GaugeGain::default(),
            (TotalsRow::Composite(row), Totals::Composite(composite)) => row.give(composite),
            _ => return Err(Misfit),
        }
        Ok(())
    }
}

impl CompositeRow {
    fn of(composite: &Composite) -> CompositeRow {
        let bucket = |b: &Bucket| (b.boundary.le, b.boundary.text.clone().into(), sum_row(b.slot.total));
        CompositeRow {
            shaped: composite.shaped.into(),
            has_sum: composite.has_sum.into(),
            infinity: composite.infinity.as_deref().map(str::to_owned),
            sum: sum_row(composite.sum.total),
            count: sum_row(composite.count.total),
            buckets: composite.buckets.iter().map(bucket).collect(),
        }
    }

    fn give(self, composite: &mut Composite) {
        let slot = |sum: SumRow| Slot { total: sum_of(sum), gain: Sum::default() };
        let bucket = |(le, text, sum): (f64, String, SumRow)| Bucket {
            boundary: Boundary { le, text: text.into() },
            slot: slot(sum),
            leaving: false,
        };
        composite.shaped = self.shaped != 0;
        composite.has_sum = self.has_sum != 0;
        composite.infinity = self.infinity.map(Into::into);
        (composite.sum, composite.count) = (slot(self.sum), slot(self.count));
        composite.buckets = self.buckets.into_iter().map(bucket).collect();
    }
}

fn sum_row(sum: Sum) -> SumRow {
    let (high, low) = sum.halves();
    (high.into(), low.into())
}

fn sum_of((high, low): SumRow) -> Sum {
    Sum::from_halves(high.into(), low.into())
}

fn hash(key: Key) -> SeriesHash {
    SeriesHash(u64::from_le_bytes(key))
}
