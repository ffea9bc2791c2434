//! The assembly line: bytes in, guarded bytes out, one commit at the end.
//!
//! A [`Guard`] owns the state of its endpoint while a scrape runs and gives it back when the
//! scrape ends, well or badly. Everything that drives scrapes (proxy, CLI, benches, tests,
//! fuzzers) drives this one type.

mod account;
mod ageing;
mod ahead;
mod alike;
mod annotate;
mod blame;
mod budgets;
mod causes;
mod commons;
mod compact;
mod crowd;
mod demography;
mod doubles;
mod elsewhere;
mod exemplars;
mod families;
mod inherit;
mod known;
mod limits;
mod lines;
mod look;
mod meet;
mod notes;
mod output;
mod process;
mod relieve;
mod report;
mod scrape;
mod seams;
mod series;
mod shed;
mod show;
mod snapshot;
mod state;
mod survey;
mod turnout;
mod twins;
mod types;
mod unremembered;
mod walk;
mod withhold;
mod wordings;

pub use budgets::Origin;
pub use commons::{Commons, Learned, Release};
pub use demography::LabelRow;
pub use limits::ENDPOINT_LIMIT;
pub use look::{BeyondRange, Diagnosis, Look, Outlived, Sight};
pub use report::{Attributed, BadSample, Collapsed, FamilyReport, Need, Report};
pub use scrape::{Annotate, BodyEnd, Leaves, Limits, Scrape, ScrapeError, Start, Wanted};
pub use seams::{Jump, Jumps};
pub use shed::Absences;
pub use snapshot::RestoreError;
pub use state::{EndpointState, Lent};
pub use survey::{Survey, Surveyed};
pub use withhold::{Acquaintance, Withheld};

use crate::engine::exposition::{SyntaxLimits, Tokens};
pub use crate::engine::fold::Extent;
use crate::engine::fold::Process;
use crate::engine::model::Format;
use alike::Ready;
use annotate::write_annotation;
use doubles::{Fate, Watching};
use inherit::Recollection;
use limits::{Patience, Terms};
use lines::{Body, Verdict};
use output::Output;
use series::Keep;
use show::ShownLines;
use state::Watermark;
use twins::Kin;

/// One scrape under way.
pub struct Guard {
    state: Box<EndpointState>,
    /// What policies that only observe make of the same bytes.
    doubles: Vec<Watching>,
    scrape: Scrape,
    tokens: Tokens,
    /// Bytes of the body: all of them as long as the pass may have to be repeated, else those that
    /// are not read yet.
    input: Vec<u8>,
    /// Where reading goes on in `input`.
    at: usize,
    /// Bytes pushed.
    received: u64,
    retained: Retained,
    restarts: u32,
    output: Output,
    body: Body,
    shown: ShownLines,
    /// Lines read ahead, and how many are to be: see `ahead`.
    ready: Vec<Ready>,
    kin: Vec<Kin>,
    haste: usize,
    /// The output is leaving before the body's end.
    is_leaving: bool,
    is_ending: bool,
    settled_as: Option<Process>,
    watermark: Watermark,
    fate: Fate,
}

/// Whether `input` begins where the body begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retained {
    Whole,
    No,
    /// It need not: see `elsewhere`.
    Elsewhere,
}

/// Consumed input is let go in steps of this size.
const STEP: u64 = 1 << 20;
/// How often a body may be read again because its end explains its beginning.
const MOST_PASSES: usize = 3;
/// Lines of members that pass alone for which memory is kept.
const MOST_LONE: usize = 1 << 17;
/// How often a body may be read again because a label goes that others have looked at.
const MOST_RESTARTS: u32 = 16;
/// Output leaves in steps of this size.
const LEAST_DRAIN: u64 = 64 << 10;

impl Guard {
    pub fn begin(mut state: Box<EndpointState>, scrape: Scrape) -> Guard {
        state.take_plan(&scrape.plan);
        state.fold.clock.advance(scrape.now);
        state.sent.clear();
        if let Some(commons) = &scrape.commons {
            state.join_commons(commons, scrape.limits.target_series);
        }
        let watermark = state.begin_pass();
        let limits = SyntaxLimits { sample_size: scrape.limits.sample_size, labels: scrape.limits.labels };
        let mut input = std::mem::take(&mut state.spare);
        input.clear();
        let body = Body { lone: std::mem::take(&mut state.lone), ..Body::default() };
        Guard {
            doubles: Watching::begin(&mut state, &scrape),
            tokens: Tokens::new(state.format, limits),
            state,
            scrape,
            input,
            at: 0,
            received: 0,
            retained: Retained::Whole,
            restarts: 0,
            output: Output::default(),
            body,
            shown: ShownLines::default(),
            ready: Vec::new(),
            kin: Vec::new(),
            haste: 1,
            is_leaving: false,
            is_ending: false,
            settled_as: None,
            watermark,
            fate: Fate::Commits,
        }
    }

    pub fn format(&self) -> Format {
        self.state.format
    }

    /// Takes the next bytes of the body, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ScrapeError> {
        self.input.extend_from_slice(bytes);
        self.pushed(bytes.len())
    }

    /// Where the next bytes may be appended, instead of being copied there by [`Guard::push`];
    /// nothing else may be done to it, and [`Guard::pushed`] must be told.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.input
    }

    /// So many bytes were appended to [`Guard::tail`].
    pub fn pushed(&mut self, bytes: usize) -> Result<(), ScrapeError> {
        self.received += bytes as u64;
        let new = &self.input[self.input.len() - bytes..];
        self.doubles.iter_mut().for_each(|double| double.push(new));
        let limit = self.scrape.limits.body_size;
        if limit > 0 && self.received >= limit {
            return Err(ScrapeError::BodySize(limit));
        }
        self.read_on(false)?;
        let hold = self.hold();
        if self.retained == Retained::Elsewhere {
            return self.let_go_elsewhere(hold);
        }
        if self.retained == Retained::Whole && self.received > hold {
            // As long as all of it can be read again.
            self.decide(false, Guard::relieve_crowd)?;
            self.retained = Retained::No;
        }
        if self.retained == Retained::No && self.at as u64 >= STEP.min(hold) {
            self.let_go();
        }
        if !self.is_leaving && self.output.held() > hold {
            self.decide(false, |guard| guard.relieve_all(relieve::View::Part))?;
            self.begin_leaving();
        }
        Ok(())
    }

    /// Lets consumed input go, unless most of it waits to leave.
    fn let_go(&mut self) {
        if self.output.run_len() < self.at / 2 {
            self.output.settle_run(&self.input);
            self.input.drain(..self.at);
            self.output.input_moved(self.at);
            self.at = 0;
        }
    }

    /// Appends to `out` what may leave already: nothing while the output is held whole. Once this
    /// has given bytes, a failure can only be told by aborting the connection.
    pub fn drain(&mut self, out: &mut Vec<u8>) {
        if self.is_leaving && self.output.held() >= LEAST_DRAIN.min(self.hold()) {
            // What has left cannot be read again.
            self.retained = Retained::No;
            self.leave_before(self.barrier(), out);
        }
    }

    /// Hands over the input's own buffer when what leaves is its beginning, else copies.
    fn leave_before(&mut self, barrier: u64, out: &mut Vec<u8>) {
        match self.output.prefix(barrier) {
            Some(len) if out.is_empty() && len > 0 => {
                out.extend_from_slice(&self.input[len..]);
                std::mem::swap(out, &mut self.input);
                out.truncate(len);
                self.output.prefix_left(len);
                self.at -= len;
            }
            _ => self.output.take(&self.input, barrier, out),
        }
    }

    /// The body is complete: appends the rest of the output and commits, all or nothing.
    pub fn finish(self, end: BodyEnd, out: &mut Vec<u8>) -> (Box<EndpointState>, Result<Report, ScrapeError>) {
        let (state, ended) = self.finish_as(end, Wanted::Written, out);
        (state, ended.map(|(report, _)| report))
    }

    /// The same, as who asks wants it: who still has the body needs no copy of what is unchanged.
    pub fn finish_as(
        mut self,
        end: BodyEnd,
        wanted: Wanted,
        out: &mut Vec<u8>,
    ) -> (Box<EndpointState>, Result<(Report, Leaves), ScrapeError>) {
        if let Err(error) = self.read_to_end(end) {
            return (self.abort(), Err(error));
        }
        if self.received == 0 {
            // A zero-byte body stays one, and commits nothing but the clock.
            self.finish_doubles(end);
            return (self.give_back(), Ok((Report::default(), Leaves::Written)));
        }
        self.count_turnout();
        let mut tail = Vec::new();
        self.show_rest(&mut tail);
        let leaves = match wanted {
            Wanted::Apart if tail.is_empty() && self.is_untouched() => Leaves::AsItCame,
            Wanted::Apart | Wanted::Written => Leaves::Written,
        };
        if self.fate == Fate::Counts {
            return self.count_failure(leaves);
        }
        if leaves == Leaves::Written
            && let Err(error) = self.want_body()
        {
            return (self.abort(), Err(error));
        }
        self.state.left_as_it_came = leaves == Leaves::AsItCame;
        let observed = self.finish_doubles(end);
        let mut report = self.commit();
        // Of several limits that would be, the last policy's is told.
        observed.into_iter().rev().for_each(|observed| observed.add_to(&mut report));
        if self.scrape.annotate == Annotate::Yes && !self.is_annotated() {
            write_annotation(&mut tail, &report);
        }
        match leaves {
            Leaves::AsItCame => out.extend_from_slice(&tail),
            Leaves::Written => self.write_rest(tail, out),
        }
        (self.spare_buffers(), Ok((report, leaves)))
    }

    /// The body failed: gives the state back as it was before this scrape.
    pub fn abort(mut self) -> Box<EndpointState> {
        self.state.fold.clock.take_back();
        self.give_back()
    }

    /// The state as it was when the pass began.
    fn give_back(mut self) -> Box<EndpointState> {
        self.state.doubles.extend(self.doubles.drain(..).filter_map(Watching::abort));
        self.state.rollback(self.watermark);
        self.spare_buffers()
    }

    /// The next scrape writes to memory that is there already, unless it is so much that others had
    /// better have it meanwhile.
    fn spare_buffers(mut self) -> Box<EndpointState> {
        self.body.lone.clear();
        if self.body.lone.capacity() <= MOST_LONE {
            self.state.lone = self.body.lone;
        }
        self.state.spare = self.input;
        self.state
    }

    /// From now on no more output than this is held back.
    pub fn hold_at_most(&mut self, bytes: u64) {
        self.scrape.limits.hold_output = bytes;
    }

    /// Bytes of output to hold back.
    fn hold(&self) -> u64 {
        match self.scrape.limits.hold_output {
            0 => u64::MAX,
            limit => limit,
        }
    }

    fn read_to_end(&mut self, end: BodyEnd) -> Result<(), ScrapeError> {
        self.body.ends_in_newline = self.input.last() == Some(&b'\n') || self.input.is_empty();
        self.read_on(true)?;
        let cut = end == BodyEnd::Closed && !self.body.ends_in_newline;
        if cut && self.state.format == Format::Text {
            return Err(ScrapeError::Truncated);
        }
        self.learn_types()?;
        self.decide(true, |guard| guard.relieve_all(relieve::View::Whole))
    }

    /// Reads the body again as long as its TYPE lines say something else than what it was read by.
    fn learn_types(&mut self) -> Result<(), ScrapeError> {
        // Once for TYPE lines that came late, once more for untyped parts that are left alone by it.
        for _ in 0..MOST_PASSES {
            match self.types_hold() {
                Verdict::Holds => return Ok(()),
                Verdict::Untouched => {
                    self.relearn();
                    return Ok(());
                }
                Verdict::Broken if self.retained == Retained::No => {
                    self.relearn();
                    return Err(ScrapeError::TypesChanged);
                }
                Verdict::Broken => {
                    self.want_body()?;
                    self.relearn();
                    self.repeat()?;
                }
            }
        }
        Ok(())
    }

    /// Decides what was waited for; where that is to hold from the first line on, the body is read
    /// again.
    fn decide(
        &mut self,
        last: bool,
        relief: impl Fn(&mut Guard) -> Result<(), ScrapeError>,
    ) -> Result<(), ScrapeError> {
        loop {
            match relief(self) {
                Err(ScrapeError::StartedOver) => {
                    self.start_over();
                    self.read_on(last)?;
                    if last {
                        self.learn_types()?;
                    }
                }
                decided => return decided,
            }
        }
    }

    /// What this body declared is in force; what was made of names and spellings is made again.
    fn relearn(&mut self) {
        self.state.types.adopt(self.state.scrape);
        self.state.families.forget_samples();
        self.forget_spellings();
    }

    fn forget_spellings(&mut self) {
        let state = &mut *self.state;
        state.series.clear(&mut state.fold.members);
        state.alike.clear();
        self.watermark = self.watermark.without_series();
    }

    /// Reads all complete lines, and from the beginning where a label turned out to go after a limit
    /// had decided about series that still had it: limits come after all steps.
    fn read_on(&mut self, last: bool) -> Result<(), ScrapeError> {
        loop {
            match self.read(last) {
                Err(ScrapeError::StartedOver) => self.start_over(),
                done => return done,
            }
        }
    }

    /// Back to the first line, with what was decided since.
    fn start_over(&mut self) {
        let (collapses, doors) = (self.state.budgets.new_collapses(), self.state.doors);
        self.rewind_body(self.watermark);
        self.state.doors = doors;
        self.state.decide_beforehand(collapses);
    }

    /// Reads the body again, now that its TYPE lines are known.
    fn repeat(&mut self) -> Result<(), ScrapeError> {
        self.rewind_body(self.watermark.without_series());
        self.read_on(true)
    }

    fn rewind_body(&mut self, watermark: Watermark) {
        self.state.rollback(watermark);
        self.watermark = self.state.begin_pass();
        let limits = SyntaxLimits { sample_size: self.scrape.limits.sample_size, labels: self.scrape.limits.labels };
        self.tokens = Tokens::new(self.state.format, limits);
        (self.at, self.is_leaving, self.fate) = (0, false, Fate::Commits);
        (self.output, self.shown, self.settled_as) = (Output::default(), ShownLines::default(), None);
        let newline = self.body.ends_in_newline;
        self.body = Body { ends_in_newline: newline, ..Body::default() };
    }

    fn commit(&mut self) -> Report {
        let process = self.process();
        self.share_blame();
        let state = &mut *self.state;
        let now = state.fold.clock.seconds();
        let has_news = state.has_news() || state.doubles.iter().any(|double| double.state.had_news);
        state.had_news = has_news;
        state.types.settle();
        state.families.commit(state.scrape);
        state.budgets.commit();
        state.fold.commit(process, state.clients.hold_seconds());
        state.recollection = Recollection::Whole;
        state.process.commit(self.body.start_time, now);
        state.clients.answered(self.scrape.client, self.scrape.now);
        state.epoch_seconds.get_or_insert(self.scrape.wall_seconds);
        for family in state.families.retyped(state.format, state.scrape) {
            state.fold.drop_family(family);
        }
        state.age();
        let swept = state.last_sweep;
        let moved = state.fold.sweep(self.scrape.limits.members, &mut state.last_sweep);
        let stale = state.series.is_stale(self.body.received);
        if stale || moved.is_some() {
            let keep = if stale { Keep::Present } else { Keep::All };
            state.series.retain(&mut state.fold.members, keep, moved.as_ref());
        }
        if moved.is_some() {
            state.alike.clear();
        }
        if moved.is_some() || state.last_sweep > swept {
            state.recount();
            state.turn_census();
        }
        // A crowd of new series is what people come to look for: they are not kept waiting.
        if moved.is_some() || state.last_sweep > swept || has_news {
            state.label_rows = state.label_rows().into();
        }
        let is_swept = state.last_sweep > swept;
        state.awaited = 0;
        state.open_doors(Terms::of(&self.scrape, Patience::None), is_swept);
        state.publish();
        let report = self.report();
        self.state.give_back_families(moved.is_some());
        report
    }

    /// What was kept, what follows it, and the last line.
    fn write_rest(&mut self, tail: Vec<u8>, out: &mut Vec<u8>) {
        let eof = self.body.eof.take().unwrap_or_default();
        self.leave_before(self.output.position(), out);
        if !tail.is_empty() {
            // The last line was the exporter's, and it may lack its newline.
            if eof.is_empty() && !self.body.ends_in_newline && out.last() != Some(&b'\n') {
                out.push(b'\n');
            }
            out.extend_from_slice(&tail);
        }
        out.extend_from_slice(&eof);
    }
}
