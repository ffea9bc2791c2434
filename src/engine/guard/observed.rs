//! What is noted beside a member: what observing policies would have made of it, counted at their
//! place with nothing changed, and the places its values have.

use std::collections::{HashMap, HashSet};

use super::budgets::Slot;
use super::causes::Causes;
use super::report::{Attributed, Report};
use crate::engine::fold::{Fold, MemberId, Pending, field};
use crate::engine::model::SeriesHash;

/// Notes are shared by the members they fit.
#[derive(Debug, Default)]
pub struct Shadows {
    notes: Vec<Note>,
    index: HashMap<Note, u32>,
    /// Whether any note has an observer.
    observes: bool,
    counts: HashMap<u32, Counts>,
    shown: HashSet<(Option<SeriesHash>, u32, u32)>,
}

/// What is noted of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Note {
    pub shadows: Vec<Shadow>,
    pub slots: Vec<Slot>,
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

/// Notes kept beyond twice the members.
const SPARE: usize = 1024;

/// Nothing is noted.
pub const UNNOTED: u32 = 0;

impl Shadows {
    /// The number of a note, from 1.
    pub fn number(&mut self, note: &Note) -> u32 {
        if note.shadows.is_empty() && note.slots.is_empty() {
            return UNNOTED;
        }
        if let Some(&n) = self.index.get(note) {
            return n;
        }
        self.observes |= !note.shadows.is_empty();
        self.notes.push(note.clone());
        let number = self.notes.len() as u32;
        self.index.insert(note.clone(), number);
        number
    }

    fn get(&self, number: u32) -> Option<&Note> {
        self.notes.get((number as usize).checked_sub(1)?)
    }

    /// The places of values of whoever has this note.
    pub fn slots(&self, number: u32) -> &[Slot] {
        self.get(number).map(|note| &*note.slots).unwrap_or_default()
    }

    /// Notes with a place of which `fits` is true.
    pub fn noted(&self, fits: impl Fn(Slot) -> bool) -> HashSet<u32> {
        let numbered = self.notes.iter().zip(1..);
        numbered.filter(|(note, _)| note.slots.iter().any(|slot| fits(*slot))).map(|(_, number)| number).collect()
    }

    /// Whether most notes must be of members that are gone.
    pub fn is_bloated(&self, members: usize) -> bool {
        self.notes.len() > 2 * members + SPARE
    }

    /// Keeps the notes that are used, and tells the new number of each.
    pub fn compact(&mut self, used: &HashSet<u32>) -> HashMap<u32, u32> {
        let old = std::mem::take(&mut self.notes);
        self.index.clear();
        let mut renumbered = HashMap::new();
        for (note, number) in old.into_iter().zip(1..) {
            if used.contains(&number) {
                renumbered.insert(number, self.number(&note));
            }
        }
        renumbered
    }

    pub fn begin(&mut self) {
        self.counts.clear();
        self.shown.clear();
    }

    /// Another plan observes something else: members are asked again when they are met.
    pub fn clear(&mut self) {
        *self = Shadows::default();
    }

    /// Whether nobody observes.
    pub fn is_empty(&self) -> bool {
        !self.observes
    }

    /// Counts the lines of this scrape. `is_new`: the member was not there before.
    pub fn count(&mut self, fold: &Fold, is_new: impl Fn(MemberId) -> bool) {
        for family in &fold.families {
            for p in &family.pending {
                let number = fold.members.class(p.member).shadow;
                if number != UNNOTED && !matches!(p.field, field::TIMESTAMP | field::IGNORED) {
                    self.count_line(p, number, is_new(p.member));
                }
            }
        }
    }

    fn count_line(&mut self, p: &Pending, number: u32, is_new: bool) {
        let Some(at) = (number as usize).checked_sub(1).filter(|&at| at < self.notes.len()) else { return };
        for shadow in &self.notes[at].shadows {
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
