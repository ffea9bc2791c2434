//! Lines that are taken: a number changes places with what its member's record says, so that nothing is
//! left to be done about it when the scrape is committed, and all is there that a failed one gives back.

use super::class::Role;
use super::family::Pending;
use super::field;
use super::member::{Difference, MET, MemberId, Members};
use super::value::Value;
use crate::engine::model::Stamp;

/// A member of one number that the pass has not noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unnoted {
    pub role: Role,
    /// Its last good value; NaN where there is none.
    pub last: f64,
}

impl Members {
    /// What is known of a member that [`Members::take`] can be told of: `None` when it holds several
    /// numbers, or was noted in this pass.
    #[inline]
    pub(super) fn unnoted(&self, id: MemberId, pass: Stamp) -> Option<Unnoted> {
        let record = &self.all[id.index()];
        let is_usual = record.value.place().is_none() && record.seen < field::REAL - field::TAKEN;
        let was_noted = Stamp::from_raw(record.spelled.code()) == pass;
        let last = f64::from_bits(record.value.0);
        (is_usual && !was_noted).then(|| Unnoted { role: self.roles.get(record.role), last })
    }

    /// A line of this pass changes places with what was known of its member: unless the scrape fails,
    /// nothing is left to be done about it.
    #[inline]
    pub(super) fn take(&mut self, p: &mut Pending, pass: Stamp, now: u32) {
        let record = &mut self.all[p.member.index()];
        let before = std::mem::replace(&mut record.value, Value::one(p.value));
        p.value = f64::from_bits(before.0);
        p.field = field::TAKEN | record.seen;
        record.seen = now;
        record.spelled.set_code(pass.raw() | MET);
    }

    /// The scrape has failed that took this line.
    pub(super) fn give_back(&mut self, p: &Pending) {
        if let Some(record) = self.all.get_mut(p.member.index()) {
            (record.value, record.seen) = (Value(p.value.to_bits()), p.field & !field::TAKEN);
        }
    }

    /// Whether the value of a line that was taken is another than the one before.
    pub(super) fn differs_from(&self, p: &Pending) -> Difference {
        let is_same = self.all[p.member.index()].value.0 == p.value.to_bits();
        if is_same { Difference::None } else { Difference::Some }
    }
}

#[cfg(test)]
mod tests {
    use super::super::group::Totals;
    use super::super::{
        Fold, GaugeFold, GroupId, GroupSeed, Hold, MemberSeed, Occasion, Priming, Process, Settled, Shape,
    };
    use super::*;
    use crate::engine::fold::FamilyId;
    use crate::engine::model::SeriesHash;

    const FAMILY: FamilyId = FamilyId(0);

    fn fold() -> (Fold, MemberId, GroupId) {
        let mut fold = Fold::default();
        fold.add_family(Shape::Cumulative, false);
        let seed = MemberSeed { key: SeriesHash(1), family: FAMILY, cause: 1, shadow: 0 };
        let member = fold.member(seed);
        let group = fold.group(GroupSeed {
            key: SeriesHash(2),
            family: FAMILY,
            body: b"",
            cause: 1,
            gauge: GaugeFold::Sum,
            hold: Hold::Auto,
            group_ttl_seconds: 60.0,
            pinned: None,
        });
        fold.regroup(member, Some(group));
        (fold, member, group)
    }

    /// A scrape up to its end.
    fn settle(fold: &mut Fold, member: MemberId, value: f64, scrape: u32) {
        fold.begin();
        fold.note(FAMILY, member, field::VALUE, value);
        fold.settle(FAMILY, Occasion { process: Process::Same, priming: Priming::Baseline, scrape });
        let family = &fold.families[FAMILY.index()];
        assert_eq!((family.settled, family.taken), (Settled::Yes, 1));
    }

    #[test]
    fn rule_0_1_what_a_failed_scrape_took_is_given_back() {
        let (mut fold, member, group) = fold();
        settle(&mut fold, member, 5.0, 1);
        fold.commit(Process::Same, 60.0);
        let seen = fold.members.get(member).seen;
        settle(&mut fold, member, 9.0, 2);
        fold.rollback();
        assert_eq!((fold.members.last(member, field::VALUE), fold.members.get(member).seen), (5.0, seen));
        settle(&mut fold, member, 7.0, 3);
        fold.commit(Process::Same, 60.0);
        assert_eq!(fold.members.last(member, field::VALUE), 7.0);
        let Totals::Counter { total, .. } = &fold.groups.get(group).totals else { panic!("a counter") };
        assert_eq!(total.value(), 2.0);
    }
}
