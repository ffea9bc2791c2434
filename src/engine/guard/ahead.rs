//! The straight way: lines that come as the forecast has them and end in a plain value, which is
//! nearly all of them, are read in one loop with everything at hand. What is the same for all lines
//! of a family is done once, and whatever needs a closer look ends the loop.

use super::alike::Ready;
use super::lines::LoneLine;
use super::process::START_TIME;
use super::series::{KnownId, Place, Seen, What};
use super::state::EndpointState;
use super::{Guard, ScrapeError};
use crate::engine::exposition::{Plain, Tail, plain, series_end};
use crate::engine::fold::{FamilyId, Pending, field};

/// What the loop has read and not told anybody yet.
struct Stretch {
    /// Where the next line begins.
    at: usize,
    /// From here to `at` the input leaves as it came.
    kept_from: usize,
    lines: u64,
    passed: u64,
}

impl Guard {
    /// Reads lines of the family at hand; stops before the first that needs a closer look.
    pub(super) fn read_ahead(&mut self) {
        let Some(family) = self.body.current else { return };
        let Some(longest) = self.tokens.longest_plain() else { return };
        if *self.state.families.get(family).name == *START_TIME {
            return;
        }
        let stretch = self.stretch(family, longest);
        if stretch.lines == 0 {
            return;
        }
        if stretch.kept_from < stretch.at {
            self.output.keep(&self.input, stretch.kept_from..stretch.at);
        }
        self.tokens.accept_plain(stretch.lines);
        self.body.received += stretch.lines;
        self.body.passed += stretch.passed;
        self.at = stretch.at;
        self.has_samples(family);
        self.mark();
    }

    fn stretch(&mut self, family: FamilyId, longest: usize) -> Stretch {
        let EndpointState { series, fold, .. } = &mut *self.state;
        series.find_head(&mut fold.members, &self.input[self.at..]);
        let first = series.next(&fold.members);
        let pending = &mut fold.families[family.index()].pending;
        let (mut ahead, mut class) = (series.ahead(&mut fold.members), None);
        let input = self.input.as_slice();
        let mut stretch = Stretch { at: self.at, kept_from: self.at, lines: 0, passed: 0 };
        while let Some(rest) = input.get(stretch.at..)
            && let Some((len, place)) = ahead.look(rest)
            && let Some(plain) = plain(rest, len)
            && plain.end <= longest
        {
            let what = match place {
                Place::Here(at) => ahead.what(at),
                Place::Member(member) => What::Noted { member, field: field::VALUE },
            };
            let end = stretch.at + plain.end;
            match what {
                What::Pass(of) if of == family => stretch.passed += 1,
                What::Noted { member: id, field } if field < field::REAL => {
                    let member = ahead.members.get(id);
                    if class != Some(member.class()) {
                        if ahead.members.family(id) != family {
                            break;
                        }
                        class = Some(member.class());
                    }
                    pending.push(Pending { member: id, field, value: plain.value(rest) });
                    if member.group().is_none() {
                        let at = self.output.position() + (stretch.at - stretch.kept_from) as u64;
                        self.body.lone.push(LoneLine { member: id, at, len: plain.end as u32, seen: Seen::First });
                        stretch.passed += 1;
                    } else {
                        if stretch.kept_from < stretch.at {
                            self.output.keep(input, stretch.kept_from..stretch.at);
                        }
                        stretch.kept_from = end;
                    }
                }
                _ => break,
            }
            ahead.take();
            stretch.at = end;
            stretch.lines += 1;
        }
        if stretch.lines > 0 {
            series.began_with(first);
        }
        stretch
    }

    /// Reads lines that the forecast did not have, whose series can be told without taking them
    /// apart: because they are known, or like others that are. Where everything is new, several are
    /// looked at before the first is taken up: their places in memory are far away.
    pub(super) fn read_beside(&mut self) -> Result<Beside, ScrapeError> {
        let Some(longest) = self.tokens.longest_plain() else { return Ok(Beside::No) };
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
        fold.families[family.index()].pending.push(Pending { member, field, value });
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
