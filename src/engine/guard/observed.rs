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
    /// Output label sets and, by cause, those on the way to them, with the field.
    own: HashSet<(SeriesHash, u32)>,
    way: HashSet<(SeriesHash, u32, u32)>,
    /// Lines whose blame moves from one cause to another, and the new ones among them.
    moves: HashMap<(u32, u32), (u64, u64)>,
}

/// What is noted of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Note {
    pub shadows: Vec<Shadow>,
    pub slots: Vec<Slot>,
    /// Label sets on the way to the output, each with the change that led to it, where more than one
    /// policy or limit changed the series.
    pub way: Vec<(SeriesHash, u32)>,
    /// That the last change keeps it out is no news.
    pub is_stale: bool,
}

impl Note {
    pub fn clear(&mut self) {
        self.shadows.clear();
        self.slots.clear();
        self.way.clear();
        self.is_stale = false;
    }

    fn is_empty(&self) -> bool {
        self.shadows.is_empty() && self.slots.is_empty() && self.way.is_empty()
    }
}

/// One policy's view of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shadow {
    /// The output label set there would have been; `None`: no line.
    pub key: Option<SeriesHash>,
    pub cause: u32,
    /// Whether it would be new that such a series is kept out.
    pub is_news: bool,
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
        if note.is_empty() {
            return UNNOTED;
        }
        if let Some(&n) = self.index.get(note) {
            return n;
        }
        self.observes |= !note.shadows.is_empty() || !note.way.is_empty();
        self.notes.push(note.clone());
        let number = self.notes.len() as u32;
        self.index.insert(note.clone(), number);
        number
    }

    /// The same note with one more observer, unless it has it.
    pub fn with(&mut self, number: u32, shadow: Shadow) -> u32 {
        let mut note = self.get(number).cloned().unwrap_or_default();
        if note.shadows.iter().any(|known| known.cause == shadow.cause) {
            return number;
        }
        note.shadows.push(shadow);
        self.number(&note)
    }

    /// The same note of a member that had a label set of another cause on its way.
    pub fn by_way_of(&mut self, number: u32, on_way: (SeriesHash, u32), is_stale: bool) -> u32 {
        let mut note = self.get(number).cloned().unwrap_or_default();
        note.way.push(on_way);
        note.is_stale = is_stale;
        self.number(&note)
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
        self.own.clear();
        self.way.clear();
        self.moves.clear();
    }

    /// Another plan observes something else: members are asked again when they are met.
    pub fn clear(&mut self) {
        *self = Shadows::default();
    }

    /// Whether nothing has to be counted.
    pub fn is_empty(&self) -> bool {
        !self.observes
    }

    /// Counts the lines of this scrape. `is_new`: the member was not there before.
    pub fn count(&mut self, fold: &Fold, is_new: impl Fn(MemberId) -> bool) {
        for family in &fold.families {
            for p in &family.pending {
                let class = fold.members.class(p.member);
                if class.shadow == UNNOTED || matches!(p.field, field::TIMESTAMP | field::IGNORED) {
                    continue;
                }
                let group = fold.members.get(p.member).group();
                let out = group.map_or_else(|| fold.members.key(p.member), |group| fold.groups.get(group).key);
                let is_new = is_new(p.member);
                self.count_line(p, class.shadow, out, is_new);
                // Other lines go whoever folds the member.
                if group.is_some() && p.field < field::REAL {
                    self.share_blame(p, class.shadow, class.cause, is_new);
                }
            }
        }
    }

    fn count_line(&mut self, p: &Pending, number: u32, out: SeriesHash, is_new: bool) {
        let Some(at) = (number as usize).checked_sub(1).filter(|&at| at < self.notes.len()) else { return };
        let shadows = &self.notes[at].shadows;
        // What is kept out as it is, nobody can keep out.
        let stands = shadows.is_empty() || self.own.insert((out, p.field));
        for shadow in shadows {
            let counts = self.counts.entry(shadow.cause).or_default();
            counts.folded += u64::from(shadow.key.is_some());
            let first = shadow.key.is_some() && self.shown.insert((shadow.key, shadow.cause, p.field));
            if !first && stands {
                counts.dropped += 1;
                counts.blocked += u64::from(is_new && shadow.is_news);
            }
        }
    }

    /// A line is kept out by the first change that left it without a line of its own. It was counted
    /// under the last.
    fn share_blame(&mut self, p: &Pending, number: u32, last: u32, is_new: bool) {
        let Some(note) = (number as usize).checked_sub(1).and_then(|at| self.notes.get(at)) else { return };
        for &(key, cause) in &note.way {
            if !self.way.insert((key, cause, p.field)) {
                let moved = self.moves.entry((last, cause)).or_default();
                moved.0 += 1;
                moved.1 += u64::from(is_new);
                return;
            }
        }
        if let (true, true, Some((_, cause))) = (note.is_stale, is_new, note.way.last()) {
            self.moves.entry((last, *cause)).or_default().1 += 1;
        }
    }

    /// From cause to cause: lines, and the new ones among them.
    pub fn moves(&self) -> impl Iterator<Item = ((u32, u32), (u64, u64))> {
        self.moves.iter().map(|(&causes, &counts)| (causes, counts))
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
