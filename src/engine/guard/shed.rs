//! What an endpoint can give back when memory is short everywhere.

use std::collections::BTreeMap;

use super::series::Keep;
use super::state::EndpointState;

/// Bytes by how many seconds of the endpoint clock their members have been absent, roughly.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Absences(BTreeMap<u32, usize>);

impl Absences {
    /// How long a member must have been absent to go, so that `bytes` are given back by those that
    /// have been absent the longest. `None` when there is nothing to be had.
    pub fn cut(&self, bytes: usize) -> Option<u32> {
        let mut given = 0;
        for (&absent, &held) in self.0.iter().rev() {
            given += held;
            if given >= bytes {
                return Some(absent);
            }
        }
        self.0.keys().next().copied()
    }
}

impl EndpointState {
    /// Adds the members of this endpoint that were not in its last scrape.
    pub fn absences(&self, all: &mut Absences) {
        let each = self.memory() / self.members().max(1);
        let doubles = self.doubles.iter().flat_map(|double| double.state.fold.absences());
        for absent in self.fold.absences().chain(doubles) {
            *all.0.entry(absent).or_default() += each;
        }
    }

    /// Forgets members that have been absent for so long, between two scrapes; says how many.
    /// `members_limit` bounds the fingerprints that stay of them.
    pub fn forget_absent(&mut self, seconds: u32, members_limit: usize) -> u64 {
        for double in &mut self.doubles {
            let _ = double.state.forget_absent(seconds, members_limit);
        }
        if !self.fold.absences().any(|absent| absent >= seconds) {
            return 0;
        }
        // What people look at goes before what numbers depend on.
        self.families.forget_censuses();
        let moved = self.fold.forget_absent(seconds, members_limit);
        self.series.retain(&mut self.fold.members, Keep::All, Some(&moved));
        self.alike.clear();
        self.give_back_families(true);
        moved.forgotten() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_absent_go_first_and_no_more_than_needed() {
        let absences = Absences(BTreeMap::from([(10, 100), (20, 100), (300, 50)]));
        assert_eq!(absences.cut(40), Some(300));
        assert_eq!(absences.cut(51), Some(20));
        assert_eq!(absences.cut(151), Some(10));
        assert_eq!(absences.cut(9999), Some(10), "all there is");
        assert_eq!(Absences::default().cut(1), None);
    }
}
