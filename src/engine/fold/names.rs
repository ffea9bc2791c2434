//! Which label names the members of a family have: when they are all others than in the scrape
//! before, it is another family under the old name (rule 1.8).

/// A label-name set of a family: its place among those that the family has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamesId(pub u8);

/// The label-name sets of one family.
#[derive(Clone, Debug, Default)]
pub struct NameSets {
    /// Their hashes, in the order in which they came up.
    all: Vec<u64>,
    /// How many a committed scrape has shown.
    committed: usize,
    /// A bit for each of them that is in the scrape at hand, and for each that was in the last
    /// committed one with this family.
    now: u64,
    last: u64,
}

/// More of them than this in one family are not told apart.
const MOST: usize = u64::BITS as usize;

impl NameSets {
    /// The place of a set, which is learned when it is new.
    pub fn place(&mut self, names: u64) -> NamesId {
        let at = self.all.iter().position(|known| *known == names).unwrap_or_else(|| {
            if self.all.len() < MOST {
                self.all.push(names);
            }
            self.all.len() - 1
        });
        NamesId(at as u8)
    }

    /// Whether there is more than one: then members are looked at one by one.
    pub fn are_mixed(&self) -> bool {
        self.all.len() > 1
    }

    /// A member with this set is in the scrape at hand.
    #[inline]
    pub fn came(&mut self, id: NamesId) {
        self.now |= 1 << id.0;
    }

    /// Whether none of the sets of this scrape was in the last one.
    pub fn have_changed(&self) -> bool {
        self.now != 0 && self.last != 0 && self.now & self.last == 0
    }

    pub fn commit(&mut self) {
        self.committed = self.all.len();
        self.last = std::mem::take(&mut self.now);
    }

    pub fn rollback(&mut self) {
        self.all.truncate(self.committed);
        self.now = 0;
    }

    pub fn clear(&mut self) {
        *self = NameSets::default();
    }

    pub fn hashes(&self) -> &[u64] {
        &self.all
    }

    pub fn last(&self) -> u64 {
        self.last
    }

    /// As it was written down.
    pub fn resume(hashes: Vec<u64>, last: u64) -> NameSets {
        NameSets { committed: hashes.len(), all: hashes, now: 0, last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_1_8_what_counts_is_the_scrape_before() {
        let mut names = NameSets::default();
        let mut scrape = |sets: &[u64]| {
            for set in sets {
                let id = names.place(*set);
                names.came(id);
            }
            let changed = names.have_changed();
            names.commit();
            changed
        };
        let told = [&[1][..], &[1, 2], &[2], &[1], &[2], &[2], &[1, 2], &[3]].map(&mut scrape);
        assert_eq!(told, [false, false, false, true, true, false, false, true]);
    }
}
