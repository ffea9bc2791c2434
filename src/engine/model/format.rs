//! The two text formats a guard reads and writes.

use std::fmt;

/// An exposition format. State, folding and locks are per endpoint *and* format, because the two
/// spell counters, timestamps and metadata differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Prometheus text 0.0.4 and 1.0.0: one parser reads both.
    Text,
    /// OpenMetrics text 0.0.1 and 1.0.0: one parser reads both.
    OpenMetrics,
}

impl Format {
    /// What `filter --format` calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::OpenMetrics => "openmetrics",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
