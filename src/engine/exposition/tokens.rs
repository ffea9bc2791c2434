//! One line at a time, in any chunks.

use std::ops::Range;

use crate::engine::model::{Format, Kind, LabelSet};

/// What bounds a single line.
#[derive(Clone, Copy, Debug)]
pub struct SyntaxLimits {
    /// Bytes of one sample or metadata line; 0 = no limit.
    pub sample_size: usize,
    /// Labels of one sample; 0 = no limit.
    pub labels: usize,
}

/// Reads lines. One `Tokens` lives as long as one body.
#[derive(Debug)]
pub struct Tokens {
    format: Format,
    limits: SyntaxLimits,
    line: u64,
    name: String,
    labels: LabelSet,
}

/// What stands at the start of the input. Every `end` and range is an offset into that input, and
/// `end` is what the caller consumes (the newline included).
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The line is not complete yet: call again with more input (or with `last`).
    NeedMore,
    /// Nothing left, and the body may end here.
    End,
    /// A blank line or a comment.
    Skip { end: usize },
    /// `# HELP`, `# TYPE`, `# UNIT`; the family is in [`Tokens::name`], unescaped.
    Meta(Meta),
    /// A sample; its name is in [`Tokens::name`], its labels in [`Tokens::labels`].
    Sample(Sample),
    /// OpenMetrics' `# EOF`.
    Eof { end: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyword {
    Help,
    Type,
    Unit,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    pub keyword: Keyword,
    /// The type, for a TYPE line.
    pub kind: Option<Kind>,
    /// The text after the family, for HELP and UNIT.
    pub text: Range<usize>,
    pub end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Where the series part ends: behind `}`, or, for a bare name, behind the blanks that follow
    /// it (so that these bytes alone tell that neither the name nor a `{` goes on).
    pub series_end: usize,
    pub tail: Tail,
}

/// What follows the series part.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    /// The value's bytes: checked, to be read with [`super::number::parse`] when it is needed.
    pub value: Range<usize>,
    /// Milliseconds since the epoch, as Prometheus stores it.
    pub timestamp: Option<i64>,
    /// From the `#` to the end of the exemplar.
    pub exemplar: Option<Range<usize>>,
    pub end: usize,
}

/// Why a body is refused, small and without a copy of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct SyntaxError {
    /// From 1, counting newlines as an editor does.
    pub line: u64,
    pub kind: SyntaxErrorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxErrorKind {
    #[error("not a metric name, a comment or a blank line")]
    Start,
    #[error("sample larger than sample_size_limit")]
    SampleSize,
}

impl Tokens {
    pub fn new(format: Format, limits: SyntaxLimits) -> Tokens {
        Tokens { format, limits, line: 1, name: String::new(), labels: LabelSet::default() }
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
        &self.name
    }

    /// Labels of the last sample, unescaped and normalised.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// Reads the line at the start of `input`; `last` says that no byte follows `input`.
    pub fn next(&mut self, input: &[u8], last: bool) -> Result<Step, SyntaxError> {
        let _ = (input, last, self.limits);
        todo!()
    }

    /// Reads the rest of a sample whose series part, `input[..from]`, the caller knows already
    /// (from an earlier [`Sample::series_end`]). `None`: not complete yet. Does not touch
    /// [`Tokens::name`] and [`Tokens::labels`].
    #[inline]
    pub fn tail(&mut self, input: &[u8], from: usize, last: bool) -> Result<Option<Tail>, SyntaxError> {
        let _ = (input, from, last);
        todo!()
    }
}
