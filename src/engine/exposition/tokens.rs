//! One line at a time, in any chunks.

use super::cursor::{Cursor, Parsed};
use super::error::{SyntaxError, SyntaxErrorKind};
use super::framing::{Frame, Framing};
use super::labels::Series;
use super::step::{Step, Tail};
use super::{openmetrics, text};
use crate::engine::model::{Format, LabelSet};

/// What bounds a single line.
#[derive(Clone, Copy, Debug)]
pub struct SyntaxLimits {
    /// Bytes of one line (a line feed inside quotes does not end it); 0 = no limit.
    pub sample_size: usize,
    /// Labels of one sample; 0 = no limit.
    pub labels: usize,
}

/// Reads lines. One `Tokens` lives as long as one body.
///
/// A line is parsed once, when it is complete. Until then only [`Framing`] looks at it, and only
/// at what is new, so the answers do not depend on how the body was cut.
#[derive(Debug)]
pub struct Tokens {
    format: Format,
    limits: SyntaxLimits,
    line: u64,
    framing: Framing,
    progress: Progress,
    series: Series,
}

/// How far the body has come: this alone decides whether it may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Nothing,
    Lines,
    Eof,
}

impl Tokens {
    pub fn new(format: Format, limits: SyntaxLimits) -> Tokens {
        Tokens {
            format,
            limits,
            line: 1,
            framing: Framing::default(),
            progress: Progress::Nothing,
            series: Series::default(),
        }
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// The line the next call reads, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Name of the last sample, or family of the last metadata line, unescaped.
    pub fn name(&self) -> &str {
        &self.series.name
    }

    /// Labels of the last sample, unescaped and normalised.
    pub fn labels(&self) -> &LabelSet {
        &self.series.labels
    }

    /// Reads the line at the start of `input`; `last` says that no byte follows `input`.
    ///
    /// After [`Step::NeedMore`] the next call must bring the same bytes and more behind them.
    pub fn next(&mut self, input: &[u8], last: bool) -> Result<Step, SyntaxError> {
        if input.is_empty() {
            return self.next_of_nothing(last);
        }
        if self.framing.is_fresh() {
            let newline = memchr::memchr(b'\n', input);
            let end = newline.map_or(input.len(), |i| i + 1);
            if (last || newline.is_some())
                && let Ok(step) = self.read_line(Cursor::checked(input, end, last))
            {
                self.consume(&input[..step.end()], newline)?;
                return Ok(self.note(step));
            }
        }
        self.next_framed(input, last)
    }

    /// Reads the rest of a sample whose series part, `input[..from]`, the caller knows already
    /// (from an earlier [`super::Sample::series_end`]). `None`: not complete yet. Does not touch
    /// [`Tokens::name`] and [`Tokens::labels`].
    ///
    /// An error is not the last word: the bytes of a bare name may begin another series (`a ` that
    /// of `a {b="c"} 1`). Ask [`Tokens::next`] for the same line then.
    #[inline]
    pub fn tail(&mut self, input: &[u8], from: usize, last: bool) -> Result<Option<Tail>, SyntaxError> {
        if self.framing.is_fresh()
            && let Ok(tail) = self.read_tail(input, from, last)
        {
            let newline = memchr::memchr(b'\n', &input[..tail.end]);
            self.consume(&input[..tail.end], newline)?;
            return Ok(Some(tail));
        }
        self.tail_framed(input, from, last)
    }

    fn next_of_nothing(&self, last: bool) -> Result<Step, SyntaxError> {
        match (last, self.format, self.progress) {
            (false, ..) => Ok(Step::NeedMore),
            (true, Format::OpenMetrics, Progress::Lines) => Err(self.error(SyntaxErrorKind::MissingEof)),
            (true, ..) => Ok(Step::End),
        }
    }

    /// The way of a line that was cut, or is wrong.
    #[cold]
    fn next_framed(&mut self, input: &[u8], last: bool) -> Result<Step, SyntaxError> {
        let Some(end) = self.frame(input, last)? else { return Ok(Step::NeedMore) };
        self.framing.restart();
        let step = self.read_line(Cursor::checked(&input[..end], end, true)).map_err(|kind| self.error(kind))?;
        self.consume(&input[..end], None)?;
        Ok(self.note(step))
    }

    #[cold]
    fn tail_framed(&mut self, input: &[u8], from: usize, last: bool) -> Result<Option<Tail>, SyntaxError> {
        self.framing.skip_series(from);
        let Some(end) = self.frame(input, last)? else { return Ok(None) };
        self.framing.restart();
        let tail = self.read_tail(&input[..end], from, true).map_err(|kind| self.error(kind))?;
        self.consume(&input[..end], None)?;
        Ok(Some(tail))
    }

    /// The end of the line, once it is complete.
    fn frame(&mut self, input: &[u8], last: bool) -> Result<Option<usize>, SyntaxError> {
        let (end, length) = match self.framing.advance(input, self.format) {
            Frame::Complete(end) => (Some(end), end - 1),
            Frame::Open if last => (Some(input.len()), input.len()),
            Frame::Open => (None, input.len()),
        };
        self.check_length(length)?;
        Ok(end)
    }

    #[inline]
    fn read_line(&mut self, cursor: Cursor<'_>) -> Parsed<Step> {
        match self.format {
            Format::Text => text::line(cursor, &mut self.series, self.limits.labels),
            Format::OpenMetrics if self.progress == Progress::Eof => Err(SyntaxErrorKind::AfterEof),
            Format::OpenMetrics => openmetrics::line(cursor, &mut self.series, self.limits.labels),
        }
    }

    #[inline]
    fn read_tail(&self, input: &[u8], from: usize, last: bool) -> Parsed<Tail> {
        let cursor = Cursor::new(input, from, last);
        match self.format {
            // Without a blank behind it, a bare name may go on differently this time.
            Format::Text if !matches!(cursor.behind(), Some(b'}' | b' ' | b'\t')) => Err(SyntaxErrorKind::ValueBlank),
            Format::Text => text::tail(cursor),
            Format::OpenMetrics if self.progress == Progress::Eof => Err(SyntaxErrorKind::AfterEof),
            Format::OpenMetrics => openmetrics::tail(cursor),
        }
    }

    /// Accepts a line. If the first newline in it is known to end it, there are no others.
    #[inline]
    fn consume(&mut self, line: &[u8], newline: Option<usize>) -> Result<(), SyntaxError> {
        if newline.is_some_and(|i| i + 1 == line.len()) {
            self.check_length(line.len() - 1)?;
            self.line += 1;
        } else {
            self.check_length(line.len() - usize::from(line.ends_with(b"\n")))?;
            self.line += memchr::memchr_iter(b'\n', line).count() as u64;
        }
        self.framing.restart();
        self.progress = Progress::Lines;
        Ok(())
    }

    #[inline]
    fn note(&mut self, step: Step) -> Step {
        if let Step::Eof { .. } = step {
            self.progress = Progress::Eof;
        }
        step
    }

    /// Label positions are 32 bits wide, which bounds a line that nothing else does.
    #[inline]
    fn check_length(&self, length: usize) -> Result<(), SyntaxError> {
        let longest = if self.limits.sample_size == 0 { u32::MAX as usize } else { self.limits.sample_size };
        if length > longest { Err(self.error(SyntaxErrorKind::SampleSize)) } else { Ok(()) }
    }

    #[cold]
    fn error(&self, kind: SyntaxErrorKind) -> SyntaxError {
        SyntaxError { line: self.line, kind }
    }
}
