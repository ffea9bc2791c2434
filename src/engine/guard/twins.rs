//! Series that are written as one before them is, but for the values of labels that go: of an
//! exploding label they come by the thousand. A line is compared with what came last, its hash is its
//! key, and it joins the same group; nothing is asked.

use super::ahead::Beside;
use super::budgets::{Budgets, Slot};
use super::state::EndpointState;
use super::{Guard, ScrapeError};
use crate::engine::exposition::{Span, plain, plain_value};
use crate::engine::fold::{FamilyId, MemberId, Pending, field};
use crate::engine::model::{Seed, SeriesHash, room};

/// Those met so far.
#[derive(Debug, Default)]
pub(super) struct Twins {
    all: Vec<Twin>,
    /// The twin of the last line that had one.
    recent: usize,
}

/// A series whose fate is known, without the values that decide nothing.
#[derive(Debug)]
pub(super) struct Twin {
    /// What is written before, between and behind those values.
    text: Box<[u8]>,
    /// Where each piece of text ends that a value follows.
    ends: Box<[usize]>,
    /// The books that must not know some of the values, by their order in the line.
    placed: Box<[(usize, u32)]>,
    /// What its like are joined to.
    pub joins: Joins,
    /// The twin that came after this one.
    next: usize,
}

/// What a member becomes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joins {
    pub family: FamilyId,
    /// The make it is of.
    pub make: usize,
    /// A member that is in a group, as those to come will be.
    pub model: MemberId,
}

/// A line that has a twin, read ahead: half a cache line, for there are many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kin {
    /// Of the series part, which is its member's key: only usual spellings have twins.
    hash: SeriesHash,
    value: f64,
    twin: u32,
    /// Where the series part ends.
    len: u32,
    /// Behind the newline.
    end: u32,
}

/// More are not learned in one pass: other values explode as well.
const MOST_TWINS: usize = 64;
/// So many are tried when the forecast is wrong.
const MOST_TRIED: usize = 8;
/// More values that decide nothing are not usual.
const MOST_VALUES: usize = 4;
/// From where to where.
type Values = [(usize, usize); MOST_VALUES];
/// So many lines are looked at before the first is taken up: their places in memory are far away.
const MOST_HASTE: usize = 128;

impl Guard {
    /// Reads lines that have a twin, up to one whose series is known: what follows it may be known
    /// too.
    pub(super) fn read_twins(&mut self, longest: usize) -> Result<Beside, ScrapeError> {
        let mut kin = std::mem::take(&mut self.kin);
        self.look_for_twins(longest, &mut kin);
        let joined = self.join_twins(&kin);
        if !kin.is_empty() {
            self.haste = if joined == kin.len() { (joined * 2).min(MOST_HASTE) } else { 1 };
        }
        let read = match kin.get(joined) {
            _ if joined > 0 => Ok(Beside::Read),
            None => Ok(Beside::No),
            Some(known) => self.read_kin(known),
        };
        kin.clear();
        self.kin = kin;
        read
    }

    /// One that is known.
    fn read_kin(&mut self, kin: &Kin) -> Result<Beside, ScrapeError> {
        let plain = plain(&self.input[self.at..], kin.len as usize);
        match (self.state.series.find_hash(&self.state.fold.members, kin.hash), plain) {
            (Ok(id), Some(plain)) => self.read_plain(id, &plain),
            _ => Ok(Beside::No),
        }
    }

    /// The next lines as far as they have twins in the family at hand, and none has another between.
    /// Their places among the members are on their way here when they are taken up.
    fn look_for_twins(&mut self, longest: usize, kin: &mut Vec<Kin>) {
        let EndpointState { alike, seed, budgets, fold, .. } = &mut *self.state;
        let Some(family) = self.body.current else { return };
        let mut at = self.at;
        while kin.len() < self.haste
            && let Some(input) = self.input.get(at..)
            && let Some(one) = alike.twins.read(input, longest, seed, budgets)
            && alike.twins.get(one.twin as usize).joins.family == family
        {
            at += one.end as usize;
            fold.members.touch(one.hash);
            kin.push(one);
        }
    }

    /// Joins them up to the first that is known; says how many.
    fn join_twins(&mut self, kin: &[Kin]) -> usize {
        let mut joined = 0;
        let Some(family) = self.body.current else { return 0 };
        let mut uncounted = 0;
        for one in kin {
            if self.state.join_twin(one).is_none() {
                break;
            }
            if self.state.census_left > 0 {
                let make = self.state.alike.twins.get(one.twin as usize).joins.make;
                self.state.count_kin(family, make, &self.input[self.at..]);
            } else {
                uncounted += 1;
            }
            self.at += one.end as usize;
            joined += 1;
        }
        if joined > 0 {
            self.state.families.get_mut(family).uncounted += uncounted;
            self.tokens.accept_plain(joined as u64);
            self.body.received += joined as u64;
            self.has_samples(family);
            self.mark();
        }
        joined
    }
}

impl Twins {
    pub fn clear(&mut self) {
        self.all.clear();
        self.recent = 0;
    }

    pub fn get(&self, at: usize) -> &Twin {
        &self.all[at]
    }

    /// From here on lines like this one are read by comparing: `values` are those that decide
    /// nothing, some of them as long as a book does not know them.
    pub fn learn(&mut self, series: &[u8], values: &[(Span, Option<u32>)], joins: Joins) {
        if values.is_empty() || values.len() > MOST_VALUES || self.all.len() == MOST_TWINS {
            return;
        }
        let (mut text, mut ends, mut from) = (Vec::new(), Vec::new(), 0);
        for (value, _) in values {
            text.extend_from_slice(&series[from..value.start]);
            ends.push(text.len());
            from = value.end;
        }
        text.extend_from_slice(&series[from..]);
        let placed = values.iter().enumerate().filter_map(|(nth, (_, book))| Some((nth, (*book)?))).collect();
        let twin = Twin { text: text.into(), ends: ends.into(), placed, joins, next: self.recent };
        self.all.push(twin);
        self.follow(self.all.len() - 1);
    }

    /// Reads the line that `input` begins with, when it has a twin.
    #[inline(always)]
    fn read(&mut self, input: &[u8], longest: usize, seed: &Seed, budgets: &Budgets) -> Option<Kin> {
        let twin = self.all.get(self.recent)?.next;
        let mut values = Values::default();
        let (twin, len) = match self.all.get(twin).and_then(|twin| twin.fit(input, &mut values)) {
            Some(len) => (twin, len),
            None => self.search(input, &mut values)?,
        };
        for &(nth, book) in &self.all[twin].placed {
            let (from, to) = values[nth];
            let value = seed.hash(&input[from..to]).0;
            budgets.is_beyond(Slot { book, value }).then_some(())?;
        }
        let plain = plain(input, len).filter(|plain| plain.end <= longest)?;
        let end = u32::try_from(plain.end).ok()?;
        self.follow(twin);
        let hash = seed.hash(&input[..len]);
        Some(Kin { hash, value: plain.value(input), twin: twin as u32, len: len as u32, end })
    }

    fn search(&self, input: &[u8], values: &mut Values) -> Option<(usize, usize)> {
        let tried = self.all.iter().take(MOST_TRIED).enumerate();
        tried.into_iter().find_map(|(at, twin)| Some((at, twin.fit(input, values)?)))
    }

    fn follow(&mut self, twin: usize) {
        if let Some(recent) = self.all.get_mut(self.recent) {
            recent.next = twin;
        }
        self.recent = twin;
    }
}

impl Twin {
    /// Where the series part ends that `input` begins with, when this is its twin, and where its own
    /// values are.
    #[inline]
    fn fit(&self, input: &[u8], values: &mut Values) -> Option<usize> {
        let (mut at, mut from) = (0, 0);
        for (&end, value) in self.ends.iter().zip(values) {
            let piece = self.text.get(from..end)?;
            begins_with(input.get(at..)?, piece).then_some(())?;
            at += piece.len();
            let value_end = at + plain_value(input.get(at..)?)?;
            *value = (at, value_end);
            (at, from) = (value_end, end);
        }
        let piece = self.text.get(from..)?;
        begins_with(input.get(at..)?, piece).then_some(())?;
        Some(at + piece.len())
    }
}

/// As `starts_with` says, in place: pieces are short, and a call costs as much as comparing them.
#[inline]
fn begins_with(input: &[u8], piece: &[u8]) -> bool {
    let Some(input) = input.get(..piece.len()) else { return false };
    let (Some(last), Some(wanted)) = (input.last_chunk::<AT_ONCE>(), piece.last_chunk()) else { return input == piece };
    let (chunks, _) = input.as_chunks::<AT_ONCE>();
    chunks.iter().zip(piece.as_chunks().0).all(|(chunk, wanted)| chunk == wanted) && last == wanted
}

/// Bytes that are compared at once.
const AT_ONCE: usize = 16;

impl EndpointState {
    /// Takes up a line whose series nobody has met; `None` when somebody has.
    #[inline]
    fn join_twin(&mut self, kin: &Kin) -> Option<()> {
        let Twin { joins: Joins { family, model, .. }, placed, .. } = self.alike.twins.get(kin.twin as usize);
        let (family, model, is_held) = (*family, *model, !placed.is_empty());
        let member = self.series.join(&mut self.fold, kin.hash, kin.len as usize, model)?;
        if is_held {
            // It would be there without the limit.
            self.budgets.demanded(self.families.get(family).hash.0, kin.hash.0);
        }
        let line = Pending { member, field: field::VALUE, value: kin.value };
        room::push(&mut self.fold.families[family.index()].pending, line);
        Some(())
    }
}
