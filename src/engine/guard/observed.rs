//! What observing policies would have kept out: counted at their place, nothing changed.

use std::collections::{HashMap, HashSet};

use super::causes::Causes;
use super::report::{Attributed, Report};
use crate::engine::fold::{Fold, MemberId, Pending, field};
use crate::engine::model::SeriesHash;

/// What observers would make of members. Lists are shared by the members they fit.
#[derive(Debug, Default)]
pub struct Shadows {
    lists: Vec<Box<[Shadow]>>,
    index: HashMap<Box<[Shadow]>, u32>,
    counts: HashMap<u32, Counts>,
    shown: HashSet<(Option<SeriesHash>, u32, u32)>,
}

/// One policy's view of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shadow {
    /// The output label set there would have been; `None`: no line.
    pub key: Option<SeriesHash>,
    pub cause: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    dropped: u64,
    blocked: u64,
    folded: u64,
}

/// No policy observes the member.
pub const UNOBSERVED: u32 = 0;

impl Shadows {
    /// The number of a list, from 1.
    pub fn number(&mut self, list: Vec<Shadow>) -> u32 {
        if list.is_empty() {
            return UNOBSERVED;
        }
        let list = list.into_boxed_slice();
        if let Some(&n) = self.index.get(&list) {
            return n;
        }
        self.lists.push(list.clone());
        let number = self.lists.len() as u32;
        self.index.insert(list, number);
        number
    }

    pub fn begin(&mut self) {
        self.counts.clear();
        self.shown.clear();
    }

    /// Another plan observes something else: members are asked again when they are met.
    pub fn clear(&mut self) {
        *self = Shadows::default();
    }

    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Counts the lines of this scrape. `is_new`: the member was not there before.
    pub fn count(&mut self, fold: &Fold, is_new: impl Fn(MemberId) -> bool) {
        for family in &fold.families {
            for p in &family.pending {
                let number = fold.members.class(p.member).shadow;
                if number != UNOBSERVED && !matches!(p.field, field::TIMESTAMP | field::IGNORED) {
                    self.count_line(p, number, is_new(p.member));
                }
            }
        }
    }

    fn count_line(&mut self, p: &Pending, number: u32, is_new: bool) {
        let Some(list) = (number as usize).checked_sub(1).and_then(|at| self.lists.get(at)) else { return };
        for shadow in list {
            let counts = self.counts.entry(shadow.cause).or_default();
            counts.folded += u64::from(shadow.key.is_some());
            let first = shadow.key.is_some() && self.shown.insert((shadow.key, shadow.cause, p.field));
            if !first {
                counts.dropped += 1;
                counts.blocked += u64::from(is_new);
            }
        }
    }

    pub fn report(&self, causes: &Causes, report: &mut Report) {
        let by = |f: fn(&Counts) -> u64| -> Vec<Attributed> {
            causes.attribute(self.counts.iter().map(|(&cause, counts)| (cause, f(counts))))
        };
        report.observed_dropped_by = by(|c| c.dropped);
        report.observed_blocked_by = by(|c| c.blocked);
        report.observed_folded_by = by(|c| c.folded);
    }
}
