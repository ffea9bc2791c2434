//! What rules and dashboards use, and so must stay.

use crate::cli::promql::{How, Name, Questions, Read};

/// The labels that expressions read. One that is only left out (`without`, `ignoring`) is not read:
/// the result is the same when it is not there.
pub(super) struct Protected(pub Questions);

/// What the samples of a family may be called.
const SUFFIXES: [&str; 7] = ["", "_bucket", "_count", "_sum", "_gcount", "_gsum", "_created"];

impl Protected {
    /// The place of an expression that uses this label of this family.
    pub(super) fn user(&self, family: &str, label: &str) -> Option<String> {
        let names = SUFFIXES.map(|suffix| format!("{family}{suffix}"));
        let meant = |name: &Name| match name {
            Name::Is(recorded) if self.0.recorded.contains(recorded) => false,
            name => names.iter().any(|sample| name.fits(sample)),
        };
        // What the exporter calls `job`, expressions call `exported_job`.
        let is = |asked: &str| asked == label || asked.strip_prefix("exported_") == Some(label);
        let uses = |read: &Read| is(&read.label) && read.how != How::LeavesOut && read.metrics.iter().any(meant);
        let user = self.0.expressions.iter().find(|expression| expression.query.reads.iter().any(uses))?;
        Some(format!("{}:{}", user.file, user.at.line))
    }
}
