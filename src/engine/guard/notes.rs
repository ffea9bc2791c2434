//! What is noted beside a member: the places its values have, and the label sets it had on its way
//! to the output, where more than one policy or limit changed it.

use std::collections::{HashMap, HashSet};

use super::budgets::Slot;
use super::causes::NOBODY;
use crate::engine::fold::{Dropped, Fold, MemberId, Pending, field};
use crate::engine::model::SeriesHash;

/// Notes are shared by the members they fit.
#[derive(Debug, Default)]
pub struct Notes {
    all: Vec<Note>,
    index: HashMap<Note, u32>,
    /// Whether any of them has a way.
    have_ways: bool,
    /// Label sets on the way to the output in this scrape, by cause, with the field.
    ways: HashSet<(SeriesHash, u32, u32)>,
    /// What moves from one cause to another.
    moves: HashMap<(u32, u32), Dropped>,
}

/// What is noted of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Note {
    pub slots: Vec<Slot>,
    /// Label sets on the way to the output, each with the change that led to it, where more than one
    /// policy or limit changed the series.
    pub way: Vec<(SeriesHash, u32)>,
    /// That the last change keeps it out is no news.
    pub is_stale: bool,
}

impl Note {
    pub fn clear(&mut self) {
        self.slots.clear();
        self.way.clear();
        self.is_stale = false;
    }

    fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.way.is_empty()
    }
}

/// Whether a line is the first of its output label set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Stays,
    Goes,
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
        self.have_ways |= !note.way.is_empty();
        self.all.push(note.clone());
        let number = self.all.len() as u32;
        self.index.insert(note.clone(), number);
        number
    }

    /// The same note of a member that had a label set of another cause on its way.
    pub fn by_way_of(&mut self, number: u32, on_way: (SeriesHash, u32), is_stale: bool) -> u32 {
        let mut note = self.get(number).cloned().unwrap_or_default();
        note.way.push(on_way);
        note.is_stale = is_stale;
        self.number(&note)
    }

    fn get(&self, number: u32) -> Option<&Note> {
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
        self.ways.clear();
        self.moves.clear();
    }

    /// Another plan gives other places: members are asked again when they are met.
    pub fn clear(&mut self) {
        *self = Notes::default();
    }

    /// Looks at the lines of this scrape: a line is kept out by the first change that left it without
    /// a line of its own and folded by the first change at all, and was counted under the last. Says
    /// what moves from which cause to which. `is_new`: the member was not there before.
    pub fn share_blame(
        &mut self,
        fold: &Fold,
        is_new: impl Fn(MemberId) -> bool,
    ) -> Vec<((u32, u32), Dropped)> {
        let have_ways = self.have_ways;
        let lines = fold.families.iter().filter(|_| have_ways).flat_map(|family| &family.pending);
        for p in lines.filter(|p| !matches!(p.field, field::TIMESTAMP | field::IGNORED)) {
            let Some(group) = fold.members.get(p.member).group() else { continue };
            let has_line = p.field < field::REAL && self.ways.insert((fold.groups.get(group).key, NOBODY, p.field));
            let class = fold.members.class(p.member);
            if class.shadow != UNNOTED {
                let what = if has_line { Line::Stays } else { Line::Goes };
                self.share(p, class.shadow, class.cause, is_new(p.member), what);
            }
        }
        let mut moves: Vec<_> = self.moves.drain().collect();
        moves.sort_unstable_by_key(|(causes, _)| *causes);
        moves
    }

    fn share(&mut self, p: &Pending, number: u32, last: u32, is_new: bool, line: Line) {
        let Some(note) = (number as usize).checked_sub(1).and_then(|at| self.all.get(at)) else { return };
        let Some(&(_, first)) = note.way.first() else { return };
        self.moves.entry((last, first)).or_default().folded += 1;
        let new_lines = u64::from(is_new);
        if p.field >= field::REAL {
            // It holds no number: it goes whoever folds the member.
            let moved = self.moves.entry((last, first)).or_default();
            moved.lines += 1;
            moved.new_lines += new_lines;
            moved.quantiles += u64::from(p.field == field::QUANTILE);
            return;
        }
        for &(key, cause) in &note.way {
            if !self.ways.insert((key, cause, p.field)) {
                let moved = self.moves.entry((last, cause)).or_default();
                moved.lines += 1;
                moved.new_lines += new_lines;
                return;
            }
        }
        if note.is_stale && line == Line::Goes {
            // Such a one was kept out before.
            self.moves.entry((last, NOBODY)).or_default().new_lines += new_lines;
        }
    }
}
