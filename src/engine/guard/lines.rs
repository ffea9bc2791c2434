//! The loop: line after line of the body, known series first.

use std::collections::HashSet;
use std::ops::Range;

use super::ahead::Beside;
use super::blame::Left;
use super::exemplars::{Exemplars, Slot};
use super::families::{Block, Content, Phase, Sample as Place, Tracking, family_plan};
use super::known::KnownId;
use super::limits::{Patience, Terms};
use super::meet::Met;
use super::notes::UNNOTED;
use super::process::is_start_time;
use super::relieve::View;
use super::series::{Seen, What};
use super::state::EndpointState;
use super::types::{Role, Scope};
use super::{Guard, Retained, ScrapeError};
use crate::engine::exposition::{Keyword, Meta, Sample, Step, Tail, number};
use crate::engine::fold::{FamilyId, MemberId, field};
use crate::engine::model::Kind;

/// What the body at hand has brought so far.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// Distinct series.
    pub received: u64,
    /// Distinct series that leave as they came.
    pub passed: u64,
    /// Series that came twice and that nobody folds.
    pub duplicates: u64,
    /// Lines left out by cause, and those of them never seen before.
    pub dropped: Vec<(u64, u64)>,
    /// Spellings that came up in this pass and were left out before, in a spelling since forgotten.
    pub left_before: HashSet<KnownId>,
    /// Those of them that others had changed before.
    pub left: Vec<Left>,
    /// The family of the last line, when it is one the guard remembers.
    pub current: Option<FamilyId>,
    /// Blocks begun.
    pub blocks: u32,
    /// Lines of members that pass alone: they are taken out again if a second member arrives.
    pub lone: Vec<LoneLine>,
    pub uplifted: Vec<MemberId>,
    pub start_time: Option<f64>,
    pub exemplars: Exemplars,
    /// TYPE lines of state sets, which are gauges once they are folded (rule 3.11).
    pub statesets: Vec<TypeLine>,
    /// `received` and `passed` when the family at hand began.
    pub counted: (u64, u64),
    /// OpenMetrics' last line.
    pub eof: Option<Vec<u8>>,
    pub ends_in_newline: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct LoneLine {
    pub member: MemberId,
    pub at: u64,
    pub len: u32,
    pub seen: Seen,
}

/// Where a TYPE line stands in the output.
#[derive(Debug)]
pub(super) struct TypeLine {
    pub family: Box<str>,
    pub at: u64,
    pub text: Vec<u8>,
}

/// Bytes that may be searched again with every push.
const SHORT: usize = 4096;

/// The guard's own names: a body that has them comes from another guard.
pub(super) const ANNOTATION: &str = "cardinality_guard_scrape_";

impl Guard {
    /// Reads all complete lines. `last`: nothing follows.
    pub(super) fn read(&mut self, last: bool) -> Result<(), ScrapeError> {
        let begin = self.at;
        while self.at < self.input.len() || last {
            self.read_ahead();
            if self.read_beside()? == Beside::Read {
                continue;
            }
            if !last && self.at > begin && self.is_cut() {
                break;
            }
            let input = &self.input[self.at..];
            if let Some((id, len)) = self.state.series.predict(&self.state.fold.members, input) {
                match self.tokens.tail(input, len, last) {
                    Ok(Some(tail)) => {
                        self.known(id, &tail)?;
                        self.at += tail.end;
                        continue;
                    }
                    Ok(None) => break,
                    // The forecast was wrong, or the line is: reading it whole tells.
                    Err(_) => {}
                }
            }
            let end = match self.tokens.next(input, last)? {
                Step::NeedMore | Step::End => break,
                Step::Skip { end } => self.skip(end),
                Step::Meta(meta) => self.meta(&meta)?,
                Step::Sample(sample) => self.sample(&sample)?,
                Step::Eof { end } => self.eof(end),
            };
            self.at += end;
        }
        Ok(())
    }

    /// Whether the line at hand is a short one whose end is still to come: whole, it can be read as
    /// all others are. (Where lines come in crumbs, each byte is looked at once.)
    fn is_cut(&self) -> bool {
        let rest = &self.input[self.at..];
        let longest = self.tokens.longest_plain().map_or(0, |longest| longest.min(SHORT));
        rest.len() < longest && memchr::memchr(b'\n', rest).is_none()
    }

    /// A comment or blank line leaves as it came.
    fn skip(&mut self, end: usize) -> usize {
        self.output.keep(&self.input, self.at..self.at + end);
        end
    }

    fn eof(&mut self, end: usize) -> usize {
        self.body.eof = Some(self.input[self.at..self.at + end].to_vec());
        end
    }

    /// HELP, TYPE and UNIT leave as they came, and tell where a family's block stands.
    fn meta(&mut self, meta: &Meta) -> Result<usize, ScrapeError> {
        let EndpointState { types, families, scrape, format, .. } = &mut *self.state;
        let name = self.tokens.name();
        if let (Keyword::Type, Some(kind)) = (meta.keyword, meta.kind) {
            types.declare(name, kind, *scrape);
        }
        let place = types.place(*format, name, Scope::InForce);
        let family = families.find(&place);
        let own_type = place.role != Role::Created;
        self.enter(family)?;
        if meta.kind == Some(Kind::StateSet) {
            let text = self.input[self.at..self.at + meta.end].to_vec();
            self.body.statesets.push(TypeLine { family: place.family, at: self.output.position(), text });
        }
        self.output.keep(&self.input, self.at..self.at + meta.end);
        if own_type {
            self.mark();
        }
        Ok(meta.end)
    }

    /// A series whose spelling the forecast did not have next.
    fn sample(&mut self, sample: &Sample) -> Result<usize, ScrapeError> {
        let series = &self.input[self.at..self.at + sample.series_end];
        let EndpointState { series: known, fold, .. } = &mut *self.state;
        let id = match known.find(&fold.members, series) {
            Ok(id) => id,
            Err(hash) => {
                let met = self.meet(sample.series_end)?;
                if let Some(lone) = met.uplifted {
                    self.body.uplifted.push(lone);
                }
                let series = &self.input[self.at..self.at + sample.series_end];
                let Place { family, role } = met.place;
                self.state.learn_alike(series, self.tokens.labels(), family, role, met.what);
                let EndpointState { series: known, fold, .. } = &mut *self.state;
                let id = known.insert(&mut fold.members, hash, series, met.what);
                if met.was_left_out {
                    self.body.left_before.insert(id);
                }
                id
            }
        };
        self.known(id, &sample.tail)?;
        Ok(sample.tail.end)
    }

    /// Decides the series at hand; a limit may have to be relieved first, once for each label.
    fn meet(&mut self, series_end: usize) -> Result<Met, ScrapeError> {
        loop {
            let patience = match self.retained {
                _ if self.is_leaving => Patience::None,
                Retained::Whole | Retained::Elsewhere => Patience::Wait,
                Retained::No => Patience::Held,
            };
            let terms = Terms::of(&self.scrape, patience);
            let series = &self.input[self.at..self.at + series_end];
            match self.state.meet(series, self.tokens.name(), self.tokens.labels(), terms) {
                Ok(met) => {
                    self.can_fold(met.what)?;
                    return Ok(met);
                }
                Err(trouble) => self.relieve(trouble)?,
            }
        }
    }

    /// A series whose decision is known.
    #[inline]
    pub(super) fn known(&mut self, id: KnownId, tail: &Tail) -> Result<(), ScrapeError> {
        let state = &mut *self.state;
        let seen = state.series.came(&mut state.fold.members, id);
        let what = state.series.what(id);
        let family = match what {
            What::Pass(family) | What::Dropped { family, .. } => family,
            What::Noted { member, .. } => state.fold.members.family(member),
        };
        let is_new = self.watermark.is_new_series(id) && !self.body.left_before.contains(&id);
        if self.body.current != Some(family) {
            self.enter(Some(family))?;
        }
        // Behind the door: what was received before it is the other family's.
        self.body.received += u64::from(seen == Seen::First);
        self.has_samples(family);
        let line = self.at..self.at + tail.end;
        match what {
            What::Pass(_) => self.pass(line, seen),
            What::Dropped { cause, note, .. } => self.drop_line(Left { family, cause, note, is_new }, seen),
            What::Noted { member, field } => self.note(family, member, field, tail, line, seen)?,
        }
        Ok(())
    }

    /// The block of the family at hand is one of samples.
    #[inline]
    pub(super) fn has_samples(&mut self, family: FamilyId) {
        self.state.families.get_mut(family).block.content = Content::Samples;
    }

    #[inline]
    fn pass(&mut self, line: Range<usize>, seen: Seen) {
        self.output.keep(&self.input, line);
        match seen {
            Seen::First => self.body.passed += 1,
            Seen::Again => self.body.duplicates += 1,
        }
        self.mark();
    }

    fn drop_line(&mut self, line: Left, seen: Seen) {
        let at = line.cause as usize;
        if at >= self.body.dropped.len() {
            self.body.dropped.resize(at + 1, (0, 0));
        }
        match seen {
            Seen::First => {
                let dropped = &mut self.body.dropped[at];
                dropped.0 += 1;
                dropped.1 += u64::from(line.is_new);
                if line.note != UNNOTED {
                    self.body.left.push(line);
                }
            }
            Seen::Again => self.body.duplicates += 1,
        }
        self.mark();
    }

    /// A number of a member: kept as a line only while the member is alone.
    fn note(
        &mut self,
        family: FamilyId,
        member: MemberId,
        at: u32,
        tail: &Tail,
        line: Range<usize>,
        seen: Seen,
    ) -> Result<(), ScrapeError> {
        let fold = &mut self.state.fold;
        let is_alone = fold.members.get(member).group().is_none();
        if seen == Seen::First {
            let value = number::parse(&self.input[self.at..][tail.value.clone()]);
            if let Some(exemplar) = &tail.exemplar {
                self.offer_exemplar(family, member, at, value, exemplar.start..exemplar.end);
            }
            let fold = &mut self.state.fold;
            if at == field::CREATED {
                fold.families[family.index()].has_extras = true;
            } else if let Some(stamp) = tail.timestamp {
                fold.families[family.index()].has_extras = true;
                fold.note(family, member, field::TIMESTAMP, stamp as f64);
            }
            fold.note(family, member, at, value);
            if at == field::VALUE && is_start_time(&self.input[self.at..]) {
                self.saw_start_time(value)?;
            }
        }
        self.body.duplicates += u64::from(seen == Seen::Again);
        if is_alone {
            let place = self.output.position();
            self.body.lone.push(LoneLine { member, at: place, len: (line.end - line.start) as u32, seen });
            self.body.passed += u64::from(seen == Seen::First);
            self.output.keep(&self.input, line);
        }
        if at != field::CREATED {
            self.mark();
        }
        Ok(())
    }

    /// Rule 4.3: a member that moved may lend its exemplar to the line it is folded into.
    fn offer_exemplar(&mut self, family: FamilyId, id: MemberId, at: u32, value: f64, text: Range<usize>) {
        let fold = &self.state.fold;
        let last = fold.members.last(id, at);
        let primed = fold.families[family.index()].primed;
        let moved = at < field::REAL && last != value && (primed || !last.is_nan());
        let Some(group) = fold.members.get(id).group().filter(|_| moved) else { return };
        let slot = match fold.families[family.index()].boundary(fold.members.class(id).layout, at) {
            Some(le) => Slot::bucket(le),
            None => Slot::Field(at),
        };
        self.body.exemplars.offer(group, slot, &self.input[self.at + text.start..self.at + text.end]);
    }

    /// The line at hand is of this family: closes the block before it when that was another's.
    fn enter(&mut self, family: Option<FamilyId>) -> Result<(), ScrapeError> {
        if self.body.current == family {
            return Ok(());
        }
        self.count_turnout();
        if let Some(before) = self.body.current {
            self.relieve_family(before, View::Whole)?;
            self.leave(before);
        }
        self.body.current = family;
        let Some(id) = family else { return Ok(()) };
        let (scrape, position) = (self.state.scrape, self.output.position());
        self.state.series.open(id);
        self.state.fold.open(id);
        let family = self.state.families.get_mut(id);
        family.scrape = scrape;
        let block = &mut family.block;
        if block.scrape != scrape {
            self.body.blocks += 1;
            let order = self.body.blocks;
            *block = Block { scrape, order, start: position, insert_at: position, ..Block::default() };
            return Ok(());
        }
        match block.phase {
            Phase::Closed => block.phase = Phase::Returned,
            Phase::Shown if self.state.fold.families[id.index()].groups.is_empty() => {
                (block.phase, block.start, block.insert_at) = (Phase::Reopened, position, position);
            }
            Phase::Shown => {
                let name = family.name.clone();
                self.state.held_families.insert(name.clone());
                return Err(ScrapeError::FamilyReturned(name));
            }
            Phase::Open | Phase::Returned | Phase::Reopened => {}
        }
        Ok(())
    }

    /// Another family begins. When the output is leaving already, this one's folds are shown now.
    fn leave(&mut self, id: FamilyId) {
        let has_groups = !self.state.fold.families[id.index()].groups.is_empty();
        let block = &mut self.state.families.get_mut(id).block;
        let only_metadata = block.content == Content::Metadata;
        if only_metadata && !has_groups {
            // Nothing but metadata, and nothing to show behind it: the block is yet to come.
            block.scrape = 0;
        } else if block.phase == Phase::Reopened {
            block.phase = Phase::Shown;
        } else if block.phase == Phase::Open && (!only_metadata || self.is_leaving) {
            block.phase = Phase::Closed;
            if self.is_leaving {
                self.show_block(id);
            }
        }
    }

    /// The first block reaches to here: its own TYPE is still the last one.
    #[inline]
    pub(super) fn mark(&mut self) {
        let Some(id) = self.body.current else { return };
        let position = self.output.position();
        let block = &mut self.state.families.get_mut(id).block;
        if block.phase == Phase::Open {
            block.insert_at = position;
        }
    }

    fn saw_start_time(&mut self, value: f64) -> Result<(), ScrapeError> {
        if !value.is_finite() {
            return Ok(());
        }
        self.body.start_time = Some(value);
        let now = self.state.fold.clock.seconds();
        match self.settled_as {
            Some(process) if process != self.state.process.verdict(Some(value), now) => {
                self.state.process.expect(value);
                Err(ScrapeError::Restarted)
            }
            _ => Ok(()),
        }
    }

    /// Whether another guard before this one has annotated the body.
    pub(super) fn is_annotated(&self) -> bool {
        let (families, scrape) = (&self.state.families, self.state.scrape);
        families.ids().map(|id| families.get(id)).any(|f| f.scrape == scrape && f.name.starts_with(ANNOTATION))
    }

    /// Whether the whole body makes the same of its samples as was made of them while it was read.
    pub(super) fn types_hold(&mut self) -> Verdict {
        match (self.parts_hold(), self.wrong_places()) {
            (false, _) => Verdict::Broken,
            (true, None) => Verdict::Holds,
            (true, Some(Touched::No)) => Verdict::Untouched,
            (true, Some(Touched::Yes)) => Verdict::Broken,
        }
    }

    /// Rule 3.13: untyped parts may have found each other.
    fn parts_hold(&mut self) -> bool {
        let EndpointState { types, families, fold, scrape, .. } = &mut *self.state;
        let here = |id: FamilyId| {
            let family = families.get(id);
            let touched = family.tracking != Tracking::No || !fold.families[id.index()].groups.is_empty();
            family.kind == Kind::Unknown && family.scrape == *scrape && touched
        };
        let untyped = families.samples().filter(|(_, s)| here(s.family)).map(|(name, _)| name);
        let news = types.learn_together(untyped);
        families.forget_parts(&news);
        news.is_empty()
    }

    /// Sample names that the TYPE lines of the whole body send elsewhere.
    fn wrong_places(&self) -> Option<Touched> {
        let EndpointState { types, families, fold, scrape, format, .. } = &*self.state;
        if !types.may_differ() {
            return None;
        }
        let mut wrong = None;
        for (name, sample) in families.samples().filter(|(_, s)| families.get(s.family).scrape == *scrape) {
            let place = types.place(*format, name, Scope::ThisBody(*scrape));
            let family = families.get(sample.family);
            if *family.name == *place.family && family.kind == place.kind && sample.role == place.role {
                continue;
            }
            let remembered = family.tracking != Tracking::No || !fold.families[sample.family.index()].groups.is_empty();
            if remembered || !family_plan(&self.scrape.plan, &place, *format).is_untouched() {
                return Some(Touched::Yes);
            }
            wrong = Some(Touched::No);
        }
        wrong
    }
}

/// What the end of the body makes of its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Holds,
    /// Samples belong elsewhere, and no policy touches them here or there.
    Untouched,
    /// The body has to be read again.
    Broken,
}

/// Whether a policy touches a sample that is not where it was thought to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Touched {
    No,
    Yes,
}
