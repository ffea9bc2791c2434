//! The assembly line: bytes in, guarded bytes out, one commit at the end.
//!
//! A [`Guard`] owns the state of its endpoint while a scrape runs and gives it back when the
//! scrape ends, well or badly. Everything that drives scrapes (proxy, CLI, benches, tests,
//! fuzzers) drives this one type.

mod ageing;
mod ahead;
mod alike;
mod annotate;
mod budgets;
mod causes;
mod commons;
mod demography;
mod exemplars;
mod families;
mod given;
mod known;
mod limits;
mod lines;
mod meet;
mod observed;
mod output;
mod process;
mod relieve;
mod report;
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
mod withhold;
mod wordings;

pub use budgets::Origin;
pub use commons::{Commons, Learned, Release};
pub use demography::LabelRow;
pub use given::{Annotate, BodyEnd, Leaves, Limits, Scrape, ScrapeError, Start, Wanted};
pub use report::{Attributed, BadSample, Collapsed, FamilyReport, Report};
pub use seams::{Jump, Jumps};
pub use shed::Absences;
pub use snapshot::RestoreError;
pub use state::EndpointState;
pub use survey::{Survey, Surveyed};
pub use withhold::{Acquaintance, Withheld};

use std::sync::Arc;

use crate::engine::exposition::{SyntaxLimits, Tokens};
pub use crate::engine::fold::Extent;
use crate::engine::fold::{MemberId, Process};
use crate::engine::model::Format;
use crate::engine::policy::Cause;
use alike::Ready;
use annotate::write_annotation;
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
    output: Output,
    body: Body,
    shown: ShownLines,
    /// The output is leaving before the body's end.
    /// Lines read ahead, and how many are to be: see `ahead`.
    ready: Vec<Ready>,
    kin: Vec<Kin>,
    haste: usize,
    is_leaving: bool,
    is_ending: bool,
    settled_as: Option<Process>,
    watermark: Watermark,
}

/// Whether `input` begins where the body begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retained {
    Whole,
    No,
}

/// Consumed input is let go in steps of this size.
const STEP: u64 = 1 << 20;
/// How often a body may be read again because its end explains its beginning.
const MOST_PASSES: usize = 3;
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
        Guard {
            tokens: Tokens::new(state.format, limits),
            state,
            scrape,
            input,
            at: 0,
            received: 0,
            retained: Retained::Whole,
            output: Output::default(),
            body: Body::default(),
            shown: ShownLines::default(),
            ready: Vec::new(),
            kin: Vec::new(),
            haste: 1,
            is_leaving: false,
            is_ending: false,
            settled_as: None,
            watermark,
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
        let limit = self.scrape.limits.body_size;
        if limit > 0 && self.received >= limit {
            return Err(ScrapeError::BodySize(limit));
        }
        self.read(false)?;
        let hold = self.hold();
        if self.retained == Retained::Whole && self.received > hold {
            self.retained = Retained::No;
        }
        if self.retained == Retained::No && self.at as u64 >= STEP.min(hold) {
            self.let_go();
        }
        if !self.is_leaving && self.output.held() > hold {
            self.relieve_all()?;
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
            return (self.give_back(), Ok((Report::default(), Leaves::Written)));
        }
        self.count_turnout();
        let mut tail = Vec::new();
        self.show_rest(&mut tail);
        let leaves = match wanted {
            Wanted::Apart if tail.is_empty() && self.is_untouched() => Leaves::AsItCame,
            Wanted::Apart | Wanted::Written => Leaves::Written,
        };
        let report = self.commit();
        if self.scrape.annotate == Annotate::Yes && !self.is_annotated() {
            write_annotation(&mut tail, &report);
        }
        match leaves {
            Leaves::AsItCame => out.extend_from_slice(&tail),
            Leaves::Written => self.write_rest(tail, out),
        }
        self.state.spare = self.input;
        (self.state, Ok((report, leaves)))
    }

    /// Whether the output is the body, all of it, and none of it has left.
    fn is_untouched(&self) -> bool {
        let eof = self.body.eof.as_ref().map_or(0, Vec::len) as u64;
        let whole = self.output.prefix(self.output.position());
        self.output.base() == 0 && whole.is_some_and(|len| len as u64 + eof == self.received)
    }

    /// The body failed: gives the state back as it was before this scrape.
    pub fn abort(mut self) -> Box<EndpointState> {
        self.state.fold.clock.take_back();
        self.give_back()
    }

    /// The state as it was when the pass began.
    fn give_back(mut self) -> Box<EndpointState> {
        self.state.rollback(self.watermark);
        self.state.spare = self.input;
        self.state
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
        self.read(true)?;
        let cut = end == BodyEnd::Closed && !self.body.ends_in_newline;
        if cut && self.state.format == Format::Text {
            return Err(ScrapeError::Truncated);
        }
        // Once for TYPE lines that came late, once more for untyped parts that are left alone by it.
        for _ in 0..MOST_PASSES {
            match self.types_hold() {
                Verdict::Holds => return self.relieve_all(),
                Verdict::Untouched => {
                    self.relearn();
                    return self.relieve_all();
                }
                Verdict::Broken if self.retained == Retained::No => {
                    self.relearn();
                    return Err(ScrapeError::TypesChanged);
                }
                Verdict::Broken => {
                    self.relearn();
                    self.repeat()?;
                }
            }
        }
        self.relieve_all()
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

    /// Reads the body again, now that its TYPE lines are known.
    fn repeat(&mut self) -> Result<(), ScrapeError> {
        self.state.rollback(self.watermark.without_series());
        self.watermark = self.state.begin_pass();
        let limits = SyntaxLimits { sample_size: self.scrape.limits.sample_size, labels: self.scrape.limits.labels };
        self.tokens = Tokens::new(self.state.format, limits);
        (self.at, self.is_leaving) = (0, false);
        (self.output, self.shown, self.settled_as) = (Output::default(), ShownLines::default(), None);
        let newline = self.body.ends_in_newline;
        self.body = Body { ends_in_newline: newline, ..Body::default() };
        self.read(true)
    }

    fn commit(&mut self) -> Report {
        let process = self.process();
        let state = &mut *self.state;
        if !state.shadows.is_empty() {
            let known = self.watermark.members();
            state.shadows.count(&state.fold, |member: MemberId| member.index() >= known);
            for ((from, to), (lines, new_lines)) in state.shadows.moves() {
                state.fold.tally.move_blame(from, to, lines, new_lines);
            }
        }
        let now = state.fold.clock.seconds();
        let has_news = state.has_news();
        state.families.commit();
        state.fold.commit(process, state.clients.hold_seconds());
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
            state.series.retain(&mut state.fold.members, keep, moved.as_ref().map(|m| m.members.as_slice()));
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
        state.publish();
        self.report()
    }

    fn report(&self) -> Report {
        let (state, tally) = (&self.state, &self.state.fold.tally);
        let dropped_lines = |number: usize| self.body.dropped.get(number).map_or(0, |d| d.0);
        let demand = state.demands();
        let numbers = tally.by_cause.len().max(self.body.dropped.len());
        let mut report = Report {
            received: self.body.received - tally.duplicates,
            forwarded: self.body.passed + self.shown.all,
            dropped: tally.by_cause.iter().map(|d| d.lines).sum::<u64>()
                + self.body.dropped.iter().map(|d| d.0).sum::<u64>(),
            frozen: self.shown.frozen,
            headroom: state.headroom(Terms::of(&self.scrape, Patience::None), &demand),
            collapsed_labels: state.budgets.enforced_collapses() as u64,
            epoch_seconds: state.epoch_seconds.unwrap_or(self.scrape.wall_seconds),
            members: state.fold.members.len() as u64,
            members_evicted: tally.evicted,
            resets: tally.resets,
            rebaselined: tally.rebaselined,
            input_duplicates: tally.duplicates + self.body.duplicates,
            bucket_layout_conflicts: tally.layout_conflicts,
            ..Report::default()
        };
        let by = |f: &dyn Fn(usize) -> u64| -> Vec<Attributed> {
            state.causes.attribute((0..numbers).map(|n| (n as u32, f(n))))
        };
        let folded = |n: usize| tally.by_cause.get(n).copied().unwrap_or_default();
        report.dropped_by = by(&|n| folded(n).lines.saturating_sub(folded(n).quantiles) + dropped_lines(n));
        report.dropped_by.extend(by(&|n| folded(n).quantiles).into_iter().map(as_quantile));
        report.over_budget = report.dropped_by.iter().filter(|by| by.cause.action.is_budget()).map(|by| by.count).sum();
        report.blocked_by = by(&|n| folded(n).new_lines + self.body.dropped.get(n).map_or(0, |d| d.1));
        report.folded_by = by(&|n| folded(n).folded);
        let bad = [tally.not_finite, tally.negative, tally.inconsistent, tally.out_of_order];
        report.bad_samples = BadSample::ALL.into_iter().zip(bad).filter(|(_, n)| *n > 0).collect();
        state.shadows.report(&state.causes, &mut report);
        state.report_families(&demand, &mut report);
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

/// Quantile lines of folded summaries are gone for a reason of their own (rule 3.9).
fn as_quantile(by: Attributed) -> Attributed {
    use crate::engine::policy::Action;
    let cause = Cause { policy: by.cause.policy.clone(), label: "quantile".into(), action: Action::Quantile };
    Attributed { cause: Arc::new(cause), ..by }
}
