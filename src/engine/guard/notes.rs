//! What is noted beside a member: the places its values have, and the label sets it had on its way
//! to the output, where more than one policy or limit changed it.

use std::collections::{HashMap, HashSet};

use super::blame::LineSlot;
use super::budgets::Slot;
use crate::engine::model::SeriesHash;

/// Notes are shared by the members they fit.
#[derive(Debug, Default)]
pub struct Notes {
    all: Vec<Note>,
    index: HashMap<Note, u32>,
    /// Bytes that notes point to.
    held: usize,
}

/// What is noted of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Note {
    pub slots: Vec<Slot>,
    /// Label sets on the way to the output, each with the change that led to it, where more than one
    /// policy or limit changed the series.
    pub way: Vec<Waypoint>,
    /// That the last change keeps it out is no news.
    pub is_stale: bool,
    /// Of a line that is left out: which one of its series it is.
    pub slot: Option<LineSlot>,
}

/// A label set on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Waypoint {
    pub set: SeriesHash,
    /// The change that led to it.
    pub cause: u32,
    /// That it keeps the series out is no news.
    pub is_stale: bool,
}

impl Note {
    /// Another change follows.
    pub fn pass(&mut self, set: SeriesHash, cause: u32, is_news: bool) {
        let is_stale = std::mem::replace(&mut self.is_stale, !is_news);
        self.way.push(Waypoint { set, cause, is_stale });
    }

    pub fn clear(&mut self) {
        self.slots.clear();
        self.way.clear();
        self.is_stale = false;
        self.slot = None;
    }

    fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.way.is_empty()
    }

    /// Bytes on the heap, once it is copied.
    fn held(&self) -> usize {
        self.slots.len() * size_of::<Slot>() + self.way.len() * size_of::<Waypoint>()
    }
}

/// Notes kept beyond twice the members.
const SPARE: usize = 1024;

/// Nothing is noted.
pub const UNNOTED: u32 = 0;

impl Notes {
    /// The number of a note, from 1.
    pub fn number(&mut self, note: &Note) -> u32 {
        if note.is_empty() {
            return UNNOTED;
        }
        if let Some(&n) = self.index.get(note) {
            return n;
        }
        self.held += 2 * note.held();
        self.all.push(note.clone());
        let number = self.all.len() as u32;
        self.index.insert(note.clone(), number);
        number
    }

    /// The same note of a member that had a label set of another cause on its way.
    pub fn by_way_of(&mut self, number: u32, set: SeriesHash, cause: u32, is_news: bool) -> u32 {
        let mut note = self.get(number).cloned().unwrap_or_default();
        note.pass(set, cause, is_news);
        self.number(&note)
    }

    /// The same note of a member that had a label set on its way before those of later causes.
    pub fn by_way_of_before(&mut self, number: u32, on_way: Waypoint, is_later: impl Fn(u32) -> bool) -> u32 {
        let mut note = self.get(number).cloned().unwrap_or_default();
        let at = note.way.iter().position(|point| is_later(point.cause)).unwrap_or(note.way.len());
        note.way.insert(at, on_way);
        self.number(&note)
    }

    pub fn get(&self, number: u32) -> Option<&Note> {
        self.all.get((number as usize).checked_sub(1)?)
    }

    /// The places of values of whoever has this note.
    pub fn slots(&self, number: u32) -> &[Slot] {
        self.get(number).map(|note| &*note.slots).unwrap_or_default()
    }

    /// Notes with a place of which `fits` is true.
    pub fn noted(&self, fits: impl Fn(Slot) -> bool) -> HashSet<u32> {
        let numbered = self.all.iter().zip(1..);
        numbered.filter(|(note, _)| note.slots.iter().any(|slot| fits(*slot))).map(|(_, number)| number).collect()
    }

    /// Whether most notes must be of members that are gone.
    pub fn is_bloated(&self, members: usize) -> bool {
        self.all.len() > 2 * members + SPARE
    }

    /// Keeps the notes that are used, and tells the new number of each.
    pub fn compact(&mut self, used: &HashSet<u32>) -> HashMap<u32, u32> {
        let old = std::mem::take(&mut self.all);
        (self.index, self.held) = (HashMap::new(), 0);
        let mut renumbered = HashMap::new();
        for (note, number) in old.into_iter().zip(1..) {
            if used.contains(&number) {
                renumbered.insert(number, self.number(&note));
            }
        }
        renumbered
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        let each = size_of::<Note>();
        self.all.capacity() * each + self.index.capacity() * (each + size_of::<(u32, u32)>()) + self.held
    }

    /// Causes of changes on the way.
    pub fn causes(&self) -> impl Iterator<Item = u32> {
        self.all.iter().flat_map(|note| note.way.iter().map(|point| point.cause))
    }

    /// Causes have other numbers.
    pub fn renumber_causes(&mut self, new: impl Fn(u32) -> u32) {
        for point in self.all.iter_mut().flat_map(|note| &mut note.way) {
            point.cause = new(point.cause);
        }
        self.index = self.all.iter().cloned().zip(1..).collect();
    }

    /// Another plan gives other places: members are asked again when they are met.
    pub fn clear(&mut self) {
        *self = Notes::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_of_many_takes_memory_until_they_are_gone() {
        let note = |value| Note { slots: vec![Slot { book: 1, value }], ..Note::default() };
        let mut notes = Notes::default();
        assert_eq!(notes.memory(), 0);
        (0..1000).for_each(|value| assert_ne!(notes.number(&note(value)), UNNOTED));
        let (many, least) = (notes.memory(), 2 * 1000 * (size_of::<Note>() + size_of::<Slot>()));
        assert!((least..2 * least).contains(&many), "{many}");
        notes.compact(&HashSet::from([5]));
        assert!(notes.memory() < many / 100, "{}", notes.memory());
        assert_eq!(notes.slots(1), [Slot { book: 1, value: 4 }]);
    }
}
