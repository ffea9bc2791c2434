//! The straight way: lines that come as the forecast has them and end in a plain value, which is
//! nearly all of them, are read in one loop with everything at hand. What is the same for all lines
//! of a family is done once, and whatever needs a closer look ends the loop.

use super::alike::Ready;
use super::known::KnownId;
use super::lines::LoneLine;
use super::output::Output;
use super::process::START_TIME;
use super::series::{Seen, What};
use super::state::EndpointState;
use super::walk::{Ahead, Way};
use super::{Guard, ScrapeError};
use crate::engine::exposition::{Plain, Tail, plain, series_end};
use crate::engine::fold::{Pending, field};
use crate::engine::model::room;

/// What the loop has read and not told anybody yet.
struct Stretch<'a> {
    ahead: Ahead<'a>,
    way: Way<'a>,
    pending: &'a mut Vec<Pending>,
    output: &'a mut Output,
    lone: &'a mut Vec<LoneLine>,
    /// From here on the input leaves as it came.
    kept_from: usize,
    passed: u64,
}

impl Guard {
    /// Reads lines of the family at hand; stops before the first that needs a closer look.
    pub(super) fn read_ahead(&mut self) {
        let Some(family) = self.body.current else { return };
        let Some(longest) = self.tokens.longest_plain().filter(|_| !self.is_comment()) else { return };
        if *self.state.families.get(family).name == *START_TIME {
            return;
        }
        let EndpointState { series, fold, .. } = &mut *self.state;
        series.find_head(&mut fold.members, &self.input[self.at..]);
        let first = series.next(&fold.members);
        let mut stretch = Stretch {
            ahead: series.ahead(&mut fold.members),
            way: Way { input: &self.input, at: self.at, lines: 0, family, longest },
            pending: &mut fold.families[family.index()].pending,
            output: &mut self.output,
            lone: &mut self.body.lone,
            kept_from: self.at,
            passed: 0,
        };
        stretch.read();
        let Stretch { way: Way { at, lines, .. }, passed, .. } = stretch;
        if lines == 0 {
            return;
        }
        series.began_with(first);
        self.tokens.accept_plain(lines);
        self.body.received += lines;
        self.body.passed += passed;
        self.at = at;
        self.has_samples(family);
        self.mark();
    }

    /// Whether no series begins as the line at hand does.
    fn is_comment(&self) -> bool {
        self.input.get(self.at) == Some(&b'#')
    }
}

impl Stretch<'_> {
    /// Lines of one kind come one after the other.
    fn read(&mut self) {
        loop {
            let begin = self.way.lines;
            self.ahead.pass(&mut self.way);
            self.passed += self.way.lines - begin;
            let from = self.way.at;
            self.ahead.fold(&mut self.way, self.pending);
            self.leave_out(from);
            let before = self.way.lines;
            let further = self.output.position().wrapping_sub(self.kept_from as u64);
            self.ahead.pass_alone(&mut self.way, self.pending, self.lone, further);
            self.passed += self.way.lines - before;
            if self.way.lines == begin && self.read_one() == Beside::No {
                break;
            }
        }
        self.keep(self.way.at);
    }

    /// A number of a member that is no folded one, or not its only one.
    fn read_one(&mut self) -> Beside {
        let Some((line, What::Noted { member, field })) = self.ahead.look(&self.way) else { return Beside::No };
        if field >= field::REAL || self.ahead.members.family(member) != self.way.family {
            return Beside::No;
        }
        let from = self.way.at;
        room::push(self.pending, Pending { member, field, value: line.plain.value(line.rest) });
        self.ahead.take();
        self.way.go(&line);
        if self.ahead.members.get(member).group().is_none() {
            let at = self.output.position() + (from - self.kept_from) as u64;
            self.lone.push(LoneLine { member, at, len: line.plain.end as u32, seen: Seen::First });
            self.passed += 1;
        } else {
            self.leave_out(from);
        }
        Beside::Read
    }

    /// What was read from here on does not leave.
    #[inline]
    fn leave_out(&mut self, from: usize) {
        if from < self.way.at {
            self.keep(from);
            self.kept_from = self.way.at;
        }
    }

    /// What was read up to here leaves as it came.
    #[inline]
    fn keep(&mut self, to: usize) {
        if self.kept_from < to {
            self.output.keep(self.way.input, self.kept_from..to);
        }
    }
}

impl Guard {
    /// Reads lines that the forecast did not have, whose series can be told without taking them
    /// apart: because they are known, or like others that are. Where everything is new, several are
    /// looked at before the first is taken up: their places in memory are far away.
    pub(super) fn read_beside(&mut self) -> Result<Beside, ScrapeError> {
        let Some(longest) = self.tokens.longest_plain().filter(|_| !self.is_comment()) else {
            return Ok(Beside::No);
        };
        if self.read_twins(longest)? == Beside::Read {
            return Ok(Beside::Read);
        }
        let mut ready = std::mem::take(&mut self.ready);
        let mut at = self.at;
        while ready.len() < self.haste
            && let Some(line) = self.state.ready(&self.input[at..], longest)
        {
            at += line.plain.end;
            ready.push(line);
        }
        self.haste = (ready.len() * 2).clamp(1, MOST_HASTE);
        let read = if ready.is_empty() { self.read_known(longest) } else { self.take_up(&ready) };
        ready.clear();
        self.ready = ready;
        read
    }

    /// Takes up lines that were read ahead, up to one that is known: what follows it may be known too.
    fn take_up(&mut self, ready: &[Ready]) -> Result<Beside, ScrapeError> {
        if ready.len() > 1 {
            self.state.touch(ready);
        }
        let mut taken = Beside::No;
        for line in ready {
            let input = &self.input[self.at..];
            let hash = match self.state.series.find_hash(&self.state.fold.members, line.hash) {
                Ok(id) => {
                    self.haste = 1;
                    return self.read_plain(id, &line.plain);
                }
                Err(hash) => hash,
            };
            let Some(what) = self.state.meet_alike(input, line) else {
                self.haste = 1;
                return Ok(taken);
            };
            let id = self.state.series.insert_plain(&mut self.state.fold.members, hash, line.len, what);
            self.read_plain(id, &line.plain)?;
            taken = Beside::Read;
        }
        Ok(taken)
    }

    fn read_known(&mut self, longest: usize) -> Result<Beside, ScrapeError> {
        let input = &self.input[self.at..];
        let Some(len) = series_end(input) else { return Ok(Beside::No) };
        let Some(plain) = plain(input, len).filter(|plain| plain.end <= longest) else { return Ok(Beside::No) };
        match self.state.series.find(&self.state.fold.members, &input[..len]) {
            Ok(id) => self.read_plain(id, &plain),
            Err(_) => Ok(Beside::No),
        }
    }

    pub(super) fn read_plain(&mut self, id: KnownId, plain: &Plain) -> Result<Beside, ScrapeError> {
        if self.note_plain(id, plain) == Beside::No {
            self.known_plain(id, plain)?;
        }
        self.tokens.accept_plain(1);
        self.at += plain.end;
        Ok(Beside::Read)
    }

    /// A number of a folded member of the family at hand: all there is to do is to note it.
    #[inline]
    fn note_plain(&mut self, id: KnownId, plain: &Plain) -> Beside {
        let EndpointState { series, fold, families, .. } = &mut *self.state;
        let What::Noted { member, field } = series.what(id) else { return Beside::No };
        let family = fold.members.family(member);
        let is_folded = fold.members.get(member).group().is_some() && field < field::REAL;
        if !is_folded || self.body.current != Some(family) || series.would_be(&fold.members, id) == Seen::Again {
            return Beside::No;
        }
        if *families.get(family).name == *START_TIME {
            return Beside::No;
        }
        series.came(&mut fold.members, id);
        let value = plain.value(&self.input[self.at..]);
        room::push(&mut fold.families[family.index()].pending, Pending { member, field, value });
        self.body.received += 1;
        self.has_samples(family);
        self.mark();
        Beside::Read
    }

    fn known_plain(&mut self, id: KnownId, plain: &Plain) -> Result<(), ScrapeError> {
        let value = plain.start..plain.end - 1;
        self.known(id, &Tail { value, timestamp: None, exemplar: None, end: plain.end })
    }
}

/// So many lines are looked at before the first is taken up.
const MOST_HASTE: usize = 16;

/// Whether a line was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    Read,
    No,
}
