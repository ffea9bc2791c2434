//! Why a body is refused: a line number and one of these, never a copy of the input.

/// Why a body is refused, small and without a copy of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct SyntaxError {
    /// Where the refused entry begins, from 1, counting newlines as an editor does.
    pub line: u64,
    pub kind: SyntaxErrorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxErrorKind {
    // The line.
    #[error("not a metric name, a comment or a blank line")]
    Start,
    #[error("blank line, which OpenMetrics does not allow")]
    BlankLine,
    #[error("leading blank, which OpenMetrics does not allow")]
    LeadingBlank,
    #[error("comment that is not HELP, TYPE, UNIT or EOF, which OpenMetrics does not allow")]
    Comment,
    #[error("carriage return: lines end with a line feed alone")]
    CarriageReturn,
    #[error("NUL byte outside a label value or HELP text, where Prometheus may stop reading unnoticed")]
    Nul,
    #[error("line larger than sample_size_limit")]
    SampleSize,
    #[error("the body ends inside this line")]
    Incomplete,
    #[error("data does not end with # EOF")]
    MissingEof,
    #[error("data after # EOF")]
    AfterEof,

    // Metadata.
    #[error("no metric name after HELP, TYPE or UNIT")]
    MetaName,
    #[error("no single blank after the metric name of HELP, TYPE or UNIT")]
    MetaBlank,
    #[error("not a metric type of this format")]
    MetricType,
    #[error("HELP text is not UTF-8")]
    HelpEncoding,
    #[error("unit is not a suffix of the metric name")]
    Unit,

    // Names and labels.
    #[error("no metric name")]
    MissingName,
    #[error("metric name given twice")]
    NameTwice,
    #[error("metric name is not UTF-8")]
    NameEncoding,
    #[error("no label name where one is expected")]
    LabelName,
    #[error("label name is empty")]
    EmptyLabelName,
    #[error("label name is not UTF-8")]
    LabelNameEncoding,
    #[error("__name__ as a label: the metric name stands before or inside the braces")]
    ReservedLabel,
    #[error("name without quotes and without a value in braces, on which Prometheus before 3.11 crashes")]
    BareIdentifier,
    #[error("no = after a label name")]
    Equals,
    #[error("no quoted label value after =")]
    LabelValue,
    #[error("label value is not UTF-8")]
    LabelValueEncoding,
    #[error("line feed inside quotes, which OpenMetrics does not allow here")]
    LineFeed,
    #[error("backslash before a line feed")]
    Escape,
    #[error("quote that is never closed")]
    Unclosed,
    #[error("no comma or }} after a label value")]
    Comma,
    #[error("label name is not unique")]
    DuplicateLabel,
    #[error("more labels than label_limit")]
    LabelCount,

    // Numbers.
    #[error("no value")]
    MissingValue,
    #[error("value is not a number Prometheus reads")]
    Value,
    #[error("value out of range")]
    ValueRange,
    #[error("no single blank before the value")]
    ValueBlank,
    #[error("timestamp is not a number Prometheus reads here")]
    Timestamp,
    #[error("more on the line than a sample")]
    Trailing,
    #[error("exemplar with a bad label set")]
    ExemplarLabels,
}

impl SyntaxErrorKind {
    /// Says that a limit was hit, not a rule of the syntax.
    pub const fn is_limit(self) -> bool {
        matches!(self, SyntaxErrorKind::SampleSize | SyntaxErrorKind::LabelCount)
    }
}

impl SyntaxError {
    pub const fn is_limit(self) -> bool {
        self.kind.is_limit()
    }
}
