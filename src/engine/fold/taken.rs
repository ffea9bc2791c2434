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
