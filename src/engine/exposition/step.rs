//! What a line says: the answers of [`super::Tokens`].

use std::ops::Range;

use crate::engine::model::Kind;

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
    /// `# HELP`, `# TYPE`, `# UNIT`; the family is in [`super::Tokens::name`], unescaped.
    Meta(Meta),
    /// A sample; its name is in [`super::Tokens::name`], its labels in [`super::Tokens::labels`].
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
    /// it (so that these bytes alone tell that the name does not go on; a `{` still may, and then
    /// [`super::Tokens::tail`] is an error).
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

impl Step {
    /// How many bytes the caller consumes.
    pub fn end(&self) -> usize {
        match self {
            Step::NeedMore | Step::End => 0,
            Step::Skip { end } | Step::Eof { end } => *end,
            Step::Meta(meta) => meta.end,
            Step::Sample(sample) => sample.tail.end,
        }
    }
}
