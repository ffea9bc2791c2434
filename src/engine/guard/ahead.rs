//! The straight way: lines that come as the forecast has them and end in a plain value, which is
//! nearly all of them, are read in one loop with everything at hand. What is the same for all lines
//! of a family is done once, and whatever needs a closer look ends the loop.

use super::lines::LoneLine;
use super::process::START_TIME;
use super::series::{Seen, What};
use super::state::EndpointState;
use super::{Guard, ScrapeError};
use crate::engine::exposition::{Tail, plain, series_end};
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
        let (members, pending) = (&fold.members, &mut fold.families[family.index()].pending);
        let (mut ahead, mut class) = (series.ahead(), None);
        let mut stretch = Stretch { at: self.at, kept_from: self.at, lines: 0, passed: 0 };
        while let Some(input) = self.input.get(stretch.at..)
            && let Some((len, what)) = ahead.look(input)
            && let Some(plain) = plain(input, len)
            && plain.end <= longest
        {
            let end = stretch.at + plain.end;
            match what {
                What::Pass(of) if of == family => stretch.passed += 1,
                What::Noted { member: id, field } if field < field::REAL => {
                    let member = members.get(id);
                    if class != Some(member.class()) {
                        if members.family(id) != family {
                            break;
                        }
                        class = Some(member.class());
                    }
                    pending.push(Pending { member: id, field, value: plain.value(input) });
                    if member.group().is_none() {
                        let at = self.output.position() + (stretch.at - stretch.kept_from) as u64;
                        self.body.lone.push(LoneLine { member: id, at, len: plain.end as u32, seen: Seen::First });
                        stretch.passed += 1;
                    } else {
                        if stretch.kept_from < stretch.at {
                            self.output.keep(&self.input, stretch.kept_from..stretch.at);
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
        stretch
    }

    /// Reads a line that the forecast did not have, if its series can be told without taking it
    /// apart: because it is known, or like others that are.
    pub(super) fn read_beside(&mut self) -> Result<Beside, ScrapeError> {
        let Some(longest) = self.tokens.longest_plain() else { return Ok(Beside::No) };
        let input = &self.input[self.at..];
        let fit = self.state.alike.fit(input);
        let Some(len) = fit.map(|fit| fit.len).or_else(|| series_end(input)) else { return Ok(Beside::No) };
        let Some(plain) = plain(input, len).filter(|plain| plain.end <= longest) else { return Ok(Beside::No) };
        let id = match (self.state.series.find(&input[..len]), fit) {
            (Ok(id), _) => id,
            (Err(hash), Some(fit)) => match self.state.meet_alike(input, fit) {
                Some(what) => self.state.series.insert(hash, &input[..len], what),
                None => return Ok(Beside::No),
            },
            (Err(_), None) => return Ok(Beside::No),
        };
        let value = plain.start..plain.end - 1;
        self.known(id, &Tail { value, timestamp: None, exemplar: None, end: plain.end })?;
        self.tokens.accept_plain(1);
        self.at += plain.end;
        Ok(Beside::Read)
    }
}

/// Whether a line was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    Read,
    No,
}
