//! A family that is full and whose size no label explains: what is there stands, what comes new is
//! refused (rule 5.5).

use std::collections::HashSet;

use crate::engine::cardinality::{Admission, Novelty};

/// The output label sets that have a place, by key.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    inside: HashSet<u64>,
    /// How many may be, whatever room the family has by its own limits.
    most: usize,
    /// The sets of label names that have an overflow series of their own.
    forms: HashSet<u64>,
}

/// More sets of label names than these share one overflow series.
const MOST_FORMS: usize = 16;

impl Gate {
    pub fn new(inside: impl IntoIterator<Item = u64>, most: usize) -> Gate {
        Gate { inside: inside.into_iter().collect(), most, forms: HashSet::new() }
    }

    /// Whether the label set has one of `places`, and whether it got it only now.
    pub fn enter(&mut self, key: u64, places: u64) -> (Admission, Novelty) {
        if self.inside.contains(&key) {
            return (Admission::Granted, Novelty::Known);
        }
        if self.inside.len() as u64 >= places.min(self.most as u64) {
            return (Admission::Refused, Novelty::New);
        }
        self.inside.insert(key);
        (Admission::Granted, Novelty::New)
    }

    /// Whether series with these label names that have no place overflow into one with the same names.
    pub fn has_form(&mut self, names: u64) -> bool {
        self.forms.contains(&names) || (self.forms.len() < MOST_FORMS && self.forms.insert(names))
    }

    pub fn take_back(&mut self, key: u64) {
        self.inside.remove(&key);
    }

    pub fn retain(&mut self, mut stays: impl FnMut(u64) -> bool) {
        self.inside.retain(|&key| stays(key));
    }

    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.inside.iter().copied()
    }

    pub fn memory(&self) -> usize {
        self.inside.capacity() * 9
    }
}
