//! What limits have decided at one endpoint, and for how long: places of values, labels folded
//! away, families that are full.
//!
//! Decisions are sticky: they outlive scrapes, reloads that leave them as they are, and the process
//! (rules 5.1 to 5.5). What a failed scrape decided is taken back.

mod asking;
mod collapse;
mod gate;
mod rows;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub(super) use asking::{Asking, News, Terms};
pub use collapse::{Collapse, Origin};
pub use gate::Gate;
pub use rows::BudgetRows;

use crate::engine::cardinality::{Admission, Answer, Arrival, Count, Lately, Novelty, Places};
use crate::engine::policy::StepKey;

/// Stands for a family: the hash of its name and type.
pub type FamilyKey = u64;

#[derive(Debug, Default)]
pub struct Budgets {
    books: Vec<Book>,
    by_key: HashMap<BookKey, u32>,
    /// Places of books that are nobody's any more.
    free: Vec<u32>,
    collapses: Vec<Collapse>,
    gates: HashMap<FamilyKey, Gate>,
    /// Label sets that limits fold or keep out, as limits met them, and series that are left out.
    kept_out: HashMap<FamilyKey, Lately>,
    /// Label sets there would be without limits, of families where one is effective.
    demand: HashMap<FamilyKey, Lately>,
    /// Endpoint clock of the last look at what is due.
    pub aged: f64,
    /// Endpoint clock at which the generations of both were last changed.
    pub turned: f64,
    undo: Vec<Undo>,
    /// Values and label sets that were not known before the scrape at hand: whoever asks for them again
    /// in it asks for something new.
    fresh_slots: HashSet<Slot>,
    fresh_sets: HashSet<(FamilyKey, u64)>,
    /// Collapses and gates as they were, once this scrape has changed them.
    before: Option<Box<Before>>,
    /// How often collapses or gates changed.
    changes: u64,
    /// Whether anything has to be written down.
    pub(super) is_written: bool,
}

type Before = (Vec<Collapse>, HashMap<FamilyKey, Gate>);

/// The values of one label that one step has met.
#[derive(Debug, Default)]
pub struct Book {
    pub places: Places,
    pub limit: u64,
    pub ttl_seconds: f64,
}

impl Book {
    fn ratio(&self) -> f64 {
        if self.limit == 0 { 0.0 } else { self.places.demand() as f64 / self.limit as f64 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BookKey {
    pub step: u64,
    pub label: u64,
    /// 0 where all families share the places.
    pub family: FamilyKey,
}

/// A value's line in a book; members remember theirs, so that their presence keeps the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    pub book: u32,
    pub value: u64,
}

#[derive(Debug)]
enum Undo {
    Place(Slot),
    Gate(FamilyKey, u64),
}

/// Label sets up to here are told apart exactly.
const EXACT_DEMAND: u32 = 10_000;

impl Budgets {
    /// A pass over a body begins.
    pub fn begin(&mut self) {
        self.undo.clear();
        self.before = None;
    }

    /// The scrape at hand is committed: what was new in it is known, and in those before it that failed.
    pub fn commit(&mut self) {
        self.fresh_slots.clear();
        self.fresh_sets.clear();
    }

    /// The scrape at hand has failed: what it decided was never decided.
    pub fn rollback(&mut self) {
        for undo in self.undo.drain(..).rev() {
            match undo {
                Undo::Place(slot) => self.books[slot.book as usize].places.take_back(slot.value),
                Undo::Gate(family, key) => {
                    if let Some(gate) = self.gates.get_mut(&family) {
                        gate.take_back(key);
                    }
                }
            }
        }
        if let Some(before) = self.before.take() {
            (self.collapses, self.gates) = *before;
            self.changes += 1;
            let effective = self.effective();
            self.demand.retain(|family, _| effective.contains(family));
        }
    }

    pub fn is_empty(&self) -> bool {
        let decides = !self.books.is_empty() || !self.collapses.is_empty() || !self.gates.is_empty();
        !decides && self.kept_out.is_empty()
    }

    fn book(&mut self, key: BookKey, limit: u64, ttl_seconds: f64) -> u32 {
        let books = &mut self.books;
        let at = *self.by_key.entry(key).or_insert_with(|| {
            self.free.pop().unwrap_or_else(|| {
                books.push(Book::default());
                books.len() as u32 - 1
            })
        });
        let book = &mut books[at as usize];
        (book.limit, book.ttl_seconds) = (limit, book.ttl_seconds.max(ttl_seconds));
        at
    }

    /// What becomes of the value.
    fn ask(&mut self, slot: Slot, now: u32) -> Answer {
        let book = &mut self.books[slot.book as usize];
        let mut answer = book.places.ask(slot.value, book.limit, now);
        if answer.novelty == Novelty::New {
            // Who is not remembered is new each time.
            if book.places.knows(slot.value) {
                self.is_written = false;
                self.undo.push(Undo::Place(slot));
                self.fresh_slots.insert(slot);
            }
        } else if self.fresh_slots.contains(&slot) {
            answer.novelty = Novelty::New;
        }
        answer
    }

    /// The book of a step, a label and a family, if anybody has asked.
    pub fn book_of(&self, key: BookKey) -> Option<u32> {
        self.by_key.get(&key).copied()
    }

    /// Whether asking for a place would leave nothing behind but a refusal.
    #[inline]
    pub fn is_beyond(&self, slot: Slot) -> bool {
        self.books.get(slot.book as usize).is_some_and(|book| book.places.is_beyond(slot.value, book.limit))
    }

    /// A value was there at this second of the endpoint clock.
    pub fn saw(&mut self, slot: Slot, now: u32) {
        if let Some(book) = self.books.get_mut(slot.book as usize) {
            book.places.saw(slot.value, now);
        }
    }

    /// Frees the places of values that were unseen for their time.
    pub fn free(&mut self, now: f64) -> Vec<Slot> {
        let mut freed = Vec::new();
        for (at, book) in self.books.iter_mut().enumerate() {
            let oldest = (now - book.ttl_seconds).max(0.0) as u32;
            freed.extend(book.places.free(oldest).into_iter().map(|value| Slot { book: at as u32, value }));
        }
        self.is_written &= freed.is_empty();
        freed
    }

    /// Another plan applies: steps that are not in it have no places any more.
    pub fn keep_steps(&mut self, keeps: impl Fn(StepKey) -> bool) {
        for (key, &at) in &self.by_key {
            if !keeps(StepKey(key.step)) {
                self.books[at as usize].places = Places::default();
            }
        }
    }

    /// Labels folded away.
    pub fn collapses(&self) -> &[Collapse] {
        &self.collapses
    }

    /// A label is folded away from here on.
    pub fn collapse(&mut self, collapse: Collapse) {
        let is_there = self.collapses.iter().any(|c| c.is_same(&collapse));
        if !is_there {
            self.remember();
            self.collapses.push(collapse);
        }
    }

    /// Ends collapses; says of which families.
    pub fn end_collapses(&mut self, ends: impl Fn(&Collapse) -> bool) -> Vec<FamilyKey> {
        let ended: Vec<FamilyKey> = self.collapses.iter().filter(|c| ends(c)).map(|c| c.family).collect();
        if !ended.is_empty() {
            self.remember();
            self.collapses.retain(|c| !ends(c));
            for (key, &at) in &self.by_key {
                if ended.contains(&key.family) {
                    self.books[at as usize].places = Places::default();
                }
            }
        }
        ended
    }

    /// Those that were decided in the scrape at hand.
    pub fn new_collapses(&self) -> Vec<Collapse> {
        self.collapses.iter().filter(|c| self.is_new(c)).cloned().collect()
    }

    /// These families are not known any more: nothing is decided about them.
    pub fn forget_families(&mut self, is_gone: impl Fn(FamilyKey) -> bool) {
        let is_decided = self.effective().into_iter().any(&is_gone);
        for (_, at) in self.by_key.extract_if(|key, _| key.family != 0 && is_gone(key.family)) {
            self.books[at as usize] = Book::default();
            self.free.push(at);
        }
        self.collapses.retain(|collapse| !is_gone(collapse.family));
        self.gates.retain(|&family, _| !is_gone(family));
        self.demand.retain(|&family, _| !is_gone(family));
        self.changes += u64::from(is_decided);
        self.is_written = false;
    }

    /// How often collapses or gates changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether a collapse was decided in the scrape at hand.
    pub fn is_new(&self, collapse: &Collapse) -> bool {
        self.before.as_ref().is_some_and(|before| !before.0.iter().any(|c| c.is_same(collapse)))
    }

    /// Families where a limit has become effective.
    pub fn effective(&self) -> Vec<FamilyKey> {
        let mut keys: Vec<FamilyKey> = self.collapses.iter().map(|c| c.family).collect();
        keys.extend(self.gates.keys());
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Demand for the places of a step in a family, as a part of them.
    pub fn book_ratio(&self, step: StepKey, family: FamilyKey) -> f64 {
        let mine = self.by_key.iter().filter(|(key, _)| key.step == step.0 && key.family == family);
        mine.map(|(_, &at)| self.books[at as usize].ratio()).fold(0.0, f64::max)
    }

    /// The same for every book.
    pub fn ratios(&self) -> impl Iterator<Item = f64> {
        self.books.iter().map(Book::ratio)
    }

    pub fn gate(&self, family: FamilyKey) -> Option<&Gate> {
        self.gates.get(&family)
    }

    /// The family is full: only what is there already stands.
    pub fn close(&mut self, family: FamilyKey, gate: Gate) {
        self.remember();
        self.gates.insert(family, gate);
    }

    /// Gives an output label set a place behind a gate, if there is one.
    pub fn enter(&mut self, family: FamilyKey, key: u64, places: u64) -> Admission {
        let Some(gate) = self.gates.get_mut(&family) else { return Admission::Granted };
        match gate.enter(key, places) {
            (admission, Novelty::New) if admission == Admission::Granted => {
                self.is_written = false;
                self.undo.push(Undo::Gate(family, key));
                admission
            }
            (admission, _) => admission,
        }
    }

    /// Whether series of a full family overflow under their own label names.
    pub fn has_form(&mut self, family: FamilyKey, names: u64) -> bool {
        self.gates.get_mut(&family).is_none_or(|gate| gate.has_form(names))
    }

    pub fn open_gates(&mut self, opens: impl Fn(FamilyKey) -> bool) {
        if self.gates.keys().any(|&family| opens(family)) {
            self.remember();
            self.gates.retain(|&family, _| !opens(family));
        }
    }

    /// Keeps behind each gate what is still there.
    pub fn thin_gates(&mut self, mut stays: impl FnMut(FamilyKey, u64) -> bool) {
        for (family, gate) in &mut self.gates {
            gate.retain(|key| stays(*family, key));
        }
    }

    /// A label set that a limit changed or kept out: whether there is such a one for the first time.
    pub fn keeps_out(&mut self, family: FamilyKey, set: u64) -> Arrival {
        let arrival = self.kept_out.entry(family).or_insert_with(|| Lately::new(EXACT_DEMAND)).insert(set);
        if arrival == Arrival::New && self.fresh_sets.len() < EXACT_DEMAND as usize {
            self.fresh_sets.insert((family, set));
        }
        if self.fresh_sets.contains(&(family, set)) { Arrival::New } else { arrival }
    }

    /// Whether a label set was kept out lately.
    pub fn has_refused(&self, family: FamilyKey, set: u64) -> Novelty {
        self.kept_out.get(&family).map_or(Novelty::New, |sets| sets.has(set))
    }

    /// A label set there would be without limits.
    pub fn demanded(&mut self, family: FamilyKey, set: u64) {
        self.demand.entry(family).or_insert_with(|| Lately::new(EXACT_DEMAND)).insert(set);
    }

    /// Label sets there would be, of families where a limit has become effective.
    pub fn demand(&self, family: FamilyKey) -> Option<Count> {
        self.demand.get(&family).filter(|demand| !demand.is_empty()).map(Lately::count)
    }

    /// Takes up decisions that were written down.
    pub fn take_over(&mut self, rows: BudgetRows) {
        self.replace(rows.give());
    }

    /// Takes up decisions that were read.
    pub fn replace(&mut self, read: Budgets) {
        let old = std::mem::replace(self, read);
        self.inherit(old);
    }

    /// What is in demand and what was kept out is not written down, and goes on.
    pub fn inherit(&mut self, old: Budgets) {
        (self.demand, self.kept_out) = (old.demand, old.kept_out);
        // None of these was decided here.
        self.changes = old.changes + 1;
    }

    /// Families whose demand is counted.
    pub fn in_demand(&self) -> impl Iterator<Item = FamilyKey> {
        self.demand.keys().copied()
    }

    /// A time to live has passed: what does not come again is not in demand.
    pub fn turn(&mut self) {
        for sets in [&mut self.demand, &mut self.kept_out] {
            sets.values_mut().for_each(Lately::turn);
            sets.retain(|_, sets| !sets.is_empty());
        }
    }

    /// Bytes on the heap.
    pub fn memory(&self) -> usize {
        let books: usize = self.books.iter().map(|b| b.places.memory() + size_of::<Book>()).sum();
        let gates: usize = self.gates.values().map(Gate::memory).sum();
        let demand: usize = self.demand.values().chain(self.kept_out.values()).map(Lately::memory).sum();
        books + gates + demand + self.collapses.capacity() * size_of::<Collapse>()
    }

    fn remember(&mut self) {
        self.is_written = false;
        self.changes += 1;
        if self.before.is_none() {
            self.before = Some(Box::new((self.collapses.clone(), self.gates.clone())));
        }
    }
}

/// A label's name as shared text.
pub(super) fn shared(text: &str) -> Arc<str> {
    Arc::from(text)
}
