//! Members: what is remembered about each input series.

use super::ages::Ages;
use super::class::{Class, ClassId, Classes, Role, RoleId, Roles};
use super::family::FamilyId;
use super::group::{GroupId, Turn};
use super::layout::LayoutId;
use super::value::{Many, Value};
use crate::engine::model::{Index, SeriesHash, Spelled, Stamp, room};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(pub u32);

impl MemberId {
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a member begins.
#[derive(Clone, Copy, Debug)]
pub struct MemberSeed {
    /// Hash of family and input label set.
    pub key: SeriesHash,
    pub family: FamilyId,
    /// Who changed its label set: an index the caller understands.
    pub cause: u32,
    /// What observers would make of it: an index the caller understands.
    pub shadow: u32,
}

/// What is known of a member, out of its record.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    role: Role,
    /// Second of the endpoint clock at which it was last in a committed scrape.
    pub seen: u32,
    marks: u16,
}

/// 32 bytes: two to a cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub value: Value,
    pub key: SeriesHash,
    pub role: RoleId,
    pub seen: u32,
    /// Where the series of this member stands that is spelled as its key says. The code is the
    /// member's marks: the stamp of the pass that noted it last, and [`MET`].
    pub spelled: Spelled,
}

/// It was noted since it was made or read from the store.
pub(super) const MET: u16 = 1 << Stamp::BITS;

/// A member whose series is expected next.
#[derive(Debug)]
pub struct Expected<'a> {
    pub key: SeriesHash,
    /// `None`: alone, and passes as it came (rule 0.11).
    pub group: Option<GroupId>,
    pub class: ClassId,
    pub spelled: &'a mut Spelled,
}

/// Whether a commit has left something as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    None,
    Some,
}

/// What decides whether a member stays.
#[derive(Clone, Copy, Debug)]
pub struct Remembered {
    pub key: SeriesHash,
    pub family: FamilyId,
    pub shadow: u32,
    pub group: Option<GroupId>,
    pub seen: u32,
    /// Whether any did, since it was made or read from the store.
    pub is_met: bool,
}

/// What members of one role have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common {
    pub family: FamilyId,
    pub shadow: u32,
    pub group: Option<GroupId>,
}

impl Member {
    /// `None`: alone, and passes as it came (rule 0.11).
    #[inline]
    pub fn group(&self) -> Option<GroupId> {
        self.role.group()
    }

    #[inline]
    pub fn class(&self) -> ClassId {
        self.role.class
    }

    /// Whether it was noted since it was made or read from the store.
    pub fn is_met(&self) -> bool {
        self.marks & MET != 0
    }
}

impl Record {
    fn new(seed: MemberSeed, value: Value, role: RoleId) -> Record {
        Record { value, key: seed.key, role, seen: 0, spelled: Spelled::default() }
    }
}

/// All members of an endpoint, by position and by key.
#[derive(Debug, Default)]
pub struct Members {
    pub(super) all: Vec<Record>,
    pub(super) many: Many,
    classes: Classes,
    pub(super) roles: Roles,
    pub(super) index: Index,
    pub(super) ages: Ages,
    /// How many stand alone.
    pub(super) alone: usize,
}

impl Members {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    #[inline]
    pub fn get(&self, id: MemberId) -> Member {
        let record = &self.all[id.index()];
        Member { role: self.roles.get(record.role), seen: record.seen, marks: record.spelled.code() }
    }

    #[inline]
    pub fn key(&self, id: MemberId) -> SeriesHash {
        self.all[id.index()].key
    }

    #[inline]
    pub fn class(&self, id: MemberId) -> &Class {
        self.classes.get(self.get(id).class())
    }

    #[inline]
    pub fn family(&self, id: MemberId) -> FamilyId {
        self.class(id).family
    }

    /// The series that is spelled as the member's key says; empty when it is spelled otherwise or
    /// not known.
    #[inline]
    pub fn spelled(&self, at: usize) -> Option<(&Spelled, SeriesHash)> {
        self.all.get(at).map(|record| (&record.spelled, record.key))
    }

    /// The same, and where its increments go.
    #[inline]
    pub fn expected(&mut self, id: MemberId) -> Option<Expected<'_>> {
        let record = self.all.get_mut(id.index())?;
        let role = self.roles.get(record.role);
        Some(Expected { key: record.key, group: role.group(), class: role.class, spelled: &mut record.spelled })
    }

    #[inline]
    pub fn spelled_mut(&mut self, at: usize) -> Option<&mut Spelled> {
        self.all.get_mut(at).map(|record| &mut record.spelled)
    }

    /// The series of this member has so many bytes, and is followed by `next`.
    #[inline]
    pub fn spell(&mut self, id: MemberId, len: usize, next: u32) {
        let spelled = &mut self.all[id.index()].spelled;
        *spelled = Spelled::new(len, next, spelled.code());
    }

    #[inline]
    pub fn set_group(&mut self, id: MemberId, group: Option<GroupId>) {
        let class = self.get(id).class();
        let role = self.roles.number(Role::new(group, class));
        self.become_again(id, role);
    }

    #[inline]
    pub fn set_seen(&mut self, id: MemberId, seen: u32) {
        self.all[id.index()].seen = seen;
    }

    /// It was noted in this pass. Says whether it was so before.
    #[inline]
    pub(super) fn note(&mut self, id: MemberId, pass: Stamp) -> Turn {
        let spelled = &mut self.all[id.index()].spelled;
        if Stamp::from_raw(spelled.code()) == pass {
            return Turn::Later;
        }
        spelled.set_code(pass.raw() | MET);
        Turn::First
    }

    /// Where its increments go and who is to blame: what changes before a scrape is committed.
    pub(super) fn role(&self, id: MemberId) -> RoleId {
        self.all[id.index()].role
    }

    /// The scrape has failed.
    pub(super) fn become_again(&mut self, id: MemberId, role: RoleId) {
        let before = std::mem::replace(&mut self.all[id.index()].role, role);
        self.alone = self.alone + self.lone(role) - self.lone(before);
    }

    /// 1 when members of this role stand alone.
    #[inline]
    pub(super) fn lone(&self, role: RoleId) -> usize {
        usize::from(self.roles.get(role).group().is_none())
    }

    /// Stamps come round: none of an earlier pass stays.
    pub fn wipe(&mut self) {
        for Record { spelled, .. } in &mut self.all {
            spelled.set_stamp(Stamp::NEVER);
            spelled.set_code(spelled.code() & MET);
        }
    }

    /// Series of which `fits` is true are not known any more.
    pub fn forget_spellings(&mut self, fits: impl Fn(&Members, MemberId) -> bool) {
        for at in 0..self.all.len() {
            if !self.all[at].spelled.is_empty() && fits(self, MemberId(at as u32)) {
                self.all[at].spelled.forget();
            }
        }
    }

    /// Who followed a series from here on has another number.
    pub fn relink(&mut self, from: usize, new: impl Fn(u32) -> u32) {
        let all = self.all.iter_mut().skip(from);
        all.for_each(|record| record.spelled.next = new(record.spelled.next));
    }

    /// Who changed its label set, and what observers would make of it.
    pub fn attribute(&mut self, id: MemberId, cause: u32, shadow: u32) {
        let class = Class { cause, shadow, ..*self.class(id) };
        self.set_class(id, class);
    }

    pub(super) fn set_layout(&mut self, id: MemberId, layout: LayoutId) {
        let class = Class { layout, ..*self.class(id) };
        self.set_class(id, class);
    }

    fn set_class(&mut self, id: MemberId, class: Class) {
        let role = Role { class: self.classes.number(class), ..self.get(id).role };
        self.all[id.index()].role = self.roles.number(role);
    }

    #[inline]
    pub(super) fn class_of(&self, id: ClassId) -> &Class {
        self.classes.get(id)
    }

    #[inline]
    pub fn last(&self, id: MemberId, field: u32) -> f64 {
        let Value(bits) = self.all[id.index()].value;
        match Value(bits).place() {
            None if field == 0 => f64::from_bits(bits),
            None => f64::NAN,
            Some(at) => self.many.numbers[at].get(field as usize).copied().unwrap_or(f64::NAN),
        }
    }

    #[inline]
    pub fn set_last(&mut self, id: MemberId, field: u32, value: f64) {
        let member = &mut self.all[id.index()];
        if field == 0 && member.value.place().is_none() {
            member.value = Value::one(value);
        } else {
            self.many.set(&mut member.value, field as usize, value);
        }
    }

    /// A scrape with this value of a member that holds one number is committed; `None` when it
    /// holds several.
    #[inline]
    pub(super) fn commit_one(&mut self, id: MemberId, value: f64, now: u32) -> Option<Difference> {
        let member = &mut self.all[id.index()];
        if member.value.place().is_some() {
            return None;
        }
        let before = std::mem::replace(&mut member.value, Value::one(value));
        member.seen = now;
        Some(if before.0 == member.value.0 { Difference::None } else { Difference::Some })
    }

    /// The value of a member that holds one number.
    #[inline]
    pub(super) fn only_value(&self, id: MemberId) -> Option<f64> {
        let value = self.all[id.index()].value;
        value.place().is_none().then(|| f64::from_bits(value.0))
    }

    /// Every field, from the first.
    pub(super) fn values(&self, id: MemberId) -> Vec<f64> {
        let value = self.all[id.index()].value;
        match value.place() {
            None => vec![f64::from_bits(value.0)],
            Some(at) => self.many.numbers[at].clone(),
        }
    }

    /// Brings the place of a key near.
    #[inline]
    pub fn touch(&self, key: SeriesHash) {
        self.index.touch(key);
    }

    pub fn find(&self, key: SeriesHash) -> Option<MemberId> {
        self.index.find(key, |i| self.all[i as usize].key).map(MemberId)
    }

    pub(super) fn insert(&mut self, seed: MemberSeed, capacity: usize) -> MemberId {
        let id = self.all.len() as u32;
        let value = match capacity {
            0 | 1 => Value::UNKNOWN,
            n => self.many.insert(Vec::with_capacity(n)),
        };
        let MemberSeed { key, family, cause, shadow } = seed;
        let class = self.classes.number(Class { family, cause, shadow, layout: LayoutId::default() });
        let role = self.roles.number(Role::new(None, class));
        self.index.find_or_append(key, id, |i| self.all[i as usize].key);
        self.alone += 1;
        room::push(&mut self.all, Record::new(seed, value, role));
        MemberId(id)
    }

    /// A member of one number that is to what another is, and is spelled as its key says; `None` when
    /// there is one with its key.
    #[inline]
    pub(super) fn insert_like(&mut self, key: SeriesHash, model: MemberId, spelled: Spelled) -> Option<MemberId> {
        let Members { all, index, .. } = self;
        let id = all.len() as u32;
        if index.find_or_append(key, id, |i| all[i as usize].key).is_some() {
            return None;
        }
        let role = all[model.index()].role;
        room::push(all, Record { value: Value::UNKNOWN, key, role, seen: 0, spelled });
        self.alone += self.lone(role);
        Some(MemberId(id))
    }

    pub(super) fn truncate(&mut self, len: usize) {
        for at in len..self.all.len() {
            self.index.remove(self.all[at].key, at as u32);
            self.bid_farewell(at);
        }
        self.all.truncate(len);
        self.ages.truncate(len);
    }

    /// Every value becomes 0 (rule 1.4).
    pub(super) fn restart(&mut self) {
        let zero = |v: &mut f64| {
            if !v.is_nan() {
                *v = 0.0;
            }
        };
        for member in &mut self.all {
            match member.value.place() {
                Some(at) => self.many.numbers[at].iter_mut().for_each(zero),
                None if f64::from_bits(member.value.0).is_nan() => {}
                None => member.value = Value::one(0.0),
            }
        }
    }

    /// What these were is not known any more.
    pub(super) fn forget_values(&mut self, due: impl Fn(Remembered) -> bool) {
        for at in 0..self.all.len() {
            if due(self.remembered(at)) {
                match self.all[at].value.place() {
                    Some(place) => self.many.numbers[place].clear(),
                    None => self.all[at].value = Value::UNKNOWN,
                }
            }
        }
    }

    /// Groups went to other places, or away.
    pub(super) fn follow_groups(&mut self, new: impl Fn(GroupId) -> Option<GroupId>) {
        self.roles.follow_groups(new);
        self.alone = self.all.iter().map(|record| self.lone(record.role)).sum();
    }

    pub(super) fn remembered(&self, at: usize) -> Remembered {
        let record = &self.all[at];
        let role = self.roles.get(record.role);
        let class = self.classes.get(role.class);
        Remembered {
            key: record.key,
            family: class.family,
            shadow: class.shadow,
            group: role.group(),
            seen: record.seen,
            is_met: record.spelled.code() & MET != 0,
        }
    }

    /// How many numbers of it are known.
    pub(super) fn numbers(&self, id: MemberId) -> u64 {
        match self.all[id.index()].value.place() {
            None => u64::from(!self.last(id, 0).is_nan()),
            Some(at) => self.many.numbers[at].iter().filter(|v| !v.is_nan()).count() as u64,
        }
    }

    /// When each was last in a committed scrape.
    pub(super) fn seen(&self) -> impl Iterator<Item = u32> {
        self.all.iter().map(|record| record.seen)
    }

    /// Those that stand alone.
    pub(super) fn iter_alone(&self) -> impl Iterator<Item = (Remembered, MemberId)> {
        let all = if self.alone == 0 { 0 } else { self.all.len() as u32 };
        let all = (0..all).map(|at| (self.remembered(at as usize), MemberId(at)));
        all.filter(|(member, _)| member.group.is_none())
    }

    /// Role by role, also those that nobody has.
    pub(super) fn roles(&self) -> impl ExactSizeIterator<Item = Common> {
        self.roles.iter().map(|role| {
            let &Class { family, shadow, .. } = self.classes.get(role.class);
            Common { family, shadow, group: role.group() }
        })
    }

    /// Gives back room that is not needed; so many more may come soon.
    pub(super) fn give_back_room(&mut self, more: usize) {
        room::fit(&mut self.all, more);
    }

    pub fn iter(&self) -> impl Iterator<Item = Remembered> {
        (0..self.all.len()).map(|at| self.remembered(at))
    }

    /// Notes have other numbers now.
    pub fn renumber_shadows(&mut self, new: impl Fn(u32) -> u32) {
        self.renumber(|class| Class { shadow: new(class.shadow), ..class });
    }

    /// Families are at other places, and causes have other numbers.
    pub(super) fn follow_families(&mut self, family: impl Fn(FamilyId) -> FamilyId, cause: impl Fn(u32) -> u32) {
        self.renumber(|class| Class { family: family(class.family), cause: cause(class.cause), ..class });
    }

    /// The causes of members.
    pub(super) fn causes(&self) -> impl Iterator<Item = u32> {
        self.classes.iter().map(|class| class.cause)
    }

    /// Classes and roles of nobody go.
    pub(super) fn forget_classes(&mut self) {
        self.renumber(|class| class);
    }

    fn renumber(&mut self, new: impl Fn(Class) -> Class) {
        let (classes, roles) = (std::mem::take(&mut self.classes), std::mem::take(&mut self.roles));
        let mut numbers = vec![None; roles.len()];
        for record in &mut self.all {
            let number = &mut numbers[record.role.index()];
            record.role = *number.get_or_insert_with(|| {
                let role = roles.get(record.role);
                let class = self.classes.number(new(*classes.get(role.class)));
                self.roles.number(Role { class, ..role })
            });
        }
    }

    pub(super) fn memory(&self) -> usize {
        let beside = self.many.memory() + self.classes.memory() + self.roles.memory() + self.ages.memory();
        room::held(&self.all) + self.index.memory() + beside
    }
}

#[cfg(test)]
mod tests {
    use super::super::gone::Gone;
    use super::super::moved::Moved;
    use super::super::value::MANY;
    use super::*;

    fn seed(key: u64) -> MemberSeed {
        MemberSeed { key: SeriesHash(key), family: FamilyId(0), cause: 0, shadow: 0 }
    }

    #[test]
    fn one_number_or_many() {
        let mut members = Members::default();
        let id = members.insert(seed(1), 1);
        assert!(members.last(id, 0).is_nan() && members.last(id, 1).is_nan());
        members.set_last(id, 0, 5.0);
        assert_eq!(members.values(id), [5.0]);
        members.set_last(id, 2, 7.0);
        assert_eq!([members.last(id, 0), members.last(id, 2)], [5.0, 7.0]);
        assert!(members.last(id, 1).is_nan());
        members.restart();
        assert_eq!([members.last(id, 0), members.last(id, 2)], [0.0, 0.0]);
    }

    #[test]
    fn no_number_is_taken_for_a_place() {
        let mut members = Members::default();
        let id = members.insert(seed(1), 1);
        for bits in [MANY, MANY | 5, u64::MAX, f64::NEG_INFINITY.to_bits(), 0, 1 << 63] {
            let value = f64::from_bits(bits);
            members.set_last(id, 0, value);
            let read = members.last(id, 0);
            assert!(read.to_bits() == bits || read.is_nan() && value.is_nan(), "{bits:x}");
        }
        assert!(members.many.numbers.is_empty());
    }

    fn retain(members: &mut Members, stays: impl Fn(SeriesHash) -> bool) -> Moved {
        let mut words = vec![0; members.len().div_ceil(64)];
        let gone = members.iter().zip(0..).filter(|(member, _)| !stays(member.key));
        gone.for_each(|(_, at)| words[at / 64] |= 1_u64 << (at % 64));
        let used = vec![true; members.roles.len()];
        members.leave(Gone::of(words), &used)
    }

    #[test]
    fn places_of_the_forgotten_are_used_again() {
        let mut members = Members::default();
        for round in 0..10 {
            for key in 0..3 {
                let id = members.insert(seed(key), 4);
                members.set_last(id, 3, f64::from(round));
            }
            let moved = retain(&mut members, |key| key == SeriesHash(2));
            assert_eq!(moved.place(MemberId(2)), Some(MemberId(0)));
            assert_eq!(members.last(MemberId(0), 3), f64::from(round));
            members.truncate(0);
        }
        assert_eq!((members.many.numbers.len(), members.find(SeriesHash(2))), (3, None));
    }

    #[test]
    fn whoever_goes_the_others_are_found() {
        let key = |at: u32| u64::from(at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for goes in [|at| at % 3 == 0, |at| at % 50 == 7, |at| at < 20, |at| at > 985, |_| false, |_| true] {
            let mut members = Members::default();
            for at in 0..1000 {
                let id = members.insert(seed(key(at)), 1);
                members.set_last(id, 0, f64::from(at));
            }
            let gone: Vec<u64> = (0..1000).filter(|&at| goes(at)).map(key).collect();
            let moved = retain(&mut members, |key| !gone.contains(&key.0));
            for at in 0..1000 {
                let went = moved.place(MemberId(at));
                assert_eq!((members.find(SeriesHash(key(at))), went.is_none()), (went, goes(at)), "{at}");
                assert!(went.is_none_or(|id| members.last(id, 0) == f64::from(at)), "{at}");
            }
            assert_eq!(members.len(), 1000 - gone.len());
            let id = members.insert(seed(key(5000)), 1);
            assert_eq!(members.find(SeriesHash(key(5000))), Some(id));
        }
    }

    #[test]
    fn a_member_is_as_small_as_can_be() {
        assert_eq!(size_of::<Record>(), 32);
    }
}
